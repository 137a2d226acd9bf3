//! cargo: `config.toml` in its home, `CARGO_REGISTRIES_*` variables, and what it has fetched of indexes
//! (the cargo book, "Configuration", "Source Replacement", "Registry Index").

use super::{PackageClients, Source, proxy_text, url};
use std::path::Path;
use toml::{Table, Value};

const CLIENT: &str = "cargo";

/// cargo's name for its own registry as a source.
const DEFAULT: &str = "crates-io";

/// The most indexes that are looked at, far above what a home has.
const MOST: usize = 64;

pub(super) fn find(source: &Source<'_>, found: &mut PackageClients) {
    let home = source.directory("CARGO_HOME", ".cargo");
    let mut settings = Settings::default();
    for name in ["config.toml", "config"] {
        let path = home.join(name);
        let Some(text) = source.read(&path) else {
            continue;
        };
        match Settings::read(&text) {
            Some(read) => settings = read,
            // The parser's own text would show the line, which may hold a token.
            None => found.note(CLIENT, format!("{} is no TOML; left out", path.display())),
        }
        break;
    }
    for (name, value) in (source.variables)("CARGO_REGISTRIES_") {
        if name.ends_with("_INDEX") {
            if let Some(plain) = found.add(CLIENT, &value) {
                found.variable(name, plain);
            }
            settings.indexes.push(value);
        }
    }
    if settings.proxy || (source.variable)("CARGO_HTTP_PROXY").is_some() {
        found.note(CLIENT, proxy_text("cargo's http.proxy"));
    }
    for url in &settings.indexes {
        found.add(CLIENT, url);
    }
    if let Some(text) = settings.without_credentials() {
        found.files.insert(home.join("config.toml"), text);
    }
    if !(source.installed)(CLIENT) {
        return;
    }
    // An index tells where crates themselves are.
    let known = fetched(source, &home, found);
    let replaced = settings.replaced;
    if known == 0 && !replaced {
        ask_default(source, found);
    }
}

/// What a configuration says.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// URLs of indexes and of git repositories that stand for sources.
    pub indexes: Vec<String>,
    /// Whether the default registry is replaced.
    pub replaced: bool,
    /// Whether a proxy is named.
    pub proxy: bool,
    kept: Table,
}

impl Settings {
    /// Nothing, if the text is no TOML.
    pub(super) fn read(text: &str) -> Option<Self> {
        let table: Table = text.parse().ok()?;
        let mut found = Self::default();
        for (section, key) in [
            ("source", "registry"),
            ("source", "git"),
            ("registries", "index"),
        ] {
            let Some(Value::Table(entries)) = table.get(section) else {
                continue;
            };
            for (name, entry) in entries {
                if let Some(url) = entry.get(key).and_then(Value::as_str) {
                    found.indexes.push(url.into());
                    found.keep(section, name, key, url);
                }
                if section == "source"
                    && let Some(by) = entry.get("replace-with").and_then(Value::as_str)
                {
                    found.replaced |= name == DEFAULT;
                    found.keep(section, name, "replace-with", by);
                }
                if let Some(path) = entry.get("directory").and_then(Value::as_str) {
                    found.keep(section, name, "directory", path);
                }
            }
        }
        let http = table.get("http").and_then(|http| http.get("proxy"));
        found.proxy = http
            .and_then(Value::as_str)
            .is_some_and(|proxy| !proxy.is_empty());
        Some(found)
    }

    /// Registries and replacements alone, without user information; nothing, if there are none.
    pub(super) fn without_credentials(&self) -> Option<String> {
        (!self.kept.is_empty()).then(|| self.kept.to_string())
    }

    fn keep(&mut self, section: &str, name: &str, key: &str, value: &str) {
        let value = match url::parse(value) {
            Ok(url) => url.plain,
            Err(_) if value.contains("://") => return,
            Err(_) => value.into(),
        };
        let entry = |table: &mut Table, name: &str| {
            table
                .entry(name)
                .or_insert_with(|| Value::Table(Table::new()))
                .clone()
        };
        let mut outer = entry(&mut self.kept, section);
        if let Value::Table(outer) = &mut outer {
            let mut inner = entry(outer, name);
            if let Value::Table(inner) = &mut inner {
                inner.insert(key.into(), Value::String(value));
            }
            outer.insert(name.into(), inner);
        }
        self.kept.insert(section.into(), outer);
    }
}

/// The hosts that an index's `config.json` names.
pub(super) fn of_index(text: &str) -> Vec<String> {
    let Ok(config) = serde_json::from_str::<serde_json::Value>(text) else {
        return Vec::new();
    };
    let urls = ["dl", "api"].into_iter();
    urls.filter_map(|key| config.get(key)?.as_str().map(Into::into))
        .collect()
}

/// The host of an index's directory: `HOST-HASH`.
pub(super) fn of_directory(name: &str) -> Option<&str> {
    let (host, hash) = name.rsplit_once('-')?;
    let hash = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    (hash && host.contains('.')).then_some(host)
}

/// Goes through the indexes that were fetched before; how many there are.
fn fetched(source: &Source<'_>, home: &Path, found: &mut PackageClients) -> usize {
    let all = std::fs::read_dir(home.join("registry/index"))
        .into_iter()
        .flatten();
    let mut known = 0;
    for entry in all.flatten().take(MOST) {
        let config = source.read(&entry.path().join("config.json"));
        let urls = config.as_deref().map(of_index).unwrap_or_default();
        let name = entry.file_name();
        let Some(host) = name.to_str().and_then(of_directory) else {
            continue;
        };
        if urls.is_empty() {
            continue;
        }
        known += 1;
        // The directory does not tell the scheme; what is fetched in clear is configured by URL.
        found.add(CLIENT, &format!("https://{host}/"));
        for url in urls {
            found.add(CLIENT, &url);
        }
    }
    known
}

/// Lets cargo fetch its default index into a directory that is removed, and looks there.
fn ask_default(source: &Source<'_>, found: &mut PackageClients) {
    let known = tempfile::tempdir().ok().and_then(|home| {
        let path = home.path().to_str()?;
        let place = format!("CARGO_HOME={path}");
        (source.ask)("env", &[&place, "cargo", "info", "--quiet", "libc"])?;
        Some(fetched(source, home.path(), found))
    });
    if known.unwrap_or(0) == 0 {
        found.note(
            CLIENT,
            "its default index is not known: fetch something with cargo on the host once, or name the \
             index in config.toml",
        );
    }
}
