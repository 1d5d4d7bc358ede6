//! CreateTopics (key 19): makes topics.
//!
//! Version 4 lets partitions and replication factor be -1, the default of the broker (KIP-464), 5 is flexible and returns the
//! topic's shape and configuration (KIP-525), 6 may refuse by quota (KIP-599), 7 returns the topic id.

use crate::{protocol::message, types::{Text, Uuid}};

message! {
    /// Topics to make, or only to validate.
    pub struct CreateTopicsRequest: key 19, versions 2..=7, flexible 5 {
        topics: Vec<CreatableTopic>,
        timeout_ms: i32 { default 60000 },
        validate_only: bool,
    }

    pub struct CreatableTopic {
        name: Text,
        num_partitions: i32,
        replication_factor: i16,
        assignments: Vec<CreatableReplicaAssignment>,
        configs: Vec<CreatableTopicConfig>,
    }

    pub struct CreatableReplicaAssignment {
        partition_index: i32,
        broker_ids: Vec<i32>,
    }

    pub struct CreatableTopicConfig {
        name: Text,
        value: Option<Text>,
    }

    /// What became of every topic.
    pub struct CreateTopicsResponse: key 19, versions 2..=7, flexible 5 {
        throttle_time_ms: i32,
        topics: Vec<CreatableTopicResult>,
    }

    pub struct CreatableTopicResult {
        name: Text,
        topic_id: Uuid { since 7, ignorable true },
        error_code: i16,
        error_message: Option<Text>,
        topic_config_error_code: i16 { since 5, tag 0, ignorable true },
        num_partitions: i32 { since 5, ignorable true, default -1 },
        replication_factor: i16 { since 5, ignorable true, default -1 },
        configs: Option<Vec<CreatableTopicConfigs>> { since 5, ignorable true },
    }

    pub struct CreatableTopicConfigs {
        name: Text,
        value: Option<Text>,
        read_only: bool,
        config_source: i8 { default -1 },
        is_sensitive: bool,
    }
}
