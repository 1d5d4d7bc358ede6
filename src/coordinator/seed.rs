//! What a classic group and a consumer group have in common: it goes from the one to the other when a group changes its type.
//!
//! Values only. How each is made and taken over stands in `classic/seed.rs` and `consumer/migrate.rs`.

use bytes::Bytes;

use crate::types::Text;

/// A classic group as a consumer group begins with it, or leaves it behind.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ClassicSeed {
    /// Generation, or epoch.
    pub(crate) generation: i32,
    /// The protocol that was chosen.
    pub(crate) protocol: Option<Text>,
    /// The members by their ids, in the order of these.
    pub(crate) members: Vec<(Text, Profile)>,
    /// The classic group is to rebalance at once.
    pub(crate) rebalance: bool,
}

/// A member that speaks the classic protocol: what it said of itself, and what it was given.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Profile {
    /// Id that it gave itself, if it is static.
    pub(crate) instance_id: Option<Text>,
    pub(crate) client_id: Text,
    pub(crate) client_host: Text,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    /// The protocols that it speaks, the best first, each with its metadata.
    pub(crate) protocols: Vec<(Text, Bytes)>,
    /// Its assignment; empty if it has none.
    pub(crate) assignment: Bytes,
}
