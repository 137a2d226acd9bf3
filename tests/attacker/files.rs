//! Attacks on files.

use crate::{Outcome, c_path, call, check, number, unknown};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

pub fn run(command: &[&str]) -> Outcome {
    match command {
        ["read", path] => fs::read(path).map(|bytes| shown(&bytes)),
        ["write", path, text] => fs::write(path, text).map(|()| String::new()),
        ["append", path, text] => {
            let mut file = OpenOptions::new().append(true).open(path)?;
            file.write_all(text.as_bytes())?;
            Ok(String::new())
        }
        ["truncate", path] => {
            let path = c_path(path);
            // SAFETY: truncate(2) reads the path up to its NUL.
            check(unsafe { libc::truncate(path.as_ptr(), 0) }).map(|_| String::new())
        }
        ["open", how, path] => open(how, path).map(|_| String::new()),
        ["chmod", path, mode] => {
            let mode = u32::from_str_radix(mode, 8).expect("an octal mode");
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).map(|()| String::new())
        }
        ["chown", path, id] => {
            let id = number(id);
            std::os::unix::fs::chown(path, Some(id), Some(id)).map(|()| String::new())
        }
        ["utime", path] => utime(path),
        // To now, for which the right to write is enough.
        ["touch", path] => {
            let path = c_path(path);
            // SAFETY: utimensat(2) reads the path up to its NUL; no times mean now.
            let answer =
                unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), std::ptr::null(), 0) };
            check(answer).map(|_| String::new())
        }
        ["xattr", path] => set_xattr(path),
        ["unlink", path] => fs::remove_file(path).map(|()| String::new()),
        ["rename", from, to] => fs::rename(from, to).map(|()| String::new()),
        ["link", from, to] => fs::hard_link(from, to).map(|()| String::new()),
        ["symlink", text, path] => symlink(text, path).map(|()| String::new()),
        ["mkdir", path] => fs::create_dir(path).map(|()| String::new()),
        ["mknod", path, major, minor] => mknod(path, number(major), number(minor)),
        ["stat", path] => {
            let data = fs::symlink_metadata(path)?;
            Ok(format!("{} {:o} {}", data.ino(), data.mode(), data.size()))
        }
        ["list", path] => list(path),
        ["pipe-write", path] => reopen_and_write(path),
        ["exec", program, arguments @ ..] => exec(program, arguments),
        ["copy", from, to] => fs::copy(from, to).map(|_| String::new()),
        ["count-writable", path] => {
            let mut found = Vec::new();
            writable_below(Path::new(path), &mut found);
            let some: Vec<_> = found.iter().take(3).map(String::as_str).collect();
            Ok(format!("{} {}", found.len(), some.join(" ")))
        }
        // Stands in a directory, waits until the host has moved it, and walks up from it.
        ["walk-up", directory, name] => {
            std::env::set_current_dir(directory)?;
            crate::run(&["then", "files", "walk-up-from-here", name])
        }
        ["walk-up-from-here", name] => walk_up(name),
        ["handle", path] => handle(path),
        ["set-user-id", how, path] => set_user_id(how, path),
        other => unknown(other),
    }
}

/// The start of what was read, on one line.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]);
    text.replace(['\n', '\0'], " ")
}

fn open(how: &str, path: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // A FIFO or a terminal without a partner must not make the test wait.
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    match how {
        "r" => options.read(true),
        "w" => options.write(true),
        _ => options.read(true).write(true),
    };
    options.open(path)
}

fn reopen_and_write(path: &str) -> Outcome {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(b"overwritten")?;
    Ok(String::new())
}

fn utime(path: &str) -> Outcome {
    let path = c_path(path);
    let times = [libc::timespec {
        tv_sec: 1,
        tv_nsec: 0,
    }; 2];
    // SAFETY: utimensat(2) reads the path up to its NUL and two timespecs.
    let answer = unsafe { libc::utimensat(libc::AT_FDCWD, path.as_ptr(), times.as_ptr(), 0) };
    check(answer).map(|_| String::new())
}

fn set_xattr(path: &str) -> Outcome {
    let path = c_path(path);
    let name = c"user.cofferdam";
    // SAFETY: setxattr(2) reads both strings up to their NUL and one byte of the value.
    let answer =
        unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), b"1".as_ptr().cast(), 1, 0) };
    check(answer).map(|_| String::new())
}

fn mknod(path: &str, major: u32, minor: u32) -> Outcome {
    let path = c_path(path);
    let device = libc::makedev(major, minor);
    // SAFETY: mknod(2) reads the path up to its NUL.
    check(unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, device) })?;
    Ok(String::new())
}

