//! LeaveGroup (key 13), versions 0-5: members leave a classic group.
//!
//! Version notes: before 3 one member leaves, and the answer is its error.

use std::rc::Rc;

use super::{
    Api,
    dispatch::Caller,
    groups::{self, check_group_id},
};
use crate::{
    coordinator::{Answer, Call},
    protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity, MemberResponse},
    types::ErrorCode,
};

/// First version in which many may leave.
const VERSION_MEMBERS: i16 = 3;

/// Answers when the group knows.
pub(super) async fn handle(api: &Rc<Api>, caller: &Caller, mut body: LeaveGroupRequest) -> LeaveGroupResponse {
    if caller.version < VERSION_MEMBERS {
        let member_id = std::mem::take(&mut body.member_id);
        body.members = vec![MemberIdentity { member_id, ..MemberIdentity::default() }];
    }
    let refused = |error: ErrorCode| LeaveGroupResponse { error_code: error.code(), ..LeaveGroupResponse::default() };
    let members = body.members.clone();
    let response = match check_group_id(&body.group_id) {
        Err(error) => refused(error),
        Ok(()) => match groups::ask(api, caller, &body.group_id.clone(), Call::Leave(body)).await {
            Answer::Leave(response) => response,
            Answer::Refused(ErrorCode::UnknownMemberId) => LeaveGroupResponse { members: unknown(members), ..LeaveGroupResponse::default() },
            other => refused(groups::refusal(&other)),
        },
    };
    if caller.version >= VERSION_MEMBERS {
        return response;
    }
    let of_member = response.members.first().map_or(ErrorCode::None.code(), |member| member.error_code);
    let error_code = if response.error_code == ErrorCode::None.code() { of_member } else { response.error_code };
    LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() }
}

fn unknown(members: Vec<MemberIdentity>) -> Vec<MemberResponse> {
    let unknown = |member: MemberIdentity| MemberResponse {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        error_code: ErrorCode::UnknownMemberId.code(),
    };
    members.into_iter().map(unknown).collect()
}
