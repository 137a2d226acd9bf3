//! What a person does with a report: read figures, filter, go from one view to another.

use crate::browser::Browser;
use crate::{Page, filter, session};
use serde_json::json;

fn example() -> Option<(Browser, Page)> {
    let mut browser = Browser::start()?;
    let page = Page::new(session::example());
    browser.size(1280, 900);
    browser.open(&page.path());
    Some((browser, page))
}

#[test]
fn figures_are_right() {
    let Some((mut browser, _page)) = example() else {
        return;
    };
    let numbers: Vec<_> = browser
        .texts("#figures dt, #figures b")
        .chunks(2)
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect();
    let expected = [
        ("Sessions", "1"),
        ("Tool calls", "11"),
        ("Commands", "7"),
        ("Programs run", "15"),
        ("Hosts reached", "3"),
        ("Files changed", "6"),
        ("Secrets used", "2"),
        // 3 + 1 + 12 + 1 + 1 + 1, as often as they happened.
        ("Denials", "19"),
    ];
    let expected = expected.map(|(name, number)| (name.to_owned(), number.to_owned()));
    assert_eq!(numbers, expected);
    let badges = browser.texts("[role=tab] .badge");
    // Refused hosts are hosts too, and a secret was used with one that had no connection of its own.
    assert_eq!(badges, ["11", "19", "5", "6", "15", ""]);
    let verdict = browser.texts(".verdict").remove(0);
    assert!(
        verdict.contains("Verified") && verdict.contains("3b6a27bcceb6a42d"),
        "{verdict}"
    );
    let when = browser.texts("#when").remove(0);
    assert!(
        when.starts_with("27 November 2026, 09:00:00 to 09:0"),
        "{when}"
    );
}

#[test]
fn tool_calls_stand_where_they_were_made() {
    let Some((mut browser, _page)) = example() else {
        return;
    };
    let nested = browser.texts(".group.call .group.call > summary strong");
    assert_eq!(nested, ["grep", "read_file"]);
    let outside = browser.texts(".group.session > .body > ol > li > .group.command > summary code");
    assert_eq!(outside, ["git status --short"]);
    let shown = browser.value("document.getElementById('timeline').textContent");
    let shown = shown.as_str().expect("text");
    for text in [
        "Run the tests again",
        "telemetry.pkg-stats.example:443",
        "no rule allows this name",
        "leave it; use the ssh agent",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
}

#[test]
fn filters_leave_what_was_asked_for() {
    let Some((mut browser, _page)) = example() else {
        return;
    };
    filter(&mut browser, "", "", true);
    assert!(browser.texts("#found")[0].starts_with("6 of "));
    assert_eq!(browser.texts("[role=tab] .badge")[1], "19");
    assert_eq!(
        browser.value("document.querySelectorAll('#timeline .event').length"),
        6
    );
    assert_eq!(
        browser.value("document.querySelectorAll('#timeline .event.denied').length"),
        6
    );

    filter(&mut browser, "", "secrets", false);
    assert!(browser.texts("#found")[0].starts_with("3 of "));
    // Two tool calls used secrets.
    assert_eq!(browser.texts("[role=tab] .badge")[0], "2");
    filter(&mut browser, "github PULLS", "", false);
    assert!(browser.texts("#found")[0].starts_with("1 of "));
    // Names of fields are not what people look for.
    filter(&mut browser, "denial", "", false);
    assert!(browser.texts("#found")[0].starts_with("0 of "));
    assert!(browser.texts("#timeline")[0].contains("Nothing matches"));
    // A tool call that is found is shown with all that it did.
    filter(&mut browser, "publish the branch", "", false);
    browser.value("document.querySelectorAll('#timeline details').forEach(e => { e.open = true })");
    browser.until("document.querySelectorAll('#timeline .group.command').length === 1");
    filter(&mut browser, "", "", false);
    assert_eq!(browser.texts("#found")[0], "");
    assert_eq!(browser.texts("[role=tab] .badge")[0], "11");
}

#[test]
fn keys_are_enough() {
    let Some((mut browser, _page)) = example() else {
        return;
    };
    browser.press("/");
    assert_eq!(browser.value("document.activeElement.id"), "words");
    for letter in "ptrace".chars() {
        browser.press(&letter.to_string());
    }
    browser.until("document.getElementById('found').textContent.startsWith('1 of ')");
    browser.press("Escape");
    browser.until("document.getElementById('found').textContent === ''");
    assert_eq!(browser.value("document.getElementById('words').value"), "");
    // Tabs are one stop, and arrows go between them.
    browser.value("document.getElementById('tab-timeline').focus()");
    browser.press("ArrowRight");
    assert_eq!(browser.value("document.activeElement.id"), "tab-denials");
    assert_eq!(browser.texts("#denials .denials > li").len(), 6);
    // From a denial to its tool call.
    browser.value("document.querySelector('#denials .link').focus()");
    browser.press("Enter");
    browser.until("document.activeElement.matches('.group.call > summary')");
    let reached = browser.value("document.activeElement.innerText");
    assert!(
        reached
            .as_str()
            .is_some_and(|text| text.contains("The lock file asks")),
        "{reached}"
    );
    // Everything that can be pressed can be reached and has a name.
    let nameless = browser.value(
        "[...document.querySelectorAll('button, input, select, summary')].filter(e => e.tabIndex < -1 || \
         !(e.textContent || e.getAttribute('aria-label') || e.labels?.length || e.closest('[hidden]'))).length",
    );
    assert_eq!(nameless, 0);
}

#[test]
fn hosts_have_their_bytes() {
    let Some((mut browser, _page)) = example() else {
        return;
    };
    browser.value("document.getElementById('tab-hosts').click()");
    let rows = browser.value(
        "[...document.querySelectorAll('#hosts tbody tr')] \
         .map((row) => [0, 2, 3, 4, 5, 6].map((at) => row.cells[at].innerText.trim()))",
    );
    let expected = json!([
        [
            "registry.example.org NPM_TOKEN",
            "1",
            "0",
            "0",
            "40.0 KiB",
            "17.9 MiB"
        ],
        [
            "github.com GITHUB_TOKEN",
            "1",
            "0",
            "0",
            "18.0 KiB",
            "6.1 KiB"
        ],
        [
            "api.github.com GITHUB_TOKEN",
            "0",
            "1",
            "0",
            "2.1 KiB",
            "9.6 KiB"
        ],
        ["telemetry.pkg-stats.example", "0", "0", "12", "0", "0"],
        ["forum.example.org", "0", "0", "1", "0", "0"],
    ]);
    assert_eq!(rows, expected);
}

#[test]
fn processes_stand_below_their_parents() {
    let Some((mut browser, _page)) = example() else {
        return;
    };
    browser.value("document.getElementById('tab-processes').click()");
    let tree = browser.value(
        "[...document.querySelectorAll('#processes .timeline > li:nth-child(2) .tree > li')].map(e => \
         [e.style.getPropertyValue('--depth'), \
         e.querySelector('.line').textContent.replace(/\\s+/g, ' ').slice(0, 60)])",
    );
    let expected = json!([
        [
            "0",
            "20103 npm ci --no-audit then node /usr/share/npm/bin/npm-cli"
        ],
        ["1", "20104 sh -c 'node ./postinstall.js'"],
        ["2", "20105 node ./postinstall.js"],
    ]);
    assert_eq!(tree, expected);
}
