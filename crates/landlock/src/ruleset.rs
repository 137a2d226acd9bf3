//! Saying what to restrict, and resolving it against what the kernel offers.

use std::ffi::CString;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cofferdam_sys::landlock::{RESTRICT_SELF_LOG_NEW_EXEC_ON, RulesetAttr};
use landlock::{AccessNet, Scope};

use crate::prepared::{HostRule, InsideRule, Parts, PortRule};
use crate::{Access, ApplyError, Feature, Missing, Prepared, Rights, Support, Unavailable};

/// What a thread is to give up, and what it keeps of that. Pure data until [`Ruleset::prepare`].
///
/// Files, binding, connecting and each scope are restricted only if they are named here: a ruleset
/// with nothing but [`Ruleset::scope_signals`] leaves files alone.
#[derive(Clone, Debug)]
pub struct Ruleset {
    files: bool,
    handled: Rights,
    host: Vec<(PathBuf, Access)>,
    inside: Vec<(PathBuf, Access)>,
    bind_tcp: Option<Vec<u16>>,
    connect_tcp: Option<Vec<u16>>,
    scope_abstract_unix: bool,
    scope_signals: bool,
    log_denials: bool,
}

impl Default for Ruleset {
    fn default() -> Self {
        Self {
            files: false,
            handled: Rights::ALL,
            host: Vec::new(),
            inside: Vec::new(),
            bind_tcp: None,
            connect_tcp: None,
            scope_abstract_unix: false,
            scope_signals: false,
            log_denials: false,
        }
    }
}

impl Ruleset {
    /// A ruleset that restricts nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Denies every right on every file that no rule allows. [`Ruleset::path`] and
    /// [`Ruleset::inside`] imply it; alone it denies all.
    pub fn files(mut self) -> Self {
        self.files = true;
        self
    }

    /// Allows `access` on a path of the host and beneath it. [`Ruleset::prepare`] opens it
    /// (`O_PATH`, symbolic links are followed); the rule stays with what the path led to then.
    pub fn path(mut self, path: impl AsRef<Path>, access: Access) -> Self {
        self.host.push((path.as_ref().to_owned(), access));
        self.files()
    }

    /// Allows `access` on a path that exists only after the child has changed its root, and
    /// beneath it. [`Prepared::apply`] opens it, as the ids that the thread has by then, so these
    /// need search permission on the way. It must be absolute, and no part of it may be a symbolic
    /// link, as links below a writable directory are in the hands of whoever is confined.
    pub fn inside(mut self, path: impl AsRef<Path>, access: Access) -> Self {
        self.inside.push((path.as_ref().to_owned(), access));
        self.files()
    }

    /// Restricts the rights in `handled` only, in place of [`Rights::ALL`]: the others are not
    /// denied anywhere. It does not by itself restrict files.
    ///
    /// Without [`Right::Refer`](crate::Right::Refer) in the set the kernel denies renames between
    /// directories everywhere.
    pub fn handle(mut self, handled: Rights) -> Self {
        self.handled = handled;
        self
    }

    /// Denies bind(2) of TCP sockets, but for these ports; of none, if the list is empty. Port 0
    /// stands for the ports that the kernel picks itself (`ip_local_port_range`). Calls add up.
    pub fn bind_tcp(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.bind_tcp.get_or_insert_default().extend(ports);
        self
    }

    /// Denies connect(2) of TCP sockets, but to these ports, of any address; to none, if the list is
    /// empty. Calls add up.
    pub fn connect_tcp(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.connect_tcp.get_or_insert_default().extend(ports);
        self
    }

    /// Denies connecting and sending to abstract unix sockets that were made outside of the
    /// domain: by processes that are not under this very application of the ruleset.
    pub fn scope_abstract_unix(mut self) -> Self {
        self.scope_abstract_unix = true;
        self
    }

    /// Denies signals to processes outside of the domain. Other threads of the calling process can
    /// still be signalled.
    pub fn scope_signals(mut self) -> Self {
        self.scope_signals = true;
        self
    }

    /// Has the kernel write denials to the audit log also after execve(2), when it is silent by
    /// default.
    pub fn log_denials(mut self) -> Self {
        self.log_denials = true;
        self
    }

