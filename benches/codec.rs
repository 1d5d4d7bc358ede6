//! What the wire codec costs per message: `cargo bench --bench codec`.
//!
//! Prints nanoseconds per operation, the best of several rounds, since other processes only ever make it slower.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark prints, and measures by the real clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::{hint::black_box, time::Instant};

use bytes::{Bytes, BytesMut};
use corelog::{
    protocol::{
        Message,
        api::{self, ApiKey},
        header::{RequestHeader, ResponseHeader},
        messages::{
            fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, FetchableTopicResponse, PartitionData},
            metadata::{MetadataResponse, MetadataResponsePartition, MetadataResponseTopic},
            produce::{
                PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData,
                TopicProduceResponse,
            },
        },
        wire::{Reader, Records, Writer},
    },
    types::{Text, Uuid},
};

const ROUNDS: u32 = 15;

fn measure(name: &str, per_round: u32, mut operation: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..per_round {
            operation();
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(per_round));
    }
    println!("{name:<62}{best:>10.0} ns");
}

/// One topic; its name only in the versions that have it.
fn produce_request(partitions: u32, version: i16) -> ProduceRequest {
    let records = Bytes::from(vec![0x5a; 1100]);
    let partition = |index| PartitionProduceData { index, records: Some(records.clone()) };
    ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData {
            name: if version < 13 { Text::from_static("orders-of-the-day") } else { Text::default() },
            topic_id: Uuid([7; 16]),
            partition_data: (0..partitions as i32).map(partition).collect(),
        }],
        ..ProduceRequest::default()
    }
}

/// A request as a client sends it, without the length.
fn frame(message: &impl Message, key: ApiKey, version: i16) -> Bytes {
    let header = RequestHeader {
        request_api_key: key.code(),
        request_api_version: version,
        correlation_id: 1,
        client_id: Some(Text::from_static("producer-1")),
    };
    let mut writer = Writer::new(BytesMut::new());
    header.encode(&mut writer).unwrap();
    message.encode(&mut writer, version).unwrap();
    writer.finish().0.freeze()
}

/// Header, body, and the drop of both, from a frame that the network layer owns.
fn decode<M: Message>(frame: &Bytes) {
    let mut reader = Reader::new(frame.clone());
    let header = RequestHeader::decode(&mut reader).unwrap();
    black_box(M::decode(&mut reader, header.request_api_version).unwrap());
}

fn encode<M: Message>(buffer: &mut BytesMut, message: &M, version: i16) {
    buffer.clear();
    let mut writer = Writer::new(std::mem::take(buffer));
    ResponseHeader { correlation_id: 1 }.encode(&mut writer, api::served(M::API_KEY).unwrap(), version);
    message.encode(&mut writer, version).unwrap();
    let (bytes, cuts) = writer.finish();
    black_box((&bytes, cuts));
    *buffer = bytes;
}

fn produce() {
    for (version, partitions) in [(7, 1), (9, 1), (13, 1), (13, 100)] {
        let frame = frame(&produce_request(partitions, version), ApiKey::Produce, version);
        let name = format!("Produce v{version}, {partitions} partition(s): decode request");
        measure(&name, 200_000 / partitions, || decode::<ProduceRequest>(&frame));
    }
    let response = ProduceResponse {
        responses: vec![TopicProduceResponse {
            topic_id: Uuid([7; 16]),
            partition_responses: vec![PartitionProduceResponse::default()],
            ..TopicProduceResponse::default()
        }],
        ..ProduceResponse::default()
    };
    let mut buffer = BytesMut::with_capacity(256);
    measure("Produce v13, 1 partition(s): encode response", 200_000, || encode(&mut buffer, &response, 13));
}

fn fetch() {
    for partitions in [1, 100] {
        let wanted = |partition| FetchPartition { partition, ..FetchPartition::default() };
        let request = FetchRequest {
            topics: vec![FetchTopic {
                topic_id: Uuid([7; 16]),
                partitions: (0..partitions as i32).map(wanted).collect(),
                ..FetchTopic::default()
            }],
            ..FetchRequest::default()
        };
        let frame = frame(&request, ApiKey::Fetch, 17);
        let name = format!("Fetch v17, {partitions} partition(s): decode request");
        measure(&name, 200_000 / partitions, || decode::<FetchRequest>(&frame));

        let data = |partition_index| PartitionData {
            partition_index,
            records: Some(Records::Spliced(1_000_000)),
            ..PartitionData::default()
        };
        let response = FetchResponse {
            responses: vec![FetchableTopicResponse {
                topic_id: Uuid([7; 16]),
                partitions: (0..partitions as i32).map(data).collect(),
                ..FetchableTopicResponse::default()
            }],
            ..FetchResponse::default()
        };
        let mut buffer = BytesMut::with_capacity(8192);
        let name = format!("Fetch v17, {partitions} partition(s): encode response, records spliced");
        measure(&name, 200_000 / partitions, || encode(&mut buffer, &response, 17));
    }
}

fn metadata() {
    let partition =
        MetadataResponsePartition { replica_nodes: vec![1], isr_nodes: vec![1], ..MetadataResponsePartition::default() };
    let topic = |index| MetadataResponseTopic {
        name: Some(Text::from(format!("topic-{index}"))),
        partitions: vec![partition.clone(); 12],
        ..MetadataResponseTopic::default()
    };
    let response = MetadataResponse { topics: (0..100).map(topic).collect(), ..MetadataResponse::default() };
    let mut buffer = BytesMut::with_capacity(64 * 1024);
    measure("Metadata v12, 100 topics of 12: encode response", 1000, || encode(&mut buffer, &response, 12));
}

fn main() {
    produce();
    fetch();
    metadata();
}
