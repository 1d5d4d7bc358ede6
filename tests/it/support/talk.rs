//! The few conversations that most tests have with a broker, in the newest versions that go by name.

use std::time::{Duration, Instant};

use bytes::Bytes;
use corelog::{
    protocol::{
        messages::{
            create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse},
            delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse},
            fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic},
            init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
            list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic},
            metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseTopic},
            produce::{PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData},
        },
        wire,
    },
    record::{BatchBuilder, Batches, Records},
    types::{ProducerEpoch, ProducerId, Text},
};

use super::Wire;

/// A record as a consumer sees it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Consumed {
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
}

/// Makes a topic and waits until all its partitions have leaders.
pub(crate) fn create_topic(wire: &mut Wire, name: &str, partitions: i32, configs: &[(&str, &str)]) {
    make_topic(wire, name, partitions, configs);
    let deadline = Instant::now() + Duration::from_secs(30);
    while leaders(wire, name) != usize::try_from(partitions).unwrap() {
        assert!(Instant::now() < deadline, "{name} does not get its leaders");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Makes a topic and waits for nothing but the answer.
pub(crate) fn make_topic(wire: &mut Wire, name: &str, partitions: i32, configs: &[(&str, &str)]) {
    let configs = configs.iter().map(|(key, value)| CreatableTopicConfig { name: Text::from(*key), value: Some(Text::from(*value)) });
    let topic = CreatableTopic {
        name: Text::from(name),
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs.collect(),
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false };
    let answer: CreateTopicsResponse = wire.call(&request, 7);
    assert_eq!(answer.topics[0].error_code, 0, "{answer:?}");
}

/// Deletes a topic.
pub(crate) fn delete_topic(wire: &mut Wire, name: &str) {
    let topics = vec![DeleteTopicState { name: Some(Text::from(name)), ..DeleteTopicState::default() }];
    let request = DeleteTopicsRequest { topics, timeout_ms: 10_000, ..DeleteTopicsRequest::default() };
    let answer: DeleteTopicsResponse = wire.call(&request, 6);
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
}

/// Partitions of a topic that have a leader; 0 if it is not there.
pub(crate) fn leaders(wire: &mut Wire, topic: &str) -> usize {
    describe_topic(wire, topic).partitions.iter().filter(|partition| partition.error_code == 0 && partition.leader_id >= 0).count()
}

/// What Metadata says of a topic.
pub(crate) fn describe_topic(wire: &mut Wire, topic: &str) -> MetadataResponseTopic {
    let topic = MetadataRequestTopic { name: Some(Text::from(topic)), ..MetadataRequestTopic::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: false, ..MetadataRequest::default() };
    let mut answer: MetadataResponse = wire.call(&request, 12);
    answer.topics.remove(0)
}

/// Names and partition counts of all topics.
pub(crate) fn topics(wire: &mut Wire) -> Vec<(String, i32)> {
    let answer: MetadataResponse = wire.call(&MetadataRequest { topics: None, ..MetadataRequest::default() }, 12);
    let count = |topic: &MetadataResponseTopic| i32::try_from(topic.partitions.len()).unwrap();
    let mut topics: Vec<_> = answer.topics.iter().map(|topic| (topic.name.clone().unwrap().to_string(), count(topic))).collect();
    topics.sort();
    topics
}

/// A batch of these values, with the current time.
pub(crate) fn batch_of(values: &[&[u8]]) -> Bytes {
    let mut builder = BatchBuilder::new();
    for value in values {
        builder.push(now_ms(), None, Some(value), &[]);
    }
    builder.build().unwrap()
}

/// A batch of an idempotent producer.
pub(crate) fn idempotent_batch(producer: (i64, i16), sequence: i32, values: &[Vec<u8>]) -> Bytes {
    let mut builder = BatchBuilder::new().producer(ProducerId(producer.0), ProducerEpoch(producer.1), Some(sequence));
    for value in values {
        builder.push(now_ms(), None, Some(value), &[]);
    }
    builder.build().unwrap()
}

pub(crate) fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// A request that writes batches to partitions of one topic.
pub(crate) fn produce_request(topic: &str, acks: i16, batches: Vec<(i32, Bytes)>) -> ProduceRequest {
    let partition_data = batches.into_iter().map(|(index, batch)| PartitionProduceData { index, records: Some(batch) }).collect();
    ProduceRequest {
        transactional_id: None,
        acks,
        timeout_ms: 30_000,
        topic_data: vec![TopicProduceData { name: Text::from(topic), partition_data, ..TopicProduceData::default() }],
    }
}

/// Version of Produce that [`produce`] speaks.
pub(crate) const PRODUCE_VERSION: i16 = 9;

/// What a client tries again: unknown partition, no leader, not the leader, the coordinator loads.
const TRY_AGAIN: &[i16] = &[3, 5, 6, 14];
/// How long it is tried.
const TRY_FOR: Duration = Duration::from_secs(10);

/// Calls `attempt` until its error is none to try again. A partition may be known a moment before it is led.
pub(crate) fn insist<T>(mut attempt: impl FnMut() -> (i16, T)) -> T {
    let deadline = Instant::now() + TRY_FOR;
    loop {
        let (error, answer) = attempt();
        if !TRY_AGAIN.contains(&error) || Instant::now() > deadline {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Writes a batch with acks=all; its base offset, or the whole answer of the partition if it was refused.
pub(crate) fn produce(wire: &mut Wire, topic: &str, partition: i32, batch: Bytes) -> Result<i64, PartitionProduceResponse> {
    let answer = insist(|| {
        let mut answer: ProduceResponse = wire.call(&produce_request(topic, -1, vec![(partition, batch.clone())]), PRODUCE_VERSION);
        let answer = answer.responses.remove(0).partition_responses.remove(0);
        (answer.error_code, answer)
    });
    if answer.error_code == 0 { Ok(answer.base_offset) } else { Err(answer) }
}

/// A new producer id with its epoch.
pub(crate) fn producer_id(wire: &mut Wire) -> (i64, i16) {
    let request = InitProducerIdRequest { transaction_timeout_ms: 60_000, ..InitProducerIdRequest::default() };
    let answer = insist(|| {
        let answer: InitProducerIdResponse = wire.call(&request, 4);
        (answer.error_code, answer)
    });
    assert_eq!(answer.error_code, 0, "{answer:?}");
    (answer.producer_id, answer.producer_epoch)
}

/// The offset for a timestamp, or for -1 (end) and -2 (start).
pub(crate) fn list_offset(wire: &mut Wire, topic: &str, partition: i32, timestamp: i64) -> i64 {
    let partitions = vec![ListOffsetsPartition { partition_index: partition, timestamp, ..ListOffsetsPartition::default() }];
    let topics = vec![ListOffsetsTopic { name: Text::from(topic), partitions }];
    let request = ListOffsetsRequest { replica_id: -1, topics, ..ListOffsetsRequest::default() };
    let answer = insist(|| {
        let answer: ListOffsetsResponse = wire.call(&request, 7);
        (answer.topics[0].partitions[0].error_code, answer)
    });
    let answer = &answer.topics[0].partitions[0];
    assert_eq!(answer.error_code, 0, "{topic}-{partition}: {answer:?}");
    answer.offset
}

/// A request for one partition.
pub(crate) fn fetch_request(topic: &str, partition: i32, offset: i64, max_bytes: i32) -> FetchRequest {
    let partitions =
        vec![FetchPartition { partition, fetch_offset: offset, partition_max_bytes: max_bytes, ..FetchPartition::default() }];
    FetchRequest {
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes,
        topics: vec![FetchTopic { topic: Text::from(topic), partitions, ..FetchTopic::default() }],
        ..FetchRequest::default()
    }
}

/// Version of Fetch that [`fetch`] speaks.
pub(crate) const FETCH_VERSION: i16 = 12;

/// Reads the records of a partition from `offset` up to `end`, and fails on gaps, repeats and damage.
pub(crate) fn read(wire: &mut Wire, topic: &str, partition: i32, offset: i64, end: i64) -> Vec<Consumed> {
    let mut found = Vec::new();
    let mut next = offset;
    while next < end {
        let mut answer: FetchResponse = wire.call(&fetch_request(topic, partition, next, 8 << 20), FETCH_VERSION);
        let data = answer.responses.remove(0).partitions.remove(0);
        assert_eq!((answer.error_code, data.error_code), (0, 0), "{topic}-{partition} at {next}");
        let Some(wire::Records::Bytes(bytes)) = data.records else {
            panic!("{topic}-{partition} has nothing at {next} of {end}, high watermark {}", data.high_watermark)
        };
        let before = next;
        for batch in Batches::new(&bytes) {
            // The last batch may be cut off.
            let Ok(batch) = batch else { break };
            batch.verify().unwrap_or_else(|error| panic!("{topic}-{partition} at {next}: {error}"));
            assert!(batch.header.base_offset.get() <= next, "{topic}-{partition}: a gap from {next} to {}", batch.header.base_offset);
            for record in Records::open(batch.bytes, 64 << 20).unwrap().iter() {
                let record = record.unwrap();
                if record.offset.get() < next {
                    continue;
                }
                assert_eq!(record.offset.get(), next, "{topic}-{partition}: offsets rise by one");
                let [key, value] = [record.key, record.value].map(|bytes| bytes.map(<[u8]>::to_vec));
                found.push(Consumed { offset: next, key, value });
                next += 1;
            }
        }
        assert!(next > before, "{topic}-{partition}: a fetch at {before} brought no whole batch");
    }
    found
}
