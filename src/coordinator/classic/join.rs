//! JoinGroup.

use super::{
    super::{
        call::{Answer, Caller},
        effects::Ticket,
    },
    Step,
    group::{ClassicGroup, refused_join},
    member::Member,
    state::State,
};
use crate::{
    protocol::messages::join_group::JoinGroupRequest,
    types::{ErrorCode, Text, Uuid, limits::GROUP_MEMBERS_MAX},
};

/// First version whose clients come back with the id they are given, before they count as members.
const VERSION_MEMBER_ID_REQUIRED: i16 = 4;
/// First version that knows `SkipAssignment`.
const VERSION_SKIP_ASSIGNMENT: i16 = 9;
/// Milliseconds after which a new member, which has no id to send heartbeats with, is given up if its rebalance does not end.
const NEW_MEMBER_JOIN_TIMEOUT_MS: i32 = 5 * 60 * 1000;

/// A join on its way.
#[derive(Clone, Copy, Debug)]
pub(in crate::coordinator) struct Joining<'a> {
    pub(in crate::coordinator) caller: &'a Caller,
    pub(in crate::coordinator) request: &'a JoinGroupRequest,
    pub(in crate::coordinator) ticket: Ticket,
}

impl ClassicGroup {
    /// Lets a member in, or lets it join again. It is answered now or when the rebalance is over.
    pub(in crate::coordinator) fn join(&mut self, joining: Joining<'_>, step: &mut Step<'_>) {
        let Joining { request, ticket, .. } = joining;
        let member_id = &request.member_id;
        let refuse = |member_id: Text, error, step: &mut Step<'_>| {
            step.effects.answer(ticket, Answer::Join(refused_join(member_id, error)));
        };
        if !self.has_room_for(member_id, step) {
            self.remove(member_id);
            return refuse(Text::default(), ErrorCode::GroupMaxSizeReached, step);
        }
        let bytes: usize = request.protocols.iter().map(|protocol| protocol.name.len() + protocol.metadata.len()).sum();
        if bytes > step.settings.record_bytes_max {
            // The group could never be stored; Kafka says the same when the leader syncs.
            return refuse(member_id.clone(), ErrorCode::UnknownServerError, step);
        }
        if !self.supports(&request.protocol_type, request.protocols.iter().map(|protocol| &protocol.name)) {
            return refuse(member_id.clone(), ErrorCode::InconsistentGroupProtocol, step);
        }
        if member_id.is_empty() {
            self.join_new(joining, step);
        } else if self.pending_joins.contains_key(member_id) {
            // Only dynamic members are asked to come back.
            match request.group_instance_id {
                None => self.add(member_id.detached(), joining, step),
                Some(_) => refuse(member_id.clone(), ErrorCode::UnknownMemberId, step),
            }
        } else if let Err(error) = self.check_member(member_id, request.group_instance_id.as_ref()) {
            refuse(member_id.clone(), error, step);
        } else {
            self.join_again(joining, step);
        }
    }

    /// False if the group is full. A member that is in it already is let in again, but in a rebalance only as long as
    /// there is room: so a group shrinks when `group.max.size` did.
    fn has_room_for(&self, member_id: &Text, step: &Step<'_>) -> bool {
        let max = step.settings.max_size;
        if self.members.len() + self.pending_joins.len() >= GROUP_MEMBERS_MAX && !self.members.contains_key(member_id) {
            return false;
        }
        match self.state {
            State::Empty => true,
            State::PreparingRebalance => {
                self.members.get(member_id).is_some_and(|member| member.join.is_some()) || self.awaiting_join < max
            }
            State::CompletingRebalance | State::Stable => self.members.contains_key(member_id) || self.members.len() < max,
        }
    }

    fn join_new(&mut self, joining: Joining<'_>, step: &mut Step<'_>) {
        let Joining { caller, request, ticket } = joining;
        let prefix = request.group_instance_id.as_ref().unwrap_or(&caller.client_id);
        let member_id = Text::from(format!("{prefix}-{}", hyphenated(caller.random)));
        match &request.group_instance_id {
            Some(instance) => match self.static_members.get(instance).cloned() {
                Some(old) => self.replace_static(instance, &old, member_id, joining, step),
                None => self.add(member_id, joining, step),
            },
            None if caller.version >= VERSION_MEMBER_ID_REQUIRED => {
                let deadline_ms = step.now.after(request.session_timeout_ms);
                self.pending_joins.insert(member_id.clone(), deadline_ms);
                self.expect_by(deadline_ms);
                step.effects.answer(ticket, Answer::Join(refused_join(member_id, ErrorCode::MemberIdRequired)));
            }
            None => self.add(member_id, joining, step),
        }
    }

    fn add(&mut self, member_id: Text, joining: Joining<'_>, step: &mut Step<'_>) {
        let member = Member::joining(joining, step.now.after(NEW_MEMBER_JOIN_TIMEOUT_MS));
        if self.members.is_empty() {
            self.protocol_type = Some(joining.request.protocol_type.detached());
        }
        if self.state == State::PreparingRebalance && self.previous_state == State::Empty {
            self.new_member_added = true;
        }
        self.insert(member_id, member);
        self.rebalance_or_complete(step);
    }

    fn join_again(&mut self, joining: Joining<'_>, step: &mut Step<'_>) {
        let Joining { request, ticket, .. } = joining;
        let member_id = &request.member_id;
        let unchanged = self.members.get(member_id).is_some_and(|member| member.matches(&request.protocols));
        let answered_at_once = match self.state {
            State::PreparingRebalance => false,
            // Perhaps it did not get its answer.
            State::CompletingRebalance => unchanged,
            // A leader may know of changes that its metadata does not show, such as new partitions.
            State::Stable => unchanged && !self.is_leader(member_id),
            State::Empty => {
                let response = refused_join(member_id.clone(), ErrorCode::UnknownMemberId);
                return step.effects.answer(ticket, Answer::Join(response));
            }
        };
        if answered_at_once {
            return step.effects.answer(ticket, Answer::Join(self.joined(member_id)));
        }
        self.update_waiting(member_id, joining, step);
        self.rebalance_or_complete(step);
    }

    /// The member waits with its new request; a request of before that still waits will not be answered by anything else.
    fn update_waiting(&mut self, member_id: &Text, joining: Joining<'_>, step: &mut Step<'_>) {
        if let Some(before) = self.update(member_id, joining.request, joining.ticket) {
            step.effects.answer(before, Answer::Join(refused_join(member_id.clone(), ErrorCode::RebalanceInProgress)));
        }
    }

    /// A static member came back under a new id: it takes the place of its old self, which is fenced.
    fn replace_static(&mut self, instance: &Text, old: &Text, new: Text, joining: Joining<'_>, step: &mut Step<'_>) {
        let Joining { caller, request, .. } = joining;
        let leader_before = self.leader.clone();
        self.rename_static(instance, old, &new, step);
        self.renew(&new, step.now);
        self.update_waiting(&new, joining, step);
        match self.state {
            State::Stable if self.select_protocol() == self.protocol => {
                let Ok(record) = self.record(step.id) else { return };
                step.effects.records.push(record);
                let mut response = self.joined(&new);
                if caller.version >= VERSION_SKIP_ASSIGNMENT {
                    response.skip_assignment = self.is_leader(&new);
                } else {
                    // A leader of before would assign again: it is told that its old self leads.
                    response.members = Vec::new();
                    response.leader = leader_before.unwrap_or_default();
                }
                self.answer_join(&new, response, step.effects);
            }
            State::Stable => self.rebalance_or_complete(step),
            // The leader may be assigning to the old id just now.
            State::CompletingRebalance => self.prepare_rebalance(step),
            State::Empty | State::PreparingRebalance => self.complete_if_all_joined(step),
        }
        tracing::info!(group = %step.id, instance = %instance, %old, %new, reason = request.reason.as_deref(), "a static member was replaced");
    }

    fn rename_static(&mut self, instance: &Text, old: &Text, new: &Text, step: &mut Step<'_>) {
        self.answer_join(old, refused_join(old.clone(), ErrorCode::FencedInstanceId), step.effects);
        self.answer_sync(old, super::group::refused_sync(ErrorCode::FencedInstanceId), step.effects);
        let Some(mut member) = self.members.remove(old) else { return };
        member.deadline_ms = None;
        member.is_new = false;
        if self.is_leader(old) {
            self.leader = Some(new.clone());
        }
        self.pending_syncs.remove(old);
        self.static_members.insert(instance.clone(), new.clone());
        self.members.insert(new.clone(), member);
    }
}

/// A UUID as Java prints it.
fn hyphenated(id: Uuid) -> String {
    let hex: String = id.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}
