//! What a person should know about the protection of a workspace.

use std::fmt;
use std::path::PathBuf;

/// Something found that is not as good as it could be, or not what one would expect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Note {
    /// A `.git` file or link that leads out of the workspace, to what is not shown.
    NotShown {
        /// The file or link.
        pointer: PathBuf,
        /// Where it leads.
        target: PathBuf,
        /// Why that was not believed.
        why: Unproven,
    },
    /// Only the parts of this shared git directory that git needs are shown, since the workspace is
    /// inside it: nothing can be added beside them.
    PartlyShown {
        /// The shared directory.
        common: PathBuf,
    },
    /// The workspace is a directory in this repository, which git inside does not see.
    Subdirectory {
        /// The working tree around the workspace.
        repository: PathBuf,
    },
    /// Not a repository: one that the sandbox makes there is not watched.
    NoRepository,
    /// Objects of this git directory are elsewhere, and that is not shown.
    Alternates {
        /// The file that says so.
        file: PathBuf,
        /// The other store of objects.
        store: PathBuf,
    },
    /// A dangerous name is a link out of what the sandbox can write to.
    LeadsOutside {
        /// The name.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// A dangerous name is a link to a working tree, which cannot be read-only.
    LeadsToTree {
        /// The name.
        path: PathBuf,
    },
    /// A protected file has further names, which may lie where the sandbox can write.
    HardLinks {
        /// The file.
        path: PathBuf,
        /// How many names, this one included.
        names: u64,
    },
    /// A dangerous name is neither file nor directory, and not protected.
    OddType {
        /// The name.
        path: PathBuf,
    },
    /// `core.hooksPath` is the workspace itself or above it, and cannot be read-only.
    HooksPath {
        /// The configuration file.
        config: PathBuf,
        /// The directory.
        path: PathBuf,
    },
    /// A configuration file that git itself would refuse.
    BadConfig {
        /// The file.
        path: PathBuf,
    },
    /// Configuration that includes more files than are followed.
    Includes {
        /// The file.
        path: PathBuf,
    },
    /// Something could not be looked at, and is not protected.
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// The kernel's reason.
        reason: String,
    },
    /// There is so much to say that this many notes were left out.
    More(usize),
    /// The search for nested repositories ended here; further ones are not known.
    SearchEnded(Cut),
}

/// What ended a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Directories deeper than this were not looked into.
    Depth(usize),
    /// As many entries were looked at.
    Entries(usize),
    /// As many milliseconds were over.
    Time(u128),
    /// As many repositories were found.
    Repositories(usize),
}

/// Why a git directory outside of the workspace is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unproven {
    /// It is not there.
    Missing,
    /// It is no git directory.
    NoGitDirectory,
    /// It claims to be a worktree of a repository that it does not lie in.
    NotItsWorktree,
    /// Nothing in it names a working tree.
    NoWayBack,
    /// It names another working tree.
    OtherWayBack,
    /// It is a directory around the workspace.
    HoldsWorkspace,
    /// It is reached by a symbolic link, which git does not make.
    Link,
    /// It belongs to a nested working tree; only the workspace's own is shown.
    Nested,
}

impl fmt::Display for Note {
    // The debug form of a path escapes control and bidirectional characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotShown {
                pointer,
                target,
                why,
            } => write!(f, "{pointer:?} leads to {target:?}, which is not shown: {why}"),
            Self::PartlyShown { common } => write!(
                f,
                "the workspace is inside of its git directory {common:?}, of which only the parts that git needs are shown: packing refs does not work inside"
            ),
            Self::Subdirectory { repository } => write!(
                f,
                "the workspace is a directory of the repository {repository:?}: git does not find it inside; name that directory as the workspace to use git"
            ),
            Self::NoRepository => f.write_str(
                "the workspace is no git repository: the configuration and hooks of one made inside are not looked at; review it before running git there",
            ),
            Self::Alternates { file, store } => write!(
                f,
                "{file:?} says that objects are in {store:?}, which is not shown; name it readable in the policy if it is right"
            ),
            Self::LeadsOutside { path, target } => write!(
                f,
                "{path:?} leads to {target:?}, outside of the workspace: protected only as far as the policy does not make that writable"
            ),
            Self::LeadsToTree { path } => write!(
                f,
                "{path:?} is a link to a whole working tree, which cannot be read-only: what it stands for can be written; make it a directory of its own"
            ),
            Self::HardLinks { path, names } => write!(
                f,
                "{path:?} is a file with {names} names: a program can change it through another one in the workspace; copy it to a file of its own"
            ),
            Self::OddType { path } => {
                write!(f, "{path:?} is neither file nor directory, and is not protected")
            }
            Self::HooksPath { config, path } => write!(
                f,
                "core.hooksPath in {config:?} is {path:?}, which is too much to make read-only: hooks can be written; give them a directory of their own"
            ),
            Self::BadConfig { path } => {
                write!(f, "{path:?} is not valid as git configuration: what it names is not protected")
            }
            Self::Includes { path } => {
                write!(f, "{path:?} includes more files than are looked at: the rest is not protected")
            }
            Self::Unreadable { path, reason } => {
                write!(f, "{path:?} could not be looked at and is not protected: {reason}")
            }
            Self::More(count) => write!(f, "{count} more notes of this kind were left out"),
            Self::SearchEnded(cut) => write!(
                f,
                "repositories nested in the workspace, other than submodules and worktrees, were looked for {cut}; those beyond are not protected"
            ),
        }
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Depth(depth) => write!(f, "to a depth of {depth}"),
            Self::Entries(entries) => write!(f, "among {entries} directory entries"),
            Self::Time(milliseconds) => write!(f, "for {milliseconds} ms"),
            Self::Repositories(found) => write!(f, "until {found} were found"),
        }
    }
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "it does not exist",
            Self::NoGitDirectory => "it is no git directory",
            Self::NotItsWorktree => {
                "it claims to be a worktree of a repository that it does not lie in"
            }
            Self::NoWayBack => {
                "it does not name the workspace as its working tree; if it is right, set core.worktree in its config"
            }
            Self::OtherWayBack => {
                "it names another working tree; after a move use git worktree repair"
            }
            Self::HoldsWorkspace => "the workspace is inside of it",
            Self::Link => "a link proves nothing; replace it with a file, as git worktree makes it",
            Self::Nested => {
                "it belongs to a working tree nested in the workspace; name the git directory in the policy to use it"
            }
        })
    }
}
