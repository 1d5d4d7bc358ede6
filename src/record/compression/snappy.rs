//! Snappy: the framing of snappy-java (SnappyOutputStream, "xerial"), and the single raw block that clients outside
//! the JVM send. Reading tells them apart by the framing's magic; writing always frames, as Java does.
//!
//! ```text
//! 82 'S' 'N' 'A' 'P' 'P' 'Y' 00 | version i32 | lowest compatible version i32 | (length i32 | raw block)*
//! ```

use snap::raw;

use super::{Codec, CompressionError};

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
/// Magic and the two versions.
const FRAME_HEADER_BYTES: usize = 16;
const VERSION: i32 = 1;
/// Uncompressed bytes per block that Java's stream writes by default.
const BLOCK_BYTES: usize = 32 * 1024;
/// No snappy element makes more than 64 bytes out of 2, so a block that claims a larger expansion lies.
const EXPANSION_MAX: usize = 32;

pub(super) fn decompress(input: &[u8], output_max: usize) -> Result<Vec<u8>, CompressionError> {
    let mut out = Vec::new();
    if !input.starts_with(&MAGIC) {
        append_block(input, &mut out, output_max)?;
        return Ok(out);
    }
    let mut rest = input;
    while !rest.is_empty() {
        // Streams that were written one after the other each begin with the header (SnappyInputStream.java).
        if rest.starts_with(&MAGIC) {
            rest = rest.get(FRAME_HEADER_BYTES..).ok_or_else(|| malformed("the framing's header is cut off"))?;
            continue;
        }
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(|| malformed("a block length is cut off"))?;
        let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| malformed("a negative block length"))?;
        let block = after.get(..length).ok_or_else(|| malformed("a block is cut off"))?;
        append_block(block, &mut out, output_max)?;
        rest = &after[length..];
    }
    Ok(out)
}

/// Framed, or a raw block that does not claim more than it can hold.
pub(super) fn begins_like(input: &[u8]) -> bool {
    input.starts_with(&MAGIC)
        || raw::decompress_len(input).is_ok_and(|claimed| {
            !input.is_empty() && claimed > 0 && claimed <= input.len().saturating_mul(EXPANSION_MAX)
        })
}

fn append_block(block: &[u8], out: &mut Vec<u8>, output_max: usize) -> Result<(), CompressionError> {
    let claimed = raw::decompress_len(block).map_err(malformed)?;
    if claimed > output_max.saturating_sub(out.len()) {
        return Err(CompressionError::TooLarge { codec: Codec::Snappy, output_max });
    }
    if claimed > block.len().saturating_mul(EXPANSION_MAX) {
        return Err(malformed("a block claims more bytes than it can hold"));
    }
    let start = out.len();
    out.resize(start + claimed, 0);
    let written = raw::Decoder::new().decompress(block, &mut out[start..]).map_err(malformed)?;
    out.truncate(start + written);
    Ok(())
}

pub(super) fn compress(input: &[u8]) -> Result<Vec<u8>, CompressionError> {
    let mut out = Vec::with_capacity(FRAME_HEADER_BYTES + input.len() / 2);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    let mut encoder = raw::Encoder::new();
    for block in input.chunks(BLOCK_BYTES) {
        let length_at = out.len();
        out.resize(length_at + 4 + raw::max_compress_len(block.len()), 0);
        let length = encoder.compress(block, &mut out[length_at + 4..]).map_err(malformed)?;
        // Invariant: a block of 32 KiB compresses to far less than 2 GiB.
        out[length_at..length_at + 4].copy_from_slice(&(length as i32).to_be_bytes());
        out.truncate(length_at + 4 + length);
    }
    Ok(out)
}

fn malformed(problem: impl ToString) -> CompressionError {
    CompressionError::malformed(Codec::Snappy, problem)
}
