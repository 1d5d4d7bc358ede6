//! L7: one file per API key: decode, resolve, ask, answer. Error codes and versions are decided here and nowhere above.
//!
//! Runs on the shard of the connection. A handler may wait for partitions and for the controller, never for a disk.

pub mod exchange;
