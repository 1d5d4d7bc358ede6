//! The newest bytes of every log of the shard, kept in memory within one budget and served without a copy.
//!
//! Each log has a [`TailCache`]: what it wrote last, by position in the segment file. A large write is kept in the buffer
//! that it was written from; small ones are copied into a piece of memory, one behind the other, because a buffer of whole
//! blocks for each would be mostly air. The shard's [`CacheBudget`] counts the memory itself and lets the oldest go first,
//! whichever log it belongs to, so what a log keeps is always its end. Lives on one shard; no I/O.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use crate::{
    runtime::{
        buffer::Slice,
        piece::{PIECE_BYTES_MAX, PIECE_BYTES_MIN, Pieces},
    },
    types::Offset,
};

/// Emptied entries in the queue before they are swept out.
const SWEEP_MIN: usize = 1024;
/// Largest write that is copied. Above it, a copy costs more than the part of a block that it saves.
const COPIED_BYTES_MAX: u64 = 12 << 10;
/// Largest write that is copied behind others: it costs more, but the piece is filled, and does not end here.
const EXTENDING_BYTES_MAX: u64 = 64 << 10;
/// Least number of pieces of full size that the budget has place for: with few, a single new one would push out most of
/// what is kept.
const PIECES_MIN: usize = 64;

/// Bytes that are kept; none when they were evicted.
#[derive(Debug)]
pub(super) struct Entry {
    kept: RefCell<Option<Kept>>,
    /// It was extended since it was last looked at: it is not as old as its place in the queue says.
    extended: Cell<bool>,
}

#[derive(Debug)]
struct Kept {
    slice: Slice,
    /// Size of the memory that the slice keeps.
    memory_bytes: usize,
}

impl Entry {
    /// The bytes, if they are still there.
    pub(super) fn get(&self) -> Option<Slice> {
        self.kept.borrow().as_ref().map(|kept| kept.slice.clone())
    }

    fn is_empty(&self) -> bool {
        self.kept.borrow().is_none()
    }

    /// Puts `bytes` behind what is kept; false if there is no room, or nothing kept.
    fn extend(&self, bytes: &[u8]) -> bool {
        let extended = self.kept.borrow_mut().as_mut().is_some_and(|kept| kept.slice.extend(bytes));
        self.extended.set(self.extended.get() | extended);
        extended
    }
}

/// The shard's budget for all tail caches.
#[derive(Debug)]
pub(super) struct CacheBudget {
    limit_bytes: usize,
    used_bytes: Cell<usize>,
    queue: RefCell<VecDeque<Rc<Entry>>>,
    emptied: Cell<usize>,
    pieces: Pieces,
}

