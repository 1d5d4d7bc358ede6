//! When requests are meant to be sent. The times are fixed by the schedule alone: a slow broker does not move them.

use super::{body::Random, clock::SECOND_NS};

/// How the load of a run, or a lane's share of it, is spread over time. Rates are requests per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// Evenly.
    Constant {
        /// Requests per second.
        rate: f64,
    },
    /// As many independent sources would send: exponential gaps.
    Poisson {
        /// Requests per second, on average.
        rate: f64,
    },
    /// Evenly for a while, then silence, and again.
    Burst {
        /// Requests per second within a burst.
        rate: f64,
        /// Length of a burst.
        on_ns: u64,
        /// Length of the silence before each burst.
        off_ns: u64,
    },
    /// From one rate to another in a straight line, then at the latter.
    Ramp {
        /// Requests per second at the beginning.
        from: f64,
        /// Requests per second at the end.
        to: f64,
        /// Length of the way.
        over_ns: u64,
    },
}

impl Arrivals {
    /// One of `lanes` equal shares.
    #[must_use]
    pub fn share(self, lanes: usize) -> Self {
        let part = 1.0 / lanes.max(1) as f64;
        match self {
            Self::Constant { rate } => Self::Constant { rate: rate * part },
            Self::Poisson { rate } => Self::Poisson { rate: rate * part },
            Self::Burst { rate, on_ns, off_ns } => Self::Burst { rate: rate * part, on_ns, off_ns },
            Self::Ramp { from, to, over_ns } => Self::Ramp { from: from * part, to: to * part, over_ns },
        }
    }

    /// The same shape at another height: all rates times `factor`.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        match self {
            Self::Constant { rate } => Self::Constant { rate: rate * factor },
            Self::Poisson { rate } => Self::Poisson { rate: rate * factor },
            Self::Burst { rate, on_ns, off_ns } => Self::Burst { rate: rate * factor, on_ns, off_ns },
            Self::Ramp { from, to, over_ns } => Self::Ramp { from: from * factor, to: to * factor, over_ns },
        }
    }

    /// Seconds after the beginning at which the request after `done` requests' worth of load is due (not Poisson).
    fn at(&self, done: f64) -> f64 {
        match *self {
            Self::Constant { rate } | Self::Poisson { rate } => done / rate,
            Self::Burst { rate, on_ns, off_ns } => {
                let (on, off) = (on_ns as f64 / 1e9, off_ns as f64 / 1e9);
                let active = done / rate;
                let bursts = (active / on).floor();
                active + (bursts + 1.0) * off
            }
            Self::Ramp { from, to, over_ns } => {
                let over = over_ns as f64 / 1e9;
                let climb = (from + to) / 2.0 * over;
                if done >= climb {
                    return over + (done - climb) / to;
                }
                let slope = (to - from) / over;
                if slope == 0.0 {
                    return done / from;
                }
                ((from * from + 2.0 * slope * done).sqrt() - from) / slope
            }
        }
    }
}

impl std::fmt::Display for Arrivals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = |ns: u64| ns as f64 / SECOND_NS as f64;
        match *self {
            Self::Constant { rate } => write!(f, "open loop, constant {rate}/s"),
            Self::Poisson { rate } => write!(f, "open loop, Poisson {rate}/s"),
            Self::Burst { rate, on_ns, off_ns } => {
                write!(f, "open loop, bursts of {} s at {rate}/s after {} s of silence", seconds(on_ns), seconds(off_ns))
            }
            Self::Ramp { from, to, over_ns } => {
                write!(f, "open loop, from {from}/s to {to}/s over {} s", seconds(over_ns))
            }
        }
    }
}

/// The send times of one lane, in order.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    begin_ns: u64,
    /// Requests handed out, plus where within the gap of the first this lane starts.
    done: f64,
    next_ns: u64,
    random: Random,
}

impl Schedule {
    /// Share `lane` of `lanes` of `arrivals`, beginning at `begin_ns`. Even schedules interleave the lanes.
    pub fn new(arrivals: Arrivals, lane: usize, lanes: usize, begin_ns: u64) -> Self {
        let phase = lane as f64 / lanes.max(1) as f64;
        let random = Random(0x5eed ^ (lane as u64) << 20);
        let mut schedule = Self { arrivals: arrivals.share(lanes), begin_ns, done: phase, next_ns: begin_ns, random };
        if let Arrivals::Poisson { rate } = schedule.arrivals {
            schedule.next_ns = begin_ns + schedule.gap_ns(rate);
        } else {
            schedule.next_ns = schedule.due_ns();
        }
        schedule
    }

