//! OffsetCommit (key 8), versions 2-10: a group's positions are stored.
//!
//! Behaviour: the answer comes when they are durable. Partitions that do not exist are answered here with
//! UNKNOWN_TOPIC_OR_PARTITION (unknown ids with UNKNOWN_TOPIC_ID) and do not keep the others from being stored.
//! Version notes: 10 names topics by id; the others are stored with the id that the name has now.

use std::rc::Rc;

use super::{Api, dispatch::Caller, groups};
use crate::{
    coordinator::{Answer, Call},
    metadata::ClusterImage,
    protocol::messages::offset_commit::{
        OffsetCommitRequest, OffsetCommitRequestTopic, OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
    },
    types::{ErrorCode, PartitionId},
};

/// First version that names topics by id only.
const VERSION_TOPIC_ID: i16 = 10;

/// Waits for the log.
pub(super) async fn handle(api: &Rc<Api>, caller: &Caller, body: OffsetCommitRequest) -> OffsetCommitResponse {
    let image = api.shard.image();
    let OffsetCommitRequest { group_id, topics, .. } = &body;
    let mut wanted = Vec::with_capacity(topics.len());
    let mut refused = Vec::new();
    for topic in topics {
        let (known, unknown) = sort_out(&image, topic, caller.version);
        wanted.extend(known);
        refused.extend(unknown);
    }
    if wanted.is_empty() {
        return OffsetCommitResponse { topics: refused, ..OffsetCommitResponse::default() };
    }
    let group_id = group_id.clone();
    let call = Call::Commit(OffsetCommitRequest { topics: wanted.clone(), ..body });
    let mut topics = match groups::ask(api, caller, &group_id, call).await {
        Answer::Commit(response) => response.topics,
        other => wanted.iter().map(|topic| refuse(topic, groups::refusal(&other))).collect(),
    };
    merge(&mut topics, refused);
    OffsetCommitResponse { topics, ..OffsetCommitResponse::default() }
}

/// The partitions of a topic that exist, with its name and id, and the answer for the others.
fn sort_out(
    image: &ClusterImage,
    topic: &OffsetCommitRequestTopic,
    version: i16,
) -> (Option<OffsetCommitRequestTopic>, Option<OffsetCommitResponseTopic>) {
    let by_id = version >= VERSION_TOPIC_ID;
    let found = if by_id { image.topic(topic.topic_id) } else { image.topic_by_name(&topic.name) };
    let Some(found) = found else {
        let error = if by_id { ErrorCode::UnknownTopicId } else { ErrorCode::UnknownTopicOrPartition };
        return (None, Some(refuse(topic, error)));
    };
    let exists = |index: i32| image.partition(PartitionId { topic_id: found.id, partition: index }).is_some();
    let (known, unknown): (Vec<_>, Vec<_>) = topic.partitions.iter().cloned().partition(|partition| exists(partition.partition_index));
    let part = |partitions| OffsetCommitRequestTopic { name: found.name.clone(), topic_id: found.id, partitions };
    let refused = (!unknown.is_empty()).then(|| refuse(&part(unknown), ErrorCode::UnknownTopicOrPartition));
    ((!known.is_empty()).then(|| part(known)), refused)
}

fn refuse(topic: &OffsetCommitRequestTopic, error: ErrorCode) -> OffsetCommitResponseTopic {
    let refuse = |index: i32| OffsetCommitResponsePartition { partition_index: index, error_code: error.code() };
    OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: topic.partitions.iter().map(|partition| refuse(partition.partition_index)).collect(),
    }
}

/// Adds what was refused here to what the coordinator answered, each topic once.
fn merge(topics: &mut Vec<OffsetCommitResponseTopic>, refused: Vec<OffsetCommitResponseTopic>) {
    for mut topic in refused {
        match topics.iter_mut().find(|known| known.name == topic.name && known.topic_id == topic.topic_id) {
            Some(known) => known.partitions.append(&mut topic.partitions),
            None => topics.push(topic),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        protocol::messages::offset_commit::OffsetCommitRequestPartition,
        types::{Text, Uuid},
    };

    #[test]
    fn what_does_not_exist_is_told_by_name_or_id() {
        let partition = |partition_index| OffsetCommitRequestPartition { partition_index, ..OffsetCommitRequestPartition::default() };
        let topic = OffsetCommitRequestTopic { name: Text::from_static("t"), topic_id: Uuid::ONE, partitions: vec![partition(0), partition(9)] };
        let told = |version| {
            let (known, refused) = sort_out(&ClusterImage::default(), &topic, version);
            (known.is_some(), refused.map(|refused| refused.partitions.iter().map(|one| one.error_code).collect::<Vec<_>>()))
        };
        assert_eq!(told(9), (false, Some(vec![3, 3])));
        assert_eq!(told(10), (false, Some(vec![100, 100])));
    }

    #[test]
    fn a_topic_stands_once_in_the_answer() {
        let topic = |partitions: &[i32]| OffsetCommitRequestTopic {
            name: Text::from_static("t"),
            partitions: partitions.iter().map(|index| OffsetCommitRequestPartition { partition_index: *index, ..Default::default() }).collect(),
            ..OffsetCommitRequestTopic::default()
        };
        let mut topics = vec![refuse(&topic(&[0]), ErrorCode::None)];
        merge(&mut topics, vec![refuse(&topic(&[1]), ErrorCode::UnknownTopicOrPartition)]);
        let codes: Vec<_> = topics.iter().flat_map(|topic| &topic.partitions).map(|one| (one.partition_index, one.error_code)).collect();
        assert_eq!((topics.len(), codes), (1, vec![(0, 0), (1, 3)]));
    }
}
