//! DescribeProducers (key 61), version 0: the idempotent producers that partitions remember (KIP-664).
//!
//! Behaviour: everything is answered in the order of the request, also what is named twice; each partition is asked once.
//! An answer holds at most [`PRODUCERS_MAX`] producers; partitions after that are refused. There are no transactions yet:
//! no producer has a coordinator epoch or an open transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{Api, dispatch::Caller, view};
use crate::{
    metadata::ClusterImage,
    partition::{LookUp, LookedUp, ProducerListing, Refusal},
    protocol::messages::describe_producers::{
        DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
    },
    types::{ErrorCode, PartitionId, Text},
};

/// Producers in one answer: about 40 MiB. A partition that is named a thousand times must not fill the memory.
const PRODUCERS_MAX: usize = 1_000_000;

/// What the partitions said.
type Answers = BTreeMap<PartitionId, Result<LookedUp, Refusal>>;

/// Answers when the partitions have.
pub(super) async fn handle(api: &Rc<Api>, _caller: &Caller, body: DescribeProducersRequest) -> DescribeProducersResponse {
    let image = api.shard.image();
    let mut wanted = BTreeSet::new();
    for topic in &body.topics {
        let Some(known) = image.topic_by_name(&topic.name) else { continue };
        wanted.extend(topic.partition_indexes.iter().map(|partition| PartitionId { topic_id: known.id, partition: *partition }));
    }
    wanted.retain(|id| image.partition(*id).is_some());
    let questions = wanted.iter().map(|id| (*id, LookUp::Producers)).collect();
    let answers: Answers = wanted.into_iter().zip(api.shard.look_up(questions).await).collect();
    let mut left = PRODUCERS_MAX;
    let topics = body.topics.into_iter().map(|topic| TopicResponse {
        partitions: describe(&image, &topic.name, &topic.partition_indexes, &answers, &mut left),
        name: topic.name,
    });
    DescribeProducersResponse { throttle_time_ms: 0, topics: topics.collect() }
}

fn describe(
    image: &ClusterImage,
    name: &str,
    partitions: &[i32],
    answers: &Answers,
    left: &mut usize,
) -> Vec<PartitionResponse> {
    let refuse = |partition_index, error: ErrorCode, message: Option<String>| PartitionResponse {
        partition_index,
        error_code: error.code(),
        error_message: message.map(Text::from),
        active_producers: Vec::new(),
    };
    let topic = match (image.topic_by_name(name), view::invalid_topic_message(name)) {
        (_, Some(message)) => Err((ErrorCode::InvalidTopicException, message)),
        (None, None) => {
            Err((ErrorCode::UnknownTopicOrPartition, "This server does not host this topic-partition.".to_owned()))
        }
        (Some(topic), None) => Ok(topic.id),
    };
    let describe = |partition: &i32| {
        let topic_id = match &topic {
            Ok(id) => *id,
            Err((error, message)) => return refuse(*partition, *error, Some(message.clone())),
        };
        match answers.get(&PartitionId { topic_id, partition: *partition }) {
            None => refuse(*partition, ErrorCode::UnknownTopicOrPartition, None),
            Some(Ok(LookedUp::Producers(producers))) if producers.len() > *left => {
                let message = format!("The answer is full: it holds at most {PRODUCERS_MAX} producers; ask for fewer partitions.");
                refuse(*partition, ErrorCode::InvalidRequest, Some(message))
            }
            Some(Ok(LookedUp::Producers(producers))) => {
                *left -= producers.len();
                PartitionResponse {
                    partition_index: *partition,
                    active_producers: producers.iter().map(state).collect(),
                    ..PartitionResponse::default()
                }
            }
            Some(Err(refusal)) => refuse(*partition, refusal.code, refusal.message.clone()),
            // Not an answer to this question: the shard that was asked is going down.
            Some(Ok(_)) => refuse(*partition, ErrorCode::NotLeaderOrFollower, None),
        }
    };
    partitions.iter().map(describe).collect()
}

fn state(producer: &ProducerListing) -> ProducerState {
    ProducerState {
        producer_id: producer.producer_id.get(),
        producer_epoch: i32::from(producer.producer_epoch.get()),
        last_sequence: producer.last_sequence.unwrap_or(-1),
        last_timestamp: producer.last_timestamp_ms,
        coordinator_epoch: -1,
        current_txn_start_offset: -1,
    }
}
