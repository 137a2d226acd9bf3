//! Names in a tree that start programs, or steer those that the tree's owner starts.

mod fold;
mod list;

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use crate::error::ParseNameError;
use fold::{fold, is_git};
use list::{GIT_DIRECTORY, Group, Place, TREE};

/// Why a name is dangerous: what would happen on the host if a sandbox wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Danger {
    /// A program that git runs by itself (`githooks(5)`), or the configuration of a hook manager.
    GitHook,
    /// What can name programs that git runs, or lead git to other configuration (`git-config(1)`).
    GitConfig,
    /// The same for another version control system.
    RepositoryConfig,
    /// What a shell, interpreter or debugger executes when it starts.
    ShellStartup,
    /// What a login, a desktop session or a service manager starts.
    SessionStartup,
    /// What an editor executes, or hands to its extensions, when the directory is opened.
    EditorConfig,
    /// What a coding agent obeys or starts: settings, hooks, MCP servers, instructions.
    AgentConfig,
    /// What a CI service executes, with the secrets of the repository.
    CiConfig,
    /// What changes the environment on entering the directory.
    DirectoryEnvironment,
    /// What a package manager or build tool executes or obeys before any code of the project.
    PackageScript,
    /// A name that the policy itself lists.
    Named,
}

impl Danger {
    /// Every danger.
    pub const ALL: [Danger; 11] = [
        Danger::GitHook,
        Danger::GitConfig,
        Danger::RepositoryConfig,
        Danger::ShellStartup,
        Danger::SessionStartup,
        Danger::EditorConfig,
        Danger::AgentConfig,
        Danger::CiConfig,
        Danger::DirectoryEnvironment,
        Danger::PackageScript,
        Danger::Named,
    ];

    /// The name used in text: `git-hook`, `editor-config` and so on.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Danger::GitHook => "git-hook",
            Danger::GitConfig => "git-config",
            Danger::RepositoryConfig => "repository-config",
            Danger::ShellStartup => "shell-startup",
            Danger::SessionStartup => "session-startup",
            Danger::EditorConfig => "editor-config",
            Danger::AgentConfig => "agent-config",
            Danger::CiConfig => "ci-config",
            Danger::DirectoryEnvironment => "directory-environment",
            Danger::PackageScript => "package-script",
            Danger::Named => "named",
        }
    }
}

impl fmt::Display for Danger {
    /// A short phrase for a person: what it is, and when it acts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Danger::GitHook => "git hook: runs on the next git command",
            Danger::GitConfig => "git configuration: can name programs that git commands run",
            Danger::RepositoryConfig => {
                "version control configuration: can name programs that its commands run"
            }
            Danger::ShellStartup => "startup file: runs when a shell or interpreter starts",
            Danger::SessionStartup => "session startup: runs at login or when something connects",
            Danger::EditorConfig => "editor configuration: can start programs when opened",
            Danger::AgentConfig => "agent configuration: steers agents and starts their tools",
            Danger::CiConfig => "CI configuration: runs with the repository's secrets",
            Danger::DirectoryEnvironment => {
                "directory environment: changes the shell on entering the directory"
            }
            Danger::PackageScript => "package script: runs or is obeyed on install or build",
            Danger::Named => "named by the policy",
        })
    }
}

impl FromStr for Danger {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ParseNameError::find("danger", text, &Self::ALL, |one| one.name())
    }
}

/// One name of the list; it stands for itself and everything below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DangerousName {
    path: PathBuf,
    folded: Vec<Vec<u8>>,
    danger: Danger,
    why: &'static str,
    directory: bool,
    place: Place,
    protected: bool,
}

impl DangerousName {
    /// The name, relative to the tree or the git directory. `*` at its start stands for any
    /// beginning of the last component.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What kind of danger it is.
    #[must_use]
    pub fn danger(&self) -> Danger {
        self.danger
    }

    /// Why it is in the list, in one sentence.
    #[must_use]
    pub fn why(&self) -> &'static str {
        self.why
    }

    /// Whether it is usually a directory: what to make where something must stand in for a name
    /// that does not exist. What does exist may be the other.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.directory
    }

    /// Whether it counts in every directory of the tree and not in its root alone.
    #[must_use]
    pub fn is_anywhere(&self) -> bool {
        self.place == Place::Anywhere
    }

    /// Whether it acts only where the tree is a home, such as `.bashrc`. Without a look at the disk
    /// [`DangerousNames::of`] takes every tree for one; what is put up before a program starts can
    /// leave these out elsewhere.
    #[must_use]
    pub fn is_of_home(&self) -> bool {
        self.place == Place::Home
    }

    /// Whether it is read-only in a workspace that is written to directly.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.protected
    }

    fn new(name: &str, group: &Group) -> Self {
        let path = PathBuf::from(name.trim_end_matches('/'));
        DangerousName {
            folded: components(&path),
            path,
            danger: group.danger,
            why: group.why,
            directory: name.ends_with('/'),
            place: group.place,
            // Only whole names can be made read-only before they exist.
            protected: group.protected && !name.starts_with('*'),
        }
    }

    /// Whether the components at the start of `path` are this name.
    fn begins(&self, path: &[Vec<u8>]) -> bool {
        path.starts_with(&self.folded)
    }
}

