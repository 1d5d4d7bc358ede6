//! Which of glommio's submissions the kernel needs to see, decided before each system call that submits some (`sys.rs`).
//!
//! glommio sets a timer for each turn of its loop and another for each sleep, and takes each back within microseconds; a third
//! one counts completions. All of them cost submissions, and where such a timer becomes the core's next one, or is it no longer,
//! the processor's own timer is set, which leaves a virtual machine (`docs/performance.md`). Here a timer that has reached the
//! kernel stays there and stands for all that would fire later: when it fires, glommio looks what is due and sets the next.
//!
//! glommio also goes to sleep with tasks that could run, if anything completes between its look at the rings and its look
//! whether tasks are to be interrupted: then it runs none. So a sleep after a turn in which no task ran is cut short.
//!
//! Lives on the thread of the executor that submits; no I/O.

use std::cell::Cell;

use super::executor::PREEMPT;

/// A timer that is taken back stays in the kernel if so many were taken back before it, each less than so many ns after the one
/// before: then there will be many that it can stand for. Else it would be a wake-up for nothing.
const BUSY_NS: u64 = 2_000_000;
const BUSY_TIMES: u32 = 16;
/// Sleeps in a row that are cut short at the most: there may be nothing to run.
const CUTS_MAX: u32 = 2;

thread_local! {
    /// A task has run since the last turn began.
    static TASK_RAN: Cell<bool> = const { Cell::new(false) };
}

/// Notes that a task of this executor runs.
pub(super) fn task_runs() {
    TASK_RAN.set(true);
}

/// One submission, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Completes after so many ns.
    Timer { id: u64, after_ns: u64 },
    /// Completes after so many others, and only then lets the kernel do the next entry, whose own completion nobody waits for.
    Counter,
    /// Takes back what was submitted as `id`, which completes all the same. Nobody waits for its own completion.
    Cancel { id: u64 },
    /// What is none of this file's business.
    Other,
}

/// What becomes of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The kernel gets it.
    Pass,
    /// It completes at once and does nothing.
    Complete,
    /// It is forgotten; nobody waits for it.
    Drop,
    /// It stays with what is yet to be submitted.
    Hold,
}

/// What is known of the submissions of one executor.
#[derive(Debug)]
pub(super) struct Submissions {
    /// Timers in the kernel, the earliest last: when they fire, in ns, and their ids.
    timers: Vec<(u64, u64)>,
    /// The timer that is held.
    held: Option<u64>,
    /// When a timer was last taken back, in ns.
    taken_back_ns: u64,
    /// How many were, each soon after the one before.
    taken_back_soon: u32,
    /// Sleeps in a row that were cut short.
    cuts: u32,
}

impl Submissions {
    pub(super) const fn new() -> Self {
        Self { timers: Vec::new(), held: None, taken_back_ns: 0, taken_back_soon: 0, cuts: 0 }
    }

    /// Decides what becomes of `entries`, all that are yet to be submitted to one ring, at a time on the monotonic clock. Returns
    /// how many of them are held and were not before.
    pub(super) fn decide(&mut self, entries: &[Entry], now_ns: u64, fates: &mut Vec<Fate>) -> usize {
        fates.clear();
        fates.resize(entries.len(), Fate::Pass);
        let mut newly_held = 0;
        for (at, entry) in entries.iter().enumerate() {
            match *entry {
                // It is to interrupt the tasks when the ring is nearly full. The timer of the turn does so in time, and the
                // kernel keeps what the ring has no room for.
                Entry::Counter if at + 1 < entries.len() => (fates[at], fates[at + 1]) = (Fate::Complete, Fate::Drop),
                Entry::Timer { id, after_ns } => {
                    let was_held = self.held == Some(id);
                    fates[at] = match entries.iter().position(|entry| *entry == Entry::Cancel { id }) {
                        Some(cancel) => {
                            self.note_taken_back(now_ns);
                            fates[cancel] = Fate::Drop;
                            Fate::Complete
                        }
                        None if was_held => Fate::Hold,
                        None => self.set(id, after_ns, now_ns),
                    };
                    if fates[at] == Fate::Hold {
                        newly_held += usize::from(!was_held);
                        self.held = Some(id);
                    } else if was_held {
                        self.held = None;
                    }
                }
                Entry::Cancel { id } if fates[at] == Fate::Pass => fates[at] = self.take_back(id, now_ns),
                _ => {}
            }
        }
        newly_held
    }

