//! Zstandard.

use zstd::{
    bulk::{self, Decompressor},
    stream::read::Decoder,
};

use super::{Codec, CompressionError, bounded};

/// Largest window that a streamed frame may ask for, as a power of two: zstd's and the JVM clients' own limit. The
/// memory is reserved, but used only as far as output really comes.
const WINDOW_LOG_MAX: u32 = 27;

pub(super) fn decompress(input: &[u8], output_max: usize) -> Result<Vec<u8>, CompressionError> {
    // A frame that states its size is decompressed in one step, without a window.
    if let Some(size) = Decompressor::upper_bound(input) {
        if size > output_max {
            return Err(CompressionError::TooLarge { codec: Codec::Zstd, output_max });
        }
        return bulk::decompress(input, size).map_err(malformed);
    }
    let mut decoder = Decoder::with_buffer(input).map_err(malformed)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(malformed)?;
    let mut out = Vec::new();
    bounded::read_all(Codec::Zstd, decoder, &mut out, output_max)?;
    Ok(out)
}

/// `level` -131072..=22; `None` is zstd's default, 3.
pub(super) fn compress(input: &[u8], level: Option<i32>) -> Result<Vec<u8>, CompressionError> {
    bulk::compress(input, level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL)).map_err(malformed)
}

fn malformed(problem: impl ToString) -> CompressionError {
    CompressionError::malformed(Codec::Zstd, problem)
}
