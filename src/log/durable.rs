//! How far a log is durable, as a value that background work can wait for.

use std::cell::Cell;

use crate::{runtime::notify::Notify, types::Offset};

/// The durable end of one log.
#[derive(Debug, Default)]
pub(super) struct DurableEnd {
    end: Cell<Offset>,
    /// The log failed, was closed or was dropped: nothing more becomes durable.
    over: Cell<bool>,
    changed: Notify,
}

impl DurableEnd {
    pub(super) fn get(&self) -> Offset {
        self.end.get()
    }

    pub(super) fn advance(&self, end: Offset) {
        if end > self.end.get() {
            self.end.set(end);
            self.changed.notify();
        }
    }

    pub(super) fn finish(&self) {
        self.over.set(true);
        self.changed.notify();
    }

    /// Returns when everything before `end` is durable; false if it never will be.
    pub(super) async fn reach(&self, end: Offset) -> bool {
        while self.end.get() < end && !self.over.get() {
            self.changed.notified().await;
        }
        !self.over.get()
    }
}
