//! The configs of one topic as the rest of the broker reads them.

use super::{
    BrokerConfig, Dynamic, Overrides, Value, keys,
    keys::TopicKey,
    resolve::{self, Candidate},
};

/// What happens to old segments (`cleanup.policy`). Both false: they stay for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// They are deleted by age and size.
    pub delete: bool,
    /// The last record of each key is kept. Refused from clients for now; a topic that another broker made may have it,
    /// and its log must then not be deleted from unless `delete` is set too.
    pub compact: bool,
}

/// How batches are stored (`compression.type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As the producer sent them.
    Producer,
    /// Compressed by the broker.
    Broker {
        /// Number of the codec in batch attributes: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
        codec_id: u8,
        /// Its level; `None` is the codec's default.
        level: Option<i32>,
    },
}

/// Whose clock record timestamps show (`message.timestamp.type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's.
    LogAppendTime,
}

/// When acks=all is answered (`corelog.acks.all`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcksAll {
    /// When the records are on the device.
    Flushed,
    /// When the write is complete; flushes follow `flush.messages` and `flush.ms`.
    Written,
}

/// Every config of a topic. Absent limits are `None`; times in milliseconds, sizes in bytes.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each field is the Kafka config of that name, documented in keys/topic.rs")]
pub struct TopicConfig {
    pub cleanup_policy: CleanupPolicy,
    pub compression: Compression,
    /// `corelog.acks.all`.
    pub acks_all: AcksAll,
    pub delete_retention_ms: i64,
    pub file_delete_delay_ms: u64,
    /// `i64::MAX`: never.
    pub flush_messages: i64,
    /// `i64::MAX`: never.
    pub flush_ms: i64,
    pub follower_replication_throttled_replicas: Vec<String>,
    pub index_interval_bytes: u64,
    pub leader_replication_throttled_replicas: Vec<String>,
    pub local_retention_bytes: i64,
    pub local_retention_ms: i64,
    pub max_compaction_lag_ms: i64,
    pub max_message_bytes: usize,
    pub message_timestamp_after_max_ms: i64,
    /// `i64::MAX`: no limit.
    pub message_timestamp_before_max_ms: i64,
    pub message_timestamp_type: TimestampType,
    pub min_cleanable_dirty_ratio: f64,
    pub min_compaction_lag_ms: i64,
    pub min_insync_replicas: i32,
    pub preallocate: bool,
    pub remote_log_copy_disable: bool,
    pub remote_log_delete_on_disable: bool,
    pub remote_storage_enable: bool,
    /// `None`: no limit.
    pub retention_bytes: Option<u64>,
    /// `None`: no limit.
    pub retention_ms: Option<i64>,
    pub segment_bytes: usize,
    pub segment_index_bytes: usize,
    pub segment_jitter_ms: i64,
    pub segment_ms: i64,
    pub unclean_leader_election_enable: bool,
    levels: Levels,
    codec: Codec,
}

