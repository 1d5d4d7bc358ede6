//! ConsumerGroupDescribe (key 69): a consumer group with its members, what they own and what they are to own (KIP-848).
//!
//! Version 1 tells whether a member uses the classic protocol.

use crate::{protocol::message, types::{Text, Uuid}};

message! {
    /// Which groups.
    pub struct ConsumerGroupDescribeRequest: key 69, versions 0..=1, flexible 0 {
        group_ids: Vec<Text>,
        include_authorized_operations: bool,
    }

    /// The groups.
    pub struct ConsumerGroupDescribeResponse: key 69, versions 0..=1, flexible 0 {
        throttle_time_ms: i32,
        groups: Vec<DescribedConsumerGroup>,
    }

    pub struct DescribedConsumerGroup {
        error_code: i16,
        error_message: Option<Text>,
        group_id: Text,
        group_state: Text,
        group_epoch: i32,
        assignment_epoch: i32,
        assignor_name: Text,
        members: Vec<DescribedConsumerGroupMember>,
        authorized_operations: i32 { default i32::MIN },
    }

    pub struct DescribedConsumerGroupMember {
        member_id: Text,
        instance_id: Option<Text>,
        rack_id: Option<Text>,
        member_epoch: i32,
        client_id: Text,
        client_host: Text,
        subscribed_topic_names: Vec<Text>,
        subscribed_topic_regex: Option<Text>,
        assignment: ConsumerGroupDescribeAssignment,
        target_assignment: ConsumerGroupDescribeAssignment,
        member_type: i8 { since 1, ignorable true, default -1 },
    }

    pub struct ConsumerGroupDescribeAssignment {
        topic_partitions: Vec<ConsumerGroupDescribeTopicPartitions>,
    }

    pub struct ConsumerGroupDescribeTopicPartitions {
        topic_id: Uuid,
        topic_name: Text,
        partitions: Vec<i32>,
    }
}
