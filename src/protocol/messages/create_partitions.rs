//! CreatePartitions (key 37): adds partitions to topics.
//!
//! Version 2 is flexible, 3 may refuse by quota (KIP-599).

use crate::{protocol::message, types::Text};

message! {
    /// The new partition count of every topic.
    pub struct CreatePartitionsRequest: key 37, versions 0..=3, flexible 2 {
        topics: Vec<CreatePartitionsTopic>,
        timeout_ms: i32,
        validate_only: bool,
    }

    pub struct CreatePartitionsTopic {
        name: Text,
        count: i32,
        assignments: Option<Vec<CreatePartitionsAssignment>>,
    }

    pub struct CreatePartitionsAssignment {
        broker_ids: Vec<i32>,
    }

    /// What became of every topic.
    pub struct CreatePartitionsResponse: key 37, versions 0..=3, flexible 2 {
        throttle_time_ms: i32,
        results: Vec<CreatePartitionsTopicResult>,
    }

    pub struct CreatePartitionsTopicResult {
        name: Text,
        error_code: i16,
        error_message: Option<Text>,
    }
}
