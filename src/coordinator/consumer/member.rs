//! A member of a consumer group.
//!
//! Pure data and the small steps that change it.

use std::collections::BTreeSet;

use super::{
    assignment::{self, Owned},
    records::{
        ClassicMemberMetadata, ConsumerGroupCurrentMemberAssignmentValue, ConsumerGroupMemberMetadataValue, CurrentTopicPartitions,
    },
};
use crate::types::{Text, Uuid};

/// Epoch of a member that joins.
pub(super) const EPOCH_JOINING: i32 = 0;
/// Epoch of a member that leaves.
pub(super) const EPOCH_LEAVING: i32 = -1;
/// Epoch of a static member that will be back.
pub(super) const EPOCH_AWAY: i32 = -2;

/// Where a member is on its way to its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MemberState {
    /// It owns what it is to own at its epoch.
    #[default]
    Stable,
    /// It has to give partitions back before it goes on.
    UnrevokedPartitions,
    /// Others have to give partitions back that it is to own.
    UnreleasedPartitions,
    /// A state that a newer broker wrote down.
    Unknown,
}

impl MemberState {
    const fn code(self) -> i8 {
        match self {
            MemberState::Stable => 0,
            MemberState::UnrevokedPartitions => 1,
            MemberState::UnreleasedPartitions => 2,
            MemberState::Unknown => 127,
        }
    }

    const fn from_code(code: i8) -> Self {
        match code {
            0 => MemberState::Stable,
            1 => MemberState::UnrevokedPartitions,
            2 => MemberState::UnreleasedPartitions,
            _ => MemberState::Unknown,
        }
    }
}

/// A member.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(super) epoch: i32,
    pub(super) previous_epoch: i32,
    pub(super) state: MemberState,
    pub(super) instance_id: Option<Text>,
    pub(super) rack_id: Option<Text>,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) client_id: Text,
    pub(super) client_host: Text,
    pub(super) topics: BTreeSet<Text>,
    pub(super) regex: Option<Text>,
    pub(super) server_assignor: Option<Text>,
    pub(super) assigned: Owned,
    /// What it still has and is to give back.
    pub(super) revoking: Owned,
    /// Set if it speaks the classic protocol.
    pub(super) classic: Option<ClassicMemberMetadata>,
}

impl Default for Member {
    fn default() -> Self {
        Self {
            epoch: EPOCH_JOINING,
            previous_epoch: -1,
            state: MemberState::Stable,
            instance_id: None,
            rack_id: None,
            rebalance_timeout_ms: -1,
            client_id: Text::default(),
            client_host: Text::default(),
            topics: BTreeSet::new(),
            regex: None,
            server_assignor: None,
            assigned: Owned::new(),
            revoking: Owned::new(),
            classic: None,
        }
    }
}

impl Member {
    /// True if it speaks the classic protocol.
    pub(crate) fn is_classic(&self) -> bool {
        self.classic.is_some()
    }

    /// True if it owns its target of `epoch`.
    pub(super) fn is_reconciled_to(&self, epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == epoch
    }

    /// It is at `epoch` from now on.
    pub(super) fn move_to(&mut self, epoch: i32) {
        self.previous_epoch = self.epoch;
        self.epoch = epoch;
    }

    /// Everything that it has: what it is to keep and what it is to give back.
    pub(super) fn owned(&self) -> impl Iterator<Item = (Uuid, i32)> {
        assignment::each(&self.assigned).chain(assignment::each(&self.revoking))
    }

    /// What it says about itself, as a record.
    pub(super) fn metadata(&self) -> ConsumerGroupMemberMetadataValue {
        ConsumerGroupMemberMetadataValue {
            instance_id: self.instance_id.clone(),
            rack_id: self.rack_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            subscribed_topic_names: self.topics.iter().cloned().collect(),
            subscribed_topic_regex: Some(self.regex.clone().unwrap_or_default()),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            server_assignor: self.server_assignor.clone(),
            classic_member_metadata: self.classic.clone(),
        }
    }

    /// Takes over such a record.
    pub(super) fn take_metadata(&mut self, value: ConsumerGroupMemberMetadataValue) {
        self.instance_id = detached(value.instance_id);
        self.rack_id = detached(value.rack_id);
        self.client_id = value.client_id.detached();
        self.client_host = value.client_host.detached();
        self.topics = value.subscribed_topic_names.iter().map(Text::detached).collect();
        self.regex = detached(value.subscribed_topic_regex).filter(|regex| !regex.is_empty());
        self.rebalance_timeout_ms = value.rebalance_timeout_ms;
        self.server_assignor = detached(value.server_assignor);
        // Kafka's previews of the consumer protocol knew no such metadata. Who has no protocol does not speak the classic one.
        let classic = value.classic_member_metadata.filter(|classic| !classic.supported_protocols.is_empty());
        self.classic = classic.map(detached_classic);
    }

    /// What it owns, as a record.
    pub(super) fn current(&self) -> ConsumerGroupCurrentMemberAssignmentValue {
        ConsumerGroupCurrentMemberAssignmentValue {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: self.state.code(),
            assigned_partitions: written(&self.assigned),
            partitions_pending_revocation: written(&self.revoking),
        }
    }

    /// Takes over such a record.
    pub(super) fn take_current(&mut self, value: &ConsumerGroupCurrentMemberAssignmentValue) {
        self.epoch = value.member_epoch;
        self.previous_epoch = value.previous_member_epoch;
        self.state = MemberState::from_code(value.state);
        self.assigned = read(&value.assigned_partitions, value.member_epoch);
        self.revoking = read(&value.partitions_pending_revocation, value.member_epoch);
    }
}

fn detached(text: Option<Text>) -> Option<Text> {
    text.as_ref().map(Text::detached)
}

/// The same, with memory of its own.
pub(super) fn detached_classic(mut classic: ClassicMemberMetadata) -> ClassicMemberMetadata {
    for protocol in &mut classic.supported_protocols {
        protocol.name = protocol.name.detached();
        protocol.metadata = bytes::Bytes::copy_from_slice(&protocol.metadata);
    }
    classic
}

fn written(owned: &Owned) -> Vec<CurrentTopicPartitions> {
    let written = owned.iter().map(|(topic_id, partitions)| CurrentTopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.keys().copied().collect(),
        assignment_epochs: Some(partitions.values().copied().collect()),
    });
    written.collect()
}

/// Before Kafka 4.3 there were no epochs of partitions: then the member's own stands for all.
fn read(topics: &[CurrentTopicPartitions], member_epoch: i32) -> Owned {
    let mut owned = Owned::new();
    for topic in topics.iter().filter(|topic| !topic.partitions.is_empty()) {
        let epochs = topic.assignment_epochs.as_ref().filter(|epochs| epochs.len() == topic.partitions.len());
        let epoch = |index: usize| epochs.and_then(|epochs| epochs.get(index)).copied().unwrap_or_else(|| member_epoch.max(0));
        let partitions = topic.partitions.iter().enumerate().map(|(index, partition)| (*partition, epoch(index)));
        owned.entry(topic.topic_id).or_default().extend(partitions);
    }
    owned
}
