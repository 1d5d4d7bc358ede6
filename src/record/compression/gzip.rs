//! Gzip, as java.util.zip's GZIPOutputStream writes it.

use std::io::Write;

use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};

use super::{Codec, CompressionError, bounded};

pub(super) fn decompress(input: &[u8], output_max: usize) -> Result<Vec<u8>, CompressionError> {
    let mut out = Vec::new();
    bounded::read_all(Codec::Gzip, MultiGzDecoder::new(input), &mut out, output_max)?;
    Ok(out)
}

/// `level` 1..=9; `None` and -1 are zlib's default, 6.
pub(super) fn compress(input: &[u8], level: Option<i32>) -> Result<Vec<u8>, CompressionError> {
    let level = match level.and_then(|level| u32::try_from(level).ok()) {
        Some(level) => Compression::new(level.min(9)),
        None => Compression::default(),
    };
    let mut encoder = GzEncoder::new(Vec::new(), level);
    encoder
        .write_all(input)
        .and_then(|()| encoder.finish())
        .map_err(|error| CompressionError::malformed(Codec::Gzip, error))
}
