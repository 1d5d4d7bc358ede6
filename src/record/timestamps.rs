//! Looking up records by time inside one batch, for ListOffsets.

use crate::types::Offset;

use super::{BatchError, NO_TIMESTAMP, Records};

/// A record found by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamped {
    /// Its timestamp in milliseconds since 1970.
    pub timestamp: i64,
    /// Its offset.
    pub offset: Offset,
}

/// The first record of `batch` at or after `from` whose timestamp is `timestamp` or later (FileRecords.java,
/// searchForTimestamp).
///
/// # Errors
/// If the batch is malformed.
pub fn first_at_or_after(batch: &Records<'_>, timestamp: i64, from: Offset) -> Result<Option<Timestamped>, BatchError> {
    if batch.header().max_timestamp < timestamp {
        return Ok(None);
    }
    for record in batch {
        let record = record?;
        if record.timestamp >= timestamp && record.offset >= from {
            return Ok(Some(Timestamped { timestamp: record.timestamp, offset: record.offset }));
        }
    }
    Ok(None)
}

/// The first record of `batch` that has its largest timestamp (RecordBatch.java, offsetOfMaxTimestamp); `None` if no
/// record has a timestamp or, in a compacted batch, if the record that had it is gone.
///
/// # Errors
/// If the batch is malformed.
pub fn largest_timestamp(batch: &Records<'_>) -> Result<Option<Timestamped>, BatchError> {
    let timestamp = batch.header().max_timestamp;
    if timestamp == NO_TIMESTAMP {
        return Ok(None);
    }
    for record in batch {
        let record = record?;
        if record.timestamp == timestamp {
            return Ok(Some(Timestamped { timestamp, offset: record.offset }));
        }
    }
    Ok(None)
}
