//! L1: Kafka's wire protocol, sans I/O: what a frame says, and how to say it.
//!
//! Owns the primitive encodings ([`wire`]), the declarative tables that describe structures ([`message!`]), the request and
//! response headers ([`header`]), the list of APIs and of their versions ([`api`]), one file per API under [`messages`], and
//! what consumers say to each other in the opaque bytes of a group (`embedded`). The same tables serve the records of the
//! metadata log and of the coordinators. Never reads a clock, a socket or a file, never decodes records on their way
//! through, and knows nothing of what a request means.
//!
//! `docs/decisions/wire-codec.md` says why the codec is our own.

pub mod wire;
pub mod schema;
mod message;
pub mod messages;
pub mod api;
pub mod header;
pub(crate) mod embedded;
pub mod sample;
#[cfg(test)]
mod tests;

pub use message::Message;
pub(crate) use message::message;
