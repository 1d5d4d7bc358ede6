//! The coordinator of one partition of `__consumer_offsets`: its groups, what is asked of them, and the log they come from.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    call::{Answer, Call, Caller, Question},
    classic::{ClassicGroup, Step},
    effects::{Effects, LogRecord, Ticket},
    group::{Group, Membership},
    records::{self, GroupMetadataKey, GroupMetadataValue, OffsetCommitKey, OffsetCommitValue, RecordError, decode_value},
    settings::{GroupSettings, Now},
    timers::Timers,
};
use crate::{
    protocol::{
        Message,
        messages::{
            heartbeat::{HeartbeatRequest, HeartbeatResponse},
            join_group::{JoinGroupRequest, JoinGroupResponse},
            leave_group::{LeaveGroupRequest, MemberIdentity},
            sync_group::{SyncGroupRequest, SyncGroupResponse},
        },
        wire::WireError,
    },
    types::{ErrorCode, Text},
};

/// Type of the keys of committed offsets before Kafka 0.9; otherwise as [`OffsetCommitKey`].
const OFFSET_COMMIT_KEY_OLD: i16 = 0;

/// The groups of one partition.
#[derive(Clone, Debug, Default)]
pub struct Coordinator {
    pub(super) groups: BTreeMap<Text, Group>,
    timers: Timers,
    /// When expired offsets are looked for next, on the monotonic clock.
    next_cleanup_ms: u64,
    /// Keys of types that were not known when the log was read.
    unknown_records: u64,
}

impl Coordinator {
    /// Takes over a record from the log. Transactional records must have been committed.
    ///
    /// # Errors
    /// The record is malformed. It has then not been taken over; the others of the log still mean what they say.
    pub fn replay(&mut self, key: Option<Bytes>, value: Option<Bytes>) -> Result<(), RecordError> {
        let (record_type, mut reader) = records::decode_key(key.ok_or(RecordError::NoKey)?)?;
        match record_type {
            OFFSET_COMMIT_KEY_OLD | OffsetCommitKey::API_KEY => {
                let key = OffsetCommitKey::decode(&mut reader, 0)?;
                let value = value.map(decode_value::<OffsetCommitValue>).transpose()?;
                self.replay_offset(&key, value);
            }
            GroupMetadataKey::API_KEY => {
                let key = GroupMetadataKey::decode(&mut reader, 0)?;
                let value = value.map(decode_value::<GroupMetadataValue>).transpose()?;
                self.replay_group(&key.group, value.as_ref());
            }
            _ => self.unknown_records += 1,
        }
        Ok(())
    }

    fn replay_offset(&mut self, key: &OffsetCommitKey, value: Option<OffsetCommitValue>) {
        match value {
            Some(value) => self.group_or_new(&key.group).offsets.put(&key.topic, key.partition, value.into()),
            None => {
                if let Some(group) = self.groups.get_mut(&key.group) {
                    group.offsets.remove(&key.topic, key.partition);
                }
            }
        }
    }

    fn replay_group(&mut self, id: &Text, value: Option<&GroupMetadataValue>) {
        match value {
            Some(value) => self.group_or_new(id).membership = Membership::Classic(ClassicGroup::from_record(value)),
            None => match self.groups.get_mut(id) {
                // Its offsets have tombstones of their own, before or after.
                Some(group) if !group.offsets.is_empty() => group.membership = Membership::Classic(ClassicGroup::default()),
                _ => {
                    self.groups.remove(id);
                }
            },
        }
    }

    /// How many records of types that are not known were passed over.
    pub fn unknown_records(&self) -> u64 {
        self.unknown_records
    }

