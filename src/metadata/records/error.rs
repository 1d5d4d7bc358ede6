//! What can be wrong with the bytes of a metadata record.

/// Why bytes are no metadata record. Always fatal: the log was not written by anything that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A field reaches past the end.
    #[error("a field is cut off")]
    Short,
    /// Bytes are left over.
    #[error("{0} bytes are left over")]
    Trailing(usize),
    /// A length or number is not valid.
    #[error("a number is malformed")]
    Number,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// Null where the field cannot be.
    #[error("a field is null that cannot be")]
    Null,
    /// The frame around the record has another version.
    #[error("frame version {0} is not known")]
    FrameVersion(u32),
    /// A record type of a newer Kafka, or damage.
    #[error("record type {0} is not known")]
    RecordType(u32),
    /// A record version of a newer Kafka, or damage.
    #[error("version {version} of record type {record_type} is not known")]
    RecordVersion {
        /// The record's type.
        record_type: u32,
        /// Its version.
        version: u32,
    },
    /// A control record without its parts.
    #[error("a control record is malformed")]
    Control,
    /// The batch around the records cannot be read.
    #[error("the batch cannot be read")]
    Batch,
}
