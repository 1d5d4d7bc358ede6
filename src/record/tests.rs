//! What a batch must be, told by building one and breaking it.

use bytes::Bytes;
use proptest::prelude::*;

use crate::types::{ErrorCode, LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use super::*;

const NOW_MS: i64 = 1_700_000_000_000;
const CAP: usize = 1 << 20;

fn rules() -> ProduceRules {
    ProduceRules { decompressed_bytes_max: CAP, ..ProduceRules::default() }
}

fn three() -> BatchBuilder {
    let mut builder = BatchBuilder::new().producer(ProducerId(7), ProducerEpoch(1), Some(40));
    builder
        .push(NOW_MS, Some(b"a"), Some(b"first"), &[(b"h", Some(b"1")), (b"h", None)])
        .push(NOW_MS + 20, None, Some(b"second"), &[])
        .push(NOW_MS + 10, Some(b"c"), None, &[]);
    builder
}

fn built(codec: Codec) -> Bytes {
    three().compressed(codec, None).build().unwrap()
}

/// `batch` after `change`, with a right checksum.
fn resealed(batch: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut bytes = batch.to_vec();
    change(&mut bytes);
    header::seal(&mut bytes);
    Bytes::from(bytes)
}

fn refused(records: Bytes, rules: &ProduceRules) -> ErrorCode {
    check_produced(records, rules, NOW_MS).expect_err("must be refused").code
}

#[test]
fn a_good_batch_passes_without_a_copy() {
    for codec in Codec::ALL {
        let bytes = built(codec);
        let batch = check_produced(bytes.clone(), &rules(), NOW_MS).unwrap();
        assert_eq!(batch.bytes().as_ptr(), bytes.as_ptr(), "{codec:?} is not copied");
        let header = batch.header();
        assert_eq!((header.records, header.last_offset_delta, header.codec()), (3, 2, Ok(codec)));
        assert_eq!((header.base_sequence, header.last_sequence()), (Some(40), Some(42)));
        assert_eq!(header.max_timestamp, NOW_MS + 20);
        assert_eq!(header.total_len(), bytes.len());
        let walked = ProduceRules { walk_compressed: true, ..rules() };
        assert!(check_produced(bytes, &walked, NOW_MS).is_ok(), "{codec:?}");
    }
}

#[test]
fn records_are_read_back_as_they_were_pushed() {
    for codec in Codec::ALL {
        let bytes = three().at(Offset::saturating(100), LeaderEpoch(4)).compressed(codec, None).build().unwrap();
        let records = Records::open(&bytes, CAP).unwrap();
        let all: Vec<_> = records.iter().map(Result::unwrap).collect();
        assert_eq!(all.len(), 3);
        assert_eq!(all[0].offset.get(), 100);
        assert_eq!(all[0].key, Some(&b"a"[..]));
        let headers: Vec<_> = all[0].headers.collect();
        assert_eq!(headers, vec![(&b"h"[..], Some(&b"1"[..])), (&b"h"[..], None)], "repeated header keys are kept");
        assert_eq!((all[1].key, all[1].timestamp), (None, NOW_MS + 20));
        assert_eq!((all[2].value, all[2].offset.get()), (None, 102));
        assert_eq!(records.header().leader_epoch, Some(LeaderEpoch(4)));
        assert_eq!(records.header().next_offset().get(), 103);
    }
}

#[test]
fn every_flipped_bit_under_the_checksum_is_refused() {
    for codec in [Codec::None, Codec::Zstd] {
        let bytes = built(codec);
        for bit in 8 * header::ATTRIBUTES_AT..8 * bytes.len() {
            let mut broken = bytes.to_vec();
            broken[bit / 8] ^= 1 << (bit % 8);
            let header = BatchHeader::parse(&broken).unwrap();
            assert!(matches!(header.verify(&broken), Err(BatchError::Crc { .. })), "bit {bit}");
            assert_eq!(refused(Bytes::from(broken), &rules()), ErrorCode::CorruptMessage, "bit {bit}");
        }
    }
}

#[test]
fn a_cut_batch_is_refused_at_every_length() {
    let bytes = built(Codec::None);
    for length in 0..bytes.len() {
        assert_eq!(refused(bytes.slice(..length), &rules()), ErrorCode::InvalidRecord, "{length}");
        assert!(Records::open(&bytes[..length], CAP).is_err());
        match Batches::new(&bytes[..length]).next() {
            None => assert_eq!(length, 0),
            Some(Err(BatchesError::Torn { position: 0, have, need })) => assert!(have == length && have < need),
            Some(Err(BatchesError::Unwritten { .. })) => assert!(length <= 11, "the base offset of the batch is zero"),
            other => panic!("{length}: {other:?}"),
        }
    }
}

#[test]
fn old_formats_and_wrong_shapes_get_kafkas_codes() {
    let good = built(Codec::None);
    assert_eq!(refused(Bytes::new(), &rules()), ErrorCode::InvalidRecord);
    for (magic, code) in [(0, ErrorCode::InvalidRecord), (1, ErrorCode::InvalidRecord), (3, ErrorCode::CorruptMessage)]
    {
        let mut old = good.to_vec();
        old[header::MAGIC_AT] = magic;
        assert_eq!(refused(Bytes::from(old), &rules()), code);
    }
    let twice = Bytes::from([&good[..], &good[..]].concat());
    assert_eq!(refused(twice, &rules()), ErrorCode::InvalidRecord);
    let mut moved = good.to_vec();
    moved[7] = 1;
    assert_eq!(refused(Bytes::from(moved), &rules()), ErrorCode::InvalidRecord, "base offset");
    let small = ProduceRules { max_message_bytes: good.len() - 1, ..rules() };
    assert_eq!(refused(good.clone(), &small), ErrorCode::MessageTooLarge);
    let unknown_codec = resealed(&good, |bytes| bytes[22] |= 5);
    assert_eq!(refused(unknown_codec, &rules()), ErrorCode::UnsupportedCompressionType);
    let old_client = ProduceRules { produce_version: 6, ..rules() };
    assert_eq!(refused(built(Codec::Zstd), &old_client), ErrorCode::UnsupportedCompressionType);
    let control = three().control().build().unwrap();
    assert_eq!(refused(control, &rules()), ErrorCode::InvalidRecord);
    let no_sequence = {
        let mut builder = BatchBuilder::new().producer(ProducerId(7), ProducerEpoch(1), None);
        builder.push(NOW_MS, None, None, &[]).build().unwrap()
    };
    assert_eq!(refused(no_sequence, &rules()), ErrorCode::InvalidRecord);
    let nobodys_transaction = BatchBuilder::new().transactional().push(NOW_MS, None, None, &[]).build().unwrap();
    assert_eq!(refused(nobodys_transaction, &rules()), ErrorCode::InvalidRecord);
}

#[test]
fn a_claim_of_append_time_is_refused_or_forgotten() {
    let claimed = three().append_time().build().unwrap();
    let brokers_clock = ProduceRules { timestamp_type: TimestampType::LogAppendTime, ..rules() };
    assert_eq!(refused(claimed.clone(), &brokers_clock), ErrorCode::InvalidTimestamp);
    let batch = check_produced(claimed, &rules(), NOW_MS).unwrap();
    assert_eq!(batch.header().timestamp_type(), TimestampType::CreateTime);
    assert_eq!(&CheckedBatch::verified(batch.bytes().clone()).unwrap(), &batch);
}

#[test]
fn what_follows_a_batch_and_is_none_is_dropped() {
    let good = built(Codec::None);
    for rest in [&b"x"[..], &[0; 11], &good[..60], &good[..good.len() - 1]] {
        let batch = check_produced(Bytes::from([&good[..], rest].concat()), &rules(), NOW_MS).unwrap();
        assert_eq!(batch.bytes(), &good);
    }
    let rest = [&good[..], &[0; 12]].concat();
    assert_eq!(refused(Bytes::from(rest), &rules()), ErrorCode::CorruptMessage, "a length of 0 is damage, not an end");
}

#[test]
fn counts_that_lie_are_refused() {
    let walked = ProduceRules { walk_compressed: true, ..rules() };
    for codec in Codec::ALL {
        let good = built(codec);
        for (last_delta, count) in
            [(3, 4), (1, 2), (2, 4), (2, 2), (-1, 0), (i32::MAX - 1, i32::MAX), (-5, -4), (-1, i32::MIN)]
        {
            let lying = resealed(&good, |bytes| {
                bytes[23..27].copy_from_slice(&i32::to_be_bytes(last_delta));
                bytes[57..61].copy_from_slice(&i32::to_be_bytes(count));
            });
            assert_eq!(refused(lying, &walked), ErrorCode::InvalidRecord, "{codec:?} {last_delta} {count}");
        }
    }
}

#[test]
fn data_of_another_codec_is_refused_at_a_glance() {
    for (marked, sent) in [(1, Codec::None), (3, Codec::Gzip), (4, Codec::Snappy), (1, Codec::Lz4)] {
        let mislabelled = resealed(&built(sent), |bytes| bytes[22] = marked);
        assert_eq!(refused(mislabelled, &rules()), ErrorCode::InvalidRecord, "{marked} {sent:?}");
    }
}

#[test]
fn timestamps_are_bounded_on_both_sides() {
    let at = |timestamp, codec| {
        BatchBuilder::new()
            .compressed(codec, None)
            .push(NOW_MS, None, None, &[])
            .push(timestamp, None, None, &[])
            .build()
            .unwrap()
    };
    for codec in [Codec::None, Codec::Lz4] {
        let limited = ProduceRules { timestamp_before_max_ms: 1000, ..rules() };
        assert_eq!(refused(at(NOW_MS + 3_600_001, codec), &limited), ErrorCode::InvalidTimestamp);
        assert_eq!(refused(at(NOW_MS - 1001, codec), &limited), ErrorCode::InvalidTimestamp, "{codec:?}");
        assert!(check_produced(at(NOW_MS + 3_600_000, codec), &limited, NOW_MS).is_ok());
        assert!(check_produced(at(NOW_MS - 1000, codec), &limited, NOW_MS).is_ok());
        assert!(check_produced(at(NO_TIMESTAMP, codec), &limited, NOW_MS).is_ok(), "no timestamp is no wrong one");
        assert!(check_produced(at(0, codec), &rules(), NOW_MS).is_ok());
        let brokers_clock = ProduceRules { timestamp_type: TimestampType::LogAppendTime, ..limited };
        assert!(check_produced(at(0, codec), &brokers_clock, NOW_MS).is_ok(), "the broker's clock replaces them");
    }
    let eons_ago = at(i64::MIN + 5, Codec::None);
    assert!(matches!(refused(eons_ago, &rules()), ErrorCode::InvalidTimestamp | ErrorCode::InvalidRecord));
    let refusal = check_produced(at(NOW_MS + 9_000_000, Codec::None), &rules(), NOW_MS).unwrap_err();
    assert_eq!(refusal.record_errors.len(), 1);
    assert_eq!(refusal.record_errors[0].index, 1);
}

#[test]
fn a_compacted_topic_names_the_records_without_a_key() {
    let keyed = ProduceRules { keys_required: true, ..rules() };
    for codec in Codec::ALL {
        let refusal = check_produced(built(codec), &keyed, NOW_MS).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::InvalidRecord);
        assert_eq!(refusal.record_errors.iter().map(|error| error.index).collect::<Vec<_>>(), vec![1]);
    }
    let mut many = BatchBuilder::new();
    for _ in 0..1000 {
        many.push(NOW_MS, None, None, &[]);
    }
    let refusal = check_produced(many.build().unwrap(), &keyed, NOW_MS).unwrap_err();
    assert_eq!(refusal.record_errors.len(), RECORD_ERRORS_MAX);
    assert!(refusal.message.contains("1000 record errors in total"));
}

