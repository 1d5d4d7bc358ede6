//! L3: a small Kafka client, for the load harness and for brokers that talk to each other.
//!
//! ```text
//! session   one question at a time, blocking: versions, metadata, topics, offsets
//! group     a member of a consumer group, over a session
//! produce   \ templates and readers without I/O: whoever owns the socket
//! fetch     / drives them, pipelined
//! frames    what a socket gives, cut into answers
//! wire      primitive types
//! ```
//!
//! No thread, no runtime and no clock of its own. What a broker answers is not trusted: every length is checked against
//! the bytes that are there, and a connection that lies is given up.

pub mod wire;

pub mod frames;

pub mod produce;

pub mod fetch;

pub mod session;

pub mod group;
