//! The primitive encodings: how a number, a string, an array or a set of tagged fields stands in a frame.
//!
//! [`Reader`] cuts values out of a frame without copying them; [`Writer`] builds one and leaves gaps for records that are
//! sent from where they lie. Input is never trusted: a count is compared with the bytes that remain before anything is
//! reserved for it, and nothing here panics on bad input.

mod error;
mod reader;
mod writer;
mod value;

pub use error::WireError;
pub use reader::{ARRAY_MEMORY_BYTES_MAX, Reader};
pub use value::{Records, Wire};
pub use writer::{Cut, Writer};

/// What the encoding of a structure depends on besides its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Version of the message.
    pub version: i16,
    /// True if the version uses compact lengths and tagged fields (KIP-482).
    pub flexible: bool,
}

impl Context {
    /// True if a field that exists from version `since` to version `until` exists here.
    #[inline]
    #[must_use]
    pub const fn has(self, since: i16, until: i16) -> bool {
        since <= self.version && self.version <= until
    }
}
