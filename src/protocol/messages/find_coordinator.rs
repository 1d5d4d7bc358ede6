//! FindCoordinator (key 10): which broker coordinates a group or a transaction.
//!
//! Version 1 has key types (0 group, 1 transaction; 2 share group since 6) and error messages, 3 is flexible, 4 asks for
//! many keys at once (KIP-699).

use crate::{protocol::message, types::Text};

message! {
    /// Whose coordinator is wanted.
    pub struct FindCoordinatorRequest: key 10, versions 0..=6, flexible 3 {
        key: Text { until 3 },
        key_type: i8 { since 1 },
        coordinator_keys: Vec<Text> { since 4 },
    }

    /// Where the coordinators are.
    pub struct FindCoordinatorResponse: key 10, versions 0..=6, flexible 3 {
        throttle_time_ms: i32 { since 1, ignorable true },
        error_code: i16 { until 3 },
        error_message: Option<Text> { since 1, until 3, nullable 1, ignorable true },
        node_id: i32 { until 3 },
        host: Text { until 3 },
        port: i32 { until 3 },
        coordinators: Vec<Coordinator> { since 4 },
    }

    pub struct Coordinator {
        key: Text,
        node_id: i32,
        host: Text,
        port: i32,
        error_code: i16,
        error_message: Option<Text> { ignorable true },
    }
}
