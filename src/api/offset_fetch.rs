//! OffsetFetch (key 9), versions 1-10: the positions that groups committed.
//!
//! Behaviour: -1 where there is none, whether the topic exists or not. Only what is durable is told. There are no
//! transactions yet, so every offset is stable.
//! Version notes: before 2 an error stands at each partition; before 8 there is one group; 10 names topics by id, answers
//! UNKNOWN_TOPIC_ID for those that do not exist, and leaves them out where all are asked for.

use std::rc::Rc;

use super::{Api, dispatch::Caller, groups};
use crate::{
    coordinator::{Answer, Call},
    metadata::ClusterImage,
    protocol::messages::offset_fetch::{
        OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse, OffsetFetchResponseGroup,
        OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
    },
    types::{ErrorCode, Text, Uuid},
};

/// First version with an error for the whole.
const VERSION_ERROR: i16 = 2;
/// First version with many groups.
const VERSION_GROUPS: i16 = 8;
/// First version that names topics by id only.
const VERSION_TOPIC_ID: i16 = 10;

/// Answers when all is durable that the coordinators knew.
pub(super) async fn handle(api: &Rc<Api>, caller: &Caller, body: OffsetFetchRequest) -> OffsetFetchResponse {
    if caller.version >= VERSION_GROUPS {
        let mut groups = Vec::with_capacity(body.groups.len());
        for group in body.groups {
            groups.push(fetch(api, caller, group, body.require_stable).await);
        }
        return OffsetFetchResponse { groups, ..OffsetFetchResponse::default() };
    }
    let topics = body.topics.map(|topics| {
        let topics = topics.into_iter();
        let topics = topics.map(|topic| OffsetFetchRequestTopics {
            name: topic.name,
            topic_id: Uuid::ZERO,
            partition_indexes: topic.partition_indexes,
        });
        topics.collect()
    });
    let group = OffsetFetchRequestGroup { group_id: body.group_id, member_id: None, member_epoch: -1, topics };
    let asked = group.clone();
    single(&asked, fetch(api, caller, group, body.require_stable).await, caller.version)
}

async fn fetch(api: &Rc<Api>, caller: &Caller, mut group: OffsetFetchRequestGroup, require_stable: bool) -> OffsetFetchResponseGroup {
    let image = api.shard.image();
    let by_id = caller.version >= VERSION_TOPIC_ID;
    let mut refused = Vec::new();
    if let Some(topics) = &mut group.topics {
        refused = resolve(&image, topics, by_id);
    }
    let group_id = group.group_id.clone();
    let answer = groups::ask(api, caller, &group_id, Call::Fetch { group, require_stable }).await;
    let mut response = match answer {
        Answer::Fetch(response) => response,
        other => {
            let error_code = groups::refusal(&other).code();
            return OffsetFetchResponseGroup { group_id, topics: Vec::new(), error_code };
        }
    };
    if by_id {
        name_by_id(&image, &mut response.topics);
    }
    response.topics.append(&mut refused);
    response
}

/// Gives every topic its name and its id. Takes out those whose id is not known, and gives the answer for them.
fn resolve(image: &ClusterImage, topics: &mut Vec<OffsetFetchRequestTopics>, by_id: bool) -> Vec<OffsetFetchResponseTopics> {
    let mut refused = Vec::new();
    topics.retain_mut(|topic| {
        if !by_id {
            topic.topic_id = image.topic_by_name(&topic.name).map_or(Uuid::ZERO, |found| found.id);
            return true;
        }
        match image.topic(topic.topic_id) {
            Some(found) => {
                topic.name = found.name.clone();
                true
            }
            None => {
                refused.push(refuse(topic, ErrorCode::UnknownTopicId));
                false
            }
        }
    });
    refused
}

/// Gives the topics of an answer to "all" their ids; those that do not exist any more cannot be named.
fn name_by_id(image: &ClusterImage, topics: &mut Vec<OffsetFetchResponseTopics>) {
    topics.retain_mut(|topic| {
        if topic.topic_id.is_zero() {
            topic.topic_id = image.topic_by_name(&topic.name).map_or(Uuid::ZERO, |found| found.id);
        }
        !topic.topic_id.is_zero()
    });
}

fn refuse(topic: &OffsetFetchRequestTopics, error: ErrorCode) -> OffsetFetchResponseTopics {
    let refuse = |index: i32| OffsetFetchResponsePartitions {
        partition_index: index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some(Text::default()),
        error_code: error.code(),
    };
    OffsetFetchResponseTopics {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic.partition_indexes.iter().map(|index| refuse(*index)).collect(),
    }
}

/// The answer of one group in the form of before version 8.
fn single(asked: &OffsetFetchRequestGroup, group: OffsetFetchResponseGroup, version: i16) -> OffsetFetchResponse {
    let OffsetFetchResponseGroup { mut topics, error_code, .. } = group;
    if version < VERSION_ERROR && error_code != ErrorCode::None.code() {
        let error = ErrorCode::from_code(error_code).unwrap_or(ErrorCode::UnknownServerError);
        topics = asked.topics.iter().flatten().map(|topic| refuse(topic, error)).collect();
    }
    let topics = topics.into_iter().map(|topic| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic
            .partitions
            .into_iter()
            .map(|partition| OffsetFetchResponsePartition {
                partition_index: partition.partition_index,
                committed_offset: partition.committed_offset,
                committed_leader_epoch: partition.committed_leader_epoch,
                metadata: partition.metadata,
                error_code: partition.error_code,
            })
            .collect(),
    });
    let error_code = if version < VERSION_ERROR { ErrorCode::None.code() } else { error_code };
    OffsetFetchResponse { topics: topics.collect(), error_code, ..OffsetFetchResponse::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_version_has_errors_at_partitions_only() {
        let topic = OffsetFetchRequestTopics { name: Text::from_static("t"), topic_id: Uuid::ZERO, partition_indexes: vec![3] };
        let asked = OffsetFetchRequestGroup { topics: Some(vec![topic]), ..OffsetFetchRequestGroup::default() };
        let group = || OffsetFetchResponseGroup { error_code: ErrorCode::NotCoordinator.code(), ..OffsetFetchResponseGroup::default() };
        let oldest = single(&asked, group(), 1);
        assert_eq!((oldest.error_code, oldest.topics[0].partitions[0].error_code, oldest.topics[0].partitions[0].committed_offset), (0, 16, -1));
        let newer = single(&asked, group(), 7);
        assert_eq!((newer.error_code, newer.topics.len()), (16, 0));
    }

    #[test]
    fn unknown_ids_are_answered_without_asking() {
        let topic = OffsetFetchRequestTopics { name: Text::default(), topic_id: Uuid::ONE, partition_indexes: vec![0] };
        let mut topics = vec![topic];
        let refused = resolve(&ClusterImage::default(), &mut topics, true);
        assert_eq!((topics.len(), refused[0].partitions[0].error_code, refused[0].topic_id), (0, 100, Uuid::ONE));
    }
}
