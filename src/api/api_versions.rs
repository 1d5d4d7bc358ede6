//! ApiVersions (key 18), versions 0-5: which APIs in which versions, and the cluster's features.
//!
//! Behaviour: the first request of every client, answered from the table of what is served. A version from the future is
//! answered in version 0 with UNSUPPORTED_VERSION and the range of this API, without reading the body (KIP-511).
//! Version notes: 3 checks the client's name and version; before 4 a feature that can be off is left out of the supported
//! ones (KAFKA-17011); 5 checks that the client means this cluster and this node (KIP-1242).

use super::{Api, exchange::ResponseSlot, request::Request};
use crate::{
    metadata::ClusterImage,
    protocol::{
        api,
        messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey},
    },
    types::{ErrorCode, NodeId},
};

/// First version that names the client's software.
const VERSION_SOFTWARE: i16 = 3;
/// First version whose clients understand features with a lowest level of 0.
const VERSION_FEATURES_FROM_ZERO: i16 = 4;
/// First version that names the cluster and the node.
const VERSION_IDENTITY: i16 = 5;

/// Answers, from the image that this shard has.
pub(super) fn answer(api: &Api, request: &Request, slot: ResponseSlot) {
    if !request.version_is_served() {
        return request.response_head().in_version(0).fill(slot, &version_refusal());
    }
    let body: ApiVersionsRequest = match request.decode() {
        Ok(body) => body,
        Err(error) => return slot.close(format!("malformed ApiVersions request: {error}")),
    };
    let shard = &api.shard;
    let response = match check(&body, request.version(), shard.cluster_id(), shard.node_id()) {
        Ok(()) => describe(&shard.image(), shard.node_id(), request.version()),
        Err(error) => ApiVersionsResponse { error_code: error.code(), ..ApiVersionsResponse::default() },
    };
    request.response_head().fill(slot, &response);
}

fn version_refusal() -> ApiVersionsResponse {
    let own = api::SERVED.iter().filter(|info| info.key == api::ApiKey::ApiVersions);
    ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: own.map(api::ApiInfo::api_version).collect(),
        ..ApiVersionsResponse::default()
    }
}

fn check(body: &ApiVersionsRequest, version: i16, cluster_id: &str, node_id: NodeId) -> Result<(), ErrorCode> {
    if version >= VERSION_SOFTWARE
        && !(is_software_text(&body.client_software_name) && is_software_text(&body.client_software_version))
    {
        return Err(ErrorCode::InvalidRequest);
    }
    if version < VERSION_IDENTITY {
        return Ok(());
    }
    match (&body.cluster_id, body.node_id) {
        (None, -1) => Ok(()),
        (None, _) | (Some(_), -1) => Err(ErrorCode::InvalidRequest),
        (Some(cluster), node) if **cluster == *cluster_id && node == node_id.get() => Ok(()),
        // The client took an address for one of its cluster that is now ours.
        (Some(_), _) => Err(ErrorCode::RebootstrapRequired),
    }
}

/// ASCII letters, digits, dots and dashes, the latter two not at an end (ApiVersionsRequest.java).
fn is_software_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

