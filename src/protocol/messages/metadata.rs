//! Metadata (key 3): brokers, topics, partitions and who leads them.
//!
//! All topics are asked for by an empty list in version 0 and by null later, where an empty list asks for none. Version 4 says
//! whether a missing topic may be created, 7 adds leader epochs, 8 authorized operations (those of the cluster end with 10), 9 is
//! flexible, 10 adds topic ids, 12 looks topics up by id, 13 has an error for the whole.

use crate::{protocol::message, types::{Text, Uuid}};

message! {
    /// Which topics to describe.
    pub struct MetadataRequest: key 3, versions 0..=13, flexible 9 {
        topics: Option<Vec<MetadataRequestTopic>> { nullable 1 },
        allow_auto_topic_creation: bool { since 4, default true },
        include_cluster_authorized_operations: bool { since 8, until 10 },
        include_topic_authorized_operations: bool { since 8 },
    }

    pub struct MetadataRequestTopic {
        topic_id: Uuid { since 10, ignorable true },
        name: Option<Text> { nullable 10 },
    }

    /// The cluster as this broker knows it.
    pub struct MetadataResponse: key 3, versions 0..=13, flexible 9 {
        throttle_time_ms: i32 { since 3, ignorable true },
        brokers: Vec<MetadataResponseBroker>,
        cluster_id: Option<Text> { since 2, ignorable true },
        controller_id: i32 { since 1, ignorable true, default -1 },
        topics: Vec<MetadataResponseTopic>,
        cluster_authorized_operations: i32 { since 8, until 10, default i32::MIN },
        error_code: i16 { since 13, ignorable true },
    }

    pub struct MetadataResponseBroker {
        node_id: i32,
        host: Text,
        port: i32,
        rack: Option<Text> { since 1, ignorable true },
    }

    pub struct MetadataResponseTopic {
        error_code: i16,
        name: Option<Text> { nullable 12 },
        topic_id: Uuid { since 10, ignorable true },
        is_internal: bool { since 1, ignorable true },
        partitions: Vec<MetadataResponsePartition>,
        topic_authorized_operations: i32 { since 8, default i32::MIN },
    }

    pub struct MetadataResponsePartition {
        error_code: i16,
        partition_index: i32,
        leader_id: i32,
        leader_epoch: i32 { since 7, ignorable true, default -1 },
        replica_nodes: Vec<i32>,
        isr_nodes: Vec<i32>,
        offline_replicas: Vec<i32> { since 5, ignorable true },
    }
}
