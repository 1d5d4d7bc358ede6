//! DescribeGroups (key 15): state and members of classic groups.
//!
//! Version 3 can ask for authorized operations, 4 has static members, 5 is flexible, 6 says GROUP_ID_NOT_FOUND instead of
//! describing a dead group (KIP-1043).

use bytes::Bytes;

use crate::{protocol::message, types::Text};

message! {
    /// Which groups.
    pub struct DescribeGroupsRequest: key 15, versions 0..=6, flexible 5 {
        groups: Vec<Text>,
        include_authorized_operations: bool { since 3 },
    }

    /// The groups.
    pub struct DescribeGroupsResponse: key 15, versions 0..=6, flexible 5 {
        throttle_time_ms: i32 { since 1, ignorable true },
        groups: Vec<DescribedGroup>,
    }

    pub struct DescribedGroup {
        error_code: i16,
        error_message: Option<Text> { since 6, nullable 6, ignorable true },
        group_id: Text,
        group_state: Text,
        protocol_type: Text,
        protocol_data: Text,
        members: Vec<DescribedGroupMember>,
        authorized_operations: i32 { since 3, ignorable true, default i32::MIN },
    }

    pub struct DescribedGroupMember {
        member_id: Text,
        group_instance_id: Option<Text> { since 4, nullable 4, ignorable true },
        client_id: Text,
        client_host: Text,
        member_metadata: Bytes,
        member_assignment: Bytes,
    }
}
