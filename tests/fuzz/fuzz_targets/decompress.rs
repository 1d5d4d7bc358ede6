//! Compressed data from a producer: never more output than allowed, and what decompresses survives being compressed again.
#![no_main]

use corelog::record::{
    Codec,
    compression::{compress, decompress},
};
use libfuzzer_sys::fuzz_target;

const OUTPUT_BYTES_MAX: usize = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((choice, input)) = data.split_first() else { return };
    let Some(codec) = Codec::from_id(choice % 5) else { return };
    let Ok(plain) = decompress(codec, input, OUTPUT_BYTES_MAX) else { return };
    assert!(plain.len() <= OUTPUT_BYTES_MAX);
    let compressed = compress(codec, None, &plain).expect("a compressor takes anything");
    assert_eq!(decompress(codec, &compressed, OUTPUT_BYTES_MAX), Ok(plain));
});
