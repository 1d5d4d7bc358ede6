//! Whether a produced batch may be appended, in the order and with the error codes of Kafka (ProduceRequest.java,
//! UnifiedLog.analyzeAndValidateRecords, LogValidator.java).
//!
//! An uncompressed batch is walked to its last byte, without an allocation: offsets, counts, keys and timestamps of
//! every record. A compressed one is trusted in what its header and checksum say, unless a rule asks for what only its
//! records can tell; then it is decompressed within a cap. (Kafka always decompresses. A client that lies about the
//! records inside a compressed batch harms only those who read its own records.)

use bytes::Bytes;

use crate::types::{ErrorCode, LeaderEpoch, Offset, limits};

use super::{
    BatchError, BatchHeader, Codec, CompressionError, HEADER_BYTES, NO_TIMESTAMP, TimestampType, compression, header,
    records, rewrite,
};

/// Most records that one refusal names; the others are refused along with them.
pub const RECORD_ERRORS_MAX: usize = 100;

/// Smallest length field of any message format (LegacyRecord.RECORD_OVERHEAD_V0).
const OLD_MESSAGE_BYTES_MIN: i32 = 14;

/// First version of the Produce request that may carry zstd.
const ZSTD_FROM_VERSION: i16 = 7;

/// What a topic asks of the batches that are produced to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProduceRules {
    /// Largest batch in bytes, header included (`max.message.bytes`).
    pub max_message_bytes: usize,
    /// Version of the Produce request; below 7 it cannot carry zstd (KIP-110).
    pub produce_version: i16,
    /// Whose clock the topic shows (`message.timestamp.type`).
    pub timestamp_type: TimestampType,
    /// Milliseconds that a record's timestamp may lie in the past (`message.timestamp.before.max.ms`); `i64::MAX` is no
    /// limit. With a limit, compressed batches are decompressed.
    pub timestamp_before_max_ms: i64,
    /// Milliseconds that a record's timestamp may lie in the future (`message.timestamp.after.max.ms`).
    pub timestamp_after_max_ms: i64,
    /// Refuse records without a key (compacted topics); compressed batches are then decompressed.
    pub keys_required: bool,
    /// Check every record of compressed batches too.
    pub walk_compressed: bool,
    /// Most bytes that a batch may decompress to (`corelog.decompressed.bytes.max`).
    pub decompressed_bytes_max: usize,
    /// How batches are stored (`compression.type`).
    pub compression: CompressionRule,
}

impl Default for ProduceRules {
    /// Those of a topic without configs of its own, for the newest clients.
    fn default() -> Self {
        Self {
            max_message_bytes: 1_048_588,
            produce_version: i16::MAX,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            keys_required: false,
            walk_compressed: false,
            decompressed_bytes_max: limits::DECOMPRESSED_BYTES_MAX,
            compression: CompressionRule::Producer,
        }
    }
}

/// How batches are stored (`compression.type`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CompressionRule {
    /// As they were sent.
    #[default]
    Producer,
    /// Compressed by the broker, unless they came with that very codec.
    Broker {
        /// The codec; [`Codec::None`] is `uncompressed`.
        codec: Codec,
        /// The codec's level; `None` is its default.
        level: Option<i32>,
    },
}

/// A batch that may be appended: one complete v2 batch, checksum right, counts consistent. What is left to do is
/// [`super::patch_base`] on the copy that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedBatch {
    bytes: Bytes,
    header: BatchHeader,
}

impl CheckedBatch {
    /// A batch that this broker made, or that a leader or a log file holds: checked for damage, not for what producers
    /// may do (it may be a control batch, have any offsets, and be compacted).
    ///
    /// # Errors
    /// Those of [`BatchHeader::parse`] and [`BatchHeader::verify`].
    pub fn verified(bytes: Bytes) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(&bytes)?;
        header.verify(&bytes)?;
        header.codec()?;
        Ok(Self { bytes, header })
    }

    /// For rewritten batches, whose checksum was just computed.
    pub(super) fn rewritten(bytes: Bytes, header: BatchHeader) -> Self {
        Self { bytes, header }
    }

    /// The header that [`CheckedBatch::bytes`] starts with.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The whole batch.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Bytes of the whole batch.
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The same batch where its log puts it; copies it once. For those who append one batch at a time: the log patches
    /// while it copies many into one buffer.
    #[must_use]
    pub fn at(&self, base_offset: Offset, leader_epoch: LeaderEpoch) -> Self {
        let mut bytes = self.bytes.to_vec();
        header::patch_base(&mut bytes, base_offset, leader_epoch);
        let header = BatchHeader { base_offset, leader_epoch: Some(leader_epoch), ..self.header };
        Self { bytes: Bytes::from(bytes), header }
    }
}

