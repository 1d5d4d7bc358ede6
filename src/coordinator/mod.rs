//! L5: group coordinators: state machines over the partitions of `__consumer_offsets`.
//!
//! Pure: a request and the time go in, records and answers come out ([`Effects`]). One [`Coordinator`] for each partition of
//! the topic; the shard that owns the partition runs it (`shard/groups/`): it appends the records, releases the answers
//! when they are durable, and replays the log into a new coordinator when it starts, or when an append failed.
//!
//! State changes at once and the answer leaves when the records are durable. An answer that has no records of its own
//! leaves after all that were written before it, so nobody hears of a state that a crash could take back.
//!
//! Times: sessions and rebalances run on the monotonic clock, what stands in records is wall-clock time; see [`Now`].

pub mod records;

mod settings;
mod effects;
mod call;

mod offsets;
mod seed;
mod classic;
mod consumer;
mod group;
mod timers;
mod administration;
mod commit;
mod membership;
mod machine;
mod lag;

pub use call::{Answer, Call, Caller, ListedGroups, Question};
pub use classic::{ClassicGroup, State as ClassicState};
pub use consumer::ConsumerGroup;
pub use machine::Coordinator;
pub use effects::{Effects, LogRecord, Ticket};
pub use group::{Group, Membership, partition_of};
pub use lag::{GroupLag, GroupPosition, PartitionEnd, PartitionLag, lag_of};
pub use offsets::{Committed, Offsets};
pub use settings::{GroupSettings, Now, World};

#[cfg(test)]
mod tests;