fn describe(image: &ClusterImage, node_id: NodeId, version: i16) -> ApiVersionsResponse {
    let mut api_keys: Vec<_> = api::SERVED.iter().map(api::ApiInfo::api_version).collect();
    api_keys.sort_by_key(|entry| entry.api_key);
    let supported = image.brokers.get(&node_id).map_or(&[][..], |broker| &broker.features);
    let supported = supported.iter().filter(|feature| version >= VERSION_FEATURES_FROM_ZERO || feature.min_level > 0);
    let finalized = image.features.iter().filter(|(_, level)| **level > 0);
    ApiVersionsResponse {
        error_code: ErrorCode::None.code(),
        api_keys,
        throttle_time_ms: 0,
        supported_features: supported
            .map(|feature| SupportedFeatureKey {
                name: feature.name.clone(),
                min_version: feature.min_level,
                max_version: feature.max_level,
            })
            .collect(),
        // Clients take features only from an epoch that is not negative and higher than the last they saw.
        finalized_features_epoch: image.end_offset.previous().get(),
        finalized_features: finalized
            .map(|(name, level)| FinalizedFeatureKey { name: name.clone(), max_version_level: *level, min_version_level: *level })
            .collect(),
        zk_migration_ready: false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        metadata::image::{BrokerImage, SupportedFeature},
        types::{BrokerEpoch, Offset, Text, Uuid},
    };

    fn named(name: &str, version: &str) -> ApiVersionsRequest {
        ApiVersionsRequest {
            client_software_name: Text::from(name),
            client_software_version: Text::from(version),
            ..ApiVersionsRequest::default()
        }
    }

    #[test]
    fn software_names_are_checked_from_version_3_on() {
        let check = |body: &ApiVersionsRequest, version| check(body, version, "c", NodeId(1));
        assert_eq!(check(&named("apache-kafka-java", "4.3.0"), 3), Ok(()));
        for (name, version) in [("", "1"), ("a", ""), ("-a", "1"), ("a.", "1"), ("a b", "1"), ("a", "1/2"), ("ä", "1")] {
            assert_eq!(check(&named(name, version), 3), Err(ErrorCode::InvalidRequest), "{name:?} {version:?}");
        }
        assert_eq!(check(&named("", ""), 2), Ok(()));
    }

    #[test]
    fn a_client_of_another_cluster_or_node_is_sent_back_to_its_bootstrap_servers() {
        let ask = |cluster: Option<&'static str>, node_id| {
            let body = ApiVersionsRequest { cluster_id: cluster.map(Text::from_static), node_id, ..named("a", "1") };
            check(&body, 5, "ours", NodeId(1))
        };
        assert_eq!(ask(None, -1), Ok(()));
        assert_eq!(ask(Some("ours"), 1), Ok(()));
        assert_eq!(ask(Some("theirs"), 1), Err(ErrorCode::RebootstrapRequired));
        assert_eq!(ask(Some("ours"), 2), Err(ErrorCode::RebootstrapRequired));
        assert_eq!(ask(Some("ours"), -1), Err(ErrorCode::InvalidRequest));
        assert_eq!(ask(None, 1), Err(ErrorCode::InvalidRequest));
    }

    #[test]
    fn features_depend_on_the_version_and_their_epoch_is_the_last_offset() {
        let feature = |name, min_level, max_level| SupportedFeature { name: Text::from_static(name), min_level, max_level };
        let broker = BrokerImage {
            id: NodeId(1),
            epoch: BrokerEpoch(3),
            incarnation_id: Uuid::ONE,
            listeners: Vec::new(),
            features: vec![feature("group.version", 0, 1), feature("metadata.version", 7, 30)],
            rack: None,
            fenced: false,
            in_controlled_shutdown: false,
            is_migrating_zk_broker: false,
            log_dirs: Vec::new(),
            cordoned_log_dirs: None,
        };
        let mut image = ClusterImage { end_offset: Offset::saturating(10), ..ClusterImage::default() };
        image.brokers.insert(NodeId(1), Arc::new(broker));
        image.features.insert(Text::from_static("metadata.version"), 30);
        let names = |version| -> Vec<String> {
            let response = describe(&image, NodeId(1), version);
            response.supported_features.iter().map(|feature| feature.name.to_string()).collect()
        };
        assert_eq!(names(3), ["metadata.version"]);
        assert_eq!(names(4), ["group.version", "metadata.version"]);
        let response = describe(&image, NodeId(1), 4);
        assert_eq!(response.finalized_features_epoch, 9);
        assert_eq!(response.finalized_features[0].max_version_level, 30);
        assert_eq!(describe(&ClusterImage::default(), NodeId(1), 4).finalized_features_epoch, 0);
    }

    #[test]
    fn what_is_served_is_advertised_in_the_order_of_keys_and_produce_from_version_0() {
        let response = describe(&ClusterImage::default(), NodeId(1), 0);
        assert!(response.api_keys.is_sorted_by_key(|entry| entry.api_key));
        assert_eq!((response.api_keys[0].api_key, response.api_keys[0].min_version), (0, 0));
        let refusal = version_refusal();
        assert_eq!(refusal.error_code, 35);
        assert_eq!(refusal.api_keys.iter().map(|entry| entry.api_key).collect::<Vec<_>>(), [18]);
    }
}
