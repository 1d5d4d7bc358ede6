//! InitProducerId (key 22): gives an idempotent or transactional producer its id and epoch.
//!
//! Version 2 is flexible, 3 lets a producer continue with the id it has (KIP-360), 4 can answer `PRODUCER_FENCED`, 5
//! `TRANSACTION_ABORTABLE`. Version 6 (two-phase commit, KIP-939) is unstable in Kafka and not here.

use crate::{protocol::message, types::Text};

message! {
    /// Asks for an id, or to raise the epoch of one.
    pub struct InitProducerIdRequest: key 22, versions 0..=5, flexible 2 {
        transactional_id: Option<Text>,
        transaction_timeout_ms: i32,
        producer_id: i64 { since 3, default -1 },
        producer_epoch: i16 { since 3, default -1 },
    }

    /// The id and epoch.
    pub struct InitProducerIdResponse: key 22, versions 0..=5, flexible 2 {
        throttle_time_ms: i32,
        error_code: i16,
        producer_id: i64 { default -1 },
        producer_epoch: i16,
    }
}
