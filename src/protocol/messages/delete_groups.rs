//! DeleteGroups (key 42): removes empty groups with their offsets.
//!
//! Version 2 is flexible. Version 3 (error messages) is newer than Kafka 4.3 and not here.

use crate::{protocol::message, types::Text};

message! {
    /// Which groups.
    pub struct DeleteGroupsRequest: key 42, versions 0..=2, flexible 2 {
        groups_names: Vec<Text>,
    }

    /// What came of it, group by group.
    pub struct DeleteGroupsResponse: key 42, versions 0..=2, flexible 2 {
        throttle_time_ms: i32,
        results: Vec<DeletableGroupResult>,
    }

    pub struct DeletableGroupResult {
        group_id: Text,
        error_code: i16,
    }
}
