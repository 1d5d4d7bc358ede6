//! corelog: a Kafka-compatible broker, one shard per core.
//!
//! The modules below are the layers, lowest first; a module may import only from those above its line
//! (`tests/it/tidy.rs` checks it). `docs/architecture.md` is the map.

pub mod types;
pub mod record;
pub mod protocol;
pub mod config;
pub mod runtime;
pub mod client;
pub mod log;
pub mod metadata;
pub mod load;
pub mod partition;
pub mod controller;
pub mod coordinator;
pub mod shard;
pub mod api;
pub mod network;
pub mod broker;
pub mod cli;
