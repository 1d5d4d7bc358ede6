//! Members of consumer groups that speak the protocol plainly: one connection, one request at a time, no thread of their own.
//!
//! A test decides when they join, heartbeat, read, commit, leave, or simply fall silent. Both protocols are here: [`Classic`],
//! where the members assign partitions among themselves, and [`Modern`] (KIP-848), where the broker does.

pub(crate) mod assemble;
mod classic;
pub(crate) mod modern;
mod reader;

use std::collections::{BTreeMap, BTreeSet};

use corelog::{
    protocol::messages::{
        find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse},
        offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse},
        offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse},
    },
    types::Text,
};

pub(crate) use classic::{Classic, assignment, subscription};
pub(crate) use modern::Modern;
pub(crate) use reader::{Reader, Run};

use super::{Wire, talk, wire::NoAnswer};

/// Partitions of the one topic that a member reads.
pub(crate) type Partitions = BTreeSet<i32>;

/// Error codes that members act on.
pub(crate) mod code {
    pub(crate) const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
    pub(crate) const COORDINATOR_NOT_AVAILABLE: i16 = 15;
    pub(crate) const NOT_COORDINATOR: i16 = 16;
    pub(crate) const ILLEGAL_GENERATION: i16 = 22;
    pub(crate) const UNKNOWN_MEMBER_ID: i16 = 25;
    pub(crate) const REBALANCE_IN_PROGRESS: i16 = 27;
    pub(crate) const MEMBER_ID_REQUIRED: i16 = 79;
    pub(crate) const FENCED_MEMBER_EPOCH: i16 = 110;
    pub(crate) const STALE_MEMBER_EPOCH: i16 = 113;
}

/// What passes by itself: the coordinator loads, moves, or is being made.
pub(crate) fn passes(error: i16) -> bool {
    matches!(error, code::COORDINATOR_LOAD_IN_PROGRESS | code::COORDINATOR_NOT_AVAILABLE | code::NOT_COORDINATOR)
}

/// Waits until the group's coordinator answers; the first group of a broker makes `__consumer_offsets`.
pub(crate) fn await_coordinator(wire: &mut Wire, group: &str) {
    let request = FindCoordinatorRequest { coordinator_keys: vec![Text::from(group)], ..FindCoordinatorRequest::default() };
    let error = talk::insist(|| {
        let mut answer: FindCoordinatorResponse = wire.call(&request, 4);
        let error = answer.coordinators.remove(0).error_code;
        // `insist` tries again what means that the coordinator loads.
        (if passes(error) { code::COORDINATOR_LOAD_IN_PROGRESS } else { error }, error)
    });
    assert_eq!(error, 0, "the coordinator of {group}");
    talk::insist(|| {
        let error = fetch_committed(wire, group, None, "none", &Partitions::from([0])).err().unwrap_or(0);
        (if passes(error) { code::COORDINATOR_LOAD_IN_PROGRESS } else { error }, ())
    });
}

/// Who commits: member and generation or epoch; nobody for a consumer outside of groups.
#[derive(Clone, Debug)]
pub(crate) struct Committer {
    pub(crate) member_id: Text,
    pub(crate) generation: i32,
}

impl Default for Committer {
    fn default() -> Self {
        Self { member_id: Text::from(""), generation: -1 }
    }
}

/// A request that commits these positions.
pub(crate) fn commit_request(group: &str, by: &Committer, topic: &str, offsets: &BTreeMap<i32, i64>, metadata: &str) -> OffsetCommitRequest {
    let partition = |(partition, offset): (&i32, &i64)| OffsetCommitRequestPartition {
        partition_index: *partition,
        committed_offset: *offset,
        committed_metadata: Some(Text::from(metadata)),
        ..OffsetCommitRequestPartition::default()
    };
    let partitions = offsets.iter().map(partition).collect();
    OffsetCommitRequest {
        group_id: Text::from(group),
        generation_id_or_member_epoch: by.generation,
        member_id: by.member_id.clone(),
        topics: vec![OffsetCommitRequestTopic { name: Text::from(topic), partitions, ..OffsetCommitRequestTopic::default() }],
        ..OffsetCommitRequest::default()
    }
}

/// Version of OffsetCommit and OffsetFetch that goes by the names of topics.
pub(crate) const COMMIT_VERSION: i16 = 9;

/// Commits; the error that all partitions got.
pub(crate) fn try_commit(wire: &mut Wire, group: &str, by: &Committer, topic: &str, offsets: &BTreeMap<i32, i64>) -> Result<i16, NoAnswer> {
    if offsets.is_empty() {
        return Ok(0);
    }
    let answer: OffsetCommitResponse = wire.try_call(&commit_request(group, by, topic, offsets, ""), COMMIT_VERSION)?;
    let mut errors: Vec<i16> = answer.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code).collect();
    assert_eq!(errors.len(), offsets.len(), "an answer for every partition: {answer:?}");
    errors.dedup();
    assert_eq!(errors.len(), 1, "one error for the whole commit: {answer:?}");
    Ok(errors[0])
}

/// The committed offsets of these partitions, those that have one; or the error of the group.
pub(crate) fn fetch_committed(
    wire: &mut Wire,
    group: &str,
    by: Option<&Committer>,
    topic: &str,
    partitions: &Partitions,
) -> Result<BTreeMap<i32, i64>, i16> {
    try_fetch_committed(wire, group, by, topic, partitions).unwrap()
}

/// The same where the connection may break.
pub(crate) fn try_fetch_committed(
    wire: &mut Wire,
    group: &str,
    by: Option<&Committer>,
    topic: &str,
    partitions: &Partitions,
) -> Result<Result<BTreeMap<i32, i64>, i16>, NoAnswer> {
    let topics = vec![OffsetFetchRequestTopics {
        name: Text::from(topic),
        partition_indexes: partitions.iter().copied().collect(),
        ..OffsetFetchRequestTopics::default()
    }];
    let asked = OffsetFetchRequestGroup {
        group_id: Text::from(group),
        member_id: by.map(|by| by.member_id.clone()),
        member_epoch: by.map_or(-1, |by| by.generation),
        topics: Some(topics),
    };
    let request = OffsetFetchRequest { groups: vec![asked], require_stable: true, ..OffsetFetchRequest::default() };
    let mut answer: OffsetFetchResponse = wire.try_call(&request, COMMIT_VERSION)?;
    let answer = answer.groups.remove(0);
    if answer.error_code != 0 {
        return Ok(Err(answer.error_code));
    }
    let mut found = BTreeMap::new();
    for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
        if partition.error_code != 0 {
            return Ok(Err(partition.error_code));
        }
        if partition.committed_offset >= 0 {
            found.insert(partition.partition_index, partition.committed_offset);
        }
    }
    Ok(Ok(found))
}
