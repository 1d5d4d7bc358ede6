//! The records inside a batch (DefaultRecord.java), borrowed from it.
//!
//! ```text
//! length varint | attributes i8 | timestamp delta varlong | offset delta varint
//! | key length varint, key | value length varint, value | header count varint | (key length, key, value length, value)*
//! ```
//! A length of -1 is a null key or value. Header keys are never null and may repeat (KIP-82).

use std::borrow::Cow;

use crate::types::Offset;

use super::{BatchError, BatchHeader, Codec, HEADER_BYTES, TimestampType, compression, varint};

/// Bytes of the smallest record: seven fields of one byte.
pub(super) const RECORD_BYTES_MIN: usize = 7;

/// A record as it stands, relative to its batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawRecord<'a> {
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i32,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: Headers<'a>,
}

/// Takes one record from the front of `input`: structure checked to the last byte, nothing allocated.
#[inline]
pub(super) fn take_record<'a>(input: &mut &'a [u8]) -> Result<RawRecord<'a>, &'static str> {
    let length = varint::take_varint(input).ok_or("malformed length")?;
    let length = usize::try_from(length).map_err(|_| "negative length")?;
    let (mut body, rest) = input.split_at_checked(length).ok_or("length exceeds the batch")?;
    // No record attribute is in use, and Kafka reads none.
    body = body.split_first().ok_or("no attributes")?.1;
    let timestamp_delta = varint::take_varlong(&mut body).ok_or("malformed timestamp")?;
    let offset_delta = varint::take_varint(&mut body).ok_or("malformed offset")?;
    let key = take_nullable(&mut body).ok_or("malformed key")?;
    let value = take_nullable(&mut body).ok_or("malformed value")?;
    let count = varint::take_varint(&mut body).ok_or("malformed header count")?;
    let count = u32::try_from(count).map_err(|_| "negative header count")?;
    let headers = Headers { bytes: body, remaining: count };
    for _ in 0..count {
        take_header(&mut body).ok_or("malformed header")?;
    }
    if !body.is_empty() {
        return Err("length exceeds its fields");
    }
    *input = rest;
    Ok(RawRecord { timestamp_delta, offset_delta, key, value, headers })
}

#[inline]
fn take_nullable<'a>(input: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = varint::take_varint(input)?;
    if length < 0 {
        // Kafka reads every negative length as null; only -1 is ever written.
        return Some(None);
    }
    let (bytes, rest) = input.split_at_checked(length as usize)?;
    *input = rest;
    Some(Some(bytes))
}

fn take_header<'a>(input: &mut &'a [u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    Some((take_nullable(input)??, take_nullable(input)?))
}

/// The headers of a record in order: key (UTF-8 by convention, not checked) and value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    bytes: &'a [u8],
    remaining: u32,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        take_header(&mut self.bytes)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining as usize, Some(self.remaining as usize))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// A record of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its offset in the log.
    pub offset: Offset,
    /// Milliseconds since 1970 by the batch's timestamp type; [`super::NO_TIMESTAMP`] if it has none.
    pub timestamp: i64,
    /// The key, if it has one.
    pub key: Option<&'a [u8]>,
    /// The value; a record with a key and no value is a tombstone in a compacted topic.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: Headers<'a>,
}

/// A batch opened for reading: its records, decompressed if need be.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    header: BatchHeader,
    bytes: Cow<'a, [u8]>,
}

impl<'a> Records<'a> {
    /// Opens the complete batch `batch` (see [`super::Batches`]); its checksum is not looked at.
    /// Compressed records may take `decompressed_max` bytes.
    ///
    /// # Errors
    /// Those of [`BatchHeader::parse`], `Short`, `Codec` and `Compression`.
    pub fn open(batch: &'a [u8], decompressed_max: usize) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(batch)?;
        let need = header.total_len();
        let stored = batch.get(HEADER_BYTES..need).ok_or(BatchError::Short { have: batch.len(), need })?;
        let bytes = match header.codec()? {
            Codec::None => Cow::Borrowed(stored),
            // Compaction leaves empty batches, with attributes but without data.
            _ if stored.is_empty() && header.records == 0 => Cow::Borrowed(stored),
            codec => Cow::Owned(compression::decompress(codec, stored, decompressed_max)?),
        };
        Ok(Self { header, bytes })
    }

    /// The batch's header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The uncompressed records, back to back.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The records in offset order.
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter { header: self.header, bytes: &self.bytes, index: 0, last_delta: -1, stopped: false }
    }
}

impl<'a> IntoIterator for &'a Records<'_> {
    type Item = Result<Record<'a>, BatchError>;
    type IntoIter = RecordIter<'a>;

    fn into_iter(self) -> RecordIter<'a> {
        self.iter()
    }
}

/// Iterator over the records of a batch; gives an error, and then nothing more, where they are malformed, their offsets
/// do not rise within the batch's range, or their number is not the header's.
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    header: BatchHeader,
    bytes: &'a [u8],
    index: i32,
    last_delta: i32,
    stopped: bool,
}

impl<'a> RecordIter<'a> {
    fn step(&mut self) -> Result<Option<Record<'a>>, BatchError> {
        let index = self.index;
        if index >= self.header.records {
            return if self.bytes.is_empty() { Ok(None) } else { Err(BatchError::Trailing(self.bytes.len())) };
        }
        let at = |problem| BatchError::Record { index, problem };
        let raw = take_record(&mut self.bytes).map_err(at)?;
        if raw.offset_delta <= self.last_delta || raw.offset_delta > self.header.last_offset_delta {
            return Err(at("offset out of order"));
        }
        self.last_delta = raw.offset_delta;
        self.index += 1;
        let timestamp = match self.header.timestamp_type() {
            TimestampType::LogAppendTime => self.header.max_timestamp,
            TimestampType::CreateTime => {
                self.header.base_timestamp.checked_add(raw.timestamp_delta).ok_or(at("timestamp out of range"))?
            }
        };
        Ok(Some(Record {
            offset: self.header.base_offset.plus(i64::from(raw.offset_delta)),
            timestamp,
            key: raw.key,
            value: raw.value,
            headers: raw.headers,
        }))
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.stopped {
            return None;
        }
        let step = self.step();
        self.stopped = !matches!(step, Ok(Some(_)));
        step.transpose()
    }
}
