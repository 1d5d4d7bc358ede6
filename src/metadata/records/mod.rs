//! The records of the metadata log: what Kafka 4.3 writes at metadata.version 30, and all that it ever wrote.
//!
//! Pure. One table per record type (`cluster.rs`, `topic.rs`, `security.rs`, `control.rs`), the frame that tells the
//! types apart (`frame.rs`).

mod error;
mod cluster;
mod topic;
mod security;
mod control;
mod frame;

pub use cluster::*;
pub use control::*;
pub use error::FrameError;
pub use frame::{Content, LogBatch, MetadataRecord};
pub use security::*;
pub use topic::*;

#[cfg(test)]
mod tests;
