//! Whole trees: what is in them, everything that can be done to one, and names that do not stay what
//! they are.

use crate::{Outcome, c_path, call, check, number, unknown};
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub fn run(command: &[&str]) -> Outcome {
    match command {
        // What programs see of it.
        ["list", path] => list(Path::new(path), false),
        // With all that the file system keeps about it.
        ["trace", path] => list(Path::new(path), true),
        ["change", path] => change(Path::new(path)).map(|()| String::new()),
        ["many", path, count] => many(Path::new(path), number(count)),
        ["deep", path, depth] => deep(path, number(depth)),
        ["attribute", path, name, value] => attribute(path, name, value),
        ["exchange", one, other] => exchange(one, other).map(|()| String::new()),
        // A name that is a directory, then a link, and so on.
        ["swap", name, to, time] => swap(Path::new(name), to, number(time)),
        // Over and over, until the file system says no.
        ["make-again", path, time] => make_again(Path::new(path), number(time)),
        ["map-and-write", path] => map_and_write(path),
        other => unknown(other),
    }
}

/// One line: an entry after the other, each with what it is.
fn list(root: &Path, all: bool) -> Outcome {
    let owner = fs::symlink_metadata(root)?.uid();
    let mut entries = Vec::new();
    let mut first_names = BTreeMap::new();
    let mut left = vec![PathBuf::new()];
    while let Some(path) = left.pop() {
        let full = root.join(&path);
        let data = fs::symlink_metadata(&full)?;
        let mut text = format!(
            "{:?} {:o} {}",
            path,
            data.mode(),
            if data.uid() == owner {
                "own".into()
            } else {
                data.uid().to_string()
            }
        );
        let kind = data.file_type();
        if kind.is_file() {
            let first = first_names
                .entry(data.ino())
                .or_insert_with(|| path.clone());
            text += &format!(" {} {}.{}", data.size(), data.mtime(), data.mtime_nsec());
            text += &content(&full, data.size());
            if *first != path {
                text += &format!(" is {first:?}");
            }
        } else if kind.is_symlink() {
            text += &format!(" -> {:?}", fs::read_link(&full)?);
        } else if kind.is_dir() {
            let inside = fs::read_dir(&full).into_iter().flatten().flatten();
            let mut inside: Vec<_> = inside.map(|entry| path.join(entry.file_name())).collect();
            inside.sort();
            left.extend(inside.into_iter().rev());
        }
        text += &attributes(&full);
        if all {
            text += &format!(
                " inode {} gid {} links {} modified {}.{} changed {}.{}",
                data.ino(),
                data.gid(),
                data.nlink(),
                data.mtime(),
                data.mtime_nsec(),
                data.ctime(),
                data.ctime_nsec()
            );
        }
        entries.push(text.replace('|', "/"));
    }
    Ok(entries.join("|"))
}

/// Sparse files are read where they begin and end.
fn content(path: &Path, size: u64) -> String {
    let mut bytes = vec![0; 1 << 16];
    let mut hasher = DefaultHasher::new();
    let Ok(file) = File::open(path) else {
        return " unreadable".into();
    };
    for at in [0, size.saturating_sub(1 << 16)] {
        match file.read_at(&mut bytes, at) {
            Ok(n) => bytes[..n].hash(&mut hasher),
            Err(error) => return format!(" {error}"),
        }
    }
    format!(" {:x}", hasher.finish())
}

/// The user's attributes, by what llistxattr(2) says.
fn attributes(path: &Path) -> String {
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).expect("no NUL");
    let mut names = [0_u8; 4096];
    // SAFETY: llistxattr(2) reads the path up to its NUL and writes at most the length given.
    let size = unsafe { libc::llistxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    let mut text = String::new();
    let names = names[..usize::try_from(size).unwrap_or(0)].split(|byte| *byte == 0);
    let mut names: Vec<_> = names.filter(|name| name.starts_with(b"user.")).collect();
    names.sort();
    for name in names {
        let c_name = std::ffi::CString::new(name).expect("no NUL");
        let mut value = [0_u8; 256];
        // SAFETY: lgetxattr(2) reads two strings up to their NUL and writes at most the length given.
        let size = unsafe {
            let value = value.as_mut_ptr().cast();
            libc::lgetxattr(path.as_ptr(), c_name.as_ptr(), value, 256)
        };
        let value = &value[..usize::try_from(size).unwrap_or(0)];
        text += &format!(" {}={}", name.escape_ascii(), value.escape_ascii());
    }
    text
}

