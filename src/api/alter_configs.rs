//! AlterConfigs (key 33), versions 0-2: replaces all configs that are set on a resource. Deprecated; old clients use it.
//!
//! Behaviour: the controller decides, resource by resource, and knows what is checked by the broker in Kafka too. Kafka
//! never answers a request that names a resource twice; here each of its places is refused, as IncrementalAlterConfigs
//! does it.

use std::rc::Rc;

use super::{Api, dispatch::Caller};
use crate::{
    protocol::messages::alter_configs::{AlterConfigsRequest, AlterConfigsResourceResponse, AlterConfigsResponse},
    types::{ErrorCode, Text},
};

/// Answers when the changes are durable and every shard shows them.
pub(super) async fn handle(api: &Rc<Api>, _caller: &Caller, body: AlterConfigsRequest) -> AlterConfigsResponse {
    let asked: Vec<(i8, Text)> =
        body.resources.iter().map(|resource| (resource.resource_type, resource.resource_name.clone())).collect();
    let answer = api.shard.everywhere(api.shard.controller().alter_configs(body)).await;
    answer.unwrap_or_else(|_| refusal(asked, ErrorCode::NotController))
}

fn refusal(asked: Vec<(i8, Text)>, error: ErrorCode) -> AlterConfigsResponse {
    let refuse = |(resource_type, resource_name)| AlterConfigsResourceResponse {
        error_code: error.code(),
        error_message: None,
        resource_type,
        resource_name,
    };
    AlterConfigsResponse { throttle_time_ms: 0, responses: asked.into_iter().map(refuse).collect() }
}
