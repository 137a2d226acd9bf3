//! Id maps: which ids the child's user namespace has, and who may say so.
//!
//! Source: user_namespaces(7), "User and group ID mappings".

use crate::helper::{Helper, HelperError};
use cofferdam_sys::{Errno, cred, process};
use std::fmt::Write as _;
use std::io::Write as _;

/// The kernel takes at most this many lines a map (Linux 4.15).
const MAX_RANGES: usize = 340;
const CAP_SETGID: u64 = 1 << 6;
const CAP_SETUID: u64 = 1 << 7;

/// Consecutive ids: `inside`, `inside + 1`, … mean `outside`, `outside + 1`, … in the caller's
/// namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdRange {
    /// First id in the child's namespace.
    pub inside: u32,
    /// First id in the caller's namespace.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// The user and group ids of a child's user namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdMap {
    /// User ids.
    pub uid: Vec<IdRange>,
    /// Group ids.
    pub gid: Vec<IdRange>,
}

/// Who may write a map (user_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MapWriter {
    /// The child itself: it maps the caller's own id and nothing else.
    Child,
    /// The caller, which has `CAP_SETUID` and `CAP_SETGID`: root.
    Parent,
    /// newuidmap(1) and newgidmap(1), for ranges that `/etc/subuid` and `/etc/subgid` give the user.
    Helper,
}

/// An [`IdMap`] that was checked and whose writer is known.
#[derive(Clone, Debug)]
pub struct PreparedIdMap {
    map: IdMap,
    uid_map: Vec<u8>,
    gid_map: Vec<u8>,
    writer: MapWriter,
    helper: Option<Helper>,
}

