//! How a record's key and value stand in the log, whatever they say.

use bytes::{BufMut, Bytes, BytesMut};

use crate::protocol::{
    Message,
    wire::{Reader, WireError, Writer},
};

/// A record to be written, as it stands in a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Type and key.
    pub key: Bytes,
    /// Version and value; absent for a tombstone.
    pub value: Option<Bytes>,
}

impl LogRecord {
    /// Bytes that the record takes in a batch, give or take a few.
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Bytes::len) + 24
    }
}

/// Why bytes are no key or value of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// A record without a key.
    #[error("a record has no key")]
    NoKey,
    /// The message is malformed.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// A record with `key`, and with `value` in `version`, or a tombstone for the key.
///
/// # Errors
/// A text is longer than the format can say; nothing that came over the wire is.
pub fn encode<K: Message, V: Message>(key: &K, value: Option<(&V, i16)>) -> Result<LogRecord, WireError> {
    let value = value.map(|(value, version)| framed(version, value, version)).transpose()?;
    // Keys have one version, 0; what stands before them is their type.
    Ok(LogRecord { key: framed(K::API_KEY, key, 0)?, value })
}

fn framed<M: Message>(prefix: i16, message: &M, version: i16) -> Result<Bytes, WireError> {
    let mut buffer = BytesMut::with_capacity(64);
    buffer.put_i16(prefix);
    let mut writer = Writer::new(buffer);
    message.encode(&mut writer, version)?;
    Ok(writer.finish().0.freeze())
}

/// The type of a key, and the rest of it.
///
/// # Errors
/// It is too short for a type.
pub fn decode_key(key: Bytes) -> Result<(i16, Reader), RecordError> {
    let mut reader = Reader::new(key);
    let record_type = i16::from_be_bytes(reader.array()?);
    Ok((record_type, reader))
}

/// A value in whatever version it is.
///
/// # Errors
/// It is malformed, or its version is not known.
pub fn decode_value<V: Message>(value: Bytes) -> Result<V, RecordError> {
    let mut reader = Reader::new(value);
    let version = i16::from_be_bytes(reader.array()?);
    Ok(V::decode(&mut reader, version)?)
}
