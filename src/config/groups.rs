//! The settings of the group coordinator as it reads them.

use super::broker::Read;

/// What a record needs in its batch besides itself, so that it fits `message.max.bytes`.
const BATCH_OVERHEAD_BYTES: usize = 128;

/// Settings of groups and of their topic. Times in milliseconds, sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.initial.rebalance.delay.ms`.
    pub initial_rebalance_delay_ms: i32,
    /// `group.min.session.timeout.ms`.
    pub min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`.
    pub max_session_timeout_ms: i32,
    /// `group.max.size`.
    pub max_size: usize,
    /// `offset.metadata.max.bytes`.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`, in milliseconds.
    pub offsets_retention_ms: i64,
    /// `offsets.retention.check.interval.ms`.
    pub offsets_retention_check_interval_ms: u64,
    /// `offsets.topic.num.partitions`.
    pub offsets_topic_partitions: i32,
    /// `offsets.topic.segment.bytes`.
    pub offsets_topic_segment_bytes: i64,
    /// `offsets.topic.compression.codec`: number of the codec.
    pub offsets_topic_codec_id: u8,
    /// `offsets.load.buffer.size`.
    pub offsets_load_bytes: usize,
    /// Largest record of the offsets topic: what `message.max.bytes` leaves.
    pub record_bytes_max: usize,
}

impl GroupConfig {
    pub(super) fn read(read: &Read<'_>) -> Self {
        let int = |name| i32::try_from(read.int(name)).unwrap_or(i32::MAX);
        Self {
            initial_rebalance_delay_ms: int("group.initial.rebalance.delay.ms"),
            min_session_timeout_ms: int("group.min.session.timeout.ms"),
            max_session_timeout_ms: int("group.max.session.timeout.ms"),
            max_size: read.size("group.max.size"),
            offset_metadata_max_bytes: read.size("offset.metadata.max.bytes"),
            offsets_retention_ms: read.int("offsets.retention.minutes").saturating_mul(60_000),
            offsets_retention_check_interval_ms: read.ms("offsets.retention.check.interval.ms"),
            offsets_topic_partitions: int("offsets.topic.num.partitions"),
            offsets_topic_segment_bytes: read.int("offsets.topic.segment.bytes"),
            offsets_topic_codec_id: u8::try_from(read.int("offsets.topic.compression.codec")).unwrap_or(0),
            offsets_load_bytes: read.size("offsets.load.buffer.size"),
            record_bytes_max: read.size("message.max.bytes").saturating_sub(BATCH_OVERHEAD_BYTES),
        }
    }
}