    /// The topics in which groups have positions.
    pub fn topics_with_positions(&self) -> BTreeSet<Text> {
        self.groups.values().flat_map(|group| group.offsets.topics()).map(|(topic, _)| topic.clone()).collect()
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// True without groups.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The log has been read: sessions begin now.
    pub fn start(&mut self, now: Now, settings: &GroupSettings) -> Effects {
        let mut effects = Effects::none();
        // A group that only ever had offsets, and has none any more, is no group.
        self.groups.retain(|_, group| !group.offsets.is_empty() || !group.is_simple());
        self.next_cleanup_ms = now.mono_ms.saturating_add(settings.offsets_retention_check_interval_ms);
        let ids: Vec<Text> = self.groups.keys().cloned().collect();
        for id in ids {
            self.step(&id, now, settings, &mut effects, |group, step| match &mut group.membership {
                Membership::Classic(group) => group.start(step),
            });
        }
        effects
    }

    /// Does what a client asks. Joins and syncs may be answered by a later step.
    pub fn handle(&mut self, ticket: Ticket, question: Question, now: Now, settings: &GroupSettings) -> Effects {
        let Question { caller, call } = question;
        let mut effects = Effects::none();
        let answer = match call {
            Call::Join(request) => {
                self.join(ticket, &caller, &request, now, settings, &mut effects);
                return effects;
            }
            Call::Sync(request) => {
                self.sync(ticket, &request, now, settings, &mut effects);
                return effects;
            }
            Call::Heartbeat(request) => self.heartbeat(&request, now, settings, &mut effects),
            Call::Leave(request) => self.leave(&request, now, settings, &mut effects),
            Call::Commit(request) => self.commit(&request, &caller, now, settings, &mut effects),
            Call::Fetch { group, require_stable: _ } => Answer::Fetch(self.fetch(&group)),
            Call::Describe(ids) => Answer::Described(self.describe(&ids, caller.version)),
            Call::List { states, types } => Answer::Listed(self.list(&states, &types)),
            Call::Delete(ids) => Answer::Deleted(self.delete(ids, &mut effects)),
            Call::DeleteOffsets(request) => self.delete_offsets(&request, &mut effects),
            Call::Positions => Answer::Positions(self.positions()),
        };
        effects.answer(ticket, answer);
        effects
    }

    /// Does what time has made due.
    pub fn tick(&mut self, now: Now, settings: &GroupSettings) -> Effects {
        let mut effects = Effects::none();
        while let Some(id) = self.timers.pop(now.mono_ms) {
            if let Some(group) = self.groups.get_mut(&id) {
                group.registered_ms = None;
            }
            self.step(&id, now, settings, &mut effects, |group, step| match &mut group.membership {
                Membership::Classic(group) => group.expire(step),
            });
        }
        if now.mono_ms >= self.next_cleanup_ms {
            self.next_cleanup_ms = now.mono_ms.saturating_add(settings.offsets_retention_check_interval_ms);
            self.expire_offsets(now, settings, &mut effects);
        }
        effects
    }

    /// When [`Coordinator::tick`] has something to do, on the monotonic clock.
    pub fn next_tick_ms(&self) -> u64 {
        self.timers.next_ms().map_or(self.next_cleanup_ms, |due_ms| due_ms.min(self.next_cleanup_ms))
    }

    /// Lets something happen to a group, and notes when it wants to be looked at next.
    fn step<T>(
        &mut self,
        id: &Text,
        now: Now,
        settings: &GroupSettings,
        effects: &mut Effects,
        happen: impl FnOnce(&mut Group, &mut Step<'_>) -> T,
    ) -> Option<T> {
        let group = self.groups.get_mut(id)?;
        let outcome = happen(group, &mut Step { id, now, settings, effects });
        group.registered_ms = self.timers.note(id, group.registered_ms, group.next_deadline_ms());
        Some(outcome)
    }

    /// As [`Coordinator::step`], for what can only move deadlines further away: they need not be looked at.
    fn quiet_step<T>(
        &mut self,
        id: &Text,
        now: Now,
        settings: &GroupSettings,
        effects: &mut Effects,
        happen: impl FnOnce(&mut Group, &mut Step<'_>) -> T,
    ) -> Option<T> {
        let group = self.groups.get_mut(id)?;
        let outcome = happen(group, &mut Step { id, now, settings, effects });
        if group.registered_ms.is_none() {
            group.registered_ms = self.timers.note(id, None, group.next_deadline_ms());
        }
        Some(outcome)
    }

    pub(super) fn group_or_new(&mut self, id: &Text) -> &mut Group {
        if !self.groups.contains_key(id) {
            self.groups.insert(id.detached(), Group::default());
        }
        // Invariant: it was inserted if it was missing.
        self.groups.entry(id.clone()).or_default()
    }

    /// Forgets a group and its timer.
    pub(super) fn forget(&mut self, id: &Text) {
        if let Some(group) = self.groups.remove(id) {
            self.timers.forget(id, group.registered_ms);
        }
    }

    fn join(&mut self, ticket: Ticket, caller: &Caller, request: &JoinGroupRequest, now: Now, settings: &GroupSettings, effects: &mut Effects) {
        let id = &request.group_id;
        let is_new = !self.groups.contains_key(id);
        if is_new {
            if !request.member_id.is_empty() {
                let response = JoinGroupResponse {
                    error_code: ErrorCode::UnknownMemberId.code(),
                    member_id: request.member_id.clone(),
                    ..JoinGroupResponse::default()
                };
                return effects.answer(ticket, Answer::Join(response));
            }
            self.group_or_new(id);
        }
        let joining = super::classic::Joining { caller, request, ticket };
        self.step(id, now, settings, effects, |group, step| match &mut group.membership {
            Membership::Classic(group) => group.join(joining, step),
        });
        if is_new && effects.records.is_empty() {
            // The group is to be known after a restart too, and its name must be one that the log can hold.
            match self.groups.get(id).map(|group| group.empty_record(id)) {
                Some(Ok(record)) => effects.records.push(record),
                Some(Err(_)) | None => self.forget(id),
            }
        }
    }

    fn sync(&mut self, ticket: Ticket, request: &SyncGroupRequest, now: Now, settings: &GroupSettings, effects: &mut Effects) {
        let done = self.step(&request.group_id, now, settings, effects, |group, step| match &mut group.membership {
            Membership::Classic(group) => group.sync(request, ticket, step),
        });
        if done.is_none() {
            let response = SyncGroupResponse { error_code: ErrorCode::UnknownMemberId.code(), ..SyncGroupResponse::default() };
            effects.answer(ticket, Answer::Sync(response));
        }
    }

    fn heartbeat(&mut self, request: &HeartbeatRequest, now: Now, settings: &GroupSettings, effects: &mut Effects) -> Answer {
        let result = self.quiet_step(&request.group_id, now, settings, effects, |group, step| match &mut group.membership {
            Membership::Classic(group) => group.heartbeat(request, step),
        });
        let error = result.unwrap_or(Err(ErrorCode::UnknownMemberId)).err().unwrap_or(ErrorCode::None);
        Answer::Heartbeat(HeartbeatResponse { error_code: error.code(), ..HeartbeatResponse::default() })
    }

    fn leave(&mut self, request: &LeaveGroupRequest, now: Now, settings: &GroupSettings, effects: &mut Effects) -> Answer {
        let members: &[MemberIdentity] = &request.members;
        let left = self.step(&request.group_id, now, settings, effects, |group, step| match &mut group.membership {
            Membership::Classic(group) => group.leave(members, step),
        });
        left.map_or(Answer::Refused(ErrorCode::UnknownMemberId), Answer::Leave)
    }

    /// Runs `check` on a group for a commit, and notes the session that it kept alive.
    pub(super) fn check_commit(
        &mut self,
        id: &Text,
        now: Now,
        settings: &GroupSettings,
        effects: &mut Effects,
        check: impl FnOnce(&mut Group, &mut Step<'_>) -> Result<(), ErrorCode>,
    ) -> Option<Result<(), ErrorCode>> {
        self.quiet_step(id, now, settings, effects, check)
    }
}

impl Group {
    /// True if nobody has ever joined: only its positions make it a group.
    pub(super) fn is_simple(&self) -> bool {
        match &self.membership {
            Membership::Classic(group) => group.is_empty() && group.protocol_type().is_none() && group.generation() == 0,
        }
    }

    fn empty_record(&self, id: &Text) -> Result<LogRecord, WireError> {
        match &self.membership {
            Membership::Classic(group) => group.empty_record(id),
        }
    }
}
