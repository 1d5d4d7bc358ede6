//! The memory that the requests of one shard may take, and who may take it next.
//!
//! A frame that fits into a receive buffer is counted when it is whole. A larger one takes its permit before its body is
//! read: all of it at once, in the order of asking, so that whoever has begun can finish and a large request is not
//! overtaken for ever by small ones.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// Counts the bytes of requests in work on one shard.
#[derive(Debug)]
pub(super) struct Admission {
    limit_bytes: usize,
    used_bytes: Cell<usize>,
    waiting: RefCell<VecDeque<Rc<Waiting>>>,
    open: Cell<bool>,
}

#[derive(Debug)]
struct Waiting {
    bytes: usize,
    state: Cell<State>,
    waker: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Granted,
    GivenUp,
}

impl Admission {
    pub(super) fn new(limit_bytes: usize) -> Rc<Self> {
        Rc::new(Self { limit_bytes, used_bytes: Cell::new(0), waiting: RefCell::default(), open: Cell::new(false) })
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes.get()
    }

    /// Takes memory that is in use already, even over the limit.
    pub(super) fn take(&self, bytes: usize) {
        self.used_bytes.set(self.used_bytes.get() + bytes);
    }

    /// Gives memory back, and to those who wait for it.
    pub(super) fn give(&self, bytes: usize) {
        let used = self.used_bytes.get();
        debug_assert!(bytes <= used, "nothing is given back twice");
        self.used_bytes.set(used.saturating_sub(bytes));
        self.grant();
    }

    /// Takes `bytes` once there is room and all who asked before have theirs. With 0 it only waits for room.
    pub(super) fn reserve(&self, bytes: usize) -> Reserve<'_> {
        Reserve { admission: self, bytes, waiting: None }
    }

    /// Lets everybody pass from now on: the shard stops.
    pub(super) fn open(&self) {
        self.open.set(true);
        self.grant();
    }

    fn fits(&self, bytes: usize) -> bool {
        let used = self.used_bytes.get();
        // What is larger than all there is may go alone.
        self.open.get() || used == 0 || (used < self.limit_bytes && used + bytes <= self.limit_bytes)
    }

    fn grant(&self) {
        loop {
            let next = {
                let mut queue = self.waiting.borrow_mut();
                while queue.front().is_some_and(|waiting| waiting.state.get() == State::GivenUp) {
                    queue.pop_front();
                }
                queue.pop_front_if(|waiting| self.fits(waiting.bytes))
            };
            let Some(waiting) = next else { return };
            self.take(waiting.bytes);
            waiting.state.set(State::Granted);
            let waker = waiting.waker.take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

/// Waits for memory. Dropped early, nothing is taken.
#[derive(Debug)]
pub(super) struct Reserve<'a> {
    admission: &'a Admission,
    bytes: usize,
    waiting: Option<Rc<Waiting>>,
}

impl Future for Reserve<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Some(waiting) = &self.waiting else {
            let first = self.admission.waiting.borrow().is_empty();
            if self.admission.open.get() || (first && self.admission.fits(self.bytes)) {
                self.admission.take(self.bytes);
                return Poll::Ready(());
            }
            let waker = RefCell::new(Some(context.waker().clone()));
            let waiting = Rc::new(Waiting { bytes: self.bytes, state: Cell::new(State::Waiting), waker });
            self.admission.waiting.borrow_mut().push_back(Rc::clone(&waiting));
            self.waiting = Some(waiting);
            return Poll::Pending;
        };
        if waiting.state.get() == State::Granted {
            self.waiting = None;
            return Poll::Ready(());
        }
        *waiting.waker.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Reserve<'_> {
    fn drop(&mut self) {
        let Some(waiting) = self.waiting.take() else { return };
        match waiting.state.replace(State::GivenUp) {
            State::Granted => self.admission.give(waiting.bytes),
            _ => self.admission.grant(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once};

    use super::*;

    fn now(wait: &mut Reserve<'_>) -> bool {
        block_on(poll_once(wait)).is_some()
    }

    #[test]
    fn memory_goes_to_those_who_asked_first() {
        let admission = Admission::new(100);
        assert!(now(&mut admission.reserve(60)));
        let mut large = admission.reserve(50);
        let mut small = admission.reserve(10);
        assert!(!now(&mut large) && !now(&mut small), "a small one does not overtake a large one");
        admission.give(60);
        assert!(now(&mut large) && now(&mut small));
        assert_eq!(admission.used_bytes(), 60);
    }

    #[test]
    fn who_gives_up_stands_in_nobodys_way() {
        let admission = Admission::new(100);
        admission.take(100);
        let mut first = admission.reserve(90);
        let mut second = admission.reserve(20);
        assert!(!now(&mut first) && !now(&mut second));
        admission.give(50);
        drop(first);
        assert!(now(&mut second));
        let mut granted = admission.reserve(90);
        assert!(!now(&mut granted));
        admission.give(70);
        // Granted, but dropped before it was seen.
        drop(granted);
        assert_eq!(admission.used_bytes(), 0);
    }

    #[test]
    fn one_request_over_the_limit_goes_alone_and_all_go_at_the_end() {
        let admission = Admission::new(100);
        assert!(now(&mut admission.reserve(500)));
        let (mut next, mut room) = (admission.reserve(1), admission.reserve(0));
        assert!(!now(&mut next) && !now(&mut room));
        admission.open();
        assert!(now(&mut next) && now(&mut room) && now(&mut admission.reserve(1000)));
    }
}
