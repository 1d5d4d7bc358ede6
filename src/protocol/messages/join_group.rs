//! JoinGroup (key 11): enters a group and waits for its next generation.
//!
//! Version 1 has a rebalance timeout of its own, 4 asks new members to come back with the id they are given
//! (MEMBER_ID_REQUIRED), 5 has static members, 6 is flexible, 7 names the protocol type in the answer, 8 gives a reason,
//! 9 tells a static leader that came back that nothing is to be assigned (KIP-814).

use bytes::Bytes;

use crate::{protocol::message, types::Text};

message! {
    /// Who joins, and which protocols it speaks.
    pub struct JoinGroupRequest: key 11, versions 0..=9, flexible 6 {
        group_id: Text,
        session_timeout_ms: i32,
        rebalance_timeout_ms: i32 { since 1, ignorable true, default -1 },
        member_id: Text,
        group_instance_id: Option<Text> { since 5, nullable 5 },
        protocol_type: Text,
        protocols: Vec<JoinGroupRequestProtocol>,
        reason: Option<Text> { since 8, nullable 8, ignorable true },
    }

    pub struct JoinGroupRequestProtocol {
        name: Text,
        metadata: Bytes,
    }

    /// The generation; its leader is told of all members.
    pub struct JoinGroupResponse: key 11, versions 0..=9, flexible 6 {
        throttle_time_ms: i32 { since 2, ignorable true },
        error_code: i16,
        generation_id: i32 { default -1 },
        protocol_type: Option<Text> { since 7, nullable 7, ignorable true },
        protocol_name: Option<Text> { nullable 7 },
        leader: Text,
        skip_assignment: bool { since 9 },
        member_id: Text,
        members: Vec<JoinGroupResponseMember>,
    }

    pub struct JoinGroupResponseMember {
        member_id: Text,
        group_instance_id: Option<Text> { since 5, nullable 5, ignorable true },
        metadata: Bytes,
    }
}
