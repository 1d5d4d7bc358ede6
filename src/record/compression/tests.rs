//! What comes out, what Java writes, and what hostile input gets.

use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::record::{Batches, Records};

const CAP: usize = 1 << 20;
const COMPRESSING: [Codec; 4] = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

/// Batches that Kafka 4.3's MemoryRecordsBuilder wrote: three records, transactional, producer 9.
const FROM_JAVA: [(Codec, &str); 4] = [
    (
        Codec::Gzip,
        "\
        000000000000000000000074ffffffff023b22e0590011000000020000018bcfe568000000018bcfe5687b000000000000000900\
        0200000005000000031f8b08000000000000ff5bc0c8c0c0c094ddc498919a9393af4001c9c294c154c694c1f88285e11b2313e3\
        0d168651403ce063606461aa62640000d84fdc8890010000",
    ),
    (
        Codec::Snappy,
        "\
        000000000000000000000085ffffffff02a8ba49360012000000020000018bcfe568000000018bcfe5687b000000000000000900\
        02000000050000000382534e4150505900000000010000000100000040900338a001000000026b820168656c6c6f20ea06004404\
        02680276026801e80400f6010201d80400fe0100fe0100fe0100fe0100ae01001c0e000104027a0100",
    ),
    (
        Codec::Lz4,
        "\
        000000000000000000000075ffffffff02f24c77a20013000000020000018bcfe568000000018bcfe5687b000000000000000900\
        02000000050000000304224d1860408235000000ff00a001000000026b820168656c6c6f20060028ff030402680276026801e804\
        00f6010201d804000100ff1a800e000104027a010000000000",
    ),
    (
        Codec::Zstd,
        "\
        000000000000000000000071ffffffff02a8b75d810014000000020000018bcfe568000000018bcfe5687b000000000000000900\
        02000000050000000328b52ffd0058a401009402a001000000026b820168656c6c6f200402680276026801e80400f6010201d804\
        000e000104027a0100020052706a8848a50e010000",
    ),
];

fn bytes_of(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

#[test]
fn what_java_wrote_is_read() {
    for (codec, hex) in FROM_JAVA {
        let bytes = bytes_of(hex);
        let batch = Batches::new(&bytes).next().unwrap().unwrap();
        batch.verify().unwrap();
        assert_eq!(batch.header.codec(), Ok(codec));
        assert!(batch.header.is_transactional());
        let records = Records::open(batch.bytes, CAP).unwrap();
        let all: Vec<_> = records.iter().map(Result::unwrap).collect();
        assert_eq!(all.len(), 3, "{codec:?}");
        assert_eq!(all[0].headers.collect::<Vec<_>>(), vec![(&b"h"[..], Some(&b"v"[..])), (&b"h"[..], None)]);
        assert_eq!((all[1].key, all[1].value.unwrap().len(), all[1].timestamp), (None, 300, 1_700_000_000_123));
        assert_eq!((all[2].value, all[2].timestamp), (None, 1_699_999_999_999));
    }
}

#[test]
fn both_framings_of_snappy_are_read() {
    let text = b"snappy snappy snappy snappy".repeat(5000);
    let raw = snap::raw::Encoder::new().compress_vec(&text).unwrap();
    assert_eq!(decompress(Codec::Snappy, &raw, CAP).unwrap(), text);
    let framed = compress(Codec::Snappy, None, &text).unwrap();
    assert!(framed.starts_with(&[0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1]));
    assert_eq!(decompress(Codec::Snappy, &framed, CAP).unwrap(), text);
    let twice = [&framed[..], &framed[..]].concat();
    assert_eq!(decompress(Codec::Snappy, &twice, CAP).unwrap(), text.repeat(2));
}

#[test]
fn frames_one_after_the_other_are_all_read() {
    let text = b"some text".repeat(1000);
    for codec in [Codec::Gzip, Codec::Lz4, Codec::Zstd] {
        let one = compress(codec, None, &text).unwrap();
        let two = [&one[..], &one[..]].concat();
        assert_eq!(decompress(codec, &two, CAP).unwrap(), text.repeat(2), "{codec:?}");
    }
}

#[test]
fn nothing_compresses_to_something_that_reads_as_nothing() {
    for codec in Codec::ALL {
        let empty = compress(codec, None, b"").unwrap();
        assert_eq!(decompress(codec, &empty, 0).unwrap(), b"", "{codec:?}");
    }
}

#[test]
fn the_cap_is_exact() {
    let text = vec![7; 100_000];
    for codec in Codec::ALL {
        let packed = compress(codec, None, &text).unwrap();
        assert_eq!(decompress(codec, &packed, text.len()).unwrap(), text);
        let over = CompressionError::TooLarge { codec, output_max: text.len() - 1 };
        assert_eq!(decompress(codec, &packed, text.len() - 1), Err(over));
    }
}

#[test]
fn levels_are_the_codecs_own() {
    let text: Vec<u8> = (0..200_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 29) as u8).collect();
    for (codec, fast, small) in [(Codec::Gzip, 1, 9), (Codec::Zstd, -50, 19)] {
        let fast = compress(codec, Some(fast), &text).unwrap();
        let small = compress(codec, Some(small), &text).unwrap();
        assert!(small.len() < fast.len(), "{codec:?}");
        assert_eq!(decompress(codec, &fast, CAP).unwrap(), text);
    }
}

