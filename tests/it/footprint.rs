//! What a broker costs that has nothing to do: time to start, processor time, memory.

use std::time::Duration;

use crate::support::{Broker, broker, turn};

/// A debug build is held to looser bounds; the figures are printed in any case.
const DEBUG: bool = cfg!(debug_assertions);

#[test]
fn starts_quickly_and_idles_quietly() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::alone();
    let mut broker = Broker::start(&[]);
    let (start_up, log) = (broker.start_up, broker.log());
    std::thread::sleep(Duration::from_millis(500));
    let (before, period) = (broker.process().cpu_time(), Duration::from_secs(4));
    std::thread::sleep(period);
    let used = broker.process().cpu_time() - before;
    let percent = 100.0 * used.as_secs_f64() / period.as_secs_f64();
    let resident = broker.process().resident_bytes() >> 20;
    broker.stop();
    broker.restart();
    let again = broker.start_up;
    eprintln!("first start in {start_up:?}, second in {again:?}, idle {percent:.1} % of a core, {resident} MB resident, debug build: {DEBUG}");
    assert!(resident < 100, "{resident} MB resident");
    let (start_max, percent_max) = if DEBUG { (Duration::from_secs(2), 15.0) } else { (Duration::from_millis(100), 3.0) };
    assert!(start_up < start_max && again < start_max, "starts took {start_up:?} and {again:?}");
    assert!(percent < percent_max, "{percent:.1} % of a core while idle");
    for word in ["127.0.0.1", "memlock", "io_uring"] {
        assert!(log.contains(word), "the start does not say what it found about {word}:\n{log}");
    }
}