/// The levels that `compression` takes its own from.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Levels {
    gzip: i32,
    lz4: i32,
    zstd: i32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Codec {
    Producer,
    Uncompressed,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Default for TopicConfig {
    /// Kafka's defaults.
    fn default() -> Self {
        let mut config = Self::blank();
        for row in keys::TOPIC {
            if let Some(value) = row.key.default_value() {
                config.set(row.key.name, &value);
            }
        }
        config
    }
}

impl TopicConfig {
    /// What a topic without configs of its own has, on this broker. Changes only when a dynamic broker config does.
    pub fn defaults(broker: &BrokerConfig, dynamic: Dynamic<'_>) -> Self {
        let mut config = Self::default();
        for row in keys::TOPIC {
            if let Some(value) = default_of(broker, dynamic, row) {
                config.set(row.key.name, &value);
            }
        }
        config
    }

    /// These defaults with what is set on a topic. What does not parse or is unknown, as a newer broker may have stored
    /// it, is passed over: what clients may set is checked when they set it.
    #[must_use]
    pub fn with(&self, topic: &Overrides) -> Self {
        let mut config = self.clone();
        for (name, text) in topic {
            if let Some(value) = keys::topic(name).and_then(|row| row.key.parse(text).ok()) {
                config.set(name, &value);
            }
        }
        config
    }

    /// The configs of a topic: [`TopicConfig::defaults`] and [`TopicConfig::with`] in one step. Who resolves many
    /// topics computes the defaults once.
    pub fn resolve(broker: &BrokerConfig, dynamic: Dynamic<'_>, topic: &Overrides) -> Self {
        Self::defaults(broker, dynamic).with(topic)
    }

    /// Checks that hold between configs (LogConfig.validateValues).
    ///
    /// # Errors
    /// What contradicts what.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.min_compaction_lag_ms > self.max_compaction_lag_ms {
            return Err(format!(
                "conflict topic config setting min.compaction.lag.ms ({}) > max.compaction.lag.ms ({})",
                self.min_compaction_lag_ms, self.max_compaction_lag_ms
            ));
        }
        Ok(())
    }

    /// Takes over one value; false if no field has that name.
    pub(super) fn set(&mut self, name: &str, value: &Value) -> bool {
        if self.set_storage(name, value) || self.set_time(name, value) || self.set_other(name, value) {
            self.compression = self.compression_of();
            return true;
        }
        false
    }

    fn set_storage(&mut self, name: &str, value: &Value) -> bool {
        match name {
            "cleanup.policy" => {
                let has = |word: &str| value.list().iter().any(|entry| entry == word);
                self.cleanup_policy = CleanupPolicy { delete: has("delete"), compact: has("compact") };
            }
            "compression.type" => {
                self.codec = match value.text() {
                    "uncompressed" => Codec::Uncompressed,
                    "gzip" => Codec::Gzip,
                    "snappy" => Codec::Snappy,
                    "lz4" => Codec::Lz4,
                    "zstd" => Codec::Zstd,
                    _ => Codec::Producer,
                }
            }
            "compression.gzip.level" => self.levels.gzip = int(value),
            "compression.lz4.level" => self.levels.lz4 = int(value),
            "compression.zstd.level" => self.levels.zstd = int(value),
            "index.interval.bytes" => self.index_interval_bytes = value.int().unsigned_abs(),
            "local.retention.bytes" => self.local_retention_bytes = value.int(),
            "max.message.bytes" => self.max_message_bytes = size(value),
            "preallocate" => self.preallocate = value.bool(),
            "retention.bytes" => self.retention_bytes = u64::try_from(value.int()).ok(),
            "segment.bytes" => self.segment_bytes = size(value),
            "segment.index.bytes" => self.segment_index_bytes = size(value),
            "remote.log.copy.disable" => self.remote_log_copy_disable = value.bool(),
            "remote.log.delete.on.disable" => self.remote_log_delete_on_disable = value.bool(),
            "remote.storage.enable" => self.remote_storage_enable = value.bool(),
            _ => return false,
        }
        true
    }

    fn set_time(&mut self, name: &str, value: &Value) -> bool {
        match name {
            "delete.retention.ms" => self.delete_retention_ms = value.int(),
            "file.delete.delay.ms" => self.file_delete_delay_ms = value.int().unsigned_abs(),
            "flush.ms" => self.flush_ms = value.int(),
            "local.retention.ms" => self.local_retention_ms = value.int(),
            "max.compaction.lag.ms" => self.max_compaction_lag_ms = value.int(),
            "message.timestamp.after.max.ms" => self.message_timestamp_after_max_ms = value.int(),
            "message.timestamp.before.max.ms" => self.message_timestamp_before_max_ms = value.int(),
            "message.timestamp.type" => {
                self.message_timestamp_type = match value.text() {
                    "LogAppendTime" => TimestampType::LogAppendTime,
                    _ => TimestampType::CreateTime,
                }
            }
            "min.compaction.lag.ms" => self.min_compaction_lag_ms = value.int(),
            "retention.ms" => self.retention_ms = Some(value.int()).filter(|limit| *limit >= 0),
            "segment.jitter.ms" => self.segment_jitter_ms = value.int(),
            "segment.ms" => self.segment_ms = value.int(),
            _ => return false,
        }
        true
    }

    fn set_other(&mut self, name: &str, value: &Value) -> bool {
        match name {
            "corelog.acks.all" => {
                self.acks_all = match value.text() {
                    "written" => AcksAll::Written,
                    _ => AcksAll::Flushed,
                }
            }
            "flush.messages" => self.flush_messages = value.int(),
            "follower.replication.throttled.replicas" => {
                self.follower_replication_throttled_replicas = value.list().to_vec();
            }
            "leader.replication.throttled.replicas" => {
                self.leader_replication_throttled_replicas = value.list().to_vec();
            }
            "min.cleanable.dirty.ratio" => self.min_cleanable_dirty_ratio = value.double(),
            "min.insync.replicas" => self.min_insync_replicas = int(value),
            "unclean.leader.election.enable" => self.unclean_leader_election_enable = value.bool(),
            _ => return false,
        }
        true
    }

    fn compression_of(&self) -> Compression {
        match self.codec {
            Codec::Producer => Compression::Producer,
            Codec::Uncompressed => Compression::Broker { codec_id: 0, level: None },
            // -1 is the codec's own default.
            Codec::Gzip => {
                Compression::Broker { codec_id: 1, level: Some(self.levels.gzip).filter(|level| *level > 0) }
            }
            Codec::Snappy => Compression::Broker { codec_id: 2, level: None },
            Codec::Lz4 => Compression::Broker { codec_id: 3, level: Some(self.levels.lz4) },
            Codec::Zstd => Compression::Broker { codec_id: 4, level: Some(self.levels.zstd) },
        }
    }

    /// Values that `default` replaces by those of the table.
    fn blank() -> Self {
        Self {
            cleanup_policy: CleanupPolicy::default(),
            compression: Compression::Producer,
            acks_all: AcksAll::Flushed,
            delete_retention_ms: 0,
            file_delete_delay_ms: 0,
            flush_messages: i64::MAX,
            flush_ms: i64::MAX,
            follower_replication_throttled_replicas: Vec::new(),
            index_interval_bytes: 0,
            leader_replication_throttled_replicas: Vec::new(),
            local_retention_bytes: 0,
            local_retention_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            max_message_bytes: 0,
            message_timestamp_after_max_ms: 0,
            message_timestamp_before_max_ms: 0,
            message_timestamp_type: TimestampType::CreateTime,
            min_cleanable_dirty_ratio: 0.0,
            min_compaction_lag_ms: 0,
            min_insync_replicas: 0,
            preallocate: false,
            remote_log_copy_disable: false,
            remote_log_delete_on_disable: false,
            remote_storage_enable: false,
            retention_bytes: None,
            retention_ms: None,
            segment_bytes: 0,
            segment_index_bytes: 0,
            segment_jitter_ms: 0,
            segment_ms: 0,
            unclean_leader_election_enable: false,
            levels: Levels { gzip: -1, lz4: 0, zstd: 0 },
            codec: Codec::Producer,
        }
    }
}

/// What a topic key is on this broker if the topic does not set it.
pub(super) fn default_of(broker: &BrokerConfig, dynamic: Dynamic<'_>, row: &TopicKey) -> Option<Value> {
    resolve::candidates(broker.layers(), dynamic, row.synonyms)
        .iter()
        .find_map(Candidate::value)
        .or_else(|| row.key.default_value())
}

fn int(value: &Value) -> i32 {
    // Invariant: the table says that the value is an INT, which parsing checked.
    i32::try_from(value.int()).unwrap_or(0)
}

fn size(value: &Value) -> usize {
    usize::try_from(value.int()).unwrap_or(0)
}