/// Every kind of change to the tree that the tests make, and some more.
fn change(root: &Path) -> io::Result<()> {
    let at = |path: &str| root.join(path);
    let mode = |path: &str, mode| fs::set_permissions(at(path), Permissions::from_mode(mode));
    fs::write(at("modified"), "new\nline\n")?;
    File::options()
        .append(true)
        .open(at("appended"))?
        .write_all(b"more\n")?;
    fs::remove_file(at("removed"))?;
    mode("mode", 0o755)?;
    mode("mode-directory", 0o700)?;
    attribute(&at("attribute").to_string_lossy(), "user.note", "changed")?;
    fs::remove_file(at("link"))?;
    symlink("appended", at("link"))?;
    fs::remove_file(at("file-to-link"))?;
    symlink("modified", at("file-to-link"))?;
    fs::remove_dir_all(at("directory-to-file"))?;
    fs::write(at("directory-to-file"), "a file")?;
    fs::remove_dir_all(at("removed-directory"))?;
    fs::remove_dir_all(at("made-anew"))?;
    fs::create_dir(at("made-anew"))?;
    fs::write(at("made-anew/new"), "new")?;
    fs::rename(at("file-to-move"), at("moved-file"))?;
    // An overlay does not rename directories; programs then copy (`EXDEV`, overlayfs.rst).
    let mut moving = std::process::Command::new("mv");
    moving.args([at("directory-to-move"), at("moved-directory")]);
    if !moving.status()?.success() {
        return Err(io::Error::other("mv"));
    }
    fs::hard_link(at("one-name"), at("second-name"))?;
    fs::create_dir_all(at("added/deep"))?;
    fs::write(at("added/deep/file"), "added")?;
    fs::write(at("added/first"), "twice")?;
    fs::hard_link(at("added/first"), at("added/second"))?;
    symlink("deep/file", at("added/inner"))?;
    let mut sparse = File::create(at("sparse"))?;
    sparse.seek(SeekFrom::Start(64 << 20))?;
    sparse.write_all(b"end")?;
    fs::write(at("program"), "#!/bin/sh\n")?;
    mode("program", 0o755)
}

fn many(path: &Path, count: u32) -> Outcome {
    for number in 0..count {
        let directory = path.join(format!("d{}", number / 100));
        if number % 100 == 0 {
            fs::create_dir_all(&directory)?;
        }
        fs::write(directory.join(format!("f{number}")), number.to_string())?;
    }
    Ok(count.to_string())
}

/// Directories in one another that nobody may enter from above.
fn deep(path: &str, depth: u32) -> Outcome {
    fs::create_dir(path)?;
    std::env::set_current_dir(path)?;
    for _ in 0..depth {
        fs::create_dir("a-directory-with-a-name-of-some-length")?;
        std::env::set_current_dir("a-directory-with-a-name-of-some-length")?;
        fs::write("file", "deep")?;
    }
    fs::set_permissions(".", Permissions::from_mode(0o000))?;
    std::env::set_current_dir("/")?;
    fs::set_permissions(path, Permissions::from_mode(0o000))?;
    Ok(String::new())
}

fn attribute(path: &str, name: &str, value: &str) -> Outcome {
    let (path, name) = (c_path(path), c_path(name));
    let (value, size) = (value.as_ptr().cast(), value.len());
    // SAFETY: lsetxattr(2) reads both strings up to their NUL and the value by its length.
    check(unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), value, size, 0) })?;
    Ok(String::new())
}

fn exchange(one: &str, other: &str) -> io::Result<()> {
    let (one, other) = (c_path(one), c_path(other));
    let here = libc::AT_FDCWD as usize;
    let flag = libc::RENAME_EXCHANGE as usize;
    let (one, other) = (one.as_ptr() as usize, other.as_ptr() as usize);
    call(libc::SYS_renameat2, [here, one, here, other, flag, 0]).map(|_| ())
}

fn swap(name: &Path, to: &str, time: u64) -> Outcome {
    let beside = name.with_extension("other");
    symlink(to, &beside)?;
    fs::create_dir_all(name)?;
    println!("ready");
    let until = Instant::now() + Duration::from_millis(time);
    let mut count = 0_u64;
    while Instant::now() < until {
        let _ = fs::create_dir_all(name);
        for file in ["settings.json", "canary", "deep"] {
            let _ = fs::write(name.join(file), "made");
        }
        let _ = exchange(&name.to_string_lossy(), &beside.to_string_lossy());
        let _ = symlink(to, &beside);
        count += 1;
    }
    Ok(count.to_string())
}

fn make_again(path: &Path, time: u64) -> Outcome {
    println!("ready");
    let until = Instant::now() + Duration::from_millis(time);
    let mut made = 0_u64;
    while Instant::now() < until {
        made += u64::from(File::create_new(path).is_ok());
    }
    Ok(made.to_string())
}

/// Writes through a shared mapping.
fn map_and_write(path: &str) -> Outcome {
    let file = File::options().read(true).write(true).open(path)?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping of the file, which is open as the protection says.
    let memory =
        unsafe { libc::mmap(std::ptr::null_mut(), 1, protection, libc::MAP_SHARED, fd, 0) };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the first byte of the mapping that was just made; the file is not empty.
    unsafe { memory.cast::<u8>().write_volatile(b'M') };
    Ok(String::new())
}
