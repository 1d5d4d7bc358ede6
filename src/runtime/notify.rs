//! Wakes the tasks of one shard that wait for something to change. Free of the executor.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// A signal without content. A notification is kept until someone has seen it, so one that comes between looking and
/// waiting is not lost.
#[derive(Debug, Default)]
pub struct Notify {
    pending: Cell<bool>,
    generation: Cell<u64>,
    waiters: RefCell<Waiters>,
}

/// Each waiter has a place of its own, which is free again when it stops waiting.
#[derive(Debug, Default)]
struct Waiters {
    places: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Notify {
    /// A signal that nobody has given yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes all who wait; if nobody does, the next to wait does not.
    pub fn notify(&self) {
        self.pending.set(true);
        self.generation.set(self.generation.get().wrapping_add(1));
        let count = self.waiters.borrow().places.len();
        for index in 0..count {
            // Not borrowed while it wakes: a waker may do anything.
            let waker = self.waiters.borrow_mut().places.get_mut(index).and_then(Option::take);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Returns at the next notification, or at once if one is kept. Whoever waits looks first, waits, and looks again.
    ///
    /// # Cancel safety
    /// Dropped early, nothing is lost or left behind.
    pub fn notified(&self) -> Notified<'_> {
        Notified { notify: self, place: None, generation: 0 }
    }

    /// Tasks that wait now.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        let waiters = self.waiters.borrow();
        waiters.places.len() - waiters.free.len()
    }
}

/// Waits for a [`Notify`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Notified<'a> {
    notify: &'a Notify,
    /// Where the waker stands, once it has been polled.
    place: Option<usize>,
    generation: u64,
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let notify = self.notify;
        let seen = match self.place {
            None => notify.pending.get(),
            Some(_) => notify.generation.get() != self.generation,
        };
        if seen {
            notify.pending.set(false);
            return Poll::Ready(());
        }
        self.generation = notify.generation.get();
        let mut waiters = notify.waiters.borrow_mut();
        let waker = Some(context.waker().clone());
        let place = self.place.or_else(|| waiters.free.pop());
        if let Some(place) = place.and_then(|place| waiters.places.get_mut(place)) {
            *place = waker;
        } else {
            waiters.places.push(waker);
        }
        self.place = place.or(Some(waiters.places.len() - 1));
        Poll::Pending
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let waker = {
            let mut waiters = self.notify.waiters.borrow_mut();
            waiters.free.push(place);
            let waker = waiters.places.get_mut(place).and_then(Option::take);
            if waiters.free.len() == waiters.places.len() {
                waiters.free.clear();
                waiters.places.clear();
            }
            waker
        };
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, or, poll_once, zip};

    use super::*;

    #[test]
    fn everyone_who_waits_is_woken_and_one_notification_is_kept() {
        let notify = Notify::new();
        notify.notify();
        block_on(notify.notified());
        block_on(zip(zip(notify.notified(), notify.notified()), async { notify.notify() }));
        assert_eq!(block_on(poll_once(notify.notified())), None);
    }

    #[test]
    fn who_gives_up_waiting_leaves_nothing_behind() {
        let notify = Notify::new();
        for _ in 0..1000 {
            block_on(or(notify.notified(), async {}));
        }
        assert_eq!((notify.waiting(), notify.waiters.borrow().places.len()), (0, 0));
        let mut first = Box::pin(notify.notified());
        let mut second = Box::pin(notify.notified());
        assert_eq!(block_on(poll_once(&mut first)), None);
        assert_eq!(block_on(poll_once(&mut second)), None);
        drop(first);
        notify.notify();
        assert_eq!(block_on(poll_once(&mut second)), Some(()));
    }
}
