//! What the connections of one shard have done since it started. Plain numbers: only their shard writes and reads them.

use std::cell::Cell;

/// Counts since the shard started.
#[derive(Debug, Default)]
pub struct Counters {
    opened: Cell<u64>,
    closed: Cell<u64>,
    requests: Cell<u64>,
    receives: Cell<u64>,
    receives_in_place: Cell<u64>,
    received_bytes: Cell<u64>,
    sends: Cell<u64>,
    sent_bytes: Cell<u64>,
    malformed: Cell<u64>,
    overdue: Cell<u64>,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkCounts {
    /// Connections served.
    pub opened: u64,
    /// Connections ended, for whatever reason.
    pub closed: u64,
    /// Requests handed to the handler.
    pub requests: u64,
    /// System calls that received something.
    pub receives: u64,
    /// Those of them that a shard waited for without going to sleep.
    pub receives_in_place: u64,
    /// Bytes received, length prefixes included.
    pub received_bytes: u64,
    /// Sends, each of all answers that were ready.
    pub sends: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Connections closed because what came was no request.
    pub malformed: u64,
    /// Connections closed because a deadline passed.
    pub overdue: u64,
}

fn add(cell: &Cell<u64>, count: u64) {
    cell.set(cell.get().wrapping_add(count));
}

impl Counters {
    /// The counts now.
    pub fn now(&self) -> NetworkCounts {
        NetworkCounts {
            opened: self.opened.get(),
            closed: self.closed.get(),
            requests: self.requests.get(),
            receives: self.receives.get(),
            receives_in_place: self.receives_in_place.get(),
            received_bytes: self.received_bytes.get(),
            sends: self.sends.get(),
            sent_bytes: self.sent_bytes.get(),
            malformed: self.malformed.get(),
            overdue: self.overdue.get(),
        }
    }

    pub(super) fn opened(&self) {
        add(&self.opened, 1);
    }

    pub(super) fn closed(&self) {
        add(&self.closed, 1);
    }

    /// Counts requests; how many there were before.
    pub(super) fn requests(&self, count: usize) -> u64 {
        let before = self.requests.get();
        add(&self.requests, count as u64);
        before
    }

    pub(super) fn received(&self, bytes: usize) {
        add(&self.receives, 1);
        add(&self.received_bytes, bytes as u64);
    }

    pub(super) fn received_in_place(&self) {
        add(&self.receives_in_place, 1);
    }

    pub(super) fn sent(&self, bytes: usize) {
        add(&self.sends, 1);
        add(&self.sent_bytes, bytes as u64);
    }

    pub(super) fn malformed(&self) {
        add(&self.malformed, 1);
    }

    pub(super) fn overdue(&self) {
        add(&self.overdue, 1);
    }
}
