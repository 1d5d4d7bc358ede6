//! OffsetForLeaderEpoch (key 23): where an epoch of a leader ended; consumers and followers find divergence by it.
//!
//! Version 3 adds the replica id, 4 is flexible.

use crate::{protocol::message, types::Text};

message! {
    /// Epochs to look up.
    pub struct OffsetForLeaderEpochRequest: key 23, versions 2..=4, flexible 4 {
        replica_id: i32 { since 3, ignorable true, default -2 },
        topics: Vec<OffsetForLeaderTopic>,
    }

    pub struct OffsetForLeaderTopic {
        topic: Text,
        partitions: Vec<OffsetForLeaderPartition>,
    }

    pub struct OffsetForLeaderPartition {
        partition: i32,
        current_leader_epoch: i32 { default -1 },
        leader_epoch: i32,
    }

    /// The end offset of every epoch, or of the largest one before it.
    pub struct OffsetForLeaderEpochResponse: key 23, versions 2..=4, flexible 4 {
        throttle_time_ms: i32,
        topics: Vec<OffsetForLeaderTopicResult>,
    }

    pub struct OffsetForLeaderTopicResult {
        topic: Text,
        partitions: Vec<EpochEndOffset>,
    }

    pub struct EpochEndOffset {
        error_code: i16,
        partition: i32,
        leader_epoch: i32 { default -1 },
        end_offset: i64 { default -1 },
    }
}
