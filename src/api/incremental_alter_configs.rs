//! IncrementalAlterConfigs (key 44), versions 0-1: sets, deletes, appends to and subtracts from single configs (KIP-339).
//!
//! Behaviour: the controller decides, resource by resource, and knows what is checked by the broker in Kafka too.

use std::rc::Rc;

use super::{Api, dispatch::Caller};
use crate::{
    protocol::messages::incremental_alter_configs::{
        AlterConfigsResourceResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    },
    types::{ErrorCode, Text},
};

/// Answers when the changes are durable and every shard shows them.
pub(super) async fn handle(
    api: &Rc<Api>,
    _caller: &Caller,
    body: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let asked: Vec<(i8, Text)> =
        body.resources.iter().map(|resource| (resource.resource_type, resource.resource_name.clone())).collect();
    let answer = api.shard.everywhere(api.shard.controller().incremental_alter_configs(body)).await;
    answer.unwrap_or_else(|_| refusal(asked, ErrorCode::NotController))
}

fn refusal(asked: Vec<(i8, Text)>, error: ErrorCode) -> IncrementalAlterConfigsResponse {
    let refuse = |(resource_type, resource_name)| AlterConfigsResourceResponse {
        error_code: error.code(),
        error_message: None,
        resource_type,
        resource_name,
    };
    IncrementalAlterConfigsResponse { throttle_time_ms: 0, responses: asked.into_iter().map(refuse).collect() }
}
