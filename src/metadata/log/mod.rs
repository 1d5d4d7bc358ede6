//! `__cluster_metadata-0`: the metadata log and its snapshots on the disk, in Kafka's format.
//!
//! ```text
//!  <log dir>/bootstrap.checkpoint               what a new cluster starts with; read only while the log is empty
//!  <log dir>/__cluster_metadata-0/
//!      00000000000000000000.log                 record batches back to back; the raft epoch is the leader epoch
//!      00000000000000004711-0000000003.checkpoint   a snapshot: the image up to offset 4711 (exclusive), epoch 3
//!      quorum-state, leader-epoch-checkpoint
//! ```
//!
//! One writer on the control thread, ordinary files. *Staged* batches have offsets but are only in memory; after
//! [`MetadataLog::flush`] they are on the device and so, with one voter, below the high watermark. An error while
//! writing poisons the log: nothing more is written, and the broker must stop.

mod names;
mod quorum_state;
mod reader;
mod epochs;
mod snapshot;
mod load;
mod store;

pub use load::LogError;
pub use snapshot::{SnapshotId, SnapshotWriter};
pub use store::{LogSettings, MetadataLog, StagedBatch};

#[cfg(test)]
mod tests;
