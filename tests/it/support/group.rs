//! A member of a classic group that speaks the protocol plainly, one call at a time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use corelog::{
    protocol::messages::{
        find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse},
        heartbeat::{HeartbeatRequest, HeartbeatResponse},
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity},
        offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse},
        offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse},
        sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse},
    },
    types::Text,
};

use super::{Wire, wire::NoAnswer};

/// The coordinator loads, is not there, or is another broker: what is tried again.
pub(crate) const TRY_AGAIN: &[i16] = &[14, 15, 16];
/// How long it is tried.
const PATIENCE: Duration = Duration::from_secs(20);

/// Asks for the coordinator until there is one; the topic is made on the way.
pub(crate) fn find_coordinator(wire: &mut Wire, group: &str) {
    let request = FindCoordinatorRequest { coordinator_keys: vec![Text::from(group)], ..FindCoordinatorRequest::default() };
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer: FindCoordinatorResponse = wire.call(&request, 4);
        let found = &answer.coordinators[0];
        if found.error_code == 0 {
            assert_eq!(found.node_id, 1);
            return;
        }
        assert!(TRY_AGAIN.contains(&found.error_code) && Instant::now() < deadline, "{found:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Calls `attempt` until its error is none to try again.
pub(crate) fn insist<T>(mut attempt: impl FnMut() -> (i16, T)) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (error, answer) = attempt();
        if !TRY_AGAIN.contains(&error) || Instant::now() > deadline {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A member.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) group: Text,
    pub(crate) id: Text,
    pub(crate) generation: i32,
    pub(crate) session_timeout_ms: i32,
    pub(crate) leads: bool,
    /// All members, if it leads.
    pub(crate) members: Vec<Text>,
}

impl Member {
    /// Gets an id.
    pub(crate) fn new(wire: &mut Wire, group: &str) -> Self {
        let mut member = Self {
            group: Text::from(group),
            id: Text::default(),
            generation: -1,
            session_timeout_ms: 10_000,
            leads: false,
            members: Vec::new(),
        };
        let answer = insist(|| {
            let answer: JoinGroupResponse = wire.call(&member.request(), 9);
            (answer.error_code, answer)
        });
        assert_eq!(answer.error_code, 79, "{answer:?}");
        member.id = answer.member_id;
        member
    }

    pub(crate) fn request(&self) -> JoinGroupRequest {
        JoinGroupRequest {
            group_id: self.group.clone(),
            session_timeout_ms: self.session_timeout_ms,
            rebalance_timeout_ms: 20_000,
            member_id: self.id.clone(),
            protocol_type: Text::from_static("consumer"),
            protocols: vec![JoinGroupRequestProtocol { name: Text::from_static("range"), metadata: Bytes::from_static(b"\0\0\0\0\0\0\0\0\0\0") }],
            ..JoinGroupRequest::default()
        }
    }

    /// Sends the join; [`Member::joined`] waits for the answer.
    pub(crate) fn join(&self, wire: &mut Wire) {
        wire.send(&self.request(), 9).unwrap();
    }

    pub(crate) fn joined(&mut self, wire: &mut Wire) {
        let answer: JoinGroupResponse = wire.receive(9).unwrap();
        assert_eq!(answer.error_code, 0, "{answer:?}");
        self.generation = answer.generation_id;
        self.leads = answer.leader == self.id;
        self.members = answer.members.into_iter().map(|member| member.member_id).collect();
    }

    /// Sends the sync, with an assignment for everybody if it leads: the member's id.
    pub(crate) fn sync(&self, wire: &mut Wire) {
        let assignments = self.members.iter().map(|member| SyncGroupRequestAssignment {
            member_id: member.clone(),
            assignment: Bytes::copy_from_slice(member.as_bytes()),
        });
        let request = SyncGroupRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            protocol_type: Some(Text::from_static("consumer")),
            protocol_name: Some(Text::from_static("range")),
            assignments: assignments.collect(),
            ..SyncGroupRequest::default()
        };
        wire.send(&request, 5).unwrap();
    }

    pub(crate) fn synced(&self, wire: &mut Wire) -> Bytes {
        let answer: SyncGroupResponse = wire.receive(5).unwrap();
        assert_eq!(answer.error_code, 0, "{answer:?}");
        answer.assignment
    }

    pub(crate) fn heartbeat(&self, wire: &mut Wire) -> i16 {
        let request = HeartbeatRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.id.clone(),
            group_instance_id: None,
        };
        let answer: HeartbeatResponse = wire.call(&request, 4);
        answer.error_code
    }

    pub(crate) fn leave(&self, wire: &mut Wire) -> i16 {
        let members = vec![MemberIdentity { member_id: self.id.clone(), ..MemberIdentity::default() }];
        let request = LeaveGroupRequest { group_id: self.group.clone(), members, ..LeaveGroupRequest::default() };
        let answer: LeaveGroupResponse = wire.call(&request, 5);
        if answer.error_code == 0 { answer.members[0].error_code } else { answer.error_code }
    }

    pub(crate) fn commit(&self, wire: &mut Wire, topic: &str, partition: i32, position: i64) -> Result<i16, NoAnswer> {
        commit(wire, &self.group, (&self.id, self.generation), topic, &[(partition, position)])
    }
}

/// Commits positions; the error of the first partition.
pub(crate) fn commit(wire: &mut Wire, group: &str, member: (&str, i32), topic: &str, positions: &[(i32, i64)]) -> Result<i16, NoAnswer> {
    let partitions = positions.iter().map(|(index, position)| OffsetCommitRequestPartition {
        partition_index: *index,
        committed_offset: *position,
        committed_metadata: Some(Text::from(format!("at {position}"))),
        ..OffsetCommitRequestPartition::default()
    });
    let request = OffsetCommitRequest {
        group_id: Text::from(group),
        member_id: Text::from(member.0),
        generation_id_or_member_epoch: member.1,
        topics: vec![OffsetCommitRequestTopic { name: Text::from(topic), partitions: partitions.collect(), ..Default::default() }],
        ..OffsetCommitRequest::default()
    };
    let answer: OffsetCommitResponse = wire.try_call(&request, 9)?;
    Ok(answer.topics[0].partitions[0].error_code)
}

/// The position of a group in a partition, with its metadata; -1 if there is none.
pub(crate) fn position(wire: &mut Wire, group: &str, topic: &str, partition: i32) -> (i64, String) {
    let topics = vec![OffsetFetchRequestTopics { name: Text::from(topic), partition_indexes: vec![partition], ..Default::default() }];
    let group = OffsetFetchRequestGroup { group_id: Text::from(group), topics: Some(topics), ..Default::default() };
    let request = OffsetFetchRequest { groups: vec![group], require_stable: true, ..OffsetFetchRequest::default() };
    let answer = insist(|| {
        let answer: OffsetFetchResponse = wire.call(&request, 9);
        (answer.groups[0].error_code, answer)
    });
    assert_eq!(answer.groups[0].error_code, 0, "{answer:?}");
    let found = &answer.groups[0].topics[0].partitions[0];
    assert_eq!(found.error_code, 0);
    (found.committed_offset, found.metadata.as_deref().unwrap_or_default().to_owned())
}