#[test]
fn cut_streams_are_refused() {
    let text: Vec<u8> = (0..2000u32).flat_map(u32::to_le_bytes).collect();
    for codec in COMPRESSING {
        let packed = compress(codec, None, &text).unwrap();
        for length in 0..packed.len() {
            match decompress(codec, &packed[..length], CAP) {
                Err(CompressionError::Malformed { .. }) => {}
                // Snappy's framing has no end: where the header ends there may be no block.
                Ok(out) if codec == Codec::Snappy && length == 16 => assert_eq!(out, b""),
                other => panic!("{codec:?} {length}: {other:?}"),
            }
        }
    }
}

#[test]
fn bombs_are_refused_at_the_cap() {
    let zeroes = vec![0; 32 << 20];
    for codec in [Codec::Gzip, Codec::Lz4, Codec::Zstd, Codec::Snappy] {
        let bomb = compress(codec, None, &zeroes).unwrap();
        assert_eq!(decompress(codec, &bomb, CAP), Err(CompressionError::TooLarge { codec, output_max: CAP }));
    }
    // A zstd stream does not say its size; every member of a gzip file may be small by itself.
    let mut stream = ::zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    stream.write_all(&zeroes).unwrap();
    let bomb = stream.finish().unwrap();
    assert!(matches!(decompress(Codec::Zstd, &bomb, CAP), Err(CompressionError::TooLarge { .. })));
    assert_eq!(decompress(Codec::Zstd, &bomb, zeroes.len()).unwrap().len(), zeroes.len());
    let members = compress(Codec::Gzip, None, &zeroes[..CAP / 2]).unwrap().repeat(3);
    assert!(matches!(decompress(Codec::Gzip, &members, CAP), Err(CompressionError::TooLarge { .. })));
}

#[test]
fn sizes_that_are_only_claimed_reserve_nothing() {
    // Raw snappy: a length of 4 GiB less one, and of the cap, before hardly any data.
    assert!(decompress(Codec::Snappy, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0], CAP).is_err());
    assert!(decompress(Codec::Snappy, &[0x80, 0x80, 0x40, 0], CAP).is_err());
    // Zstd: one segment of 2^40 bytes; a window of 2^41 bytes.
    let huge_content = [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0];
    assert!(matches!(decompress(Codec::Zstd, &huge_content, CAP), Err(CompressionError::TooLarge { .. })));
    let huge_window = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 1, 0, 0];
    assert!(matches!(decompress(Codec::Zstd, &huge_window, CAP), Err(CompressionError::Malformed { .. })));
    // Framed snappy: a block of 2 GiB less one, and a negative one.
    for length in [[0x7f, 0xff, 0xff, 0xff], [0xff; 4]] {
        let mut framed = compress(Codec::Snappy, None, b"").unwrap();
        framed.extend_from_slice(&length);
        assert!(matches!(decompress(Codec::Snappy, &framed, CAP), Err(CompressionError::Malformed { .. })));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_goes_in_comes_out(text in proptest::collection::vec(0u8..8, 0..100_000), codec in 0u8..5) {
        let codec = Codec::from_id(codec).unwrap();
        let packed = compress(codec, None, &text).unwrap();
        prop_assert_eq!(decompress(codec, &packed, text.len()).unwrap(), text);
    }

    #[test]
    fn damaged_input_neither_panics_nor_passes_the_cap(
        text in proptest::collection::vec(any::<u8>(), 0..3000),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        codec in 1u8..5,
    ) {
        let codec = Codec::from_id(codec).unwrap();
        let mut packed = compress(codec, None, &text).unwrap();
        let at = at.index(packed.len());
        packed[at] = byte;
        if let Ok(out) = decompress(codec, &packed, 4096) {
            prop_assert!(out.len() <= 4096);
        }
        let _ = decompress(codec, &text, 4096);
    }
}
