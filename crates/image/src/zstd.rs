//! Zstandard streams of any number of frames (RFC 8878, section 3).

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, BufRead, Read};

/// Decompresses all frames of a stream. Skippable frames, which seekable layers carry their tables in,
/// are skipped. Windows above 128 MiB are refused.
pub(crate) struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    pub(crate) fn new(source: R) -> Self {
        Self {
            source,
            decoder: FrameDecoder::new(),
            in_frame: false,
        }
    }

    /// Begins the next frame; false at the end of the stream.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let skipped = io::copy(&mut (&mut self.source).take(length), &mut io::sink())?;
                    if skipped != length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame {
                self.in_frame = self.next_frame()?;
                if !self.in_frame {
                    return Ok(0);
                }
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(io::Error::other)?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            self.in_frame = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Zstd;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    use std::io::Read;

    #[test]
    fn frames_follow_one_another_and_skippable_ones_are_skipped() {
        let mut stream = vec![0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        stream.extend(compress_to_vec(&b"one "[..], CompressionLevel::Fastest));
        stream.extend([0x5f, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
        stream.extend(compress_to_vec(&b""[..], CompressionLevel::Fastest));
        stream.extend(compress_to_vec(&b"two"[..], CompressionLevel::Uncompressed));
        let mut text = String::new();
        Zstd::new(&*stream).read_to_string(&mut text).unwrap();
        assert_eq!(text, "one two");
    }

    #[test]
    fn a_cut_stream_is_an_error() {
        let stream = compress_to_vec(&[7; 100_000][..], CompressionLevel::Fastest);
        let mut bytes = Vec::new();
        assert!(
            Zstd::new(&stream[..stream.len() - 3])
                .read_to_end(&mut bytes)
                .is_err()
        );
        let mut skippable = vec![0x50, 0x2a, 0x4d, 0x18, 9, 0, 0, 0, 1];
        assert!(Zstd::new(&*skippable).read_to_end(&mut bytes).is_err());
        skippable[4] = 1;
        assert!(Zstd::new(&*skippable).read_to_end(&mut bytes).is_ok());
    }
}
