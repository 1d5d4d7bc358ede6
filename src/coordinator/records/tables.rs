//! Committed offsets and the metadata of classic groups.
//!
//! Tables only; names and numbers are Kafka's.

use bytes::Bytes;

use crate::{
    protocol::message,
    types::{Text, Uuid},
};

message! {
    /// Whose position it is. Type 1; type 0 is the same from before Kafka 0.9.
    pub struct OffsetCommitKey: key 1, versions 0..=0 {
        /// The group.
        group: Text,
        /// The topic's name.
        topic: Text,
        /// Index of the partition.
        partition: i32,
    }

    /// A position. Version 4 since Kafka 4.1; version 1 is still written where the commit has a retention time of its own.
    pub struct OffsetCommitValue: key 1, versions 0..=4, flexible 4 {
        /// Offset of the next record to consume.
        offset: i64,
        /// Leader epoch of the last record consumed.
        leader_epoch: i32 { since 3, ignorable true, default -1 },
        /// What the client wants to remember.
        metadata: Text,
        /// When it was committed, in milliseconds since 1970.
        commit_timestamp: i64,
        /// When it expires, for clients that say so.
        expire_timestamp: i64 { since 1, until 1, ignorable true, default -1 },
        /// Id of the topic, where the client knew it.
        topic_id: Uuid { since 4, tag 0, ignorable true },
    }

    /// Which group. Type 2.
    pub struct GroupMetadataKey: key 2, versions 0..=0 {
        /// The group.
        group: Text,
    }

    /// A classic group. Written in version 3, as Kafka 4.3 does.
    pub struct GroupMetadataValue: key 2, versions 0..=4, flexible 4 {
        /// Protocol type, `consumer` for consumers.
        protocol_type: Text,
        /// The generation.
        generation: i32,
        /// The protocol that was chosen.
        protocol: Option<Text>,
        /// The leader.
        leader: Option<Text>,
        /// When the group came into its state, in milliseconds since 1970.
        current_state_timestamp: i64 { since 2, ignorable true, default -1 },
        /// The members.
        members: Vec<MemberMetadata>,
    }

    /// A member of a classic group.
    pub struct MemberMetadata {
        /// Id that the coordinator gave it.
        member_id: Text,
        /// Id that it gave itself, if it is static.
        group_instance_id: Option<Text> { since 3, nullable 3, ignorable true },
        /// Client id of the request it joined with.
        client_id: Text,
        /// Address it joined from.
        client_host: Text,
        /// Milliseconds that a rebalance waits for it.
        rebalance_timeout: i32 { since 1, ignorable true, default -1 },
        /// Milliseconds of silence after which it is gone.
        session_timeout: i32,
        /// Its metadata in the protocol that was chosen.
        subscription: Bytes,
        /// Its assignment.
        assignment: Bytes,
    }
}
