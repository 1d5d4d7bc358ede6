//! IncrementalAlterConfigs (key 44): sets, deletes, appends to or subtracts from single configuration keys.
//!
//! Version 1 is flexible. Operations: 0 set, 1 delete, 2 append, 3 subtract (KIP-339).

use crate::{protocol::message, types::Text};

message! {
    /// Changes by resource.
    pub struct IncrementalAlterConfigsRequest: key 44, versions 0..=1, flexible 1 {
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
        config_operation: i8,
        value: Option<Text>,
    }

    /// What became of every resource.
    pub struct IncrementalAlterConfigsResponse: key 44, versions 0..=1, flexible 1 {
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
