//! The 61 bytes before the records of a batch (DefaultRecordBatch.java).
//!
//! ```text
//!  0 base offset i64      16 magic i8          27 base timestamp i64   51 producer epoch i16
//!  8 length i32           17 crc u32           35 max timestamp i64    53 base sequence i32
//! 12 leader epoch i32     21 attributes i16    43 producer id i64      57 record count i32
//!                         23 last offset delta i32
//! ```
//! The length counts from byte 12. The CRC-32C covers byte 21 to the end, so base offset and leader epoch can be
//! patched in place when the broker assigns them.

use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use super::{BatchError, Codec};

/// Bytes of a batch before its records.
pub const HEADER_BYTES: usize = 61;
/// Bytes that the length field does not count: base offset and the length itself.
pub const LENGTH_PREFIX_BYTES: usize = 12;
/// The timestamp of a record that has none.
pub const NO_TIMESTAMP: i64 = -1;

/// The only message format since Kafka 4.0.
const MAGIC: i8 = 2;
pub(super) const MAGIC_AT: usize = 16;
const LEADER_EPOCH_AT: usize = 12;
const CRC_AT: usize = 17;
pub(super) const ATTRIBUTES_AT: usize = 21;
const MAX_TIMESTAMP_AT: usize = 35;

pub(super) const CODEC_MASK: i16 = 0x07;
pub(super) const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const DELETE_HORIZON: i16 = 0x40;

const _: () = assert!(HEADER_BYTES == 57 + size_of::<i32>());

/// Whose clock the timestamps of a batch show (`message.timestamp.type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's: every record has its own.
    #[default]
    CreateTime,
    /// The broker's: all records have the batch's maximum timestamp.
    LogAppendTime,
}

/// A batch header in numbers. Reading one checks nothing but what is needed to find the end of the batch; see
/// [`BatchHeader::verify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; 0 from producers.
    pub base_offset: Offset,
    /// Value of the length field: bytes of the batch less [`LENGTH_PREFIX_BYTES`].
    pub length: i32,
    /// Epoch of the leader that appended the batch; absent from producers.
    pub leader_epoch: Option<LeaderEpoch>,
    /// CRC-32C from the attributes to the end.
    pub crc: u32,
    /// Codec, timestamp type and flags; read them with the methods.
    pub attributes: i16,
    /// Last offset less base offset; kept when compaction removes records.
    pub last_offset_delta: i32,
    /// Milliseconds since 1970 that record timestamps are relative to (or the delete horizon, see
    /// [`BatchHeader::delete_horizon_ms`]); [`NO_TIMESTAMP`] if the records have none.
    pub base_timestamp: i64,
    /// Largest record timestamp in milliseconds; the append time if the broker's clock is used.
    pub max_timestamp: i64,
    /// The idempotent producer, if any.
    pub producer_id: Option<ProducerId>,
    /// The producer's epoch, if any.
    pub producer_epoch: Option<ProducerEpoch>,
    /// Sequence number of the first record, if any. Control batches have a producer but no sequence.
    pub base_sequence: Option<i32>,
    /// Records in the batch; 0 only in batches that compaction emptied.
    pub records: i32,
}

/// True if the batch that `bytes` start with says that it belongs to a transaction; nothing is checked.
pub fn claims_transaction(bytes: &[u8]) -> bool {
    bytes.get(ATTRIBUTES_AT + 1).is_some_and(|low| i16::from(*low) & TRANSACTIONAL != 0)
}

