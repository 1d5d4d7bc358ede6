//! OffsetCommit (key 8): a group's positions are stored.
//!
//! Versions 2 to 4 have a retention time, 6 has leader epochs, 7 static members, 8 is flexible, 9 takes members of the new
//! consumer protocol, 10 names topics by id only.

use crate::{protocol::message, types::{Text, Uuid}};

message! {
    /// The positions, and who says so.
    pub struct OffsetCommitRequest: key 8, versions 2..=10, flexible 8 {
        group_id: Text,
        generation_id_or_member_epoch: i32 { default -1 },
        member_id: Text,
        group_instance_id: Option<Text> { since 7, nullable 7 },
        retention_time_ms: i64 { until 4, ignorable true, default -1 },
        topics: Vec<OffsetCommitRequestTopic>,
    }

    pub struct OffsetCommitRequestTopic {
        name: Text { until 9, ignorable true },
        topic_id: Uuid { since 10, ignorable true },
        partitions: Vec<OffsetCommitRequestPartition>,
    }

    pub struct OffsetCommitRequestPartition {
        partition_index: i32,
        committed_offset: i64,
        committed_leader_epoch: i32 { since 6, ignorable true, default -1 },
        committed_metadata: Option<Text>,
    }

    /// What was stored.
    pub struct OffsetCommitResponse: key 8, versions 2..=10, flexible 8 {
        throttle_time_ms: i32 { since 3, ignorable true },
        topics: Vec<OffsetCommitResponseTopic>,
    }

    pub struct OffsetCommitResponseTopic {
        name: Text { until 9, ignorable true },
        topic_id: Uuid { since 10, ignorable true },
        partitions: Vec<OffsetCommitResponsePartition>,
    }

    pub struct OffsetCommitResponsePartition {
        partition_index: i32,
        error_code: i16,
    }
}
