//! Reading another process's memory (process_vm_readv(2)).

use crate::{Errno, Result, syscall};

/// The most places that [`read`] takes at once.
pub const MAX_PLACES: usize = 16;

/// Copies from places in a process's memory, each an address and a length, one after another into `buffer`, and
/// says how many bytes came. The first place that is not wholly readable ends it.
///
/// # Errors
/// `EFAULT` when nothing of the first place can be read; `EPERM` without the right to (ptrace(2), "Ptrace access
/// mode checking"); `ESRCH` when the process is gone; `EINVAL` for more than [`MAX_PLACES`].
pub fn read(pid: u32, places: &[(u64, usize)], buffer: &mut [u8]) -> Result<usize> {
    let mut remote = [libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    }; MAX_PLACES];
    if places.len() > MAX_PLACES {
        return Err(Errno(libc::EINVAL));
    }
    for (iovec, (address, length)) in remote.iter_mut().zip(places) {
        iovec.iov_base = std::ptr::without_provenance_mut(*address as usize);
        iovec.iov_len = *length;
    }
    let local = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: the call writes at most `buffer.len()` bytes to the buffer; the remote addresses are another
    // process's, which it checks.
    let answer = unsafe {
        syscall!(
            libc::SYS_process_vm_readv,
            pid,
            &raw const local,
            1,
            remote.as_ptr(),
            places.len(),
            0
        )
    };
    Errno::check(answer)
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::Errno;

    #[test]
    fn places_are_read_in_their_order() {
        let (one, two) = (*b"one", *b"two");
        let places = [(two.as_ptr() as u64, 3), (one.as_ptr() as u64, 3)];
        let mut buffer = [0; 8];
        assert_eq!(read(std::process::id(), &places, &mut buffer), Ok(6));
        assert_eq!(&buffer[..6], b"twoone");
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let mut buffer = [0; 8];
        assert_eq!(
            read(std::process::id(), &[(8, 8)], &mut buffer),
            Err(Errno(libc::EFAULT))
        );
    }
}
