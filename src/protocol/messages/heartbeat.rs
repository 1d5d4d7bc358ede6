//! Heartbeat (key 12): a member of a classic group is alive, and hears whether it must rejoin.
//!
//! Version 3 has static members, 4 is flexible.

use crate::{protocol::message, types::Text};

message! {
    /// Says that a member lives.
    pub struct HeartbeatRequest: key 12, versions 0..=4, flexible 4 {
        group_id: Text,
        generation_id: i32,
        member_id: Text,
        group_instance_id: Option<Text> { since 3, nullable 3 },
    }

    /// Whether the generation still holds.
    pub struct HeartbeatResponse: key 12, versions 0..=4, flexible 4 {
        throttle_time_ms: i32 { since 1, ignorable true },
        error_code: i16,
    }
}