    /// When the next request is meant to be sent.
    #[inline]
    pub fn next_ns(&self) -> u64 {
        self.next_ns
    }

    /// Goes on to the request after it.
    #[inline]
    pub fn advance(&mut self) {
        self.done += 1.0;
        self.next_ns = match self.arrivals {
            Arrivals::Poisson { rate } => self.next_ns.saturating_add(self.gap_ns(rate)),
            Arrivals::Constant { .. } | Arrivals::Burst { .. } | Arrivals::Ramp { .. } => self.due_ns(),
        };
    }

    /// Goes through the times before `end_ns` that nobody asked for, and counts those from `start_ns` on.
    pub fn skip_until(&mut self, start_ns: u64, end_ns: u64) -> u64 {
        let mut skipped = 0;
        while self.next_ns < end_ns {
            skipped += u64::from(self.next_ns >= start_ns);
            self.advance();
        }
        skipped
    }

    fn due_ns(&self) -> u64 {
        let seconds = self.arrivals.at(self.done);
        if seconds.is_finite() { self.begin_ns.saturating_add((seconds * SECOND_NS as f64) as u64) } else { u64::MAX }
    }

    fn gap_ns(&mut self, rate: f64) -> u64 {
        let gap = -(1.0 - self.random.unit()).ln() / rate;
        if gap.is_finite() { (gap * SECOND_NS as f64) as u64 } else { u64::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(arrivals: Arrivals, lanes: usize, from_ns: u64, to_ns: u64) -> usize {
        (0..lanes)
            .map(|lane| {
                let mut schedule = Schedule::new(arrivals, lane, lanes, 1000);
                schedule.skip_until(0, 1000 + from_ns);
                schedule.skip_until(0, 1000 + to_ns) as usize
            })
            .sum()
    }

    #[test]
    fn the_lanes_together_send_the_rate() {
        for lanes in [1, 3, 16] {
            let constant = within(Arrivals::Constant { rate: 1000.0 }, lanes, 0, 10 * SECOND_NS);
            assert!(constant.abs_diff(10_000) <= 1, "{constant}");
            let poisson = within(Arrivals::Poisson { rate: 1000.0 }, lanes, 0, 100 * SECOND_NS);
            assert!(poisson.abs_diff(100_000) < 2000, "{poisson}");
        }
    }

    #[test]
    fn poisson_gaps_are_as_uneven_as_they_should_be() {
        let mut schedule = Schedule::new(Arrivals::Poisson { rate: 1000.0 }, 0, 1, 0);
        let mut short = 0;
        for _ in 0..100_000 {
            let before = schedule.next_ns();
            schedule.advance();
            short += u32::from(schedule.next_ns() - before < 1_000_000);
        }
        // 1 - 1/e of the gaps are shorter than the average one.
        assert!(short.abs_diff(63_212) < 1000, "{short}");
    }

    #[test]
    fn a_burst_follows_each_silence() {
        let second = SECOND_NS;
        let burst = Arrivals::Burst { rate: 500.0, on_ns: second, off_ns: 3 * second };
        assert_eq!(within(burst, 1, 0, 3 * second), 0);
        assert_eq!(within(burst, 1, 3 * second, 4 * second), 500);
        assert_eq!(within(burst, 1, 4 * second, 7 * second), 0);
        assert_eq!(within(burst, 1, 7 * second, 8 * second), 500);
    }

    #[test]
    fn a_ramp_is_straight_and_goes_on_level() {
        let second = SECOND_NS;
        let ramp = Arrivals::Ramp { from: 0.0, to: 1000.0, over_ns: 10 * second };
        assert!(within(ramp, 1, 0, 5 * second).abs_diff(1250) <= 1);
        assert!(within(ramp, 1, 0, 10 * second).abs_diff(5000) <= 1);
        assert!(within(ramp, 1, 10 * second, 12 * second).abs_diff(2000) <= 1);
        let down = Arrivals::Ramp { from: 1000.0, to: 100.0, over_ns: 10 * second };
        assert!(within(down, 1, 0, 10 * second).abs_diff(5500) <= 1);
    }
}
