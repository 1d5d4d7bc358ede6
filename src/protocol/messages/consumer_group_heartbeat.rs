//! ConsumerGroupHeartbeat (key 68): a member of a consumer group joins, lives, owns partitions and leaves (KIP-848).
//!
//! Version 1 has subscriptions by regular expression and member ids that the client makes itself.

use crate::{protocol::message, types::{Text, Uuid}};

message! {
    /// What has changed of a member since its last heartbeat; everything when it joins. The epoch is 0 to join, -1 to leave,
    /// and -2 for a static member that will be back.
    pub struct ConsumerGroupHeartbeatRequest: key 68, versions 0..=1, flexible 0 {
        group_id: Text,
        member_id: Text,
        member_epoch: i32,
        instance_id: Option<Text>,
        rack_id: Option<Text>,
        rebalance_timeout_ms: i32 { default -1 },
        subscribed_topic_names: Option<Vec<Text>>,
        subscribed_topic_regex: Option<Text> { since 1, nullable 1 },
        server_assignor: Option<Text>,
        topic_partitions: Option<Vec<ConsumerGroupHeartbeatTopicPartitions>>,
    }

    pub struct ConsumerGroupHeartbeatTopicPartitions {
        topic_id: Uuid,
        partitions: Vec<i32>,
    }

    /// The member's epoch, and its assignment if that has changed.
    pub struct ConsumerGroupHeartbeatResponse: key 68, versions 0..=1, flexible 0 {
        throttle_time_ms: i32,
        error_code: i16,
        error_message: Option<Text>,
        member_id: Option<Text>,
        member_epoch: i32,
        heartbeat_interval_ms: i32,
        assignment: Option<ConsumerGroupHeartbeatAssignment>,
    }

    pub struct ConsumerGroupHeartbeatAssignment {
        topic_partitions: Vec<ConsumerGroupHeartbeatTopicPartitions>,
    }
}
