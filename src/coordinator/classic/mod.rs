//! Groups of the classic protocol: members join, the leader assigns, everyone syncs (ClassicGroup.java,
//! GroupMetadataManager.java of Kafka 4.3).
//!
//! Pure. `group.rs` holds the state, each other file one part of what changes it. Joins and syncs that wait are tickets in
//! the members; who takes a ticket out answers it.

mod state;
mod member;
mod group;
mod subscription;
mod join;
mod rebalance;
mod sync;
mod leave;
mod checks;
mod seed;

pub use group::ClassicGroup;
pub(super) use join::Joining;
pub use state::State;

use super::{
    effects::Effects,
    settings::{GroupSettings, Now},
};
use crate::types::Text;

/// What a step of a group needs besides the group.
#[derive(Debug)]
pub(super) struct Step<'a> {
    /// Name of the group.
    pub(super) id: &'a Text,
    /// The time.
    pub(super) now: Now,
    /// The settings.
    pub(super) settings: &'a GroupSettings,
    /// What comes of it.
    pub(super) effects: &'a mut Effects,
}

#[cfg(test)]
pub(super) mod tests;