#[test]
fn the_brokers_clock_replaces_the_producers() {
    for codec in Codec::ALL {
        let topic = ProduceRules { timestamp_type: TimestampType::LogAppendTime, ..rules() };
        let batch = check_produced(built(codec), &topic, NOW_MS + 999).unwrap();
        assert_eq!(batch.header().timestamp_type(), TimestampType::LogAppendTime);
        assert_eq!(CheckedBatch::verified(batch.bytes().clone()).unwrap(), batch);
        let records = Records::open(batch.bytes(), CAP).unwrap();
        assert!(records.iter().all(|record| record.unwrap().timestamp == NOW_MS + 999));
    }
}

#[test]
fn a_wrong_largest_timestamp_is_put_right() {
    let wrong = resealed(&built(Codec::None), |bytes| bytes[35..43].copy_from_slice(&5i64.to_be_bytes()));
    let batch = check_produced(wrong, &rules(), NOW_MS).unwrap();
    assert_eq!(batch.header().max_timestamp, NOW_MS + 20);
    assert_eq!(CheckedBatch::verified(batch.bytes().clone()).unwrap(), batch);
}

#[test]
fn the_topics_codec_replaces_the_producers() {
    for from in Codec::ALL {
        for to in Codec::ALL {
            let topic = ProduceRules { compression: CompressionRule::Broker { codec: to, level: None }, ..rules() };
            let sent = built(from);
            let batch = check_produced(sent.clone(), &topic, NOW_MS).unwrap();
            assert_eq!(batch.header().codec(), Ok(to));
            assert_eq!(CheckedBatch::verified(batch.bytes().clone()).unwrap(), batch);
            assert_eq!(batch.header().producer_id, Some(ProducerId(7)));
            let plain = Records::open(batch.bytes(), CAP).unwrap();
            assert_eq!(plain.bytes(), Records::open(&sent, CAP).unwrap().bytes());
            let alone = recompress(&check_produced(sent, &rules(), NOW_MS).unwrap(), to, None, CAP).unwrap();
            assert_eq!(alone, batch);
        }
    }
}

