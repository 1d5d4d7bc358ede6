//! DescribeProducers (key 61): the idempotent and transactional producers active in partitions (KIP-664).
//!
//! Flexible in its only version.

use crate::{protocol::message, types::Text};

message! {
    /// Partitions of interest.
    pub struct DescribeProducersRequest: key 61, versions 0..=0, flexible 0 {
        topics: Vec<TopicRequest>,
    }

    pub struct TopicRequest {
        name: Text,
        partition_indexes: Vec<i32>,
    }

    /// Producers by partition.
    pub struct DescribeProducersResponse: key 61, versions 0..=0, flexible 0 {
        throttle_time_ms: i32,
        topics: Vec<TopicResponse>,
    }

    pub struct TopicResponse {
        name: Text,
        partitions: Vec<PartitionResponse>,
    }

    pub struct PartitionResponse {
        partition_index: i32,
        error_code: i16,
        error_message: Option<Text>,
        active_producers: Vec<ProducerState>,
    }

    pub struct ProducerState {
        producer_id: i64,
        producer_epoch: i32,
        last_sequence: i32 { default -1 },
        last_timestamp: i64 { default -1 },
        coordinator_epoch: i32,
        current_txn_start_offset: i64 { default -1 },
    }
}
