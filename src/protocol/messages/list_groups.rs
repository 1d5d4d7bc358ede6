//! ListGroups (key 16): the groups that this broker coordinates.
//!
//! Version 3 is flexible, 4 has states and a filter by them (KIP-518), 5 types (KIP-848).

use crate::{protocol::message, types::Text};

message! {
    /// Which groups: those in one of the states and of one of the types, if any are named.
    pub struct ListGroupsRequest: key 16, versions 0..=5, flexible 3 {
        states_filter: Vec<Text> { since 4 },
        types_filter: Vec<Text> { since 5 },
    }

    /// The groups.
    pub struct ListGroupsResponse: key 16, versions 0..=5, flexible 3 {
        throttle_time_ms: i32 { since 1, ignorable true },
        error_code: i16,
        groups: Vec<ListedGroup>,
    }

    pub struct ListedGroup {
        group_id: Text,
        protocol_type: Text,
        group_state: Text { since 4, ignorable true },
        group_type: Text { since 5, ignorable true },
    }
}
