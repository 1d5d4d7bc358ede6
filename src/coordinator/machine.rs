//! The coordinator of one partition of `__consumer_offsets`: its groups, what is asked of them, and the log they come from.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    call::{Answer, Call, Question},
    classic::{ClassicGroup, Step},
    consumer::{Change, ConsumerGroup, Scene},
    effects::{Effects, Ticket},
    group::{Group, Membership},
    records::{self, GroupMetadataKey, GroupMetadataValue, OffsetCommitKey, OffsetCommitValue, RecordError, decode_value},
    seed::ClassicSeed,
    settings::World,
    timers::Timers,
};
use crate::{protocol::Message, types::Text};

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
            _ => match Change::read(record_type, &mut reader, value)? {
                Some((id, change)) => self.replay_change(&id, change),
                None => self.unknown_records += 1,
            },
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
        match (value, self.groups.get(id).map(|group| &group.membership)) {
            (Some(value), _) => self.group_or_new(id).membership = Membership::Classic(ClassicGroup::from_record(value)),
            (None, Some(Membership::Classic(_))) => self.replay_end(id),
            (None, _) => {}
        }
    }

    fn replay_change(&mut self, id: &Text, change: Change) {
        let is_consumer = matches!(self.groups.get(id).map(|group| &group.membership), Some(Membership::Consumer(_)));
        if !is_consumer && change.is_tombstone() {
            return;
        }
        if matches!(change, Change::Epoch(None)) {
            return self.replay_end(id);
        }
        let group = self.group_or_new(id);
        if !is_consumer {
            group.membership = Membership::Consumer(Box::default());
        }
        if let Membership::Consumer(group) = &mut group.membership {
            group.apply(change);
        }
    }

    /// A group has come to its end. Its offsets have tombstones of their own, before or after.
    fn replay_end(&mut self, id: &Text) {
        match self.groups.get_mut(id) {
            Some(group) if !group.offsets.is_empty() => group.membership = Membership::Classic(ClassicGroup::default()),
            _ => {
                self.groups.remove(id);
            }
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
    pub fn start(&mut self, world: World<'_>) -> Effects {
        let mut effects = Effects::none();
        // A group that only ever had offsets, and has none any more, is no group.
        self.groups.retain(|_, group| !group.offsets.is_empty() || !group.is_simple());
        self.next_cleanup_ms = world.now.mono_ms.saturating_add(world.settings.offsets_retention_check_interval_ms);
        let ids: Vec<Text> = self.groups.keys().cloned().collect();
        for id in ids {
            self.on_classic(&id, world, &mut effects, ClassicGroup::start);
            self.on_consumer(&id, world, &mut effects, |group, scene| group.start(scene));
        }
        effects
    }

    /// Does what a client asks. Joins and syncs may be answered by a later step.
    pub fn handle(&mut self, ticket: Ticket, question: Question, world: World<'_>) -> Effects {
        let Question { caller, call } = question;
        let mut effects = Effects::none();
        let answer = match call {
            Call::Join(request) => self.join(ticket, &caller, &request, world, &mut effects),
            Call::Sync(request) => self.sync(ticket, &request, world, &mut effects),
            Call::Heartbeat(request) => Some(self.heartbeat(&request, world, &mut effects)),
            Call::Leave(request) => Some(self.leave(&request, world, &mut effects)),
            Call::Commit(request) => Some(self.commit(&request, &caller, world, &mut effects)),
            Call::Fetch { group, require_stable: _ } => Some(Answer::Fetch(self.fetch(&group))),
            Call::Describe(ids) => Some(Answer::Described(self.describe(&ids, caller.version))),
            Call::List { states, types } => Some(Answer::Listed(self.list(&states, &types))),
            Call::Delete(ids) => Some(Answer::Deleted(self.delete(ids, world, &mut effects))),
            Call::DeleteOffsets(request) => Some(self.delete_offsets(&request, &mut effects)),
            Call::ConsumerHeartbeat(request) => Some(self.consumer_heartbeat(&caller, &request, world, &mut effects)),
            Call::ConsumerDescribe(ids) => Some(Answer::ConsumerDescribed(self.describe_consumer(&ids, world))),
            Call::Positions => Some(Answer::Positions(self.positions())),
        };
        effects.answers.extend(answer.map(|answer| (ticket, answer)));
        effects
    }

    /// Does what time has made due.
    pub fn tick(&mut self, world: World<'_>) -> Effects {
        let mut effects = Effects::none();
        while let Some(id) = self.timers.pop(world.now.mono_ms) {
            if let Some(group) = self.groups.get_mut(&id) {
                group.registered_ms = None;
            }
            self.on_classic(&id, world, &mut effects, ClassicGroup::expire);
            if let Some(Some(seed)) = self.on_consumer(&id, world, &mut effects, |group, scene| group.expire(scene)) {
                self.become_classic(&id, &seed, world, &mut effects);
            }
        }
        if world.now.mono_ms >= self.next_cleanup_ms {
            self.next_cleanup_ms = world.now.mono_ms.saturating_add(world.settings.offsets_retention_check_interval_ms);
            self.expire_offsets(world, &mut effects);
        }
        effects
    }

    /// When [`Coordinator::tick`] has something to do, on the monotonic clock.
    pub fn next_tick_ms(&self) -> u64 {
        self.timers.next_ms().map_or(self.next_cleanup_ms, |due_ms| due_ms.min(self.next_cleanup_ms))
    }

    /// Lets something happen to a classic group, and notes when it wants to be looked at next. `None` if there is no such group
    /// of that type.
    pub(super) fn on_classic<T>(
        &mut self,
        id: &Text,
        world: World<'_>,
        effects: &mut Effects,
        happen: impl FnOnce(&mut ClassicGroup, &mut Step<'_>) -> T,
    ) -> Option<T> {
        let group = self.groups.get_mut(id)?;
        let Membership::Classic(classic) = &mut group.membership else { return None };
        let outcome = happen(classic, &mut Step { id, now: world.now, settings: world.settings, effects });
        self.note(id);
        Some(outcome)
    }

    /// Lets something happen to a consumer group; otherwise as [`Coordinator::on_classic`].
    pub(super) fn on_consumer<T>(
        &mut self,
        id: &Text,
        world: World<'_>,
        effects: &mut Effects,
        happen: impl FnOnce(&mut ConsumerGroup, &mut Scene<'_>) -> T,
    ) -> Option<T> {
        let group = self.groups.get_mut(id)?;
        let Membership::Consumer(consumer) = &mut group.membership else { return None };
        let settings = world.consumer_settings(id);
        let scene = &mut Scene { id, now: world.now, settings: &settings, topics: world.topics(), records: &mut effects.records };
        let outcome = happen(consumer, scene);
        self.note(id);
        Some(outcome)
    }

    /// Notes when a group wants to be looked at next.
    pub(super) fn note(&mut self, id: &Text) {
        if let Some(group) = self.groups.get_mut(id) {
            group.registered_ms = self.timers.note(id, group.registered_ms, group.next_deadline_ms());
        }
    }

    /// What is left of a consumer group goes on as a classic group.
    pub(super) fn become_classic(&mut self, id: &Text, seed: &ClassicSeed, world: World<'_>, effects: &mut Effects) {
        self.group_or_new(id).membership = Membership::Classic(ClassicGroup::from_seed(seed, world.now));
        self.on_classic(id, world, effects, |group, step| group.start_from_seed(seed.rebalance, step));
    }

    pub(super) fn group_or_new(&mut self, id: &Text) -> &mut Group {
        // A copy of the name, so that it does not keep the frame that it came in.
        let id = if self.groups.contains_key(id) { id.clone() } else { id.detached() };
        self.groups.entry(id).or_default()
    }

    /// Forgets a group and its timer.
    pub(super) fn forget(&mut self, id: &Text) {
        if let Some(group) = self.groups.remove(id) {
            self.timers.forget(id, group.registered_ms);
        }
    }
}

impl Group {
    /// True if nobody has ever joined: only its positions make it a group.
    pub(super) fn is_simple(&self) -> bool {
        match &self.membership {
            Membership::Classic(group) => group.is_empty() && group.protocol_type().is_none() && group.generation() == 0,
            Membership::Consumer(_) => false,
        }
    }
}
