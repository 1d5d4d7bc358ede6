//! One value from one task to another of the same shard. Free of the executor; one allocation.

use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

#[derive(Debug)]
enum State<T> {
    Empty(Option<Waker>),
    Sent(T),
    /// The sender is gone, or the value was taken.
    Over,
}

/// Sends the value.
#[derive(Debug)]
pub struct Sender<T> {
    state: Rc<RefCell<State<T>>>,
}

/// Waits for the value.
#[derive(Debug)]
pub struct Receiver<T> {
    state: Rc<RefCell<State<T>>>,
}

/// A pair for one value.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let state = Rc::new(RefCell::new(State::Empty(None)));
    (Sender { state: Rc::clone(&state) }, Receiver { state })
}

impl<T> Sender<T> {
    /// Sends the value; if nobody waits for it any more, it is dropped.
    pub fn send(self, value: T) {
        self.end(State::Sent(value));
    }

    /// True if nobody waits any more.
    pub fn is_closed(&self) -> bool {
        Rc::strong_count(&self.state) == 1
    }

    fn end(&self, end: State<T>) {
        // Woken outside the borrow.
        let before = self.state.replace(end);
        if let State::Empty(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let unsent = matches!(&*self.state.borrow(), State::Empty(_));
        if unsent {
            self.end(State::Over);
        }
    }
}

impl<T> Receiver<T> {
    /// The value; `None` if the sender was dropped without one.
    ///
    /// # Cancel safety
    /// Dropped early, the value is dropped when it comes.
    pub async fn recv(self) -> Option<T> {
        Wait { receiver: self }.await
    }

    /// The value if it is there already.
    pub fn try_recv(&self) -> Option<T> {
        let sent = matches!(&*self.state.borrow(), State::Sent(_));
        match sent.then(|| self.state.replace(State::Over)) {
            Some(State::Sent(value)) => Some(value),
            _ => None,
        }
    }
}

struct Wait<T> {
    receiver: Receiver<T>,
}

impl<T> Future for Wait<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        if let Some(value) = self.receiver.try_recv() {
            return Poll::Ready(Some(value));
        }
        match &mut *self.receiver.state.borrow_mut() {
            State::Empty(waker) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once, zip};

    use super::*;

    #[test]
    fn the_value_arrives_once_whether_sent_before_or_after() {
        let (sender, receiver) = channel();
        sender.send(7);
        assert_eq!(block_on(receiver.recv()), Some(7));
        let (sender, receiver) = channel();
        assert_eq!(block_on(zip(receiver.recv(), async { sender.send(8) })).0, Some(8));
    }

    #[test]
    fn either_end_may_go() {
        let (sender, receiver) = channel::<i32>();
        let mut wait = Box::pin(receiver.recv());
        assert_eq!(block_on(poll_once(&mut wait)), None);
        assert!(!sender.is_closed());
        drop(sender);
        assert_eq!(block_on(wait), None);
        let (sender, receiver) = channel::<i32>();
        drop(receiver);
        assert!(sender.is_closed());
        sender.send(1);
    }
}