/// Why a produced batch is not appended, as the response tells it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// Kafka's code.
    pub code: ErrorCode,
    /// For `ErrorMessage` (Produce 8 and later).
    pub message: String,
    /// For `RecordErrors` (Produce 8 and later); at most [`RECORD_ERRORS_MAX`].
    pub record_errors: Vec<RecordError>,
    /// The request is at fault, not what the batch says: Kafka notices before it looks at the partition, and its answer
    /// does not name the start of the log.
    pub of_request: bool,
}

/// What is wrong with one record of a refused batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    /// Position of the record in the batch, from 0.
    pub index: i32,
    /// What is wrong with it.
    pub message: String,
}

impl Refusal {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), record_errors: Vec::new(), of_request: false }
    }

    fn of_request(self) -> Self {
        Self { of_request: true, ..self }
    }

    fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRecord, message)
    }

    pub(super) fn compression(error: CompressionError) -> Self {
        let text = error.to_string();
        match error {
            // A Java producer answers this code by splitting the batch, which is what helps.
            CompressionError::TooLarge { .. } => {
                Self::new(ErrorCode::MessageTooLarge, format!("{text}; the limit is corelog.decompressed.bytes.max"))
            }
            // The checksum is right, so sending the batch again cannot help: not CORRUPT_MESSAGE.
            CompressionError::Malformed { .. } => Self::invalid(text),
        }
    }
}

/// Checks what one partition of a Produce request holds, and rewrites it where the topic asks for it (append time,
/// `compression.type`, a maximum timestamp that is not that of its records). Without a rewrite nothing is copied.
///
/// # Errors
/// [`Refusal`]: the client's fault. The partition stays as it is.
pub fn check_produced(records: Bytes, rules: &ProduceRules, now_ms: i64) -> Result<CheckedBatch, Refusal> {
    let (header, records) = one_batch(records, rules)?;
    let codec = check_header(&header, &records, rules)?;
    let batch = CheckedBatch { bytes: records, header };
    let target = match rules.compression {
        CompressionRule::Broker { codec: target, level } if target != codec => Some((target, level)),
        _ => None,
    };
    let stored = &batch.bytes[HEADER_BYTES..];
    let limited_past = rules.timestamp_type == TimestampType::CreateTime && rules.timestamp_before_max_ms < i64::MAX;
    let must_open = rules.walk_compressed || rules.keys_required || limited_past || target.is_some();
    let opened = match codec {
        Codec::None => None,
        codec if must_open => {
            Some(compression::decompress(codec, stored, rules.decompressed_bytes_max).map_err(Refusal::compression)?)
        }
        codec => {
            check_claimed_count(&header, rules.decompressed_bytes_max)?;
            check_beginning(codec, stored)?;
            if let Some(message) = bad_timestamp(&header, header.max_timestamp, 0, rules, now_ms) {
                return Err(Refusal::new(ErrorCode::InvalidTimestamp, message));
            }
            return Ok(rewrite::finish(batch, rules.timestamp_type, header.max_timestamp, now_ms));
        }
    };
    let plain = opened.as_deref().unwrap_or(stored);
    let max_timestamp = walk(plain, &header, rules, now_ms)?;
    let batch = match target {
        Some((target, level)) => within_limit(rewrite::with_codec(&header, plain, target, level)?, rules)?,
        None => batch,
    };
    Ok(rewrite::finish(batch, rules.timestamp_type, max_timestamp, now_ms))
}