/// Why [`IdMap::prepare`] refused a map.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdMapError {
    /// A map without any id.
    #[error("the map of {kind} ids is empty: name at least one range")]
    Empty {
        /// `user` or `group`.
        kind: &'static str,
    },
    /// A range that has no ids or runs past the last one.
    #[error("the {kind} id range inside {} outside {} has {} ids: it must have one or more and end before 4294967295", .range.inside, .range.outside, .range.count)]
    Range {
        /// `user` or `group`.
        kind: &'static str,
        /// The range.
        range: IdRange,
    },
    /// Two ranges that share an id.
    #[error("two {kind} id ranges share ids {side} (at {id}): make them disjoint")]
    Overlap {
        /// `user` or `group`.
        kind: &'static str,
        /// `inside` or `outside`.
        side: &'static str,
        /// The first shared id.
        id: u32,
    },
    /// More ranges than the kernel takes.
    #[error("{count} {kind} id ranges, and the kernel takes {MAX_RANGES}: join neighbours")]
    TooMany {
        /// `user` or `group`.
        kind: &'static str,
        /// How many there are.
        count: usize,
    },
    /// The caller's capabilities could not be read.
    #[error("cannot read the capabilities of the calling thread")]
    Capabilities(#[source] Errno),
    /// The map needs newuidmap and newgidmap, and they cannot write it.
    #[error(transparent)]
    Helper(#[from] HelperError),
}

/// Why the maps of a child could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteMapError {
    /// The map is to be written by someone else.
    #[error("this map is written by {expected:?}, not by {called:?}: ask PreparedIdMap::writer")]
    WrongWriter {
        /// Who is to write it.
        expected: MapWriter,
        /// Who was asked to.
        called: MapWriter,
    },
    /// A file in `/proc/PID` could not be written.
    #[error(
        "cannot write {path}: the caller needs CAP_SETUID and CAP_SETGID over the outside ids, and the process must live"
    )]
    Write {
        /// The file.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// newuidmap or newgidmap failed.
    #[error(transparent)]
    Helper(#[from] HelperError),
}

impl IdMap {
    /// One user and one group.
    pub fn single(inside_uid: u32, outside_uid: u32, inside_gid: u32, outside_gid: u32) -> Self {
        let one = |inside, outside| {
            vec![IdRange {
                inside,
                outside,
                count: 1,
            }]
        };
        Self {
            uid: one(inside_uid, outside_uid),
            gid: one(inside_gid, outside_gid),
        }
    }

    /// The caller's effective ids, with the same numbers inside. (With another number, programs that
    /// compare file owners with what they stored, such as `git status`, do their work anew.)
    pub fn current() -> Self {
        let (uid, gid) = (cred::geteuid(), cred::getegid());
        Self::single(uid, uid, gid, gid)
    }

    /// Any ranges.
    pub fn ranges(uid: Vec<IdRange>, gid: Vec<IdRange>) -> Self {
        Self { uid, gid }
    }

    /// Checks the map and finds out who may write it.
    ///
    /// # Errors
    /// For a map the kernel would refuse, and for one that needs newuidmap(1) and newgidmap(1) where
    /// they are missing or the ranges are not the user's.
    pub fn prepare(&self) -> Result<PreparedIdMap, IdMapError> {
        check("user", &self.uid)?;
        check("group", &self.gid)?;
        let own = |ranges: &[IdRange], id| matches!(ranges, [IdRange { outside, count: 1, .. }] if *outside == id);
        let capabilities = cred::capget().map_err(IdMapError::Capabilities)?;
        let needed = CAP_SETUID | CAP_SETGID;
        let (writer, helper) = if own(&self.uid, cred::geteuid()) && own(&self.gid, cred::getegid())
        {
            (MapWriter::Child, None)
        } else if capabilities.effective & needed == needed {
            (MapWriter::Parent, None)
        } else {
            (MapWriter::Helper, Some(Helper::find(self)?))
        };
        Ok(PreparedIdMap {
            map: self.clone(),
            uid_map: text(&self.uid),
            gid_map: text(&self.gid),
            writer,
            helper,
        })
    }
}

impl PreparedIdMap {
    /// Who has to write the maps, once the child exists.
    pub fn writer(&self) -> MapWriter {
        self.writer
    }

    /// The map it was made from.
    pub fn map(&self) -> &IdMap {
        &self.map
    }

    /// Whether the child may drop its supplementary groups. Where the child writes the map the
    /// kernel wants setgroups(2) given up first, and so the caller's groups stay.
    pub fn can_clear_groups(&self) -> bool {
        match self.writer {
            MapWriter::Child => false,
            MapWriter::Parent => true,
            // newgidmap gives setgroups up when it maps nothing but the user's own group.
            MapWriter::Helper => self
                .helper
                .as_ref()
                .is_some_and(|helper| helper.keeps_setgroups()),
        }
    }

    /// Writes the maps in the child: raw calls, no allocation. For [`MapWriter::Child`].
    ///
    /// `/proc/self` belongs to root when the memory is not dumpable (`PR_SET_DUMPABLE` 0), and the
    /// child shares the host's memory: such a host gets `EACCES` here.
    ///
    /// # Errors
    /// As open(2) and write(2) of `/proc/self/setgroups`, `uid_map`, `gid_map`; `EACCES` or `EPERM`
    /// under Ubuntu's AppArmor rule.
    pub fn apply_in_child(&self) -> cofferdam_sys::Result<()> {
        process::write_file(c"/proc/self/setgroups", b"deny")?;
        process::write_file(c"/proc/self/uid_map", &self.uid_map)?;
        process::write_file(c"/proc/self/gid_map", &self.gid_map)
    }

    /// Writes the maps of a child from the caller. For [`MapWriter::Parent`].
    ///
    /// # Errors
    /// As write(2) of `/proc/PID/uid_map` and `gid_map`.
    pub fn write_from_parent(&self, pid: i32) -> Result<(), WriteMapError> {
        self.expect(MapWriter::Parent)?;
        write_proc(pid, "uid_map", &self.uid_map)?;
        write_proc(pid, "gid_map", &self.gid_map)
    }

    /// Runs newuidmap(1) and newgidmap(1) on a child and waits for them. For [`MapWriter::Helper`];
    /// from another thread than one that sleeps in clone3(2) with `CLONE_VFORK`.
    ///
    /// # Errors
    /// With what the program wrote to its standard error.
    pub fn write_with_helper(&self, pid: i32) -> Result<(), WriteMapError> {
        self.expect(MapWriter::Helper)?;
        match &self.helper {
            Some(helper) => Ok(helper.write(pid, &self.map)?),
            None => Ok(()),
        }
    }

    /// The text of `/proc/PID/uid_map` and of `/proc/PID/gid_map`.
    pub fn texts(&self) -> (&[u8], &[u8]) {
        (&self.uid_map, &self.gid_map)
    }

    fn expect(&self, called: MapWriter) -> Result<(), WriteMapError> {
        if self.writer == called {
            return Ok(());
        }
        Err(WriteMapError::WrongWriter {
            expected: self.writer,
            called,
        })
    }
}

/// Writes a whole map at once: the kernel takes a single write(2).
pub(crate) fn write_proc(pid: i32, file: &str, bytes: &[u8]) -> Result<(), WriteMapError> {
    let path = format!("/proc/{pid}/{file}");
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut opened| opened.write_all(bytes))
        .map_err(|source| WriteMapError::Write { path, source })
}

