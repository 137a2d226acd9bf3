//! What a waiting call that names files is about, read from its caller's memory.

use super::arguments::{PATH, copy, family, string};
use cofferdam_seccomp::Arch;
use cofferdam_sys::seccomp::Notification;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// A file that is about to be used. All of it is the caller's word.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Access {
    /// The process, as the host numbers it.
    pub pid: u32,
    /// The path inside, at most 4096 bytes as it was given: absolute, `.` and `..` resolved by the text alone,
    /// no symbolic link followed.
    pub path: PathBuf,
    /// What for.
    pub intent: Intent,
}

/// What a file is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Intent {
    /// Its attributes are asked for, or it is made the working directory.
    Metadata,
    /// It is read; of a directory, its names are.
    Read,
    /// It is executed.
    Execute,
    /// A connection is made to a unix socket.
    Socket,
    /// It or its attributes are changed.
    Write,
    /// It is removed, or gets another name.
    Remove,
    /// It is made, or opened and made if it is not there.
    Create,
}

/// Where a relative path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// At the working directory.
    Here,
    /// At a directory that the caller has open.
    Directory(i32),
}

/// The bytes of `struct open_how` that are its flags (openat2(2)).
const FLAGS: usize = 8;

/// The longest address of a unix socket (`struct sockaddr_un`), in bytes.
const ADDRESS: usize = 110;

/// Reads which files a call names, and what for: none where nothing can be read.
pub(super) fn read(call: &Notification) -> Vec<Access> {
    let name = u32::try_from(call.number).ok();
    let Some(name) = name.and_then(|number| Arch::native().name(number)) else {
        return Vec::new();
    };
    let (pid, _) = family(call.pid);
    let named = files(name, call);
    let files = named.into_iter().filter_map(|(at, path, intent)| {
        Some(Access {
            pid,
            path: absolute(call.pid, at, &path)?,
            intent,
        })
    });
    files.collect()
}

