//! L8: sockets to requests and back.
//!
//! ```text
//! acceptor (shard 0) ─ least connections ─► registry (each shard) ─► connection
//!                                                    receive: bytes → frames ─► Handler
//!                                                    respond: answers in request order, all ready ones in one send
//! ```
//! Knows frames, limits and deadlines; knows nothing of what a request means.

mod acceptor;
mod registry;
mod connection;
mod receive;
mod admission;
mod respond;
mod counters;

#[cfg(test)]
mod tests;

pub use acceptor::{Accepting, Acceptor, ConnectionCounts, ConnectionLimits, Door};
pub use counters::{Counters, NetworkCounts};
pub use registry::{NetworkLimits, Registry};
