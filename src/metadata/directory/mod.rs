//! Log directories as such: who owns one, which cluster it belongs to, whether it was left in order.
//!
//! The files at the top of a Kafka log directory: `meta.properties`, `.lock`, `.kafka_cleanshutdown`. Synchronous file
//! work on the control thread, before the shards start and after they stopped. What lies in the partitions' folders is
//! the business of `log/`.

mod error;
mod files;
mod meta_properties;
mod clean_shutdown;
mod lock;
mod open;

pub(crate) use files::{read_text, sync_dir, write_whole};
pub use error::DirectoryError;
pub use meta_properties::MetaProperties;
pub use open::{Identity, LogDir, LogDirs};
