//! DeleteRecords (key 21): moves the start of partitions forward.
//!
//! An offset of -1 means the high watermark. Version 2 is flexible.

use crate::{protocol::message, types::Text};

message! {
    /// The offsets before which records go.
    pub struct DeleteRecordsRequest: key 21, versions 0..=2, flexible 2 {
        topics: Vec<DeleteRecordsTopic>,
        timeout_ms: i32,
    }

    pub struct DeleteRecordsTopic {
        name: Text,
        partitions: Vec<DeleteRecordsPartition>,
    }

    pub struct DeleteRecordsPartition {
        partition_index: i32,
        offset: i64,
    }

    /// The new start of every partition.
    pub struct DeleteRecordsResponse: key 21, versions 0..=2, flexible 2 {
        throttle_time_ms: i32,
        topics: Vec<DeleteRecordsTopicResult>,
    }

    pub struct DeleteRecordsTopicResult {
        name: Text,
        partitions: Vec<DeleteRecordsPartitionResult>,
    }

    pub struct DeleteRecordsPartitionResult {
        partition_index: i32,
        low_watermark: i64,
        error_code: i16,
    }
}
