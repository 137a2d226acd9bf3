//! One layer: opened, decompressed, verified.

use crate::blob::Hashed;
use crate::gate::{Gate, Meter};
use crate::manifest::{Compression, LayerDescription};
use crate::source::Source;
use crate::text::escaped;
use crate::zstd::Zstd;
use crate::{ImageError, LayerProblem};
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

const BUFFER: usize = 64 << 10;

/// A layer whose contents are about to be read.
pub(crate) struct Layer<'a> {
    number: usize,
    description: &'a LayerDescription,
    compressed: Hashed,
}

impl<'a> Layer<'a> {
    /// Opens the blob, and gives the tar stream in it.
    pub(crate) fn open(
        source: &Source,
        number: usize,
        description: &'a LayerDescription,
        meter: Rc<Meter>,
    ) -> Result<(Self, Gate), ImageError> {
        let blob = source.blob(&description.digest, description.size)?;
        let compressed = Hashed::new(blob, &description.digest);
        let mut layer = Self {
            number,
            description,
            compressed: compressed.clone(),
        };
        let mut reader = BufReader::with_capacity(BUFFER, compressed.clone());
        let found = match reader.fill_buf() {
            Ok(head) => compression_of(head),
            Err(error) => return Err(source.unreadable(error)),
        };
        if found != description.compression {
            // A damaged blob is better called damaged.
            layer.verify_blob(source)?;
            return Err(layer.fails(LayerProblem::Compression {
                declared: description.compression.name(),
                found: found.name(),
            }));
        }
        let tar: Box<dyn Read> = match description.compression {
            Compression::None => Box::new(reader),
            Compression::Gzip => buffered(flate2::bufread::MultiGzDecoder::new(reader)),
            Compression::Zstd => buffered(Zstd::new(reader)),
        };
        Ok((
            layer,
            Gate::new(tar, compressed, &description.diff_id, meter),
        ))
    }

    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// Bytes of the blob that were read.
    pub(crate) fn done(&self) -> u64 {
        self.compressed.done()
    }

    /// Reads the blob to its end and compares its digest.
    pub(crate) fn verify_blob(&mut self, source: &Source) -> Result<(), ImageError> {
        let expected = &self.description.digest;
        let (found, bytes) = self
            .compressed
            .finish(expected)
            .map_err(|e| source.unreadable(e))?;
        let digest = expected.to_string();
        if bytes != self.description.size {
            let declared = self.description.size;
            return Err(ImageError::SizeMismatch {
                digest,
                declared,
                found: bytes,
            });
        }
        if found != *expected {
            return Err(ImageError::DigestMismatch {
                digest,
                found: found.to_string(),
            });
        }
        Ok(())
    }

    /// The stream could not be read: because the blob is not what it should be, or because it never was
    /// an archive.
    pub(crate) fn unreadable(&mut self, source: &Source, error: &io::Error) -> ImageError {
        match self.verify_blob(source) {
            Err(damaged) => damaged,
            Ok(()) => {
                let text = escaped(error.to_string().as_bytes());
                self.fails(LayerProblem::Malformed(text))
            }
        }
    }

    /// Verifies what was read: blob and uncompressed contents.
    pub(crate) fn finish(&mut self, source: &Source, gate: Gate) -> Result<(), GateFailure> {
        let found = gate.finish().map_err(GateFailure::Stream)?;
        self.verify_blob(source).map_err(GateFailure::Image)?;
        if found != self.description.diff_id {
            let declared = self.description.diff_id.to_string();
            let problem = LayerProblem::DiffId {
                declared,
                found: found.to_string(),
            };
            return Err(GateFailure::Image(self.fails(problem)));
        }
        Ok(())
    }

    fn fails(&self, problem: LayerProblem) -> ImageError {
        ImageError::Layer {
            layer: self.number,
            problem,
        }
    }
}

/// Why a layer could not be finished.
pub(crate) enum GateFailure {
    Stream(io::Error),
    Image(ImageError),
}

fn buffered(decoder: impl Read + 'static) -> Box<dyn Read> {
    // The tar crate reads headers of 512 bytes: too little for a decoder to be called for.
    Box::new(BufReader::with_capacity(BUFFER, decoder))
}

/// Told by the first bytes: RFC 1952 section 2.3.1, RFC 8878 sections 3.1.1 and 3.1.2.
fn compression_of(head: &[u8]) -> Compression {
    match head {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}
