//! AlterConfigs (key 33): replaces the whole configuration of resources.
//!
//! Deprecated in favour of IncrementalAlterConfigs, still used by old clients. Version 2 is flexible.

use crate::{protocol::message, types::Text};

message! {
    /// The new configuration of every resource.
    pub struct AlterConfigsRequest: key 33, versions 0..=2, flexible 2 {
        resources: Vec<AlterConfigsResource>,
        validate_only: bool,
    }

    pub struct AlterConfigsResource {
        resource_type: i8,
        resource_name: Text,
        configs: Vec<AlterableConfig>,
    }

    pub struct AlterableConfig {
        name: Text,
        value: Option<Text>,
    }

    /// What became of every resource.
    pub struct AlterConfigsResponse: key 33, versions 0..=2, flexible 2 {
        throttle_time_ms: i32,
        responses: Vec<AlterConfigsResourceResponse>,
    }

    pub struct AlterConfigsResourceResponse {
        error_code: i16,
        error_message: Option<Text>,
        resource_type: i8,
        resource_name: Text,
    }
}
