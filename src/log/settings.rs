//! The configs of a topic that its logs follow.

use crate::config::TopicConfig;

/// What a log needs to know of its topic's configs. Times in milliseconds, sizes in bytes; absent limits are `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Largest segment (`segment.bytes`); also the largest batch that can be appended.
    pub segment_bytes: u64,
    /// Longest time between the first and the last batch of a segment (`segment.ms`).
    pub segment_ms: i64,
    /// At most so much is taken off `segment_ms`, differently for every segment (`segment.jitter.ms`).
    pub segment_jitter_ms: i64,
    /// Bytes of batches between two index entries (`index.interval.bytes`).
    pub index_interval_bytes: u64,
    /// Largest index file; a full index ends the segment (`segment.index.bytes`).
    pub segment_index_bytes: u64,
    /// Old segments are deleted at all (`cleanup.policy` contains `delete`).
    pub delete: bool,
    /// Records of a key may go when a newer one is there (`cleanup.policy` contains `compact`): offsets may then have gaps
    /// between segments.
    pub compact: bool,
    /// Age of the newest record from which on a segment is deleted (`retention.ms`).
    pub retention_ms: Option<i64>,
    /// Size of the log that is kept (`retention.bytes`).
    pub retention_bytes: Option<u64>,
    /// How long a deleted file stays under its `.deleted` name (`file.delete.delay.ms`).
    pub file_delete_delay_ms: u64,
}

impl Default for LogSettings {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 604_800_000,
            segment_jitter_ms: 0,
            index_interval_bytes: 4096,
            segment_index_bytes: 10 << 20,
            delete: true,
            compact: false,
            retention_ms: Some(604_800_000),
            retention_bytes: None,
            file_delete_delay_ms: 60_000,
        }
    }
}

impl From<&TopicConfig> for LogSettings {
    fn from(config: &TopicConfig) -> Self {
        Self {
            segment_bytes: config.segment_bytes as u64,
            segment_ms: config.segment_ms,
            segment_jitter_ms: config.segment_jitter_ms,
            index_interval_bytes: config.index_interval_bytes,
            segment_index_bytes: config.segment_index_bytes as u64,
            delete: config.cleanup_policy.delete,
            compact: config.cleanup_policy.compact,
            retention_ms: config.retention_ms,
            retention_bytes: config.retention_bytes,
            file_delete_delay_ms: config.file_delete_delay_ms,
        }
    }
}
