//! The group coordinators of this shard: one for each partition of `__consumer_offsets` that it owns.
//!
//! `coordinator/` decides; here its decisions become appends, answers and timers. `actor.rs` runs one coordinator, `load.rs`
//! reads its log, `door.rs` is how the APIs reach any coordinator of the broker, `lag.rs` puts positions and log ends together.

mod actor;
mod door;
mod lag;
mod load;

pub(super) use actor::CoordinatorHandle;
