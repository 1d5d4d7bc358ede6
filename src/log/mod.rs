//! L3: one partition's log on disk, in Kafka's layout and formats.
//!
//! ```text
//! Log (owned by the partition's actor)            LogView (shared with those who read)
//!   stage ─► take_write ─► WritePlan::execute       plan_read ─► ReadPlan::execute
//!              ▲                    │                            tail cache | segment files
//!              └── complete_write ◄─┘ ─► flush_request ─► flushed
//! ```
//! A shard's logs share one [`LogShared`]: the budget of the tail caches, the bound of open files and of background work.
//! Everything lives on one shard. Decisions are synchronous; input and output are plans and background tasks that own what
//! they need. The data directory is a Kafka data directory: after a clean stop Kafka can start on it.

mod settings;
pub use settings::LogSettings;

// The life of a log.
#[expect(clippy::module_inception, reason = "the log itself is what this folder is about")]
mod log;
mod recovery;
mod retention;
mod save;
mod survey;
pub use log::{AppendError, Log, Staged};
pub use recovery::{OpenError, OpenOptions};
pub use retention::Deleted;
pub use save::sync_file_system;

// Appending.
mod durable;
mod flush;
mod prepare;
mod runway;
mod seal;
mod tail;
mod write;
mod zeroing;
pub use flush::FlushRequest;
pub use write::{WriteOutcome, WritePlan};

// Reading.
mod cache;
mod load;
mod lookup;
mod read;
mod scan;
mod view;
pub use lookup::Found;
pub use read::ReadPlan;
pub use view::{LogView, ReadError};

// What a log is made of.
mod files;
mod segment;
mod shared;
pub use shared::{LogShared, SharedLimits, StorageFailure};

// Pure state and file formats.
mod checkpoint;
mod entries;
mod epoch_file;
mod epochs;
mod index;
mod names;
mod producers;
mod snapshot;
mod spare;
mod state;
mod time_index;
pub use checkpoint::{CheckpointError, encode_offsets, parse_offsets};
pub use epochs::{EpochCache, EpochStart};
pub use producers::{EndedTransaction, Marker, Producer, ProducerBatch, ProducerError, ProducerStates, Verdict};

#[cfg(test)]
mod tests;
