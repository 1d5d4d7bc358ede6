//! Topic configs (LogConfig.java) and the broker configs that are their defaults (ServerTopicConfigSynonyms.java).

use crate::config::{Key, Valid};

/// A topic key and where its default comes from.
#[derive(Clone, Copy, Debug)]
pub struct TopicKey {
    /// The key itself.
    pub key: Key,
    /// The broker keys that set its default; the first that is set wins.
    pub synonyms: &'static [Synonym],
}

/// A broker key that sets the default of a topic key.
#[derive(Clone, Copy, Debug)]
pub struct Synonym {
    /// Name of the broker key.
    pub name: &'static str,
    /// From its unit to the topic key's.
    pub scale: Scale,
}

/// How the unit of a broker key becomes that of the topic key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// It is the same.
    Same,
    /// Minutes to milliseconds; negative numbers mean without a limit and become -1.
    Minutes,
    /// Hours to milliseconds; negative numbers mean without a limit and become -1.
    Hours,
}

impl Scale {
    /// `value` in the topic key's unit.
    pub fn apply(self, value: i64) -> i64 {
        let factor = match self {
            Scale::Same => return value,
            Scale::Minutes => 60_000,
            Scale::Hours => 3_600_000,
        };
        if value < 0 { -1 } else { value.saturating_mul(factor) }
    }
}

const NEVER: &str = "9223372036854775807";
const NO_REPLICAS: &str = "one node has no other replicas whose traffic could be throttled";
const NO_COMPACTION: &str = "it tunes compaction, and topics with cleanup.policy=compact are refused until that exists";
const NO_TIERED: &str = "tiered storage is not supported; the log is all local";

const fn same(name: &'static str) -> Synonym {
    Synonym { name, scale: Scale::Same }
}

const fn row(key: Key, synonyms: &'static [Synonym]) -> TopicKey {
    TopicKey { key, synonyms }
}

