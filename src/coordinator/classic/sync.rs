//! SyncGroup and Heartbeat.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{
    super::{call::Answer, effects::Ticket},
    Step,
    group::{ClassicGroup, refused_sync},
    state::State,
};
use crate::{
    protocol::messages::{
        heartbeat::HeartbeatRequest,
        sync_group::{SyncGroupRequest, SyncGroupResponse},
    },
    types::{ErrorCode, Text},
};

impl ClassicGroup {
    /// A member wants its assignment; the leader brings everybody's.
    pub(in crate::coordinator) fn sync(&mut self, request: &SyncGroupRequest, ticket: Ticket, step: &mut Step<'_>) {
        if let Err(error) = self.check_sync(request) {
            return step.effects.answer(ticket, Answer::Sync(refused_sync(error)));
        }
        let member_id = &request.member_id;
        match self.state {
            // Checked above: an empty group has no members.
            State::Empty => step.effects.answer(ticket, Answer::Sync(refused_sync(ErrorCode::UnknownMemberId))),
            State::PreparingRebalance => step.effects.answer(ticket, Answer::Sync(refused_sync(ErrorCode::RebalanceInProgress))),
            State::CompletingRebalance => {
                let before = self.members.get_mut(member_id).and_then(|member| member.sync.replace(ticket));
                if let Some(before) = before {
                    // Its client has given that request up.
                    step.effects.answer(before, Answer::Sync(refused_sync(ErrorCode::RebalanceInProgress)));
                }
                self.has_synced(member_id);
                if self.is_leader(member_id) {
                    self.assign(request, step);
                }
            }
            State::Stable => {
                self.has_synced(member_id);
                let response = self.synced(member_id);
                step.effects.answer(ticket, Answer::Sync(response));
            }
        }
    }

    fn check_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        self.check_member(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        let differs = |asked: &Option<Text>, ours: &Option<Text>| asked.is_some() && ours.is_some() && asked != ours;
        if differs(&request.protocol_type, &self.protocol_type) || differs(&request.protocol_name, &self.protocol) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        Ok(())
    }

    fn has_synced(&mut self, member_id: &Text) {
        self.pending_syncs.remove(member_id);
        if self.pending_syncs.is_empty() {
            self.sync_deadline_ms = None;
        }
    }

    /// Stores the leader's assignments and hands them out.
    fn assign(&mut self, request: &SyncGroupRequest, step: &mut Step<'_>) {
        let assigned: BTreeMap<&Text, &Bytes> =
            request.assignments.iter().map(|assignment| (&assignment.member_id, &assignment.assignment)).collect();
        let bytes: usize = assigned.values().map(|assignment| assignment.len()).sum();
        if bytes <= step.settings.record_bytes_max {
            for (member_id, member) in &mut self.members {
                member.profile.assignment = assigned.get(member_id).map(|bytes| Bytes::copy_from_slice(bytes)).unwrap_or_default();
            }
        }
        let record = self.record(step.id).ok().filter(|record| bytes.max(record.bytes()) <= step.settings.record_bytes_max);
        let Some(record) = record else {
            tracing::warn!(group = %step.id, bytes, max = step.settings.record_bytes_max,
                "the group does not fit into a record (message.max.bytes)");
            self.drop_assignments(ErrorCode::UnknownServerError, step);
            return self.prepare_rebalance(step);
        };
        step.effects.records.push(record);
        self.enter(State::Stable, step.now);
        let everyone: Vec<Text> = self.members.keys().cloned().collect();
        for member_id in everyone {
            let response = self.synced(&member_id);
            if self.answer_sync(&member_id, response, step.effects) {
                self.renew(&member_id, step.now);
            }
        }
    }

    fn synced(&self, member_id: &Text) -> SyncGroupResponse {
        SyncGroupResponse {
            protocol_type: self.protocol_type.clone(),
            protocol_name: self.protocol.clone(),
            assignment: self.members.get(member_id).map(|member| member.profile.assignment.clone()).unwrap_or_default(),
            ..SyncGroupResponse::default()
        }
    }

    /// A member lives.
    ///
    /// # Errors
    /// It is not one, is fenced, has missed a generation, or must join again.
    pub(in crate::coordinator) fn heartbeat(&mut self, request: &HeartbeatRequest, step: &Step<'_>) -> Result<(), ErrorCode> {
        self.check_member(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        match self.state {
            State::Empty => Err(ErrorCode::UnknownMemberId),
            State::PreparingRebalance => {
                self.renew(&request.member_id, step.now);
                Err(ErrorCode::RebalanceInProgress)
            }
            State::CompletingRebalance | State::Stable => {
                self.renew(&request.member_id, step.now);
                Ok(())
            }
        }
    }
}