pub(crate) fn text(ranges: &[IdRange]) -> Vec<u8> {
    let mut text = String::new();
    for range in ranges {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {} {}", range.inside, range.outside, range.count);
    }
    text.into_bytes()
}

pub(crate) fn check(kind: &'static str, ranges: &[IdRange]) -> Result<(), IdMapError> {
    if ranges.is_empty() {
        return Err(IdMapError::Empty { kind });
    }
    if ranges.len() > MAX_RANGES {
        let count = ranges.len();
        return Err(IdMapError::TooMany { kind, count });
    }
    for range in ranges {
        // The last id, 4294967295, is (uid_t) -1: no user.
        let fits = |first: u32| first.checked_add(range.count).is_some();
        if range.count == 0 || !fits(range.inside) || !fits(range.outside) {
            return Err(IdMapError::Range {
                kind,
                range: *range,
            });
        }
    }
    for side in ["inside", "outside"] {
        let first = |range: &IdRange| match side {
            "inside" => range.inside,
            _ => range.outside,
        };
        let mut spans: Vec<(u32, u32)> = ranges.iter().map(|r| (first(r), r.count)).collect();
        spans.sort_unstable();
        for pair in spans.windows(2) {
            if let [(a, count), (b, _)] = *pair
                && b - a < count
            {
                return Err(IdMapError::Overlap { kind, side, id: b });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(inside: u32, outside: u32, count: u32) -> IdRange {
        IdRange {
            inside,
            outside,
            count,
        }
    }

    #[test]
    fn the_callers_own_id_is_written_by_the_child() {
        let map = IdMap::current().prepare().expect("the caller's own ids");
        assert_eq!(map.writer(), MapWriter::Child);
        assert!(!map.can_clear_groups());
        let uid = cred::geteuid();
        assert_eq!(map.texts().0, format!("{uid} {uid} 1\n").as_bytes());
        assert!(matches!(
            map.write_from_parent(1),
            Err(WriteMapError::WrongWriter {
                expected: MapWriter::Child,
                ..
            })
        ));
    }

    #[test]
    fn maps_the_kernel_would_refuse_are_refused_first() {
        let good = vec![range(0, 100_000, 10)];
        let with = |uid: Vec<IdRange>| IdMap::ranges(uid, good.clone()).prepare();
        assert!(matches!(
            with(vec![]),
            Err(IdMapError::Empty { kind: "user" })
        ));
        assert!(matches!(
            with(vec![range(0, 5, 0)]),
            Err(IdMapError::Range { .. })
        ));
        assert!(matches!(
            with(vec![range(u32::MAX, 5, 1)]),
            Err(IdMapError::Range { .. })
        ));
        assert!(matches!(
            with(vec![range(0, u32::MAX - 4, 5)]),
            Err(IdMapError::Range { .. })
        ));
        assert!(matches!(
            with(vec![range(0, 100, 10), range(9, 200, 1)]),
            Err(IdMapError::Overlap {
                side: "inside",
                id: 9,
                ..
            })
        ));
        assert!(matches!(
            with(vec![range(0, 100, 10), range(10, 109, 1)]),
            Err(IdMapError::Overlap {
                side: "outside",
                id: 109,
                ..
            })
        ));
        let many = (0..341).map(|n| range(n, n, 1)).collect();
        assert!(matches!(
            with(many),
            Err(IdMapError::TooMany { count: 341, .. })
        ));
        assert!(check("user", &[range(0, 100, 10), range(10, 110, 5)]).is_ok());
    }
}
