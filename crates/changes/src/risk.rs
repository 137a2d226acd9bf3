//! What a reviewer should look at twice.

use cofferdam_policy::{Danger, DangerousNames};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// What the kernel takes at once.
const PATH_MAX: usize = 4096;

/// Something about a change that can harm who uses the tree afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Risk {
    /// The file runs as its owner (`execve(2)`); the bit is not applied unless asked for.
    SetUserId,
    /// The file runs with its group; the bit is not applied unless asked for.
    SetGroupId,
    /// The file has capabilities (`capabilities(7)`); they are never applied.
    FileCapability,
    /// The file can be executed and could not before.
    NewlyExecutable,
    /// Every user of the machine may write it, and could not before.
    WorldWritable,
    /// The symbolic link is absolute, or goes up: what is written or read through it may lie
    /// outside of the tree.
    SymlinkOut,
    /// A device, FIFO or socket: not applied.
    SpecialFile,
    /// The file has other names too, so that writing one writes all.
    HardLink,
    /// The name holds control, direction or invisible characters, or is no UTF-8.
    OddName,
    /// The name is one that programs obey.
    Named(Danger),
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Risk::SetUserId => "set-user-ID: would run as its owner",
            Risk::SetGroupId => "set-group-ID: would run with its group",
            Risk::FileCapability => "has file capabilities",
            Risk::NewlyExecutable => "newly executable",
            Risk::WorldWritable => "writable for every user",
            Risk::SymlinkOut => "symbolic link that can lead out of the tree",
            Risk::SpecialFile => "device, FIFO or socket",
            Risk::HardLink => "has several names (hard links)",
            Risk::OddName => "misleading characters in the name",
            Risk::Named(danger) => return danger.fmt(f),
        })
    }
}

/// The dangerous names, and what of them can lie behind a link.
#[derive(Debug)]
pub(crate) struct Names {
    names: DangerousNames,
    /// What follows the first components of dangerous names of several.
    endings: Vec<PathBuf>,
}

impl Names {
    pub(crate) fn new(names: DangerousNames) -> Self {
        let mut endings = BTreeSet::new();
        for name in names.iter() {
            let parts: Vec<_> = name.path().components().collect();
            for start in 1..parts.len() {
                let ending: PathBuf = parts[start..].iter().collect();
                // What is dangerous anywhere says nothing about what is above it.
                if names.of(&Path::new("-").join(&ending)).is_none() {
                    endings.insert(ending);
                }
            }
        }
        let endings = endings.into_iter().collect();
        Self { names, endings }
    }

    /// What is dangerous about a path, given also relative to a bare repository above it.
    pub(crate) fn of(&self, path: &Path, in_git: Option<&Path>, link: bool) -> Option<Danger> {
        let path = &*last_components(path);
        let found = self
            .names
            .of(path)
            .or_else(|| self.names.in_git_directory(&last_components(in_git?)));
        if found.is_some() || !link {
            return found;
        }
        // A link in the place of `.github` brings a `.github/workflows` that no entry names.
        let below = |ending| self.names.of(&path.join(ending));
        self.endings.iter().find_map(below)
    }
}

/// The end of a path that is deeper than any name matters: what is so far below a directory that
/// git or a shell obeys has a path that they cannot open.
fn last_components(path: &Path) -> Cow<'_, Path> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() <= PATH_MAX {
        return Cow::Borrowed(path);
    }
    let end = &bytes[bytes.len() - PATH_MAX..];
    let start = end.iter().position(|byte| *byte == b'/').unwrap_or(0);
    Cow::Owned(OsStr::from_bytes(&end[start + 1..]).into())
}

/// Whether a link's text can lead out of the tree; `depth` directories lie above the link.
pub(crate) fn leads_out(target: &Path, depth: usize) -> bool {
    let mut up = 0;
    let mut down = false;
    for part in target.components() {
        match part {
            std::path::Component::RootDir | std::path::Component::Prefix(_) => return true,
            std::path::Component::ParentDir => {
                up += 1;
                // The parent of a link's target is anywhere.
                if down || up > depth {
                    return true;
                }
            }
            std::path::Component::Normal(_) => down = true,
            std::path::Component::CurDir => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_lead_out() {
        for (target, depth, out) in [
            ("/etc/passwd", 3, true),
            ("..", 0, true),
            ("..", 1, false),
            ("../../x", 1, true),
            ("../../x", 2, false),
            ("a/../b", 5, true),
            ("./a/b", 0, false),
            ("", 0, false),
        ] {
            assert_eq!(leads_out(Path::new(target), depth), out, "{target} {depth}");
        }
    }

    #[test]
    fn links_in_the_place_of_a_dangerous_directory() {
        let names = Names::new(DangerousNames::default());
        let of = |path: &str, link| names.of(Path::new(path), None, link);
        assert!(of(".github/workflows/x.yml", false).is_some());
        assert!(of(".github", true).is_some());
        assert!(of("sub/.git/hooks/pre-commit", false).is_some());
        assert!(of("src/link", true).is_none());
        assert!(of("node_modules/.bin/tsc", true).is_none());
        let hook = Path::new("hooks/pre-commit");
        assert!(
            names
                .of(Path::new("odd/hooks/pre-commit"), Some(hook), false)
                .is_some()
        );
    }
}
