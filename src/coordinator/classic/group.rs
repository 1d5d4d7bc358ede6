//! The state of a classic group, and the small steps that keep its parts consistent.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    super::{
        call::Answer,
        effects::{Effects, LogRecord, Ticket},
        records::{GroupMetadataKey, GroupMetadataValue, encode},
        settings::Now,
    },
    member::Member,
    rebalance::JoinTimer,
    state::State,
    subscription,
};
use crate::{
    protocol::{
        messages::{
            join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember},
            sync_group::SyncGroupResponse,
        },
        wire::WireError,
    },
    types::{ErrorCode, Text},
};

/// Version in which group metadata is written (Kafka 4.3).
const VALUE_VERSION: i16 = 3;

/// A classic group.
#[derive(Clone, Debug, Default)]
pub struct ClassicGroup {
    pub(super) state: State,
    pub(super) previous_state: State,
    /// When it came into its state, in milliseconds since 1970; absent before the first change.
    pub(super) state_since_ms: Option<i64>,
    pub(super) protocol_type: Option<Text>,
    pub(super) protocol: Option<Text>,
    pub(super) generation: i32,
    pub(super) leader: Option<Text>,
    pub(super) members: BTreeMap<Text, Member>,
    /// Member id by instance id.
    pub(super) static_members: BTreeMap<Text, Text>,
    /// Members that were given an id and are to come back with it, with the time until which they may.
    pub(super) pending_joins: BTreeMap<Text, u64>,
    /// Members that have not synced in this generation.
    pub(super) pending_syncs: BTreeSet<Text>,
    /// How many members speak each protocol.
    pub(super) spoken: BTreeMap<Text, usize>,
    pub(super) awaiting_join: usize,
    /// Someone joined since the initial delay was last extended.
    pub(super) new_member_added: bool,
    pub(super) join_timer: Option<JoinTimer>,
    pub(super) sync_deadline_ms: Option<u64>,
    /// Nobody is late before this time, on the monotonic clock. A lower bound: signs of life only move deadlines further away, and
    /// cost no look at the other members. When it comes, the deadlines are looked at and it is computed anew.
    pub(super) bound_ms: Option<u64>,
    /// What consumers subscribe to, as far as that is known.
    pub(super) subscribed: Option<BTreeSet<Text>>,
}

impl ClassicGroup {
    /// The group that a record tells of; the sessions of its members begin when it is put to use.
    pub(in crate::coordinator) fn from_record(value: &GroupMetadataValue) -> Self {
        let protocol = value.protocol.as_ref().map(Text::detached);
        let mut group = Self {
            state: if value.members.is_empty() { State::Empty } else { State::Stable },
            state_since_ms: Some(value.current_state_timestamp).filter(|ms| *ms != -1),
            protocol_type: Some(value.protocol_type.detached()).filter(|name| !name.is_empty()),
            generation: value.generation,
            leader: value.leader.as_ref().map(Text::detached),
            ..Self::default()
        };
        for record in &value.members {
            group.insert(record.member_id.detached(), Member::from_record(record, protocol.as_ref()));
        }
        group.protocol = protocol;
        group.compute_subscribed();
        group
    }

