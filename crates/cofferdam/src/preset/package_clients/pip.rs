//! pip: `PIP_*` variables, and `pip.conf` of the machine, the user and the virtual environment
//! (pip's user guide, "Configuration").

use super::text::sections;
use super::{PackageClients, Source, proxy_text};
use std::path::PathBuf;

const CLIENT: &str = "pip";

/// The settings that name hosts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub index: Option<String>,
    pub extra: Vec<String>,
    pub links: Vec<String>,
    pub no_index: bool,
    pub proxy: bool,
}

pub(super) fn find(source: &Source<'_>, found: &mut PackageClients) {
    let mut settings = Settings::default();
    // The later one of two counts.
    for path in files(source) {
        if let Some(text) = source.read(&path) {
            let malformed = settings.read(&text);
            if !malformed.is_empty() {
                let text = format!("{}: lines {malformed:?} are no settings", path.display());
                found.note(CLIENT, text);
            }
        }
    }
    settings.variables(source.variable);
    let asked = ["pip3", "pip"]
        .into_iter()
        .find(|name| (source.installed)(name));
    if settings.proxy {
        found.note(CLIENT, proxy_text("pip's proxy"));
    }
    if settings.no_index {
        found.variable("PIP_NO_INDEX", "1");
    } else {
        if settings.index.is_none()
            && let Some(client) = asked
        {
            let help = (source.ask)(client, &["install", "--help"]);
            settings.index = help.as_deref().and_then(default_index);
        }
        match &settings.index {
            Some(index) => {
                if let Some(plain) = found.add(CLIENT, index) {
                    found.variable("PIP_INDEX_URL", plain);
                }
                files_host(source, asked, found);
            }
            None if asked.is_some() => {
                found.note(CLIENT, "its index is not known; set index-url in pip.conf");
            }
            None => {}
        }
    }
    let mut plain = |urls: &[String], name| {
        let plain: Vec<String> = urls
            .iter()
            .filter_map(|url| found.add(CLIENT, url))
            .collect();
        if !plain.is_empty() {
            found.variable(name, plain.join(" "));
        }
    };
    plain(&settings.extra, "PIP_EXTRA_INDEX_URL");
    plain(&settings.links, "PIP_FIND_LINKS");
}

/// The files, the one that counts least first.
fn files(source: &Source<'_>) -> Vec<PathBuf> {
    let named = (source.variable)("PIP_CONFIG_FILE");
    // pip's word for "none at all".
    if named.as_deref() == Some("/dev/null") {
        return Vec::new();
    }
    let mut files = vec![
        source.at("/etc/xdg/pip/pip.conf"),
        source.at("/etc/pip.conf"),
        source.home.join(".pip/pip.conf"),
        source
            .directory("XDG_CONFIG_HOME", ".config")
            .join("pip/pip.conf"),
    ];
    files.extend((source.variable)("VIRTUAL_ENV").map(|venv| PathBuf::from(venv).join("pip.conf")));
    files.extend(named.map(PathBuf::from));
    files
}

/// An index names the hosts of its files only in its answers, so pip is asked once where it would get
/// itself from.
fn files_host(source: &Source<'_>, client: Option<&str>, found: &mut PackageClients) {
    let report = client.and_then(|client| {
        let arguments = "install --dry-run --ignore-installed --no-deps --quiet --report - pip";
        let arguments: Vec<&str> = arguments.split(' ').collect();
        (source.ask)(client, &arguments)
    });
    match report.as_deref().and_then(report_url) {
        Some(url) => {
            found.add(CLIENT, &url);
        }
        None => found.note(
            CLIENT,
            "its index may keep files on another host, which pip (22.2 or later) did not tell; allow \
             that host by name where downloads are refused",
        ),
    }
}

/// The first download in the report of an installation (pip's "Installation Report").
pub(super) fn report_url(report: &str) -> Option<String> {
    let report: serde_json::Value = serde_json::from_str(report).ok()?;
    let url = report.pointer("/install/0/download_info/url")?.as_str()?;
    Some(url.into())
}

/// The default that the help names, broken over lines as it may be.
pub(super) fn default_index(help: &str) -> Option<String> {
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, text) = words.split_once("--index-url <url>")?;
    // That of another option further down would be another's.
    let text = text.split(" --").next()?;
    let (_, url) = text.split_once("(default ")?;
    let url = url.split(')').next()?;
    (url.contains("://") && !url.contains(' ')).then(|| url.into())
}

impl Settings {
    /// Reads a file over what is there; the numbers of lines that are none.
    pub(super) fn read(&mut self, text: &str) -> Vec<usize> {
        let (settings, malformed) = sections(text);
        // What stands for one command counts before what stands for all.
        for wanted in ["global", "download", "install"] {
            let own = settings.iter().filter(|(section, ..)| section == wanted);
            for (_, key, value) in own {
                self.set(&key.to_ascii_lowercase().replace('_', "-"), value);
            }
        }
        malformed
    }

    fn variables(&mut self, variable: &dyn Fn(&str) -> Option<String>) {
        for key in [
            "index-url",
            "extra-index-url",
            "find-links",
            "no-index",
            "proxy",
        ] {
            let name = format!("PIP_{}", key.to_ascii_uppercase().replace('-', "_"));
            if let Some(value) = variable(&name) {
                self.set(key, &value);
            }
        }
    }

    fn set(&mut self, key: &str, value: &str) {
        let list = || value.split_whitespace().map(str::to_owned).collect();
        match key {
            "index-url" => self.index = list_first(value),
            "extra-index-url" => self.extra = list(),
            "find-links" => self.links = list(),
            "no-index" => {
                self.no_index = ["1", "true", "yes", "on", "y", "t"]
                    .contains(&value.to_ascii_lowercase().as_str());
            }
            "proxy" => self.proxy = !value.is_empty(),
            _ => {}
        }
    }
}

fn list_first(value: &str) -> Option<String> {
    value.split_whitespace().next().map(Into::into)
}