    fn set(&mut self, id: u64, after_ns: u64, now_ns: u64) -> Fate {
        if u128::from(after_ns) == PREEMPT.as_nanos() {
            // A turn begins.
            TASK_RAN.set(false);
        } else if !TASK_RAN.get() && self.cuts < CUTS_MAX {
            self.cuts += 1;
            return Fate::Complete;
        } else {
            self.cuts = 0;
        }
        while self.timers.last().is_some_and(|(due_ns, _)| *due_ns <= now_ns) {
            self.timers.pop();
        }
        let due_ns = now_ns.saturating_add(after_ns);
        if self.timers.last().is_some_and(|(earliest_ns, _)| *earliest_ns <= due_ns) {
            return Fate::Hold;
        }
        self.timers.push((due_ns, id));
        Fate::Pass
    }

    fn take_back(&mut self, id: u64, now_ns: u64) -> Fate {
        let Some(at) = self.timers.iter().position(|(due_ns, timer)| *timer == id && *due_ns > now_ns) else { return Fate::Pass };
        self.note_taken_back(now_ns);
        if self.taken_back_soon >= BUSY_TIMES {
            return Fate::Drop;
        }
        self.timers.remove(at);
        Fate::Pass
    }

    fn note_taken_back(&mut self, now_ns: u64) {
        let soon = now_ns.saturating_sub(self.taken_back_ns) < BUSY_NS;
        self.taken_back_soon = if soon { self.taken_back_soon.saturating_add(1) } else { 0 };
        self.taken_back_ns = now_ns;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const TURN_NS: u64 = PREEMPT.as_nanos() as u64;

    /// The ring of timers as glommio and the kernel use it.
    struct Model {
        submissions: Submissions,
        now_ns: u64,
        queue: Vec<Entry>,
        /// Of timers that glommio waits for, whether taken back or not: when they fire, if the kernel has them.
        alive: BTreeMap<u64, Option<u64>>,
        /// The timer of the turn or the sleep.
        current: Option<u64>,
        next_id: u64,
    }

    impl Model {
        fn new() -> Self {
            Self { submissions: Submissions::new(), now_ns: 1 << 40, queue: Vec::new(), alive: BTreeMap::new(), current: None, next_id: 1 }
        }

        /// Submits what is queued; true if something has completed at once.
        fn submit(&mut self) -> bool {
            let mut fates = Vec::new();
            self.submissions.decide(&self.queue, self.now_ns, &mut fates);
            let (mut held, mut completed) = (Vec::new(), false);
            for (entry, fate) in self.queue.drain(..).zip(fates) {
                match (entry, fate) {
                    (_, Fate::Hold) => held.push(entry),
                    (Entry::Timer { id, .. }, Fate::Complete) => {
                        assert!(self.alive.remove(&id).is_some(), "it completes once");
                        completed = true;
                    }
                    (Entry::Timer { id, after_ns }, Fate::Pass) => *self.alive.get_mut(&id).unwrap() = Some(self.now_ns + after_ns),
                    (Entry::Cancel { id }, Fate::Pass) => assert!(self.alive.remove(&id).is_some_and(|due| due.is_some()), "the kernel has it"),
                    (Entry::Cancel { .. }, Fate::Drop) => {}
                    other => panic!("{other:?}"),
                }
            }
            self.queue = held;
            completed
        }

        /// Time passes; true if a timer has fired.
        fn pass(&mut self, ns: u64) -> bool {
            self.now_ns += ns;
            let before = self.alive.len();
            self.alive.retain(|_, due| due.is_none_or(|due| due > self.now_ns));
            self.alive.len() < before
        }

        fn take_back(&mut self) {
            if let Some(id) = self.current.take()
                && self.alive.contains_key(&id)
            {
                self.queue.push(Entry::Cancel { id });
            }
        }

        fn set(&mut self, after_ns: u64) -> bool {
            let id = self.next_id;
            self.next_id += 1;
            (self.current, self.queue) = (Some(id), [&[Entry::Timer { id, after_ns }], &self.queue[..]].concat());
            self.alive.insert(id, None);
            self.submit()
        }

        fn first_due(&self) -> u64 {
            self.alive.values().flatten().min().copied().unwrap_or(u64::MAX)
        }
    }

    proptest! {
        /// However long turns and sleeps are: a timer fires no later than the one that glommio has asked for, each one completes
        /// exactly once, and a sleep is cut short only after a turn that ran nothing, and not for ever.
        #[test]
        fn timers_fire_in_time(turns in prop::collection::vec((0..3u64, 0..200_000u64, 1..20_000_000u64, 0..3_000_000u64, any::<bool>()), 1..200)) {
            let mut model = Model::new();
            let mut cuts = 0;
            for (looks, busy_ns, sleep_ns, wake_ns, ran) in turns {
                for _ in 0..=looks {
                    model.take_back();
                    model.submit();
                    prop_assert!(model.queue.is_empty(), "nothing keeps it from sleeping");
                    let wanted = model.now_ns + TURN_NS;
                    prop_assert!(!model.set(TURN_NS), "a turn is not cut short");
                    prop_assert!(model.first_due() <= wanted);
                    if ran {
                        task_runs();
                    }
                    model.pass(busy_ns);
                    model.submit();
                }
                model.take_back();
                model.submit();
                prop_assert!(model.queue.is_empty(), "nothing keeps it from sleeping");
                let wanted = model.now_ns + sleep_ns;
                if model.set(sleep_ns) {
                    cuts += 1;
                    prop_assert!(!ran && cuts <= CUTS_MAX);
                    continue;
                }
                cuts = 0;
                prop_assert!(model.first_due() <= wanted, "it wakes up in time");
                let until = model.first_due() - model.now_ns;
                let woke = model.pass(wake_ns.min(until));
                prop_assert_eq!(woke, wake_ns >= until);
            }
            prop_assert!(model.alive.len() <= 8, "few timers are left: {:?}", model.alive);
        }
    }

    #[test]
    fn a_busy_executor_sets_hardly_any_timers() {
        let mut model = Model::new();
        let mut in_kernel = 0;
        for _ in 0..10_000 {
            for after_ns in [TURN_NS, 700_000] {
                model.take_back();
                model.submit();
                let before = model.alive.len();
                task_runs();
                model.set(after_ns);
                in_kernel += usize::from(model.alive.len() > before && model.alive.values().last().unwrap().is_some());
                task_runs();
                model.pass(10_000);
            }
        }
        assert!((200..1000).contains(&in_kernel), "{in_kernel} timers in 0.2 s of sleeps of 0.7 ms, cut short after 10 us");
    }

    /// An idle executor wakes up now and then for a few turns in a row.
    #[test]
    fn an_idle_executor_is_not_woken_for_nothing() {
        let mut model = Model::new();
        for _ in 0..100 {
            for _ in 0..4 {
                model.take_back();
                model.submit();
                model.set(TURN_NS);
                task_runs();
                model.pass(20_000);
            }
            model.take_back();
            model.submit();
            model.set(12_000_000);
            assert_eq!(model.first_due(), model.now_ns + 12_000_000, "no timer of before wakes it");
            assert!(model.pass(12_000_000));
        }
    }

    #[test]
    fn counters_complete_and_what_else_there_is_passes() {
        let mut fates = Vec::new();
        let entries = [Entry::Counter, Entry::Other, Entry::Other, Entry::Cancel { id: 9 }];
        assert_eq!(Submissions::new().decide(&entries, 5, &mut fates), 0);
        assert_eq!(fates, [Fate::Complete, Fate::Drop, Fate::Pass, Fate::Pass]);
    }
}
