//! What can be wrong with a stored or sent batch.

use super::CompressionError;

/// Why bytes are no valid record batch. Which error code a client sees is decided where the bytes came from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than a batch header, or than the header announces.
    #[error("{have} bytes where the batch needs {need}")]
    Short {
        /// Bytes at hand.
        have: usize,
        /// Bytes that the batch takes, as far as known.
        need: usize,
    },
    /// The length field is below the smallest batch.
    #[error("batch length {0} is less than the smallest batch")]
    Length(i32),
    /// A message format other than v2.
    #[error("message format (magic) {0} where only 2 is supported")]
    Magic(i8),
    /// A negative base offset.
    #[error("base offset {0} is negative")]
    BaseOffset(i64),
    /// The stored checksum does not match the bytes.
    #[error("checksum {stored:#010x} is stored but the bytes have {computed:#010x}")]
    Crc {
        /// In the header.
        stored: u32,
        /// CRC-32C of the bytes from the attributes to the end.
        computed: u32,
    },
    /// Offset range and record count contradict each other.
    #[error("last offset delta {last_offset_delta} does not fit {records} records")]
    Counts {
        /// Header field: last offset less base offset.
        last_offset_delta: i32,
        /// Header field: number of records.
        records: i32,
    },
    /// A compression codec that Kafka does not define.
    #[error("unknown compression codec {0}")]
    Codec(u8),
    /// The records do not decompress.
    #[error(transparent)]
    Compression(#[from] CompressionError),
    /// A record inside the batch is malformed.
    #[error("record {index}: {problem}")]
    Record {
        /// Position of the record in the batch, from 0.
        index: i32,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Bytes follow the last record.
    #[error("{0} bytes after the last record")]
    Trailing(usize),
}
