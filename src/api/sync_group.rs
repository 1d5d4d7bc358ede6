//! SyncGroup (key 14), versions 0-5: the leader hands in the assignments, everyone gets its own.
//!
//! Behaviour: followers wait for the leader. Assignments stay opaque.

use std::rc::Rc;

use super::{
    Api,
    dispatch::Caller,
    groups::{self, check_group_id},
};
use crate::{
    coordinator::{Answer, Call},
    protocol::messages::sync_group::{SyncGroupRequest, SyncGroupResponse},
    types::ErrorCode,
};

/// First version in which protocol type and name must be given.
const VERSION_PROTOCOL: i16 = 5;

/// Waits for the leader.
pub(super) async fn handle(api: &Rc<Api>, caller: &Caller, body: SyncGroupRequest) -> SyncGroupResponse {
    let lacks_protocol = caller.version >= VERSION_PROTOCOL && (body.protocol_type.is_none() || body.protocol_name.is_none());
    let checked = match check_group_id(&body.group_id) {
        // Kafka looks at this first.
        _ if lacks_protocol => Err(ErrorCode::InconsistentGroupProtocol),
        checked => checked,
    };
    let refused = |error: ErrorCode| SyncGroupResponse { error_code: error.code(), ..SyncGroupResponse::default() };
    if let Err(error) = checked {
        return refused(error);
    }
    match groups::ask(api, caller, &body.group_id.clone(), Call::Sync(body)).await {
        Answer::Sync(response) => response,
        other => refused(groups::refusal(&other)),
    }
}
