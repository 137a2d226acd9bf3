//! What the package clients of this host (pip, npm, cargo, apt, go) are configured to use: the hosts
//! that a sandbox must reach for them, and the settings without credentials.
//!
//! Read from the clients' own variables and files, never from the workspace's, which the program can
//! write. Where a client is there and nothing is configured, the client is asked; what it answers is
//! its own built-in default. No list of hosts is kept here.
//!
//! What is not found out is said in a [`Note`]:
//! - hosts that a server redirects to, or that single packages name (git dependencies of cargo, `direct`
//!   modules of go, a package's own download at its installation);
//! - a proxy: a rule for it would open whatever it reaches, and the gate connects by itself;
//! - lists of mirrors (`mirror+file:` of apt), and settings of a project.

mod apt;
mod ask;
mod cargo;
mod go;
mod npm;
mod pip;
mod text;
mod url;

#[cfg(test)]
mod tests;

use ask::ask;
use cofferdam_policy::{Destination, NamePattern, NetworkRule, Ports};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

/// What a sandbox needs for the clients.
#[derive(Debug)]
pub(crate) struct Found {
    /// What they reach.
    pub rules: Vec<NetworkRule>,
    /// Variables with their settings, without credentials.
    pub variables: Vec<(OsString, OsString)>,
    /// Files of the view with the settings that no variable can carry, likewise.
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// What could not be found out.
    pub notes: Vec<Note>,
}

/// Reads the settings of this process's user. Clients are started, and reach their own index, only
/// where their files leave something open.
pub(crate) fn find() -> Found {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let home = home.filter(|home| home.is_absolute());
    let mut found = PackageClients::find(home.as_deref().unwrap_or(Path::new("/nonexistent")));
    let rules = found.rules(|address| cofferdam_egress::address::special(address).is_some());
    found.given(rules)
}

/// The same of another root, of which the home is `home`, with other variables and with clients that answer
/// so; no name is looked up.
#[cfg(feature = "fuzzing")]
pub(crate) fn find_below(
    root: &Path,
    variables: &[(String, String)],
    ask: &dyn Fn(&str, &[&str]) -> Option<String>,
) -> Found {
    let mut found = PackageClients::find_in(&Source {
        home: &root.join("home"),
        root,
        variable: &|name| {
            let found = variables.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        },
        variables: &|prefix| {
            let begins = |(name, _): &&(String, String)| name.starts_with(prefix);
            variables.iter().filter(begins).cloned().collect()
        },
        ask,
        installed: &|name| ask(name, &[]).is_some(),
    });
    let rules = found.rules_with(|_| false, |_, _| Vec::new());
    found.given(rules)
}

/// What was found out.
#[derive(Debug, Default)]
struct PackageClients {
    /// The hosts and TCP ports, as they are configured: a name, or an address without brackets.
    pub hosts: BTreeSet<(String, u16)>,
    /// What could not be found out.
    pub notes: Vec<Note>,
    /// Variables with which the clients use the same settings inside. None holds a user name or a
    /// password: an index that asks for one gets it from a secret bound to its host.
    pub variables: BTreeMap<String, String>,
    /// Files of the sandbox's own with the settings that no variable can carry, by the path that the
    /// client reads them at.
    pub files: BTreeMap<PathBuf, String>,
}

/// Something that could not be found out about a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// The client's command.
    pub client: &'static str,
    /// What, and what a person can do about it.
    pub text: String,
}

/// Where the settings are looked for.
struct Source<'a> {
    /// The user's home directory.
    home: &'a Path,
    /// Put before every absolute path: `/`, but in tests.
    root: &'a Path,
    /// A variable of the host's environment.
    variable: &'a dyn Fn(&str) -> Option<String>,
    /// All variables whose name begins with this, in any case.
    variables: &'a dyn Fn(&str) -> Vec<(String, String)>,
    /// Runs a client with arguments and gives its standard output; nothing, where it is not installed,
    /// fails, or takes too long.
    ask: &'a dyn Fn(&str, &[&str]) -> Option<String>,
    /// Whether a program is installed.
    installed: &'a dyn Fn(&str) -> bool,
}

impl PackageClients {
    fn given(self, rules: Vec<NetworkRule>) -> Found {
        let variables = self.variables.into_iter();
        let files = self.files.into_iter();
        Found {
            rules,
            variables: variables
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            files: files
                .map(|(path, text)| (path, text.into_bytes()))
                .collect(),
            notes: self.notes,
        }
    }

