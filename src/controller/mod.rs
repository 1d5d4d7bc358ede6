//! L5: what decides about the cluster, in a quorum of one.
//!
//! ```text
//!  shards, api ──▶ client ──▶ task ──▶ controller (pure: request + image → records + answer)
//!                              │           │
//!                              │       MetadataLog: one flush for all waiting requests
//!                              ▼
//!                   image published to every shard, and only then the answers
//! ```
//!
//! Everything but `client.rs` lives on the control thread. Decisions are pure functions over the image; `task.rs` is the
//! only place that touches the log. Error codes and messages are those of a real Kafka 4.3 that was asked the same.

mod error;
mod client;
mod spread;
mod startup;
mod task;
mod machine;
mod decision;
mod topics;
mod partitions;
mod configs;
mod placement;
mod brokers;
mod election;

pub use client::{ControllerClient, ControllerGone, ProducerIdBlock};
pub use error::ControllerError;
pub use spread::Spread;
pub use startup::{METADATA_VERSION_LEVEL, SUPPORTED_FEATURES, Started, start};
pub use task::ControllerTask;

#[cfg(test)]
mod election_tests;
#[cfg(test)]
mod startup_tests;
#[cfg(test)]
mod tests;
