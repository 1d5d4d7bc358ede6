//! Whether a shard waits for its device itself, instead of handing writes and flushes to the ring.
//!
//! An operation through the ring costs turns of the runtime's loop, and a flush a worker of the kernel on the same core:
//! some 30 us of CPU each, and as much of latency. In place it costs neither, but nothing else is done on the shard
//! meanwhile. That is nobody's loss where the shard has nothing else to do: where everything staged waits for the flush (the
//! [`super::Pace`] knows), and where one client sends one batch after the other and the core is idle in between (known
//! here). A device that is slow is not waited for. Lives on one shard; no I/O.

use std::cell::Cell;

use crate::runtime::solitude::Solitude;

/// An operation in place that takes longer was a mistake: the shard could have received requests.
const QUICK_NS: u64 = 300_000;
/// After a mistake, so many operations go through the ring; after each further one, twice as many.
const DISTRUST: u32 = 16;
/// As many as that at most.
const DISTRUST_MAX: u32 = 4096;

/// What is known of one log directory's device and of who writes to it.
#[derive(Debug, Default)]
pub(super) struct InPlace {
    trust: Trust,
    /// Of batches that are flushed: they come one at a time.
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
        self.solitude.passed(alone);
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
}
