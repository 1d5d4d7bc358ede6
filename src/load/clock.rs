//! The harness's clocks. All latencies are differences of [`now_ns`], which no clock adjustment moves backwards.

use rustix::time::{ClockId, Timespec, clock_gettime};

pub use crate::runtime::clock::thread_cpu_ns;

/// Nanoseconds in a second.
pub const SECOND_NS: u64 = 1_000_000_000;

/// Nanoseconds of the monotonic clock.
#[inline]
pub fn now_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// Milliseconds since 1970.
pub fn wall_ms() -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000)
}

/// `ns` as the kernel takes it.
pub fn timespec(ns: u64) -> Timespec {
    Timespec { tv_sec: (ns / SECOND_NS) as i64, tv_nsec: (ns % SECOND_NS) as i64 }
}

/// Sleeps, on a thread that may.
pub fn pause(ns: u64) {
    let _ = rustix::thread::nanosleep(&timespec(ns));
}

fn nanoseconds(time: Timespec) -> u64 {
    (time.tv_sec.max(0) as u64) * SECOND_NS + time.tv_nsec.max(0) as u64
}
