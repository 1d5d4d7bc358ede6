//! CreateTopics (key 19), versions 2-7: makes topics, or says whether they could be made.
//!
//! Behaviour: the controller decides, topic by topic; its answer says nothing about the others of the request. Nothing is
//! done for a `timeout_ms` that is already over (0 or less), as in Kafka.
//! Version notes: from 5 on the answer carries the topic's shape and its configs, from 7 on its id.

use std::rc::Rc;

use super::{Api, dispatch::Caller};
use crate::{
    protocol::messages::create_topics::{CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse},
    types::{ErrorCode, Text},
};

/// Answers when the topics are durable and every shard shows them.
pub(super) async fn handle(api: &Rc<Api>, _caller: &Caller, body: CreateTopicsRequest) -> CreateTopicsResponse {
    let names: Vec<Text> = body.topics.iter().map(|topic| topic.name.clone()).collect();
    if body.timeout_ms <= 0 {
        return refusal(names, ErrorCode::RequestTimedOut);
    }
    let answer = api.shard.everywhere(api.shard.controller().create_topics(body)).await;
    answer.unwrap_or_else(|_| refusal(names, ErrorCode::NotController))
}

fn refusal(names: Vec<Text>, error: ErrorCode) -> CreateTopicsResponse {
    let refuse = |name| CreatableTopicResult {
        name,
        error_code: error.code(),
        configs: Some(Vec::new()),
        ..CreatableTopicResult::default()
    };
    CreateTopicsResponse { throttle_time_ms: 0, topics: names.into_iter().map(refuse).collect() }
}
