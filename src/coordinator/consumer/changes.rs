//! The changes of a consumer group: what is written into the log and read from it again.
//!
//! Pure. A group changes in no other way than by applying one of these, when it happens and when the log is replayed, so the
//! two cannot differ.

use bytes::Bytes;

use super::{
    super::records::{LogRecord, RecordError, decode_value, encode},
    assignment::Partitions,
    records::*,
};
use crate::{
    protocol::{
        Message,
        wire::{Reader, WireError},
    },
    types::Text,
};

/// A change of one group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// The group's epoch and the hash of its topics; `None` removes the group.
    Epoch(Option<ConsumerGroupMetadataValue>),
    /// Sizes of topics of Kafka 4.0: whether there is such a record.
    PartitionMetadata(bool),
    /// What a member says about itself; `None` removes the member.
    Member(Text, Option<ConsumerGroupMemberMetadataValue>),
    /// The epoch of the target; `None` removes it.
    TargetEpoch(Option<ConsumerGroupTargetAssignmentMetadataValue>),
    /// What a member is to own.
    Target(Text, Option<Partitions>),
    /// What a member owns.
    Current(Text, Option<ConsumerGroupCurrentMemberAssignmentValue>),
    /// The topics that a regular expression matches.
    Regex(Text, Option<ConsumerGroupRegularExpressionValue>),
}

impl Change {
    /// The record of it.
    ///
    /// # Errors
    /// A text is too long for the format.
    pub(super) fn record(&self, group: &Text) -> Result<LogRecord, WireError> {
        let group_id = group.clone();
        match self {
            Change::Epoch(value) => written(&ConsumerGroupMetadataKey { group_id }, value.as_ref()),
            Change::PartitionMetadata(exists) => {
                let value = ConsumerGroupPartitionMetadataValue::default();
                written(&ConsumerGroupPartitionMetadataKey { group_id }, exists.then_some(&value))
            }
            Change::Member(member_id, value) => {
                written(&ConsumerGroupMemberMetadataKey { group_id, member_id: member_id.clone() }, value.as_ref())
            }
            Change::TargetEpoch(value) => written(&ConsumerGroupTargetAssignmentMetadataKey { group_id }, value.as_ref()),
            Change::Target(member_id, partitions) => {
                let key = ConsumerGroupTargetAssignmentMemberKey { group_id, member_id: member_id.clone() };
                written(&key, partitions.as_ref().map(target_value).as_ref())
            }
            Change::Current(member_id, value) => {
                written(&ConsumerGroupCurrentMemberAssignmentKey { group_id, member_id: member_id.clone() }, value.as_ref())
            }
            Change::Regex(regex, value) => {
                let key = ConsumerGroupRegularExpressionKey { group_id, regular_expression: regex.clone() };
                written(&key, value.as_ref())
            }
        }
    }

    /// Reads a record: the group and its change; `None` if its type is none of a consumer group's.
    ///
    /// # Errors
    /// It is malformed.
    pub(crate) fn read(record_type: i16, key: &mut Reader, value: Option<Bytes>) -> Result<Option<(Text, Self)>, RecordError> {
        Ok(Some(match record_type {
            ConsumerGroupMetadataKey::API_KEY => {
                (ConsumerGroupMetadataKey::decode(key, 0)?.group_id, Change::Epoch(value.map(decode_value).transpose()?))
            }
            ConsumerGroupPartitionMetadataKey::API_KEY => {
                (ConsumerGroupPartitionMetadataKey::decode(key, 0)?.group_id, Change::PartitionMetadata(value.is_some()))
            }
            ConsumerGroupMemberMetadataKey::API_KEY => {
                let key = ConsumerGroupMemberMetadataKey::decode(key, 0)?;
                (key.group_id, Change::Member(key.member_id, value.map(decode_value).transpose()?))
            }
            ConsumerGroupTargetAssignmentMetadataKey::API_KEY => {
                let key = ConsumerGroupTargetAssignmentMetadataKey::decode(key, 0)?;
                (key.group_id, Change::TargetEpoch(value.map(decode_value).transpose()?))
            }
            ConsumerGroupTargetAssignmentMemberKey::API_KEY => {
                let key = ConsumerGroupTargetAssignmentMemberKey::decode(key, 0)?;
                let value = value.map(decode_value::<ConsumerGroupTargetAssignmentMemberValue>).transpose()?;
                (key.group_id, Change::Target(key.member_id, value.as_ref().map(target)))
            }
            ConsumerGroupCurrentMemberAssignmentKey::API_KEY => {
                let key = ConsumerGroupCurrentMemberAssignmentKey::decode(key, 0)?;
                (key.group_id, Change::Current(key.member_id, value.map(decode_value).transpose()?))
            }
            ConsumerGroupRegularExpressionKey::API_KEY => {
                let key = ConsumerGroupRegularExpressionKey::decode(key, 0)?;
                (key.group_id, Change::Regex(key.regular_expression, value.map(decode_value).transpose()?))
            }
            _ => return Ok(None),
        }))
    }

    /// True if it removes something, so that a group that is not there need not be made for it.
    pub(crate) fn is_tombstone(&self) -> bool {
        match self {
            Change::Epoch(value) => value.is_none(),
            Change::PartitionMetadata(exists) => !exists,
            Change::Member(_, value) => value.is_none(),
            Change::TargetEpoch(value) => value.is_none(),
            Change::Target(_, value) => value.is_none(),
            Change::Current(_, value) => value.is_none(),
            Change::Regex(_, value) => value.is_none(),
        }
    }
}

fn written<K: Message, V: Message>(key: &K, value: Option<&V>) -> Result<LogRecord, WireError> {
    encode(key, value.map(|value| (value, 0)))
}

fn target_value(partitions: &Partitions) -> ConsumerGroupTargetAssignmentMemberValue {
    let topics = partitions.iter().map(|(topic_id, partitions)| TargetTopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.iter().copied().collect(),
    });
    ConsumerGroupTargetAssignmentMemberValue { topic_partitions: topics.collect() }
}

fn target(value: &ConsumerGroupTargetAssignmentMemberValue) -> Partitions {
    let mut partitions = Partitions::new();
    for topic in value.topic_partitions.iter().filter(|topic| !topic.partitions.is_empty()) {
        partitions.entry(topic.topic_id).or_default().extend(&topic.partitions);
    }
    partitions
}
