//! A member of a consumer group in the classic protocol: one question at a time over a session, on a thread that may block.
//! It says what an answer means and waits for nothing: when to ask again is decided by whoever owns it.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    protocol::messages::{
        find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse},
        heartbeat::{HeartbeatRequest, HeartbeatResponse},
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity},
        offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse},
        offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse},
        sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse},
    },
    types::{ErrorCode, Text},
};

use super::session::{Session, SessionError, refuse};

const PROTOCOL_TYPE: &str = "consumer";
const PROTOCOL: &str = "round-robin-by-id";
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
        let protocol = JoinGroupRequestProtocol { name: Text::from_static(PROTOCOL), metadata: subscription(&self.topic) };
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
        let deal = |(at, member): (usize, &Text)| SyncGroupRequestAssignment {
            member_id: member.clone(),
            assignment: assignment(&self.topic, &share(at)),
        };
        let request = SyncGroupRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            protocol_type: Some(Text::from_static(PROTOCOL_TYPE)),
            protocol_name: Some(Text::from_static(PROTOCOL)),
            assignments: members.iter().enumerate().map(deal).collect(),
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

/// ConsumerProtocolSubscription, version 0: one topic, no user data.
fn subscription(topic: &str) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(0);
    out.put_i32(1);
    put_string(&mut out, topic);
    out.put_i32(-1);
    out.freeze()
}

/// ConsumerProtocolAssignment, version 0: partitions of one topic, no user data.
fn assignment(topic: &str, partitions: &[i32]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(0);
    out.put_i32(1);
    put_string(&mut out, topic);
    out.put_i32(partitions.len() as i32);
    partitions.iter().for_each(|partition| out.put_i32(*partition));
    out.put_i32(-1);
    out.freeze()
}

fn put_string(out: &mut BytesMut, text: &str) {
    out.put_i16(text.len() as i16);
    out.extend_from_slice(text.as_bytes());
}

/// The partitions of an [`assignment`]; `None` if it is none.
fn assigned(bytes: &[u8]) -> Option<Vec<i32>> {
    let mut cursor = super::wire::Cursor::new(bytes);
    cursor.i16().ok()?;
    let mut partitions = Vec::new();
    for _ in 0..cursor.i32().ok()? {
        let name = usize::try_from(cursor.i16().ok()?).ok()?;
        cursor.take(name).ok()?;
        for _ in 0..cursor.i32().ok()? {
            partitions.push(cursor.i32().ok()?);
        }
    }
    Some(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_as_it_was_dealt_and_lies_are_refused() {
        let whole = assignment("orders", &[1, 4, 7]);
        assert_eq!(assigned(&whole), Some(vec![1, 4, 7]));
        assert_eq!(assigned(&whole[..whole.len() - 6]), None);
        assert_eq!(assigned(&[0, 0, 0x7f, 0xff, 0xff, 0xff]), None);
        assert_eq!(assigned(&assignment("orders", &[])), Some(Vec::new()));
    }
}