fn list(path: &str) -> Outcome {
    let mut names: Vec<String> = fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()?;
    names.sort();
    Ok(names.join(" "))
}

fn exec(program: &str, arguments: &[&str]) -> Outcome {
    let output = Command::new(program).args(arguments).output()?;
    if output.status.success() {
        Ok(shown(&output.stdout))
    } else {
        Err(io::Error::other(format!("{}", output.status)))
    }
}

/// Opens each regular file for writing, writing nothing.
fn writable_below(directory: &Path, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let path = entry.path();
        if kind.is_dir() {
            writable_below(&path, found);
        } else if kind.is_file() {
            let text = String::from_utf8_lossy(path.as_os_str().as_bytes()).into_owned();
            if open("w", &text).is_ok() {
                found.push(text);
            }
        }
    }
}

/// Looks for a file in every directory above the current one.
fn walk_up(name: &str) -> Outcome {
    let mut last = io::Error::from_raw_os_error(libc::ENOENT);
    for depth in 1..40 {
        let path = format!("{}{name}", "../".repeat(depth));
        match fs::read(&path) {
            Ok(bytes) => return Ok(shown(&bytes)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Opens a file by the handle of its inode alone, past every path (open_by_handle_at(2)).
fn handle(path: &str) -> Outcome {
    #[repr(C)]
    struct Handle {
        bytes: u32,
        kind: i32,
        data: [u8; 128],
    }
    let path = c_path(path);
    let mut handle = Handle {
        bytes: 128,
        kind: 0,
        data: [0; 128],
    };
    let mut mount = 0_i32;
    let here = libc::AT_FDCWD as usize;
    let handle_at = &raw mut handle as usize;
    call(
        libc::SYS_name_to_handle_at,
        [
            here,
            path.as_ptr() as usize,
            handle_at,
            &raw mut mount as usize,
            0,
            0,
        ],
    )?;
    let root = File::open(
        Path::new(std::ffi::OsStr::from_bytes(path.to_bytes()))
            .parent()
            .expect("an absolute path"),
    )?;
    let fd = call(
        libc::SYS_open_by_handle_at,
        [
            std::os::fd::AsRawFd::as_raw_fd(&root) as usize,
            handle_at,
            libc::O_RDONLY as usize,
            0,
            0,
            0,
        ],
    )?;
    // SAFETY: the descriptor was just made and is nobody else's.
    let mut file = unsafe { <File as std::os::fd::FromRawFd>::from_raw_fd(fd as i32) };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(shown(&bytes))
}

/// Leaves a file with the set-user-ID bit, in each way that there is to make one.
fn set_user_id(how: &str, path: &str) -> Outcome {
    let mode = 0o4755;
    let here = libc::AT_FDCWD as usize;
    let path = c_path(path);
    let at = path.as_ptr() as usize;
    let create = (libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY) as usize;
    let existing = || File::create_new(Path::new(std::ffi::OsStr::from_bytes(path.to_bytes())));
    let (number, arguments) = match how {
        #[cfg(target_arch = "x86_64")]
        "open" => (libc::SYS_open, [at, create, mode, 0, 0, 0]),
        #[cfg(target_arch = "x86_64")]
        "creat" => (libc::SYS_creat, [at, mode, 0, 0, 0, 0]),
        #[cfg(target_arch = "x86_64")]
        "mknod" => (libc::SYS_mknod, [at, mode, 0, 0, 0, 0]),
        "openat" => (libc::SYS_openat, [here, at, create, mode, 0, 0]),
        "mknodat" => (libc::SYS_mknodat, [here, at, mode, 0, 0, 0]),
        "openat2" => {
            let how = [create as u64, mode as u64, 0];
            let arguments = [here, at, how.as_ptr() as usize, size_of_val(&how), 0, 0];
            return call(libc::SYS_openat2, arguments).map(|_| String::new());
        }
        #[cfg(target_arch = "x86_64")]
        "chmod" => {
            existing()?;
            (libc::SYS_chmod, [at, mode, 0, 0, 0, 0])
        }
        "fchmod" => {
            let file = existing()?;
            let fd = std::os::fd::AsRawFd::as_raw_fd(&file) as usize;
            return call(libc::SYS_fchmod, [fd, mode, 0, 0, 0, 0]).map(|_| String::new());
        }
        "fchmodat" => {
            existing()?;
            (libc::SYS_fchmodat, [here, at, mode, 0, 0, 0])
        }
        "fchmodat2" => {
            existing()?;
            (452, [here, at, mode, 0, 0, 0])
        }
        other => return unknown(&["set-user-id", other]),
    };
    call(number, arguments).map(|_| String::new())
}