/// The names that are dangerous in a tree, by kind.
///
/// The [`Default`] is the built-in list, each name with its reason (see [`DangerousNames::iter`]);
/// names can be added and removed. It is a list of names and nothing else: it does not see what a
/// file holds, and code that the owner of the tree runs knowingly (a makefile, a test, the scripts
/// of a `package.json`) is not in it.
///
/// Git's names count at any depth, since a tree may hold further repositories, and so does what
/// acts in whatever directory a person enters or opens; names that act in a home alone (shell
/// startup files and the like) count in the root of the tree.
///
/// Names are compared as bytes with everything that some file system or git takes for the same set
/// aside: case (CVE-2025-59944), characters without width and letters such as `ſ` on casefolding
/// ext4, f2fs and HFS+, and the trailing dots, spaces and stream suffixes of NTFS. `git~1`, NTFS's
/// short name, is `.git`, as for git itself; other short names are not known, since Linux's own
/// drivers do not resolve them.
///
/// A bare repository in the tree (a directory of any name with `HEAD`, `objects` and `refs`) cannot
/// be told from one path. Who sees the directory asks [`DangerousNames::in_git_directory`] with the
/// path below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DangerousNames {
    /// By first component.
    tree: BTreeMap<Vec<u8>, Vec<DangerousName>>,
    git: Vec<DangerousName>,
    /// The endings of names that begin with `*`.
    endings: Vec<DangerousName>,
}

impl DangerousNames {
    /// No names.
    #[must_use]
    pub fn none() -> Self {
        DangerousNames {
            tree: BTreeMap::new(),
            git: Vec::new(),
            endings: Vec::new(),
        }
    }

    /// What is dangerous about `path`, relative to the root of the tree.
    #[must_use]
    pub fn of(&self, path: &Path) -> Option<Danger> {
        let parts = components(path);
        let mut in_git = false;
        for (index, part) in parts.iter().enumerate() {
            let rest = &parts[index..];
            if is_git(part) {
                let found = match &rest[1..] {
                    // A file or link called `.git` leads git to any directory.
                    [] => self.git.first().map(|_| Danger::GitConfig),
                    below => self.of_git_directory(below),
                };
                if found.is_some() {
                    return found;
                }
            }
            let found = self.tree.get(part).into_iter().flatten();
            let found = found
                .filter(|name| !in_git && (name.is_anywhere() || index == 0))
                .find(|name| name.begins(rest) && !is_worktree(rest));
            if let Some(name) = found {
                return Some(name.danger);
            }
            in_git |= is_git(part);
        }
        let last = parts.last().filter(|_| !in_git)?;
        self.endings
            .iter()
            .find(|name| last.ends_with(&name.folded[0][1..]))
            .map(|name| name.danger)
    }

    /// What is dangerous about `path`, relative to a git directory: `.git`, a bare repository, or
    /// where a `.git` file leads.
    ///
    /// Below `modules` and `worktrees`, where git directories lie whose names may have any number
    /// of components, every such name counts at any depth: better that a branch called `config` in
    /// a submodule is taken for one than that a hook is missed.
    #[must_use]
    pub fn in_git_directory(&self, path: &Path) -> Option<Danger> {
        self.of_git_directory(&components(path))
    }

    /// Every name: those of a tree in order, then those relative to a git directory.
    pub fn iter(&self) -> impl Iterator<Item = &DangerousName> {
        self.tree
            .values()
            .flatten()
            .chain(&self.endings)
            .chain(&self.git)
    }

    /// The names that are read-only in a workspace that is written to directly, relative to its
    /// root, whether they exist or not; git's own are in
    /// [`DangerousNames::protected_in_git_directory`].
    ///
    /// They are fewer than those a review points at: what would run on the host through commands
    /// given without a second look (git, entering a directory, opening an editor, starting an
    /// agent). CI and package files are the project's own business and stay writable.
    ///
    /// A read-only name holds only if the directories above it cannot be renamed away (a mount
    /// covers an inode, not a name); who puts it up pins those too.
    pub fn protected(&self) -> impl Iterator<Item = &DangerousName> {
        let names = self.tree.values().flatten();
        names.filter(|name| name.protected)
    }

