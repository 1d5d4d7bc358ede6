//! When the partitions of one log directory write, so that one flush covers many of them.
//!
//! A flush costs much the same for one write as for a hundred. So while a flush of many is due or under way, partitions with
//! little staged wait for its end and then write together; those with much staged write at once, because the device is better
//! kept busy. A flush in turn waits for the writes that were in flight when it was first asked for. Where flushes answer
//! few, nobody waits: a write that is made beside the flush under way is that much earlier covered by the next.
//!
//! The clients that a flush answers send their next batches at once. After a flush that answered many, the partitions wait
//! a moment longer for those, so that all go out together again instead of in ever smaller groups. Lives on one shard; no
//! I/O.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use super::{in_place::InPlace, message::Message};
use crate::runtime::{channel::Sender, clock, notify::Notify, task, timer};

/// A partition that has so many bytes staged does not wait for a flush.
pub(super) const HELD_BYTES_MAX: usize = 48 << 10;
/// After a flush that answered fewer batches than this, nobody waits for the next ones.
const MANY_BATCHES: u64 = 8;
/// A flush that answers fewer batches than this holds nobody back: there is no group to be kept together.
const GROUP_BATCHES: u64 = 4;
/// How long the next batches are waited for at the most.
const LINGER: Duration = Duration::from_micros(100);

/// The writes of one log directory on one shard, in two generations: those that the next flush waits for, and younger ones.
#[derive(Debug, Default)]
pub struct Pace {
    generation: Cell<u64>,
    /// Writes in flight of this generation.
    young: Cell<usize>,
    /// Writes in flight of earlier generations.
    old: Cell<usize>,
    old_ended: Notify,
    /// A flush is due or under way, or what it answered is waited for.
    holding: Cell<bool>,
    /// Partitions that wait for the end of that.
    held: RefCell<Vec<Sender<Message>>>,
    /// Batches staged so far.
    staged: Cell<u64>,
    /// Batches staged before the flush under way or the last one began.
    staged_before: Cell<u64>,
    /// Batches that this flush answers.
    answered: Cell<u64>,
    /// When so many are staged, nobody waits any longer.
    linger_until: Cell<Option<u64>>,
    in_place: InPlace,
}

/// A write in flight. Dropped when its partition has taken its outcome over, or can no longer do so.
#[derive(Debug)]
pub struct WriteTicket {
    pace: Rc<Pace>,
    generation: u64,
}

impl Pace {
    /// True if a partition with so many bytes staged should not write yet.
    pub(super) fn holds(&self, staged_bytes: usize) -> bool {
        self.holding.get() && staged_bytes < HELD_BYTES_MAX
    }

    /// Sends [`Message::Resume`] to the partition when the flush is over.
    pub(super) fn hold(&self, partition: Sender<Message>) {
        self.held.borrow_mut().push(partition);
    }

    /// Notes that a write begins.
    pub(super) fn begin_write(self: &Rc<Self>) -> WriteTicket {
        self.young.set(self.young.get() + 1);
        WriteTicket { pace: Rc::clone(self), generation: self.generation.get() }
    }

    /// Notes that a batch was staged.
    pub(super) fn staged(&self) {
        let staged = self.staged.get() + 1;
        self.staged.set(staged);
        if self.linger_until.get().is_some_and(|until| staged >= until) {
            self.release();
        }
    }

    /// A flush is asked for. From now on little waits, if the last one answered a group: it would go out alone, and the flush
    /// would wait for it.
    pub(super) fn flush_due(&self) {
        self.holding.set(self.answered.get() >= GROUP_BATCHES);
    }

    /// The flush begins. Returns when the writes that are in flight now have ended.
    pub async fn begin_flush(&self) {
        self.linger_until.set(None);
        self.answered.set(self.staged.get() - self.staged_before.replace(self.staged.get()));
        self.holding.set(self.answered.get() >= GROUP_BATCHES);
        self.generation.set(self.generation.get() + 1);
        self.old.set(self.old.get() + self.young.take());
        while self.old.get() > 0 {
            self.old_ended.notified().await;
        }
    }

    /// True if a write of so many bytes is to be made in place: it belongs to the only batch that is on its way.
    pub(super) fn writes_in_place(&self, bytes: usize) -> bool {
        bytes < HELD_BYTES_MAX && self.no_write_in_flight() && self.in_place.for_one()
    }

