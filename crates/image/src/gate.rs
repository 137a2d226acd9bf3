//! Readers that stop an archive which asks for more than the limits allow.

use crate::blob::Hashed;
use crate::digest::{Digest, Hasher};
use crate::{Limit, Limits};
use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

/// A layer may unpack to this much at any ratio: a small layer of zeros is no attack.
const RATIO_FLOOR: u64 = 64 << 20;

/// How much may be read while the tar crate collects the headers of one entry: it keeps long names and
/// PAX records in memory, whatever their size.
#[derive(Clone)]
pub(crate) struct Allowance {
    left: Rc<Cell<Option<u64>>>,
    each: u64,
}

impl Allowance {
    fn new(each: u64) -> Self {
        // Some room for the padding of the entry before, and for one header.
        Self {
            left: Rc::new(Cell::new(None)),
            each: each.saturating_add(2048),
        }
    }

    /// Headers follow.
    pub(crate) fn renew(&self) {
        self.left.set(Some(self.each));
    }

    /// The contents of an entry follow.
    pub(crate) fn lift(&self) {
        self.left.set(None);
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.left.get() == Some(0)
    }

    /// How many of `wanted` bytes may be read now.
    fn clip(&self, wanted: usize) -> io::Result<usize> {
        match self.left.get() {
            None => Ok(wanted),
            Some(0) => Err(io::Error::other("headers too long")),
            Some(left) => Ok(wanted.min(usize::try_from(left).unwrap_or(usize::MAX))),
        }
    }

    fn spend(&self, read: usize) {
        if let Some(left) = self.left.get() {
            self.left.set(Some(left - read as u64));
        }
    }
}

/// A file whose tar headers are read and whose contents are skipped.
pub(crate) struct Headers<'a> {
    file: &'a std::fs::File,
    allowance: Allowance,
}

impl<'a> Headers<'a> {
    pub(crate) fn new(file: &'a std::fs::File, each: u64) -> Self {
        Self {
            file,
            allowance: Allowance::new(each),
        }
    }

    pub(crate) fn allowance(&self) -> Allowance {
        self.allowance.clone()
    }
}

impl Read for Headers<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = self.allowance.clip(buffer.len())?;
        let read = self.file.read(&mut buffer[..wanted])?;
        self.allowance.spend(read);
        Ok(read)
    }
}

impl Seek for Headers<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// What all layers together have used of the limits.
pub(crate) struct Meter {
    limits: Limits,
    streamed: Cell<u64>,
    files: Cell<u64>,
    entries: Cell<u64>,
    exceeded: Cell<Option<Limit>>,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            streamed: Cell::new(0),
            files: Cell::new(0),
            entries: Cell::new(0),
            exceeded: Cell::new(None),
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// One entry more.
    pub(crate) fn entry(&self) -> Result<(), Limit> {
        self.entries.set(self.entries.get() + 1);
        if self.entries.get() > self.limits.entries {
            Err(Limit::Entries)
        } else {
            Ok(())
        }
    }

    /// A file of this size, before it is made.
    pub(crate) fn file(&self, size: u64) -> Result<(), Limit> {
        if size > self.limits.file_bytes {
            return Err(Limit::FileBytes);
        }
        self.files.set(self.files.get().saturating_add(size));
        if self.files.get() > self.limits.total_bytes {
            Err(Limit::TotalBytes)
        } else {
            Ok(())
        }
    }

    /// The limit that made a [`Gate`] fail, if one did.
    pub(crate) fn exceeded(&self) -> Option<Limit> {
        self.exceeded.get()
    }
}

/// The uncompressed tar stream of one layer: hashed for its `diff_id`, measured against the limits.
pub(crate) struct Gate {
    inner: Box<dyn Read>,
    compressed: Hashed,
    hasher: Hasher,
    unpacked: u64,
    meter: Rc<Meter>,
    allowance: Allowance,
}

impl Gate {
    pub(crate) fn new(
        inner: Box<dyn Read>,
        compressed: Hashed,
        diff_id: &Digest,
        meter: Rc<Meter>,
    ) -> Self {
        let allowance = Allowance::new(meter.limits.metadata_bytes);
        Self {
            inner,
            compressed,
            hasher: diff_id.hasher(),
            unpacked: 0,
            meter,
            allowance,
        }
    }

    pub(crate) fn allowance(&self) -> Allowance {
        self.allowance.clone()
    }

    /// Reads what follows the archive's end and gives the digest of it all.
    pub(crate) fn finish(mut self) -> io::Result<Digest> {
        self.allowance.lift();
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.hasher.finish())
    }

    fn exceed(&self, limit: Limit) -> io::Error {
        self.meter.exceeded.set(Some(limit));
        io::Error::other("limit exceeded")
    }
}

impl Read for Gate {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = self
            .allowance
            .clip(buffer.len())
            .map_err(|_| self.exceed(Limit::MetadataBytes))?;
        let read = self.inner.read(&mut buffer[..wanted])?;
        self.allowance.spend(read);
        self.hasher.update(&buffer[..read]);
        self.unpacked += read as u64;
        let streamed = self.meter.streamed.get().saturating_add(read as u64);
        self.meter.streamed.set(streamed);
        let limits = &self.meter.limits;
        if streamed > limits.total_bytes {
            return Err(self.exceed(Limit::TotalBytes));
        }
        let ratio = self.unpacked / self.compressed.done().max(1);
        if self.unpacked > RATIO_FLOOR && ratio > limits.ratio {
            return Err(self.exceed(Limit::Ratio));
        }
        Ok(read)
    }
}