    /// The record of the group as it is.
    pub(in crate::coordinator) fn record(&self, id: &Text) -> Result<LogRecord, WireError> {
        let members = self.members.iter().map(|(member_id, member)| member.record(member_id, self.protocol.as_ref()));
        let value = GroupMetadataValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            current_state_timestamp: self.state_since_ms.unwrap_or(-1),
            members: members.collect(),
        };
        encode(&GroupMetadataKey { group: id.clone() }, Some((&value, VALUE_VERSION)))
    }

    /// The record of a group that has just come to be: nobody is in it as far as the log is concerned.
    pub(in crate::coordinator) fn empty_record(&self, id: &Text, now: Now) -> Result<LogRecord, WireError> {
        let since_ms = self.state_since_ms.unwrap_or(now.wall_ms);
        let value = GroupMetadataValue { current_state_timestamp: since_ms, ..GroupMetadataValue::default() };
        encode(&GroupMetadataKey { group: id.clone() }, Some((&value, VALUE_VERSION)))
    }

    /// The record that removes a group.
    pub(in crate::coordinator) fn tombstone(id: &Text) -> Result<LogRecord, WireError> {
        encode::<_, GroupMetadataValue>(&GroupMetadataKey { group: id.clone() }, None)
    }

    /// Where the group is.
    pub fn state(&self) -> State {
        self.state
    }

    /// True without members.
    pub fn is_empty(&self) -> bool {
        self.state == State::Empty
    }

    /// The generation.
    pub fn generation(&self) -> i32 {
        self.generation
    }

    /// The protocol type, if somebody has ever joined.
    pub fn protocol_type(&self) -> Option<&Text> {
        self.protocol_type.as_ref()
    }

    /// The protocol that was chosen.
    pub fn protocol(&self) -> Option<&Text> {
        self.protocol.as_ref()
    }

    /// The members, by id.
    pub fn members(&self) -> impl Iterator<Item = (&Text, &Member)> {
        self.members.iter()
    }

    pub(super) fn is_leader(&self, member_id: &Text) -> bool {
        self.leader.as_ref() == Some(member_id)
    }

    pub(super) fn speaks_for_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some(subscription::CONSUMER)
    }

    pub(super) fn enter(&mut self, state: State, now: Now) {
        self.previous_state = self.state;
        self.state = state;
        self.state_since_ms = Some(now.wall_ms);
    }

    /// Adds a member that is not there yet.
    pub(super) fn insert(&mut self, member_id: Text, member: Member) {
        if let Some(instance) = &member.profile.instance_id {
            self.static_members.insert(instance.clone(), member_id.clone());
        }
        if self.leader.is_none() {
            self.leader = Some(member_id.clone());
        }
        self.count_protocols(&member, true);
        self.awaiting_join += usize::from(member.join.is_some());
        self.pending_joins.remove(&member_id);
        if let Some(deadline_ms) = member.deadline_ms {
            self.expect_by(deadline_ms);
        }
        self.members.insert(member_id, member);
    }

    /// Removes a member, or one that was about to join. Nobody may be waiting for an answer any more.
    pub(super) fn remove(&mut self, member_id: &Text) {
        if let Some(member) = self.members.remove(member_id) {
            self.count_protocols(&member, false);
            self.awaiting_join -= usize::from(member.join.is_some());
            if let Some(instance) = &member.profile.instance_id {
                self.static_members.remove(instance);
            }
        }
        if self.is_leader(member_id) {
            self.leader = self.members.keys().next().cloned();
        }
        self.pending_joins.remove(member_id);
        self.pending_syncs.remove(member_id);
    }

    /// Takes over what a member says when it joins again; it waits from now on.
    pub(super) fn update(&mut self, member_id: &Text, request: &JoinGroupRequest, ticket: Ticket) -> Option<Ticket> {
        let mut member = self.members.remove(member_id)?;
        self.count_protocols(&member, false);
        member.update(request);
        self.count_protocols(&member, true);
        let before = member.join.replace(ticket);
        self.awaiting_join += usize::from(before.is_none());
        self.members.insert(member_id.clone(), member);
        before
    }

    fn count_protocols(&mut self, member: &Member, added: bool) {
        let names: BTreeSet<&Text> = member.profile.protocols.iter().map(|(name, _)| name).collect();
        for name in names {
            let count = self.spoken.entry(name.clone()).or_default();
            *count = if added { *count + 1 } else { count.saturating_sub(1) };
            if *count == 0 {
                self.spoken.remove(name);
            }
        }
    }

    /// True if a member with these protocols can be in the group.
    pub(super) fn supports<'a>(&self, protocol_type: &Text, mut names: impl Iterator<Item = &'a Text>) -> bool {
        if self.is_empty() {
            return !protocol_type.is_empty() && names.next().is_some();
        }
        let everyone = self.members.len();
        self.protocol_type.as_ref() == Some(protocol_type)
            && names.any(|name| self.spoken.get(name).copied().unwrap_or(0) == everyone)
    }

    /// The protocol that most members like best among those that all speak.
    pub(super) fn select_protocol(&self) -> Option<Text> {
        let everyone = self.members.len();
        let mut votes: BTreeMap<&Text, usize> = BTreeMap::new();
        for member in self.members.values() {
            let spoken_by_all = |(name, _): &&(Text, Bytes)| self.spoken.get(name).copied() == Some(everyone);
            if let Some((name, _)) = member.profile.protocols.iter().find(spoken_by_all) {
                *votes.entry(name).or_default() += 1;
            }
        }
        let best = votes.values().max().copied()?;
        votes.into_iter().find(|(_, count)| *count == best).map(|(name, _)| name.clone())
    }

    pub(super) fn compute_subscribed(&mut self) {
        self.subscribed = match (&self.protocol_type, &self.protocol) {
            (Some(kind), _) if *kind != subscription::CONSUMER => None,
            (Some(_), _) if self.members.is_empty() => Some(BTreeSet::new()),
            (Some(_), Some(protocol)) => subscription::all_topics(self.members.values().map(|member| member.metadata(Some(protocol)))),
            _ => None,
        };
    }

    /// The longest time that a rebalance waits for a member.
    pub(super) fn rebalance_timeout_ms(&self) -> i32 {
        self.members.values().map(|member| member.profile.rebalance_timeout_ms).max().unwrap_or(0)
    }

    /// True if everybody who belongs to the group waits for the next generation.
    pub(super) fn all_have_joined(&self) -> bool {
        self.members.len() == self.awaiting_join && self.pending_joins.is_empty()
    }

    /// The session of a member begins anew.
    pub(super) fn renew(&mut self, member_id: &Text, now: Now) {
        if let Some(member) = self.members.get_mut(member_id) {
            let deadline_ms = now.after(member.profile.session_timeout_ms);
            member.deadline_ms = Some(deadline_ms);
            self.expect_by(deadline_ms);
        }
    }

    /// Somebody is late unless heard of by then.
    pub(super) fn expect_by(&mut self, deadline_ms: u64) {
        self.bound_ms = Some(self.bound_ms.map_or(deadline_ms, |bound_ms| bound_ms.min(deadline_ms)));
    }

    /// Answers the join of a member, if it waits.
    pub(super) fn answer_join(&mut self, member_id: &Text, response: JoinGroupResponse, effects: &mut Effects) -> bool {
        let Some(ticket) = self.members.get_mut(member_id).and_then(|member| member.join.take()) else { return false };
        self.awaiting_join -= 1;
        effects.answer(ticket, Answer::Join(response));
        true
    }

    /// Answers the sync of a member, if it waits.
    pub(super) fn answer_sync(&mut self, member_id: &Text, response: SyncGroupResponse, effects: &mut Effects) -> bool {
        let Some(ticket) = self.members.get_mut(member_id).and_then(|member| member.sync.take()) else { return false };
        effects.answer(ticket, Answer::Sync(response));
        true
    }

    /// The answer to a join into the current generation.
    pub(super) fn joined(&self, member_id: &Text) -> JoinGroupResponse {
        JoinGroupResponse {
            generation_id: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            member_id: member_id.clone(),
            members: if self.is_leader(member_id) { self.joined_members() } else { Vec::new() },
            ..JoinGroupResponse::default()
        }
    }

    /// All members with their metadata, for the leader.
    pub(super) fn joined_members(&self) -> Vec<JoinGroupResponseMember> {
        let members = self.members.iter().map(|(member_id, member)| JoinGroupResponseMember {
            member_id: member_id.clone(),
            group_instance_id: member.profile.instance_id.clone(),
            metadata: member.metadata(self.protocol.as_ref()),
        });
        members.collect()
    }

    /// Checks that a member is who it says (ClassicGroup.validateMember).
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID.
    pub(super) fn check_member(&self, member_id: &Text, instance_id: Option<&Text>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance_id {
            match self.static_members.get(instance) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(known) if known != member_id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(ErrorCode::UnknownMemberId) }
    }
}

/// The answer to a join that is refused.
pub(super) fn refused_join(member_id: Text, error: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse { error_code: error.code(), member_id, ..JoinGroupResponse::default() }
}

/// The answer to a sync that is refused.
pub(super) fn refused_sync(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code: error.code(), ..SyncGroupResponse::default() }
}
