//! L4: the load harness: what `corelog bench` runs, against any broker that speaks Kafka's protocol.
//!
//! ```text
//! plan -> run -> setup (topic, connections) -> drive (one thread a core) -> outcome
//!                  producer, consumer: lanes, pure; sending: their bytes out
//!                  group: members of a consumer group beside them, threads that block
//!                  schedule: when; body: what; verify: was it kept; tally: counts and histograms
//! process: what the broker's process used; ceiling: what the host can do; bare: what its device can do of one load
//!
//! scenario (a file) -> beside (one run, or two at once) -> compare (turns), search (rates)
//! document: any result as JSON -> table, compare_table: text; page, plot: HTML; contrast: two results
//! ```
//!
//! Threads of its own, epoll and a monotonic clock: nothing of the broker's runtime (but in `bare`), so that nothing of it is in
//! the figures. A figure is printed only if it is what it says; a run in which a record was lost, doubled, moved or changed
//! fails.

pub mod settings;
pub mod plan;
pub mod run;
pub mod drive;
pub use drive::EndedBy;
mod setup;
pub use setup::RunError;
mod worker;

mod lane;
pub use lane::LaneError;
mod producer;
mod consumer;
mod group;
pub use group::GroupCounts;
mod sending;

pub mod schedule;
pub mod body;
pub mod verify;
pub mod tally;

pub mod report;
pub mod table;
pub mod hlog;
pub mod gate;

pub mod scenario;
pub mod beside;
pub mod compare;
mod compare_table;
pub mod search;
pub mod peer;

pub mod ceiling;
pub mod bare;
mod bound;
mod disk;
pub mod document;
pub mod contrast;
pub mod page;
mod plot;

pub mod environment;
pub mod process;
pub mod clock;
