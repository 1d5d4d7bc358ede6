//! Whether a shard waits for its device itself, instead of handing writes and flushes to the ring.
//!
//! An operation through the ring costs turns of the runtime's loop, and a flush a worker of the kernel on the same core:
//! some 30 us of CPU each, and as much of latency. In place it costs neither, but nothing else is done on the shard
//! meanwhile. That is nobody's loss where the shard has nothing else to do: where everything staged waits for the flush (the
//! [`super::Pace`] knows), and where one client sends one batch after the other and the core is idle in between (known
//! here). A device that is slow is not waited for. Lives on one shard; no I/O.

use std::cell::Cell;

use crate::runtime::clock;

/// An operation in place that takes longer was a mistake: the shard could have received requests.
const QUICK_NS: u64 = 300_000;
/// After a mistake, so many operations go through the ring; after each further one, twice as many.
const DISTRUST: u32 = 16;
/// As many as that at most.
const DISTRUST_MAX: u32 = 4096;
/// So many batches in a row came alone before the next are written and flushed in place.
const ALONE: u32 = 16;
/// The shard's thread has something else to do if it runs for a larger part of the time.
const BUSY_PERCENT: u64 = 60;

/// What is known of one log directory's device and of who writes to it.
#[derive(Debug, Default)]
pub(super) struct InPlace {
    trust: Trust,
    solitude: Solitude,
}

impl InPlace {
    /// True if a group that stands still is to be flushed in place.
    pub(super) fn for_a_group(&self) -> bool {
        self.trust.asks()
    }

    /// True if a batch that came alone is to be written or flushed in place.
    pub(super) fn for_one(&self) -> bool {
        self.solitude.is_certain() && self.trust.asks()
    }

    /// How long an operation in place took.
    pub(super) fn took(&self, ns: u64) {
        self.trust.took(ns);
    }

    /// A flush is over. `alone`: it answered one batch, and no other came from before its write until now.
    pub(super) fn flushed(&self, alone: bool) {
        self.solitude.flushed(alone, || (clock::monotonic_ns(), clock::thread_cpu_ns()));
    }
}

/// Whether a device is quick enough.
#[derive(Debug, Default)]
struct Trust {
    /// Operations that go through the ring before the next in place.
    distrusted: Cell<u32>,
    /// How many that were after the last mistake; half as many after each quick operation.
    last: Cell<u32>,
}

impl Trust {
    fn asks(&self) -> bool {
        let distrusted = self.distrusted.get();
        self.distrusted.set(distrusted.saturating_sub(1));
        distrusted == 0
    }

    fn took(&self, ns: u64) {
        if ns <= QUICK_NS {
            return self.last.set(self.last.get() / 2);
        }
        let distrusted = (2 * self.last.get()).clamp(DISTRUST, DISTRUST_MAX);
        self.last.set(distrusted);
        self.distrusted.set(distrusted);
    }
}

/// Whether batches come one at a time, to a shard that is idle in between. It is found out through the ring, and once in
/// a while again: in place, nothing can be seen to come meanwhile.
#[derive(Debug, Default)]
struct Solitude {
    /// Batches in a row that came alone, since solitude was last asked for.
    alone: Cell<u32>,
    /// The time and the thread's CPU time when those began, in ns.
    began: Cell<(u64, u64)>,
    is_lonely: Cell<bool>,
}

impl Solitude {
    /// The first of each row goes through the ring.
    fn is_certain(&self) -> bool {
        self.is_lonely.get() && self.alone.get() > 0
    }

    /// `times`: now, and the CPU time that the thread has used, in ns.
    fn flushed(&self, alone: bool, times: impl Fn() -> (u64, u64)) {
        if !alone {
            self.is_lonely.set(false);
            return self.alone.set(0);
        }
        match self.alone.get() {
            0 => self.began.set(times()),
            ALONE.. => {
                let (began, now) = (self.began.get(), times());
                let (wall, cpu) = (now.0.saturating_sub(began.0), now.1.saturating_sub(began.1));
                self.is_lonely.set(cpu < wall / 100 * BUSY_PERCENT);
                return self.alone.set(0);
            }
            _ => {}
        }
        self.alone.set(self.alone.get() + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_device_is_seldom_asked() {
        let trust = Trust::default();
        let mut slow = 0;
        for _ in 0..100_000 {
            if trust.asks() {
                trust.took(QUICK_NS + 1);
                slow += 1;
            }
        }
        assert!((20..60).contains(&slow), "{slow} operations in place");
        while !trust.asks() {}
        (0..20).for_each(|_| trust.took(QUICK_NS));
        assert!(trust.asks());
        trust.took(QUICK_NS + 1);
        assert_eq!((0..100).filter(|_| trust.asks()).count(), 100 - DISTRUST as usize, "it was quick for long");
    }

    /// Batches of which `alone` says whether they come alone, each a microsecond after the one before, on a thread that runs
    /// for so many percent of the time: how many are handled in place.
    fn in_place(batches: u64, busy_percent: u64, alone: impl Fn(u64) -> bool) -> u64 {
        let (solitude, mut in_place) = (Solitude::default(), 0);
        for batch in 0..batches {
            in_place += u64::from(solitude.is_certain());
            solitude.flushed(alone(batch), || (batch * 1000, batch * 10 * busy_percent));
        }
        in_place
    }

    #[test]
    fn one_client_is_served_in_place_and_several_or_a_busy_shard_are_not() {
        let most = in_place(1000, 40, |_| true);
        assert!((900..1000).contains(&most), "{most}: all but the first row and one of each row");
        assert_eq!(in_place(1000, 70, |_| true), 0);
        assert_eq!(in_place(1000, 40, |batch| batch % 16 != 0), 0);
        let some = in_place(1000, 40, |batch| batch % 200 != 199);
        assert!((700..900).contains(&some), "{some}");
    }
}
