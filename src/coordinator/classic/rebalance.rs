//! From one generation to the next, and what happens when time runs out.

use super::{
    super::settings::Now,
    Step,
    group::{ClassicGroup, refused_join, refused_sync},
    state::State,
};
use crate::types::{ErrorCode, Text};

/// The clock of the join phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JoinTimer {
    at_ms: u64,
    /// The first rebalance of an empty group: how long was waited last, and how much longer may be waited if more join.
    initial: Option<(i32, i32)>,
}

impl ClassicGroup {
    /// Starts a rebalance if none is under way; otherwise ends it if all have joined.
    pub(super) fn rebalance_or_complete(&mut self, step: &mut Step<'_>) {
        match self.state {
            State::PreparingRebalance => self.complete_if_all_joined(step),
            State::Empty | State::CompletingRebalance | State::Stable => self.prepare_rebalance(step),
        }
    }

    /// Ends the join phase if everyone is there. The first one of an empty group lasts as long as its delay.
    pub(super) fn complete_if_all_joined(&mut self, step: &mut Step<'_>) {
        if self.state == State::PreparingRebalance && self.previous_state != State::Empty && self.all_have_joined() {
            self.complete_join(step);
        }
    }

    /// Asks everyone to join again.
    pub(super) fn prepare_rebalance(&mut self, step: &mut Step<'_>) {
        if self.state == State::CompletingRebalance {
            self.drop_assignments(ErrorCode::RebalanceInProgress, step);
        }
        self.pending_syncs.clear();
        self.sync_deadline_ms = None;
        let is_initial = self.state == State::Empty;
        self.enter(State::PreparingRebalance, step.now);
        tracing::info!(group = %step.id, generation = self.generation, members = self.members.len(), "a rebalance begins");
        if is_initial {
            let delay_ms = step.settings.initial_rebalance_delay_ms;
            let remaining_ms = self.rebalance_timeout_ms().saturating_sub(delay_ms).max(0);
            self.join_timer = Some(JoinTimer { at_ms: step.now.after(delay_ms), initial: Some((delay_ms, remaining_ms)) });
        } else if self.all_have_joined() {
            self.complete_join(step);
        } else {
            self.await_joins(step.now);
        }
    }

    fn await_joins(&mut self, now: Now) {
        self.join_timer = Some(JoinTimer { at_ms: now.after(self.rebalance_timeout_ms()), initial: None });
    }

    /// Begins the next generation with those who joined; dynamic members that did not are gone.
    pub(super) fn complete_join(&mut self, step: &mut Step<'_>) {
        self.join_timer = None;
        let late: Vec<Text> = self
            .members
            .iter()
            .filter(|(_, member)| member.join.is_none() && member.profile.instance_id.is_none())
            .map(|(member_id, _)| member_id.clone())
            .collect();
        for member_id in &late {
            self.remove(member_id);
        }
        if !late.is_empty() {
            tracing::info!(group = %step.id, members = late.len(), "members that did not join in time are out");
        }
        if !self.elect_joined_leader() && !self.members.is_empty() {
            // Only static members, and none came: wait until their sessions end.
            return self.await_joins(step.now);
        }
        self.generation = self.generation.wrapping_add(1);
        self.pending_syncs.clear();
        if self.members.is_empty() {
            self.protocol = None;
            self.compute_subscribed();
            self.enter(State::Empty, step.now);
            // In the log it must be seen that nobody is left, or a restart would bring the members back.
            step.effects.records.extend(self.record(step.id).ok());
            return;
        }
        self.protocol = self.select_protocol();
        self.compute_subscribed();
        self.enter(State::CompletingRebalance, step.now);
        tracing::info!(group = %step.id, generation = self.generation, members = self.members.len(), "a generation begins");
        let everyone: Vec<Text> = self.members.keys().cloned().collect();
        for member_id in everyone {
            let response = self.joined(&member_id);
            self.answer_join(&member_id, response, step.effects);
            self.renew(&member_id, step.now);
            if let Some(member) = self.members.get_mut(&member_id) {
                member.is_new = false;
            }
            self.pending_syncs.insert(member_id);
        }
        self.sync_deadline_ms = Some(step.now.after(self.rebalance_timeout_ms()));
    }

    /// Makes sure that the leader is somebody who joined. False if nobody did.
    fn elect_joined_leader(&mut self) -> bool {
        let has_joined = |group: &Self, member_id: &Text| group.members.get(member_id).is_some_and(|member| member.join.is_some());
        if self.leader.as_ref().is_some_and(|leader| has_joined(self, leader)) {
            return true;
        }
        if self.leader.is_none() {
            return false;
        }
        let joined = self.members.iter().find(|(_, member)| member.join.is_some()).map(|(member_id, _)| member_id.clone());
        match joined {
            Some(member_id) => {
                self.leader = Some(member_id);
                true
            }
            None => false,
        }
    }

