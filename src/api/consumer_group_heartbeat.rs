//! ConsumerGroupHeartbeat (key 68), versions 0-1: a member of a consumer group joins, lives, owns partitions and leaves.
//!
//! Behaviour: the coordinator assigns; each answer is the member's next step (KIP-848). While it loads,
//! COORDINATOR_LOAD_IN_PROGRESS.
//! Version notes: 1 has member ids that clients make, and subscriptions by regular expression.

use std::rc::Rc;

use super::{Api, dispatch::Caller, groups};
use crate::{
    coordinator::{Answer, Call},
    protocol::messages::consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse},
};

/// Answers when what has changed is durable.
pub(super) async fn handle(api: &Rc<Api>, caller: &Caller, body: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
    match groups::ask(api, caller, &body.group_id.clone(), Call::ConsumerHeartbeat(body)).await {
        Answer::ConsumerHeartbeat(response) => response,
        other => ConsumerGroupHeartbeatResponse { error_code: groups::refusal(&other).code(), ..ConsumerGroupHeartbeatResponse::default() },
    }
}
