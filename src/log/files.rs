//! How many segment files a shard keeps open, and how many indexes of sealed segments it keeps in memory: what was unused
//! for longest goes first.
//!
//! A read or write in flight holds its own clone of the descriptor, so closing here never breaks it. Lives on one shard.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::{Rc, Weak},
};

use super::segment::Segment;

/// Uses within which a file counts as just used: saves moving it to the end each time.
const RECENT_USES: u64 = 64;

/// The open segment files of a shard, by the time of their last use.
#[derive(Debug)]
pub(super) struct OpenFiles {
    limit: usize,
    uses: Cell<u64>,
    open: RefCell<BTreeMap<u64, Weak<Segment>>>,
}

impl OpenFiles {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), uses: Cell::new(1), open: RefCell::default() }
    }

    /// Notes that the segment's file is in use, and closes the longest unused ones above the limit.
    pub(super) fn touch(&self, segment: &Rc<Segment>) {
        let now = self.uses.get() + 1;
        self.uses.set(now);
        let before = segment.last_use.get();
        if before != 0 && now - before < RECENT_USES.min(self.limit as u64) {
            return;
        }
        let mut open = self.open.borrow_mut();
        open.remove(&before);
        open.insert(now, Rc::downgrade(segment));
        segment.last_use.set(now);
        while open.len() > self.limit
            && let Some((_, oldest)) = open.pop_first()
        {
            if let Some(segment) = oldest.upgrade() {
                segment.close();
            }
        }
    }

}

/// The indexes of sealed segments that were read from their files, by the time of their last use.
#[derive(Debug)]
pub(super) struct LoadedIndexes {
    limit_bytes: usize,
    used_bytes: Cell<usize>,
    uses: Cell<u64>,
    loaded: RefCell<BTreeMap<u64, (Weak<Segment>, usize)>>,
}

impl LoadedIndexes {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, used_bytes: Cell::new(0), uses: Cell::new(1), loaded: RefCell::default() }
    }

    /// Notes that the segment's indexes, which take `bytes`, are in use; lets the longest unused ones go above the limit.
    pub(super) fn touch(&self, segment: &Rc<Segment>, bytes: usize) {
        let now = self.uses.get() + 1;
        self.uses.set(now);
        let before = segment.last_index_use.get();
        if before != 0 && now - before < RECENT_USES {
            return;
        }
        let mut loaded = self.loaded.borrow_mut();
        let mut used = self.used_bytes.get() + bytes;
        if let Some((_, bytes)) = loaded.remove(&before) {
            used -= bytes;
        }
        loaded.insert(now, (Rc::downgrade(segment), bytes));
        segment.last_index_use.set(now);
        while used > self.limit_bytes
            && loaded.len() > 1
            && let Some((_, (oldest, bytes))) = loaded.pop_first()
        {
            used -= bytes;
            if let Some(segment) = oldest.upgrade() {
                segment.last_index_use.set(0);
                segment.indexes.replace(None);
            }
        }
        self.used_bytes.set(used);
    }
}
