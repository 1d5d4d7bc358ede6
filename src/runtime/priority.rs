//! Who goes first where threads share a core: shards do. Everything else steps back on a thread of its own.

use std::cell::Cell;

/// Added to the nice value: a tenth of a shard's share of a core that both want all the time. Not the end of the queue,
/// because appends may wait for a file's name, and clients for the metadata.
const NICE: i32 = 10;

thread_local! {
    static STEPPED_BACK: Cell<bool> = const { Cell::new(false) };
}

/// Lets the shards go first from now on: of this thread, and of those that it starts.
pub fn step_back() {
    if !STEPPED_BACK.replace(true) {
        // By thread on Linux. Whatever forbids it, the work is the same.
        let _ = rustix::process::nice(NICE);
    }
}
