//! OffsetDelete (key 47): removes single positions of a group. There is no flexible version.

use crate::{protocol::message, types::Text};

message! {
    /// Which positions.
    pub struct OffsetDeleteRequest: key 47, versions 0..=0 {
        group_id: Text,
        topics: Vec<OffsetDeleteRequestTopic>,
    }

    pub struct OffsetDeleteRequestTopic {
        name: Text,
        partitions: Vec<OffsetDeleteRequestPartition>,
    }

    pub struct OffsetDeleteRequestPartition {
        partition_index: i32,
    }

    /// What was removed.
    pub struct OffsetDeleteResponse: key 47, versions 0..=0 {
        error_code: i16,
        throttle_time_ms: i32 { ignorable true },
        topics: Vec<OffsetDeleteResponseTopic>,
    }

    pub struct OffsetDeleteResponseTopic {
        name: Text,
        partitions: Vec<OffsetDeleteResponsePartition>,
    }

    pub struct OffsetDeleteResponsePartition {
        partition_index: i32,
        error_code: i16,
    }
}
