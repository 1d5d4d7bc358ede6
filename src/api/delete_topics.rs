//! DeleteTopics (key 20), versions 1-6: removes topics with all their records.
//!
//! Behaviour: the controller decides, topic by topic. Nothing is done for a `timeout_ms` that is already over (0 or less),
//! as in Kafka.
//! Version notes: up to 5 topics are named, from 6 on named or identified; messages come with 5.

use std::rc::Rc;

use super::{Api, dispatch::Caller};
use crate::{
    protocol::messages::delete_topics::{DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse},
    types::{ErrorCode, Uuid},
};

/// Answers when the topics are gone for good and no shard shows them; their files go later.
pub(super) async fn handle(api: &Rc<Api>, caller: &Caller, body: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let asked = asked(&body);
    if body.timeout_ms <= 0 {
        return refusal(asked, ErrorCode::RequestTimedOut);
    }
    let answer = api.shard.everywhere(api.shard.controller().delete_topics(body, caller.version)).await;
    answer.unwrap_or_else(|_| refusal(asked, ErrorCode::NotController))
}

/// What the request names, in either form.
fn asked(body: &DeleteTopicsRequest) -> Vec<DeleteTopicState> {
    let named = body.topic_names.iter().map(|name| DeleteTopicState { name: Some(name.clone()), topic_id: Uuid::ZERO });
    body.topics.iter().cloned().chain(named).collect()
}

fn refusal(asked: Vec<DeleteTopicState>, error: ErrorCode) -> DeleteTopicsResponse {
    let refuse = |topic: DeleteTopicState| DeletableTopicResult {
        name: topic.name,
        topic_id: topic.topic_id,
        error_code: error.code(),
        error_message: None,
    };
    DeleteTopicsResponse { throttle_time_ms: 0, responses: asked.into_iter().map(refuse).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Text;

    #[test]
    fn a_refusal_names_everything_that_was_asked_for() {
        let by_name = DeleteTopicsRequest { topic_names: vec![Text::from_static("a")], ..DeleteTopicsRequest::default() };
        let by_id = DeleteTopicsRequest {
            topics: vec![DeleteTopicState { name: None, topic_id: Uuid([7; 16]) }],
            ..DeleteTopicsRequest::default()
        };
        let refused = |body| refusal(asked(body), ErrorCode::RequestTimedOut).responses;
        assert_eq!(refused(&by_name)[0].name.as_deref(), Some("a"));
        assert_eq!((refused(&by_id)[0].topic_id, refused(&by_id)[0].error_code), (Uuid([7; 16]), 7));
    }
}
