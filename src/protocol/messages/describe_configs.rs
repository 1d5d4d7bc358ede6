//! DescribeConfigs (key 32): the configuration of topics, brokers and other resources.
//!
//! Version 1 tells synonyms and sources, 3 types and documentation (KIP-569), 4 is flexible.

use crate::{protocol::message, types::Text};

message! {
    /// Resources, and optionally which keys of them.
    pub struct DescribeConfigsRequest: key 32, versions 1..=4, flexible 4 {
        resources: Vec<DescribeConfigsResource>,
        include_synonyms: bool,
        include_documentation: bool { since 3 },
    }

    pub struct DescribeConfigsResource {
        resource_type: i8,
        resource_name: Text,
        configuration_keys: Option<Vec<Text>>,
    }

    /// Every key with its value and where it comes from.
    pub struct DescribeConfigsResponse: key 32, versions 1..=4, flexible 4 {
        throttle_time_ms: i32,
        results: Vec<DescribeConfigsResult>,
    }

    pub struct DescribeConfigsResult {
        error_code: i16,
        error_message: Option<Text>,
        resource_type: i8,
        resource_name: Text,
        configs: Vec<DescribeConfigsResourceResult>,
    }

    pub struct DescribeConfigsResourceResult {
        name: Text,
        value: Option<Text>,
        read_only: bool,
        config_source: i8 { default -1 },
        is_sensitive: bool,
        synonyms: Vec<DescribeConfigsSynonym>,
        config_type: i8 { since 3, ignorable true },
        documentation: Option<Text> { since 3, ignorable true },
    }

    pub struct DescribeConfigsSynonym {
        name: Text,
        value: Option<Text>,
        source: i8,
    }
}