#[test]
fn patching_the_base_leaves_the_checksum_right() {
    let mut bytes = built(Codec::None).to_vec();
    patch_base(&mut bytes, Offset::saturating(1 << 40), LeaderEpoch(9));
    let header = BatchHeader::parse(&bytes).unwrap();
    assert_eq!((header.base_offset.get(), header.leader_epoch), (1 << 40, Some(LeaderEpoch(9))));
    assert_eq!(header.last_offset().get(), (1 << 40) + 2);
    header.verify(&bytes).unwrap();
    let checked = check_produced(built(Codec::None), &rules(), NOW_MS).unwrap();
    assert_eq!(checked.at(Offset::saturating(1 << 40), LeaderEpoch(9)).bytes()[..], bytes[..]);
}

#[test]
fn batches_end_at_zeroes_tears_and_damage() {
    let one = built(Codec::None);
    let two = [&one[..], &one[..]].concat();
    let positions: Vec<_> = Batches::new(&two).map(|batch| batch.unwrap().position).collect();
    assert_eq!(positions, vec![0, one.len()]);
    let stops = |tail: &[u8]| {
        let bytes = [&two[..], tail].concat();
        let mut batches = Batches::new(&bytes);
        assert_eq!(batches.by_ref().take(2).filter(Result::is_ok).count(), 2);
        assert_eq!(batches.position(), two.len());
        let end = batches.next().unwrap().unwrap_err();
        assert!(batches.next().is_none(), "nothing after an error");
        end
    };
    let position = two.len();
    assert_eq!(stops(&[0; 4096]), BatchesError::Unwritten { position });
    assert_eq!(stops(&[0]), BatchesError::Unwritten { position });
    assert_eq!(stops(&one[..40]), BatchesError::Torn { position, have: 40, need: HEADER_BYTES });
    assert_eq!(stops(&one[..70]), BatchesError::Torn { position, have: 70, need: one.len() });
    let mut old = one.to_vec();
    old[header::MAGIC_AT] = 1;
    assert_eq!(stops(&old), BatchesError::Damaged { position, error: BatchError::Magic(1) });
    let mut short = one.to_vec();
    short[8..12].copy_from_slice(&48i32.to_be_bytes());
    assert_eq!(stops(&short), BatchesError::Damaged { position, error: BatchError::Length(48) });
}

