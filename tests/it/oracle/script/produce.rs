//! Produce: good batches in every version, and everything that can be wrong with one.

use bytes::Bytes;
use corelog::{
    protocol::messages::{
        fetch::FetchResponse,
        produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData},
    },
    record::{BatchBuilder, Codec},
    types::Uuid,
};

use super::{Side, batch, fetch, filled, newest, produce, some, text, versions};

/// Where the fields of a batch's header are, by byte.
mod at {
    pub(super) const BASE_OFFSET: usize = 0;
    pub(super) const LENGTH: usize = 8;
    pub(super) const MAGIC: usize = 16;
    pub(super) const CRC: usize = 17;
    pub(super) const ATTRIBUTES: usize = 21;
    pub(super) const LAST_OFFSET_DELTA: usize = 23;
    pub(super) const MAX_TIMESTAMP: usize = 35;
    pub(super) const COUNT: usize = 57;
    pub(super) const RECORDS: usize = 61;
}

/// Changes bytes of a batch and leaves its checksum as it was.
fn torn(batch: &Bytes, at: usize, bytes: &[u8]) -> Bytes {
    let mut changed = batch.to_vec();
    changed[at..at + bytes.len()].copy_from_slice(bytes);
    Bytes::from(changed)
}

/// Changes bytes of a batch and makes its checksum right again.
fn forged(batch: &Bytes, at: usize, bytes: &[u8]) -> Bytes {
    let mut changed = torn(batch, at, bytes).to_vec();
    let crc = crc32c::crc32c(&changed[at::ATTRIBUTES..]);
    changed[at::CRC..at::ATTRIBUTES].copy_from_slice(&crc.to_be_bytes());
    Bytes::from(changed)
}

pub(super) fn ask(side: &mut Side) {
    let id = side.make_topic("written", 2, &[("segment.bytes", "1048576")]);
    let past = side.now_ms - 3_600_000;
    for version in versions::<ProduceRequest>() {
        let request = |acks, topic_data| ProduceRequest { acks, timeout_ms: 10_000, topic_data, ..ProduceRequest::default() };
        let of = |partition: i32, records: Option<Bytes>| TopicProduceData {
            name: text("written"),
            topic_id: if version >= 13 { id } else { Uuid::ZERO },
            partition_data: vec![PartitionProduceData { index: partition, records }],
        };
        let mut ask = |what: &str, request: &ProduceRequest| {
            side.ask::<_, ProduceResponse>(&format!("produce {what}"), request, version);
        };
        ask("acks=all", &request(-1, vec![of(0, Some(batch(past, 3)))]));
        ask("acks=1", &request(1, vec![of(1, Some(batch(past, 3)))]));
        ask("acks=2", &request(2, vec![of(0, Some(batch(past, 3)))]));
        ask("acks=-2", &request(-2, vec![of(0, Some(batch(past, 3)))]));
        ask("to a partition that is not there", &request(-1, vec![of(5, Some(batch(past, 3)))]));
        ask("to a negative partition", &request(-1, vec![of(-1, Some(batch(past, 3)))]));
        ask("to both partitions", &request(-1, vec![TopicProduceData {
            partition_data: vec![
                PartitionProduceData { index: 0, records: Some(batch(past, 1)) },
                PartitionProduceData { index: 1, records: Some(batch(past, 2)) },
            ],
            ..of(0, None)
        }]));
        ask("good and bad ones", &request(-1, vec![TopicProduceData {
            partition_data: vec![
                PartitionProduceData { index: 0, records: Some(batch(past, 1)) },
                PartitionProduceData { index: 1, records: Some(torn(&batch(past, 2), at::CRC, &[1, 2, 3, 4])) },
                PartitionProduceData { index: 2, records: Some(batch(past, 2)) },
            ],
            ..of(0, None)
        }]));
        ask("nothing", &request(-1, vec![]));
        ask("no partition", &request(-1, vec![TopicProduceData { partition_data: vec![], ..of(0, None) }]));
        if version == newest::<ProduceRequest>() {
            // Kafka never answers this one.
            ask("null records", &request(-1, vec![of(0, None)]));
        }
        ask("no records", &request(-1, vec![of(0, Some(Bytes::new()))]));
        ask("a bad checksum", &request(-1, vec![of(0, Some(torn(&batch(past, 3), at::RECORDS + 5, b"?")))]));
        ask("a record without acks to a stranger, with acks=1", &request(1, vec![TopicProduceData {
            name: text("nowhere"), topic_id: Uuid([7; 16]), partition_data: of(0, Some(batch(past, 1))).partition_data,
        }]));
        ask("zstd", &request(-1, vec![of(0, Some(filled(BatchBuilder::new().compressed(Codec::Zstd, None), past, 3)))]));
        side.tell("produce acks=0", &request(0, vec![of(0, Some(batch(past, 3)))]), version);
        side.tell("produce acks=0 to a partition that is not there", &request(0, vec![of(9, Some(batch(past, 3)))]), version);
        side.tell("produce acks=0 with a bad checksum", &request(0, vec![of(0, Some(torn(&batch(past, 3), at::CRC, &[0; 4])))]), version);
    }
    batches(side, past);
    timestamps(side);
    rewritten(side, past);
    refused_by_config(side, past);
    side.ask::<_, FetchResponse>("what was written", &fetch::of("written", 0, 0), 12);
    side.ask::<_, FetchResponse>("what was written beside", &fetch::of("written", 1, 0), 12);
    let transactional = ProduceRequest { transactional_id: some("t"), ..produce("written", 0, batch(past, 1)) };
    side.ask::<_, ProduceResponse>("produce under a transactional id", &transactional, newest_by_name());
}

