//! DeleteTopics (key 20): removes topics.
//!
//! Version 4 is flexible, 5 adds messages and quota refusals (KIP-599), 6 names topics by name or id.

use crate::{protocol::message, types::{Text, Uuid}};

message! {
    /// Topics to remove: `topic_names` up to version 5, `topics` from 6 on.
    pub struct DeleteTopicsRequest: key 20, versions 1..=6, flexible 4 {
        topics: Vec<DeleteTopicState> { since 6 },
        topic_names: Vec<Text> { until 5, ignorable true },
        timeout_ms: i32,
    }

    pub struct DeleteTopicState {
        name: Option<Text>,
        topic_id: Uuid,
    }

    /// What became of every topic.
    pub struct DeleteTopicsResponse: key 20, versions 1..=6, flexible 4 {
        throttle_time_ms: i32,
        responses: Vec<DeletableTopicResult>,
    }

    pub struct DeletableTopicResult {
        name: Option<Text> { nullable 6 },
        topic_id: Uuid { since 6, ignorable true },
        error_code: i16,
        error_message: Option<Text> { since 5, ignorable true },
    }
}
