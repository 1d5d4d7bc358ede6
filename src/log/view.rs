//! What readers see of a log: its segments, its ends and the tail cache, as of now.
//!
//! Shared by `Rc` between the log, which changes it, and handles that plan reads; all on one shard. Planning is
//! synchronous and gives a plan that owns what it needs, so no borrow outlives a call.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use crate::{
    record::{BatchHeader, Batches},
    runtime::buffer::Slice,
    types::Offset,
};

use super::{
    cache::{Entry, TailCache},
    read::ReadPlan,
    segment::Segment,
    shared::LogShared,
};

/// Why a read cannot be planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// OFFSET_OUT_OF_RANGE.
    #[error("offset {asked} is outside of the log, which has {start} to {end}")]
    OutOfRange {
        /// What was asked for.
        asked: Offset,
        /// The log start offset.
        start: Offset,
        /// The log end offset.
        end: Offset,
    },
}

/// The readers' side of a log.
#[derive(Debug)]
pub struct LogView {
    pub(super) shared: Rc<LogShared>,
    /// Oldest first; never empty.
    pub(super) segments: RefCell<VecDeque<Rc<Segment>>>,
    pub(super) start: Cell<Offset>,
    pub(super) written_end: Cell<Offset>,
    pub(super) end: Cell<Offset>,
    pub(super) cache: RefCell<TailCache>,
    pub(super) ahead: RefCell<Option<Ahead>>,
}

/// Bytes that a sequential reader is about to ask for.
#[derive(Debug)]
pub(super) struct Ahead {
    pub(super) segment: Offset,
    pub(super) start: u64,
    pub(super) entry: Rc<Entry>,
}

impl LogView {
    pub(super) fn new(shared: Rc<LogShared>, segments: VecDeque<Rc<Segment>>, start: Offset) -> Self {
        let end = segments.back().map_or(start, |segment| segment.next.get());
        let cache = TailCache::new(Rc::clone(&shared.budget));
        Self {
            shared,
            segments: RefCell::new(segments),
            start: Cell::new(start),
            written_end: Cell::new(end),
            end: Cell::new(end),
            cache: RefCell::new(cache),
            ahead: RefCell::new(None),
        }
    }

    /// The log start offset: nothing before it can be read.
    pub fn start(&self) -> Offset {
        self.start.get()
    }

    /// The log end offset: what the next record gets. Not all before it need be written.
    pub fn end(&self) -> Offset {
        self.end.get()
    }

    /// Everything before it can be read.
    pub fn written_end(&self) -> Offset {
        self.written_end.get()
    }

    /// Bytes of all segments.
    pub fn size_bytes(&self) -> u64 {
        self.segments.borrow().iter().map(|segment| segment.length.get()).sum()
    }

    /// How many segments there are.
    pub fn segment_count(&self) -> usize {
        self.segments.borrow().len()
    }

    /// Plans to read whole batches, the first being the one that holds `from` (it may begin before), none that reaches
    /// `upper`, and at most `max_bytes` unless `min_one_batch` asks for the first batch whatever its size. Stops at the
    /// end of a segment. An empty plan means that there is nothing to read yet.
    ///
    /// # Errors
    /// `from` is outside of the log.
    pub fn plan_read(
        self: &Rc<Self>,
        from: Offset,
        upper: Offset,
        max_bytes: usize,
        min_one_batch: bool,
    ) -> Result<ReadPlan, ReadError> {
        let (start, end) = (self.start.get(), self.end.get());
        if from < start || from > end {
            return Err(ReadError::OutOfRange { asked: from, start, end });
        }
        let upper = upper.min(self.written_end.get());
        let Some(segment) = (from < upper).then(|| self.segment_of(from)).flatten() else {
            return Ok(ReadPlan::empty());
        };
        let wanted = Wanted { from, upper, max_bytes, min_one_batch };
        Ok(match self.cached_slices(&segment, &wanted) {
            Some(slices) => ReadPlan::ready(slices),
            None => ReadPlan::file(Rc::clone(self), segment, wanted),
        })
    }

