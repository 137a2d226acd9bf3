//! The files a program sees.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::units::Bytes;

/// What a rule gives on a path and everything below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Nothing: the path is empty inside.
    Hide,
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Hide => "hide",
            Access::Read => "read",
            Access::Write => "write",
        })
    }
}

/// What may be done with one host path and everything below it that no more specific rule names.
///
/// The access belongs to the **host path**, under whatever name it appears inside: with
/// `/data` shown at `/mnt` and `/data/key` hidden, `/mnt/key` is hidden too.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathRule {
    /// The path on the host.
    pub path: PathBuf,
    /// What may be done with it.
    pub access: Access,
    /// Whether programs there may be executed. Means nothing with [`Access::Hide`].
    pub exec: bool,
    /// Where it appears inside; `None` is at the same path. Not for [`Access::Hide`].
    pub target: Option<PathBuf>,
}

impl PathRule {
    /// Read and execute.
    #[must_use]
    pub fn read(path: impl Into<PathBuf>) -> Self {
        PathRule {
            path: path.into(),
            access: Access::Read,
            exec: true,
            target: None,
        }
    }

    /// Read, write and execute.
    #[must_use]
    pub fn write(path: impl Into<PathBuf>) -> Self {
        PathRule {
            access: Access::Write,
            ..PathRule::read(path)
        }
    }

    /// Nothing.
    #[must_use]
    pub fn hide(path: impl Into<PathBuf>) -> Self {
        PathRule {
            access: Access::Hide,
            exec: false,
            ..PathRule::read(path)
        }
    }

    /// Refuses execution.
    #[must_use]
    pub fn no_exec(mut self) -> Self {
        self.exec = false;
        self
    }

    /// Shows the path at `target`.
    #[must_use]
    pub fn at(mut self, target: impl Into<PathBuf>) -> Self {
        self.target = Some(target.into());
        self
    }

    /// Where the path appears inside.
    #[must_use]
    pub fn inside(&self) -> &Path {
        self.target.as_deref().unwrap_or(&self.path)
    }
}

/// A symbolic link made inside. It is a name only: it gives no access to what it points to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symlink {
    /// Where the link lies, inside.
    pub path: PathBuf,
    /// What it says, as `ln -s` would write it; may be relative.
    pub target: PathBuf,
}

/// The `/sys` a program sees. Ordered from the tightest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Sys {
    /// None at all.
    #[default]
    None,
    /// Read-only.
    ReadOnly,
}

/// The file system part of a policy. What is not named does not exist inside.
///
/// Which rule holds for a path: the most specific one, that is the rule on the path itself or else
/// on its nearest ancestor; the workspace counts as a write rule. Where no rule holds, the presets
/// speak; a rule on a path covers everything below it, presets included.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filesystem {
    /// Preset: the host's toolchains and what they need, read-only; never a home.
    pub system: bool,
    /// Preset: the toolchains kept in the user's home (rustup, pyenv, nvm, sdkman and the like),
    /// read-only and without the credentials lying beside them.
    pub toolchains: bool,
    /// The writable working directory.
    pub workspace: Option<PathBuf>,
    /// The rules, in any order.
    pub rules: Vec<PathRule>,
    /// Symbolic links made inside.
    pub symlinks: Vec<Symlink>,
    /// The size of the private `/tmp`, held in memory; `None` is no `/tmp`.
    pub tmp: Option<Bytes>,
    /// The size of the empty private home, held in memory; `None` is no home.
    pub home: Option<Bytes>,
    /// Whether there is a `/proc`, of the sandbox's own processes.
    pub proc: bool,
    /// Whether there is a `/dev`, with the harmless devices.
    pub dev: bool,
    /// The `/sys`.
    pub sys: Sys,
}

impl Filesystem {
    /// The size of the private `/tmp` and of the private home unless the policy says another: 1 GiB
    /// each. It is taken from memory as it fills, and counts against the memory limit.
    pub const DEFAULT_PRIVATE: Bytes = Bytes::gib(1);

    /// Whether to show the host's toolchains.
    #[must_use]
    pub fn system(mut self, show: bool) -> Self {
        self.system = show;
        self
    }

    /// Whether to show the toolchains of the user's home.
    #[must_use]
    pub fn toolchains(mut self, show: bool) -> Self {
        self.toolchains = show;
        self
    }

    /// The writable working directory.
    #[must_use]
    pub fn workspace(mut self, path: impl Into<PathBuf>) -> Self {
        self.workspace = Some(path.into());
        self
    }

    /// Adds a rule.
    #[must_use]
    pub fn rule(mut self, rule: PathRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Shows `path` for reading and executing.
    #[must_use]
    pub fn read(self, path: impl Into<PathBuf>) -> Self {
        self.rule(PathRule::read(path))
    }

    /// Shows `path` for reading, writing and executing.
    #[must_use]
    pub fn write(self, path: impl Into<PathBuf>) -> Self {
        self.rule(PathRule::write(path))
    }

    /// Hides `path`.
    #[must_use]
    pub fn hide(self, path: impl Into<PathBuf>) -> Self {
        self.rule(PathRule::hide(path))
    }

    /// Makes the symbolic link `path`, saying `target`.
    #[must_use]
    pub fn symlink(mut self, path: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        self.symlinks.push(Symlink {
            path: path.into(),
            target: target.into(),
        });
        self
    }

    /// The size of the private `/tmp`.
    #[must_use]
    pub fn tmp(mut self, size: Bytes) -> Self {
        self.tmp = Some(size);
        self
    }

    /// No `/tmp`.
    #[must_use]
    pub fn no_tmp(mut self) -> Self {
        self.tmp = None;
        self
    }

    /// The size of the private home.
    #[must_use]
    pub fn home(mut self, size: Bytes) -> Self {
        self.home = Some(size);
        self
    }

    /// No home.
    #[must_use]
    pub fn no_home(mut self) -> Self {
        self.home = None;
        self
    }

    /// Whether there is a `/proc`.
    #[must_use]
    pub fn proc(mut self, show: bool) -> Self {
        self.proc = show;
        self
    }

    /// Whether there is a `/dev`.
    #[must_use]
    pub fn dev(mut self, show: bool) -> Self {
        self.dev = show;
        self
    }

    /// Which `/sys` there is.
    #[must_use]
    pub fn sys(mut self, sys: Sys) -> Self {
        self.sys = sys;
        self
    }
}

impl Default for Filesystem {
    /// The system preset, private `/tmp` and home, `/proc`, `/dev`, and nothing else.
    fn default() -> Self {
        Filesystem {
            system: true,
            toolchains: false,
            workspace: None,
            rules: Vec::new(),
            symlinks: Vec::new(),
            tmp: Some(Self::DEFAULT_PRIVATE),
            home: Some(Self::DEFAULT_PRIVATE),
            proc: true,
            dev: true,
            sys: Sys::None,
        }
    }
}
