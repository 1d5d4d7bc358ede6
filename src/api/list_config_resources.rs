//! ListConfigResources (key 74), versions 0-1: which resources have configs of their own.
//!
//! Behaviour: topics, brokers and their loggers are listed whether anything is set on them or not; client metrics
//! subscriptions and groups only if something is. No type named means all of them; a type that Kafka does not list is
//! refused with UNSUPPORTED_VERSION.
//! Version notes: 0 lists client metrics subscriptions only (KIP-1000), 1 takes types (KIP-1142).

use std::{collections::BTreeSet, rc::Rc};

use super::{
    Api,
    dispatch::Caller,
    view::{self, View},
};
use crate::{
    metadata::image::ResourceType,
    protocol::messages::list_config_resources::{
        ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
    },
    types::{ErrorCode, Text},
};

/// What can be listed.
const LISTED: [ResourceType; 5] = [
    ResourceType::TOPIC,
    ResourceType::BROKER,
    ResourceType::BROKER_LOGGER,
    ResourceType::CLIENT_METRICS,
    ResourceType::GROUP,
];

/// Answers at once.
pub(super) fn handle(api: &Rc<Api>, caller: &Caller, body: &ListConfigResourcesRequest) -> ListConfigResourcesResponse {
    let image = api.shard.image();
    let view = View { image: &image, listener: view::listener_name(api, caller) };
    match types(body, caller.version) {
        Ok(types) => ListConfigResourcesResponse {
            config_resources: types.into_iter().flat_map(|kind| list(view, kind)).collect(),
            ..ListConfigResourcesResponse::default()
        },
        Err(error) => ListConfigResourcesResponse { error_code: error.code(), ..ListConfigResourcesResponse::default() },
    }
}

fn types(body: &ListConfigResourcesRequest, version: i16) -> Result<BTreeSet<ResourceType>, ErrorCode> {
    if version == 0 {
        return Ok([ResourceType::CLIENT_METRICS].into());
    }
    if body.resource_types.is_empty() {
        return Ok(LISTED.into());
    }
    let types: BTreeSet<_> = body.resource_types.iter().map(|number| ResourceType(*number)).collect();
    if types.iter().all(|kind| LISTED.contains(kind)) { Ok(types) } else { Err(ErrorCode::UnsupportedVersion) }
}

fn list(view: View<'_>, kind: ResourceType) -> Vec<ConfigResource> {
    let entry = |resource_name| ConfigResource { resource_name, resource_type: kind.0 };
    match kind {
        ResourceType::TOPIC => view.image.topic_ids.keys().map(|name| entry(name.clone())).collect(),
        ResourceType::BROKER | ResourceType::BROKER_LOGGER => {
            view.brokers(true).map(|(broker, _)| entry(Text::from(broker.id.to_string()))).collect()
        }
        _ => {
            let set = view.image.configs.keys().filter(|resource| resource.resource_type == kind && !resource.name.is_empty());
            set.map(|resource| entry(resource.name.clone())).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        metadata::{ClusterImage, image},
        types::Uuid,
    };

    #[test]
    fn version_0_lists_client_metrics_whatever_it_says() {
        let body = ListConfigResourcesRequest::default();
        assert_eq!(types(&body, 0), Ok([ResourceType::CLIENT_METRICS].into()));
        assert_eq!(types(&body, 1), Ok(LISTED.into()));
    }

    #[test]
    fn types_that_are_not_listed_are_refused() {
        let ask = |numbers: &[i8]| types(&ListConfigResourcesRequest { resource_types: numbers.to_vec() }, 1);
        assert_eq!(ask(&[4, 2, 2]), Ok([ResourceType::TOPIC, ResourceType::BROKER].into()));
        for number in [0, 1, 99, -1] {
            assert_eq!(ask(&[2, number]), Err(ErrorCode::UnsupportedVersion));
        }
    }

    #[test]
    fn topics_are_listed_always_and_groups_if_something_is_set() {
        let mut image = ClusterImage::default();
        image.topic_ids.insert(Text::from_static("orders"), Uuid::ONE);
        let group = image::ConfigResource { resource_type: ResourceType::GROUP, name: Text::from_static("g") };
        image.configs.insert(group, Arc::default());
        let names = |kind| -> Vec<String> {
            let listed = list(View { image: &image, listener: "PLAINTEXT" }, kind);
            listed.into_iter().map(|resource| resource.resource_name.to_string()).collect()
        };
        assert_eq!(names(ResourceType::TOPIC), ["orders"]);
        assert_eq!(names(ResourceType::GROUP), ["g"]);
        assert_eq!(names(ResourceType::CLIENT_METRICS), [""; 0]);
    }
}
