//! Ending the processes of groups, and removing the directories.

use crate::error::{KillError, RemoveError};
use crate::files;
use crate::limits::Version;
use cofferdam_sys::{Errno, process};
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long dying processes and busy directories are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ends every process in these groups and the groups below them; returns when they are gone.
pub(crate) fn kill_all(groups: &[(Version, &Path)]) -> Result<(), KillError> {
    let mut wait = Wait::new();
    let mut first_round = true;
    loop {
        let mut left: Option<(PathBuf, Vec<i32>)> = None;
        let mut at_once = false;
        for (version, group) in groups {
            let members = members(group)?;
            if members.is_empty() && !populated(group) {
                continue;
            }
            if *version == Version::V2 && kill_at_once(group)? {
                at_once = true;
            } else if !(at_once && first_round) {
                // Just after cgroup.kill the v1 directories still list those it is ending.
                one_by_one(group, &members);
            }
            left.get_or_insert((
                group.to_path_buf(),
                members.into_iter().map(|m| m.1).collect(),
            ));
        }
        let Some((directory, mut pids)) = left else {
            return Ok(());
        };
        first_round = false;
        if !wait.once_more() {
            pids.truncate(16);
            return Err(KillError::StillThere {
                directory,
                milliseconds: PATIENCE.as_millis() as u64,
                pids,
            });
        }
    }
}

/// Removes the directories and those below them; waits while something in them is still dying.
pub(crate) fn remove_all(groups: &[(Version, &Path)]) -> Result<(), RemoveError> {
    let mut result = Ok(());
    for (_, group) in groups {
        let removed = remove_tree(group);
        result = result.and(removed);
    }
    result
}

fn remove_tree(group: &Path) -> Result<(), RemoveError> {
    let mut wait = Wait::new();
    loop {
        for below in files::directories_in(group).unwrap_or_default() {
            remove_tree(&below)?;
        }
        match files::rmdir(group) {
            Ok(()) | Err(Errno(libc::ENOENT)) => return Ok(()),
            Err(Errno(libc::EBUSY | libc::ENOTEMPTY)) if wait.once_more() => {}
            Err(errno) => {
                return Err(RemoveError::Directory {
                    directory: group.to_owned(),
                    errno,
                });
            }
        }
    }
}

/// `cgroup.kill` (Linux 5.14): the kernel ends the whole tree, forks under way included. `false`
/// where there is none.
fn kill_at_once(group: &Path) -> Result<bool, KillError> {
    let file = group.join("cgroup.kill");
    match files::write(&file, "1") {
        Ok(()) => Ok(true),
        Err(Errno(libc::ENOENT | libc::ENODEV)) => Ok(false),
        Err(errno) => Err(KillError::File { file, errno }),
    }
}

/// Freezes the group where that can be done, so that it cannot fork away, and signals each process.
fn one_by_one(group: &Path, members: &[(PathBuf, i32)]) {
    // v2: frozen processes can be killed. v1: they die when they are thawed.
    let switches = [
        ("cgroup.freeze", "1", "0"),
        ("freezer.state", "FROZEN", "THAWED"),
    ];
    let freeze = |on: bool| {
        for (file, frozen, thawed) in switches {
            let _ = files::write(&group.join(file), if on { frozen } else { thawed });
        }
    };
    freeze(true);
    // Those that forked before the group froze are seen in the next round.
    for (procs, pid) in members {
        kill_one(procs, *pid);
    }
    freeze(false);
}

/// Sends SIGKILL to the process, if that pid still is a process of this group once it is held.
fn kill_one(procs: &Path, pid: i32) {
    // 0: a process outside of this pid namespace.
    if pid <= 0 {
        return;
    }
    // A directory of /proc stands for its process as a pidfd does: pidfd_send_signal(2).
    let Ok(held) = File::open(format!("/proc/{pid}")) else {
        return;
    };
    if files::pids(procs).is_ok_and(|pids| pids.contains(&pid)) {
        let _ = process::send_signal(held.as_fd(), libc::SIGKILL);
    }
}

/// The processes of the group and of the groups below it, each with the file that lists it.
fn members(group: &Path) -> Result<Vec<(PathBuf, i32)>, KillError> {
    let procs = group.join("cgroup.procs");
    let mut found: Vec<(PathBuf, i32)> = match files::pids(&procs) {
        Ok(pids) => pids.into_iter().map(|pid| (procs.clone(), pid)).collect(),
        // Removed by someone else: nothing can be in it. EOPNOTSUPP: threaded, so the processes
        // are listed above.
        Err(Errno(libc::ENOENT | libc::ENODEV | libc::EOPNOTSUPP)) => Vec::new(),
        Err(errno) => return Err(KillError::File { file: procs, errno }),
    };
    for below in files::directories_in(group).unwrap_or_default() {
        found.extend(members(&below)?);
    }
    Ok(found)
}