    /// True if the flush that has begun is to be made in place: it leaves nothing to do meanwhile, because all that is staged
    /// waits for it, or because nothing is.
    pub fn flushes_in_place(&self) -> bool {
        self.no_write_in_flight() && if self.holding.get() { self.in_place.for_a_group() } else { self.in_place.for_one() }
    }

    fn no_write_in_flight(&self) -> bool {
        self.young.get() + self.old.get() == 0
    }

    /// What is made in place, so that it is known how long the device takes.
    pub async fn in_place<T>(&self, work: impl Future<Output = T>) -> T {
        let began = clock::monotonic_ns();
        let result = work.await;
        self.in_place.took(clock::monotonic_ns() - began);
        result
    }

    /// The flush is over: those who waited for it write, now (true) or after a moment.
    pub fn end_flush(self: &Rc<Self>) -> bool {
        let answered = self.answered.get();
        self.in_place.flushed(answered == 1 && self.staged.get() == self.staged_before.get());
        if answered < MANY_BATCHES || self.staged.get() - self.staged_before.get() >= answered {
            return self.release();
        }
        // Most of those who were answered: some may have nothing more to send.
        let until = self.staged.get() + answered / 4 * 3;
        self.linger_until.set(Some(until));
        let (pace, generation) = (Rc::clone(self), self.generation.get());
        task::spawn("linger", async move {
            timer::sleep(LINGER).await;
            if pace.generation.get() == generation && pace.linger_until.get().is_some() {
                pace.release();
            }
        });
        false
    }

    /// There will be no flush any more: nobody waits for one.
    pub fn end(&self) {
        self.release();
    }

    fn release(&self) -> bool {
        self.holding.set(false);
        self.linger_until.set(None);
        let held = self.held.take();
        for partition in &held {
            // The actor may have ended meanwhile; then nothing is left to write.
            drop(partition.try_send(Message::Resume));
        }
        !held.is_empty()
    }
}

impl Drop for WriteTicket {
    fn drop(&mut self) {
        let pace = &self.pace;
        if self.generation == pace.generation.get() {
            pace.young.set(pace.young.get() - 1);
            return;
        }
        pace.old.set(pace.old.get() - 1);
        if pace.old.get() == 0 {
            pace.old_ended.notify();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once};

    use super::*;
    use crate::runtime::channel;

    #[test]
    fn a_flush_waits_for_the_writes_before_it_and_for_no_others() {
        let pace = Rc::new(Pace::default());
        let before = pace.begin_write();
        let mut flush = Box::pin(pace.begin_flush());
        assert_eq!(block_on(poll_once(&mut flush)), None);
        let after = pace.begin_write();
        drop(before);
        assert_eq!(block_on(poll_once(&mut flush)), Some(()));
        drop(flush);
        pace.end_flush();
        let mut next = Box::pin(pace.begin_flush());
        assert_eq!(block_on(poll_once(&mut next)), None);
        drop(after);
        assert_eq!(block_on(poll_once(&mut next)), Some(()));
    }

    #[test]
    fn little_waits_for_a_flush_and_much_does_not() {
        let pace = Rc::new(Pace::default());
        let (sender, inbox) = channel::unbounded();
        (0..GROUP_BATCHES).for_each(|_| pace.staged());
        assert!(!pace.holds(1));
        block_on(pace.begin_flush());
        assert!(pace.holds(1) && !pace.holds(HELD_BYTES_MAX) && pace.flushes_in_place());
        let large = pace.begin_write();
        assert!(!pace.flushes_in_place());
        drop(large);
        pace.end_flush();
        assert!(!pace.holds(1) && !pace.flushes_in_place());
        pace.flush_due();
        assert!(pace.holds(1) && !pace.holds(HELD_BYTES_MAX));
        pace.hold(sender);
        assert!(inbox.try_recv().is_none());
        assert!(pace.end_flush(), "somebody writes now");
        assert!(matches!(inbox.try_recv(), Some(Message::Resume)));
        assert!(!pace.holds(1));
        block_on(pace.begin_flush());
        assert!(!pace.end_flush(), "nobody waited");
    }

    #[test]
    fn where_a_flush_answers_few_nobody_waits_for_it() {
        let pace = Rc::new(Pace::default());
        for _ in 0..3 {
            (1..GROUP_BATCHES).for_each(|_| pace.staged());
            pace.flush_due();
            assert!(!pace.holds(1));
            block_on(pace.begin_flush());
            assert!(!pace.holds(1));
            pace.end_flush();
        }
    }
}
