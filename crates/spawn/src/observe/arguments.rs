//! What a waiting execve(2) is about, read from its caller's memory.

use super::Exec;
use cofferdam_sys::seccomp::Notification;
use cofferdam_sys::{memory, process};
use std::os::unix::ffi::OsStringExt;

/// The longest path (`PATH_MAX`).
pub(super) const PATH: usize = 4096;

/// The most arguments.
const ARGUMENTS: usize = 64;

/// The most bytes of one argument, and of all.
const ARGUMENT: usize = 1024;
const TOGETHER: usize = 8192;

/// Bytes of a string that are read at first: most are shorter.
const FIRST: usize = 128;

const PAGE: u64 = 4096;

/// Reads what is to be executed.
pub(super) fn read(call: &Notification) -> Exec {
    let at = call.args;
    let is_execve = i64::from(call.number) == libc::SYS_execve;
    let (path, argv) = if is_execve {
        (at[0], at[1])
    } else {
        (at[1], at[2])
    };
    let (pid, parent) = family(call.pid);
    let mut exec = Exec {
        pid,
        parent,
        path: string(call.pid, path, PATH).map(|(path, _)| path),
        ..Exec::default()
    };
    let by_descriptor = !is_execve && at[4] as i32 & libc::AT_EMPTY_PATH != 0;
    if by_descriptor && exec.path.as_ref().is_some_and(Vec::is_empty) {
        let link = format!("/proc/{}/fd/{}", call.pid, at[0] as i32);
        let target = std::fs::read_link(link).ok();
        exec.path = target.map(|target| target.into_os_string().into_vec());
    }
    exec.truncated = strings(call.pid, argv, &mut exec.argv).is_none();
    exec
}

/// The process that a thread belongs to, and its parent, as this process numbers them; 0 for a parent that is not
/// known.
pub fn family(thread: u32) -> (u32, u32) {
    if let Ok(family) = process::family(thread) {
        return family;
    }
    // Older kernels. What /proc remembers of a process makes its end slower, by 40 us here.
    let status = std::fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    };
    (
        number("Tgid:").unwrap_or(thread),
        number("PPid:").unwrap_or(0),
    )
}

/// Reads an array of pointers to strings, as far as the limits go; `None` if that is not all of it.
fn strings(pid: u32, array: u64, all: &mut Vec<Vec<u8>>) -> Option<()> {
    let mut bytes = [0; (ARGUMENTS + 1) * 8];
    let came = copy(pid, array, &mut bytes);
    let pointers = bytes[..came].chunks_exact(8);
    let pointers: Vec<u64> = pointers
        .map(|bytes| u64::from_ne_bytes(bytes.try_into().unwrap_or_default()))
        .take_while(|pointer| *pointer != 0)
        .collect();
    let whole = pointers.len() <= ARGUMENTS && pointers.len() * 8 < came;
    let mut left = TOGETHER;
    let mut complete = true;
    for some in pointers[..pointers.len().min(ARGUMENTS)].chunks(memory::MAX_PLACES) {
        let places: Vec<(u64, usize)> = some
            .iter()
            .map(|at| (*at, FIRST.min((PAGE - at % PAGE) as usize)))
            .collect();
        let mut buffer = [0; memory::MAX_PLACES * FIRST];
        let came = memory::read(pid, &places, &mut buffer).unwrap_or(0);
        let mut start = 0;
        for (at, length) in places {
            let first = buffer
                .get(start..start + length)
                .filter(|_| start + length <= came);
            start += length;
            let most = ARGUMENT.min(left);
            let (text, ended) = match first.and_then(|first| first.iter().position(|b| *b == 0)) {
                Some(end) => (buffer[start - length..start - length + end].to_vec(), true),
                // Longer, over the edge of a page, or after one that could not be read.
                None => string(pid, at, most)?,
            };
            complete &= ended && text.len() <= left;
            left = left.saturating_sub(text.len());
            if left == 0 {
                return None;
            }
            all.push(text);
        }
    }
    (whole && complete).then_some(())
}

/// Reads a string, and says whether it ends within `most` bytes; `None` if it is not there.
pub(super) fn string(pid: u32, at: u64, most: usize) -> Option<(Vec<u8>, bool)> {
    let mut text = Vec::new();
    let mut step = FIRST;
    while text.len() < most {
        let mut buffer = [0; 1024];
        let length = step.min(most - text.len()).min(buffer.len());
        let came = copy(
            pid,
            at.checked_add(text.len() as u64)?,
            &mut buffer[..length],
        );
        if came == 0 {
            return None;
        }
        let came = &buffer[..came];
        if let Some(end) = came.iter().position(|byte| *byte == 0) {
            text.extend_from_slice(&came[..end]);
            return Some((text, true));
        }
        text.extend_from_slice(came);
        step = buffer.len();
    }
    Some((text, false))
}

