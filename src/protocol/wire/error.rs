//! What can be wrong with a message.

/// Why bytes are no message, or a message cannot become bytes. Small and without allocation: bad input may come fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The message ends inside a field, or announces more elements than the rest of it can hold.
    #[error("the message ends inside a field")]
    Truncated,
    /// A varint of more than 32 (or 64) bits.
    #[error("a variable-length number is too long")]
    VarintTooLong,
    /// A length below -1, or of a string above 32767 bytes.
    #[error("a length is out of range: {0}")]
    InvalidLength(i64),
    /// A string that is not UTF-8.
    #[error("a string is not UTF-8")]
    NotUtf8,
    /// Null where the version knows no null.
    #[error("field {0} must not be null in this version")]
    NullNotAllowed(&'static str),
    /// The marker before a nullable structure says neither that it is there nor that it is null.
    #[error("a nullable structure starts with {0}")]
    InvalidMarker(i64),
    /// The arrays of one message want more memory than [`super::ARRAY_MEMORY_BYTES_MAX`].
    #[error("the arrays of the message are too large")]
    ArraysTooLarge,
    /// A tagged field that is shorter than its announced size.
    #[error("tagged field {0} has a size that its content does not have")]
    TagSize(u32),
    /// Bytes after the end of the message.
    #[error("{0} bytes follow the end of the message")]
    TrailingBytes(usize),
    /// A version that the table of the message does not know.
    #[error("version {0} of the message does not exist")]
    UnsupportedVersion(i16),
    /// A value that this version cannot carry and that must not be dropped silently.
    #[error("field {0} cannot be expressed in this version")]
    FieldNotInVersion(&'static str),
    /// A string, byte string or array too long for the length field of its version.
    #[error("a value of {0} bytes or elements is too long for the protocol")]
    TooLong(usize),
}
