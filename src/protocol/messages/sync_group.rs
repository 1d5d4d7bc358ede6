//! SyncGroup (key 14): the leader hands in the assignments, everyone gets its own.
//!
//! Version 3 has static members, 4 is flexible, 5 names protocol type and protocol, which are then checked.

use bytes::Bytes;

use crate::{protocol::message, types::Text};

message! {
    /// Asks for the assignment; the leader brings those of all.
    pub struct SyncGroupRequest: key 14, versions 0..=5, flexible 4 {
        group_id: Text,
        generation_id: i32,
        member_id: Text,
        group_instance_id: Option<Text> { since 3, nullable 3 },
        protocol_type: Option<Text> { since 5, nullable 5, ignorable true },
        protocol_name: Option<Text> { since 5, nullable 5, ignorable true },
        assignments: Vec<SyncGroupRequestAssignment>,
    }

    pub struct SyncGroupRequestAssignment {
        member_id: Text,
        assignment: Bytes,
    }

    /// The member's assignment.
    pub struct SyncGroupResponse: key 14, versions 0..=5, flexible 4 {
        throttle_time_ms: i32 { since 1, ignorable true },
        error_code: i16,
        protocol_type: Option<Text> { since 5, nullable 5, ignorable true },
        protocol_name: Option<Text> { since 5, nullable 5, ignorable true },
        assignment: Bytes,
    }
}
