//! The records of consumer groups in Kafka's formats (`common/message/ConsumerGroup*.json` of Kafka's group coordinator, 4.3).
//!
//! Tables, and the bytes that Kafka has for them.

use bytes::Bytes;

use crate::{
    protocol::message,
    types::{Text, Uuid},
};

message! {
    /// Which group. Type 3.
    pub struct ConsumerGroupMetadataKey: key 3, versions 0..=0 {
        /// The group.
        group_id: Text,
    }

    /// The group's epoch. Type 3.
    pub struct ConsumerGroupMetadataValue: key 3, versions 0..=0, flexible 0 {
        /// Counts the changes of members, subscriptions and topics.
        epoch: i32,
        /// Hash of the topics that are subscribed to. Since Kafka 4.1.
        metadata_hash: i64 { tag 0 },
    }

    /// Which group. Type 4.
    pub struct ConsumerGroupPartitionMetadataKey: key 4, versions 0..=0 {
        /// The group.
        group_id: Text,
    }

    /// Sizes of the topics, as Kafka 4.0 wrote them; what it says is not used any more. Type 4.
    pub struct ConsumerGroupPartitionMetadataValue: key 4, versions 0..=0, flexible 0 {}

    /// Which member. Type 5.
    pub struct ConsumerGroupMemberMetadataKey: key 5, versions 0..=0 {
        /// The group.
        group_id: Text,
        /// The member.
        member_id: Text,
    }

    /// What a member says about itself. Type 5.
    pub struct ConsumerGroupMemberMetadataValue: key 5, versions 0..=0, flexible 0 {
        /// Id that it gave itself, if it is static.
        instance_id: Option<Text>,
        /// Its rack.
        rack_id: Option<Text>,
        /// Client id.
        client_id: Text,
        /// Address.
        client_host: Text,
        /// Topics that it subscribes to by name.
        subscribed_topic_names: Vec<Text>,
        /// Topics that it subscribes to by a regular expression; empty if it does not.
        subscribed_topic_regex: Option<Text>,
        /// How long it may take to give partitions back.
        rebalance_timeout_ms: i32 { default -1 },
        /// The assignor that it prefers.
        server_assignor: Option<Text>,
        /// What else is known of a member that speaks the classic protocol; null for the others.
        classic_member_metadata: Option<ClassicMemberMetadata> { tag 0, default Some(ClassicMemberMetadata::default()) },
    }

    /// What is known of a member that speaks the classic protocol.
    pub struct ClassicMemberMetadata {
        /// Milliseconds of silence after which it is gone.
        session_timeout_ms: i32,
        /// The protocols that it speaks, the best first.
        supported_protocols: Vec<ClassicProtocol>,
    }

    /// A protocol of the classic kind.
    pub struct ClassicProtocol {
        /// Its name.
        name: Text,
        /// The member's metadata in it.
        metadata: Bytes,
    }

    /// Which group. Type 6.
    pub struct ConsumerGroupTargetAssignmentMetadataKey: key 6, versions 0..=0 {
        /// The group.
        group_id: Text,
    }

    /// For which epoch of the group the target was computed. Type 6.
    pub struct ConsumerGroupTargetAssignmentMetadataValue: key 6, versions 0..=0, flexible 0 {
        /// The epoch.
        assignment_epoch: i32,
        /// When, in milliseconds since 1970. Since Kafka 4.3.
        assignment_timestamp: i64 { tag 0 },
    }

    /// Which member. Type 7.
    pub struct ConsumerGroupTargetAssignmentMemberKey: key 7, versions 0..=0 {
        /// The group.
        group_id: Text,
        /// The member.
        member_id: Text,
    }

    /// What a member is to own. Type 7.
    pub struct ConsumerGroupTargetAssignmentMemberValue: key 7, versions 0..=0, flexible 0 {
        /// The partitions.
        topic_partitions: Vec<TargetTopicPartitions>,
    }

    /// Partitions of a topic.
    pub struct TargetTopicPartitions {
        /// The topic.
        topic_id: Uuid,
        /// The partitions.
        partitions: Vec<i32>,
    }

    /// Which member. Type 8.
    pub struct ConsumerGroupCurrentMemberAssignmentKey: key 8, versions 0..=0 {
        /// The group.
        group_id: Text,
        /// The member.
        member_id: Text,
    }

    /// What a member owns. Type 8.
    pub struct ConsumerGroupCurrentMemberAssignmentValue: key 8, versions 0..=0, flexible 0 {
        /// The epoch that is expected in its next heartbeat.
        member_epoch: i32,
        /// The one that is also taken, because the last answer may have been lost.
        previous_member_epoch: i32,
        /// Where it is on its way to the target.
        state: i8,
        /// What it owns.
        assigned_partitions: Vec<CurrentTopicPartitions>,
        /// What it still owns and is to give back.
        partitions_pending_revocation: Vec<CurrentTopicPartitions>,
    }

    /// Partitions of a topic.
    pub struct CurrentTopicPartitions {
        /// The topic.
        topic_id: Uuid,
        /// The partitions.
        partitions: Vec<i32>,
        /// The epoch at which the member got each. Since Kafka 4.3.
        assignment_epochs: Option<Vec<i32>> { tag 0 },
    }

    /// Which regular expression. Type 16.
    pub struct ConsumerGroupRegularExpressionKey: key 16, versions 0..=0 {
        /// The group.
        group_id: Text,
        /// The expression.
        regular_expression: Text,
    }

    /// The topics that it matches. Type 16.
    pub struct ConsumerGroupRegularExpressionValue: key 16, versions 0..=0, flexible 0 {
        /// Their names.
        topics: Vec<Text>,
        /// Version of the metadata that was searched.
        version: i64,
        /// When, in milliseconds since 1970.
        timestamp: i64,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{
        coordinator::records::{decode_value, encode},
        protocol::{
            Message,
            sample::{Choices, Tags, sample},
            wire::Reader,
        },
    };

    fn member(classic: Option<ClassicMemberMetadata>) -> ConsumerGroupMemberMetadataValue {
        ConsumerGroupMemberMetadataValue {
            client_id: Text::from_static("c"),
            subscribed_topic_regex: Some(Text::default()),
            rebalance_timeout_ms: 7,
            classic_member_metadata: classic,
            ..ConsumerGroupMemberMetadataValue::default()
        }
    }

    #[test]
    fn a_member_says_that_it_is_not_classic_and_silence_is_an_empty_structure() {
        let protocols = vec![ClassicProtocol { name: Text::from_static("r"), metadata: Bytes::from_static(b"m") }];
        let classic = ClassicMemberMetadata { session_timeout_ms: 9, supported_protocols: protocols };
        for (classic, tagged) in [
            (None, &b"\x01\0\x01\0"[..]),
            (Some(ClassicMemberMetadata::default()), b"\0"),
            (Some(classic), b"\x01\0\x0c\x01\0\0\0\x09\x02\x02r\x02m\0\0"),
        ] {
            let key = ConsumerGroupMemberMetadataKey::default();
            let value = encode(&key, Some((&member(classic.clone()), 0))).unwrap().value.unwrap();
            assert_eq!(value, [b"\0\0\0\0\x02c\x01\x01\x01\0\0\0\x07\0", tagged].concat());
            assert_eq!(decode_value(value), Ok(member(classic)));
        }
    }

    /// A value sampled from the table of `M` is read, written and read as the same.
    fn returns<M: Message + PartialEq + std::fmt::Debug>(choices: &[u8]) {
        let context = M::context(0).unwrap();
        let sampled = sample(M::SCHEMA, context, &mut Choices::new(choices), Tags::With).unwrap();
        let value = M::decode(&mut Reader::new(sampled.freeze()), 0).unwrap();
        let written = encode(&ConsumerGroupMetadataKey::default(), Some((&value, 0))).unwrap().value.unwrap();
        assert_eq!(decode_value::<M>(written), Ok(value));
    }

    proptest! {
        #[test]
        fn every_value_is_read_as_written(choices in vec(any::<u8>(), 0..200)) {
            returns::<ConsumerGroupMetadataValue>(&choices);
            returns::<ConsumerGroupMemberMetadataValue>(&choices);
            returns::<ConsumerGroupTargetAssignmentMetadataValue>(&choices);
            returns::<ConsumerGroupTargetAssignmentMemberValue>(&choices);
            returns::<ConsumerGroupCurrentMemberAssignmentValue>(&choices);
            returns::<ConsumerGroupRegularExpressionValue>(&choices);
        }
    }
}