    /// Reads the settings of this process's user. Clients are started, and reach their own index, only
    /// where their files leave something open; each has [`ask::DEADLINE`].
    fn find(home: &Path) -> Self {
        Self::find_in(&Source {
            home,
            root: Path::new("/"),
            variable: &|name| std::env::var(name).ok().filter(|value| !value.is_empty()),
            variables: &variables_with,
            ask: &ask,
            installed: &ask::installed,
        })
    }

    fn find_in(source: &Source<'_>) -> Self {
        let mut found = Self::default();
        pip::find(source, &mut found);
        npm::find(source, &mut found);
        cargo::find(source, &mut found);
        apt::find(source, &mut found);
        go::find(source, &mut found);
        for name in ["http_proxy", "https_proxy", "all_proxy"] {
            let upper = name.to_ascii_uppercase();
            if [name, &upper]
                .iter()
                .any(|name| (source.variable)(name).is_some())
            {
                found.note("package clients", proxy_text(name));
            }
        }
        found
    }

    /// The rules that allow the hosts. A host of a text that is no name makes a note.
    ///
    /// A company's mirror often has a private address, which the gate refuses unless a rule names it.
    /// The user configured the name, so what it leads to on the host now is allowed beside it, at the
    /// name's own port alone. `special` tells which addresses need that.
    fn rules(&mut self, special: impl Fn(IpAddr) -> bool) -> Vec<NetworkRule> {
        self.rules_with(special, |host, port| {
            let found = (host, port).to_socket_addrs();
            found
                .map(|all| all.map(|at| at.ip()).collect())
                .unwrap_or_default()
        })
    }

    fn rules_with(
        &mut self,
        special: impl Fn(IpAddr) -> bool,
        resolve: impl Fn(&str, u16) -> Vec<IpAddr>,
    ) -> Vec<NetworkRule> {
        let mut rules = BTreeSet::new();
        for (host, port) in std::mem::take(&mut self.hosts) {
            if let Ok(address) = host.parse::<IpAddr>() {
                rules.insert(address_rule(address, port));
            } else if let Ok(name) = NamePattern::parse(&host) {
                rules.insert(rule(Destination::Name(name), port));
                let addresses = resolve(&host, port).into_iter();
                let special = addresses.filter(|address| special(*address));
                rules.extend(special.map(|address| address_rule(address, port)));
            } else {
                self.note(
                    "package clients",
                    format!("{host:?} is no name of a host; it is left out"),
                );
            }
            self.hosts.insert((host, port));
        }
        rules.into_iter().collect()
    }

    /// Takes a URL that a client reaches; the URL without credentials, if it is one.
    fn add(&mut self, client: &'static str, text: &str) -> Option<String> {
        match url::parse(text) {
            Ok(url) => {
                if url.credentials {
                    self.note(
                        client,
                        format!(
                            "the setting for {} holds a password, which stays outside; bind it as a \
                             secret to that host",
                            url.host
                        ),
                    );
                }
                self.hosts.insert((url.host, url.port));
                Some(url.plain)
            }
            Err(url::UrlError::Local) => None,
            Err(error) => {
                // The text may hold a password.
                self.note(client, format!("a URL is left out: {error}"));
                None
            }
        }
    }

    fn note(&mut self, client: &'static str, text: impl Into<String>) {
        let note = Note {
            client,
            text: text.into(),
        };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn variable(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.variables.insert(name.into(), value.into());
    }
}

impl Source<'_> {
    /// An absolute path, below the root.
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A file's text, where there is one that can be read and is not longer than configuration is.
    fn read(&self, path: &Path) -> Option<String> {
        const MOST: u64 = 1 << 20;
        let data = std::fs::metadata(path).ok()?;
        if !data.is_file() || data.len() > MOST {
            return None;
        }
        std::fs::read_to_string(path).ok()
    }

    /// The directory a variable names, or one below the home.
    fn directory(&self, variable: &str, place: &str) -> PathBuf {
        let named = (self.variable)(variable).map(PathBuf::from);
        let absolute = named.filter(|path| path.is_absolute());
        absolute.unwrap_or_else(|| self.home.join(place))
    }
}

fn proxy_text(setting: &str) -> String {
    format!(
        "{setting} names a proxy, which is not allowed: it would reach every host. The gate connects \
         by itself; where only the proxy reaches the index, this client does not work inside"
    )
}

fn rule(to: Destination, port: u16) -> NetworkRule {
    NetworkRule {
        to,
        ports: Ports::of([port..=port]),
        http: None,
    }
}

fn address_rule(address: IpAddr, port: u16) -> NetworkRule {
    rule(Destination::Address(address.into()), port)
}

fn variables_with(prefix: &str) -> Vec<(String, String)> {
    let all = std::env::vars_os();
    let text =
        all.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let begins = |name: &str| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    text.filter(|(name, value)| begins(name) && !value.is_empty())
        .collect()
}
