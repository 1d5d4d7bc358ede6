//! Fetch (key 1): reads record batches from an offset on; consumers and followers.
//!
//! Version 5 tells the log start offset, 7 adds sessions (KIP-227), 9 fences by leader epoch (KIP-320), 10 allows zstd, 11 reads
//! from the closest replica (KIP-392), 12 is flexible and finds divergence of epochs (KIP-595), 13 names topics by id (KIP-516),
//! 15 moves the follower's id and epoch into a tagged structure (KIP-903), 16 gives the addresses of new leaders (KIP-951),
//! 17 adds directory ids (KIP-853), 18 the high watermark a follower knows (KIP-1166).
//! The records of a response must never be null, also beside an error: librdkafka stops on it (KAFKA-18646).

use crate::{protocol::{message, wire::Records}, types::{Text, Uuid}};

message! {
    /// What to read, as a whole or as the difference to a session.
    pub struct FetchRequest: key 1, versions 4..=18, flexible 12 {
        cluster_id: Option<Text> { since 12, tag 0, ignorable true },
        replica_id: i32 { until 14, default -1 },
        replica_state: ReplicaState { since 15, tag 1 },
        max_wait_ms: i32,
        min_bytes: i32,
        max_bytes: i32 { default i32::MAX },
        isolation_level: i8,
        session_id: i32 { since 7, ignorable true },
        session_epoch: i32 { since 7, ignorable true, default -1 },
        topics: Vec<FetchTopic>,
        forgotten_topics_data: Vec<ForgottenTopic> { since 7 },
        rack_id: Text { since 11, ignorable true },
    }

    pub struct ReplicaState {
        replica_id: i32 { default -1 },
        replica_epoch: i64 { default -1 },
    }

    pub struct FetchTopic {
        topic: Text { until 12, ignorable true },
        topic_id: Uuid { since 13, ignorable true },
        partitions: Vec<FetchPartition>,
    }

    pub struct FetchPartition {
        partition: i32,
        current_leader_epoch: i32 { since 9, ignorable true, default -1 },
        fetch_offset: i64,
        last_fetched_epoch: i32 { since 12, default -1 },
        log_start_offset: i64 { since 5, ignorable true, default -1 },
        partition_max_bytes: i32,
        replica_directory_id: Uuid { since 17, tag 0, ignorable true },
        high_watermark: i64 { since 18, tag 1, ignorable true, default i64::MAX },
    }

    pub struct ForgottenTopic {
        topic: Text { until 12, ignorable true },
        topic_id: Uuid { since 13, ignorable true },
        partitions: Vec<i32>,
    }

    /// Records by partition; encode them as `Spliced` to send them from where they lie.
    pub struct FetchResponse: key 1, versions 4..=18, flexible 12 {
        throttle_time_ms: i32,
        error_code: i16 { since 7, ignorable true },
        session_id: i32 { since 7 },
        responses: Vec<FetchableTopicResponse>,
        node_endpoints: Vec<NodeEndpoint> { since 16, tag 0 },
    }

    pub struct FetchableTopicResponse {
        topic: Text { until 12, ignorable true },
        topic_id: Uuid { since 13, ignorable true },
        partitions: Vec<PartitionData>,
    }

    pub struct PartitionData {
        partition_index: i32,
        error_code: i16,
        high_watermark: i64,
        last_stable_offset: i64 { default -1 },
        log_start_offset: i64 { since 5, ignorable true, default -1 },
        diverging_epoch: EpochEndOffset { since 12, tag 0 },
        current_leader: LeaderIdAndEpoch { since 12, tag 1 },
        snapshot_id: SnapshotId { since 12, tag 2 },
        aborted_transactions: Option<Vec<AbortedTransaction>>,
        preferred_read_replica: i32 { since 11, default -1 },
        records: Option<Records> { default Some(Records::Empty) },
    }

    pub struct EpochEndOffset {
        epoch: i32 { default -1 },
        end_offset: i64 { default -1 },
    }

    pub struct LeaderIdAndEpoch {
        leader_id: i32 { default -1 },
        leader_epoch: i32 { default -1 },
    }

    pub struct SnapshotId {
        end_offset: i64 { default -1 },
        epoch: i32 { default -1 },
    }

    pub struct AbortedTransaction {
        producer_id: i64,
        first_offset: i64,
    }

    pub struct NodeEndpoint {
        node_id: i32,
        host: Text,
        port: i32,
        rack: Option<Text>,
    }
}
