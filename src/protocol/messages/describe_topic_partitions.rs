//! DescribeTopicPartitions (key 75): topics and partitions, page by page (KIP-966).
//!
//! Flexible in its only version. An answer that does not fit ends with a cursor, which the next request repeats.

use crate::{protocol::message, types::{Text, Uuid}};

message! {
    /// Topics of interest and where to continue.
    pub struct DescribeTopicPartitionsRequest: key 75, versions 0..=0, flexible 0 {
        topics: Vec<TopicRequest>,
        response_partition_limit: i32 { default 2000 },
        cursor: Option<Cursor>,
    }

    pub struct TopicRequest {
        name: Text,
    }

    pub struct Cursor {
        topic_name: Text,
        partition_index: i32,
    }

    /// One page of partitions.
    pub struct DescribeTopicPartitionsResponse: key 75, versions 0..=0, flexible 0 {
        throttle_time_ms: i32,
        topics: Vec<DescribeTopicPartitionsResponseTopic>,
        next_cursor: Option<Cursor>,
    }

    pub struct DescribeTopicPartitionsResponseTopic {
        error_code: i16,
        name: Option<Text>,
        topic_id: Uuid,
        is_internal: bool,
        partitions: Vec<DescribeTopicPartitionsResponsePartition>,
        topic_authorized_operations: i32 { default i32::MIN },
    }

    pub struct DescribeTopicPartitionsResponsePartition {
        error_code: i16,
        partition_index: i32,
        leader_id: i32,
        leader_epoch: i32 { default -1 },
        replica_nodes: Vec<i32>,
        isr_nodes: Vec<i32>,
        eligible_leader_replicas: Option<Vec<i32>>,
        last_known_elr: Option<Vec<i32>>,
        offline_replicas: Vec<i32>,
    }
}
