//! go: `GOPROXY` and `GOSUMDB`, from variables, the user's file, or the go command (its documentation,
//! "Environment variables" and "Module downloading").

use super::text::assignments;
use super::{PackageClients, Source};
use std::path::PathBuf;

const CLIENT: &str = "go";

pub(super) fn find(source: &Source<'_>, found: &mut PackageClients) {
    let mut files = Vec::new();
    match (source.variable)("GOENV") {
        Some(path) if path == "off" => {}
        Some(path) => files.push(PathBuf::from(path)),
        None => files.push(
            source
                .directory("XDG_CONFIG_HOME", ".config")
                .join("go/env"),
        ),
    }
    files.extend((source.variable)("GOROOT").map(|root| PathBuf::from(root).join("go.env")));
    let mut settings = Vec::new();
    for path in files {
        let Some(text) = source.read(&path) else {
            continue;
        };
        let (read, malformed) = assignments(&text);
        settings.extend(read);
        if !malformed.is_empty() {
            let text = format!("{}: lines {malformed:?} are no settings", path.display());
            found.note(CLIENT, text);
        }
    }
    let value = |name: &str| {
        let written = || settings.iter().find(|(key, _)| key == name);
        let known = (source.variable)(name).or_else(|| written().map(|(_, value)| value.clone()));
        known.or_else(|| {
            let asked = (source.installed)(CLIENT).then(|| (source.ask)(CLIENT, &["env", name]));
            asked.flatten().map(|text| text.trim().to_owned())
        })
    };
    let (proxies, database) = (value("GOPROXY"), value("GOSUMDB"));
    if let Some(text) = proxies.filter(|text| !text.is_empty()) {
        let mut plain = String::with_capacity(text.len());
        for whole in text.split_inclusive([',', '|']) {
            let entry = whole.trim_end_matches([',', '|']);
            match entry.trim() {
                "direct" => {
                    found.note(
                        CLIENT,
                        "GOPROXY says direct: the hosts of modules that no proxy has are not known",
                    );
                    plain.push_str(entry);
                }
                "" | "off" => plain.push_str(entry),
                // One that is left out must not carry its password inside either.
                url => plain += &found.add(CLIENT, url).unwrap_or_default(),
            }
            plain.push_str(&whole[entry.len()..]);
        }
        found.variable("GOPROXY", plain);
    }
    if let Some(text) = database
        && let Some(url) = self::database(&text)
        && found.add(CLIENT, &url).is_some()
        && !text.contains('@')
    {
        found.variable("GOSUMDB", text);
    }
}

/// The URL of the checksum database that `GOSUMDB` names: `NAME[+KEY] [URL]`, or `off`.
pub(super) fn database(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    let name = words.next().filter(|name| *name != "off")?;
    match words.next() {
        Some(url) => Some(url.into()),
        None => Some(format!("https://{}/", name.split('+').next()?)),
    }
}