impl BatchHeader {
    /// Reads the header at the front of `bytes`; the batch itself need not be complete.
    ///
    /// # Errors
    /// `Short`, `Magic`, `Length` or `BaseOffset`: with any of them the end of the batch is not known.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let Some(raw) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(BatchError::Short { have: bytes.len(), need: HEADER_BYTES });
        };
        let magic = raw[MAGIC_AT] as i8;
        if magic != MAGIC {
            return Err(BatchError::Magic(magic));
        }
        let length = int(raw, 8);
        if length < (HEADER_BYTES - LENGTH_PREFIX_BYTES) as i32 {
            return Err(BatchError::Length(length));
        }
        let base_offset = Offset::new(long(raw, 0)).ok_or(BatchError::BaseOffset(long(raw, 0)))?;
        let producer_id = long(raw, 43);
        let producer_epoch = short(raw, 51);
        let base_sequence = int(raw, 53);
        let leader_epoch = int(raw, LEADER_EPOCH_AT);
        Ok(Self {
            base_offset,
            length,
            leader_epoch: (leader_epoch >= 0).then_some(LeaderEpoch(leader_epoch)),
            crc: int(raw, CRC_AT) as u32,
            attributes: short(raw, ATTRIBUTES_AT),
            last_offset_delta: int(raw, 23),
            base_timestamp: long(raw, 27),
            max_timestamp: long(raw, MAX_TIMESTAMP_AT),
            producer_id: (producer_id >= 0).then_some(ProducerId(producer_id)),
            producer_epoch: (producer_epoch >= 0).then_some(ProducerEpoch(producer_epoch)),
            base_sequence: (base_sequence >= 0).then_some(base_sequence),
            records: int(raw, 57),
        })
    }

    /// The header's bytes. The CRC is written as it stands in `self`.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut raw = [0; HEADER_BYTES];
        raw[..8].copy_from_slice(&self.base_offset.get().to_be_bytes());
        raw[8..12].copy_from_slice(&self.length.to_be_bytes());
        raw[12..16].copy_from_slice(&self.leader_epoch.map_or(-1, LeaderEpoch::get).to_be_bytes());
        raw[MAGIC_AT] = MAGIC as u8;
        raw[17..21].copy_from_slice(&self.crc.to_be_bytes());
        raw[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        raw[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        raw[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        raw[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        raw[43..51].copy_from_slice(&self.producer_id.map_or(-1, ProducerId::get).to_be_bytes());
        raw[51..53].copy_from_slice(&self.producer_epoch.map_or(-1, ProducerEpoch::get).to_be_bytes());
        raw[53..57].copy_from_slice(&self.base_sequence.unwrap_or(-1).to_be_bytes());
        raw[57..].copy_from_slice(&self.records.to_be_bytes());
        raw
    }

    /// Checks the whole batch `bytes`, whose header this is: complete, nothing behind it, checksum, and counts that do
    /// not contradict each other. Compacted batches (fewer records than offsets) pass.
    ///
    /// # Errors
    /// `Short`, `Trailing`, `Crc` or `Counts`.
    pub fn verify(&self, bytes: &[u8]) -> Result<(), BatchError> {
        let need = self.total_len();
        if bytes.len() < need {
            return Err(BatchError::Short { have: bytes.len(), need });
        }
        if bytes.len() > need {
            return Err(BatchError::Trailing(bytes.len() - need));
        }
        self.verify_crc(bytes)?;
        if self.last_offset_delta < 0
            || self.records < 0
            || i64::from(self.records) > i64::from(self.last_offset_delta) + 1
            || self.base_offset.get().checked_add(i64::from(self.last_offset_delta)).is_none_or(|last| last == i64::MAX)
        {
            return Err(BatchError::Counts { last_offset_delta: self.last_offset_delta, records: self.records });
        }
        Ok(())
    }

    /// Checks the CRC-32C of the batch `bytes`, whose header this is.
    ///
    /// # Errors
    /// `Crc`.
    pub fn verify_crc(&self, bytes: &[u8]) -> Result<(), BatchError> {
        let computed = crc_of(bytes);
        if computed == self.crc { Ok(()) } else { Err(BatchError::Crc { stored: self.crc, computed }) }
    }

    /// Bytes of the whole batch.
    pub fn total_len(&self) -> usize {
        // Invariant: parse refused a length below 49.
        LENGTH_PREFIX_BYTES + self.length.max(0) as usize
    }

    /// Offset of the last record, even if compaction removed it.
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta))
    }

    /// Offset after the last record.
    pub fn next_offset(&self) -> Offset {
        self.last_offset().next()
    }

    /// How the records are compressed.
    ///
    /// # Errors
    /// `Codec` for 5, 6 and 7, which Kafka does not define.
    pub fn codec(&self) -> Result<Codec, BatchError> {
        let id = (self.attributes & CODEC_MASK) as u8;
        Codec::from_id(id).ok_or(BatchError::Codec(id))
    }

    /// Whose clock the timestamps show.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.has(LOG_APPEND_TIME) { TimestampType::LogAppendTime } else { TimestampType::CreateTime }
    }

    /// Part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.has(TRANSACTIONAL)
    }

    /// Written by the broker: a transaction marker or a control record of the metadata log.
    pub fn is_control(&self) -> bool {
        self.has(CONTROL)
    }

    /// Milliseconds since 1970 from which compaction may drop the tombstones or markers of this batch (KIP-534).
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        self.has(DELETE_HORIZON).then_some(self.base_timestamp)
    }

    /// Sequence number of the last record; sequences continue at 0 after `i32::MAX`.
    pub fn last_sequence(&self) -> Option<i32> {
        self.base_sequence.map(|first| increment_sequence(first, self.last_offset_delta))
    }

    fn has(&self, flag: i16) -> bool {
        self.attributes & flag != 0
    }
}

/// The attributes of a new batch.
pub(super) fn attributes(codec: Codec, timestamps: TimestampType, transactional: bool, control: bool) -> i16 {
    i16::from(codec.id())
        | if timestamps == TimestampType::LogAppendTime { LOG_APPEND_TIME } else { 0 }
        | if transactional { TRANSACTIONAL } else { 0 }
        | if control { CONTROL } else { 0 }
}

/// The sequence number `by` records after `sequence` (DefaultRecordBatch.incrementSequence): wraps from `i32::MAX` to 0.
pub fn increment_sequence(sequence: i32, by: i32) -> i32 {
    ((i64::from(sequence) + i64::from(by)).rem_euclid(1 << 31)) as i32
}

/// Writes what the broker assigns to a batch that it appends; neither field is covered by the CRC.
///
/// # Panics
/// If `batch` is shorter than [`HEADER_BYTES`]: only checked batches are appended.
pub fn patch_base(batch: &mut [u8], base_offset: Offset, leader_epoch: LeaderEpoch) {
    assert!(batch.len() >= HEADER_BYTES, "only a checked batch is appended");
    batch[..8].copy_from_slice(&base_offset.get().to_be_bytes());
    batch[LEADER_EPOCH_AT..LEADER_EPOCH_AT + 4].copy_from_slice(&leader_epoch.get().to_be_bytes());
}

/// Writes the checksum that the bytes of `batch` have into its header, and gives it.
pub(super) fn seal(batch: &mut [u8]) -> u32 {
    let crc = crc_of(batch);
    batch[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
    crc
}

/// CRC-32C of what the checksum of the batch `bytes` covers; of nothing if it is too short to cover anything.
pub(super) fn crc_of(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes.get(ATTRIBUTES_AT..).unwrap_or_default())
}

fn short(raw: &[u8; HEADER_BYTES], at: usize) -> i16 {
    i16::from_be_bytes([raw[at], raw[at + 1]])
}

fn int(raw: &[u8; HEADER_BYTES], at: usize) -> i32 {
    i32::from_be_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]])
}

fn long(raw: &[u8; HEADER_BYTES], at: usize) -> i64 {
    i64::from(int(raw, at)) << 32 | i64::from(int(raw, at + 4) as u32)
}
