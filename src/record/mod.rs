//! L1: record batches, as Kafka stores and sends them (message format v2, KIP-98).
//!
//! ```text
//! produced bytes -> check -> (rewrite) -> CheckedBatch -> patch_base -> the log
//! log or wire    -> batches -> header, verify -> records (decompressed within a cap) -> timestamps
//! ```
//!
//! Pure functions over bytes: no clock (`now_ms` is passed in), no I/O, no shared state. Everything here may be handed
//! hostile bytes; it answers with an error and never allocates by a number that the bytes only claim. A batch on its
//! way through the broker is checked in place and never decoded into records.

pub mod varint;

mod header;
pub use header::{
    BatchHeader, HEADER_BYTES, LENGTH_PREFIX_BYTES, NO_TIMESTAMP, TimestampType, claims_transaction, increment_sequence,
    patch_base,
};

mod error;
pub use error::BatchError;

mod batches;
pub use batches::{Batch, Batches, BatchesError};

pub mod compression;
pub use compression::{Codec, CompressionError};

mod records;
pub use records::{Headers, Record, RecordIter, Records};

mod timestamps;
pub use timestamps::{Timestamped, first_at_or_after, largest_timestamp};

mod builder;
pub use builder::BatchBuilder;

mod check;
pub use check::{CheckedBatch, CompressionRule, ProduceRules, RECORD_ERRORS_MAX, RecordError, Refusal, check_produced};

mod rewrite;
pub use rewrite::{recompress, stamp_append_time};

#[cfg(test)]
mod tests;

#[cfg(test)]
mod oracle;
