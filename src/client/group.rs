//! A member of a consumer group in the classic protocol: one question at a time over a session, on a thread that may block.
//! It says what an answer means and waits for nothing: when to ask again is decided by whoever owns it.

use bytes::Bytes;

use crate::{
    protocol::{
        embedded::{self, ConsumerProtocolAssignment, ConsumerProtocolSubscription, EmbeddedTopicPartitions},
        messages::{
            find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse},
            heartbeat::{HeartbeatRequest, HeartbeatResponse},
            join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse},
            leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity},
            offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse},
            offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse},
            sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse},
        },
        wire::WireError,
    },
    types::{ErrorCode, Text},
};

use super::session::{Session, SessionError, refuse};

const PROTOCOL_TYPE: &str = "consumer";
const PROTOCOL: &str = "round-robin-by-id";
/// Version of what members say to each other: enough for topics and partitions.
const EMBEDDED_VERSION: i16 = 0;
/// A member that is silent for so long is out.
const SESSION_TIMEOUT_MS: i32 = 10_000;
/// How long members have to come back when the group changes.
const REBALANCE_TIMEOUT_MS: i32 = 20_000;
/// Versions that name topics, not their ids.
const COMMIT_VERSION_MAX: i16 = 9;
const FETCH_VERSIONS: std::ops::RangeInclusive<i16> = 8..=9;

/// What an answer of the coordinator means for a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing<T> {
    /// It is as it should be.
    Good(T),
    /// The group changes, or has changed without this member: it must join again.
    Changed,
    /// The coordinator is loading or elsewhere: ask again later.
    Later,
}

impl<T> Standing<T> {
    fn map<U>(self, good: impl FnOnce(T) -> U) -> Standing<U> {
        match self {
            Self::Good(value) => Standing::Good(good(value)),
            Self::Changed => Standing::Changed,
            Self::Later => Standing::Later,
        }
    }
}

/// A member, or who wants to be one.
#[derive(Debug)]
pub struct Member {
    session: Session,
    group: Text,
    topic: Text,
    partitions: i32,
    id: Text,
    generation: i32,
}

impl Member {
    /// Over a session with the group's coordinator, for all `partitions` of `topic`.
    pub fn new(session: Session, group: &str, topic: &str, partitions: i32) -> Self {
        Self { session, group: group.into(), topic: topic.into(), partitions, id: Text::default(), generation: -1 }
    }

    /// The generation that it belongs to; -1 if to none.
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// Asks whether the group has a coordinator; brokers make the topic of positions on the way.
    ///
    /// # Errors
    /// As every question: what cannot be understood, or is refused for good.
    pub fn find_coordinator(&mut self) -> Result<Standing<()>, SessionError> {
        const API: &str = "FindCoordinator";
        let request = FindCoordinatorRequest { coordinator_keys: vec![self.group.clone()], ..FindCoordinatorRequest::default() };
        let answer: FindCoordinatorResponse = self.session.ask_within(API, &request, 4..=6)?;
        let [found] = &answer.coordinators[..] else { return Err(SessionError::Subject { api: API }) };
        self.standing(API, found.error_code)
    }

    /// Joins and learns which partitions it has; the leader of the generation deals them out. Blocks until the group is
    /// complete.
    ///
    /// # Errors
    /// As [`Member::find_coordinator`].
    pub fn join(&mut self) -> Result<Standing<Vec<i32>>, SessionError> {
        const API: &str = "JoinGroup";
        self.generation = -1;
        let metadata = subscription(&self.topic).map_err(|source| SessionError::Wire { api: API, source })?;
        let protocol = JoinGroupRequestProtocol { name: Text::from_static(PROTOCOL), metadata };
        let request = JoinGroupRequest {
            group_id: self.group.clone(),
            session_timeout_ms: SESSION_TIMEOUT_MS,
            rebalance_timeout_ms: REBALANCE_TIMEOUT_MS,
            member_id: self.id.clone(),
            protocol_type: Text::from_static(PROTOCOL_TYPE),
            protocols: vec![protocol],
            ..JoinGroupRequest::default()
        };
        let answer: JoinGroupResponse = self.session.ask(API, &request)?;
        if answer.error_code == ErrorCode::MemberIdRequired.code() {
            self.id = answer.member_id;
            return Ok(Standing::Changed);
        }
        let standing = self.standing(API, answer.error_code)?;
        if standing != Standing::Good(()) {
            return Ok(standing.map(|()| Vec::new()));
        }
        let leads = answer.leader == answer.member_id;
        self.id = answer.member_id;
        self.generation = answer.generation_id;
        let members = if leads { answer.members.into_iter().map(|member| member.member_id).collect() } else { Vec::new() };
        self.sync(members)
    }