/// Whether v2 counts anything alive in the group or below it.
fn populated(group: &Path) -> bool {
    files::read(&group.join("cgroup.events"))
        .is_ok_and(|events| files::keyed(&events, "populated") == Some(1))
}

/// Sleeps of growing length, up to a deadline.
struct Wait {
    until: Instant,
    next: Duration,
}

impl Wait {
    fn new() -> Self {
        Self {
            until: Instant::now() + PATIENCE,
            next: Duration::from_micros(50),
        }
    }

    fn once_more(&mut self) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        sleep(self.next);
        self.next = (self.next * 2).min(Duration::from_millis(10));
        true
    }
}

#[cfg(test)]
mod tests {
    //! The ways for kernels and hosts without `cgroup.kill`, tried on those that have it.

    use super::*;
    use crate::limits::{Figures, Limits};
    use crate::mounts::{self, Hierarchy};
    use crate::{Cgroup, Parent, v2};
    use std::io::Write;
    use std::process::{Child, Command, Stdio};

    /// A shell that starts a tree of `sleep`s once it is inside, and ends.
    fn tree_in(directories: &[PathBuf]) -> Vec<i32> {
        let script = "read go; (setsid sh -c 'sleep 60 & sleep 60 & wait' &); (sleep 60 &); exit 0";
        let mut shell: Child = Command::new("/bin/sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        for directory in directories {
            files::write(&directory.join("cgroup.procs"), &shell.id().to_string()).unwrap();
        }
        shell.stdin.take().unwrap().write_all(b"go\n").unwrap();
        assert!(shell.wait().unwrap().success());
        let procs = directories[0].join("cgroup.procs");
        let mut wait = Wait::new();
        while files::pids(&procs).unwrap().len() < 4 {
            assert!(wait.once_more(), "the tree did not come up");
        }
        files::pids(&procs).unwrap()
    }

    fn is_running(pid: &i32) -> bool {
        let stat = files::read(Path::new(&format!("/proc/{pid}/stat"))).unwrap_or_default();
        let state = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.starts_with(['Z', 'X']));
        state == Some(false)
    }

    /// `None`, said aloud, where this process may make no groups.
    fn group(hierarchies: &[Hierarchy], what: &str) -> Option<Cgroup> {
        let limits = Limits::default();
        let parent = Parent::prepare_on(hierarchies, &limits, Figures::Minimal);
        match parent {
            Ok(parent) => Some(parent.create(&limits).unwrap()),
            Err(error) => {
                println!("not available on this host: {what}: {error}");
                let root =
                    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap())
                        == 0;
                let offered = !hierarchies.is_empty();
                assert!(!(root && offered && crate::probe().life.is_ok()), "{error}");
                None
            }
        }
    }

    #[test]
    fn on_v1_alone_the_freezer_holds_them_still() {
        let mut hierarchies = mounts::read().unwrap();
        hierarchies.retain(|each| each.version == Version::V1);
        let Some(group) = group(&hierarchies, "v1 groups") else {
            return;
        };
        assert!(group.v2_dir().is_none());
        let pids = tree_in(&group.paths());
        group.kill().unwrap();
        assert!(!pids.iter().any(is_running));
        let paths = group.paths();
        group.remove().unwrap();
        assert!(!paths[0].exists());
    }

    #[test]
    fn on_v1_without_freezer_it_takes_rounds() {
        let mut hierarchies = mounts::read().unwrap();
        hierarchies.retain(|each| each.names == ["pids"]);
        let Some(group) = group(&hierarchies, "the pids hierarchy of v1") else {
            return;
        };
        let pids = tree_in(&group.paths());
        group.kill().unwrap();
        assert!(!pids.iter().any(is_running));
        group.remove().unwrap();
    }

    #[test]
    fn on_v2_before_cgroup_kill_frozen_processes_are_signalled() {
        let hierarchies = mounts::read().unwrap();
        let unified: Vec<_> = hierarchies
            .into_iter()
            .filter(|each| each.version == Version::V2)
            .collect();
        let Some(group) = group(&unified, "v2 groups") else {
            assert!(
                v2::own_group(&unified)
                    .and_then(|own| v2::check(&own, &[]))
                    .is_err()
            );
            return;
        };
        let pids = tree_in(&group.paths());
        let directory = group.paths().remove(0);
        one_by_one(&directory, &members(&directory).unwrap());
        let mut wait = Wait::new();
        while populated(&directory) {
            assert!(wait.once_more(), "{:?}", members(&directory));
        }
        assert!(!pids.iter().any(is_running));
        group.remove().unwrap();
    }
}
