//! The lists of paths, by purpose.

use super::super::danger::Warning;
use super::super::fold::{self, Entries, Entry};
use super::quote::{escape, quote, shorten};
use super::{LISTED, Text, files_of};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Writes one list: what is given, then what is not, as comments.
pub(super) fn list(
    name: &str,
    home: &Path,
    given: &Entries,
    withheld: &BTreeMap<PathBuf, (Warning, Entry)>,
    text: &mut Text,
) {
    if given.is_empty() && withheld.is_empty() {
        return;
    }
    text.line("");
    text.line(&format!("{name} = ["));
    let mut groups: BTreeMap<Purpose, Vec<(&PathBuf, &Entry)>> = BTreeMap::new();
    for (path, entry) in given {
        groups
            .entry(Purpose::of(path, entry, home))
            .or_default()
            .push((path, entry));
    }
    for (purpose, paths) in groups {
        text.line(&format!("    # {}", purpose.title()));
        for (path, entry) in paths {
            text.line(&format!("    {}, # {}", quote(path), used(entry)));
        }
    }
    for (path, (warning, entry)) in withheld.iter().take(LISTED) {
        text.withheld(&quote(path), &format!("{}; ", used(entry)), warning);
        text.dangerous.push(path.display().to_string());
    }
    if withheld.len() > LISTED {
        text.note(
            "    ",
            &format!("and {} more that are not given", withheld.len() - LISTED),
        );
    }
    text.line("]");
}

/// Why a path is given.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    Programs,
    Configuration,
    Caches,
    Other,
}

impl Purpose {
    fn of(path: &Path, entry: &Entry, home: &Path) -> Self {
        const ENDINGS: [&str; 10] = [
            "cfg",
            "conf",
            "config",
            "env",
            "ini",
            "json",
            "properties",
            "toml",
            "yaml",
            "yml",
        ];
        let in_config = path.starts_with("/etc") || path.starts_with(home.join(".config"));
        let is_dotted = path
            .strip_prefix(home)
            .is_ok_and(|below| below.as_os_str().as_encoded_bytes().starts_with(b"."));
        let ending = path.extension().and_then(|ending| ending.to_str());
        match () {
            () if fold::cache(path, home).is_some() => Self::Caches,
            () if entry.executed => Self::Programs,
            () if in_config
                || is_dotted
                || ending.is_some_and(|ending| ENDINGS.contains(&ending)) =>
            {
                Self::Configuration
            }
            () => Self::Other,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Programs => "Programs",
            Self::Configuration => "Configuration",
            Self::Caches => "Caches of tools",
            Self::Other => "Other files",
        }
    }
}

/// How something was used, in a few words.
fn used(entry: &Entry) -> String {
    let how = match (entry.written, entry.executed) {
        (true, _) if entry.made == entry.files => "made",
        (true, _) => "written",
        (false, _) if entry.connected => "connected to",
        (false, true) => "executed",
        (false, false) => "read",
    };
    let by: Vec<String> = entry
        .by
        .iter()
        .take(3)
        .map(|name| shorten(&escape(name)))
        .collect();
    let by = match by.is_empty() {
        true => String::new(),
        false => format!(" by {}", by.join(", ")),
    };
    // A name is to be judged by where it leads.
    let leads_to = entry.leads_to.iter().next();
    let leads_to = leads_to.map_or_else(String::new, |real| {
        format!("; leads to {}", escape(&real.to_string_lossy()))
    });
    match entry.files {
        1 if entry.listed && !entry.written => {
            format!("listed{by}, and all below it given{leads_to}")
        }
        1 if entry.made == 0 => format!("{how}{by}{leads_to}"),
        count => format!("{} {how}{by}{leads_to}", files_of(count)),
    }
}
