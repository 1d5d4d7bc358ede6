//! OffsetForLeaderEpoch (key 23), versions 2-4: where the records of a leader end.
//!
//! Behaviour: consumers ask after a change of leader whether what they read is still there (KIP-320). The answer is the
//! largest epoch up to the one asked for, with its end; -1 and -1 without an error where the log knows none. Everything is
//! answered in the order of the request, also what is named twice. Who asks (`replica_id`) makes no difference.

use std::rc::Rc;

use super::{Api, dispatch::Caller};
use crate::{
    partition::{LookUp, LookedUp, Refusal},
    protocol::messages::offset_for_leader_epoch::{
        EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
    },
    types::{ErrorCode, PartitionId},
};

/// Answers from the epochs that the partitions know.
pub(super) async fn handle(
    api: &Rc<Api>,
    _caller: &Caller,
    body: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let image = api.shard.image();
    let mut questions = Vec::new();
    for topic in &body.topics {
        let Some(known) = image.topic_by_name(&topic.topic) else { continue };
        questions.extend(topic.partitions.iter().map(|asked| {
            let current = asked.current_leader_epoch;
            let question = LookUp::EpochEnd { epoch: asked.leader_epoch, current_leader_epoch: (current != -1).then_some(current) };
            (PartitionId { topic_id: known.id, partition: asked.partition }, question)
        }));
    }
    let mut answers = api.shard.look_up(questions).await.into_iter();
    let topics = body.topics.into_iter().map(|topic| {
        let is_known = image.topic_by_name(&topic.topic).is_some();
        let partitions = topic.partitions.iter().map(|asked| {
            let unknown = || Some(Err(Refusal::of(ErrorCode::UnknownTopicOrPartition)));
            let answer = if is_known { answers.next() } else { unknown() };
            end_offset(asked.partition, answer)
        });
        OffsetForLeaderTopicResult { partitions: partitions.collect(), topic: topic.topic }
    });
    OffsetForLeaderEpochResponse { throttle_time_ms: 0, topics: topics.collect() }
}

fn end_offset(partition: i32, answer: Option<Result<LookedUp, Refusal>>) -> EpochEndOffset {
    let empty = EpochEndOffset { partition, ..EpochEndOffset::default() };
    match answer {
        Some(Ok(LookedUp::EpochEnd(Some((leader_epoch, end))))) => {
            EpochEndOffset { leader_epoch, end_offset: end.get(), ..empty }
        }
        Some(Ok(LookedUp::EpochEnd(None))) => empty,
        Some(Err(refusal)) => EpochEndOffset { error_code: refusal.code.code(), ..empty },
        // Not an answer to this question: the shard that was asked is going down.
        Some(Ok(_)) | None => EpochEndOffset { error_code: ErrorCode::NotLeaderOrFollower.code(), ..empty },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Offset;

    #[test]
    fn an_unknown_epoch_is_no_error() {
        let found = end_offset(3, Some(Ok(LookedUp::EpochEnd(Some((2, Offset::saturating(10)))))));
        assert_eq!((found.partition, found.error_code, found.leader_epoch, found.end_offset), (3, 0, 2, 10));
        let unknown = end_offset(3, Some(Ok(LookedUp::EpochEnd(None))));
        assert_eq!((unknown.error_code, unknown.leader_epoch, unknown.end_offset), (0, -1, -1));
        let fenced = end_offset(3, Some(Err(Refusal::of(ErrorCode::FencedLeaderEpoch))));
        assert_eq!((fenced.error_code, fenced.leader_epoch, fenced.end_offset), (74, -1, -1));
    }
}
