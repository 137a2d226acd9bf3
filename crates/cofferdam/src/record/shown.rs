//! What of the host a program sees, as a question about paths.

use super::remedy;
use cofferdam_policy::{Access, Symlink, ViewEntry};
use std::path::{Component, Path, PathBuf};

/// What is shown inside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    entries: Vec<(PathBuf, Access)>,
    /// Links of the policy's own, which lead somewhere.
    links: Vec<PathBuf>,
    /// What is not shown does not exist, as opposed to being refused.
    view: bool,
    /// The root is another than the host's: its own paths are not known here.
    other_root: bool,
}

/// What a program can do with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// It is not shown.
    Absent,
    /// A rule hides it.
    Hidden,
    /// It can be read.
    Read,
    /// It can be written.
    Write,
    /// Nothing is known about it here.
    Unknown,
}

/// Places that are the sandbox's own, or links into what is shown.
const OWN: &[&str] = &[
    "/proc", "/dev", "/sys", "/run", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
    "/var/tmp",
];

impl Shown {
    /// A view of its own: the entries, and what a preset shows beside them.
    pub(crate) fn view(entries: &[ViewEntry], preset: impl IntoIterator<Item = PathBuf>) -> Self {
        let entries = entries
            .iter()
            .map(|entry| (entry.target.clone(), entry.access));
        let preset = preset.into_iter().map(|path| (path, Access::Read));
        Self {
            entries: entries.chain(preset).collect(),
            view: true,
            ..Self::default()
        }
    }

    /// Adds what exists inside only: directories that can be written, and links.
    pub(crate) fn own(&mut self, fresh: &[(PathBuf, bool)], links: &[Symlink]) {
        let fresh = fresh.iter().map(|(path, _)| (path.clone(), Access::Write));
        self.entries.extend(fresh);
        self.links
            .extend(links.iter().map(|link| link.path.clone()));
    }

    /// The root is another than the host's.
    pub(crate) fn of_other_root(&mut self) {
        self.other_root = true;
    }

    /// The host's own files, as far as they may be read and written.
    pub(crate) fn bare(readable: &[PathBuf], writable: &[(PathBuf, bool)]) -> Self {
        let read = readable.iter().map(|path| (path.clone(), Access::Read));
        let write = writable
            .iter()
            .map(|(path, _)| (path.clone(), Access::Write));
        Self {
            entries: read.chain(write).collect(),
            ..Self::default()
        }
    }

    /// The layer that keeps files away.
    pub(super) fn layer(&self) -> &'static str {
        match self.view {
            true => "filesystem",
            false => "landlock",
        }
    }

    /// Whether a path that is not shown looks as if it did not exist.
    pub(super) fn is_view(&self) -> bool {
        self.view
    }

    /// Why a program does not get a path that it wants to read or, with `changes`, to change, and what would help.
    pub(super) fn refuses(&self, path: &str, changes: bool) -> Option<(&'static str, String)> {
        let reason = match self.sight(path) {
            Sight::Read if changes => "it is shown for reading only",
            Sight::Hidden => return Some(("a rule hides it", remedy::unhide())),
            Sight::Absent if self.view => "no rule shows it, so that it does not exist inside",
            Sight::Absent => "no rule allows it",
            _ => return None,
        };
        let remedy = match changes {
            true => remedy::write(path),
            false => remedy::read(path),
        };
        Some((reason, remedy))
    }

    /// What a program can do with a path: that of the nearest entry above.
    pub(super) fn sight(&self, path: &str) -> Sight {
        let path = Path::new(path);
        let mut parts = path.components();
        let absolute = parts.next() == Some(Component::RootDir);
        if !absolute || !parts.all(|part| matches!(part, Component::Normal(_))) {
            return Sight::Unknown;
        }
        if self.links.iter().any(|link| path.starts_with(link)) {
            return Sight::Unknown;
        }
        let nearest = self
            .entries
            .iter()
            .filter(|(entry, _)| path.starts_with(entry))
            .max_by_key(|(entry, access)| (entry.components().count(), *access));
        match nearest.map(|(_, access)| *access) {
            Some(Access::Hide) => Sight::Hidden,
            Some(Access::Read) => Sight::Read,
            Some(Access::Write | Access::Overlay) => Sight::Write,
            None if self.other_root || OWN.iter().any(|own| path.starts_with(own)) => {
                Sight::Unknown
            }
            // A directory on the way to something that is shown is there.
            None if self
                .entries
                .iter()
                .any(|(entry, _)| entry.starts_with(path)) =>
            {
                Sight::Unknown
            }
            None => Sight::Absent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_entry_decides() {
        let entry = |path: &str, access| ViewEntry {
            target: path.into(),
            source: path.into(),
            access,
            exec: true,
        };
        let entries = [
            entry("/usr", Access::Read),
            entry("/w", Access::Write),
            entry("/w/.env", Access::Hide),
        ];
        let mut shown = Shown::view(&entries, ["/etc/profile".into()]);
        shown.own(&[("/tmp".into(), true)], &[]);
        for (path, sight) in [
            ("/usr/bin/sh", Sight::Read),
            ("/w/a", Sight::Write),
            ("/w/.env", Sight::Hidden),
            ("/tmp/x", Sight::Write),
            ("/root/x", Sight::Absent),
            ("/etc/profile", Sight::Read),
            ("/etc/shadow", Sight::Absent),
            ("/etc", Sight::Unknown),
            ("/usrx", Sight::Absent),
            ("/root/../tmp/x", Sight::Unknown),
            ("root/x", Sight::Unknown),
            ("/proc/1", Sight::Unknown),
        ] {
            assert_eq!(shown.sight(path), sight, "{path}");
        }
    }
}
