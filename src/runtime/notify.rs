//! Wakes the tasks of one shard that wait for something to change. Free of the executor.

use std::{
    cell::{Cell, RefCell},
    task::{Poll, Waker},
};

/// A signal without content. A notification without a waiter is kept for the next one.
#[derive(Debug, Default)]
pub struct Notify {
    pending: Cell<bool>,
    generation: Cell<u64>,
    waiters: RefCell<Vec<Waker>>,
}

impl Notify {
    /// A signal that nobody has given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes all who wait; if nobody does, the next to wait does not.
    pub fn notify(&self) {
        let waiters = self.waiters.take();
        // Kept until someone has seen it: a waiter in the list may have been dropped meanwhile.
        self.pending.set(true);
        self.generation.set(self.generation.get().wrapping_add(1));
        for waiter in waiters {
            waiter.wake();
        }
    }

    /// Returns at the next notification, or at once if one is kept.
    ///
    /// # Cancel safety
    /// Dropped early, it costs one needless wake.
    pub async fn notified(&self) {
        if self.pending.replace(false) {
            return;
        }
        let generation = self.generation.get();
        std::future::poll_fn(|context| {
            if self.generation.get() != generation {
                self.pending.set(false);
                return Poll::Ready(());
            }
            self.waiters.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once, zip};

    use super::*;

    #[test]
    fn everyone_who_waits_is_woken_and_one_notification_is_kept() {
        let notify = Notify::new();
        notify.notify();
        block_on(notify.notified());
        block_on(zip(zip(notify.notified(), notify.notified()), async { notify.notify() }));
        assert_eq!(block_on(poll_once(notify.notified())), None);
    }
}
