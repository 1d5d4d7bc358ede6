//! Rewriting a checked batch: the broker's clock, another codec. All of it changes the checksum, so it copies.

use bytes::Bytes;

use crate::types::ErrorCode;

use super::{BatchHeader, CheckedBatch, Codec, HEADER_BYTES, Refusal, TimestampType, builder, compression, header};

/// `batch` with the broker's clock: timestamp type LogAppendTime and `now_ms` for every record. Record timestamps
/// inside stay as they are; readers do not look at them.
#[must_use]
pub fn stamp_append_time(batch: &CheckedBatch, now_ms: i64) -> CheckedBatch {
    with_timestamps(batch, TimestampType::LogAppendTime, now_ms)
}

/// `batch` with its records compressed by `codec`; the same batch if they are already. Records may take
/// `decompressed_max` bytes.
///
/// # Errors
/// [`Refusal`] if the records do not decompress within the cap.
pub fn recompress(
    batch: &CheckedBatch,
    codec: Codec,
    level: Option<i32>,
    decompressed_max: usize,
) -> Result<CheckedBatch, Refusal> {
    let stored = &batch.bytes()[HEADER_BYTES..];
    match batch.header().codec() {
        Ok(from) if from == codec => Ok(batch.clone()),
        Ok(from) => {
            let plain = compression::decompress(from, stored, decompressed_max).map_err(Refusal::compression)?;
            with_codec(batch.header(), &plain, codec, level)
        }
        Err(error) => Err(Refusal::new(ErrorCode::UnsupportedCompressionType, error.to_string())),
    }
}

/// A batch of the uncompressed records `plain`, else as `header` says, compressed by `codec`.
pub(super) fn with_codec(
    header: &BatchHeader,
    plain: &[u8],
    codec: Codec,
    level: Option<i32>,
) -> Result<CheckedBatch, Refusal> {
    let compressed = compression::compress(codec, level, plain).map_err(Refusal::compression)?;
    if i32::try_from(HEADER_BYTES + compressed.len()).is_err() {
        return Err(Refusal::new(ErrorCode::MessageTooLarge, "the recompressed batch would pass 2 GiB"));
    }
    let attributes = header.attributes & !header::CODEC_MASK | i16::from(codec.id());
    let (header, bytes) = builder::assemble(BatchHeader { attributes, ..*header }, &compressed);
    Ok(CheckedBatch::rewritten(bytes, header))
}

/// The last step of every check: the topic's clock, or the maximum timestamp that the records really have.
pub(super) fn finish(batch: CheckedBatch, topic: TimestampType, max_timestamp: i64, now_ms: i64) -> CheckedBatch {
    match topic {
        TimestampType::LogAppendTime => stamp_append_time(&batch, now_ms),
        TimestampType::CreateTime
            if batch.header().max_timestamp == max_timestamp && batch.header().timestamp_type() == topic =>
        {
            batch
        }
        TimestampType::CreateTime => with_timestamps(&batch, topic, max_timestamp),
    }
}

fn with_timestamps(batch: &CheckedBatch, kind: TimestampType, max_timestamp: i64) -> CheckedBatch {
    let flag = if kind == TimestampType::LogAppendTime { header::LOG_APPEND_TIME } else { 0 };
    let attributes = batch.header().attributes & !header::LOG_APPEND_TIME | flag;
    let changed = BatchHeader { attributes, max_timestamp, ..*batch.header() };
    let mut bytes = batch.bytes().to_vec();
    bytes[..HEADER_BYTES].copy_from_slice(&changed.encode());
    let crc = header::seal(&mut bytes);
    CheckedBatch::rewritten(Bytes::from(bytes), BatchHeader { crc, ..changed })
}
