//! OffsetFetch (key 9): the positions that groups committed.
//!
//! Version 2 asks for all topics by null and has an error for the whole, 5 has leader epochs, 6 is flexible, 7 can insist
//! on offsets that no transaction is about to change, 8 asks for many groups at once (KIP-709), 9 names the member of the
//! new consumer protocol, 10 names topics by id only.

use crate::{protocol::message, types::{Text, Uuid}};

message! {
    /// Whose positions are wanted.
    pub struct OffsetFetchRequest: key 9, versions 1..=10, flexible 6 {
        group_id: Text { until 7 },
        topics: Option<Vec<OffsetFetchRequestTopic>> { until 7, nullable 2 },
        groups: Vec<OffsetFetchRequestGroup> { since 8 },
        require_stable: bool { since 7 },
    }

    pub struct OffsetFetchRequestTopic {
        name: Text,
        partition_indexes: Vec<i32>,
    }

    pub struct OffsetFetchRequestGroup {
        group_id: Text,
        member_id: Option<Text> { since 9, nullable 9, ignorable true },
        member_epoch: i32 { since 9, ignorable true, default -1 },
        topics: Option<Vec<OffsetFetchRequestTopics>>,
    }

    pub struct OffsetFetchRequestTopics {
        name: Text { until 9, ignorable true },
        topic_id: Uuid { since 10, ignorable true },
        partition_indexes: Vec<i32>,
    }

    /// The positions.
    pub struct OffsetFetchResponse: key 9, versions 1..=10, flexible 6 {
        throttle_time_ms: i32 { since 3, ignorable true },
        topics: Vec<OffsetFetchResponseTopic> { until 7 },
        error_code: i16 { since 2, until 7, ignorable true },
        groups: Vec<OffsetFetchResponseGroup> { since 8 },
    }

    pub struct OffsetFetchResponseTopic {
        name: Text,
        partitions: Vec<OffsetFetchResponsePartition>,
    }

    pub struct OffsetFetchResponsePartition {
        partition_index: i32,
        committed_offset: i64,
        committed_leader_epoch: i32 { since 5, ignorable true, default -1 },
        metadata: Option<Text>,
        error_code: i16,
    }

    pub struct OffsetFetchResponseGroup {
        group_id: Text,
        topics: Vec<OffsetFetchResponseTopics>,
        error_code: i16,
    }

    pub struct OffsetFetchResponseTopics {
        name: Text { until 9, ignorable true },
        topic_id: Uuid { since 10, ignorable true },
        partitions: Vec<OffsetFetchResponsePartitions>,
    }

    pub struct OffsetFetchResponsePartitions {
        partition_index: i32,
        committed_offset: i64,
        committed_leader_epoch: i32 { ignorable true, default -1 },
        metadata: Option<Text>,
        error_code: i16,
    }
}