    /// Resolves the ruleset against what the kernel offers, and opens its host paths.
    ///
    /// What is asked for and not offered is left out, and listed by [`Prepared::missing`].
    ///
    /// # Errors
    /// See [`PrepareError`].
    pub fn prepare(&self, support: &Support) -> Result<Prepared, PrepareError> {
        let abi = support.abi().map_err(PrepareError::Unavailable)?;
        let asked = self.features();
        if asked.is_empty() {
            return Err(PrepareError::Empty);
        }
        let (handled, missing): (Vec<_>, Vec<_>) =
            asked.into_iter().partition(|f| support.offers(*f));
        let missing = missing
            .into_iter()
            .map(|feature| Missing { feature })
            .collect();

        let mut attr = RulesetAttr::default();
        let mut flags = 0;
        for feature in &handled {
            match feature {
                // All rights at once, below.
                Feature::File(_) => {}
                Feature::BindTcp => attr.handled_access_net |= AccessNet::BindTcp as u64,
                Feature::ConnectTcp => attr.handled_access_net |= AccessNet::ConnectTcp as u64,
                Feature::ScopeAbstractUnix => attr.scoped |= Scope::AbstractUnixSocket as u64,
                Feature::ScopeSignals => attr.scoped |= Scope::Signal as u64,
                Feature::DenialLog => flags |= RESTRICT_SELF_LOG_NEW_EXEC_ON,
            }
        }
        let rights = if self.files {
            self.handled & Rights::of_abi(abi)
        } else {
            Rights::EMPTY
        };
        attr.handled_access_fs = rights.bits();

        let mut host = Vec::with_capacity(self.host.len());
        for (path, access) in &self.host {
            host.push(open_host(path, access.rights() & rights)?);
        }
        let mut inside = Vec::with_capacity(self.inside.len());
        for (path, access) in &self.inside {
            let rights = access.rights() & rights;
            inside.push(InsideRule {
                path: inside_path(path)?,
                access: rights.bits(),
                file_access: rights.for_files().bits(),
            });
        }

        Prepared::new(Parts {
            attr,
            flags,
            host,
            inside,
            ports: self.port_rules(attr.handled_access_net),
            handled,
            missing,
        })
    }

    /// All that is asked for, whether there is an ABI for it or not.
    fn features(&self) -> Vec<Feature> {
        let mut features = Vec::new();
        if self.files {
            features.extend(self.handled.iter().map(Feature::File));
        }
        let others = [
            (self.bind_tcp.is_some(), Feature::BindTcp),
            (self.connect_tcp.is_some(), Feature::ConnectTcp),
            (self.scope_abstract_unix, Feature::ScopeAbstractUnix),
            (self.scope_signals, Feature::ScopeSignals),
        ];
        features.extend(others.iter().filter(|(asked, _)| *asked).map(|(_, f)| f));
        // The log is about denials: alone it is no ruleset.
        if self.log_denials && !features.is_empty() {
            features.push(Feature::DenialLog);
        }
        features
    }

    fn port_rules(&self, handled: u64) -> Vec<PortRule> {
        let lists = [
            (&self.bind_tcp, AccessNet::BindTcp as u64),
            (&self.connect_tcp, AccessNet::ConnectTcp as u64),
        ];
        let mut rules: Vec<PortRule> = lists
            .into_iter()
            .filter(|(_, access)| access & handled != 0)
            .flat_map(|(ports, access)| {
                let ports = ports.iter().flatten();
                ports.map(move |port| PortRule {
                    port: *port,
                    access,
                })
            })
            .collect();
        rules.sort_unstable_by_key(|rule| (rule.port, rule.access));
        rules.dedup();
        rules
    }
}

/// Why a ruleset could not be prepared. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// The kernel has no Landlock to offer.
    #[error("{0}; {remedy}", remedy = .0.remedy())]
    Unavailable(Unavailable),
    /// The ruleset restricts nothing.
    #[error(
        "the ruleset restricts nothing: allow a path, or call files, bind_tcp, connect_tcp, \
         scope_abstract_unix or scope_signals"
    )]
    Empty,
    /// A host path could not be opened.
    #[error(
        "cannot open {path:?} for a landlock rule ({source}): check that it exists and can be \
         reached; each such rule keeps a descriptor, so many of them need a higher limit of open \
         files"
    )]
    Open {
        /// The path as it was given.
        path: PathBuf,
        /// What open(2) answered.
        source: io::Error,
    },
    /// A path for the child's root is relative.
    #[error("the path {path:?} inside the new root must be absolute")]
    NotAbsolute {
        /// The path as it was given.
        path: PathBuf,
    },
    /// A path for the child's root has a NUL byte.
    #[error("the path {path:?} inside the new root has a NUL byte, which no path can have")]
    Nul {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The kernel did not take the ruleset or one of its rules.
    #[error("the kernel did not take the ruleset")]
    Kernel {
        /// The path of the rule, if it is a path rule.
        path: Option<PathBuf>,
        /// The step and the error number.
        source: ApplyError,
    },
}

fn open_host(path: &Path, rights: Rights) -> Result<HostRule, PrepareError> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(path)
        .and_then(|file| Ok((file.metadata()?.is_dir(), file)));
    let (is_dir, file) = file.map_err(|source| PrepareError::Open {
        path: path.to_owned(),
        source,
    })?;
    // The kernel refuses a rule for a file with a right that only directories have.
    let rights = if is_dir { rights } else { rights.for_files() };
    Ok(HostRule {
        path: path.to_owned(),
        fd: OwnedFd::from(file),
        access: rights.bits(),
    })
}

fn inside_path(path: &Path) -> Result<CString, PrepareError> {
    if !path.is_absolute() {
        return Err(PrepareError::NotAbsolute {
            path: path.to_owned(),
        });
    }
    CString::new(path.as_os_str().as_bytes()).map_err(|_| PrepareError::Nul {
        path: path.to_owned(),
    })
}
