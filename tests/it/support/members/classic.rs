//! A member by the classic protocol, eager: it gives up all partitions before it joins again.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use corelog::{
    protocol::messages::{
        heartbeat::{HeartbeatRequest, HeartbeatResponse},
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity},
        sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse},
    },
    types::Text,
};

use super::{Committer, Partitions, code, passes};
use crate::support::{Wire, wire::NoAnswer};

/// One member.
#[derive(Debug)]
pub(crate) struct Classic {
    pub(crate) wire: Wire,
    pub(crate) group: String,
    pub(crate) topic: String,
    /// How many partitions the topic has, for the case that this member leads.
    partitions: i32,
    session_timeout_ms: i32,
    rebalance_timeout_ms: i32,
    pub(crate) member_id: Text,
    pub(crate) generation: i32,
}

impl Classic {
    /// A member that has not joined yet.
    pub(crate) fn new(wire: Wire, group: &str, topic: &str, partitions: i32, session_timeout_ms: i32) -> Self {
        Self {
            wire,
            group: group.to_owned(),
            topic: topic.to_owned(),
            partitions,
            session_timeout_ms,
            rebalance_timeout_ms: 10_000,
            member_id: Text::from(""),
            generation: -1,
        }
    }

    /// Who commits now.
    pub(crate) fn committer(&self) -> Committer {
        Committer { member_id: self.member_id.clone(), generation: self.generation }
    }

    /// Asks to join, once. Waits for the others, as long as the broker does.
    fn ask_to_join(&mut self) -> Result<JoinGroupResponse, NoAnswer> {
        let request = JoinGroupRequest {
            group_id: Text::from(self.group.as_str()),
            session_timeout_ms: self.session_timeout_ms,
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            member_id: self.member_id.clone(),
            protocol_type: Text::from("consumer"),
            protocols: vec![JoinGroupRequestProtocol { name: Text::from("roundrobin"), metadata: subscription(&self.topic) }],
            ..JoinGroupRequest::default()
        };
        self.wire.try_call(&request, 9)
    }

    /// Joins and syncs until there is an assignment, or `give_up` says that nobody waits for it any more.
    pub(crate) fn join(&mut self, give_up: impl Fn() -> bool) -> Result<Option<Partitions>, NoAnswer> {
        while !give_up() {
            let answer = self.ask_to_join()?;
            match answer.error_code {
                0 => {}
                code::MEMBER_ID_REQUIRED => {
                    self.member_id = answer.member_id;
                    continue;
                }
                code::UNKNOWN_MEMBER_ID => {
                    self.member_id = Text::from("");
                    continue;
                }
                code::REBALANCE_IN_PROGRESS => continue,
                error if passes(error) => {
                    std::thread::sleep(std::time::Duration::from_millis(50));
                    continue;
                }
                error => panic!("{} is not let into {}: error {error}", self.member_id, self.group),
            }
            self.member_id.clone_from(&answer.member_id);
            self.generation = answer.generation_id;
            if give_up() {
                break;
            }
            if let Some(partitions) = self.sync(&answer)? {
                return Ok(Some(partitions));
            }
        }
        Ok(None)
    }

    /// Brings the assignment if this member leads, and fetches its own. `None`: it must join again.
    fn sync(&mut self, joined: &JoinGroupResponse) -> Result<Option<Partitions>, NoAnswer> {
        let request = SyncGroupRequest {
            group_id: Text::from(self.group.as_str()),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            protocol_type: Some(Text::from("consumer")),
            protocol_name: Some(Text::from("roundrobin")),
            assignments: if joined.leader == self.member_id { self.assign(joined) } else { Vec::new() },
            ..SyncGroupRequest::default()
        };
        let answer: SyncGroupResponse = self.wire.try_call(&request, 5)?;
        match answer.error_code {
            0 => Ok(Some(assigned(answer.assignment))),
            code::REBALANCE_IN_PROGRESS | code::ILLEGAL_GENERATION => Ok(None),
            code::UNKNOWN_MEMBER_ID => {
                self.member_id = Text::from("");
                Ok(None)
            }
            error => panic!("{} gets no assignment in {}: error {error}", self.member_id, self.group),
        }
    }

    /// Deals partitions out in turn.
    fn assign(&self, joined: &JoinGroupResponse) -> Vec<SyncGroupRequestAssignment> {
        let mut shares: BTreeMap<Text, Vec<i32>> = joined.members.iter().map(|member| (member.member_id.clone(), Vec::new())).collect();
        let count = shares.len();
        for (at, share) in shares.values_mut().enumerate() {
            share.extend((i32::try_from(at).unwrap()..self.partitions).step_by(count));
        }
        shares.into_iter().map(|(member_id, share)| SyncGroupRequestAssignment { member_id, assignment: assignment(&self.topic, &share) }).collect()
    }

    /// The error of a heartbeat: 0 if the generation holds.
    pub(crate) fn heartbeat(&mut self) -> Result<i16, NoAnswer> {
        let request = HeartbeatRequest {
            group_id: Text::from(self.group.as_str()),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            ..HeartbeatRequest::default()
        };
        Ok(self.wire.try_call::<_, HeartbeatResponse>(&request, 4)?.error_code)
    }

    /// Leaves the group.
    pub(crate) fn leave(&mut self) -> Result<(), NoAnswer> {
        let members = vec![MemberIdentity { member_id: self.member_id.clone(), ..MemberIdentity::default() }];
        let request = LeaveGroupRequest { group_id: Text::from(self.group.as_str()), members, ..LeaveGroupRequest::default() };
        let answer: LeaveGroupResponse = self.wire.try_call(&request, 5)?;
        assert_eq!(answer.error_code, 0, "{answer:?}");
        // A member that was thrown out meanwhile has nothing to leave.
        assert!(matches!(answer.members[0].error_code, 0 | code::UNKNOWN_MEMBER_ID), "{answer:?}");
        Ok(())
    }
}

/// `ConsumerProtocolSubscription` version 0.
pub(crate) fn subscription(topic: &str) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(1);
    put_text(&mut bytes, topic);
    bytes.put_i32(-1);
    bytes.freeze()
}

/// `ConsumerProtocolAssignment` version 0.
pub(crate) fn assignment(topic: &str, partitions: &[i32]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(1);
    put_text(&mut bytes, topic);
    bytes.put_i32(i32::try_from(partitions.len()).unwrap());
    partitions.iter().for_each(|partition| bytes.put_i32(*partition));
    bytes.put_i32(-1);
    bytes.freeze()
}

fn put_text(bytes: &mut BytesMut, text: &str) {
    bytes.put_i16(i16::try_from(text.len()).unwrap());
    bytes.put_slice(text.as_bytes());
}

/// The partitions of an assignment to one topic; an empty one stands for none.
fn assigned(mut bytes: Bytes) -> Partitions {
    if bytes.is_empty() {
        return Partitions::new();
    }
    assert_eq!((bytes.get_i16(), bytes.get_i32()), (0, 1), "what another member of this program wrote");
    let topic = usize::try_from(bytes.get_i16()).unwrap();
    bytes.advance(topic);
    (0..bytes.get_i32()).map(|_| bytes.get_i32()).collect()
}
