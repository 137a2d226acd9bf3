//! The name of this host process among group directories, and whether another one still lives.

use crate::error::PrepareError;
use crate::files;
use cofferdam_sys::Errno;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::str::FromStr;

/// The directory that holds all our groups, in each base.
pub(crate) const OURS: &str = "cofferdam";

/// A process, told apart from every other: `<pid>-<start time>-<pid namespace>-<time namespace>`.
///
/// The namespaces are in it because a pid means nothing outside of its pid namespace, and a start
/// time is shifted by its time namespace: groups of hosts in other ones are never judged dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HostName {
    pub pid: u32,
    /// In clock ticks since boot: proc_pid_stat(5), field 22.
    pub started: u64,
    pub pid_namespace: u64,
    /// 0 before Linux 5.6, which has none.
    pub time_namespace: u64,
}

impl HostName {
    /// This process.
    pub fn own() -> Result<Self, PrepareError> {
        let failed = |file: &str, errno| PrepareError::Identity {
            file: file.into(),
            errno,
        };
        let stat = "/proc/self/stat";
        let text = files::read(Path::new(stat)).map_err(|errno| failed(stat, errno))?;
        // A /proc of another pid namespace would have its own numbers for everything here.
        let started = start_time(&text)
            .filter(|_| text.split(' ').next() == Some(&std::process::id().to_string()))
            .ok_or_else(|| failed(stat, Errno(libc::ESRCH)))?;
        let inode = |file: &str| {
            std::fs::metadata(file)
                .map(|metadata| metadata.ino())
                .map_err(|error| failed(file, files::errno(&error)))
        };
        Ok(Self {
            pid: std::process::id(),
            started,
            pid_namespace: inode("/proc/self/ns/pid")?,
            time_namespace: match inode("/proc/self/ns/time") {
                Err(PrepareError::Identity {
                    errno: Errno(libc::ENOENT),
                    ..
                }) => 0,
                answer => answer?,
            },
        })
    }

    /// What is known about the process, seen from `own`.
    pub fn state(&self, own: &Self) -> State {
        let namespaces = |name: &Self| (name.pid_namespace, name.time_namespace);
        if namespaces(self) != namespaces(own) {
            return State::Foreign;
        }
        let stat = format!("/proc/{}/stat", self.pid);
        match files::read(Path::new(&stat)).map(|text| start_time(&text)) {
            Ok(Some(started)) if started == self.started => State::Alive,
            Ok(Some(_)) => State::Dead,
            Ok(None) => State::Foreign,
            // With hidepid, a process that is not there and one that may not be seen look alike.
            Err(Errno(libc::ENOENT | libc::ESRCH)) if !processes_are_hidden() => State::Dead,
            Err(_) => State::Foreign,
        }
    }
}

/// What is known about a host process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Alive,
    Dead,
    /// It cannot be told from here.
    Foreign,
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}-{}-{}-{}",
            self.pid, self.started, self.pid_namespace, self.time_namespace
        )
    }
}

impl FromStr for HostName {
    type Err = ();

    /// Takes exactly what `Display` writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('-');
        let mut number = || {
            parts
                .next()
                .and_then(|part| part.parse::<u64>().ok())
                .ok_or(())
        };
        let name = Self {
            pid: u32::try_from(number()?).map_err(|_| ())?,
            started: number()?,
            pid_namespace: number()?,
            time_namespace: number()?,
        };
        // No second spelling of the same: leading zeros, a plus sign, a fifth part.
        if name.pid > 0 && name.to_string() == text {
            Ok(name)
        } else {
            Err(())
        }
    }
}

/// Field 22. The name in parentheses before it may hold anything, so count from its end.
fn start_time(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(19)?.parse().ok()
}

fn processes_are_hidden() -> bool {
    let Ok(mounts) = files::read(Path::new("/proc/self/mountinfo")) else {
        return true;
    };
    mounts
        .lines()
        .filter(|line| line.split(' ').nth(4) == Some("/proc"))
        .filter_map(|line| line.split_once("hidepid=")?.1.split([',', ' ']).next())
        .any(|value| value != "0" && value != "off")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_spelling() {
        let own = HostName::own().unwrap();
        assert_eq!(own.to_string().parse(), Ok(own));
        assert!(own.pid_namespace > 0 && own.started > 0);
        for wrong in [
            "",
            "1",
            "1-2",
            "1-2-3",
            "1-2-3-4-5",
            "0-2-3-4",
            "01-2-3-4",
            "+1-2-3-4",
            "1-2-3-4 ",
            "-1-2-3-4",
            "1-2-3-x",
            "../1-2-3-4",
            "4294967296-2-3-4",
            "1--2-3-4",
        ] {
            assert_eq!(wrong.parse::<HostName>(), Err(()), "{wrong}");
        }
    }

    #[test]
    fn the_living_the_dead_and_those_elsewhere() {
        let own = HostName::own().unwrap();
        assert_eq!(own.state(&own), State::Alive);
        let recycled = HostName {
            started: own.started + 1,
            ..own
        };
        assert_eq!(recycled.state(&own), State::Dead);
        // Past pid_max of every kernel.
        let gone = HostName {
            pid: 4_194_305,
            ..own
        };
        let expected = if processes_are_hidden() {
            State::Foreign
        } else {
            State::Dead
        };
        assert_eq!(gone.state(&own), expected);
        let elsewhere = HostName {
            pid_namespace: 1,
            ..gone
        };
        assert_eq!(elsewhere.state(&own), State::Foreign);
        let shifted = HostName {
            time_namespace: 1,
            ..gone
        };
        assert_eq!(shifted.state(&own), State::Foreign);
    }

    #[test]
    fn a_process_may_be_called_anything() {
        let tail = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20";
        assert_eq!(start_time(&format!("5 (a) b ) ) {tail}")), Some(777));
        assert_eq!(start_time("5 (x)"), None);
    }
}
