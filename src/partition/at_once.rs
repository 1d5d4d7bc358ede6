//! Whether a large batch will be written at once and by itself, so that its write should reach the device before more is
//! received, or with others that come meanwhile, which is better for the device.
//!
//! It is when no write of its partition is on its way and the last one was of one batch: who writes to it does so seldom enough.
//! Shared by a partition's actor and its handles, on one shard; no I/O.

use std::cell::Cell;

use super::pace::HELD_BYTES_MAX;

/// What is known of one partition.
#[derive(Debug)]
pub(super) struct AtOnce {
    /// No write is on its way and none is due, and the last one was of one batch.
    idle: Cell<bool>,
    /// Batches that came since the last write began.
    unwritten: Cell<u32>,
    /// The last write was of one batch.
    wrote_one: Cell<bool>,
}

impl Default for AtOnce {
    fn default() -> Self {
        Self { idle: Cell::new(true), unwritten: Cell::new(0), wrote_one: Cell::new(true) }
    }
}

impl AtOnce {
    /// A batch of so many bytes is handed to the partition; true if its write should begin before more is received.
    pub(super) fn begins(&self, bytes: usize) -> bool {
        bytes >= HELD_BYTES_MAX && self.idle.replace(false)
    }

    /// The actor has taken a batch in.
    pub(super) fn came(&self) {
        self.unwritten.set(self.unwritten.get().saturating_add(1));
    }

    /// The actor begins a write of all batches that came.
    pub(super) fn write_begins(&self) {
        self.wrote_one.set(self.unwritten.take() <= 1);
        self.idle.set(false);
    }

    /// That write is done.
    pub(super) fn write_ended(&self) {
        self.idle.set(self.wrote_one.get() && self.unwritten.get() == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_batch_for_an_idle_partition_begins_and_one_of_a_crowd_does_not() {
        let at_once = AtOnce::default();
        let write = |batches: usize| {
            (0..batches).for_each(|_| at_once.came());
            at_once.write_begins();
        };
        assert!(!at_once.begins(HELD_BYTES_MAX - 1));
        assert!(at_once.begins(HELD_BYTES_MAX) && !at_once.begins(HELD_BYTES_MAX), "the second is written with the first");
        write(1);
        assert!(!at_once.begins(HELD_BYTES_MAX), "a write is on its way");
        at_once.write_ended();
        assert!(at_once.begins(HELD_BYTES_MAX));
        write(2);
        at_once.write_ended();
        assert!(!at_once.begins(HELD_BYTES_MAX), "they come together here");
        write(1);
        at_once.came();
        at_once.write_ended();
        assert!(!at_once.begins(HELD_BYTES_MAX), "another is due");
        write(0);
        at_once.write_ended();
        assert!(at_once.begins(HELD_BYTES_MAX));
    }
}
