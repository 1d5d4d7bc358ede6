//! Reading a decoder to its end, but not past a cap.

use std::io::Read;

use super::{Codec, CompressionError};

/// Appends all that `decoder` gives to `out`, which may grow to `output_max` bytes in all. Memory grows with what
/// really came out.
pub(super) fn read_all(
    codec: Codec,
    decoder: impl Read,
    out: &mut Vec<u8>,
    output_max: usize,
) -> Result<(), CompressionError> {
    let room = output_max.saturating_sub(out.len()) as u64;
    // One byte more than fits shows that the cap is passed.
    decoder.take(room.saturating_add(1)).read_to_end(out).map_err(|error| CompressionError::malformed(codec, error))?;
    if out.len() > output_max {
        return Err(CompressionError::TooLarge { codec, output_max });
    }
    Ok(())
}