/// Makes a path absolute; `None` for an empty one, and where its beginning is not known.
pub(super) fn absolute(thread: u32, at: At, path: &[u8]) -> Option<PathBuf> {
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    if path.as_os_str().is_empty() {
        return None;
    }
    if path.is_absolute() {
        return Some(plain(path));
    }
    let link = match at {
        At::Here => format!("/proc/{thread}/cwd"),
        At::Directory(number) => format!("/proc/{thread}/fd/{number}"),
    };
    let directory = std::fs::read_link(link).ok()?;
    // Of a socket or pipe, `socket:[1]`.
    directory
        .is_absolute()
        .then(|| plain(&directory.join(path)))
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => drop(plain.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    plain
}

/// A file that a call names: where its path begins, the path, and what it is used for.
type Named = (At, Vec<u8>, Intent);

fn files(name: &str, call: &Notification) -> Vec<Named> {
    use Intent::{Create, Metadata, Read, Remove, Write};
    let args = &call.args;
    let path = |index: usize| string(call.pid, args[index], PATH).map(|(path, _)| path);
    let here = |index: usize, intent| Some((At::Here, path(index)?, intent));
    let beneath = |index: usize, intent| Some((at(args[index]), path(index + 1)?, intent));
    let all = match name {
        "open" => [here(0, opened(args[1])), None],
        "openat" => [beneath(0, opened(args[2])), None],
        "openat2" => [beneath(0, opened(how(call.pid, args[2]))), None],
        "creat" | "mkdir" | "mknod" => [here(0, Create), None],
        "mkdirat" | "mknodat" => [beneath(0, Create), None],
        "access" | "stat" | "lstat" | "readlink" | "chdir" | "statfs" | "getxattr"
        | "lgetxattr" | "listxattr" | "llistxattr" => [here(0, Metadata), None],
        "faccessat" | "faccessat2" | "newfstatat" | "statx" | "readlinkat" => {
            [beneath(0, Metadata), None]
        }
        "unlink" | "rmdir" => [here(0, Remove), None],
        "unlinkat" => [beneath(0, Remove), None],
        "chmod" | "chown" | "lchown" | "truncate" | "utime" | "utimes" | "setxattr"
        | "lsetxattr" | "removexattr" | "lremovexattr" => [here(0, Write), None],
        "fchmodat" | "fchmodat2" | "fchownat" | "utimensat" | "futimesat" => {
            [beneath(0, Write), None]
        }
        "rename" => [here(0, Remove), here(1, Create)],
        "renameat" | "renameat2" => [beneath(0, Remove), beneath(2, Create)],
        "link" => [here(0, Read), here(1, Create)],
        "linkat" => [beneath(0, Read), beneath(2, Create)],
        // What a symbolic link says is text.
        "symlink" => [here(1, Create), None],
        "symlinkat" => [beneath(1, Create), None],
        "inotify_add_watch" => [here(1, Read), None],
        "connect" => [socket(call, Intent::Socket), None],
        "bind" => [socket(call, Create), None],
        _ => [None, None],
    };
    all.into_iter().flatten().collect()
}

fn at(argument: u64) -> At {
    match argument as i32 {
        libc::AT_FDCWD => At::Here,
        number => At::Directory(number),
    }
}

/// What a file is opened for, by the flags of open(2).
fn opened(flags: u64) -> Intent {
    let flags = flags as i32;
    let writes = flags & libc::O_ACCMODE != libc::O_RDONLY || flags & libc::O_TRUNC != 0;
    if flags & libc::O_PATH != 0 {
        Intent::Metadata
    } else if flags & libc::O_CREAT != 0 {
        Intent::Create
    } else if writes || flags & libc::O_TMPFILE == libc::O_TMPFILE {
        Intent::Write
    } else {
        Intent::Read
    }
}

/// The flags of openat2(2); those of reading where they cannot be had.
fn how(pid: u32, at: u64) -> u64 {
    let mut flags = [0; FLAGS];
    match copy(pid, at, &mut flags) {
        FLAGS => u64::from_ne_bytes(flags),
        _ => 0,
    }
}

/// The path of a unix socket that has one.
fn socket(call: &Notification, intent: Intent) -> Option<Named> {
    let length = usize::try_from(call.args[2]).ok()?.min(ADDRESS);
    let mut address = [0; ADDRESS];
    let came = copy(call.pid, call.args[1], &mut address[..length]);
    let (family, path) = address[..came].split_at_checked(2)?;
    let family = u16::from_ne_bytes(family.try_into().ok()?);
    if i32::from(family) != libc::AF_UNIX || path.first().is_none_or(|first| *first == 0) {
        return None;
    }
    let end = path.iter().position(|byte| *byte == 0);
    let path = OsString::from_vec(path[..end.unwrap_or(path.len())].to_vec());
    Some((At::Here, path.into_vec(), intent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;

    fn call(name: &str, args: [u64; 6]) -> Notification {
        let mut call = Notification::default();
        call.pid = std::process::id();
        call.number = Arch::native().number(name).expect("a call") as i32;
        call.args = args;
        call
    }

    fn read_of(name: &str, args: [u64; 6]) -> Vec<(String, Intent)> {
        let all = read(&call(name, args));
        let text = |one: Access| (one.path.to_str().expect("utf-8").to_owned(), one.intent);
        all.into_iter().map(text).collect()
    }

    #[test]
    fn paths_are_absolute_and_plain() {
        let here = libc::AT_FDCWD as u64;
        let path = CString::new("/a/./b/../../../c//d/").expect("no NUL");
        let at = path.as_ptr() as u64;
        let read = |flags| read_of("openat", [here, at, flags, 0, 0, 0]);
        assert_eq!(read(0), [("/c/d".into(), Intent::Read)]);
        assert_eq!(read(libc::O_RDWR as u64)[0].1, Intent::Write);
        assert_eq!(
            read((libc::O_CREAT | libc::O_RDWR) as u64)[0].1,
            Intent::Create
        );
        assert_eq!(read(libc::O_TMPFILE as u64 | 1)[0].1, Intent::Write);
        assert_eq!(read(libc::O_PATH as u64)[0].1, Intent::Metadata);
        assert_eq!(read(libc::O_DIRECTORY as u64)[0].1, Intent::Read);
        let relative = CString::new("x").expect("no NUL");
        let cwd = std::env::current_dir().expect("a directory").join("x");
        let args = [here, relative.as_ptr() as u64, 0, 0, 0, 0];
        assert_eq!(
            read_of("newfstatat", args)[0].0,
            cwd.to_str().expect("utf-8")
        );
        let open = std::fs::File::open("/usr").expect("a directory");
        let args = [
            std::os::fd::AsRawFd::as_raw_fd(&open) as u64,
            relative.as_ptr() as u64,
            0,
            0,
            0,
            0,
        ];
        assert_eq!(read_of("statx", args)[0].0, "/usr/x");
    }

    #[test]
    fn both_names_of_a_rename_are_read() {
        let (old, new) = (
            CString::new("/o").expect("o"),
            CString::new("/n").expect("n"),
        );
        let here = libc::AT_FDCWD as u64;
        let args = [here, old.as_ptr() as u64, here, new.as_ptr() as u64, 0, 0];
        let expected = [("/o".into(), Intent::Remove), ("/n".into(), Intent::Create)];
        assert_eq!(read_of("renameat2", args), expected);
    }

    #[test]
    fn only_sockets_with_paths_are_files() {
        let mut address = vec![libc::AF_UNIX as u8, 0];
        address.extend_from_slice(b"/run/x.sock\0more");
        let args = |bytes: &[u8]| [3, bytes.as_ptr() as u64, bytes.len() as u64, 0, 0, 0];
        let read = |bytes: &[u8]| read_of("connect", args(bytes));
        assert_eq!(read(&address), [("/run/x.sock".into(), Intent::Socket)]);
        assert_eq!(read(b"\x01\0\0abstract"), []);
        assert_eq!(read(b"\x02\0/not/unix"), []);
        assert_eq!(read(b"\x01\0"), []);
        assert_eq!(read(b""), []);
    }

    #[test]
    fn pointers_to_nowhere_and_bad_descriptors_are_no_trouble() {
        for name in cofferdam_seccomp::TRACED {
            let Some(_) = Arch::native().number(name) else {
                continue;
            };
            for wild in [0, 8, u64::MAX, 1 << 47] {
                assert_eq!(read_of(name, [wild; 6]), [], "{name} {wild:#x}");
            }
        }
        let relative = CString::new("x").expect("no NUL");
        let args = [12345, relative.as_ptr() as u64, 0, 0, 0, 0];
        assert_eq!(read_of("openat", args), []);
        let empty = CString::new("").expect("no NUL");
        let args = [libc::AT_FDCWD as u64, empty.as_ptr() as u64, 0, 0, 0, 0];
        assert_eq!(read_of("newfstatat", args), []);
    }

    #[test]
    fn every_traced_call_is_known() {
        let path = CString::new("/p").expect("no NUL");
        let at = path.as_ptr() as u64;
        let sockets = ["connect", "bind"];
        for name in cofferdam_seccomp::TRACED {
            if sockets.contains(name) || Arch::native().number(name).is_none() {
                continue;
            }
            let all = read_of(name, [at; 6]);
            assert!(all.iter().any(|(path, _)| path == "/p"), "{name}");
        }
    }
}
