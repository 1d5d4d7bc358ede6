//! The settings of the group coordinator as it reads them.

use super::{Overrides, broker::Read};

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
    /// `group.coordinator.rebalance.protocols` names `consumer`.
    pub consumer_enabled: bool,
    /// `group.consumer.*`.
    pub consumer: ConsumerGroupConfig,
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
            consumer_enabled: read.list("group.coordinator.rebalance.protocols").iter().any(|protocol| protocol == "consumer"),
            consumer: ConsumerGroupConfig::read(read),
            record_bytes_max: read.size("message.max.bytes").saturating_sub(BATCH_OVERHEAD_BYTES),
        }
    }
}

/// Settings of groups of the consumer protocol (KIP-848).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerGroupConfig {
    /// `group.consumer.session.timeout.ms` and its bounds.
    pub session_timeout_ms: Bounded,
    /// `group.consumer.heartbeat.interval.ms` and its bounds.
    pub heartbeat_interval_ms: Bounded,
    /// `group.consumer.assignment.interval.ms` and its bounds.
    pub assignment_interval_ms: Bounded,
    /// `group.consumer.max.size`.
    pub max_size: usize,
    /// `group.consumer.assignors`: names.
    pub assignors: Vec<String>,
    /// `group.consumer.regex.refresh.interval.ms`.
    pub regex_refresh_ms: i64,
    /// `group.consumer.migration.policy`: classic groups become consumer groups.
    pub upgrade: bool,
    /// `group.consumer.migration.policy`: consumer groups become classic groups.
    pub downgrade: bool,
}

impl ConsumerGroupConfig {
    fn read(read: &Read<'_>) -> Self {
        let policy = read.text("group.consumer.migration.policy").to_lowercase();
        let regex_refresh_ms = read.int("group.consumer.regex.refresh.interval.ms");
        Self {
            session_timeout_ms: Bounded::read(read, "consumer.session.timeout.ms", [
                "group.consumer.session.timeout.ms",
                "group.consumer.min.session.timeout.ms",
                "group.consumer.max.session.timeout.ms",
            ]),
            heartbeat_interval_ms: Bounded::read(read, "consumer.heartbeat.interval.ms", [
                "group.consumer.heartbeat.interval.ms",
                "group.consumer.min.heartbeat.interval.ms",
                "group.consumer.max.heartbeat.interval.ms",
            ]),
            assignment_interval_ms: Bounded::read(read, "consumer.assignment.interval.ms", [
                "group.consumer.assignment.interval.ms",
                "group.consumer.min.assignment.interval.ms",
                "group.consumer.max.assignment.interval.ms",
            ]),
            max_size: read.size("group.consumer.max.size"),
            assignors: read.list("group.consumer.assignors"),
            regex_refresh_ms,
            upgrade: matches!(policy.as_str(), "bidirectional" | "upgrade"),
            downgrade: matches!(policy.as_str(), "bidirectional" | "downgrade"),
        }
    }

    /// The settings that can be set on a group, each with its broker key, default and bounds.
    pub fn bounded(&self) -> [&Bounded; 3] {
        [&self.assignment_interval_ms, &self.heartbeat_interval_ms, &self.session_timeout_ms]
    }
}

/// A setting that can be set on a group within the broker's bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounded {
    /// Its name on a group.
    pub group_key: &'static str,
    /// The broker key of its default.
    pub broker_key: &'static str,
    /// The broker keys of its bounds.
    pub bound_keys: (&'static str, &'static str),
    /// What counts where nothing is set.
    pub default: i32,
    /// The least that may be set.
    pub min: i32,
    /// The most that may be set.
    pub max: i32,
}

impl Bounded {
    fn read(read: &Read<'_>, group_key: &'static str, [broker_key, min_key, max_key]: [&'static str; 3]) -> Self {
        let int = |name| i32::try_from(read.int(name)).unwrap_or(i32::MAX);
        Self { group_key, broker_key, bound_keys: (min_key, max_key), default: int(broker_key), min: int(min_key), max: int(max_key) }
    }

    /// The value on a group with these settings. What was set under other bounds is brought within those of now.
    pub fn with(&self, set: Option<&Overrides>) -> i32 {
        let set = set.and_then(|set| set.get(self.group_key)).and_then(|text| text.trim().parse().ok());
        // Bounds that contradict each other are refused at the start.
        set.map_or(self.default, |value: i32| value.max(self.min).min(self.max))
    }
}
