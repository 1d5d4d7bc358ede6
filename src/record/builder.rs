//! Making batches: for the metadata log, the coordinators' topics, tools and tests.

use bytes::Bytes;

use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use super::{
    BatchHeader, Codec, CompressionError, HEADER_BYTES, LENGTH_PREFIX_BYTES, NO_TIMESTAMP, TimestampType, compression,
    header, varint,
};

/// Collects records and makes one batch of them. Offsets rise by one from the base offset; timestamps may be in any order.
///
/// # Panics
/// [`BatchBuilder::push`] if a batch would pass `i32::MAX` bytes or records: callers bound what they put into one batch.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    base_offset: Offset,
    leader_epoch: Option<LeaderEpoch>,
    codec: Codec,
    level: Option<i32>,
    timestamp_type: TimestampType,
    producer: Option<(ProducerId, ProducerEpoch, Option<i32>)>,
    transactional: bool,
    control: bool,
    records: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchBuilder {
    /// An empty, uncompressed batch at offset 0, as a producer would start it.
    pub fn new() -> Self {
        Self {
            base_offset: Offset::ZERO,
            leader_epoch: None,
            codec: Codec::None,
            level: None,
            timestamp_type: TimestampType::CreateTime,
            producer: None,
            transactional: false,
            control: false,
            records: Vec::new(),
            count: 0,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
        }
    }

    /// Sets where the batch stands in its log.
    #[must_use]
    pub fn at(mut self, base_offset: Offset, leader_epoch: LeaderEpoch) -> Self {
        self.base_offset = base_offset;
        self.leader_epoch = Some(leader_epoch);
        self
    }

    /// Compresses the records, at the codec's default level if `level` is `None`.
    #[must_use]
    pub fn compressed(mut self, codec: Codec, level: Option<i32>) -> Self {
        self.codec = codec;
        self.level = level;
        self
    }

    /// Gives all records the largest timestamp that is pushed, and marks it as the broker's.
    #[must_use]
    pub fn append_time(mut self) -> Self {
        self.timestamp_type = TimestampType::LogAppendTime;
        self
    }

    /// Sets the idempotent producer; markers have no sequence.
    #[must_use]
    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: Option<i32>) -> Self {
        self.producer = Some((id, epoch, base_sequence));
        self
    }

    /// Marks the batch as part of a transaction.
    #[must_use]
    pub fn transactional(mut self) -> Self {
        self.transactional = true;
        self
    }

    /// Marks the batch as a control batch, which only brokers write.
    #[must_use]
    pub fn control(mut self) -> Self {
        self.control = true;
        self
    }

    /// Appends a record.
    pub fn push(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&[u8], Option<&[u8]>)],
    ) -> &mut Self {
        if self.count == 0 {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let delta = timestamp.wrapping_sub(self.base_timestamp);
        let length = 1
            + varint::varlong_len(delta)
            + varint::varint_len(self.count)
            + nullable_len(key)
            + nullable_len(value)
            + varint::varint_len(length_of(headers.len()))
            + headers.iter().map(|(key, value)| nullable_len(Some(key)) + nullable_len(*value)).sum::<usize>();
        let out = &mut self.records;
        varint::put_varint(out, length_of(length));
        out.push(0);
        varint::put_varlong(out, delta);
        varint::put_varint(out, self.count);
        put_nullable(out, key);
        put_nullable(out, value);
        varint::put_varint(out, length_of(headers.len()));
        for (key, value) in headers {
            put_nullable(out, Some(key));
            put_nullable(out, *value);
        }
        self.count = length_of(self.count as usize + 1);
        self
    }

    /// Records so far.
    pub fn count(&self) -> i32 {
        self.count
    }

    /// Bytes of the batch so far, before compression.
    pub fn len(&self) -> usize {
        HEADER_BYTES + self.records.len()
    }

    /// True without a record.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The finished batch.
    ///
    /// # Errors
    /// If compression fails, for lack of memory.
    pub fn build(&self) -> Result<Bytes, CompressionError> {
        let compressed;
        let records = match self.codec {
            Codec::None => &self.records,
            codec => {
                compressed = compression::compress(codec, self.level, &self.records)?;
                &compressed
            }
        };
        let header = BatchHeader {
            base_offset: self.base_offset,
            length: 0,
            leader_epoch: self.leader_epoch,
            crc: 0,
            attributes: header::attributes(self.codec, self.timestamp_type, self.transactional, self.control),
            last_offset_delta: (self.count - 1).max(0),
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: self.producer.map(|(id, _, _)| id),
            producer_epoch: self.producer.map(|(_, epoch, _)| epoch),
            base_sequence: self.producer.and_then(|(_, _, sequence)| sequence),
            records: self.count,
        };
        Ok(assemble(header, records).1)
    }
}

/// A batch of `header` and `records`, with the length and the checksum that these have, and its final header.
pub(super) fn assemble(mut header: BatchHeader, records: &[u8]) -> (BatchHeader, Bytes) {
    header.length = length_of(HEADER_BYTES - LENGTH_PREFIX_BYTES + records.len());
    let mut batch = Vec::with_capacity(HEADER_BYTES + records.len());
    batch.extend_from_slice(&header.encode());
    batch.extend_from_slice(records);
    header.crc = header::seal(&mut batch);
    (header, Bytes::from(batch))
}

fn nullable_len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| varint::varint_len(length_of(bytes.len())) + bytes.len())
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    varint::put_varint(out, bytes.map_or(-1, |bytes| length_of(bytes.len())));
    out.extend_from_slice(bytes.unwrap_or_default());
}

fn length_of(length: usize) -> i32 {
    assert!(length <= i32::MAX as usize, "a batch is kept below 2 GiB by those who build it");
    length as i32
}
