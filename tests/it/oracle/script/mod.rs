//! What both brokers are asked, in order. Each part makes the topics it needs, so that parts do not depend on each other.

mod cluster;
mod configs;
mod consumer_groups;
mod fetch;
mod garbage;
mod group_offsets;
mod groups;
mod handshake;
mod idempotence;
mod offsets;
mod produce;
mod topics;

use std::time::{Duration, Instant};

use bytes::Bytes;
use corelog::{
    protocol::{
        Message, api,
        messages::{
            create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse},
            metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse},
            produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData},
        },
    },
    record::BatchBuilder,
    types::{Text, Uuid},
};

use super::transcript::{Entry, Side};

/// Asks everything.
pub(super) fn run(mut side: Side) -> Vec<Entry> {
    let started = Instant::now();
    for part in [
        handshake::ask,
        topics::ask,
        configs::ask,
        cluster::ask,
        produce::ask,
        idempotence::ask,
        fetch::ask,
        offsets::ask,
        topics::ask_removal,
        groups::ask,
        consumer_groups::ask,
        garbage::ask,
    ] {
        part(&mut side);
    }
    eprintln!("{} was asked for {:?}", side.name, started.elapsed());
    side.finish()
}

/// The versions of an API that both sides are asked in.
fn versions<M: Message>() -> std::ops::RangeInclusive<i16> {
    api::served(M::API_KEY).expect("a test asks what is served").versions.clone()
}

/// The newest of them.
fn newest<M: Message>() -> i16 {
    *versions::<M>().end()
}

fn text(text: &str) -> Text {
    Text::from(text)
}

fn some(text: &str) -> Option<Text> {
    Some(Text::from(text))
}

impl Side {
    /// Makes a topic and waits until its partitions have leaders; returns its id.
    fn make_topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Uuid {
        let topic = CreatableTopic {
            name: text(name),
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs.iter().map(|(key, value)| CreatableTopicConfig { name: text(key), value: some(value) }).collect(),
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() };
        let answer: CreateTopicsResponse = self.quietly(&request, 7).expect("an answer to CreateTopics");
        assert_eq!(answer.topics[0].error_code, 0, "{}: {answer:?}", self.name);
        self.await_topic(name, partitions);
        self.settle();
        answer.topics[0].topic_id
    }

    /// Waits until the broker that is asked knows so many partitions with leaders; it may learn later than it answers.
    fn await_topic(&mut self, name: &str, partitions: i32) {
        let topic = MetadataRequestTopic { name: some(name), ..MetadataRequestTopic::default() };
        let request = MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: false, ..MetadataRequest::default() };
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            let answer: MetadataResponse = self.quietly(&request, 9).expect("an answer to Metadata");
            let ready = answer.topics[0].partitions.iter().filter(|partition| partition.leader_id >= 0).count();
            if ready == usize::try_from(partitions).unwrap() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("{}: topic {name} does not get {partitions} partitions", self.name);
    }

    /// The id of a topic.
    fn topic_id(&mut self, name: &str) -> Uuid {
        let topic = MetadataRequestTopic { name: some(name), ..MetadataRequestTopic::default() };
        let request = MetadataRequest { topics: Some(vec![topic]), allow_auto_topic_creation: false, ..MetadataRequest::default() };
        let answer: MetadataResponse = self.quietly(&request, 12).expect("an answer to Metadata");
        answer.topics[0].topic_id
    }

    /// Gives a change of metadata the time to arrive where it is asked for.
    #[expect(clippy::unused_self, reason = "reads as what the side does")]
    fn settle(&self) {
        std::thread::sleep(Duration::from_millis(150));
    }

    /// Writes a batch that must be accepted, without keeping the answer. A leader may be known a moment before it leads.
    fn write(&mut self, topic: &str, partition: i32, batch: Bytes) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let answer: ProduceResponse = self.quietly(&produce(topic, partition, batch.clone()), 9).expect("an answer to Produce");
            let answer = &answer.responses[0].partition_responses[0];
            match answer.error_code {
                0 => return,
                3 | 6 if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                _ => panic!("{}: {answer:?}", self.name),
            }
        }
    }
}

/// A request that writes one batch with acks=all.
fn produce(topic: &str, partition: i32, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData { index: partition, records: Some(batch) };
    let topic = TopicProduceData { name: text(topic), partition_data: vec![data], ..TopicProduceData::default() };
    ProduceRequest { acks: -1, timeout_ms: 10_000, topic_data: vec![topic], ..ProduceRequest::default() }
}

/// A batch of records whose timestamps rise by a second from `first_ms`.
fn batch(first_ms: i64, count: i64) -> Bytes {
    filled(BatchBuilder::new(), first_ms, count)
}

/// Such records in a batch that is started by the caller.
fn filled(mut builder: BatchBuilder, first_ms: i64, count: i64) -> Bytes {
    for at in 0..count {
        let value = format!("value {at} ").repeat(5);
        builder.push(first_ms + 1000 * at, Some(format!("key {at}").as_bytes()), Some(value.as_bytes()), &[(b"h", None)]);
    }
    builder.build().unwrap()
}
