//! Whether work comes to a shard one piece at a time, each after the one before is done, while its thread is idle in between.
//! Then it may wait in place for what belongs to that piece, because it keeps nobody waiting.
//!
//! It is found out while nothing is waited for in place, and once in a while again: in place, nothing else can be seen to come.
//! Lives on one shard; no I/O.

use std::cell::Cell;

use super::clock;

/// So many pieces in a row came alone before solitude is certain.
const ALONE: u32 = 16;
/// The shard's thread has something else to do if it runs for a larger part of the time.
const BUSY_PERCENT: u64 = 60;

thread_local! {
    /// CPU time in ns that this thread has spent looking whether something came.
    static LOOKED: Cell<u64> = const { Cell::new(0) };
}

/// Notes that this thread has spent so many ns looking whether something came: it had nothing else to do.
pub(super) fn looked_for(ns: u64) {
    LOOKED.with(|looked| looked.set(looked.get() + ns));
}

/// What is known of one kind of work.
#[derive(Debug, Default)]
pub struct Solitude {
    /// Pieces in a row that came alone, since solitude was last asked for.
    alone: Cell<u32>,
    /// The time and the thread's CPU time when those began, in ns.
    began: Cell<(u64, u64)>,
    is_lonely: Cell<bool>,
}

impl Solitude {
    /// True if the next piece is one that comes alone. Never true of the first of a row.
    pub fn is_certain(&self) -> bool {
        self.is_lonely.get() && self.alone.get() > 0
    }

    /// A piece of work is done. `alone`: nothing else came from before it began until now.
    pub fn passed(&self, alone: bool) {
        self.passed_at(alone, || {
            let cpu_ns = clock::thread_cpu_ns().saturating_sub(LOOKED.with(Cell::get));
            (clock::monotonic_ns(), cpu_ns)
        });
    }

    /// `times`: now, and the CPU time that the thread has used, in ns.
    fn passed_at(&self, alone: bool, times: impl Fn() -> (u64, u64)) {
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

    /// Pieces of work of which `alone` says whether they come alone, each a microsecond after the one before, on a thread that
    /// runs for so many percent of the time: of how many it was certain.
    fn certain(pieces: u64, busy_percent: u64, alone: impl Fn(u64) -> bool) -> u64 {
        let (solitude, mut certain) = (Solitude::default(), 0);
        for piece in 0..pieces {
            certain += u64::from(solitude.is_certain());
            solitude.passed_at(alone(piece), || (piece * 1000, piece * 10 * busy_percent));
        }
        certain
    }

    #[test]
    fn one_piece_at_a_time_is_solitude_and_a_crowd_or_a_busy_shard_is_not() {
        let most = certain(1000, 40, |_| true);
        assert!((900..1000).contains(&most), "{most}: all but the first row and one of each row");
        assert_eq!(certain(1000, 70, |_| true), 0);
        assert_eq!(certain(1000, 40, |piece| piece % 16 != 0), 0);
        let some = certain(1000, 40, |piece| piece % 200 != 199);
        assert!((700..900).contains(&some), "{some}");
    }
}
