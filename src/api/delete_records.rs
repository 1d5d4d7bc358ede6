//! DeleteRecords (key 21), versions 0-2: moves the start of logs forward.
//!
//! Behaviour: -1 stands for the high watermark; an offset below the start changes nothing and is answered with the start.
//! Refused: offsets over the high watermark or below -1 (OFFSET_OUT_OF_RANGE), internal topics (INVALID_TOPIC_EXCEPTION),
//! topics that are only compacted (POLICY_VIOLATION). Of a partition named twice the last offset counts.
//! This node has every replica, so there is nothing to wait for and `timeout_ms` has no effect.

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
};

use super::{Api, dispatch::Caller};
use crate::{
    metadata::ClusterImage,
    partition::{LookUp, LookedUp, Refusal},
    protocol::messages::delete_records::{
        DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopicResult,
    },
    types::{ErrorCode, PartitionId, Text, is_internal_topic},
};

/// What stands for the high watermark.
const HIGH_WATERMARK: i64 = -1;

/// Answers when the logs have moved their start.
pub(super) async fn handle(api: &Rc<Api>, _caller: &Caller, body: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let image = api.shard.image();
    let topics = group(&body);
    let mut questions = Vec::new();
    let mut plan = Vec::with_capacity(topics.len());
    for (name, partitions) in topics {
        let is_compacted_only = || {
            let policy = api.shard.topic_config(&image, name).cleanup_policy;
            policy.compact && !policy.delete
        };
        let topic = topic_standing(&image, name, is_compacted_only);
        let mut results = Vec::with_capacity(partitions.len());
        for (partition, offset) in partitions {
            let exists = |id| image.partition(PartitionId { topic_id: id, partition }).is_some();
            let standing = match &topic {
                Standing::Missing => Err(ErrorCode::UnknownTopicOrPartition),
                Standing::There { id, .. } if !exists(*id) => Err(ErrorCode::UnknownTopicOrPartition),
                Standing::There { id, refusal } => match refusal {
                    Some(error) => Err(*error),
                    None => Ok(PartitionId { topic_id: *id, partition }),
                },
            };
            if let Ok(id) = standing {
                questions.push((id, LookUp::DeleteRecords { before: (offset != HIGH_WATERMARK).then_some(offset) }));
            }
            results.push((partition, standing.err()));
        }
        plan.push((name.clone(), results));
    }
    let mut answers = api.shard.look_up(questions).await.into_iter();
    let topics = plan.into_iter().map(|(name, partitions)| DeleteRecordsTopicResult {
        name,
        partitions: partitions
            .into_iter()
            .map(|(partition_index, refused)| {
                let low_watermark = refused.map_or_else(|| low_watermark(answers.next()), Err);
                DeleteRecordsPartitionResult {
                    partition_index,
                    low_watermark: low_watermark.unwrap_or(-1),
                    error_code: low_watermark.err().unwrap_or(ErrorCode::None).code(),
                }
            })
            .collect(),
    });
    DeleteRecordsResponse { throttle_time_ms: 0, topics: topics.collect() }
}

/// Whether records of a topic may be deleted.
#[derive(Debug, PartialEq)]
enum Standing {
    Missing,
    There { id: crate::types::Uuid, refusal: Option<ErrorCode> },
}

fn topic_standing(image: &ClusterImage, name: &str, is_compacted_only: impl FnOnce() -> bool) -> Standing {
    let Some(topic) = image.topic_by_name(name) else { return Standing::Missing };
    let refusal = if is_internal_topic(name) {
        Some(ErrorCode::InvalidTopicException)
    } else if is_compacted_only() {
        Some(ErrorCode::PolicyViolation)
    } else {
        None
    };
    Standing::There { id: topic.id, refusal }
}

/// Every topic once, in the order of the request, with the last offset of every partition. Topics without partitions are
/// left out.
fn group(body: &DeleteRecordsRequest) -> Vec<(&Text, BTreeMap<i32, i64>)> {
    let mut topics: Vec<(&Text, BTreeMap<i32, i64>)> = Vec::new();
    let mut place_of: HashMap<&Text, usize> = HashMap::new();
    for topic in body.topics.iter().filter(|topic| !topic.partitions.is_empty()) {
        let at = *place_of.entry(&topic.name).or_insert_with(|| {
            topics.push((&topic.name, BTreeMap::new()));
            topics.len() - 1
        });
        topics[at].1.extend(topic.partitions.iter().map(|partition| (partition.partition_index, partition.offset)));
    }
    topics
}

fn low_watermark(answer: Option<Result<LookedUp, Refusal>>) -> Result<i64, ErrorCode> {
    match answer {
        Some(Ok(LookedUp::LogStart(start))) => Ok(start.get()),
        Some(Err(refusal)) => Err(refusal.code),
        // Not an answer to this question: the shard that was asked is going down.
        Some(Ok(_)) | None => Err(ErrorCode::NotLeaderOrFollower),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        metadata::image::TopicImage,
        protocol::messages::delete_records::{DeleteRecordsPartition, DeleteRecordsTopic},
        types::{Offset, Uuid},
    };

    #[test]
    fn the_last_offset_of_a_partition_counts() {
        let topic = |name, partitions: &[(i32, i64)]| DeleteRecordsTopic {
            name: Text::from_static(name),
            partitions: partitions
                .iter()
                .map(|(partition_index, offset)| DeleteRecordsPartition { partition_index: *partition_index, offset: *offset })
                .collect(),
        };
        let body = DeleteRecordsRequest {
            topics: vec![topic("b", &[(1, 5), (0, 2)]), topic("a", &[]), topic("b", &[(1, 7)])],
            timeout_ms: 0,
        };
        assert_eq!(group(&body), [(&Text::from_static("b"), BTreeMap::from([(0, 2), (1, 7)]))]);
    }

    #[test]
    fn internal_and_compacted_topics_keep_their_records() {
        let mut image = ClusterImage::default();
        for (id, name) in [(1, "__consumer_offsets"), (2, "orders")] {
            let id = Uuid([id; 16]);
            let topic = TopicImage { id, name: Text::from_static(name), partitions: Default::default() };
            image.topics.insert(id, Arc::new(topic));
            image.topic_ids.insert(Text::from_static(name), id);
        }
        let refusal = |name, compacted| match topic_standing(&image, name, || compacted) {
            Standing::Missing => Some(ErrorCode::UnknownTopicOrPartition),
            Standing::There { refusal, .. } => refusal,
        };
        assert_eq!(refusal("nowhere", true), Some(ErrorCode::UnknownTopicOrPartition));
        assert_eq!(refusal("__consumer_offsets", false), Some(ErrorCode::InvalidTopicException));
        assert_eq!(refusal("orders", true), Some(ErrorCode::PolicyViolation));
        assert_eq!(refusal("orders", false), None);
    }

    #[test]
    fn refusals_become_codes() {
        assert_eq!(low_watermark(Some(Ok(LookedUp::LogStart(Offset::saturating(4))))), Ok(4));
        assert_eq!(low_watermark(Some(Err(Refusal::of(ErrorCode::OffsetOutOfRange)))), Err(ErrorCode::OffsetOutOfRange));
        assert_eq!(low_watermark(None), Err(ErrorCode::NotLeaderOrFollower));
    }
}
