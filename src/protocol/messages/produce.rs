//! Produce (key 0): appends record batches to partitions.
//!
//! Version 7 allows zstd, 8 reports single bad records (KIP-467), 9 is flexible, 10 names the leader a refused batch should go
//! to (KIP-951), 12 lets a produce add its partitions to a transaction by itself (KIP-890), 13 names topics by id (KIP-516).
//! Versions 0 to 2 carry formats before v2 and are refused, yet the ApiVersions answer must claim them: older librdkafka takes
//! their absence for a broker without compression (KAFKA-18659). With `acks` 0 there is no response.

use bytes::Bytes;

use crate::{protocol::message, types::{Text, Uuid}};

message! {
    /// Batches for partitions; the records are a slice of the frame.
    pub struct ProduceRequest: key 0, versions 3..=13, flexible 9 {
        transactional_id: Option<Text>,
        acks: i16,
        timeout_ms: i32,
        topic_data: Vec<TopicProduceData>,
    }

    pub struct TopicProduceData {
        name: Text { until 12, ignorable true },
        topic_id: Uuid { since 13, ignorable true },
        partition_data: Vec<PartitionProduceData>,
    }

    pub struct PartitionProduceData {
        index: i32,
        records: Option<Bytes>,
    }

    /// What became of every batch.
    pub struct ProduceResponse: key 0, versions 3..=13, flexible 9 {
        responses: Vec<TopicProduceResponse>,
        throttle_time_ms: i32,
        node_endpoints: Vec<NodeEndpoint> { since 10, tag 0 },
    }

    pub struct TopicProduceResponse {
        name: Text { until 12, ignorable true },
        topic_id: Uuid { since 13, ignorable true },
        partition_responses: Vec<PartitionProduceResponse>,
    }

    pub struct PartitionProduceResponse {
        index: i32,
        error_code: i16,
        base_offset: i64,
        log_append_time_ms: i64 { default -1 },
        log_start_offset: i64 { since 5, ignorable true, default -1 },
        record_errors: Vec<BatchIndexAndErrorMessage> { since 8, ignorable true },
        error_message: Option<Text> { since 8, ignorable true },
        current_leader: LeaderIdAndEpoch { since 10, tag 0 },
    }

    pub struct BatchIndexAndErrorMessage {
        batch_index: i32,
        batch_index_error_message: Option<Text>,
    }

    pub struct LeaderIdAndEpoch {
        leader_id: i32 { default -1 },
        leader_epoch: i32 { default -1 },
    }

    pub struct NodeEndpoint {
        node_id: i32,
        host: Text,
        port: i32,
        rack: Option<Text>,
    }
}
