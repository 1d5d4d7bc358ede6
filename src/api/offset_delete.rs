//! OffsetDelete (key 47), version 0: removes single positions of a group.
//!
//! Behaviour: topics that a member consumes keep their positions (GROUP_SUBSCRIBED_TO_TOPIC); topics and partitions that do
//! not exist are answered here with UNKNOWN_TOPIC_OR_PARTITION.

use std::rc::Rc;

use super::{
    Api,
    dispatch::Caller,
    groups::{self, check_group_id},
};
use crate::{
    coordinator::{Answer, Call},
    protocol::messages::offset_delete::{
        OffsetDeleteRequest, OffsetDeleteRequestTopic, OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
    },
    types::ErrorCode,
};

/// Answers when the positions cannot come back.
pub(super) async fn handle(api: &Rc<Api>, caller: &Caller, body: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let refused = |error: ErrorCode| OffsetDeleteResponse { error_code: error.code(), ..OffsetDeleteResponse::default() };
    if let Err(error) = check_group_id(&body.group_id) {
        return refused(error);
    }
    let image = api.shard.image();
    let OffsetDeleteRequest { group_id, topics } = body;
    let exists = |topic: &OffsetDeleteRequestTopic, partition: i32| {
        image.topic_by_name(&topic.name).is_some_and(|topic| topic.partitions.get(&partition).is_some())
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for topic in topics {
        let (there, missing): (Vec<_>, Vec<_>) =
            topic.partitions.iter().cloned().partition(|partition| exists(&topic, partition.partition_index));
        let part = |partitions| OffsetDeleteRequestTopic { name: topic.name.clone(), partitions };
        known.extend(Some(part(there)).filter(|part| !part.partitions.is_empty()));
        unknown.extend(Some(part(missing)).filter(|part| !part.partitions.is_empty()));
    }
    let call = Call::DeleteOffsets(OffsetDeleteRequest { group_id: group_id.clone(), topics: known });
    match groups::ask(api, caller, &group_id, call).await {
        Answer::DeletedOffsets(mut response) => {
            for topic in unknown.iter().map(missing) {
                match response.topics.iter_mut().find(|known| known.name == topic.name) {
                    Some(known) => known.partitions.extend(topic.partitions),
                    None => response.topics.push(topic),
                }
            }
            response
        }
        other => refused(groups::refusal(&other)),
    }
}

fn missing(topic: &OffsetDeleteRequestTopic) -> OffsetDeleteResponseTopic {
    let refuse = |partition_index: i32| OffsetDeleteResponsePartition {
        partition_index,
        error_code: ErrorCode::UnknownTopicOrPartition.code(),
    };
    OffsetDeleteResponseTopic {
        name: topic.name.clone(),
        partitions: topic.partitions.iter().map(|partition| refuse(partition.partition_index)).collect(),
    }
}
