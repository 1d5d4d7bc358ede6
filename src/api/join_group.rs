//! JoinGroup (key 11), versions 0-9: enters a group, and waits for its next generation.
//!
//! Behaviour: the answer comes when the rebalance is over. What the protocols say stays opaque.
//! Version notes: in version 0 the session timeout is the rebalance timeout as well; before 7 the protocol's name must not be
//! null; see the table for the others.

use std::rc::Rc;

use super::{
    Api,
    dispatch::Caller,
    groups::{self, check_group_id},
};
use crate::{
    coordinator::{Answer, Call},
    protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse},
    types::{ErrorCode, Text},
};

/// First version with a rebalance timeout of its own.
const VERSION_REBALANCE_TIMEOUT: i16 = 1;
/// First version that may answer without a protocol.
const VERSION_NO_PROTOCOL: i16 = 7;

/// Waits for the rebalance.
pub(super) async fn handle(api: &Rc<Api>, caller: &Caller, mut body: JoinGroupRequest) -> JoinGroupResponse {
    if caller.version < VERSION_REBALANCE_TIMEOUT {
        body.rebalance_timeout_ms = body.session_timeout_ms;
    }
    let settings = &api.shard.config().groups;
    let session_range = settings.min_session_timeout_ms..=settings.max_session_timeout_ms;
    let checked = check_group_id(&body.group_id).and_then(|()| {
        if session_range.contains(&body.session_timeout_ms) { Ok(()) } else { Err(ErrorCode::InvalidSessionTimeout) }
    });
    let (group_id, member_id) = (body.group_id.clone(), body.member_id.clone());
    let mut response = match checked {
        Ok(()) => match groups::ask(api, caller, &group_id, Call::Join(body)).await {
            Answer::Join(response) => response,
            other => refused(groups::refusal(&other), Text::default()),
        },
        Err(error) => refused(error, member_id),
    };
    if caller.version < VERSION_NO_PROTOCOL && response.protocol_name.is_none() {
        response.protocol_name = Some(Text::default());
    }
    response
}

fn refused(error: ErrorCode, member_id: Text) -> JoinGroupResponse {
    JoinGroupResponse { error_code: error.code(), member_id, ..JoinGroupResponse::default() }
}
