//! Offsets by time (ListOffsets): the first record that is not earlier, and the record with the largest timestamp.
//!
//! The time index says where to start; batches are then walked over and one of them is opened. Deleted segments do not
//! hurt: the lookup holds them.

use std::{io, rc::Rc};

use bytes::Bytes;

use crate::{
    record::{BatchError, Records, Timestamped, first_at_or_after},
    types::{LeaderEpoch, Offset, limits},
};

use super::{
    scan::{self, Visit},
    segment::Segment,
    view::LogView,
};

/// A record found by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The record's timestamp in milliseconds since 1970.
    pub timestamp: i64,
    /// The record's offset.
    pub offset: Offset,
    /// The leader epoch of its batch.
    pub leader_epoch: Option<LeaderEpoch>,
}

impl LogView {
    /// The first record, at or after the log start, whose timestamp is `timestamp` or later.
    ///
    /// # Errors
    /// The device failed, or a batch is malformed.
    pub async fn offset_for_timestamp(self: Rc<Self>, timestamp: i64) -> io::Result<Option<Found>> {
        let segments: Vec<_> = self.segments.borrow().iter().map(Rc::clone).collect();
        for segment in segments {
            let may_have = segment.largest.get().is_none_or(|largest| largest.timestamp >= timestamp);
            if segment.length.get() == 0 || !may_have {
                continue;
            }
            if let Some(found) = self.search(&segment, timestamp).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The first record that has the largest timestamp of the log; `None` if no record has a timestamp.
    ///
    /// # Errors
    /// The device failed, or a batch is malformed.
    pub async fn largest_timestamp(self: Rc<Self>) -> io::Result<Option<Found>> {
        let largest = {
            let segments = self.segments.borrow();
            let mut largest: Option<(Timestamped, Rc<Segment>)> = None;
            for segment in segments.iter() {
                if let Some(candidate) = segment.largest.get()
                    && largest.as_ref().is_none_or(|(largest, _)| candidate.timestamp > largest.timestamp)
                {
                    largest = Some((candidate, Rc::clone(segment)));
                }
            }
            largest
        };
        match largest {
            Some((largest, segment)) => self.search(&segment, largest.timestamp).await,
            None => Ok(None),
        }
    }

    async fn search(&self, segment: &Rc<Segment>, timestamp: i64) -> io::Result<Option<Found>> {
        let start = self.start();
        let mut position = segment
            .with_indexes(&self.shared, |indexes| {
                let offset = indexes.times.offset_before(timestamp).max(start);
                indexes.offsets.position_of(offset)
            })
            .await?;
        let file = segment.open(&self.shared).await?;
        let length = segment.length.get();
        while position < length {
            let mut candidate = None;
            let ended = scan::walk(&file, position, length, false, |batch, _| {
                if batch.header.max_timestamp >= timestamp && batch.header.last_offset() >= start {
                    candidate = Some(Bytes::copy_from_slice(batch.bytes));
                    return Visit::Enough;
                }
                Visit::Continue
            })
            .await?;
            let Some(batch) = candidate else { break };
            let records = Records::open(&batch, limits::DECOMPRESSED_BYTES_MAX).map_err(malformed)?;
            if let Some(found) = first_at_or_after(&records, timestamp, start).map_err(malformed)? {
                let leader_epoch = records.header().leader_epoch;
                return Ok(Some(Found { timestamp: found.timestamp, offset: found.offset, leader_epoch }));
            }
            position = ended.position + batch.len() as u64;
        }
        Ok(None)
    }
}

fn malformed(error: BatchError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
