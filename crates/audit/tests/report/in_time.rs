//! Very long logs open at once.

use crate::browser::Browser;
use crate::{Page, filter, session};
use std::time::Instant;

/// The middle one of three.
fn median(mut values: [f64; 3]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[1]
}

#[test]
fn a_hundred_thousand_events_open_in_time() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let page = Page::new(session::long(100_000));
    let size = std::fs::metadata(page.path()).expect("a file").len();
    browser.size(1280, 900);
    let mut first = [0.0; 3];
    let mut ready = [0.0; 3];
    for round in 0..3 {
        browser.open(&page.path());
        let time = |browser: &mut Browser, name: &str| {
            let entry = browser.value(&format!(
                "performance.getEntriesByName('{name}')[0]?.startTime"
            ));
            entry.as_f64().unwrap_or_else(|| panic!("no {name}"))
        };
        browser.until("performance.getEntriesByName('first-contentful-paint').length === 1");
        first[round] = time(&mut browser, "first-contentful-paint");
        ready[round] = time(&mut browser, "report-interactive");
    }
    println!(
        "{} MB: first contentful paint {first:.0?} ms, interactive {ready:.0?} ms",
        size / 1_000_000
    );
    assert_eq!(
        browser.texts("#when")[0].matches("100,000 records").count(),
        1
    );
    assert!(median(first) < 1000.0, "{first:?}");
    assert!(median(ready) < 2000.0, "{ready:?}");

    if let Some(directory) = crate::kept() {
        std::fs::write(directory.join("long.png"), browser.picture()).expect("a picture");
    }

    // Only what is looked at is made, and filters and views follow at once.
    let elements = browser.value("document.querySelectorAll('*').length");
    assert!(
        elements.as_u64().is_some_and(|count| count < 10_000),
        "{elements}"
    );
    // Scrolling makes more.
    let rows = "document.querySelectorAll('#timeline .timeline > li').length";
    let before = browser.value(rows).as_u64().expect("a number");
    browser.value("scrollTo(0, document.documentElement.scrollHeight)");
    browser.until(&format!("{rows} > {before}"));
    browser.value("scrollTo(0, 0)");
    for words in ["shadow", ""] {
        quick(&mut browser, &format!("filter {words:?}"), |browser| {
            filter(browser, words, "", false);
        });
    }
    for view in ["denials", "files", "processes", "resources"] {
        quick(&mut browser, view, |browser| {
            browser.value(&format!("document.getElementById('tab-{view}').click()"));
        });
    }
}

/// Does something, and waits until it can be seen.
fn quick(browser: &mut Browser, what: &str, act: impl FnOnce(&mut Browser)) {
    let start = Instant::now();
    act(browser);
    browser.value("new Promise((resume) => requestAnimationFrame(() => setTimeout(resume)))");
    let took = start.elapsed().as_millis();
    println!("{what}: {took} ms");
    assert!(took < 2000, "{what}: {took} ms");
}
