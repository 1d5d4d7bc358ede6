//! Heartbeat (key 12), versions 0-4: a member lives, and hears whether it must join again.
//!
//! Behaviour: while the coordinator loads, everything is said to be well; sessions begin when it has loaded.

use std::rc::Rc;

use super::{
    Api,
    dispatch::Caller,
    groups::{self, check_group_id},
};
use crate::{
    coordinator::{Answer, Call},
    protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse},
    types::ErrorCode,
};

/// Answers when all is durable that the coordinator knew.
pub(super) async fn handle(api: &Rc<Api>, caller: &Caller, body: HeartbeatRequest) -> HeartbeatResponse {
    let answer = |error: ErrorCode| HeartbeatResponse { error_code: error.code(), ..HeartbeatResponse::default() };
    if let Err(error) = check_group_id(&body.group_id) {
        return answer(error);
    }
    match groups::ask(api, caller, &body.group_id.clone(), Call::Heartbeat(body)).await {
        Answer::Heartbeat(response) => response,
        Answer::Refused(ErrorCode::CoordinatorLoadInProgress) => answer(ErrorCode::None),
        other => answer(groups::refusal(&other)),
    }
}
