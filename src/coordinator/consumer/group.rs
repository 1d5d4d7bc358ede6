//! The state of a consumer group, and how a change changes it.
//!
//! Pure. Everything but the deadlines and what is only remembered to save work comes from the log.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    assignment::Partitions,
    changes::Change,
    deadlines::Deadlines,
    member::Member,
    pattern::Pattern,
    records::ConsumerGroupRegularExpressionValue,
    settings::Scene,
    topics::Topics,
};
use crate::types::{Text, Uuid};

/// Epoch of a group and of its target before anything has changed.
const EPOCH_INITIAL: i32 = 1;

/// A consumer group.
#[derive(Clone, Debug)]
pub struct ConsumerGroup {
    pub(super) epoch: i32,
    pub(super) metadata_hash: i64,
    /// The group's epoch for which the targets were computed.
    pub(super) target_epoch: i32,
    /// When, in milliseconds since 1970; 0 if never, or by a broker that did not write it down.
    pub(super) target_ms: i64,
    pub(super) members: BTreeMap<Text, Member>,
    /// Member id by instance id.
    pub(super) static_members: BTreeMap<Text, Text>,
    /// What each member is to own.
    pub(super) targets: BTreeMap<Text, Partitions>,
    /// Who has each partition, also while it is being given back.
    pub(super) owners: BTreeMap<(Uuid, i32), Text>,
    /// Topics that are subscribed to, by name or through an expression.
    subscribed: BTreeMap<Text, Subscribers>,
    /// Topics of each expression.
    pub(super) resolved: BTreeMap<Text, Resolved>,
    /// Number of members with each expression.
    pub(super) regex_members: BTreeMap<Text, usize>,
    /// There is a record of Kafka 4.0 that is not needed any more.
    pub(super) has_partition_metadata: bool,
    /// Version of the metadata that `metadata_hash` was last compared with. Not in the log.
    pub(super) hashed_version: Option<i64>,
    /// Expressions that have been compiled. Not in the log.
    pub(super) patterns: BTreeMap<Text, Pattern>,
    /// When all expressions were last matched, in milliseconds since 1970, and with which version of the metadata.
    /// Not in the log.
    pub(super) matched: Option<(i64, i64)>,
    pub(super) deadlines: Deadlines,
}

/// How a topic is subscribed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Subscribers {
    /// Members that name it.
    members: usize,
    /// Expressions that match it.
    expressions: usize,
}

/// The topics that an expression matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) topics: BTreeSet<Text>,
    pub(super) version: i64,
    pub(super) at_ms: i64,
}

impl Default for ConsumerGroup {
    fn default() -> Self {
        Self {
            epoch: EPOCH_INITIAL,
            metadata_hash: 0,
            target_epoch: EPOCH_INITIAL,
            target_ms: 0,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            targets: BTreeMap::new(),
            owners: BTreeMap::new(),
            subscribed: BTreeMap::new(),
            resolved: BTreeMap::new(),
            regex_members: BTreeMap::new(),
            has_partition_metadata: false,
            hashed_version: None,
            patterns: BTreeMap::new(),
            matched: None,
            deadlines: Deadlines::default(),
        }
    }
}

impl ConsumerGroup {
    /// Writes a change down and makes it.
    pub(super) fn change(&mut self, change: Change, scene: &mut Scene<'_>) {
        match change.record(scene.id) {
            Ok(record) => scene.records.push(record),
            // Its texts came over the wire or out of the log, so they are never too long for it.
            Err(error) => tracing::error!(group = %scene.id, %error, "a change cannot be written down"),
        }
        self.apply(change);
    }

