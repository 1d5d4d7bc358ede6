//! Whose runway grows, and how many at a time.
//!
//! Zeroes and the appends of all logs share the device, so one runway grows at a time while that is enough. It is not where
//! logs are fast: a runway that is nearly used up does not wait for the one that grows, because each append beyond it changes
//! its file's metadata and flushes the file by itself, which costs device and core far more than its zeroes. Lives on one
//! shard; no I/O.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use crate::runtime::{
    oneshot,
    permits::{Permit, Permits},
};

use super::segment::Segment;

/// Runways that grow at a time while others are nearly used up.
const PRESSING_MAX: usize = 4;
/// Bytes by which the runways that wait for their turn grow together before the first has its turn again.
const ROUND_BYTES: u64 = 256 << 20;

/// The turns of one shard's runways.
#[derive(Debug)]
pub(super) struct Zeroing {
    running: Cell<usize>,
    waiting: RefCell<VecDeque<Waiting>>,
    /// Of runways that are begun: a thousand new logs must not come before one that is about to have no runway left.
    beginnings: Rc<Permits>,
}

#[derive(Debug)]
struct Waiting {
    segment: Rc<Segment>,
    turn: oneshot::Sender<Turn>,
}

/// A runway grows until this is dropped.
#[derive(Debug)]
pub(super) enum Turn {
    Beginning { _permit: Permit },
    Growing(Rc<Zeroing>),
}

impl Zeroing {
    pub(super) fn new() -> Self {
        Self { running: Cell::new(0), waiting: RefCell::default(), beginnings: Rc::new(Permits::new(1)) }
    }

    /// Waits until the runway of this segment may grow.
    pub(super) async fn turn(self: &Rc<Self>, segment: &Rc<Segment>) -> Turn {
        if segment.runway().is_new() {
            return Turn::Beginning { _permit: self.beginnings.take().await };
        }
        let (sender, receiver) = oneshot::channel();
        self.waiting.borrow_mut().push_back(Waiting { segment: Rc::clone(segment), turn: sender });
        self.give_turns();
        // Invariant: senders leave the queue only by sending.
        receiver.recv().await.unwrap_or_else(|| self.begin())
    }

    /// Most bytes by which a runway is to grow in one turn, so that those that wait get theirs before they are used up.
    pub(super) fn bytes_max(&self) -> u64 {
        ROUND_BYTES / (1 + self.waiting.borrow().len()) as u64
    }

    /// Gives turns to those who need them: called when one has ended, and when appends have used up a runway that waits.
    pub(super) fn give_turns(self: &Rc<Self>) {
        while self.running.get() < PRESSING_MAX
            && let Some(next) = self.next()
        {
            next.turn.send(self.begin());
        }
    }

    /// The one of those that wait that has the least left, the first of several; while another grows, of those that cannot
    /// wait longer.
    fn next(&self) -> Option<Waiting> {
        let mut waiting = self.waiting.borrow_mut();
        let runways = waiting.iter().map(|waiting| waiting.segment.runway()).enumerate();
        let due = runways.filter(|(_, runway)| self.running.get() == 0 || runway.is_pressing());
        let (index, _) = due.min_by_key(|(_, runway)| runway.parts_left())?;
        waiting.remove(index)
    }

    fn begin(self: &Rc<Self>) -> Turn {
        self.running.set(self.running.get() + 1);
        Turn::Growing(Rc::clone(self))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Turn::Growing(zeroing) = self {
            zeroing.running.set(zeroing.running.get() - 1);
            zeroing.give_turns();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once};

    use super::*;
    use crate::{
        log::{
            runway::Runway,
            segment::{Folder, Stage},
        },
        types::Offset,
    };

    const STEP: u64 = 1 << 20;

    /// With `left` bytes of a step left.
    fn segment(left: u64) -> Rc<Segment> {
        let segment = Segment::new(Folder::new("t-0".into()), Offset::ZERO, Stage::Active);
        segment.runway.set(Box::new(Runway::with_step(4 * STEP - left, 4 * STEP, STEP))).unwrap();
        segment
    }

    #[test]
    fn one_grows_at_a_time_unless_others_are_nearly_used_up() {
        let zeroing = Rc::new(Zeroing::new());
        let segments: Vec<_> = [STEP / 2, STEP / 2, STEP / 100, 0, 0, 0].map(segment).into();
        let mut turns: Vec<_> = segments.iter().map(|segment| Box::pin(zeroing.turn(segment))).collect();
        let mut had: Vec<_> = turns.iter_mut().map(|turn| block_on(poll_once(turn))).collect();
        let given = |had: &[Option<Turn>]| had.iter().map(Option::is_some).collect::<Vec<_>>();
        assert_eq!(given(&had), [true, false, true, true, true, false], "the first has come first, and {PRESSING_MAX} are the most");
        assert_eq!(zeroing.bytes_max(), ROUND_BYTES / 3);
        had[2] = None;
        had[5] = block_on(poll_once(&mut turns[5]));
        had[1] = block_on(poll_once(&mut turns[1]));
        assert_eq!(given(&had), [true, false, false, true, true, true], "who has the least left comes first");
        for at in [0, 3, 4] {
            had[at] = None;
            assert!(block_on(poll_once(&mut turns[1])).is_none(), "it has time");
        }
        had[5] = None;
        assert!(block_on(poll_once(&mut turns[1])).is_some(), "now it is alone");
        assert_eq!(zeroing.running.get(), 0, "its turn was over at once");
    }

    #[test]
    fn who_waits_gets_a_turn_when_appends_have_used_it_up() {
        let zeroing = Rc::new(Zeroing::new());
        let (first, second) = (segment(STEP / 2), segment(STEP / 2));
        let _grows = block_on(zeroing.turn(&first));
        let mut waits = Box::pin(zeroing.turn(&second));
        assert!(block_on(poll_once(&mut waits)).is_none());
        assert!(!block_on(second.runway().claim(4 * STEP)), "it reaches just to the end");
        zeroing.give_turns();
        assert!(block_on(poll_once(&mut waits)).is_some());
    }

    /// Large appends do well without a runway: they keep nobody from a turn who does not.
    #[test]
    fn who_can_wait_is_passed_by_who_cannot() {
        let zeroing = Rc::new(Zeroing::new());
        let (large, small) = (segment(STEP), segment(STEP / 100));
        assert!(!block_on(large.runway().claim(4 * STEP)), "all of it by one append");
        let grows = block_on(zeroing.turn(&segment(STEP / 2)));
        let (mut patient, mut pressing) = (Box::pin(zeroing.turn(&large)), Box::pin(zeroing.turn(&small)));
        assert!(block_on(poll_once(&mut patient)).is_none() && large.runway().parts_left() == 0);
        let passes = block_on(poll_once(&mut pressing));
        assert!(passes.is_some() && block_on(poll_once(&mut patient)).is_none());
        drop((grows, passes));
        assert!(block_on(poll_once(&mut patient)).is_some());
    }

    #[test]
    fn a_beginning_waits_for_beginnings_only() {
        let zeroing = Rc::new(Zeroing::new());
        let new = || Segment::new(Folder::new("t-0".into()), Offset::ZERO, Stage::Active);
        let _grows = block_on(zeroing.turn(&segment(STEP / 2)));
        let begins = block_on(zeroing.turn(&new()));
        let another = new();
        let mut waits = Box::pin(zeroing.turn(&another));
        assert!(block_on(poll_once(&mut waits)).is_none());
        drop(begins);
        assert!(block_on(poll_once(&mut waits)).is_some());
    }
}