/// The one batch that `records` must hold, and its header. What follows it and is no whole batch is dropped, as Kafka does.
fn one_batch(mut records: Bytes, rules: &ProduceRules) -> Result<(BatchHeader, Bytes), Refusal> {
    let Some(need) = next_batch(&records).map_err(Refusal::of_request)? else {
        let message = match records.len() {
            0 => "a Produce request must have exactly one record batch per partition, this has none".to_owned(),
            have => format!("there is no complete record batch in {have} bytes"),
        };
        return Err(Refusal::invalid(message).of_request());
    };
    // Messages of the old formats can be shorter than a batch header.
    if let Some(magic @ (0 | 1)) = records.get(header::MAGIC_AT) {
        let message =
            format!("Produce requests of version 3 or later must have record batches of message format 2, not {magic}");
        return Err(Refusal::invalid(message).of_request());
    }
    let header = BatchHeader::parse(&records).map_err(|error| match error {
        BatchError::BaseOffset(_) => Refusal::invalid(error.to_string()),
        _ => Refusal::new(ErrorCode::CorruptMessage, format!("the record batch is corrupt: {error}")),
    })?;
    // ProduceRequest.validateRecords asks for the version before it looks for a second batch.
    if rules.produce_version < ZSTD_FROM_VERSION && header.codec() == Ok(Codec::Zstd) {
        let message = "Produce requests below version 7 cannot carry zstd";
        return Err(Refusal::new(ErrorCode::UnsupportedCompressionType, message).of_request());
    }
    if next_batch(&records[need..]).map_err(Refusal::of_request)?.is_some() {
        let message = format!(
            "a Produce request must have exactly one record batch per partition; {} bytes follow the first",
            records.len() - need
        );
        return Err(Refusal::invalid(message).of_request());
    }
    records.truncate(need);
    Ok((header, records))
}

/// Bytes of the batch that `bytes` starts with; none if it is not whole (ByteBufferLogInputStream.nextBatch).
fn next_batch(bytes: &[u8]) -> Result<Option<usize>, Refusal> {
    let Some(length) = bytes.get(8..12).and_then(|length| length.first_chunk::<4>()) else { return Ok(None) };
    let length = i32::from_be_bytes(*length);
    if length < OLD_MESSAGE_BYTES_MIN {
        let message = format!("Record size {length} is less than the minimum record overhead ({OLD_MESSAGE_BYTES_MIN})");
        return Err(Refusal::new(ErrorCode::CorruptMessage, message));
    }
    let Some(magic) = bytes.get(header::MAGIC_AT).map(|magic| *magic as i8) else { return Ok(None) };
    if !(0..=2).contains(&magic) {
        return Err(Refusal::new(ErrorCode::CorruptMessage, format!("Invalid magic found in record: {magic}")));
    }
    let need = header::LENGTH_PREFIX_BYTES + usize::try_from(length).unwrap_or(usize::MAX / 2);
    Ok((need <= bytes.len()).then_some(need))
}

/// Everything that the header alone can be refused for, the checksum included.
fn check_header(header: &BatchHeader, bytes: &[u8], rules: &ProduceRules) -> Result<Codec, Refusal> {
    if header.base_offset != Offset::ZERO {
        return Err(Refusal::invalid(format!(
            "the base offset of a produced batch must be 0, not {}",
            header.base_offset
        )));
    }
    check_size(bytes.len(), rules)?;
    header
        .verify_crc(bytes)
        .map_err(|error| Refusal::new(ErrorCode::CorruptMessage, format!("the record batch is corrupt: {error}")))?;
    let codec =
        header.codec().map_err(|error| Refusal::new(ErrorCode::UnsupportedCompressionType, error.to_string()))?;
    if header.last_offset_delta < 0 || header.records <= 0 || header.records - 1 != header.last_offset_delta {
        return Err(Refusal::invalid(format!(
            "last offset delta {} does not fit {} records",
            header.last_offset_delta, header.records
        )));
    }
    if header.is_control() {
        return Err(Refusal::invalid("clients cannot write control records"));
    }
    match header.producer_id {
        Some(id) if header.base_sequence.is_none() => {
            Err(Refusal::invalid(format!("producer id {id} comes without a sequence number")))
        }
        // Older than any epoch there can be (ProducerAppendInfo.checkProducerEpoch).
        Some(id) if header.producer_epoch.is_none() => {
            Err(Refusal::new(ErrorCode::InvalidProducerEpoch, format!("producer id {id} comes without an epoch")))
        }
        None if header.is_transactional() => Err(Refusal::invalid("a transactional batch must have a producer id")),
        _ => Ok(codec),
    }
}

fn check_size(bytes: usize, rules: &ProduceRules) -> Result<(), Refusal> {
    if bytes <= rules.max_message_bytes {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorCode::MessageTooLarge,
        format!("the record batch has {bytes} bytes; max.message.bytes of the topic is {}", rules.max_message_bytes),
    ))
}

fn within_limit(batch: CheckedBatch, rules: &ProduceRules) -> Result<CheckedBatch, Refusal> {
    check_size(batch.len(), rules)?;
    Ok(batch)
}