    /// Makes a change, of now or from the log. A change that makes no sense any more, as they are found in logs that have been
    /// compacted, does nothing.
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::Epoch(Some(value)) => {
                self.epoch = value.epoch;
                self.metadata_hash = value.metadata_hash;
            }
            Change::PartitionMetadata(exists) => self.has_partition_metadata = exists,
            Change::Member(id, Some(value)) => {
                let mut member = self.take(&id).unwrap_or_default();
                member.take_metadata(value);
                self.put(id, member);
            }
            Change::Member(id, None) => {
                self.take(&id);
                self.deadlines.forget(&id);
            }
            Change::TargetEpoch(Some(value)) => {
                self.target_epoch = value.assignment_epoch;
                self.target_ms = value.assignment_timestamp;
            }
            Change::Target(id, Some(partitions)) => {
                self.targets.insert(id.detached(), partitions);
            }
            Change::Target(id, None) => {
                self.targets.remove(&id);
            }
            Change::Current(id, Some(value)) => {
                let mut member = self.take(&id).unwrap_or_default();
                member.take_current(&value);
                self.put(id, member);
            }
            Change::Current(id, None) => {
                if let Some(mut member) = self.take(&id) {
                    (member.epoch, member.previous_epoch) = (super::member::EPOCH_LEAVING, super::member::EPOCH_LEAVING);
                    member.assigned.clear();
                    member.revoking.clear();
                    self.put(id, member);
                }
            }
            Change::Regex(regex, value) => self.resolve(regex, value),
            // What goes with them is removed by records of its own.
            Change::Epoch(None) => self.epoch = EPOCH_INITIAL,
            Change::TargetEpoch(None) => (self.target_epoch, self.target_ms) = (EPOCH_INITIAL, 0),
        }
    }

    /// Takes a member out, and with it all that is counted of it.
    fn take(&mut self, id: &Text) -> Option<Member> {
        let member = self.members.remove(id)?;
        for topic in &member.topics {
            self.count(topic, |subscribers| subscribers.members = subscribers.members.saturating_sub(1));
        }
        if let Some(regex) = &member.regex
            && let Some(count) = self.regex_members.get_mut(regex)
        {
            *count -= 1;
            if *count == 0 {
                self.regex_members.remove(regex);
            }
        }
        for partition in member.owned() {
            if self.owners.get(&partition) == Some(id) {
                self.owners.remove(&partition);
            }
        }
        if let Some(instance) = &member.instance_id
            && self.static_members.get(instance) == Some(id)
        {
            self.static_members.remove(instance);
        }
        Some(member)
    }

    /// Puts a member in.
    fn put(&mut self, id: Text, member: Member) {
        let id = id.detached();
        for topic in &member.topics {
            self.count(topic, |subscribers| subscribers.members += 1);
        }
        if let Some(regex) = &member.regex {
            *self.regex_members.entry(regex.clone()).or_default() += 1;
        }
        for partition in member.owned() {
            self.owners.insert(partition, id.clone());
        }
        if let Some(instance) = &member.instance_id {
            self.static_members.insert(instance.clone(), id.clone());
        }
        self.members.insert(id, member);
    }

    fn resolve(&mut self, regex: Text, value: Option<ConsumerGroupRegularExpressionValue>) {
        if let Some(before) = self.resolved.remove(&regex) {
            for topic in &before.topics {
                self.count(topic, |subscribers| subscribers.expressions = subscribers.expressions.saturating_sub(1));
            }
        }
        let Some(value) = value else {
            self.patterns.remove(&regex);
            return;
        };
        let topics: BTreeSet<Text> = value.topics.iter().map(Text::detached).collect();
        for topic in &topics {
            self.count(topic, |subscribers| subscribers.expressions += 1);
        }
        self.resolved.insert(regex.detached(), Resolved { topics, version: value.version, at_ms: value.timestamp });
    }

    fn count(&mut self, topic: &Text, count: impl FnOnce(&mut Subscribers)) {
        let subscribers = self.subscribed.entry(topic.clone()).or_default();
        count(subscribers);
        if *subscribers == Subscribers::default() {
            self.subscribed.remove(topic);
        }
    }

    /// Names of all topics that are subscribed to.
    pub(super) fn subscribed_names(&self) -> impl Iterator<Item = &Text> {
        self.subscribed.keys()
    }

    /// Whether a member consumes the topic.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        self.subscribed.contains_key(topic)
    }

    /// The topics that a member subscribes to and that exist.
    pub(super) fn topics_of(&self, member: &Member, topics: Topics<'_>) -> BTreeSet<Uuid> {
        let matched = member.regex.as_ref().and_then(|regex| self.resolved.get(regex));
        topics.ids(member.topics.iter().chain(matched.into_iter().flat_map(|matched| &matched.topics)))
    }

    /// True without members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// The member with an instance id, with its member id.
    pub(super) fn static_member(&self, instance: &str) -> Option<(&Text, &Member)> {
        let id = self.static_members.get(instance)?;
        self.members.get(id).map(|member| (id, member))
    }

    /// How many members speak the classic protocol.
    pub(super) fn classic_members(&self) -> usize {
        self.members.values().filter(|member| member.is_classic()).count()
    }

    /// Kafka's name of the group's state.
    pub fn state_name(&self) -> &'static str {
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.target_epoch {
            "Assigning"
        } else if self.members.values().all(|member| member.is_reconciled_to(self.target_epoch)) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    /// When something is due next, on the monotonic clock; never later than that.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.deadlines.bound_ms()
    }

    /// The records that remove the group.
    pub(crate) fn remove(&mut self, scene: &mut Scene<'_>) {
        let ids: Vec<Text> = self.members.keys().cloned().collect();
        let targets: Vec<Text> = self.targets.keys().cloned().collect();
        let regexes: Vec<Text> = self.resolved.keys().cloned().collect();
        for id in &ids {
            self.change(Change::Current(id.clone(), None), scene);
        }
        for id in targets {
            self.change(Change::Target(id, None), scene);
        }
        self.change(Change::TargetEpoch(None), scene);
        for id in ids {
            self.change(Change::Member(id, None), scene);
        }
        for regex in regexes {
            self.change(Change::Regex(regex, None), scene);
        }
        self.change(Change::PartitionMetadata(false), scene);
        self.change(Change::Epoch(None), scene);
    }
}
