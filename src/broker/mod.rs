//! L9: assembly: start, stop, and the one place that knows everyone.
//!
//! ```text
//! main thread = control: preflight → directories → controller → images ─┐
//!                 ▲  signals, failed directories, checkpoints           ▼
//! shard threads: open partitions → serve connections → close partitions
//! ```
//! Nothing here touches a record.

mod start;
mod control;
mod shards;
mod checkpoints;

pub use start::{StartError, run};
