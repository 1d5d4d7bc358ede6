//! The records of `__consumer_offsets` in Kafka's formats (`common/message/*.json` of Kafka's group coordinator, 4.3).
//!
//! Pure. A key is its type (i16) and a message; a value is its version (i16) and a message; a record without a value is a
//! tombstone. Types that are not known are passed over when a log is read, so that logs of newer brokers can be read.

mod frame;
mod tables;

pub use frame::{LogRecord, RecordError, decode_key, decode_value, encode};
pub use tables::*;

#[cfg(test)]
mod tests;
