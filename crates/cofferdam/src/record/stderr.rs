//! Refusals concluded from what a program that failed wrote to its standard error.
//!
//! The text is the program's: it may lie, and it may be long. Only its end is looked at, few conclusions are
//! drawn, and none from anything of the host's but the policy, so that no program learns through them what
//! the host has.

use super::remedy::{self, is_plain};
use super::shown::Sight;
use crate::lower::Lowered;
use crate::output::ExitStatus;
use cofferdam_audit::Denial;
use cofferdam_policy::NetworkMode;

/// What is looked at, from the end, in bytes and lines.
const BYTES: usize = 64 << 10;
const LINES: usize = 200;

/// The longest line that is looked at, in bytes.
const LINE: usize = 2000;

/// Conclusions about one command.
const MOST: usize = 8;

/// What execve(2) failed with, as shells tell (POSIX, 2.8.2).
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;

/// Something that was probably refused.
#[derive(Debug, PartialEq)]
pub(super) struct Inferred {
    pub denial: Denial,
    pub about: About,
}

/// What was.
#[derive(Debug, PartialEq)]
pub(super) enum About {
    /// A file with this path.
    File(String),
    /// A host, where its name is known.
    Network(Option<String>),
    /// A limit of this name.
    Limit(&'static str),
    /// Something that the record has no event for.
    Other,
}

impl About {
    fn denied(self, denial: Denial) -> Inferred {
        let denial = denial.inferred();
        Inferred {
            denial,
            about: self,
        }
    }
}

/// What a failed program was probably refused.
pub(super) fn inferred(lowered: &Lowered, status: &ExitStatus, text: &[u8]) -> Vec<Inferred> {
    let mut all = Vec::new();
    let mut add = |one: Inferred| {
        if all.len() < MOST && !all.contains(&one) {
            all.push(one);
        }
    };
    if let Some(denial) = status
        .signal()
        .and_then(|signal| by_signal(lowered, signal))
    {
        add(About::Other.denied(denial));
    }
    let text = &text[text.len().saturating_sub(BYTES)..];
    let lines: Vec<&[u8]> = text.rsplit(|byte| *byte == b'\n').take(LINES).collect();
    for line in lines.into_iter().rev() {
        let line = String::from_utf8_lossy(&line[..line.len().min(LINE)]);
        // Lengths stay the same, so that a place in one is a place in the other.
        let low = line.to_ascii_lowercase();
        let found = about_file(lowered, &line, &low)
            .or_else(|| about_program(status, &line, &low))
            .or_else(|| about_network(lowered, &line, &low))
            .or_else(|| about_limit(lowered, &low));
        if let Some(found) = found {
            add(found);
        }
    }
    all
}

/// What the kernel ends a program with.
fn by_signal(lowered: &Lowered, signal: i32) -> Option<Denial> {
    let limits = &lowered.policy.limits;
    Some(match signal {
        libc::SIGSYS => Denial::certain(
            "seccomp",
            "make a system call",
            "its profile of system calls ended it (SIGSYS)",
        )
        .remedy("find out which one it is, with strace outside of a sandbox"),
        libc::SIGXCPU if limits.cpu_time.is_some() => Denial::certain(
            "limits",
            "use more processor time",
            "the limit of processor time of one process ended it (SIGXCPU)",
        )
        .by("limits.cpu_time")
        .remedy(remedy::limit_in_policy("cpu_time")),
        libc::SIGXFSZ if limits.file_size.is_some() => Denial::certain(
            "limits",
            "make a larger file",
            "the limit of a file's size ended it (SIGXFSZ)",
        )
        .by("limits.file_size")
        .remedy(remedy::limit_in_policy("file_size")),
        _ => return None,
    })
}

/// strerror(3) of what the kernel answers about files that are kept away. Some runtimes begin it small.
const READ_ONLY: &str = "read-only file system";
const REFUSED: [&str; 2] = ["permission denied", "operation not permitted"];
const MISSING: &str = "no such file or directory";

/// Words of programs that were to change something.
const CHANGING: [&str; 12] = [
    "creat", "writ", "remov", "unlink", "mkdir", "renam", "delet", "touch", "chmod", "chown",
    "mov", "sav",
];

fn about_file(lowered: &Lowered, line: &str, low: &str) -> Option<Inferred> {
    let read_only = low.find(READ_ONLY);
    let refused = REFUSED.iter().find_map(|text| low.find(text));
    let missing = low.find(MISSING);
    let path = path(line, read_only.or(refused).or(missing)?)?;
    let shown = &lowered.shown;
    let changing = read_only.is_some() || CHANGING.iter().any(|word| low.contains(word));
    let (what, changes) = match shown.sight(path) {
        Sight::Read if read_only.is_some() || (refused.is_some() && changing) => ("write", true),
        Sight::Hidden => ("open", changing),
        // Without a view what does not exist is told as such.
        Sight::Absent if missing.is_some() && !shown.is_view() => return None,
        Sight::Absent if changing => ("write", true),
        Sight::Absent => ("read", false),
        _ => return None,
    };
    let (reason, remedy) = shown.refuses(path, changes)?;
    let denial = Denial::certain(shown.layer(), format!("{what} {path}"), reason);
    Some(About::File(path.to_owned()).denied(denial.remedy(remedy)))
}

/// The absolute path that a line is about, where its error stands at `error`: one in quotes, else the last
/// word before the error, else the first after it.
fn path(line: &str, error: usize) -> Option<&str> {
    const QUOTES: [char; 5] = ['\'', '"', '`', '\u{2018}', '\u{2019}'];
    let quoted = line.split(QUOTES).skip(1).find(|part| is_path(part));
    let word = |word: &str| -> bool { is_path(word.trim_end_matches([':', ',', ';', ')', '.'])) };
    let (before, after) = (line.get(..error)?, line.get(error..)?);
    let before = before.split_whitespace().rfind(|one| word(one));
    let after = || after.split_whitespace().find(|one| word(one));
    quoted.or_else(|| {
        let found = before.or_else(after)?;
        Some(found.trim_end_matches([':', ',', ';', ')', '.']))
    })
}

/// An absolute path that is short, on one line and not the root.
fn is_path(text: &str) -> bool {
    text.len() > 1
        && text.len() <= 512
        && text.starts_with('/')
        && !text.contains(char::is_control)
        && !text.contains(" /")
}

/// What a shell says of a program.
fn about_program(status: &ExitStatus, line: &str, low: &str) -> Option<Inferred> {
    let code = status.code()?;
    let end = match code {
        NOT_FOUND => low
            .strip_suffix(": not found")
            .or_else(|| low.strip_suffix(": command not found"))?,
        NOT_EXECUTABLE => low.strip_suffix(": permission denied")?,
        _ => return None,
    };
    let name = line.get(..end.len())?.rsplit(": ").next()?.trim();
    if !is_plain(name) {
        return None;
    }
    let what = format!("execute {name}");
    let denial = match code {
        NOT_FOUND => Denial::certain(
            "filesystem",
            what,
            "it is in no directory of PATH inside, or not shown",
        )
        .remedy(
            "ask the user to show the directory it is in, with --read DIR or .read(dir) on the builder; \
             --toolchains, or .toolchains(), shows those of the home",
        ),
        _ => Denial::certain("filesystem", what, "it cannot be executed inside").remedy(
            "check its mode; what is shown without the right to execute is shown with it by --read PATH, or \
             .read(path) on the builder",
        ),
    };
    Some(About::Other.denied(denial))
}

/// What resolvers and connect(2) say without a network.
const NO_NETWORK: [&str; 9] = [
    "network is unreachable",
    "could not resolve host",
    "temporary failure in name resolution",
    "temporary failure resolving",
    "name or service not known",
    "failed to lookup address information",
    "getaddrinfo enotfound",
    "getaddrinfo eai_again",
    "unable to resolve host",
];

fn about_network(lowered: &Lowered, line: &str, low: &str) -> Option<Inferred> {
    // Where there are rules, the gate tells itself.
    if lowered.policy.network.mode != NetworkMode::None {
        return None;
    }
    let (at, text) = NO_NETWORK
        .iter()
        .find_map(|text| Some((low.find(text)?, text)))?;
    let rest = line.get(at + text.len()..)?;
    let rest = rest.trim_start_matches([':', ' ', '\'', '"', 's']);
    let named = text.contains("resolve host") || text.contains("getaddrinfo");
    let host = rest.split([' ', '\'', '"', ':', ';', ',']).next();
    let host = host.filter(|host| named && host.contains('.') && is_plain(host));
    let what = match host {
        Some(host) => format!("connect to {host}"),
        None => "use the network".into(),
    };
    let denial = Denial::certain("network", what, "the policy gives no network")
        .by("network.mode")
        .remedy(remedy::network(host));
    Some(About::Network(host.map(str::to_owned)).denied(denial))
}

/// What programs say at a limit, and what it is of.
fn about_limit(lowered: &Lowered, low: &str) -> Option<Inferred> {
    let limits = &lowered.policy.limits;
    let any = |texts: &[&str]| texts.iter().any(|text| low.contains(text));
    let denial = |what: &str, limit: &'static str, remedy: String| {
        let denial = Denial::certain("limits", what, format!("{limit} is limited"))
            .by(format!("limits.{limit}"))
            .remedy(remedy);
        About::Limit(limit).denied(denial)
    };
    if limits.processes.is_some()
        && any(&[
            "resource temporarily unavailable",
            "cannot fork",
            "can't fork",
        ])
    {
        let remedy = remedy::limit("processes N", "processes");
        return Some(denial("start another process", "processes", remedy));
    }
    if limits.memory.is_some() && any(&["cannot allocate memory", "out of memory", "memoryerror"]) {
        let remedy = remedy::limit("memory SIZE", "memory");
        return Some(denial("use more memory", "memory", remedy));
    }
    if limits.open_files.is_some() && any(&["too many open files"]) {
        let remedy = remedy::limit_in_policy("open_files");
        return Some(denial("open another file", "open_files", remedy));
    }
    if limits.file_size.is_some() && any(&["file too large"]) {
        let remedy = remedy::limit_in_policy("file_size");
        return Some(denial("make a larger file", "file_size", remedy));
    }
    None
}

#[cfg(test)]
mod tests;
