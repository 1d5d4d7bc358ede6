//! The LZ4 frame format, as Lz4BlockOutputStream.java writes it: independent blocks of 64 KiB, no checksums beyond
//! the header's. Reading takes every valid frame. The wrong header checksum of message formats v0 and v1 does not occur
//! in format v2 and is refused.

use std::io::{self, Read, Write};

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::{Codec, CompressionError, bounded};

/// The input, which remembers whether a decoder asked for bytes beyond its end: lz4_flex takes a frame without its end
/// mark for a complete one.
struct Source<'a> {
    bytes: &'a [u8],
    ran_out: bool,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.ran_out |= self.bytes.len() < buffer.len();
        self.bytes.read(buffer)
    }
}

pub(super) fn decompress(input: &[u8], output_max: usize) -> Result<Vec<u8>, CompressionError> {
    let mut out = Vec::new();
    let mut source = Source { bytes: input, ran_out: false };
    loop {
        bounded::read_all(Codec::Lz4, FrameDecoder::new(&mut source), &mut out, output_max)?;
        if source.ran_out {
            return Err(CompressionError::malformed(Codec::Lz4, "the frame is cut off"));
        }
        if source.bytes.is_empty() {
            return Ok(out);
        }
    }
}

pub(super) fn compress(input: &[u8]) -> Result<Vec<u8>, CompressionError> {
    let frame = FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
    encoder.write_all(input).map_err(|error| CompressionError::malformed(Codec::Lz4, error))?;
    encoder.finish().map_err(|error| CompressionError::malformed(Codec::Lz4, error))
}
