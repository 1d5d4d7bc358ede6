//! LeaveGroup (key 13): members leave a classic group.
//!
//! Version 3 lets many members leave at once, static ones by their instance id, 4 is flexible, 5 gives reasons.

use crate::{protocol::message, types::Text};

message! {
    /// Who leaves.
    pub struct LeaveGroupRequest: key 13, versions 0..=5, flexible 4 {
        group_id: Text,
        member_id: Text { until 2 },
        members: Vec<MemberIdentity> { since 3 },
    }

    pub struct MemberIdentity {
        member_id: Text,
        group_instance_id: Option<Text>,
        reason: Option<Text> { since 5, nullable 5, ignorable true },
    }

    /// What came of it, member by member.
    pub struct LeaveGroupResponse: key 13, versions 0..=5, flexible 4 {
        throttle_time_ms: i32 { since 1, ignorable true },
        error_code: i16,
        members: Vec<MemberResponse> { since 3 },
    }

    pub struct MemberResponse {
        member_id: Text,
        group_instance_id: Option<Text>,
        error_code: i16,
    }
}
