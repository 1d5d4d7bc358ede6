//! DescribeCluster (key 60): the brokers or the controllers of the cluster.
//!
//! Version 1 asks for brokers or controllers (KIP-919), 2 may include fenced brokers (KIP-1073). Flexible in all versions.

use crate::{protocol::message, types::Text};

message! {
    /// What to describe.
    pub struct DescribeClusterRequest: key 60, versions 0..=2, flexible 0 {
        include_cluster_authorized_operations: bool,
        endpoint_type: i8 { since 1, default 1 },
        include_fenced_brokers: bool { since 2 },
    }

    /// The cluster.
    pub struct DescribeClusterResponse: key 60, versions 0..=2, flexible 0 {
        throttle_time_ms: i32,
        error_code: i16,
        error_message: Option<Text>,
        endpoint_type: i8 { since 1, default 1 },
        cluster_id: Text,
        controller_id: i32 { default -1 },
        brokers: Vec<DescribeClusterBroker>,
        cluster_authorized_operations: i32 { default i32::MIN },
    }

    pub struct DescribeClusterBroker {
        broker_id: i32,
        host: Text,
        port: i32,
        rack: Option<Text>,
        is_fenced: bool { since 2 },
    }
}