pub(super) const KEYS: &[TopicKey] = &[
    row(
        Key::list("cleanup.policy", "delete", "What happens to old segments: delete removes them when retention.ms or retention.bytes is passed; empty keeps them for ever.")
            .valid(Valid::Subset(&["compact", "delete"]))
            .refused_but(&[""], "log compaction is not supported yet: the only policies are delete and none at all"),
        &[same("log.cleanup.policy")],
    ),
    row(
        Key::int("compression.gzip.level", "-1", "Level when compression.type is gzip: 1 (fast) to 9 (small); -1 is 6.").valid(Valid::RangeOr(1, 9, -1)),
        &[same("compression.gzip.level")],
    ),
    row(
        Key::int("compression.lz4.level", "9", "Level when compression.type is lz4. The encoder here has one level, the fast one, whatever this says.")
            .valid(Valid::Range(1, 17))
            .refused("the LZ4 encoder has a single level; leave the default"),
        &[same("compression.lz4.level")],
    ),
    row(
        Key::text("compression.type", "producer", "How batches are stored: as the producer sent them (producer), without compression (uncompressed), or compressed by the broker with the codec named here.")
            .valid(Valid::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"])),
        &[same("compression.type")],
    ),
    row(
        Key::int("compression.zstd.level", "3", "Level when compression.type is zstd: higher is smaller and slower.").valid(Valid::Range(-131_072, 22)),
        &[same("compression.zstd.level")],
    ),
    row(
        Key::new("corelog.acks.all", crate::config::Kind::Text, "flushed", "When a produce with acks=all is answered and readers see its records: flushed (on the device) or written (handed to the device; flushes follow flush.messages and flush.ms, and a power loss can take acknowledged records).")
            .valid(Valid::OneOf(&["flushed", "written"])),
        &[same("corelog.acks.all")],
    ),
    row(
        Key::long("delete.retention.ms", "86400000", "Milliseconds that compaction keeps the mark of a deleted key.").min(0).no_effect(NO_COMPACTION),
        &[same("log.cleaner.delete.retention.ms")],
    ),
    row(
        Key::long("file.delete.delay.ms", "60000", "Milliseconds that the files of a deleted segment stay on disk, renamed.").min(0),
        &[same("log.segment.delete.delay.ms")],
    ),
    row(
        Key::long("flush.messages", NEVER, "Flush after this many records, when corelog.acks.all=written; otherwise every acknowledged record is flushed anyway.").min(1),
        &[same("log.flush.interval.messages")],
    ),
    row(
        Key::long("flush.ms", NEVER, "Flush after this many milliseconds, when corelog.acks.all=written; otherwise every acknowledged record is flushed anyway.").min(0),
        &[same("log.flush.interval.ms"), same("log.flush.scheduler.interval.ms")],
    ),
    row(
        Key::list("follower.replication.throttled.replicas", "", "Replicas whose traffic as followers is throttled: partition:broker,... or *.")
            .valid(Valid::ThrottledReplicas)
            .no_effect(NO_REPLICAS),
        &[],
    ),
    row(
        Key::int("index.interval.bytes", "4096", "Bytes of log per entry of the offset and time index.").min(0),
        &[same("log.index.interval.bytes")],
    ),
    row(
        Key::list("leader.replication.throttled.replicas", "", "Replicas whose traffic as leaders is throttled: partition:broker,... or *.")
            .valid(Valid::ThrottledReplicas)
            .no_effect(NO_REPLICAS),
        &[],
    ),
    row(
        Key::long("local.retention.bytes", "-2", "Bytes of a partition kept locally with tiered storage; -2 is retention.bytes.").min(-2).no_effect(NO_TIERED),
        &[same("log.local.retention.bytes")],
    ),
    row(
        Key::long("local.retention.ms", "-2", "Milliseconds of a partition kept locally with tiered storage; -2 is retention.ms.").min(-2).no_effect(NO_TIERED),
        &[same("log.local.retention.ms")],
    ),
    row(
        Key::long("max.compaction.lag.ms", NEVER, "Milliseconds after which a record must be compacted.").min(1).no_effect(NO_COMPACTION),
        &[same("log.cleaner.max.compaction.lag.ms")],
    ),
    row(
        Key::int("max.message.bytes", "1048588", "Largest record batch in bytes, after compression; a larger one is refused with MESSAGE_TOO_LARGE.").min(0),
        &[same("message.max.bytes")],
    ),
    row(
        Key::long("message.timestamp.after.max.ms", "3600000", "Milliseconds that a record's timestamp may lie after the broker's clock (CreateTime only).").min(0),
        &[same("log.message.timestamp.after.max.ms")],
    ),
    row(
        Key::long("message.timestamp.before.max.ms", NEVER, "Milliseconds that a record's timestamp may lie before the broker's clock (CreateTime only).").min(0),
        &[same("log.message.timestamp.before.max.ms")],
    ),
    row(
        Key::text("message.timestamp.type", "CreateTime", "Whose clock record timestamps show: the producer's (CreateTime) or the broker's (LogAppendTime).")
            .valid(Valid::OneOf(&["CreateTime", "LogAppendTime"])),
        &[same("log.message.timestamp.type")],
    ),
    row(
        Key::double("min.cleanable.dirty.ratio", "0.5", "Share of uncompacted log from which compaction runs.").valid(Valid::Fraction).no_effect(NO_COMPACTION),
        &[same("log.cleaner.min.cleanable.ratio")],
    ),
    row(
        Key::long("min.compaction.lag.ms", "0", "Milliseconds before which a record is not compacted.").min(0).no_effect(NO_COMPACTION),
        &[same("log.cleaner.min.compaction.lag.ms")],
    ),
    row(
        Key::int("min.insync.replicas", "1", "Replicas that must be in sync for a produce with acks=all; with fewer it is refused with NOT_ENOUGH_REPLICAS.").min(1),
        &[same("min.insync.replicas")],
    ),
    row(
        Key::bool("preallocate", "false", "Reserve the whole segment file at once. The file ahead of the log end is always written in advance here, in steps.")
            .no_effect("every segment is written ahead of the log end anyway, and trimmed when it is sealed"),
        &[same("log.preallocate")],
    ),
    row(
        Key::bool("remote.log.copy.disable", "false", "Stop copying to tiered storage.").no_effect(NO_TIERED),
        &[],
    ),
    row(
        Key::bool("remote.log.delete.on.disable", "false", "Delete the tiered log when tiered storage is switched off.").no_effect(NO_TIERED),
        &[],
    ),
    row(
        Key::bool("remote.storage.enable", "false", "Move old segments to tiered storage.").refused("tiered storage is not supported"),
        &[],
    ),
    row(
        Key::long("retention.bytes", "-1", "Bytes of a partition above which its oldest segments are deleted; -1 is no limit."),
        &[same("log.retention.bytes")],
    ),
    row(
        Key::long("retention.ms", "604800000", "Milliseconds after which a segment is deleted, counted from its newest record; -1 is no limit.").min(-1),
        &[
            same("log.retention.ms"),
            Synonym { name: "log.retention.minutes", scale: Scale::Minutes },
            Synonym { name: "log.retention.hours", scale: Scale::Hours },
        ],
    ),
    row(
        Key::int("segment.bytes", "1073741824", "Largest size of a segment file in bytes.").min(1_048_576),
        &[same("log.segment.bytes")],
    ),
    row(
        Key::int("segment.index.bytes", "10485760", "Largest size of a segment's index in bytes; a full index starts a new segment.").min(4),
        &[same("log.index.size.max.bytes")],
    ),
    row(
        Key::long("segment.jitter.ms", "0", "Most milliseconds, chosen at random per segment, that segment.ms is shortened by.").min(0),
        &[same("log.roll.jitter.ms"), Synonym { name: "log.roll.jitter.hours", scale: Scale::Hours }],
    ),
    row(
        Key::long("segment.ms", "604800000", "Milliseconds after which a new segment is started even if the old one is not full.").min(1),
        &[same("log.roll.ms"), Synonym { name: "log.roll.hours", scale: Scale::Hours }],
    ),
    row(
        Key::bool("unclean.leader.election.enable", "false", "Let a replica lead that may lack acknowledged records.")
            .no_effect("with one replica there is no other that could lead"),
        &[same("unclean.leader.election.enable")],
    ),
];
