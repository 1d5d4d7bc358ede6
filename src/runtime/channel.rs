//! Queues between tasks of one shard. Free of the executor: any waker works.

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    task::{Poll, Waker},
};

/// Items for which an empty queue keeps room.
const KEPT_CAPACITY: usize = 64;

#[derive(Debug)]
struct Queue<T> {
    items: VecDeque<T>,
    capacity: usize,
    receiver: Option<Waker>,
    receiving: bool,
    senders: usize,
}

impl<T> Queue<T> {
    fn pop(&mut self) -> Option<T> {
        let item = self.items.pop_front();
        // After a burst the memory is given back: an idle partition has to cost little.
        if self.items.is_empty() && self.items.capacity() > KEPT_CAPACITY {
            self.items = VecDeque::new();
        }
        item
    }
}

/// The sending end. Clones send into the same queue.
#[derive(Debug)]
pub struct Sender<T> {
    queue: Rc<RefCell<Queue<T>>>,
}

/// The receiving end; there is one.
#[derive(Debug)]
pub struct Receiver<T> {
    queue: Rc<RefCell<Queue<T>>>,
}

/// A queue bounded only by what its senders hold permits for.
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    bounded(usize::MAX)
}

/// A queue of at most `capacity` items.
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let queue = Queue { items: VecDeque::new(), capacity, receiver: None, receiving: true, senders: 1 };
    let queue = Rc::new(RefCell::new(queue));
    (Sender { queue: Rc::clone(&queue) }, Receiver { queue })
}

impl<T> Sender<T> {
    /// Puts an item into the queue.
    ///
    /// # Errors
    /// Gives the item back if the queue is full or its receiver is gone.
    pub fn try_send(&self, item: T) -> Result<(), T> {
        let waker = {
            let mut queue = self.queue.borrow_mut();
            if !queue.receiving || queue.items.len() >= queue.capacity {
                return Err(item);
            }
            queue.items.push_back(item);
            queue.receiver.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Items that wait.
    pub fn len(&self) -> usize {
        self.queue.borrow().items.len()
    }

    /// True if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.queue.borrow_mut().senders += 1;
        Self { queue: Rc::clone(&self.queue) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let waker = {
            let mut queue = self.queue.borrow_mut();
            queue.senders -= 1;
            if queue.senders > 0 {
                return;
            }
            queue.receiver.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Receiver<T> {
    /// The next item; `None` once the queue is empty and no sender is left.
    ///
    /// # Cancel safety
    /// Dropped early, no item is lost.
    pub async fn recv(&self) -> Option<T> {
        std::future::poll_fn(|context| {
            let mut queue = self.queue.borrow_mut();
            match queue.pop() {
                Some(item) => Poll::Ready(Some(item)),
                None if queue.senders == 0 => Poll::Ready(None),
                None => {
                    queue.receiver = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// The next item, if there is one now.
    pub fn try_recv(&self) -> Option<T> {
        self.queue.borrow_mut().pop()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // Dropped outside the borrow: an item may hold a sender of this very queue.
        let items = {
            let mut queue = self.queue.borrow_mut();
            queue.receiving = false;
            std::mem::take(&mut queue.items)
        };
        drop(items);
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once};

    use super::*;

    #[test]
    fn items_come_in_order_and_the_end_is_seen() {
        let (sender, receiver) = bounded(2);
        let second = sender.clone();
        assert_eq!((sender.try_send(1), second.try_send(2), sender.try_send(3)), (Ok(()), Ok(()), Err(3)));
        drop((sender, second));
        let all = block_on(async { [receiver.recv().await, receiver.recv().await, receiver.recv().await] });
        assert_eq!(all, [Some(1), Some(2), None]);
    }

    #[test]
    fn a_dropped_receiver_gives_items_back() {
        let (sender, receiver) = unbounded();
        assert_eq!(block_on(poll_once(receiver.recv())), None);
        drop(receiver);
        assert_eq!(sender.try_send(7), Err(7));
    }
}
