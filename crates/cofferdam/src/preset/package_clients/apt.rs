//! apt: `sources.list` and what is beside it (sources.list(5)).

use super::{PackageClients, Source, proxy_text};
use std::path::PathBuf;

const CLIENT: &str = "apt";

/// The most files that are looked at, far above what a machine has.
const MOST: usize = 256;

pub(super) fn find(source: &Source<'_>, found: &mut PackageClients) {
    let base = source.at("/etc/apt");
    let parts = std::fs::read_dir(base.join("sources.list.d"))
        .into_iter()
        .flatten();
    let mut parts: Vec<PathBuf> = parts
        .flatten()
        .take(MOST)
        .map(|entry| entry.path())
        .collect();
    parts.sort();
    for path in std::iter::once(base.join("sources.list")).chain(parts) {
        let read = match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => one_line,
            Some("sources") => stanzas,
            // apt does not read it either.
            _ => continue,
        };
        let Some(text) = source.read(&path) else {
            continue;
        };
        let (urls, malformed) = read(&text);
        let left_out: Vec<String> = urls
            .into_iter()
            .filter(|url| add(url, found).is_none())
            .collect();
        if malformed.is_empty() {
            let plain = without_credentials(&without_comments(&text), &left_out);
            found.files.insert(path, plain);
        } else {
            let text = format!("{}: lines {malformed:?} are no sources", path.display());
            found.note(CLIENT, text);
        }
    }
    let dump = (source.installed)("apt-config")
        .then(|| (source.ask)("apt-config", &["dump"]))
        .flatten();
    if dump.as_deref().is_some_and(proxy) {
        found.note(CLIENT, proxy_text("Acquire::http::Proxy"));
    }
}

/// The URLs of the one-line format, and the numbers of lines that are none.
pub(super) fn one_line(text: &str) -> (Vec<String>, Vec<usize>) {
    let (mut urls, mut malformed) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or("").trim();
        if line.is_empty() {
            continue;
        }
        let rest = line
            .strip_prefix("deb-src")
            .or_else(|| line.strip_prefix("deb"));
        let rest = rest
            .filter(|rest| rest.starts_with([' ', '\t']))
            .map(str::trim_start);
        let rest = rest.and_then(|rest| match rest.strip_prefix('[') {
            Some(options) => options.split_once(']').map(|(_, rest)| rest),
            None => Some(rest),
        });
        match rest.and_then(|rest| rest.split_whitespace().next()) {
            Some(url) => urls.push(url.into()),
            None => malformed.push(number + 1),
        }
    }
    (urls, malformed)
}

/// The URLs of the deb822 format, of stanzas that are not switched off.
pub(super) fn stanzas(text: &str) -> (Vec<String>, Vec<usize>) {
    let (mut urls, mut malformed) = (Vec::new(), Vec::new());
    let mut own: Vec<String> = Vec::new();
    let (mut off, mut goes_on) = (false, false);
    for (number, line) in text.lines().chain(std::iter::once("")).enumerate() {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            if !off {
                urls.append(&mut own);
            }
            own.clear();
            (off, goes_on) = (false, false);
        } else if line.starts_with([' ', '\t']) {
            if goes_on {
                own.extend(line.split_whitespace().map(Into::into));
            }
        } else if let Some((field, value)) = line.split_once(':') {
            goes_on = field.eq_ignore_ascii_case("URIs");
            if goes_on {
                own.extend(value.split_whitespace().map(Into::into));
            }
            off |= field.eq_ignore_ascii_case("Enabled") && value.trim().eq_ignore_ascii_case("no");
        } else {
            malformed.push(number + 1);
        }
    }
    (urls, malformed)
}

/// A comment may hold a line of before, with its password.
fn without_comments(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or(""));
    // A line that was all comment must not end a stanza.
    let kept = text
        .lines()
        .zip(lines)
        .filter(|(whole, _)| !whole.starts_with('#'));
    kept.fold(String::new(), |out, (_, line)| out + line + "\n")
}

/// The text without user information in any URL: a source that is switched off has its password, too. What is
/// left out is no URL, so nobody knows where its password is.
fn without_credentials(text: &str, left_out: &[String]) -> String {
    let words = text.split_inclusive(char::is_whitespace);
    let mut plain = String::with_capacity(text.len());
    for whole in words {
        let word = whole.trim_end();
        let before = left_out.iter().find_map(|url| {
            let before = word.strip_suffix(url.as_str())?;
            (before.is_empty() || before.ends_with(':')).then_some(before)
        });
        match before {
            Some(before) => plain.push_str(before),
            None => plain += &without_user_information(word),
        }
        plain.push_str(&whole[word.len()..]);
    }
    plain
}

/// A word without what stands before the `@` of each authority in it, which begins with `//` (RFC 3986, 3.2).
fn without_user_information(word: &str) -> String {
    let mut plain = String::with_capacity(word.len());
    let mut rest = word;
    // One URL may stand in the path of another, after a bare `//`.
    while let Some(at) = rest.find("//") {
        let (scheme, after) = rest.split_at(at + 2);
        let (authority, path) = after.split_at(after.find(['/', '?']).unwrap_or(after.len()));
        plain.push_str(scheme);
        plain.push_str(
            authority
                .rsplit_once('@')
                .map_or(authority, |(_, host)| host),
        );
        rest = path;
    }
    plain + rest
}

/// Whether the dump of a configuration names a proxy.
pub(super) fn proxy(dump: &str) -> bool {
    dump.lines().any(|line| {
        let Some((key, value)) = line.split_once(' ') else {
            return false;
        };
        let key = key.to_ascii_lowercase();
        let value = value.trim_end_matches(';').trim_matches('"');
        // One for a single host is `Acquire::http::Proxy::HOST`.
        let named = ["acquire::http::proxy", "acquire::https::proxy"]
            .iter()
            .any(|name| key == *name || key.starts_with(&format!("{name}::")));
        named && !["", "DIRECT"].contains(&value)
    })
}

fn add(url: &str, found: &mut PackageClients) -> Option<String> {
    if url.starts_with("mirror") || url.starts_with("cdrom:") {
        let kind = url.split(':').next().unwrap_or_default();
        found.note(
            CLIENT,
            format!("a source of the kind {kind:?} is left out; allow its hosts by name"),
        );
        return None;
    }
    found.add(CLIENT, url)
}