    fn sync(&mut self, mut members: Vec<Text>) -> Result<Standing<Vec<i32>>, SessionError> {
        const API: &str = "SyncGroup";
        members.sort_unstable();
        let share = |at: usize| (0..self.partitions).skip(at).step_by(members.len()).collect::<Vec<_>>();
        let deal = |(at, member): (usize, &Text)| {
            let assignment = assignment(&self.topic, share(at)).map_err(|source| SessionError::Wire { api: API, source })?;
            Ok(SyncGroupRequestAssignment { member_id: member.clone(), assignment })
        };
        let request = SyncGroupRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            protocol_type: Some(Text::from_static(PROTOCOL_TYPE)),
            protocol_name: Some(Text::from_static(PROTOCOL)),
            assignments: members.iter().enumerate().map(deal).collect::<Result<_, SessionError>>()?,
            ..SyncGroupRequest::default()
        };
        let answer: SyncGroupResponse = self.session.ask(API, &request)?;
        let standing = self.standing(API, answer.error_code)?;
        if standing != Standing::Good(()) {
            return Ok(standing.map(|()| Vec::new()));
        }
        let mine = assigned(&answer.assignment).filter(|mine| mine.iter().all(|partition| (0..self.partitions).contains(partition)));
        mine.map(Standing::Good).ok_or(SessionError::Subject { api: API })
    }

    /// Says that it lives, and hears whether the group changes.
    ///
    /// # Errors
    /// As [`Member::find_coordinator`].
    pub fn heartbeat(&mut self) -> Result<Standing<()>, SessionError> {
        const API: &str = "Heartbeat";
        let request = HeartbeatRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            ..HeartbeatRequest::default()
        };
        let answer: HeartbeatResponse = self.session.ask(API, &request)?;
        self.standing(API, answer.error_code)
    }

    /// The positions that the group has committed of `partitions`, in their order; -1 without one.
    ///
    /// # Errors
    /// As [`Member::find_coordinator`].
    pub fn committed(&mut self, partitions: &[i32]) -> Result<Standing<Vec<i64>>, SessionError> {
        const API: &str = "OffsetFetch";
        let topic = OffsetFetchRequestTopics {
            name: self.topic.clone(),
            partition_indexes: partitions.to_vec(),
            ..OffsetFetchRequestTopics::default()
        };
        let group = OffsetFetchRequestGroup { group_id: self.group.clone(), topics: Some(vec![topic]), ..OffsetFetchRequestGroup::default() };
        let request = OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() };
        let answer: OffsetFetchResponse = self.session.ask_within(API, &request, FETCH_VERSIONS)?;
        let [group] = &answer.groups[..] else { return Err(SessionError::Subject { api: API }) };
        let found: Vec<_> = group.topics.iter().flat_map(|topic| &topic.partitions).collect();
        let mut offsets = Vec::new();
        let mut worst = group.error_code;
        for partition in partitions {
            let Some(entry) = found.iter().find(|found| found.partition_index == *partition) else { continue };
            worst = if worst == 0 { entry.error_code } else { worst };
            offsets.push(entry.committed_offset);
        }
        let standing = self.standing(API, worst)?;
        if standing == Standing::Good(()) && offsets.len() != partitions.len() {
            return Err(SessionError::Subject { api: API });
        }
        Ok(standing.map(|()| offsets))
    }

    /// Commits positions, as a member of its generation.
    ///
    /// # Errors
    /// As [`Member::find_coordinator`].
    pub fn commit(&mut self, positions: &[(i32, i64)]) -> Result<Standing<()>, SessionError> {
        const API: &str = "OffsetCommit";
        let partition = |(partition, offset): &(i32, i64)| OffsetCommitRequestPartition {
            partition_index: *partition,
            committed_offset: *offset,
            ..OffsetCommitRequestPartition::default()
        };
        let topic = OffsetCommitRequestTopic {
            name: self.topic.clone(),
            partitions: positions.iter().map(partition).collect(),
            ..OffsetCommitRequestTopic::default()
        };
        let request = OffsetCommitRequest {
            group_id: self.group.clone(),
            generation_id_or_member_epoch: self.generation,
            member_id: self.id.clone(),
            topics: vec![topic],
            ..OffsetCommitRequest::default()
        };
        let answer: OffsetCommitResponse = self.session.ask_within(API, &request, 2..=COMMIT_VERSION_MAX)?;
        let codes = answer.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.error_code);
        let worst = codes.reduce(|worst, code| if worst == 0 { code } else { worst });
        let worst = worst.ok_or(SessionError::Subject { api: API })?;
        self.standing(API, worst)
    }

    /// Leaves the group.
    ///
    /// # Errors
    /// As [`Member::find_coordinator`].
    pub fn leave(&mut self) -> Result<(), SessionError> {
        const API: &str = "LeaveGroup";
        if self.id.is_empty() {
            return Ok(());
        }
        let members = vec![MemberIdentity { member_id: self.id.clone(), ..MemberIdentity::default() }];
        let request = LeaveGroupRequest { group_id: self.group.clone(), members, ..LeaveGroupRequest::default() };
        let answer: LeaveGroupResponse = self.session.ask_within(API, &request, 3..=5)?;
        self.generation = -1;
        refuse(API, answer.error_code, None)
    }

    fn standing(&mut self, api: &'static str, code: i16) -> Result<Standing<()>, SessionError> {
        match ErrorCode::from_code(code) {
            Some(ErrorCode::None) => Ok(Standing::Good(())),
            Some(ErrorCode::UnknownMemberId) => {
                self.id = Text::default();
                Ok(Standing::Changed)
            }
            Some(ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration) => Ok(Standing::Changed),
            Some(ErrorCode::CoordinatorLoadInProgress | ErrorCode::CoordinatorNotAvailable | ErrorCode::NotCoordinator) => Ok(Standing::Later),
            _ => Err(SessionError::Refused { api, code, message: None }),
        }
    }
}

