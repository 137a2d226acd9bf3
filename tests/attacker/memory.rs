//! Reading the memory of other processes.

use crate::{Outcome, check, number, unknown};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;

pub fn run(command: &[&str]) -> Outcome {
    match command {
        ["vm-read", pid, address, length] => vm_read(number(pid), number(address), number(length)),
        ["search", reversed] => search(&needle(reversed)),
        ["search-in", pid, reversed] => {
            let needle = needle(reversed);
            match search_process(pid, &needle)? {
                true => Ok(format!("found in {pid}")),
                false => Err(io::Error::from_raw_os_error(libc::ENODATA)),
            }
        }
        ["environment"] => {
            let all: Vec<String> = std::env::vars_os()
                .map(|(name, value)| format!("{}={}", name.display(), value.display()))
                .collect();
            Ok(all.join(" "))
        }
        other => unknown(other),
    }
}

/// What to search for is passed backwards, so that the arguments themselves do not hold it.
fn needle(reversed: &str) -> Vec<u8> {
    reversed.bytes().rev().collect()
}

/// process_vm_readv(2).
fn vm_read(pid: i32, address: usize, length: usize) -> Outcome {
    let mut bytes = vec![0_u8; length];
    let ours = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: length,
    };
    let theirs = libc::iovec {
        iov_base: address as *mut libc::c_void,
        iov_len: length,
    };
    // SAFETY: process_vm_readv(2) writes at most `length` bytes to the vector; what is at the other
    // process's address is that process's.
    let answer = unsafe { libc::process_vm_readv(pid, &ours, 1, &theirs, 1, 0) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    bytes.truncate(answer as usize);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Looks for bytes in the environment and memory of every process there is, this one left out: it
/// holds what it looks for.
fn search(needle: &[u8]) -> Outcome {
    let own = std::process::id().to_string();
    let (mut looked, mut refused) = (Vec::new(), Vec::new());
    for entry in fs::read_dir("/proc")? {
        let pid = entry?.file_name().to_string_lossy().into_owned();
        if !pid.bytes().all(|byte| byte.is_ascii_digit()) || pid == own {
            continue;
        }
        match search_process(&pid, needle) {
            Ok(true) => return Ok(format!("found in {pid}")),
            Ok(false) => looked.push(pid),
            Err(_) => refused.push(pid),
        }
    }
    let own_environment = fs::read(format!("/proc/{own}/environ"))?;
    if contains(&own_environment, needle) {
        return Ok("found in the environment".into());
    }
    Ok(format!(
        "nothing; read [{}], refused [{}]",
        looked.join(" "),
        refused.join(" ")
    ))
}

fn search_process(pid: &str, needle: &[u8]) -> io::Result<bool> {
    for name in ["environ", "cmdline", "auxv"] {
        if contains(&fs::read(format!("/proc/{pid}/{name}"))?, needle) {
            return Ok(true);
        }
    }
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let maps = BufReader::new(File::open(format!("/proc/{pid}/maps"))?);
    for line in maps.lines() {
        let line = line?;
        let Some((range, rest)) = line.split_once(' ') else {
            continue;
        };
        let bounds = range
            .split_once('-')
            .map(|(start, end)| (u64::from_str_radix(start, 16), u64::from_str_radix(end, 16)));
        if let (Some((Ok(start), Ok(end))), true) = (bounds, rest.starts_with('r'))
            && search_range(&memory, start, end, needle)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads a mapping piece by piece, each with the end of the one before.
fn search_range(memory: &File, start: u64, end: u64, needle: &[u8]) -> bool {
    let mut piece = vec![0_u8; 1 << 20];
    let mut at = start;
    while at < end {
        let length = piece.len().min((end - at) as usize);
        // What cannot be read (a hole, a device) is left out.
        let Ok(n) = memory.read_at(&mut piece[..length], at) else {
            return false;
        };
        if contains(&piece[..n], needle) {
            return true;
        }
        if n <= needle.len() {
            return false;
        }
        at += (n - needle.len()) as u64;
        if n < length || at + needle.len() as u64 >= end {
            return false;
        }
    }
    false
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|part| part == needle)
}

/// ptrace(2): seizes a process and lets it go again.
pub fn seize(pid: i32) -> Outcome {
    // SAFETY: PTRACE_SEIZE and PTRACE_DETACH touch no memory of this process.
    check(unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0) } as libc::c_int)?;
    // SAFETY: as above. A process that is not stopped refuses; it is let go when this one ends.
    unsafe { libc::ptrace(libc::PTRACE_DETACH, pid, 0, 0) };
    Ok(String::new())
}
