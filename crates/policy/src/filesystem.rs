//! The files a program sees.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::protect::Protect;
use crate::root::Root;
use crate::units::Bytes;
use crate::upper::Upper;

/// What a rule gives on a path and everything below it. Ordered from the tightest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
pub enum Access {
    /// Nothing: the path is empty inside.
    Hide,
    /// Reading.
    Read,
    /// Reading and writing, where what is written goes to an upper layer ([`Filesystem::upper`])
    /// and the host's files stay as they are.
    ///
    /// Each rule has an upper layer of its own, so a host path that appears under two names has two
    /// contents once it is written to. Below it, other rules hold as anywhere: reading, hiding, and
    /// also writing, which then goes through to the host.
    Overlay,
    /// Reading and writing.
    Write,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Hide => "hide",
            Access::Read => "read",
            Access::Overlay => "overlay",
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

    /// Read, write to an upper layer, and execute.
    #[must_use]
    pub fn overlay(path: impl Into<PathBuf>) -> Self {
        PathRule {
            access: Access::Overlay,
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
/// on its nearest ancestor; the workspace counts as a rule with its access. Where no rule holds,
/// the presets speak; a rule on a path covers everything below it, presets included.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filesystem {
    /// Preset: the host's toolchains and what they need, read-only; never a home.
    pub system: bool,
    /// Preset: the toolchains kept in the user's home (rustup, pyenv, nvm, sdkman and the like),
    /// read-only and without the credentials lying beside them.
    pub toolchains: bool,
    /// The working directory.
    pub workspace: Option<PathBuf>,
    /// What may be done with the workspace: write to it directly, write to an upper layer over it,
    /// or only read it. Means nothing without a workspace; [`Access::Hide`] is refused.
    pub workspace_access: Access,
    /// Which names stay read-only in a workspace that is written to directly.
    pub protect: Protect,
    /// The rules, in any order.
    pub rules: Vec<PathRule>,
    /// Where overlays keep what is written.
    pub upper: Upper,
    /// What lies at `/`. Anything but [`Root::Host`] takes the place of the preset `system`, which
    /// must then be off.
    pub root: Root,
    /// What may be done with a root that is not the host's: [`Access::Overlay`], where what is
    /// written goes to the upper layer and is thrown away, or [`Access::Read`]. Means nothing with
    /// [`Root::Host`].
    pub root_access: Access,
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

    /// The working directory, writable unless [`Filesystem::workspace_access`] says otherwise.
    #[must_use]
    pub fn workspace(mut self, path: impl Into<PathBuf>) -> Self {
        self.workspace = Some(path.into());
        self
    }

    /// The working directory, where what is written goes to an upper layer and the host's files
    /// stay as they are.
    #[must_use]
    pub fn overlay_workspace(self, path: impl Into<PathBuf>) -> Self {
        self.workspace(path).workspace_access(Access::Overlay)
    }

    /// What may be done with the workspace.
    #[must_use]
    pub fn workspace_access(mut self, access: Access) -> Self {
        self.workspace_access = access;
        self
    }

    /// The rule that the workspace counts as.
    #[must_use]
    pub fn workspace_rule(&self) -> Option<PathRule> {
        let rule = PathRule::read(self.workspace.as_ref()?);
        Some(PathRule {
            access: self.workspace_access,
            ..rule
        })
    }

    /// Whether dangerous names of a directly written workspace are read-only; with the names as
    /// they were.
    #[must_use]
    pub fn protect(mut self, protect: bool) -> Self {
        self.protect.enabled = protect;
        self
    }

    /// Makes `name`, relative to the workspace, read-only in a directly written workspace too.
    #[must_use]
    pub fn protect_name(mut self, name: impl Into<PathBuf>) -> Self {
        self.protect = self.protect.add(name);
        self
    }

    /// Leaves the built-in dangerous name `name` writable.
    #[must_use]
    pub fn unprotect_name(mut self, name: impl Into<PathBuf>) -> Self {
        self.protect = self.protect.remove(name);
        self
    }

    /// What lies at `/`. Another root than the host's switches the preset `system` off.
    #[must_use]
    pub fn root(mut self, root: Root) -> Self {
        self.system &= root.is_host();
        self.root = root;
        self
    }

    /// The system in the directory `path` at `/`, and the preset `system` off.
    #[must_use]
    pub fn root_directory(self, path: impl Into<PathBuf>) -> Self {
        self.root(Root::directory(path))
    }

    /// The only image of the OCI layout at `layout` at `/`, and the preset `system` off.
    #[must_use]
    pub fn root_image(self, layout: impl Into<PathBuf>) -> Self {
        self.root(Root::image(layout))
    }

    /// What may be done with a root that is not the host's.
    #[must_use]
    pub fn root_access(mut self, access: Access) -> Self {
        self.root_access = access;
        self
    }

    /// Where overlays keep what is written.
    #[must_use]
    pub fn upper(mut self, upper: Upper) -> Self {
        self.upper = upper;
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

    /// Shows `path` for reading, executing, and writing to an upper layer.
    #[must_use]
    pub fn overlay(self, path: impl Into<PathBuf>) -> Self {
        self.rule(PathRule::overlay(path))
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
    /// The system preset, private `/tmp` and home, `/proc`, `/dev`, and nothing else; dangerous
    /// names of a workspace protected.
    fn default() -> Self {
        Filesystem {
            system: true,
            toolchains: false,
            workspace: None,
            workspace_access: Access::Write,
            protect: Protect::on(),
            rules: Vec::new(),
            upper: Upper::default(),
            root: Root::Host,
            root_access: Access::Overlay,
            symlinks: Vec::new(),
            tmp: Some(Self::DEFAULT_PRIVATE),
            home: Some(Self::DEFAULT_PRIVATE),
            proc: true,
            dev: true,
            sys: Sys::None,
        }
    }
}
