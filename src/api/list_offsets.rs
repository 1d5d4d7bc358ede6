//! ListOffsets (key 2), versions 1-11: offsets by time, and the special places of a log.
//!
//! Behaviour: a partition named more than once is refused with INVALID_REQUEST and answered once; everything else is asked
//! of the partitions, all shards at once. A time after the last record has no offset: -1, without an error. Who asks
//! (`replica_id`) makes no difference, as in Kafka; there are no transactions, so the last stable offset of
//! `read_committed` is the high watermark.
//! Version notes: 4 adds leader epochs; special timestamps exist from 7 (-3), 8 (-4), 9 (-5) and 11 (-6) on.

use std::{collections::HashMap, rc::Rc};

use super::{Api, dispatch::Caller};
use crate::{
    partition::{LookUp, LookedUp, OffsetSpec, Refusal},
    protocol::messages::list_offsets::{
        ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
    },
    types::{ErrorCode, PartitionId, Text},
};

/// First version with leader epochs.
const VERSION_LEADER_EPOCH: i16 = 4;

/// Answers; waits for partitions, which may read their disks.
pub(super) async fn handle(api: &Rc<Api>, caller: &Caller, body: ListOffsetsRequest) -> ListOffsetsResponse {
    if !matches!(body.isolation_level, 0 | 1) {
        return refusal(&body, ErrorCode::UnknownServerError);
    }
    let image = api.shard.image();
    let mut topics = group(&body);
    let mut questions = Vec::new();
    for topic in &mut topics {
        let id = image.topic_by_name(topic.name).map(|topic| topic.id);
        for asked in &mut topic.partitions {
            let partition = asked.partition;
            match (asked.answer, spec(partition.timestamp, caller.version)) {
                (Some(_), _) => {}
                (None, None) => asked.answer = Some(Err(ErrorCode::UnsupportedVersion)),
                (None, Some(spec)) => match id {
                    None => asked.answer = Some(Err(ErrorCode::UnknownTopicOrPartition)),
                    Some(topic_id) => {
                        let epoch = partition.current_leader_epoch;
                        let current_leader_epoch = (epoch != -1).then_some(epoch);
                        let id = PartitionId { topic_id, partition: partition.partition_index };
                        questions.push((id, LookUp::Offset { spec, current_leader_epoch }));
                    }
                },
            }
        }
    }
    let mut answers = api.shard.look_up(questions).await.into_iter();
    let topics = topics.into_iter().map(|topic| ListOffsetsTopicResponse {
        name: topic.name.clone(),
        partitions: topic
            .partitions
            .into_iter()
            .map(|asked| {
                let found = asked.answer.unwrap_or_else(|| found(answers.next()));
                partition_response(asked.partition.partition_index, found, caller.version)
            })
            .collect(),
    });
    ListOffsetsResponse { throttle_time_ms: 0, topics: topics.collect() }
}

/// What a partition answered: offset, timestamp and epoch as the wire has them.
type Found = Result<(i64, i64, i32), ErrorCode>;

struct Topic<'a> {
    name: &'a Text,
    partitions: Vec<Asked<'a>>,
}

struct Asked<'a> {
    partition: &'a ListOffsetsPartition,
    /// Known without asking the partition.
    answer: Option<Found>,
}

/// Every topic once, with every partition once, in the order in which they are named first. Topics without partitions
/// are left out.
fn group(body: &ListOffsetsRequest) -> Vec<Topic<'_>> {
    let mut topics: Vec<Topic<'_>> = Vec::new();
    let mut place_of_topic: HashMap<&Text, usize> = HashMap::new();
    let mut place_of_partition: HashMap<(usize, i32), usize> = HashMap::new();
    for named in body.topics.iter().filter(|topic| !topic.partitions.is_empty()) {
        let at = *place_of_topic.entry(&named.name).or_insert_with(|| {
            topics.push(Topic { name: &named.name, partitions: Vec::with_capacity(named.partitions.len()) });
            topics.len() - 1
        });
        let partitions = &mut topics[at].partitions;
        for partition in &named.partitions {
            match place_of_partition.get(&(at, partition.partition_index)) {
                Some(earlier) => partitions[*earlier].answer = Some(Err(ErrorCode::InvalidRequest)),
                None => {
                    place_of_partition.insert((at, partition.partition_index), partitions.len());
                    partitions.push(Asked { partition, answer: None });
                }
            }
        }
    }
    topics
}