/// What a member says that wants `topic`.
fn subscription(topic: &Text) -> Result<Bytes, WireError> {
    let subscription = ConsumerProtocolSubscription { topics: vec![topic.clone()], ..ConsumerProtocolSubscription::default() };
    embedded::write_subscription(&subscription, EMBEDDED_VERSION)
}

/// What the leader says to a member that gets `partitions` of `topic`.
fn assignment(topic: &Text, partitions: Vec<i32>) -> Result<Bytes, WireError> {
    let assigned_partitions = vec![EmbeddedTopicPartitions { topic: topic.clone(), partitions }];
    let assignment = ConsumerProtocolAssignment { assigned_partitions, ..ConsumerProtocolAssignment::default() };
    embedded::write_assignment(&assignment, EMBEDDED_VERSION)
}

/// The partitions of an [`assignment`]; `None` if it is none.
fn assigned(bytes: &Bytes) -> Option<Vec<i32>> {
    let assignment = embedded::read_assignment(bytes).ok()?;
    Some(assignment.assigned_partitions.into_iter().flat_map(|topic| topic.partitions).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_as_it_was_dealt_and_lies_are_refused() {
        let orders = Text::from_static("orders");
        let whole = assignment(&orders, vec![1, 4, 7]).unwrap();
        assert_eq!(assigned(&whole), Some(vec![1, 4, 7]));
        assert_eq!(assigned(&whole.slice(..whole.len() - 6)), None);
        assert_eq!(assigned(&Bytes::from_static(&[0, 0, 0x7f, 0xff, 0xff, 0xff])), None);
        assert_eq!(assigned(&assignment(&orders, Vec::new()).unwrap()), Some(Vec::new()));
    }
}
