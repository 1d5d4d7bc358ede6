//! How much of one kind of work a shard does at a time: whoever zeroes, seals, prepares or flushes waits for a permit.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use super::oneshot;

/// A number of permits, given in the order in which they are asked for.
#[derive(Debug)]
pub struct Permits {
    free: Cell<usize>,
    waiting: RefCell<VecDeque<oneshot::Sender<Permit>>>,
}

impl Permits {
    /// So many.
    pub fn new(count: usize) -> Self {
        Self { free: Cell::new(count), waiting: RefCell::default() }
    }

    /// Waits for a permit.
    pub async fn take(self: &Rc<Self>) -> Permit {
        if let Some(left) = self.free.get().checked_sub(1) {
            self.free.set(left);
            return Permit(Rc::clone(self));
        }
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().push_back(sender);
        // Invariant: senders leave the queue only by sending.
        receiver.recv().await.unwrap_or_else(|| Permit(Rc::clone(self)))
    }
}

/// Goes to the next who waits when it is dropped.
#[derive(Debug)]
pub struct Permit(Rc<Permits>);

impl Drop for Permit {
    fn drop(&mut self) {
        let next = self.0.waiting.borrow_mut().pop_front();
        match next {
            // Should the one who waited be gone, the permit is dropped again and goes to the one behind.
            Some(next) => next.send(Permit(Rc::clone(&self.0))),
            None => self.0.free.set(self.0.free.get() + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once};

    use super::*;

    #[test]
    fn a_permit_goes_to_the_first_who_waits() {
        let permits = Rc::new(Permits::new(1));
        let first = block_on(permits.take());
        let mut second = Box::pin(permits.take());
        assert!(block_on(poll_once(&mut second)).is_none());
        let gone = Box::pin(permits.take());
        drop(first);
        drop(gone);
        drop(block_on(second));
        assert_eq!(permits.free.get(), 1);
    }
}
