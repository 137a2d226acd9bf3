//! newuidmap(1) and newgidmap(1): set-user-ID programs that write maps of the ranges which
//! `/etc/subuid` and `/etc/subgid` give to a user (subuid(5)).

use crate::idmap::{IdMap, IdRange};
use cofferdam_sys::cred;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the programs come from.
pub(crate) const PACKAGES: &str =
    "install the package uidmap (Debian, Ubuntu) or shadow-utils (Fedora, Arch)";

/// Why newuidmap(1) and newgidmap(1) cannot write, or did not write, a map.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HelperError {
    /// The program is not in `PATH`.
    #[error("mapping more than one's own id needs {program}, which is not in PATH: {PACKAGES}")]
    NotInstalled {
        /// `newuidmap` or `newgidmap`.
        program: &'static str,
    },
    /// The file that delegates ranges could not be read.
    #[error("cannot read {file}, which says which ids a user may map: make it readable to all")]
    Unreadable {
        /// `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The range is not the user's.
    #[error("{file} does not give user {user} the ids {} to {}: as root run `usermod {option} {}-{} {user}`", .range.outside, last(.range), .range.outside, last(.range))]
    NotDelegated {
        /// `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
        /// The user's name, or its number where it has none.
        user: String,
        /// The range.
        range: IdRange,
        /// usermod's option that adds it.
        option: &'static str,
    },
    /// The program could not be started.
    #[error("cannot run {}", .program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The program refused.
    #[error("{} failed ({status}): {message}", .program.display())]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it wrote to standard error, at most 512 bytes.
        message: String,
    },
}

/// The two programs, found, for a map that they will accept.
#[derive(Clone, Debug)]
pub(crate) struct Helper {
    newuidmap: PathBuf,
    newgidmap: PathBuf,
    keeps_setgroups: bool,
}

impl Helper {
    pub(crate) fn find(map: &IdMap) -> Result<Self, HelperError> {
        let newuidmap = search("newuidmap")?;
        let newgidmap = search("newgidmap")?;
        let user = user_names();
        delegated(
            &user,
            "/etc/subuid",
            "--add-subuids",
            cred::geteuid(),
            &map.uid,
        )?;
        delegated(
            &user,
            "/etc/subgid",
            "--add-subgids",
            cred::getegid(),
            &map.gid,
        )?;
        let own = cred::getegid();
        Ok(Self {
            newuidmap,
            newgidmap,
            keeps_setgroups: map.gid.iter().any(|r| r.outside != own || r.count != 1),
        })
    }

    pub(crate) fn keeps_setgroups(&self) -> bool {
        self.keeps_setgroups
    }

    pub(crate) fn write(&self, pid: i32, map: &IdMap) -> Result<(), HelperError> {
        run(&self.newuidmap, pid, &map.uid)?;
        run(&self.newgidmap, pid, &map.gid)
    }
}

/// Whether both programs are in `PATH`.
/// The one that is not installed.
pub(crate) fn installed() -> Result<(), &'static str> {
    ["newuidmap", "newgidmap"]
        .into_iter()
        .try_for_each(|program| search(program).map(drop).map_err(|_| program))
}

fn last(range: &IdRange) -> u32 {
    range.outside.saturating_add(range.count.saturating_sub(1))
}

/// Looks in the absolute directories of `PATH`: a relative one depends on the working directory.
fn search(program: &'static str) -> Result<PathBuf, HelperError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(program))
        .find(|file| is_executable(file))
        .ok_or(HelperError::NotInstalled { program })
}

fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The caller's user id as text and every name `/etc/passwd` has for it; the last is for messages.
fn user_names() -> Vec<String> {
    let uid = cred::geteuid().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut names = vec![uid.clone()];
    for line in passwd.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(_), Some(number)) = (fields.next(), fields.next(), fields.next())
            && number == uid
        {
            names.push(name.to_owned());
        }
    }
    names
}

fn delegated(
    user: &[String],
    file: &'static str,
    option: &'static str,
    own: u32,
    ranges: &[IdRange],
) -> Result<(), HelperError> {
    let others: Vec<&IdRange> = ranges
        .iter()
        .filter(|range| !(range.outside == own && range.count == 1))
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    let text =
        std::fs::read_to_string(file).map_err(|source| HelperError::Unreadable { file, source })?;
    let given = entries(&text, user);
    for range in others {
        let inside = |&(first, count): &(u64, u64)| {
            u64::from(range.outside) >= first
                && u64::from(range.outside) + u64::from(range.count) <= first + count
        };
        if !given.iter().any(inside) {
            return Err(HelperError::NotDelegated {
                file,
                user: user.last().cloned().unwrap_or_default(),
                range: *range,
                option,
            });
        }
    }
    Ok(())
}

/// Parses `name:first:count` lines (subuid(5)); lines that are anything else count for nothing.
fn entries(text: &str, user: &[String]) -> Vec<(u64, u64)> {
    let entry = |line: &str| {
        let mut fields = line.trim().split(':');
        let (name, first, count) = (fields.next()?, fields.next()?, fields.next()?);
        let wanted = user.iter().any(|known| known == name) && fields.next().is_none();
        let first: u32 = first.parse().ok()?;
        let count: u32 = count.parse().ok()?;
        wanted.then_some((first.into(), count.into()))
    };
    text.lines().filter_map(entry).collect()
}

fn run(program: &Path, pid: i32, ranges: &[IdRange]) -> Result<(), HelperError> {
    let mut command = Command::new(program);
    command.arg(pid.to_string());
    for range in ranges {
        for number in [range.inside, range.outside, range.count] {
            command.arg(number.to_string());
        }
    }
    let output = command
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .map_err(|source| HelperError::Run {
            program: program.to_owned(),
            source,
        })?;
    if output.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(HelperError::Failed {
        program: program.to_owned(),
        status: output.status,
        message: message.trim().chars().take(512).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_lines_of_the_user_count() {
        let user = ["1000".to_owned(), "ann".to_owned()];
        let text = "ann:100000:65536\n# ann:1:1\nbob:0:10\n1000:300000:5\nann:x:1\nann:7\nann:1:2:3\n ann:9:1 \n";
        assert_eq!(
            entries(text, &user),
            [(100_000, 65_536), (300_000, 5), (9, 1)]
        );
    }

    #[test]
    fn the_remedy_names_the_range() {
        let error = HelperError::NotDelegated {
            file: "/etc/subuid",
            user: "ann".into(),
            range: IdRange {
                inside: 0,
                outside: 5000,
                count: 10,
            },
            option: "--add-subuids",
        };
        assert!(
            error
                .to_string()
                .contains("usermod --add-subuids 5000-5009 ann")
        );
    }
}
