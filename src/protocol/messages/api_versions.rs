//! ApiVersions (key 18): which APIs a broker serves in which versions, and its features.
//!
//! The first request of every connection. Version 3 names the client's software, 4 allows features whose lowest level is 0
//! (KAFKA-17011), 5 names the cluster and node the client means to talk to (KIP-1242). A broker that does not know the
//! version answers in version 0 with `UNSUPPORTED_VERSION` and its range, without reading the body (KIP-511).
//! The header of the response is version 0 in all versions.

use crate::{protocol::message, types::Text};

message! {
    /// Asks what the broker serves.
    pub struct ApiVersionsRequest: key 18, versions 0..=5, flexible 3 {
        client_software_name: Text { since 3, ignorable true },
        client_software_version: Text { since 3, ignorable true },
        cluster_id: Option<Text> { since 5, ignorable true },
        node_id: i32 { since 5, ignorable true, default -1 },
    }

    /// Says what the broker serves.
    pub struct ApiVersionsResponse: key 18, versions 0..=5, flexible 3 {
        error_code: i16,
        api_keys: Vec<ApiVersion>,
        throttle_time_ms: i32 { since 1, ignorable true },
        supported_features: Vec<SupportedFeatureKey> { since 3, tag 0, ignorable true },
        finalized_features_epoch: i64 { since 3, tag 1, ignorable true, default -1 },
        finalized_features: Vec<FinalizedFeatureKey> { since 3, tag 2, ignorable true },
        zk_migration_ready: bool { since 3, tag 3, ignorable true },
    }

    pub struct ApiVersion {
        api_key: i16,
        min_version: i16,
        max_version: i16,
    }

    pub struct SupportedFeatureKey {
        name: Text,
        min_version: i16,
        max_version: i16,
    }

    pub struct FinalizedFeatureKey {
        name: Text,
        max_version_level: i16,
        min_version_level: i16,
    }
}