/// The newest version that names topics.
fn newest_by_name() -> i16 {
    newest::<ProduceRequest>() - 1
}

/// Shapes of batches that a broker must refuse or repair.
fn batches(side: &mut Side, past: i64) {
    side.make_topic("shaped", 1, &[]);
    let good = batch(past, 3);
    let two = [batch(past, 2), batch(past, 2)].concat();
    let long = i32::MAX.to_be_bytes();
    let gzip = filled(BatchBuilder::new().compressed(Codec::Gzip, None), past, 3);
    let cases: Vec<(&str, Bytes)> = vec![
        ("as it should be", good.clone()),
        ("with a base offset", forged(&good, at::BASE_OFFSET, &77i64.to_be_bytes())),
        ("with a negative base offset", forged(&good, at::BASE_OFFSET, &(-1i64).to_be_bytes())),
        ("of two batches", Bytes::from(two)),
        ("cut in its header", good.slice(..40)),
        ("cut in its records", good.slice(..good.len() - 1)),
        ("of ten bytes", good.slice(..10)),
        ("with a byte too many", Bytes::from([&good[..], b"x"].concat())),
        ("with a length too long", torn(&good, at::LENGTH, &long)),
        ("with a negative length", torn(&good, at::LENGTH, &(-5i32).to_be_bytes())),
        ("with length 0", torn(&good, at::LENGTH, &[0; 4])),
        ("of magic 0", forged(&good, at::MAGIC, &[0])),
        ("of magic 1", forged(&good, at::MAGIC, &[1])),
        ("of magic 3", forged(&good, at::MAGIC, &[3])),
        ("of magic -1", forged(&good, at::MAGIC, &[0xff])),
        ("with fewer records than it says", forged(&good, at::COUNT, &4i32.to_be_bytes())),
        ("with more records than it says", forged(&good, at::COUNT, &2i32.to_be_bytes())),
        ("of -1 records", forged(&good, at::COUNT, &(-1i32).to_be_bytes())),
        ("of 2^31-1 records", forged(&forged(&good, at::COUNT, &long), at::LAST_OFFSET_DELTA, &(i32::MAX - 1).to_be_bytes())),
        ("of no records", Bytes::from(forged(&forged(&good, at::COUNT, &[0; 4]), at::LAST_OFFSET_DELTA, &(-1i32).to_be_bytes()).to_vec())),
        ("with a last offset too small", forged(&good, at::LAST_OFFSET_DELTA, &1i32.to_be_bytes())),
        ("with a last offset too large", forged(&good, at::LAST_OFFSET_DELTA, &3i32.to_be_bytes())),
        ("with a maximal timestamp too large", forged(&good, at::MAX_TIMESTAMP, &(past + 999_000).to_be_bytes())),
        ("that is a control batch", forged(&good, at::ATTRIBUTES, &0x20i16.to_be_bytes())),
        ("that is transactional", forged(&good, at::ATTRIBUTES, &0x10i16.to_be_bytes())),
        ("of a codec that is not there", forged(&good, at::ATTRIBUTES, &5i16.to_be_bytes())),
        ("with a reserved bit", forged(&good, at::ATTRIBUTES, &0x100i16.to_be_bytes())),
        ("with a delete horizon", forged(&good, at::ATTRIBUTES, &0x40i16.to_be_bytes())),
        ("that claims append time", forged(&good, at::ATTRIBUTES, &0x08i16.to_be_bytes())),
        ("that is not what its codec makes", forged(&good, at::ATTRIBUTES, &1i16.to_be_bytes())),
        ("with damage in its gzip", forged(&gzip, at::RECORDS + 12, &[0xff; 8])),
        ("with a record length too long", forged(&good, at::RECORDS, &[0xfe, 0x0f])),
        ("with a record length of -1", forged(&good, at::RECORDS, &[1])),
        ("with record attributes", forged(&good, at::RECORDS + 2, &[5])),
    ];
    for (what, records) in cases {
        side.ask::<_, ProduceResponse>(&format!("produce a batch {what}"), &produce("shaped", 0, records), newest_by_name());
    }
    for codec in Codec::ALL {
        let records = filled(BatchBuilder::new().compressed(codec, None), past, 20);
        side.ask::<_, ProduceResponse>(&format!("produce {codec:?}"), &produce("shaped", 0, records), newest_by_name());
    }
    let twice = ProduceRequest {
        topic_data: (0..2).flat_map(|_| produce("shaped", 0, batch(past, 1)).topic_data).collect(),
        ..produce("shaped", 0, good)
    };
    side.ask::<_, ProduceResponse>("produce to one topic twice", &twice, newest_by_name());
    side.ask::<_, FetchResponse>("what was shaped", &fetch::of("shaped", 0, 0), 12);
}

