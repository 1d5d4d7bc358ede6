//! L2: the runtime: one glommio executor per core, its files, sockets, timers and channels.
//!
//! The only folder that names glommio, so that it stays replaceable. Everything here lives on one shard and is not
//! `Send`, unless a type says otherwise. What glommio 0.9 gets wrong is worked round here and pinned by
//! `tests/runtime_facts.rs`; the reasons stand in `docs/decisions/runtime.md`.

pub mod preflight;
pub mod executor;
mod launch;
mod submission;
pub mod priority;
pub mod solitude;

pub mod task;
pub mod timer;
pub mod clock;

pub mod channel;
pub mod notify;
pub mod oneshot;
pub mod permits;
pub mod link;

pub mod buffer;
pub mod piece;
mod cleared;
pub mod file;
pub mod fs;
pub mod net;

mod sys;

pub use sys::keep_free_memory;
