//! How much of its time a shard may spend waiting in place for the kernel, where that is quicker for whom it serves but holds up
//! all others: a tenth, and a burst after a pause. What is slow is paid for more than once, so that it is seldom done again.
//! Lives on one shard; no I/O.

use std::cell::Cell;

use super::clock;

/// One ns may be spent after so many have passed.
const SHARE: u64 = 10;
/// Most that can be saved up, in ns.
const BURST_NS: i64 = 10_000_000;
/// Work of so many ns is paid for twice, of twice as many three times, and so on.
const SLOW_NS: u64 = 1_000_000;
/// What one piece of work costs at the most: the next is tried after some minutes.
const COST_MAX_NS: u64 = 30_000_000_000;

/// What may be spent now.
#[derive(Debug, Default)]
pub struct Allowance {
    credit_ns: Cell<i64>,
    /// When the credit was last reckoned.
    reckoned_ns: Cell<u64>,
}

impl Allowance {
    /// What `work` gives, done in place; `None` if it must not be now.
    pub fn spend<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let began = clock::monotonic_ns();
        if !self.is_left(began) {
            return None;
        }
        let result = work();
        self.took(clock::monotonic_ns().saturating_sub(began));
        Some(result)
    }

    fn is_left(&self, now_ns: u64) -> bool {
        let passed = now_ns.saturating_sub(self.reckoned_ns.replace(now_ns));
        let earned = i64::try_from(passed / SHARE).unwrap_or(i64::MAX);
        self.credit_ns.set(self.credit_ns.get().saturating_add(earned).min(BURST_NS));
        self.credit_ns.get() > 0
    }

    fn took(&self, ns: u64) {
        let cost = ns.saturating_mul(1 + ns / SLOW_NS).min(COST_MAX_NS);
        self.credit_ns.set(self.credit_ns.get() - cost as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much of ten seconds is spent on pieces of work of so many ns, one wanted after the other.
    fn spent_ns(piece_ns: u64) -> u64 {
        let (allowance, mut now_ns, mut spent_ns) = (Allowance::default(), 1_000_000_000, 0);
        let end_ns = now_ns + 10_000_000_000;
        while now_ns < end_ns {
            if allowance.is_left(now_ns) {
                allowance.took(piece_ns);
                (now_ns, spent_ns) = (now_ns + piece_ns, spent_ns + piece_ns);
            }
            now_ns += 10_000;
        }
        spent_ns
    }

    #[test]
    fn a_tenth_is_spent_on_what_is_quick_and_little_on_what_is_slow() {
        assert!((900_000_000..1_020_000_000).contains(&spent_ns(300_000)), "{}", spent_ns(300_000));
        assert!((80_000_000..110_000_000).contains(&spent_ns(10_000_000)), "{}", spent_ns(10_000_000));
        assert_eq!(spent_ns(2_000_000_000), 2_000_000_000, "once");
    }

    #[test]
    fn a_burst_is_allowed_after_a_pause() {
        let allowance = Allowance::default();
        assert!(allowance.is_left(3_600_000_000_000));
        let burst = (0..).take_while(|_| (allowance.is_left(3_600_000_000_000), allowance.took(400_000)).0).count();
        assert_eq!(burst, 25);
        assert_eq!(allowance.spend(|| 7), None, "the clock of this machine goes on from there or stands");
    }
}
