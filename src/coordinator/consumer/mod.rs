//! Groups of the consumer protocol (KIP-848): the coordinator assigns, and members move towards their targets step by step
//! (Kafka 4.3's `group/modern/consumer`, GroupMetadataManager.java).
//!
//! Pure. `group.rs` holds the state; it changes only by a [`Change`], which is also what is written into the log. `heartbeat.rs`
//! is the protocol, `reconcile.rs` a member's next step, `target.rs` and `assignor/` where all of it leads, `subscription.rs`
//! regular expressions, `classic_members.rs` members that speak the classic protocol in such a group, and `migrate.rs` the
//! ways from and to a classic group.

mod records;
mod assignment;
mod topics;
mod pattern;
mod member;
mod changes;
mod deadlines;
mod settings;
pub(crate) mod assignor;
mod group;
mod check;
mod subscription;
mod target;
mod reconcile;
mod heartbeat;
mod fence;
mod classic_members;
mod migrate;
mod describe;

pub(crate) use assignor::Assignor;
pub(crate) use changes::Change;
pub(crate) use check::check_heartbeat;
pub(crate) use heartbeat::is_joining;
pub use group::ConsumerGroup;
pub(crate) use settings::{ConsumerSettings, Refusal, Scene};
pub(crate) use topics::Topics;

#[cfg(test)]
mod tests;
