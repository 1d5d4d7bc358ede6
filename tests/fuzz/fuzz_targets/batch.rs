//! Produced batches: whatever is accepted can be read, and its records are what its header says.
//!
//! The first byte chooses the rules. Unless it says otherwise, length and checksum are made right, so that the fuzzer gets
//! behind them.
#![no_main]

use bytes::Bytes;
use corelog::record::{
    Batches, Codec, CompressionRule, HEADER_BYTES, ProduceRules, Records, TimestampType, check_produced,
};
use libfuzzer_sys::fuzz_target;

/// After the timestamps of the batches in the corpus.
const NOW_MS: i64 = 1_800_000_000_000;
const DECOMPRESSED_BYTES_MAX: usize = 1 << 20;

fn rules(choice: u8) -> ProduceRules {
    ProduceRules {
        timestamp_type: if choice & 1 == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime },
        timestamp_before_max_ms: if choice & 2 == 0 { i64::MAX } else { 1000 },
        keys_required: choice & 4 != 0,
        walk_compressed: choice & 8 != 0,
        decompressed_bytes_max: DECOMPRESSED_BYTES_MAX,
        compression: match choice & 0x30 {
            0x10 => CompressionRule::Broker { codec: Codec::None, level: None },
            0x20 => CompressionRule::Broker { codec: Codec::Lz4, level: None },
            0x30 => CompressionRule::Broker { codec: Codec::Snappy, level: None },
            _ => CompressionRule::Producer,
        },
        ..ProduceRules::default()
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, batch)) = data.split_first() else { return };
    let mut batch = batch.to_vec();
    if choice & 0x80 == 0 && batch.len() >= HEADER_BYTES {
        let length = batch.len() as i32 - 12;
        batch[8..12].copy_from_slice(&length.to_be_bytes());
        batch[16] = 2;
        let crc = crc32c::crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
    }
    for found in Batches::new(&batch) {
        let Ok(found) = found else { break };
        let _a_checksum_may_be_wrong = found.verify();
    }
    if let Ok(records) = Records::open(&batch, DECOMPRESSED_BYTES_MAX) {
        assert!(records.iter().count() <= records.bytes().len() + 1, "a record takes at least a byte");
    }
    let rules = rules(*choice);
    let Ok(checked) = check_produced(Bytes::from(batch), &rules, NOW_MS) else { return };
    checked.header().verify(checked.bytes()).expect("an accepted batch is intact");
    let walked = checked.header().codec() == Ok(Codec::None) || rules.walk_compressed || rules.keys_required;
    if walked {
        let records = Records::open(checked.bytes(), DECOMPRESSED_BYTES_MAX).expect("an accepted batch opens");
        let mut count = 0;
        for record in &records {
            let record = record.expect("an accepted batch has whole records");
            assert!(record.key.is_some() || !rules.keys_required);
            assert_eq!(record.headers.len(), record.headers.count(), "as many headers as were announced");
            count += 1;
        }
        assert_eq!(count, checked.header().records);
    }
});
