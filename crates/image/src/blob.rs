//! The bytes of one blob, in a file of its own or in a part of an archive.

use crate::digest::{Digest, Hasher};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::rc::Rc;

/// Reads a part of a file from its begin to its end.
pub(crate) struct Blob {
    file: Rc<File>,
    offset: u64,
    size: u64,
    done: u64,
}

impl Blob {
    /// A whole file, which must be a regular one.
    pub(crate) fn file(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other(
                "a file of the layout is not a regular file",
            ));
        }
        Ok(Self::part(Rc::new(file), 0, metadata.len()))
    }

    pub(crate) fn part(file: Rc<File>, offset: u64, size: u64) -> Self {
        Self {
            file,
            offset,
            size,
            done: 0,
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size - self.done).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let read = self
            .file
            .read_at(&mut buffer[..wanted], self.offset + self.done)?;
        self.done += read as u64;
        Ok(read)
    }
}

/// A blob that is hashed while it is read. Shared between the decoder that reads it and whoever wants
/// to know how far that is.
#[derive(Clone)]
pub(crate) struct Hashed(Rc<RefCell<State>>);

struct State {
    blob: Blob,
    hasher: Hasher,
    failed: Option<io::Error>,
}

impl Hashed {
    pub(crate) fn new(blob: Blob, digest: &Digest) -> Self {
        Self(Rc::new(RefCell::new(State {
            blob,
            hasher: digest.hasher(),
            failed: None,
        })))
    }

    /// Bytes read so far.
    pub(crate) fn done(&self) -> u64 {
        self.0.borrow().blob.done
    }

    /// Reads what is left and gives the digest of it all, and how many bytes there were.
    pub(crate) fn finish(&mut self, expected: &Digest) -> io::Result<(Digest, u64)> {
        if let Some(error) = self.0.borrow_mut().failed.take() {
            return Err(error);
        }
        io::copy(self, &mut io::sink())?;
        let mut state = self.0.borrow_mut();
        let hasher = std::mem::replace(&mut state.hasher, expected.hasher());
        Ok((hasher.finish(), state.blob.done))
    }
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = &mut *self.0.borrow_mut();
        let read = match state.blob.read(buffer) {
            Ok(read) => read,
            Err(error) => {
                // What the decoder makes of it is not what the system said.
                let kind = error.kind();
                state.failed = Some(error);
                return Err(kind.into());
            }
        };
        state.hasher.update(&buffer[..read]);
        Ok(read)
    }
}