/// What a timestamp asks for; `None` if the version does not know it.
fn spec(timestamp: i64, version: i16) -> Option<OffsetSpec> {
    let (spec, since) = match timestamp {
        0.. => (OffsetSpec::Timestamp(timestamp), 1),
        -1 => (OffsetSpec::Latest, 1),
        -2 => (OffsetSpec::Earliest, 1),
        -3 => (OffsetSpec::MaxTimestamp, 7),
        -4 => (OffsetSpec::EarliestLocal, 8),
        -5 => (OffsetSpec::LatestTiered, 9),
        -6 => (OffsetSpec::EarliestPendingUpload, 11),
        _ => return None,
    };
    (version >= since).then_some(spec)
}

fn found(answer: Option<Result<LookedUp, Refusal>>) -> Found {
    match answer {
        Some(Ok(LookedUp::Offset { offset, timestamp_ms, leader_epoch })) => {
            Ok((offset.map_or(-1, |offset| offset.get()), timestamp_ms.unwrap_or(-1), leader_epoch.unwrap_or(-1)))
        }
        Some(Err(refusal)) => Err(refusal.code),
        // Not an answer to this question: the shard that was asked is going down.
        Some(Ok(_)) | None => Err(ErrorCode::NotLeaderOrFollower),
    }
}

fn partition_response(partition_index: i32, found: Found, version: i16) -> ListOffsetsPartitionResponse {
    let empty = ListOffsetsPartitionResponse { partition_index, ..ListOffsetsPartitionResponse::default() };
    match found {
        Ok((offset, timestamp, leader_epoch)) => ListOffsetsPartitionResponse {
            offset,
            timestamp,
            leader_epoch: if version >= VERSION_LEADER_EPOCH { leader_epoch } else { -1 },
            ..empty
        },
        Err(error) => ListOffsetsPartitionResponse { error_code: error.code(), ..empty },
    }
}

/// The same error for everything that was asked.
fn refusal(body: &ListOffsetsRequest, error: ErrorCode) -> ListOffsetsResponse {
    let topics = body.topics.iter().map(|topic| ListOffsetsTopicResponse {
        name: topic.name.clone(),
        partitions: topic
            .partitions
            .iter()
            .map(|partition| partition_response(partition.partition_index, Err(error), 0))
            .collect(),
    });
    ListOffsetsResponse { throttle_time_ms: 0, topics: topics.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{protocol::messages::list_offsets::ListOffsetsTopic, types::Offset};

    #[test]
    fn special_timestamps_exist_from_their_version_on() {
        let cases = [(-3, 7, OffsetSpec::MaxTimestamp), (-4, 8, OffsetSpec::EarliestLocal), (-5, 9, OffsetSpec::LatestTiered)];
        for (timestamp, since, expected) in cases {
            assert_eq!(spec(timestamp, since - 1), None);
            assert_eq!(spec(timestamp, since), Some(expected));
        }
        assert_eq!(spec(-6, 10), None);
        assert_eq!(spec(-6, 11), Some(OffsetSpec::EarliestPendingUpload));
        assert_eq!(spec(-1, 1), Some(OffsetSpec::Latest));
        assert_eq!(spec(i64::MAX, 1), Some(OffsetSpec::Timestamp(i64::MAX)));
        assert_eq!(spec(-7, 11), None);
        assert_eq!(spec(i64::MIN, 11), None);
    }

    #[test]
    fn a_partition_named_twice_is_answered_once_with_an_error() {
        let partition = |partition_index| ListOffsetsPartition { partition_index, ..ListOffsetsPartition::default() };
        let topic = |name, partitions: &[i32]| ListOffsetsTopic {
            name: Text::from_static(name),
            partitions: partitions.iter().map(|index| partition(*index)).collect(),
        };
        let body = ListOffsetsRequest {
            topics: vec![topic("a", &[0, 1]), topic("none", &[]), topic("b", &[0]), topic("a", &[1, 2])],
            ..ListOffsetsRequest::default()
        };
        let grouped: Vec<_> = group(&body)
            .iter()
            .map(|topic| {
                let partitions = topic.partitions.iter();
                let partitions = partitions.map(|asked| (asked.partition.partition_index, asked.answer.is_some()));
                (topic.name.to_string(), partitions.collect::<Vec<_>>())
            })
            .collect();
        let expected = [("a".to_owned(), vec![(0, false), (1, true), (2, false)]), ("b".to_owned(), vec![(0, false)])];
        assert_eq!(grouped, expected);
    }

    #[test]
    fn old_versions_get_no_leader_epoch() {
        let offset = LookedUp::Offset { offset: Some(Offset::ZERO), timestamp_ms: None, leader_epoch: Some(3) };
        let found = found(Some(Ok(offset)));
        assert_eq!(found, Ok((0, -1, 3)));
        assert_eq!(partition_response(0, found, 3).leader_epoch, -1);
        assert_eq!(partition_response(0, found, 4).leader_epoch, 3);
        assert_eq!(partition_response(0, Err(ErrorCode::FencedLeaderEpoch), 4).offset, -1);
    }
}
