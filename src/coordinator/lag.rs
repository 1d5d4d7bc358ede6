//! How far groups are behind, in records and in seconds.
//!
//! Pure. The positions come from the coordinators, the ends of the partitions from the shards that own them; here they
//! are put together. What is not known is absent, never a guess.

use std::collections::BTreeMap;

use super::machine::Coordinator;
use crate::types::{PartitionId, Text, TopicPartition};

/// A position that a group committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPosition {
    /// The group.
    pub group: Text,
    /// The partition.
    pub partition: TopicPartition,
    /// Offset of the next record to consume.
    pub position: i64,
    /// When it was committed, in milliseconds since 1970.
    pub committed_ms: i64,
}

/// What the shard that owns a partition knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionEnd {
    /// The partition.
    pub id: PartitionId,
    /// First offset that can be read.
    pub log_start: i64,
    /// End of what consumers see.
    pub high_watermark: i64,
    /// Timestamp in ms of the first record that the position has not consumed; absent if there is none.
    pub next_record_ms: Option<i64>,
}

/// How far a group is behind in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionLag {
    /// The partition.
    pub partition: TopicPartition,
    /// Offset of the next record to consume, as committed.
    pub position: i64,
    /// End of what consumers see.
    pub end: i64,
    /// Records between the two. Those that retention took before they were consumed do not count.
    pub records: i64,
    /// Milliseconds since the oldest record that has not been consumed was written; 0 if all have been.
    pub behind_ms: i64,
}

/// How far a group is behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupLag {
    /// By partition, in order.
    pub partitions: Vec<PartitionLag>,
    /// Records of all partitions together.
    pub records: i64,
    /// The longest of all partitions.
    pub behind_ms: i64,
}

/// Puts positions and ends together, by group. A partition whose end is not known (its topic is gone, or it is offline)
/// is left out.
pub fn lag_of(positions: &[(GroupPosition, Option<PartitionEnd>)], now_ms: i64) -> BTreeMap<Text, GroupLag> {
    let mut groups: BTreeMap<Text, GroupLag> = BTreeMap::new();
    for (position, end) in positions {
        let Some(end) = end else { continue };
        let from = position.position.max(end.log_start);
        let records = end.high_watermark.saturating_sub(from).max(0);
        let behind_ms = match end.next_record_ms {
            Some(written_ms) if records > 0 => now_ms.saturating_sub(written_ms).max(0),
            _ => 0,
        };
        let group = groups.entry(position.group.clone()).or_default();
        group.records = group.records.saturating_add(records);
        group.behind_ms = group.behind_ms.max(behind_ms);
        group.partitions.push(PartitionLag {
            partition: position.partition.clone(),
            position: position.position,
            end: end.high_watermark,
            records,
            behind_ms,
        });
    }
    for group in groups.values_mut() {
        group.partitions.sort_by(|left, right| left.partition.cmp(&right.partition));
    }
    groups
}

impl Coordinator {
    /// Every position of every group.
    pub(super) fn positions(&self) -> Vec<GroupPosition> {
        let all = self.groups.iter().flat_map(|(id, group)| {
            group.offsets.iter().map(move |(topic, partition, committed)| GroupPosition {
                group: id.clone(),
                partition: TopicPartition { topic: topic.clone(), partition },
                position: committed.position,
                committed_ms: committed.committed_ms,
            })
        });
        all.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Uuid;

    #[test]
    fn lag_counts_what_can_still_be_read() {
        let position = |group: &'static str, partition, position| GroupPosition {
            group: Text::from_static(group),
            partition: TopicPartition { topic: Text::from_static("t"), partition },
            position,
            committed_ms: 0,
        };
        let end = |partition, log_start, high_watermark, next_record_ms| {
            Some(PartitionEnd { id: PartitionId { topic_id: Uuid::ONE, partition }, log_start, high_watermark, next_record_ms })
        };
        let positions = [
            (position("g", 1, 5), end(1, 10, 40, Some(9_000))),
            (position("g", 0, 7), end(0, 0, 7, None)),
            (position("g", 2, 7), None),
            (position("h", 0, 9), end(0, 0, 7, Some(1))),
        ];
        let lag = lag_of(&positions, 10_000);
        let group = &lag["g"];
        assert_eq!((group.records, group.behind_ms), (30, 1_000));
        let partitions: Vec<_> = group.partitions.iter().map(|lag| (lag.partition.partition, lag.records, lag.behind_ms)).collect();
        assert_eq!(partitions, [(0, 0, 0), (1, 30, 1_000)]);
        assert_eq!((lag["h"].records, lag["h"].behind_ms), (0, 0), "a position beyond the end is not behind");
    }
}
