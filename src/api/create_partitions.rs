//! CreatePartitions (key 37), versions 0-3: adds partitions to topics, or says whether they could be added.
//!
//! Behaviour: the controller decides, topic by topic. Nothing is done for a `timeout_ms` that is already over (0 or less),
//! as in Kafka.

use std::rc::Rc;

use super::{Api, dispatch::Caller};
use crate::{
    protocol::messages::create_partitions::{
        CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopicResult,
    },
    types::{ErrorCode, Text},
};

/// Answers when the partitions are durable and every shard shows them.
pub(super) async fn handle(api: &Rc<Api>, _caller: &Caller, body: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let names: Vec<Text> = body.topics.iter().map(|topic| topic.name.clone()).collect();
    if body.timeout_ms <= 0 {
        return refusal(names, ErrorCode::RequestTimedOut);
    }
    let answer = api.shard.everywhere(api.shard.controller().create_partitions(body)).await;
    answer.unwrap_or_else(|_| refusal(names, ErrorCode::NotController))
}

fn refusal(names: Vec<Text>, error: ErrorCode) -> CreatePartitionsResponse {
    let refuse = |name| CreatePartitionsTopicResult { name, error_code: error.code(), error_message: None };
    CreatePartitionsResponse { throttle_time_ms: 0, results: names.into_iter().map(refuse).collect() }
}
