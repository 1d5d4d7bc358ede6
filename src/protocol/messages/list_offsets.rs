//! ListOffsets (key 2): finds offsets by timestamp.
//!
//! Timestamps below 0 name places: -1 the end, -2 the start, and from the version in brackets on -3 the largest timestamp (7),
//! -4 the start of what is local (8), -5 the end of what is tiered (9), -6 the start of what awaits upload (11).
//! Version 2 adds the isolation level, 4 leader epochs, 6 is flexible, 10 adds a timeout for tiered logs.

use crate::{protocol::message, types::Text};

message! {
    /// Timestamps to look up.
    pub struct ListOffsetsRequest: key 2, versions 1..=11, flexible 6 {
        replica_id: i32,
        isolation_level: i8 { since 2 },
        topics: Vec<ListOffsetsTopic>,
        timeout_ms: i32 { since 10, ignorable true },
    }

    pub struct ListOffsetsTopic {
        name: Text,
        partitions: Vec<ListOffsetsPartition>,
    }

    pub struct ListOffsetsPartition {
        partition_index: i32,
        current_leader_epoch: i32 { since 4, ignorable true, default -1 },
        timestamp: i64,
    }

    /// The offset of every timestamp.
    pub struct ListOffsetsResponse: key 2, versions 1..=11, flexible 6 {
        throttle_time_ms: i32 { since 2, ignorable true },
        topics: Vec<ListOffsetsTopicResponse>,
    }

    pub struct ListOffsetsTopicResponse {
        name: Text,
        partitions: Vec<ListOffsetsPartitionResponse>,
    }

    pub struct ListOffsetsPartitionResponse {
        partition_index: i32,
        error_code: i16,
        timestamp: i64 { default -1 },
        offset: i64 { default -1 },
        leader_epoch: i32 { since 4, default -1 },
    }
}
