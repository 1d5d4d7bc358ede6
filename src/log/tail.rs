//! The end of the log: batches that have their offsets and positions and wait to be written, and the one write in flight.
//!
//! *Stage* (sync) -> [`super::write::WritePlan`] (async, owns everything) -> *complete* (sync). A batch's segment and
//! position are fixed when it is staged, so rolling is decided here.

use std::{collections::VecDeque, rc::Rc};

use bytes::Bytes;

use crate::{
    record::{NO_TIMESTAMP, Timestamped},
    types::{LeaderEpoch, Offset},
};

use super::{index, segment::Segment, settings::LogSettings, time_index};

/// A batch on its way to the file.
#[derive(Clone, Debug)]
pub(super) struct StagedBatch {
    pub(super) segment: Rc<Segment>,
    pub(super) bytes: Bytes,
    pub(super) base: Offset,
    pub(super) last: Offset,
    pub(super) epoch: LeaderEpoch,
    pub(super) max_timestamp: i64,
    /// Position in the segment file.
    pub(super) position: u64,
    /// It gets index entries.
    pub(super) indexed: bool,
}

/// Where the next batch goes. Ahead of the view, which knows only what is written.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) segment: Rc<Segment>,
    /// End of what is staged in `segment`.
    pub(super) position: u64,
    /// The log end offset: what the next record gets.
    pub(super) end: Offset,
    /// Timestamp of the segment's first batch, by which its age is told; absent while it is empty.
    pub(super) first_timestamp: Option<i64>,
    /// When the segment was made, for batches without timestamps.
    pub(super) created_ms: i64,
    since_index: u64,
    index_entries: u64,
    pub(super) queue: VecDeque<StagedBatch>,
    pub(super) queued_bytes: usize,
}

/// What decides whether a batch still fits the segment.
pub(super) struct Incoming {
    pub(super) bytes: u64,
    pub(super) last: Offset,
    pub(super) max_timestamp: i64,
    pub(super) now_ms: i64,
}

impl Tail {
    /// Staging goes on where `segment` ends; `first_timestamp` is that of its first batch, if it has one.
    pub(super) fn new(segment: Rc<Segment>, first_timestamp: Option<i64>, now_ms: i64) -> Self {
        let index_entries =
            segment.indexes.borrow().as_ref().map_or(0, |indexes| indexes.offsets.len().max(indexes.times.len()));
        Self {
            position: segment.length.get(),
            end: segment.next.get(),
            segment,
            first_timestamp,
            created_ms: now_ms,
            since_index: 0,
            index_entries: index_entries as u64,
            queue: VecDeque::new(),
            queued_bytes: 0,
        }
    }

    /// True if the batch must begin a new segment (LogSegment.shouldRoll). An empty segment takes any batch.
    pub(super) fn must_roll(&self, batch: &Incoming, settings: &LogSettings, jitter_ms: i64) -> bool {
        self.position > 0
            && (self.position + batch.bytes > settings.segment_bytes
                || self.age_ms(batch.now_ms, batch.max_timestamp) > settings.segment_ms - jitter_ms
                || self.index_is_full(settings)
                || batch.last.since(self.segment.base) > i64::from(i32::MAX))
    }

    /// How long the segment has been filling: by record timestamps if there are any, else by the clock.
    pub(super) fn age_ms(&self, now_ms: i64, timestamp: i64) -> i64 {
        match self.first_timestamp {
            Some(first) if timestamp != NO_TIMESTAMP => timestamp.saturating_sub(first),
            _ => now_ms.saturating_sub(self.created_ms),
        }
    }

    fn index_is_full(&self, settings: &LogSettings) -> bool {
        let offsets = settings.segment_index_bytes / index::ENTRY_BYTES as u64;
        // The last time entry is written when the segment is sealed.
        let times = (settings.segment_index_bytes / time_index::ENTRY_BYTES as u64).saturating_sub(1);
        self.index_entries >= offsets.min(times).max(1)
    }

    /// Staging goes on in `segment`, which is empty and begins at the log end offset.
    pub(super) fn roll(&mut self, segment: Rc<Segment>, now_ms: i64) {
        assert_eq!(segment.base, self.end, "a segment begins where the log ends");
        self.segment = segment;
        self.position = 0;
        self.first_timestamp = None;
        self.created_ms = now_ms;
        self.since_index = 0;
        self.index_entries = 0;
    }

    /// Puts a batch behind the others. It has its offsets.
    pub(super) fn push(&mut self, mut batch: StagedBatch, settings: &LogSettings) {
        assert!(batch.base >= self.end && batch.position == self.position, "a batch is appended at the end");
        let bytes = batch.bytes.len() as u64;
        if self.position == 0 && batch.max_timestamp != NO_TIMESTAMP {
            self.first_timestamp = Some(batch.max_timestamp);
        }
        if self.since_index > settings.index_interval_bytes {
            batch.indexed = true;
            self.since_index = 0;
            self.index_entries += 1;
        }
        self.since_index += bytes;
        self.position += bytes;
        self.end = batch.last.next();
        self.queued_bytes += batch.bytes.len();
        self.queue.push_back(batch);
    }

    /// Takes the batches of the next write: of one segment, at most `bytes_max` unless the first alone is larger.
    pub(super) fn take(&mut self, bytes_max: usize) -> Vec<StagedBatch> {
        let Some(first) = self.queue.front() else {
            return Vec::new();
        };
        let (segment, mut bytes, mut count) = (Rc::clone(&first.segment), 0, 0);
        for batch in &self.queue {
            let fits = count == 0 || bytes + batch.bytes.len() <= bytes_max;
            if !fits || !Rc::ptr_eq(&batch.segment, &segment) {
                break;
            }
            bytes += batch.bytes.len();
            count += 1;
        }
        self.queued_bytes -= bytes;
        self.queue.drain(..count).collect()
    }
}

impl Segment {
    /// Takes over a batch whose write is complete, or that a scan has found.
    pub(super) fn written(&self, batch: &Written) {
        if batch.max_timestamp != NO_TIMESTAMP
            && self.largest.get().is_none_or(|largest| batch.max_timestamp > largest.timestamp)
        {
            self.largest.set(Some(Timestamped { timestamp: batch.max_timestamp, offset: batch.last }));
        }
        if batch.indexed
            && let Some(indexes) = self.indexes.borrow_mut().as_mut()
        {
            indexes.offsets.push(batch.last, batch.position);
            if let Some(largest) = self.largest.get() {
                indexes.times.push(largest);
            }
        }
        self.length.set(batch.position + batch.bytes);
        self.next.set(batch.last.next());
    }
}

/// A batch that is in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) last: Offset,
    pub(super) max_timestamp: i64,
    pub(super) position: u64,
    pub(super) bytes: u64,
    pub(super) indexed: bool,
}

impl From<&StagedBatch> for Written {
    fn from(batch: &StagedBatch) -> Self {
        Self {
            last: batch.last,
            max_timestamp: batch.max_timestamp,
            position: batch.position,
            bytes: batch.bytes.len() as u64,
            indexed: batch.indexed,
        }
    }
}
