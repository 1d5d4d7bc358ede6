//! The offsets that say how far a partition is, shared by its actor (who moves them) and everyone who reads.
//!
//! Lives on the partition's shard. Only the actor calls the moving methods; each asserts the order of the marks.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use crate::types::{LeaderEpoch, Offset};

/// How far a partition is:
/// `log_start <= high_watermark <= log_end` and `durable <= written <= log_end`.
#[derive(Debug, Default)]
pub struct Watermarks {
    log_start: Cell<Offset>,
    durable: Cell<Offset>,
    recovery_point: Cell<Offset>,
    written: Cell<Offset>,
    high_watermark: Cell<Offset>,
    log_end: Cell<Offset>,
    leader_epoch: Cell<LeaderEpoch>,
    watchers: RefCell<Vec<Weak<dyn Watcher>>>,
}

/// Someone who waits for a partition to get further: a fetch short of its min bytes.
pub trait Watcher: std::fmt::Debug {
    /// The high watermark moved, or the partition ended. Must not block and must not call back into the partition.
    fn progressed(&self);
}

impl Watermarks {
    /// Marks of a log as it was opened: all of `start..end` is durable.
    pub fn reset(&self, start: Offset, end: Offset) {
        self.log_start.set(start);
        self.durable.set(end);
        self.recovery_point.set(end);
        self.written.set(end);
        self.high_watermark.set(end);
        self.log_end.set(end);
        self.assert_order();
    }

    /// First offset that can be read.
    pub fn log_start(&self) -> Offset {
        self.log_start.get()
    }

    /// End (exclusive) of what a flush made safe.
    pub fn durable(&self) -> Offset {
        self.durable.get()
    }

    /// Where a restart would have to begin to scan.
    pub fn recovery_point(&self) -> Offset {
        self.recovery_point.get()
    }

    /// End (exclusive) of what the device has taken.
    pub fn written(&self) -> Offset {
        self.written.get()
    }

    /// End (exclusive) of what consumers may see.
    pub fn high_watermark(&self) -> Offset {
        self.high_watermark.get()
    }

    /// The offset that the next record gets.
    pub fn log_end(&self) -> Offset {
        self.log_end.get()
    }

    /// The epoch in which this node leads.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch.get()
    }

    pub(super) fn set_leader_epoch(&self, epoch: LeaderEpoch) {
        self.leader_epoch.set(epoch);
    }

    pub(super) fn append_to(&self, end: Offset) {
        assert!(end >= self.log_end.get(), "the log end never moves back");
        self.log_end.set(end);
    }

    pub(super) fn written_to(&self, end: Offset) {
        assert!(end >= self.written.get(), "what is written stays written");
        self.written.set(end);
        self.assert_order();
    }

    pub(super) fn recover_from(&self, recovery_point: Offset) {
        self.recovery_point.set(recovery_point);
    }

    pub(super) fn durable_to(&self, end: Offset) {
        if end > self.durable.get() {
            self.durable.set(end);
            self.assert_order();
        }
    }

    /// Lets consumers see up to `end`, and tells those who wait.
    pub(super) fn commit_to(&self, end: Offset) {
        if end > self.high_watermark.get() {
            self.high_watermark.set(end);
            self.assert_order();
            self.wake();
        }
    }

    pub(super) fn start_at(&self, start: Offset) {
        assert!(start >= self.log_start.get(), "the log start never moves back");
        self.log_start.set(start);
        self.assert_order();
    }

    /// Tells every watcher once and forgets them: they register again if they still wait.
    pub(super) fn wake(&self) {
        if self.watchers.borrow().is_empty() {
            return;
        }
        for watcher in self.watchers.take() {
            if let Some(watcher) = watcher.upgrade() {
                watcher.progressed();
            }
        }
    }

    /// Calls `watcher` once at the next progress. Forgotten when the watcher is dropped.
    pub fn watch(&self, watcher: &Rc<dyn Watcher>) {
        let mut watchers = self.watchers.borrow_mut();
        let watcher = Rc::downgrade(watcher);
        if watchers.iter().any(|known| known.ptr_eq(&watcher)) {
            return;
        }
        // Watchers of a quiet partition would pile up with every fetch that timed out.
        if watchers.len() >= 32 && watchers.len().is_power_of_two() {
            watchers.retain(|watcher| watcher.strong_count() > 0);
        }
        watchers.push(watcher);
    }

    fn assert_order(&self) {
        assert!(self.log_start.get() <= self.high_watermark.get(), "readers start below the high watermark");
        assert!(self.high_watermark.get() <= self.log_end.get(), "what consumers see was appended");
        assert!(self.durable.get() <= self.written.get(), "a flush covers only what is written");
        assert!(self.written.get() <= self.log_end.get(), "what is written was appended");
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[derive(Debug, Default)]
    struct Count(Cell<u32>);
    impl Watcher for Count {
        fn progressed(&self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn a_watcher_is_told_once() {
        let marks = Watermarks::default();
        let count = Rc::new(Count::default());
        let watcher: Rc<dyn Watcher> = Rc::<Count>::clone(&count);
        marks.watch(&watcher);
        for end in [1, 2] {
            marks.append_to(Offset::saturating(end));
            marks.written_to(Offset::saturating(end));
            marks.durable_to(Offset::saturating(end));
            marks.commit_to(Offset::saturating(end));
        }
        assert_eq!(count.0.get(), 1);
    }
}
