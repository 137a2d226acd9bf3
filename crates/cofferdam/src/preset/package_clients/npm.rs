//! npm: `npm_config_*` variables, the user's `.npmrc` and the machine's (npmrc(5)). A project's own
//! file is not read.

use super::text::{assignments, expanded};
use super::{PackageClients, Source, proxy_text};
use std::path::PathBuf;

const CLIENT: &str = "npm";

pub(super) fn find(source: &Source<'_>, found: &mut PackageClients) {
    let installed = (source.installed)(CLIENT);
    let mut settings: Vec<(String, String)> = Vec::new();
    let variables = (source.variables)("npm_config_");
    for path in files(source, &variables) {
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
    settings.extend(
        variables
            .into_iter()
            .map(|(name, value)| (key_of(&name), value)),
    );
    let wanted = registries(&settings);
    if wanted.proxy {
        found.note(CLIENT, proxy_text("npm's proxy or https-proxy"));
    }
    let mut default = wanted.default;
    if default.is_none() && installed {
        let asked = (source.ask)(CLIENT, &["config", "get", "registry"]);
        default = asked.map(|text| text.trim().to_owned());
        if default.is_none() {
            found.note(CLIENT, "its registry is not known; set registry in .npmrc");
        }
    }
    let scoped = wanted.scoped.into_iter();
    let default = default.map(|url| ("registry".to_owned(), url));
    for (key, url) in default.into_iter().chain(scoped) {
        let Some(url) = expanded(&url, source.variable) else {
            found.note(CLIENT, format!("{key} uses a variable that is not set"));
            continue;
        };
        if let Some(plain) = found.add(CLIENT, &url) {
            found.variable(format!("npm_config_{key}"), plain);
        }
    }
    if installed {
        let asked = (source.ask)(CLIENT, &["view", "npm", "dist.tarball"]);
        match asked.as_deref().map(str::trim) {
            Some(url) if url.contains("://") => {
                found.add(CLIENT, url);
            }
            _ => found.note(
                CLIENT,
                "its registry may keep files on another host, which npm did not tell; allow that host \
                 by name where downloads are refused",
            ),
        }
    }
}

/// The registries that settings name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Registries {
    pub default: Option<String>,
    /// Key (`@scope:registry`) and URL.
    pub scoped: Vec<(String, String)>,
    pub proxy: bool,
}

/// Of settings, the later of two counting.
pub(super) fn registries(settings: &[(String, String)]) -> Registries {
    let mut found = Registries::default();
    for (key, value) in settings {
        if key == "registry" {
            found.default = Some(value.clone());
        } else if key.starts_with('@') && key.ends_with(":registry") {
            found.scoped.retain(|(known, _)| known != key);
            found.scoped.push((key.clone(), value.clone()));
        } else if key == "proxy" || key == "https-proxy" {
            found.proxy = !["", "null", "false"].contains(&value.as_str());
        }
    }
    found
}

/// The setting that a variable stands for.
fn key_of(variable: &str) -> String {
    let key = &variable["npm_config_".len()..];
    match key.starts_with('@') {
        true => key.into(),
        false => key.to_ascii_lowercase().replace('_', "-"),
    }
}

/// The files, the one that counts least first.
fn files(source: &Source<'_>, variables: &[(String, String)]) -> Vec<PathBuf> {
    let named = |wanted: &str| {
        let mut all = variables.iter();
        let found = all.find(|(name, _)| key_of(name) == wanted);
        found.map(|(_, path)| PathBuf::from(path))
    };
    let mut files = match named("globalconfig") {
        Some(path) => vec![path],
        // Its place follows npm's own prefix: usual ones, of which most hosts have one.
        None => ["/etc/npmrc", "/usr/etc/npmrc", "/usr/local/etc/npmrc"]
            .map(|path| source.at(path))
            .into(),
    };
    files.push(named("userconfig").unwrap_or_else(|| source.home.join(".npmrc")));
    files
}