/// What is wrong with the timestamp of record `index`, if anything is (LogValidator.validateTimestamp). Where producers'
/// clocks count, a batch that claims append time is let pass, and is stored without that claim.
fn bad_timestamp(header: &BatchHeader, timestamp: i64, index: i32, rules: &ProduceRules, now_ms: i64) -> Option<String> {
    if rules.timestamp_type != TimestampType::CreateTime || timestamp == NO_TIMESTAMP {
        let claimed = header.timestamp_type() == TimestampType::LogAppendTime;
        return claimed.then(|| {
            "Invalid timestamp type in message. Producer should not set timestamp type to LogAppendTime.".to_owned()
        });
    }
    // Wraps as LogValidator's arithmetic does: a timestamp that far in the past counts as one in the future.
    let age_ms = now_ms.wrapping_sub(timestamp);
    if age_ms <= rules.timestamp_before_max_ms && age_ms.wrapping_neg() <= rules.timestamp_after_max_ms {
        return None;
    }
    Some(format!(
        "Timestamp {timestamp} of message with offset {index} is out of range. The timestamp should be within [{}, {}]",
        now_ms.wrapping_sub(rules.timestamp_before_max_ms),
        now_ms.wrapping_add(rules.timestamp_after_max_ms),
    ))
}

/// A count that even the largest allowed expansion could not hold; it would burn offsets.
fn check_claimed_count(header: &BatchHeader, bytes_max: usize) -> Result<(), Refusal> {
    if header.records as usize <= bytes_max / records::RECORD_BYTES_MIN {
        return Ok(());
    }
    Err(Refusal::invalid(format!("{} records cannot be in {bytes_max} bytes", header.records)))
}

/// Data of another codec, or of none, would only be found by those who read it. (A raw snappy block has no mark of its own.)
fn check_beginning(codec: Codec, stored: &[u8]) -> Result<(), Refusal> {
    if compression::begins_like(codec, stored) {
        return Ok(());
    }
    Err(Refusal::invalid(format!("the records are marked as {} data and are none", codec.name())))
}

/// Checks every record and gives the largest timestamp. The loop allocates only for records that it refuses.
fn walk(plain: &[u8], header: &BatchHeader, rules: &ProduceRules, now_ms: i64) -> Result<i64, Refusal> {
    check_claimed_count(header, plain.len())?;
    let malformed =
        |index: i32, problem: &'static str| Refusal::invalid(BatchError::Record { index, problem }.to_string());
    let mut input = plain;
    let mut max_timestamp = NO_TIMESTAMP;
    let mut errors = RecordErrors::default();
    for index in 0..header.records {
        let record = records::take_record(&mut input).map_err(|problem| malformed(index, problem))?;
        if record.offset_delta != index {
            return Err(malformed(index, "offset deltas must count up from 0"));
        }
        let timestamp = header
            .base_timestamp
            .checked_add(record.timestamp_delta)
            .ok_or_else(|| malformed(index, "timestamp out of range"))?;
        max_timestamp = max_timestamp.max(timestamp);
        if rules.keys_required && record.key.is_none() {
            errors
                .add(ErrorCode::InvalidRecord, index, || "Compacted topic cannot accept message without key".to_owned());
        } else if let Some(message) = bad_timestamp(header, timestamp, index, rules, now_ms) {
            errors.add(ErrorCode::InvalidTimestamp, index, || message);
        }
    }
    if !input.is_empty() {
        return Err(Refusal::invalid(BatchError::Trailing(input.len()).to_string()));
    }
    errors.into_result()?;
    Ok(max_timestamp)
}

/// The records that a batch is refused for.
#[derive(Default)]
struct RecordErrors {
    listed: Vec<RecordError>,
    total: usize,
    timestamps: bool,
}

impl RecordErrors {
    fn add(&mut self, code: ErrorCode, index: i32, message: impl FnOnce() -> String) {
        self.total += 1;
        self.timestamps |= code == ErrorCode::InvalidTimestamp;
        if self.listed.len() < RECORD_ERRORS_MAX {
            self.listed.push(RecordError { index, message: message() });
        }
    }

    fn into_result(self) -> Result<(), Refusal> {
        let Some(first) = self.listed.first() else {
            return Ok(());
        };
        // LogValidator.processRecordErrors: one bad timestamp decides the code of the whole batch.
        if self.timestamps {
            let refusal = Refusal::new(
                ErrorCode::InvalidTimestamp,
                "One or more records have been rejected due to invalid timestamp",
            );
            return Err(Refusal { record_errors: self.listed, ..refusal });
        }
        let message = format!(
            "One or more records have been rejected due to {} record errors in total; record {}: {}",
            self.total, first.index, first.message
        );
        Err(Refusal { record_errors: self.listed, ..Refusal::invalid(message) })
    }
}
