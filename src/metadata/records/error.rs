//! What can be wrong with the bytes of a metadata record.

use crate::{protocol::wire::WireError, record::BatchError};

/// Why bytes are no metadata record. Always fatal: the log was not written by anything that is known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The message in the frame is malformed.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A data record without a value.
    #[error("a record has no value")]
    NoValue,
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
    #[error(transparent)]
    Batch(#[from] BatchError),
}
