//! ListConfigResources (key 74): resources that have a configuration of their own.
//!
//! Version 0 lists client metrics subscriptions only (KIP-1000), 1 asks by type (KIP-1142).

use crate::{protocol::message, types::Text};

message! {
    /// Types of interest; none means all.
    pub struct ListConfigResourcesRequest: key 74, versions 0..=1, flexible 0 {
        resource_types: Vec<i8> { since 1 },
    }

    /// The resources.
    pub struct ListConfigResourcesResponse: key 74, versions 0..=1, flexible 0 {
        throttle_time_ms: i32,
        error_code: i16,
        config_resources: Vec<ConfigResource>,
    }

    pub struct ConfigResource {
        resource_name: Text,
        resource_type: i8 { since 1, ignorable true, default 16 },
    }
}