impl CacheBudget {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            used_bytes: Cell::new(0),
            queue: RefCell::default(),
            emptied: Cell::new(0),
            pieces: Pieces::default(),
        }
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes.get()
    }

    /// Keeps a whole buffer as the newest.
    pub(super) fn add(&self, buffer: Slice) -> Rc<Entry> {
        let memory_bytes = buffer.len();
        self.keep(Kept { slice: buffer, memory_bytes })
    }

    /// Keeps a copy of `bytes` as the newest, in a piece with room for `room` bytes; `None` if there is no such piece.
    fn add_copy(&self, bytes: &[u8], room: usize) -> Option<Rc<Entry>> {
        let piece = self.pieces.take(room.max(bytes.len()))?;
        let memory_bytes = piece.capacity();
        let mut slice = Slice::from(piece);
        slice.extend(bytes).then(|| self.keep(Kept { slice, memory_bytes }))
    }

    /// Room in the piece that follows one which was filled with so many bytes: twice that, within bounds.
    fn room_after(&self, filled: usize) -> usize {
        let most = (self.limit_bytes / PIECES_MIN).clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX);
        (2 * filled).clamp(PIECE_BYTES_MIN, most)
    }

    fn keep(&self, kept: Kept) -> Rc<Entry> {
        self.used_bytes.set(self.used_bytes.get() + kept.memory_bytes);
        let entry = Rc::new(Entry { kept: RefCell::new(Some(kept)), extended: Cell::new(false) });
        self.queue.borrow_mut().push_back(Rc::clone(&entry));
        self.evict();
        entry
    }

    /// Keeps a whole buffer in the place of what `entry` has kept.
    fn replace(&self, entry: &Entry, buffer: Slice) {
        let memory_bytes = buffer.len();
        let Some(old) = entry.kept.replace(Some(Kept { slice: buffer, memory_bytes })) else {
            // Evicted meanwhile: it has no place in the queue any more.
            entry.kept.take();
            return;
        };
        self.used_bytes.set(self.used_bytes.get() + memory_bytes - old.memory_bytes);
        self.evict();
    }

    /// Drops an entry before its time.
    pub(super) fn remove(&self, entry: &Entry) {
        if let Some(kept) = entry.kept.take() {
            self.used_bytes.set(self.used_bytes.get() - kept.memory_bytes);
            self.emptied.set(self.emptied.get() + 1);
        }
        let mut queue = self.queue.borrow_mut();
        if self.emptied.get() > SWEEP_MIN.max(queue.len() / 2) {
            queue.retain(|entry| !entry.is_empty());
            self.emptied.set(0);
        }
    }

    fn evict(&self) {
        let mut queue = self.queue.borrow_mut();
        while self.used_bytes.get() > self.limit_bytes
            && let Some(entry) = queue.pop_front()
        {
            // A piece that still fills holds the newest bytes of its log.
            if entry.extended.replace(false) && !entry.is_empty() {
                queue.push_back(entry);
                continue;
            }
            match entry.kept.take() {
                Some(kept) => self.used_bytes.set(self.used_bytes.get() - kept.memory_bytes),
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
    /// Bytes in the newest piece. The next has room for twice as many, so that a log with little to keep takes little
    /// memory.
    filled: usize,
}

impl TailCache {
    pub(super) fn new(budget: Rc<CacheBudget>) -> Self {
        Self { budget, entries: VecDeque::new(), filled: 0 }
    }

    /// Keeps what was written: `buffer` holds the bytes from `start` to `end` of the segment's file, batches whole; those
    /// at its front may have been there already.
    pub(super) fn push(&mut self, segment: Offset, start: u64, end: u64, buffer: Slice) {
        self.drop_evicted();
        let followed = self.entries.back().filter(|last| last.segment == segment && (start..end).contains(&last.end));
        let (follows, from) = (followed.is_some(), followed.map_or(start, |last| last.end));
        let fresh = &buffer[(from - start) as usize..(end - start) as usize];
        if (follows && end - from <= EXTENDING_BYTES_MAX && self.extend(fresh))
            || (end - from <= COPIED_BYTES_MAX && self.begin_piece(segment, from, fresh))
        {
            return;
        }
        // A write that starts where an earlier one started repeats its bytes: it takes that one's place.
        while let Some(last) = self.entries.back_mut()
            && last.segment == segment
            && last.start >= start
        {
            if last.start == start && !last.entry.is_empty() {
                self.budget.replace(&last.entry, buffer);
                last.end = end;
                return;
            }
            self.budget.remove(&last.entry);
            self.entries.pop_back();
        }
        let entry = self.budget.add(buffer);
        self.append(Cached { segment, start, end, entry });
    }

    /// Keeps a copy of `bytes` behind the newest ones, which they follow in the file; false if there is no room.
    fn extend(&mut self, bytes: &[u8]) -> bool {
        let Some(last) = self.entries.back_mut() else { return false };
        let extended = last.entry.extend(bytes);
        if extended {
            last.end += bytes.len() as u64;
            self.filled += bytes.len();
        }
        extended
    }

    /// Keeps a copy of the bytes at `from` in a new piece; false if there is no memory for it.
    fn begin_piece(&mut self, segment: Offset, from: u64, bytes: &[u8]) -> bool {
        let Some(entry) = self.budget.add_copy(bytes, self.budget.room_after(self.filled)) else { return false };
        self.filled = bytes.len();
        self.append(Cached { segment, start: from, end: from + bytes.len() as u64, entry });
        true
    }

    fn append(&mut self, newest: Cached) {
        // The one before is not extended any more, and goes when its time comes.
        if let Some(last) = self.entries.back() {
            last.entry.extended.set(false);
        }
        self.entries.push_back(newest);
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
        let kept = cached.entry.kept.borrow();
        Some(kept.as_ref()?.slice.slice((position - cached.start) as usize..(end - cached.start) as usize))
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
            && first.entry.is_empty()
        {
            self.entries.pop_front();
        }
        if self.entries.is_empty() {
            self.filled = 0;
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const BLOCK: u64 = 4096;

    /// The buffer of a write that ends the file at `end`, byte by byte the position, from the block of `from` on.
    fn push(cache: &mut TailCache, segment: Offset, from: u64, end: u64) {
        let start = from / BLOCK * BLOCK;
        let bytes: Vec<u8> = (start..end.next_multiple_of(BLOCK)).map(byte_at).collect();
        cache.push(segment, start, end, Slice::from(Bytes::from(bytes)));
    }

    fn byte_at(position: u64) -> u8 {
        (position % 251) as u8
    }

    /// How much of the log is there, from `position` on.
    fn readable(cache: &TailCache, segment: Offset, position: u64) -> u64 {
        let mut end = position;
        while let Some(slice) = cache.get(segment, end, u64::MAX) {
            assert!(!slice.is_empty() && (end..).zip(&*slice).all(|(at, byte)| *byte == byte_at(at)), "at {end}");
            end += slice.len() as u64;
        }
        end
    }

    #[test]
    fn small_writes_are_kept_close_together() {
        let budget = Rc::new(CacheBudget::new(4 << 20));
        let mut cache = TailCache::new(Rc::clone(&budget));
        let mut end = 0;
        for bytes in (1..1000).chain([COPIED_BYTES_MAX, COPIED_BYTES_MAX + 1, 50_000, 10, 20]) {
            push(&mut cache, Offset::ZERO, end, end + bytes);
            end += bytes;
        }
        assert_eq!(readable(&cache, Offset::ZERO, 0), end);
        assert!(budget.used_bytes() < 2 * end as usize, "{} bytes for {end}", budget.used_bytes());
        push(&mut cache, Offset::saturating(5), 0, 7);
        assert_eq!((readable(&cache, Offset::ZERO, 0), readable(&cache, Offset::saturating(5), 0)), (end, 7));
        drop(cache);
        assert_eq!(budget.used_bytes(), 0);
    }

    /// What was read before more was written does not change; a log that writes little keeps its end beside one that
    /// writes much, and the much-writing one keeps its end.
    #[test]
    fn the_newest_stay() {
        let budget = Rc::new(CacheBudget::new(256 << 10));
        let (mut slow, mut fast) = (TailCache::new(Rc::clone(&budget)), TailCache::new(Rc::clone(&budget)));
        let (mut slow_end, mut fast_end) = (0, 0);
        for round in 0..2000_u64 {
            if round % 3 == 0 {
                push(&mut slow, Offset::ZERO, slow_end, slow_end + 100);
                slow_end += 100;
            }
            let bytes = 1 + round * 7919 % 20_000;
            push(&mut fast, Offset::ZERO, fast_end, fast_end + bytes);
            fast_end += bytes;
            assert_eq!(readable(&slow, Offset::ZERO, slow_end - 1), slow_end, "round {round}");
            assert_eq!(readable(&fast, Offset::ZERO, fast_end - 1), fast_end, "round {round}");
            assert!(budget.used_bytes() <= 256 << 10);
        }
        let before = slow.get(Offset::ZERO, slow_end - 10, u64::MAX).unwrap();
        push(&mut slow, Offset::ZERO, slow_end, slow_end + 5);
        assert!((slow_end - 10..slow_end).zip(&*before).all(|(at, byte)| *byte == byte_at(at)) && before.len() == 10);
    }
}
