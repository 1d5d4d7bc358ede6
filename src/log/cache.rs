//! The newest bytes of every log of the shard, kept in memory within one budget and served without a copy.
//!
//! Each log has a [`TailCache`]: the buffers of its last writes, by position in the segment file. The shard's
//! [`CacheBudget`] counts real buffer sizes and lets the oldest buffer go first, whichever log it belongs to, so what a log
//! keeps is always its end. Lives on one shard; no I/O.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use crate::{
    runtime::buffer::Slice,
    types::Offset,
};

/// Emptied entries in the queue before they are swept out.
const SWEEP_MIN: usize = 1024;

/// One buffer; empty when it was evicted.
#[derive(Debug, Default)]
pub(super) struct Entry {
    buffer: RefCell<Option<Slice>>,
}

impl Entry {
    /// The buffer, if it is still there.
    pub(super) fn get(&self) -> Option<Slice> {
        self.buffer.borrow().clone()
    }
}

/// The shard's budget for all tail caches.
#[derive(Debug)]
pub(super) struct CacheBudget {
    limit_bytes: usize,
    used_bytes: Cell<usize>,
    queue: RefCell<VecDeque<Rc<Entry>>>,
    emptied: Cell<usize>,
}

impl CacheBudget {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, used_bytes: Cell::new(0), queue: RefCell::default(), emptied: Cell::new(0) }
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes.get()
    }

    /// Keeps a whole buffer as the newest.
    pub(super) fn add(&self, buffer: Slice) -> Rc<Entry> {
        self.used_bytes.set(self.used_bytes.get() + buffer.len());
        let entry = Rc::new(Entry { buffer: RefCell::new(Some(buffer)) });
        self.queue.borrow_mut().push_back(Rc::clone(&entry));
        self.evict();
        entry
    }

    fn replace(&self, entry: &Entry, buffer: Slice) {
        let bytes = buffer.len();
        let Some(old) = entry.buffer.replace(Some(buffer)) else {
            // Evicted meanwhile: it has no place in the queue any more.
            entry.buffer.take();
            return;
        };
        self.used_bytes.set(self.used_bytes.get() + bytes - old.len());
        self.evict();
    }

    /// Drops a buffer before its time.
    pub(super) fn remove(&self, entry: &Entry) {
        if let Some(buffer) = entry.buffer.take() {
            self.used_bytes.set(self.used_bytes.get() - buffer.len());
            self.emptied.set(self.emptied.get() + 1);
        }
        let mut queue = self.queue.borrow_mut();
        if self.emptied.get() > SWEEP_MIN.max(queue.len() / 2) {
            queue.retain(|entry| entry.buffer.borrow().is_some());
            self.emptied.set(0);
        }
    }

    fn evict(&self) {
        let mut queue = self.queue.borrow_mut();
        while self.used_bytes.get() > self.limit_bytes
            && let Some(entry) = queue.pop_front()
        {
            match entry.buffer.take() {
                Some(buffer) => self.used_bytes.set(self.used_bytes.get() - buffer.len()),
                None => self.emptied.set(self.emptied.get().saturating_sub(1)),
            }
        }
    }
}

#[derive(Debug)]
struct Cached {
    /// Base offset of the segment.
    segment: Offset,
    /// Position in the segment file where the buffer starts.
    start: u64,
    /// Position after its last byte of a batch.
    end: u64,
    entry: Rc<Entry>,
}

/// The newest bytes of one log. Invariant: entries rise by segment and start; within a segment each starts at or before the
/// end of the one before.
#[derive(Debug)]
pub(super) struct TailCache {
    budget: Rc<CacheBudget>,
    entries: VecDeque<Cached>,
}

impl TailCache {
    pub(super) fn new(budget: Rc<CacheBudget>) -> Self {
        Self { budget, entries: VecDeque::new() }
    }

    /// Keeps what was written: `buffer` holds the bytes from `start` to `end` of the segment's file, batches whole.
    pub(super) fn push(&mut self, segment: Offset, start: u64, end: u64, buffer: Slice) {
        self.drop_evicted();
        // A write that starts where an earlier one started repeats its bytes: it takes that one's place.
        while let Some(last) = self.entries.back_mut()
            && last.segment == segment
            && last.start >= start
        {
            if last.start == start && last.entry.buffer.borrow().is_some() {
                self.budget.replace(&last.entry, buffer);
                last.end = end;
                return;
            }
            self.budget.remove(&last.entry);
            self.entries.pop_back();
        }
        let entry = self.budget.add(buffer);
        self.entries.push_back(Cached { segment, start, end, entry });
    }

    /// The bytes from `position` of the segment as far as one buffer has them, but not past `limit`; `None` if they are
    /// not here.
    pub(super) fn get(&self, segment: Offset, position: u64, limit: u64) -> Option<Slice> {
        let after = self.entries.partition_point(|cached| (cached.segment, cached.start) <= (segment, position));
        let cached = self.entries.get(after.checked_sub(1)?)?;
        let end = cached.end.min(limit);
        if cached.segment != segment || position >= end {
            return None;
        }
        let buffer = cached.entry.buffer.borrow();
        Some(buffer.as_ref()?.slice((position - cached.start) as usize..(end - cached.start) as usize))
    }

    /// Drops what belongs to segments before the one that begins at `base`.
    pub(super) fn drop_before(&mut self, base: Offset) {
        while let Some(first) = self.entries.front()
            && first.segment < base
        {
            self.budget.remove(&first.entry);
            self.entries.pop_front();
        }
    }

    /// Gives the memory of evicted entries back.
    pub(super) fn drop_evicted(&mut self) {
        while let Some(first) = self.entries.front()
            && first.entry.buffer.borrow().is_none()
        {
            self.entries.pop_front();
        }
        if self.entries.is_empty() {
            self.entries.shrink_to_fit();
        }
    }
}

impl Drop for TailCache {
    fn drop(&mut self) {
        for cached in &self.entries {
            self.budget.remove(&cached.entry);
        }
    }
}
