//! The bytes of files: compared, read and copied up to the size they had when they were opened.

use rustix::fs::SeekFrom;
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::FileExt as _;

const BLOCK: usize = 1 << 16;

/// Whether the first `size` bytes of two files are the same. Where both have a hole nothing is
/// read.
pub(crate) fn equal(one: &File, other: &File, size: u64) -> io::Result<bool> {
    let mut buffers = [vec![0; 0], vec![0; 0]];
    let mut at = 0;
    while at < size {
        let data = next_data(one.as_fd(), at)?.min(next_data(other.as_fd(), at)?);
        if data >= size {
            break;
        }
        at = data;
        let length = usize::try_from(size - at).map_or(BLOCK, |rest| rest.min(BLOCK));
        for (buffer, file) in buffers.iter_mut().zip([one, other]) {
            buffer.resize(length, 0);
            let read = read_at(file, buffer, at)?;
            // Cut by somebody: not what was compared by size.
            if read < length {
                return Ok(false);
            }
        }
        if buffers[0] != buffers[1] {
            return Ok(false);
        }
        at += length as u64;
    }
    Ok(true)
}

/// The first `limit` bytes.
pub(crate) fn read(file: &File, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; limit];
    let length = read_at(file, &mut bytes, 0)?;
    bytes.truncate(length);
    Ok(bytes)
}

/// Copies the first `size` bytes; holes stay holes.
pub(crate) fn copy(from: &File, to: &File, size: u64) -> io::Result<()> {
    to.set_len(size)?;
    let mut at = next_data(from.as_fd(), 0)?;
    let mut in_kernel = true;
    while at < size {
        let end = next_hole(from.as_fd(), at)?.min(size);
        while at < end {
            let done = if in_kernel {
                copy_in_kernel(from, to, at, end)?
            } else {
                copy_by_hand(from, to, at, end)?
            };
            match done {
                Some(0) if !in_kernel => return Ok(()),
                // Nothing copied can also mean that the file system cannot do it.
                None | Some(0) => in_kernel = false,
                Some(length) => at += length,
            }
        }
        at = next_data(from.as_fd(), at)?;
    }
    Ok(())
}

/// Bytes copied; `None` if it cannot be done in the kernel.
fn copy_in_kernel(from: &File, to: &File, at: u64, end: u64) -> io::Result<Option<u64>> {
    let (mut source, mut target) = (at, at);
    let length = usize::try_from(end - at).map_or(1 << 30, |rest| rest.min(1 << 30));
    match rustix::fs::copy_file_range(from, Some(&mut source), to, Some(&mut target), length) {
        Ok(done) => Ok(Some(done as u64)),
        // Two file systems before Linux 5.19, or one that lacks it.
        Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn copy_by_hand(from: &File, to: &File, at: u64, end: u64) -> io::Result<Option<u64>> {
    let length = usize::try_from(end - at).map_or(BLOCK, |rest| rest.min(BLOCK));
    let mut buffer = vec![0; length];
    let read = read_at(from, &mut buffer, at)?;
    to.write_all_at(&buffer[..read], at)?;
    Ok(Some(read as u64))
}

fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], at + done as u64) {
            Ok(0) => break,
            Ok(length) => done += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Where data begins, at or after a place; `u64::MAX` behind the last.
fn next_data(file: BorrowedFd<'_>, at: u64) -> io::Result<u64> {
    match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(found) => Ok(found.max(at)),
        Err(Errno::NXIO) => Ok(u64::MAX),
        // A file system without holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(at),
        Err(error) => Err(error.into()),
    }
}

fn next_hole(file: BorrowedFd<'_>, at: u64) -> io::Result<u64> {
    match rustix::fs::seek(file, SeekFrom::Hole(at)) {
        Ok(found) if found > at => Ok(found),
        // Never none at all, or copying would not go on.
        Ok(_) => Ok(at + 1),
        Err(Errno::NXIO | Errno::INVAL | Errno::OPNOTSUPP) => Ok(u64::MAX),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt as _;

    fn file() -> File {
        tempfile::tempfile().expect("a file")
    }

    #[test]
    fn holes_stay_holes_and_data_stays() {
        let (from, to) = (file(), file());
        from.write_all_at(b"start", 0).expect("written");
        from.write_all_at(b"middle", 300 << 20).expect("written");
        from.set_len(1 << 30).expect("long");
        copy(&from, &to, 1 << 30).expect("copied");
        let meta = to.metadata().expect("there");
        assert_eq!(meta.len(), 1 << 30);
        assert!(meta.blocks() * 512 < 1 << 20, "{} blocks", meta.blocks());
        assert!(equal(&from, &to, 1 << 30).expect("compared"));
        to.write_all_at(b"x", (300 << 20) + 5).expect("written");
        assert!(!equal(&from, &to, 1 << 30).expect("compared"));
    }

    #[test]
    fn a_hole_equals_zeros() {
        let (one, other) = (file(), file());
        one.set_len(200_000).expect("long");
        other.write_all_at(&vec![0; 200_000], 0).expect("written");
        assert!(equal(&one, &other, 200_000).expect("compared"));
        other.write_all_at(b"1", 199_999).expect("written");
        assert!(!equal(&one, &other, 200_000).expect("compared"));
    }

    #[test]
    fn a_growing_file_is_cut_and_a_shrinking_one_padded() {
        let (from, to) = (file(), file());
        from.write_all_at(&[7; 100_000], 0).expect("written");
        copy(&from, &to, 50_000).expect("copied");
        assert_eq!(to.metadata().expect("there").len(), 50_000);
        let longer = file();
        copy(&from, &longer, 150_000).expect("copied");
        assert_eq!(longer.metadata().expect("there").len(), 150_000);
        assert!(!equal(&from, &longer, 150_000).expect("compared"));
    }

    #[test]
    fn copying_by_hand_is_the_same() {
        let (from, to) = (file(), file());
        let bytes: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
        from.write_all_at(&bytes, 0).expect("written");
        let mut at = 0;
        while at < 200_000 {
            at += copy_by_hand(&from, &to, at, 200_000)
                .expect("copied")
                .unwrap_or(0);
        }
        assert!(equal(&from, &to, 200_000).expect("compared"));
        assert_eq!(read(&to, 10).expect("read"), &bytes[..10]);
    }
}