/// Copies what is readable from an address on; a page that is not there ends it.
pub(super) fn copy(pid: u32, at: u64, buffer: &mut [u8]) -> usize {
    let mut places = Vec::with_capacity(2);
    let mut next = at;
    let Some(end) = at.checked_add(buffer.len() as u64) else {
        return 0;
    };
    while next < end && places.len() < memory::MAX_PLACES {
        let edge = (next - next % PAGE).saturating_add(PAGE).min(end);
        places.push((next, (edge - next) as usize));
        next = edge;
    }
    memory::read(pid, &places, buffer).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;

    fn call(path: &CString, argv: &[*const libc::c_char]) -> Notification {
        let mut call = Notification::default();
        call.pid = std::process::id();
        call.number = libc::SYS_execve as i32;
        call.args[0] = path.as_ptr() as u64;
        call.args[1] = argv.as_ptr() as u64;
        call
    }

    fn read_of(argv: &[Vec<u8>]) -> Exec {
        let path = CString::new("/bin/true").unwrap();
        let strings: Vec<CString> = argv
            .iter()
            .cloned()
            .map(|s| CString::new(s).unwrap())
            .collect();
        let mut pointers: Vec<_> = strings.iter().map(|s| s.as_ptr()).collect();
        pointers.push(std::ptr::null());
        read(&call(&path, &pointers))
    }

    #[test]
    fn a_short_list_is_read_whole() {
        let argv = vec![
            b"true".to_vec(),
            Vec::new(),
            b"\xff".to_vec(),
            vec![b'x'; 700],
        ];
        let exec = read_of(&argv);
        assert_eq!(exec.path.as_deref(), Some(&b"/bin/true"[..]));
        assert_eq!(exec.argv, argv);
        assert!(!exec.truncated);
        assert_eq!(exec.pid, std::process::id());
        assert_eq!(exec.parent, std::os::unix::process::parent_id());
    }

    #[test]
    fn what_is_too_long_is_cut_and_said_to_be() {
        let exec = read_of(&[vec![b'a'; 5000]]);
        assert!(exec.truncated);
        assert_eq!(exec.argv, [vec![b'a'; ARGUMENT]]);
        let exec = read_of(&vec![vec![b'a'; 10]; 65]);
        assert!(exec.truncated);
        assert_eq!(exec.argv.len(), ARGUMENTS);
        let exec = read_of(&vec![vec![b'a'; 10]; 64]);
        assert!(!exec.truncated);
        let exec = read_of(&vec![vec![b'a'; 1000]; 20]);
        assert!(exec.truncated);
        assert!(exec.argv.iter().map(Vec::len).sum::<usize>() <= TOGETHER);
    }

    #[test]
    fn pointers_to_nowhere_are_no_trouble() {
        let path = CString::new("/bin/true").unwrap();
        let argv = [path.as_ptr(), 8 as *const libc::c_char, std::ptr::null()];
        let exec = read(&call(&path, &argv));
        assert_eq!(exec.argv, [b"/bin/true".to_vec()]);
        assert!(exec.truncated);
        let mut nowhere = call(&path, &argv);
        nowhere.args = [8, 8, 0, 0, 0, 0];
        let exec = read(&nowhere);
        assert_eq!(
            (exec.path, exec.argv.len(), exec.truncated),
            (None, 0, true)
        );
        nowhere.args = [u64::MAX, u64::MAX - 3, 0, 0, 0, 0];
        assert_eq!(read(&nowhere).path, None);
    }

    #[test]
    fn a_string_up_to_the_end_of_what_is_mapped_is_read() {
        // SAFETY: a mapping of its own, of two pages, the second of which is taken away again.
        let page = unsafe {
            let at = libc::mmap(
                std::ptr::null_mut(),
                2 * PAGE as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(at, libc::MAP_FAILED);
            libc::munmap(at.byte_add(PAGE as usize), PAGE as usize);
            std::slice::from_raw_parts_mut(at.cast::<u8>(), PAGE as usize)
        };
        let last = page.len() - 3;
        page[last..].copy_from_slice(b"hi\0");
        let at = page.as_ptr() as u64 + last as u64;
        let pid = std::process::id();
        assert_eq!(string(pid, at, PATH), Some((b"hi".to_vec(), true)));
        page[last + 2] = b'!';
        assert_eq!(string(pid, at, PATH), None);
        // SAFETY: made above, and nothing borrows it any more.
        unsafe { libc::munmap(page.as_mut_ptr().cast(), PAGE as usize) };
    }
}