    /// Forgets what the leader may have assigned, and tells those who wait for it.
    pub(super) fn drop_assignments(&mut self, error: ErrorCode, step: &mut Step<'_>) {
        let everyone: Vec<Text> = self.members.keys().cloned().collect();
        for member_id in everyone {
            if let Some(member) = self.members.get_mut(&member_id) {
                member.profile.assignment = bytes::Bytes::new();
            }
            if self.answer_sync(&member_id, refused_sync(error), step.effects) {
                self.renew(&member_id, step.now);
            }
        }
    }

    /// Nothing is due before this time, on the monotonic clock; absent if nothing is due at all.
    pub(in crate::coordinator) fn next_deadline_ms(&self) -> Option<u64> {
        let join_ms = self.join_timer.map(|timer| timer.at_ms);
        [self.bound_ms, join_ms, self.sync_deadline_ms].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(in crate::coordinator) fn expire(&mut self, step: &mut Step<'_>) {
        let now_ms = step.now.mono_ms;
        if self.bound_ms.is_some_and(|bound_ms| bound_ms <= now_ms) {
            self.expire_members(step);
        }
        if let Some(timer) = self.join_timer.filter(|timer| timer.at_ms <= now_ms) {
            self.expire_join_phase(timer, step);
        }
        if self.sync_deadline_ms.is_some_and(|at| at <= now_ms) {
            self.expire_sync_phase(step);
        }
    }

    /// Whoever is late is out.
    fn expire_members(&mut self, step: &mut Step<'_>) {
        let now_ms = step.now.mono_ms;
        let pending: Vec<Text> = self.pending_joins.iter().filter(|(_, at)| **at <= now_ms).map(|(member_id, _)| member_id.clone()).collect();
        for member_id in pending {
            self.remove(&member_id);
            self.after_pending_gone(step);
        }
        let silent = self.members.iter().filter(|(_, member)| member.deadline_ms.is_some_and(|at| at <= now_ms));
        let silent: Vec<Text> = silent.map(|(member_id, _)| member_id.clone()).collect();
        for member_id in silent {
            self.expire_member(&member_id, step);
        }
        let members = self.members.values().filter_map(|member| member.deadline_ms);
        self.bound_ms = members.chain(self.pending_joins.values().copied()).min();
    }

    /// One who was about to join has gone: perhaps it was the last to be waited for.
    pub(super) fn after_pending_gone(&mut self, step: &mut Step<'_>) {
        if self.state == State::PreparingRebalance && self.all_have_joined() {
            self.complete_join(step);
        }
    }

    fn expire_member(&mut self, member_id: &Text, step: &mut Step<'_>) {
        // An earlier one of this round may have changed everything.
        let Some(member) = self.members.get_mut(member_id) else { return };
        if member.deadline_ms.is_none_or(|at| at > step.now.mono_ms) {
            return;
        }
        member.deadline_ms = None;
        if !member.is_new && member.is_waiting() {
            return;
        }
        tracing::info!(group = %step.id, member = %member_id, "a member has been silent for too long");
        self.answer_join(member_id, refused_join(Text::default(), ErrorCode::UnknownMemberId), step.effects);
        self.remove(member_id);
        match self.state {
            State::Stable | State::CompletingRebalance => self.prepare_rebalance(step),
            State::PreparingRebalance if self.all_have_joined() => self.complete_join(step),
            State::PreparingRebalance | State::Empty => {}
        }
    }

    fn expire_join_phase(&mut self, timer: JoinTimer, step: &mut Step<'_>) {
        self.join_timer = None;
        if self.state != State::PreparingRebalance {
            return;
        }
        match timer.initial {
            // More joined meanwhile: wait for those who may come with them.
            Some((delay_ms, remaining_ms)) if self.new_member_added && remaining_ms > 0 => {
                self.new_member_added = false;
                let next_ms = step.settings.initial_rebalance_delay_ms.min(remaining_ms);
                let remaining_ms = remaining_ms.saturating_sub(delay_ms).max(0);
                self.join_timer = Some(JoinTimer { at_ms: step.now.after(next_ms), initial: Some((next_ms, remaining_ms)) });
            }
            _ => self.complete_join(step),
        }
    }

    /// Who joined and did not sync in time is out.
    fn expire_sync_phase(&mut self, step: &mut Step<'_>) {
        self.sync_deadline_ms = None;
        if !matches!(self.state, State::CompletingRebalance | State::Stable) || self.pending_syncs.is_empty() {
            return;
        }
        let missing = std::mem::take(&mut self.pending_syncs);
        tracing::info!(group = %step.id, members = missing.len(), "members that did not sync in time are out");
        for member_id in &missing {
            self.remove(member_id);
        }
        self.prepare_rebalance(step);
    }

    /// The group was read from the log and is put to use: sessions begin, and a group that is too large rebalances.
    pub(in crate::coordinator) fn start(&mut self, step: &mut Step<'_>) {
        let everyone: Vec<Text> = self.members.keys().cloned().collect();
        for member_id in &everyone {
            self.renew(member_id, step.now);
        }
        if everyone.len() > step.settings.max_size {
            self.prepare_rebalance(step);
        }
    }
}
