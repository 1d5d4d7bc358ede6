//! The positions that one group committed.

use std::collections::BTreeMap;

use super::records::{LogRecord, OffsetCommitKey, OffsetCommitValue, encode};
use crate::{
    protocol::wire::WireError,
    types::{Text, Uuid},
};

/// A committed position in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Offset of the next record to consume. As it was sent: Kafka stores negative ones too.
    pub position: i64,
    /// Leader epoch of the last record consumed.
    pub leader_epoch: Option<i32>,
    /// What the client wants to remember.
    pub metadata: Text,
    /// When it was committed, in milliseconds since 1970.
    pub committed_ms: i64,
    /// When it expires, where the client said so (versions 2 to 4 of OffsetCommit).
    pub expires_ms: Option<i64>,
    /// The topic's id, where the client named it or the broker knew it.
    pub topic_id: Option<Uuid>,
}

/// Version of a value without a retention time of its own (GroupCoordinatorRecordHelpers of Kafka 4.3).
const VALUE_VERSION: i16 = 4;
/// The only version that has one.
const VALUE_VERSION_EXPIRING: i16 = 1;

impl Committed {
    /// The record that stores it.
    ///
    /// # Errors
    /// A text is too long for the format.
    pub fn record(&self, group: &Text, topic: &Text, partition: i32) -> Result<LogRecord, WireError> {
        let key = OffsetCommitKey { group: group.clone(), topic: topic.clone(), partition };
        let value = OffsetCommitValue {
            offset: self.position,
            leader_epoch: self.leader_epoch.unwrap_or(-1),
            metadata: self.metadata.clone(),
            commit_timestamp: self.committed_ms,
            expire_timestamp: self.expires_ms.unwrap_or(-1),
            topic_id: self.topic_id.unwrap_or(Uuid::ZERO),
        };
        let version = if self.expires_ms.is_some() { VALUE_VERSION_EXPIRING } else { VALUE_VERSION };
        encode(&key, Some((&value, version)))
    }

    /// The record that removes a position.
    ///
    /// # Errors
    /// A text is too long for the format.
    pub fn tombstone(group: &Text, topic: &Text, partition: i32) -> Result<LogRecord, WireError> {
        encode::<_, OffsetCommitValue>(&OffsetCommitKey { group: group.clone(), topic: topic.clone(), partition }, None)
    }
}

impl From<OffsetCommitValue> for Committed {
    fn from(value: OffsetCommitValue) -> Self {
        Self {
            position: value.offset,
            leader_epoch: Some(value.leader_epoch).filter(|epoch| *epoch >= 0),
            metadata: value.metadata.detached(),
            committed_ms: value.commit_timestamp,
            expires_ms: Some(value.expire_timestamp).filter(|at| *at != -1),
            topic_id: Some(value.topic_id).filter(|id| !id.is_zero()),
        }
    }
}

/// The positions of one group, by topic and partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    topics: BTreeMap<Text, BTreeMap<i32, Committed>>,
}

impl Offsets {
    /// The position in one partition.
    pub fn get(&self, topic: &str, partition: i32) -> Option<&Committed> {
        self.topics.get(topic)?.get(&partition)
    }

    /// Stores a position.
    pub fn put(&mut self, topic: &Text, partition: i32, committed: Committed) {
        match self.topics.get_mut(topic) {
            Some(partitions) => partitions.insert(partition, committed),
            None => self.topics.entry(topic.detached()).or_default().insert(partition, committed),
        };
    }

    /// Forgets a position.
    pub fn remove(&mut self, topic: &str, partition: i32) {
        if let Some(partitions) = self.topics.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.topics.remove(topic);
            }
        }
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// Every topic with its positions.
    pub fn topics(&self) -> impl Iterator<Item = (&Text, &BTreeMap<i32, Committed>)> {
        self.topics.iter()
    }

    /// Every position.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, i32, &Committed)> {
        self.topics.iter().flat_map(|(topic, partitions)| partitions.iter().map(move |(index, committed)| (topic, *index, committed)))
    }
}
