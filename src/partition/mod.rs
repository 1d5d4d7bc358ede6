//! L4: one partition: an actor that owns its log by value, and the door through which everyone else comes.
//!
//! ```text
//!  api, shard ── PartitionHandle ──► inbox ──► Partition (actor) ──► log (stage, write)
//!      │                                          │    ▲
//!      │ plan_fetch, look_up                      │    └── Written, Flushed
//!      └────────► Watermarks, LogView ◄───────────┘
//! ```
//! Lives on the shard that owns the partition. A batch enters by [`PartitionHandle::append`], is checked and staged in
//! `append`, and its producer is answered from `settle` when the marks have passed it.

mod actor;
mod append;
mod at_once;
mod fetch;
mod handle;
mod in_place;
mod lookup;
mod marks;
mod message;
mod pace;
mod refusal;
mod settle;

pub use actor::{Flush, Full, Known, PartitionEnv, Start, start};
pub use fetch::{FetchFrom, FetchMarks, FetchPlan, Fetched, plan as plan_fetch};
pub use handle::{PartitionHandle, Standing};
pub use lookup::{LookUp, LookedUp, OffsetSpec, look_up};
pub use marks::{Watcher, Watermarks};
pub use message::{Acks, Append, AppendSink, Appended, Fate, FlushFailed, Message, ProducerListing};
pub use pace::{Pace, WriteTicket};
pub use refusal::Refusal;
