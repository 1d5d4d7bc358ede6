//! OffsetCommit and OffsetFetch.

use super::{
    call::{Answer, Caller},
    machine::Coordinator,
    effects::Effects,
    group::Membership,
    offsets::Committed,
    settings::{GroupSettings, Now, World},
};
use crate::{
    protocol::messages::{
        offset_commit::{
            OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
        },
        offset_fetch::{
            OffsetFetchRequestGroup, OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
        },
    },
    types::{ErrorCode, Text, Uuid},
};

/// First version of OffsetCommit that says GROUP_ID_NOT_FOUND.
const VERSION_GROUP_NOT_FOUND: i16 = 9;
/// What a request without a retention time of its own says.
const RETENTION_DEFAULT: i64 = -1;
/// What stands for "no position".
const NO_POSITION: i64 = -1;

impl Coordinator {
    /// Stores positions.
    pub(super) fn commit(
        &mut self,
        request: &OffsetCommitRequest,
        caller: &Caller,
        world: World<'_>,
        effects: &mut Effects,
    ) -> Answer {
        let id = &request.group_id;
        let mut verdicts = match self.check_commit(request, caller, world, effects) {
            Ok(verdicts) => verdicts.into_iter(),
            Err(error) => return Answer::Refused(error),
        };
        let retention = Some(request.retention_time_ms).filter(|ms| *ms != RETENTION_DEFAULT);
        let expires_ms = retention.map(|ms| world.now.wall_ms.saturating_add(ms));
        effects.divisible = true;
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let committed = committed(partition, topic.topic_id, world.now, expires_ms);
                let verdict = verdicts.next().unwrap_or(Ok(()));
                let stored = verdict.and_then(|()| {
                    self.commit_one(id, &topic.name, partition.partition_index, committed, world.settings, effects)
                });
                let error_code = stored.err().unwrap_or(ErrorCode::None).code();
                partitions.push(OffsetCommitResponsePartition { partition_index: partition.partition_index, error_code });
            }
            topics.push(OffsetCommitResponseTopic { name: topic.name.clone(), topic_id: topic.topic_id, partitions });
        }
        Answer::Commit(OffsetCommitResponse { topics, ..OffsetCommitResponse::default() })
    }

    /// Whether a commit is taken; if so, the verdict on each partition in the order of the request, or none if all are taken.
    fn check_commit(
        &mut self,
        request: &OffsetCommitRequest,
        caller: &Caller,
        world: World<'_>,
        effects: &mut Effects,
    ) -> Result<Vec<Result<(), ErrorCode>>, ErrorCode> {
        let id = &request.group_id;
        match self.groups.get(id).map(|group| &group.membership) {
            Some(Membership::Classic(_)) => {
                let checked = self.on_classic(id, world, effects, |group, step| group.check_commit(request, step.now));
                checked.unwrap_or(Ok(())).map(|()| Vec::new())
            }
            Some(Membership::Consumer(group)) => {
                let check = group.check_commit(&request.member_id, request.generation_id_or_member_epoch, caller.version)?;
                let partitions = request.topics.iter().flat_map(|topic| {
                    topic.partitions.iter().map(|partition| check.partition(topic.topic_id, partition.partition_index))
                });
                Ok(partitions.collect())
            }
            // Whoever manages its partitions itself needs no group.
            None if request.generation_id_or_member_epoch < 0 => Ok(Vec::new()),
            None if caller.version >= VERSION_GROUP_NOT_FOUND => Err(ErrorCode::GroupIdNotFound),
            None => Err(ErrorCode::IllegalGeneration),
        }
    }

    fn commit_one(
        &mut self,
        id: &Text,
        topic: &Text,
        partition: i32,
        committed: Committed,
        settings: &GroupSettings,
        effects: &mut Effects,
    ) -> Result<(), ErrorCode> {
        // Java counts UTF-16 units.
        if committed.metadata.encode_utf16().count() > settings.offset_metadata_max_bytes {
            return Err(ErrorCode::OffsetMetadataTooLarge);
        }
        let record = committed.record(id, topic, partition).map_err(|_| ErrorCode::InvalidRequest)?;
        effects.records.push(record);
        self.group_or_new(id).offsets.put(topic, partition, committed);
        Ok(())
    }

    /// The positions of one group. A group that does not exist has none.
    pub(super) fn fetch(&self, request: &OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
        let group = self.groups.get(&request.group_id);
        if let Some(Membership::Consumer(consumer)) = group.map(|group| &group.membership)
            && let Err(error) = consumer.check_fetch(request.member_id.as_ref(), request.member_epoch)
        {
            return OffsetFetchResponseGroup { group_id: request.group_id.clone(), topics: Vec::new(), error_code: error.code() };
        }
        let offsets = group.map(|group| &group.offsets);
        let topics = match &request.topics {
            Some(topics) => topics
                .iter()
                .map(|topic| OffsetFetchResponseTopics {
                    name: topic.name.clone(),
                    topic_id: topic.topic_id,
                    partitions: topic
                        .partition_indexes
                        .iter()
                        .map(|index| {
                            let found = offsets.and_then(|offsets| offsets.get(&topic.name, *index));
                            // A topic that was made anew under its old name has no positions yet.
                            position(*index, found.filter(|found| same_topic(found, topic.topic_id)))
                        })
                        .collect(),
                })
                .collect(),
            None => offsets
                .into_iter()
                .flat_map(|offsets| offsets.topics())
                .map(|(name, partitions)| OffsetFetchResponseTopics {
                    name: name.clone(),
                    topic_id: Uuid::ZERO,
                    partitions: partitions.iter().map(|(index, committed)| position(*index, Some(committed))).collect(),
                })
                .collect(),
        };
        OffsetFetchResponseGroup { group_id: request.group_id.clone(), topics, error_code: ErrorCode::None.code() }
    }
}

fn committed(partition: &OffsetCommitRequestPartition, topic_id: Uuid, now: Now, expires_ms: Option<i64>) -> Committed {
    Committed {
        position: partition.committed_offset,
        leader_epoch: Some(partition.committed_leader_epoch).filter(|epoch| *epoch >= 0),
        metadata: partition.committed_metadata.as_ref().map(Text::detached).unwrap_or_default(),
        committed_ms: now.wall_ms,
        expires_ms,
        topic_id: Some(topic_id).filter(|id| !id.is_zero()),
    }
}

/// False if a position was committed for another topic of the same name.
fn same_topic(committed: &Committed, asked: Uuid) -> bool {
    asked.is_zero() || committed.topic_id.is_none_or(|known| known == asked)
}

fn position(partition_index: i32, committed: Option<&Committed>) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: committed.map_or(NO_POSITION, |committed| committed.position),
        committed_leader_epoch: committed.and_then(|committed| committed.leader_epoch).unwrap_or(-1),
        metadata: Some(committed.map(|committed| committed.metadata.clone()).unwrap_or_default()),
        error_code: ErrorCode::None.code(),
    }
}