#[test]
fn records_are_found_by_time() {
    for codec in [Codec::None, Codec::Gzip] {
        let bytes = three().at(Offset::saturating(50), LeaderEpoch(0)).compressed(codec, None).build().unwrap();
        let batch = Records::open(&bytes, CAP).unwrap();
        let first = |timestamp, from| first_at_or_after(&batch, timestamp, Offset::saturating(from)).unwrap();
        let found = |timestamp, offset| Some(Timestamped { timestamp, offset: Offset::saturating(offset) });
        assert_eq!(first(NOW_MS, 0), found(NOW_MS, 50));
        assert_eq!(first(NOW_MS + 1, 0), found(NOW_MS + 20, 51));
        assert_eq!(first(NOW_MS + 1, 52), found(NOW_MS + 10, 52), "not before the given offset");
        assert_eq!(first(NOW_MS + 21, 0), None);
        assert_eq!(largest_timestamp(&batch).unwrap(), found(NOW_MS + 20, 51));
    }
    let bytes = BatchBuilder::new().push(NO_TIMESTAMP, None, None, &[]).build().unwrap();
    assert_eq!(largest_timestamp(&Records::open(&bytes, CAP).unwrap()).unwrap(), None);
}

#[test]
fn sequences_wrap_to_zero() {
    assert_eq!(increment_sequence(i32::MAX, 1), 0);
    assert_eq!(increment_sequence(i32::MAX - 1, 3), 1);
    assert_eq!(increment_sequence(5, 0), 5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn hostile_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), magic in any::<bool>()) {
        if magic && bytes.len() > header::MAGIC_AT {
            bytes[header::MAGIC_AT] = 2;
            bytes[8..10].fill(0);
        }
        for batch in Batches::new(&bytes).flatten() {
            if let Ok(records) = Records::open(batch.bytes, CAP) {
                prop_assert!(records.iter().count() <= bytes.len() * 100);
            }
        }
        let _ = check_produced(Bytes::from(bytes), &rules(), NOW_MS);
    }

    #[test]
    fn what_is_accepted_after_damage_is_whole(
        at in header::ATTRIBUTES_AT..140,
        byte in any::<u8>(),
        codec in 0u8..5,
        append_time in any::<bool>(),
        target in 0u8..6,
    ) {
        let good = built(Codec::from_id(codec).unwrap());
        let at = at.min(good.len() - 1);
        let broken = resealed(&good, |bytes| bytes[at] = byte);
        let topic = ProduceRules {
            walk_compressed: true,
            timestamp_type: if append_time { TimestampType::LogAppendTime } else { TimestampType::CreateTime },
            compression: Codec::from_id(target)
                .map_or(CompressionRule::Producer, |codec| CompressionRule::Broker { codec, level: None }),
            ..rules()
        };
        match check_produced(broken, &topic, NOW_MS) {
            Ok(batch) => {
                prop_assert_eq!(&CheckedBatch::verified(batch.bytes().clone()).unwrap(), &batch);
                let opened = Records::open(batch.bytes(), CAP).unwrap();
                let offsets: Vec<_> = opened.iter().map(|record| record.unwrap().offset.get()).collect();
                prop_assert_eq!(offsets, (0..i64::from(batch.header().records)).collect::<Vec<_>>());
                prop_assert_eq!(batch.header().timestamp_type(), topic.timestamp_type);
                let newest = opened.iter().map(|record| record.unwrap().timestamp).max().unwrap();
                prop_assert_eq!(batch.header().max_timestamp, newest.max(NO_TIMESTAMP));
            }
            Err(refusal) => prop_assert!(
                matches!(
                    refusal.code,
                    ErrorCode::InvalidRecord
                        | ErrorCode::InvalidProducerEpoch
                        | ErrorCode::InvalidTimestamp
                        | ErrorCode::MessageTooLarge
                        | ErrorCode::UnsupportedCompressionType
                ),
                "{refusal}"
            ),
        }
    }
}
