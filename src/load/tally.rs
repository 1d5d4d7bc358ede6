//! What one worker counts in one second, and how seconds are put together: counts are added, histograms merged.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::clock::SECOND_NS;

/// Longest latency that is told apart from a longer one, in nanoseconds.
const LATENCY_NS_MAX: u64 = 600 * SECOND_NS;
/// Bytes of a broker's words that are kept.
const WORDS_BYTES_MAX: usize = 300;
/// Significant decimal digits of a latency.
const DIGITS: u8 = 3;

/// A histogram of latencies in nanoseconds.
#[expect(clippy::expect_used, reason = "the bounds are constants")]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, DIGITS).expect("the bounds are constants that fit")
}

/// Counts of one kind of traffic within some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests answered without an error.
    pub requests: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of batches in them.
    pub bytes: u64,
}

impl Traffic {
    /// Counts one request.
    pub fn add(&mut self, records: u64, bytes: u64) {
        self.requests += 1;
        self.records += records;
        self.bytes += bytes;
    }

    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.records += other.records;
        self.bytes += other.bytes;
    }
}

/// Everything counted.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Acknowledged produce requests.
    pub produced: Traffic,
    /// Answered fetches and what they brought.
    pub fetched: Traffic,
    /// From the intended send time to the answer.
    pub latency: Histogram<u64>,
    /// From the actual send to the answer.
    pub service: Histogram<u64>,
    /// From the intended send time of a record to its arrival at a consumer.
    pub end_to_end: Histogram<u64>,
    /// Requests answered with an error, by Kafka's code.
    pub errors: BTreeMap<i16, u64>,
    /// What the broker said to the first of each code.
    pub words: BTreeMap<i16, String>,
    /// Milliseconds of throttling that the broker asked for.
    pub throttle_ms: u64,
    /// Requests whose intended send time lies in this second (open loop).
    pub intended: u64,
    /// Nanoseconds in which the worker had work to do.
    pub busy_ns: u64,
    /// Nanoseconds that the worker counted over.
    pub wall_ns: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            produced: Traffic::default(),
            fetched: Traffic::default(),
            latency: histogram(),
            service: histogram(),
            end_to_end: histogram(),
            errors: BTreeMap::new(),
            words: BTreeMap::new(),
            throttle_ms: 0,
            intended: 0,
            busy_ns: 0,
            wall_ns: 0,
        }
    }
}

impl Tally {
    /// Adds what another worker, or another second, counted.
    #[expect(clippy::expect_used, reason = "all histograms are made by one function")]
    pub fn merge(&mut self, other: &Self) {
        self.produced.merge(&other.produced);
        self.fetched.merge(&other.fetched);
        for (mine, theirs) in [
            (&mut self.latency, &other.latency),
            (&mut self.service, &other.service),
            (&mut self.end_to_end, &other.end_to_end),
        ] {
            mine.add(theirs).expect("all histograms have the same bounds");
        }
        for (code, count) in &other.errors {
            *self.errors.entry(*code).or_default() += count;
        }
        for (code, words) in &other.words {
            self.words.entry(*code).or_insert_with(|| words.clone());
        }
        self.throttle_ms += other.throttle_ms;
        self.intended += other.intended;
        self.busy_ns += other.busy_ns;
        self.wall_ns += other.wall_ns;
    }

    /// Counts an error answer, and keeps the broker's words if they are the first.
    pub fn refused(&mut self, code: i16, words: Option<&[u8]>) {
        self.error(code);
        if let Some(words) = words {
            let kept = &words[..words.len().min(WORDS_BYTES_MAX)];
            self.words.entry(code).or_insert_with(|| String::from_utf8_lossy(kept).into_owned());
        }
    }

    /// Counts an error answer.
    pub fn error(&mut self, code: i16) {
        *self.errors.entry(code).or_default() += 1;
    }
}

/// When a run measures, in nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When sending starts.
    pub begin_ns: u64,
    /// The end of the warm-up: from here on everything counts.
    pub start_ns: u64,
    /// From here on nothing new is sent.
    pub end_ns: u64,
    /// Answers that have not come by now are given up.
    pub drain_ns: u64,
}

impl Window {
    /// True if what is intended, or happens, at `ns` is measured.
    #[inline]
    pub fn contains(&self, ns: u64) -> bool {
        (self.start_ns..self.end_ns).contains(&ns)
    }

    /// The measured second that `ns` lies in; negative in the warm-up.
    pub fn second(&self, ns: u64) -> i64 {
        let since = i128::from(ns) - i128::from(self.start_ns);
        since.div_euclid(i128::from(SECOND_NS)).clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_percentiles_are_those_of_all_samples() {
        let (mut fast, mut slow) = (Tally::default(), Tally::default());
        for _ in 0..990 {
            fast.latency.record(1_000_000).unwrap();
        }
        for _ in 0..10 {
            slow.latency.record(500_000_000).unwrap();
        }
        fast.merge(&slow);
        assert_eq!(fast.latency.len(), 1000);
        assert!(fast.latency.value_at_quantile(0.99) < 1_010_000);
        assert!(fast.latency.value_at_quantile(0.991) >= 500_000_000);
    }

    #[test]
    fn seconds_before_the_start_are_negative() {
        let window = Window {
            begin_ns: 0,
            start_ns: 10 * SECOND_NS,
            end_ns: 20 * SECOND_NS,
            drain_ns: 30 * SECOND_NS,
        };
        assert_eq!(window.second(10 * SECOND_NS - 1), -1);
        assert_eq!(window.second(10 * SECOND_NS), 0);
        assert!(!window.contains(20 * SECOND_NS));
    }
}