    /// The same relative to a git directory: the workspace's `.git` where that is a directory,
    /// where a `.git` file leads, and any other that is known. A `.git` that is a file is to be
    /// read-only itself.
    pub fn protected_in_git_directory(&self) -> impl Iterator<Item = &DangerousName> {
        self.git.iter().filter(|name| name.protected)
    }

    /// Adds a name relative to the root of the tree, or with `.git/` before it to every git
    /// directory; it is protected too. One that ends in `/` is a directory. What is no plain
    /// relative name (empty, absolute, with `..`) is left out.
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "it adds to a list; there is no `+` of the two"
    )]
    pub fn add(mut self, name: impl AsRef<Path>) -> Self {
        let path = name.as_ref();
        if !is_plain(path) {
            return self;
        }
        let mut name = DangerousName {
            path: path.components().collect(),
            folded: components(path),
            danger: Danger::Named,
            why: "the policy names it",
            directory: path.as_os_str().as_bytes().ends_with(b"/"),
            place: Place::Root,
            protected: true,
        };
        // After the built-in names, which say better what the danger is.
        if name.folded.len() > 1 && is_git(&name.folded[0]) {
            name.path = path.components().skip(1).collect();
            name.folded.remove(0);
            name.place = Place::Anywhere;
            self.git.push(name);
        } else {
            let first = name.folded[0].clone();
            self.tree.entry(first).or_default().push(name);
        }
        self
    }

    /// Removes a name of the list, or all of those below it: `.vscode`, `.git/hooks`, `.claude`. A
    /// name that is not there changes nothing.
    #[must_use]
    pub fn remove(mut self, name: impl AsRef<Path>) -> Self {
        self.take_out(name.as_ref());
        self
    }

    /// [`DangerousNames::remove`]; whether there was such a name.
    pub(crate) fn take_out(&mut self, name: &Path) -> bool {
        let folded = components(name);
        let Some(first) = folded.first() else {
            return false;
        };
        let before = self.iter().count();
        if is_git(first) {
            self.git.retain(|one| !one.folded.starts_with(&folded[1..]));
        }
        if let Some(names) = self.tree.get_mut(first) {
            names.retain(|one| !one.folded.starts_with(&folded));
        }
        self.tree.retain(|_, names| !names.is_empty());
        self.endings.retain(|one| one.folded != folded);
        self.iter().count() < before
    }

    /// Whether a name of the list could begin in `path`, so that what lies below `path` is judged
    /// otherwise when it is looked at from there.
    pub(crate) fn could_begin_in(&self, path: &Path) -> bool {
        components(path).iter().any(|part| {
            let ends = |name: &DangerousName| part.ends_with(&name.folded[0][1..]);
            is_git(part) || self.tree.contains_key(part) || self.endings.iter().any(ends)
        })
    }

    fn of_git_directory(&self, path: &[Vec<u8>]) -> Option<Danger> {
        let nested = matches!(
            path.first().map(Vec::as_slice),
            Some(b"modules" | b"worktrees")
        );
        let places = if nested { path.len() } else { 1 };
        (0..places)
            .flat_map(|index| self.git.iter().map(move |name| (name, index)))
            .find(|(name, index)| name.begins(&path[*index..]))
            .map(|(name, _)| name.danger)
    }
}

impl Default for DangerousNames {
    /// The built-in list.
    fn default() -> Self {
        let mut all = DangerousNames::none();
        for group in TREE {
            for name in group.names {
                let name = DangerousName::new(name, group);
                match name.folded.first() {
                    Some(first) if !first.starts_with(b"*") => {
                        all.tree.entry(first.clone()).or_default().push(name);
                    }
                    _ => all.endings.push(name),
                }
            }
        }
        for group in GIT_DIRECTORY {
            let names = group.names.iter();
            all.git
                .extend(names.map(|name| DangerousName::new(name, group)));
        }
        all
    }
}

/// Whether it is a name that a list can hold.
pub(crate) fn is_plain(name: &Path) -> bool {
    let mut parts = name.components();
    !name.as_os_str().is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// The components of a path in the form in which names are compared.
fn components(path: &Path) -> Vec<Vec<u8>> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(fold(name.as_bytes())),
            Component::ParentDir => Some(b"..".to_vec()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// An agent's own working copy of the project lies there, which is no configuration.
fn is_worktree(path: &[Vec<u8>]) -> bool {
    path.len() > 1 && path[0] == b".claude" && path[1] == b"worktrees"
}

#[cfg(test)]
mod tests;