fn timestamps(side: &mut Side) {
    side.make_topic("timed", 1, &[("message.timestamp.before.max.ms", "7200000")]);
    let now = side.now_ms;
    for (what, first_ms) in [
        ("from an hour ago", now - 3_600_000),
        ("from three hours ago", now - 3 * 3_600_000),
        ("in two hours", now + 2 * 3_600_000),
        ("in half an hour", now + 1_800_000),
        ("without a time", -1),
        ("from before 1970", -5_000_000),
    ] {
        let records = if first_ms == -1 {
            BatchBuilder::new().push(-1, None, Some(b"x"), &[]).build().unwrap()
        } else {
            batch(first_ms, 2)
        };
        side.ask::<_, ProduceResponse>(&format!("produce records {what}"), &produce("timed", 0, records), newest_by_name());
    }
    let mixed = BatchBuilder::new().push(now - 3_600_000, None, Some(b"good"), &[]).push(now - 9_000_000, None, Some(b"old"), &[]).push(now + 9_000_000, None, None, &[]).build();
    side.ask::<_, ProduceResponse>("produce records of which some are out of time", &produce("timed", 0, mixed.unwrap()), newest_by_name());
    side.ask::<_, FetchResponse>("what was timed", &fetch::of("timed", 0, 0), 12);
}

/// Batches that the broker writes otherwise than they came.
fn rewritten(side: &mut Side, past: i64) {
    side.make_topic("stamped", 1, &[("message.timestamp.type", "LogAppendTime")]);
    side.make_topic("squeezed", 1, &[("compression.type", "zstd")]);
    side.make_topic("spread", 1, &[("compression.type", "uncompressed")]);
    for topic in ["stamped", "squeezed", "spread"] {
        for codec in [Codec::None, Codec::Lz4, Codec::Zstd] {
            let records = filled(BatchBuilder::new().compressed(codec, None), past, 5);
            side.ask::<_, ProduceResponse>(&format!("produce {codec:?} to {topic}"), &produce(topic, 0, records), newest_by_name());
        }
        side.ask::<_, FetchResponse>(&format!("what was {topic}"), &fetch::of(topic, 0, 0), 12);
    }
}

fn refused_by_config(side: &mut Side, past: i64) {
    side.make_topic("small", 1, &[("max.message.bytes", "1000")]);
    let large = BatchBuilder::new().push(past, None, Some(&[b'x'; 2000]), &[]).build().unwrap();
    let squeezed = BatchBuilder::new().compressed(Codec::Gzip, None).push(past, None, Some(&[b'x'; 2000]), &[]).build().unwrap();
    side.ask::<_, ProduceResponse>("produce too large a batch", &produce("small", 0, large), newest_by_name());
    side.ask::<_, ProduceResponse>("produce a batch that is small once compressed", &produce("small", 0, squeezed), newest_by_name());
    side.make_topic("halved", 1, &[("min.insync.replicas", "2")]);
    for acks in [-1, 1] {
        let request = ProduceRequest { acks, ..produce("halved", 0, batch(past, 1)) };
        side.ask::<_, ProduceResponse>(&format!("produce acks={acks} with too few replicas"), &request, newest_by_name());
    }
    side.ask::<_, ProduceResponse>("produce to nowhere", &produce("nowhere", 0, batch(past, 1)), newest_by_name());
    side.ask::<_, ProduceResponse>("produce to an empty name", &produce("", 0, batch(past, 1)), newest_by_name());
    side.ask::<_, ProduceResponse>("produce to the metadata topic", &produce("__cluster_metadata", 0, batch(past, 1)), newest_by_name());
}