    /// A cheap estimate of the bytes between two offsets, for `min.bytes`: exact at the written end, else to the
    /// granularity of the index.
    pub fn bytes_between(&self, from: Offset, to: Offset) -> u64 {
        if from >= to {
            return 0;
        }
        let segments = self.segments.borrow();
        let first = segments.partition_point(|segment| segment.base <= from).saturating_sub(1);
        let mut bytes = 0;
        for segment in segments.range(first..).take_while(|segment| segment.base < to) {
            let end = if segment.next.get() <= to { segment.length.get() } else { position_of(segment, to) };
            let start = if segment.base >= from { 0 } else { position_of(segment, from) };
            bytes += end.saturating_sub(start);
        }
        bytes
    }

    /// The segment that holds `offset`, or the first after a gap there.
    pub(super) fn segment_of(&self, offset: Offset) -> Option<Rc<Segment>> {
        let segments = self.segments.borrow();
        let first = segments.partition_point(|segment| segment.base <= offset).saturating_sub(1);
        segments.range(first..).find(|segment| segment.next.get() > offset).map(Rc::clone)
    }

    /// The answer, if all of it is in the tail cache.
    fn cached_slices(&self, segment: &Segment, wanted: &Wanted) -> Option<Vec<Slice>> {
        let indexes = segment.indexes.borrow();
        let offsets = &indexes.as_ref()?.offsets;
        let cache = self.cache.borrow();
        let tail = CachedTail { cache: &cache, segment, limit: segment.length.get() };
        let (start, first) = tail.batch_of(offsets.position_of(wanted.from), wanted.from)?;
        if first.last_offset() >= wanted.upper || (first.total_len() > wanted.max_bytes && !wanted.min_one_batch) {
            return Some(Vec::new());
        }
        let all = tail.limit - start;
        let end = if segment.next.get() <= wanted.upper && all <= wanted.max_bytes as u64 {
            tail.limit
        } else {
            let first_end = start + first.total_len() as u64;
            let limit = start + wanted.max_bytes as u64;
            let known = offsets.batch_at_or_before(limit).min(offsets.position_of(wanted.upper.previous()));
            tail.end_before(known.max(first_end), limit, wanted.upper)?
        };
        tail.slices(start, end)
    }
}

/// What a reader asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) from: Offset,
    pub(super) upper: Offset,
    pub(super) max_bytes: usize,
    pub(super) min_one_batch: bool,
}

/// The cached bytes of one segment. A batch is never split between two buffers.
struct CachedTail<'a> {
    cache: &'a TailCache,
    segment: &'a Segment,
    limit: u64,
}

impl CachedTail<'_> {
    /// The first batch at `position` or later that does not end before `offset`, and where it starts.
    fn batch_of(&self, mut position: u64, offset: Offset) -> Option<(u64, BatchHeader)> {
        loop {
            let bytes = self.cache.get(self.segment.base, position, self.limit)?;
            let mut batches = Batches::new(&bytes);
            for batch in &mut batches {
                let batch = batch.ok()?;
                if batch.header.last_offset() >= offset {
                    return Some((position + batch.position as u64, batch.header));
                }
            }
            position += batches.position() as u64;
        }
    }

    /// The end of the last batch, from the batch boundary `position` on, that ends at or before `limit` and below `upper`.
    fn end_before(&self, mut position: u64, limit: u64, upper: Offset) -> Option<u64> {
        while position < self.limit {
            let bytes = self.cache.get(self.segment.base, position, self.limit)?;
            let mut taken = 0;
            for batch in Batches::new(&bytes) {
                let batch = batch.ok()?;
                let end = taken + batch.bytes.len();
                if batch.header.last_offset() >= upper || position + end as u64 > limit {
                    return Some(position + taken as u64);
                }
                taken = end;
            }
            position += taken as u64;
        }
        Some(position)
    }

    fn slices(&self, mut start: u64, end: u64) -> Option<Vec<Slice>> {
        let mut slices = Vec::new();
        while start < end {
            let slice = self.cache.get(self.segment.base, start, end)?;
            start += slice.len() as u64;
            slices.push(slice);
        }
        Some(slices)
    }
}

/// About where `offset` is in the segment.
fn position_of(segment: &Segment, offset: Offset) -> u64 {
    match segment.indexes.borrow().as_ref() {
        Some(indexes) => indexes.offsets.position_of(offset),
        None => {
            // Batches are taken to be spread evenly: better than reading an index for an estimate.
            let all = segment.next.get().since(segment.base).max(1) as u128;
            let part = offset.since(segment.base).max(0) as u128;
            (u128::from(segment.length.get()) * part.min(all) / all) as u64
        }
    }
}
