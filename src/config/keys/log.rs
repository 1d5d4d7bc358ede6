//! Broker keys of logs: where they are, and what topics take as their defaults.

use crate::config::{Key, Valid};

const NEVER: &str = "9223372036854775807";
const NO_COMPACTION: &str = "it tunes compaction, which does not exist yet";
const CODECS: &[&str] = &["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"];

pub(super) const KEYS: &[Key] = &[
    Key::list("log.dirs", "", "Folders of the logs, comma-separated. If unset, log.dir.").null(),
    Key::list("log.dir", "./corelog-data", "Folder of the logs, used if log.dirs is unset."),
    Key::list("cordoned.log.dirs", "", "Folders that get no new partitions.").refused("folders cannot be cordoned yet"),
    Key::text("metadata.log.dir", "", "Folder of the metadata log; the first of log.dirs if unset.").null(),
    Key::text("compression.type", "producer", "Default of the topic config compression.type.")
        .valid(Valid::OneOf(CODECS))
        .dynamic(),
    Key::int("compression.gzip.level", "-1", "Default of the topic config compression.gzip.level.")
        .valid(Valid::RangeOr(1, 9, -1))
        .dynamic(),
    Key::int("compression.lz4.level", "9", "Default of the topic config compression.lz4.level.")
        .valid(Valid::Range(1, 17))
        .refused("the LZ4 encoder has a single level; leave the default")
        .dynamic(),
    Key::int("compression.zstd.level", "3", "Default of the topic config compression.zstd.level.")
        .valid(Valid::Range(-131_072, 22))
        .dynamic(),
    Key::list("log.cleanup.policy", "delete", "Default of the topic config cleanup.policy.")
        .valid(Valid::Subset(&["compact", "delete"]))
        .refused_but(&[""], "log compaction is not supported yet: the only policies are delete and none at all")
        .dynamic(),
    Key::long("log.flush.interval.messages", NEVER, "Default of the topic config flush.messages.").min(1).dynamic(),
    Key::long(
        "log.flush.interval.ms",
        "",
        "Default of the topic config flush.ms; log.flush.scheduler.interval.ms if unset.",
    )
    .null()
    .min(0)
    .dynamic(),
    Key::long(
        "log.flush.scheduler.interval.ms",
        NEVER,
        "Default of the topic config flush.ms if log.flush.interval.ms is unset.",
    ),
    Key::int(
        "log.flush.offset.checkpoint.interval.ms",
        "60000",
        "Milliseconds between writes of the recovery point checkpoint.",
    )
    .min(0),
    Key::int(
        "log.flush.start.offset.checkpoint.interval.ms",
        "60000",
        "Milliseconds between writes of the log start offset checkpoint.",
    )
    .min(0),
    Key::int("log.index.interval.bytes", "4096", "Default of the topic config index.interval.bytes.").min(0).dynamic(),
    Key::int("log.index.size.max.bytes", "10485760", "Default of the topic config segment.index.bytes.")
        .min(4)
        .dynamic(),
    Key::long("log.local.retention.bytes", "-2", "Default of the topic config local.retention.bytes.")
        .min(-2)
        .no_effect("tiered storage is not supported")
        .dynamic(),
    Key::long("log.local.retention.ms", "-2", "Default of the topic config local.retention.ms.")
        .min(-2)
        .no_effect("tiered storage is not supported")
        .dynamic(),
    Key::long(
        "log.message.timestamp.after.max.ms",
        "3600000",
        "Default of the topic config message.timestamp.after.max.ms.",
    )
    .min(0)
    .dynamic(),
    Key::long(
        "log.message.timestamp.before.max.ms",
        NEVER,
        "Default of the topic config message.timestamp.before.max.ms.",
    )
    .min(0)
    .dynamic(),
    Key::text("log.message.timestamp.type", "CreateTime", "Default of the topic config message.timestamp.type.")
        .valid(Valid::OneOf(&["CreateTime", "LogAppendTime"]))
        .dynamic(),
    Key::bool("log.preallocate", "false", "Default of the topic config preallocate.")
        .no_effect("every segment is written ahead of the log end anyway")
        .dynamic(),
    Key::long("log.retention.bytes", "-1", "Default of the topic config retention.bytes.").dynamic(),
    Key::long(
        "log.retention.ms",
        "",
        "Default of the topic config retention.ms; before log.retention.minutes and log.retention.hours.",
    )
    .null()
    .valid(Valid::RangeOr(1, i64::MAX, -1))
    .dynamic(),
    Key::int(
        "log.retention.minutes",
        "",
        "Default of the topic config retention.ms in minutes, if log.retention.ms is unset.",
    )
    .null()
    .valid(Valid::RangeOr(1, i32::MAX as i64, -1)),
    Key::int(
        "log.retention.hours",
        "168",
        "Default of the topic config retention.ms in hours, if log.retention.ms and log.retention.minutes are unset.",
    )
    .valid(Valid::RangeOr(1, i32::MAX as i64, -1)),
    Key::long("log.retention.check.interval.ms", "300000", "Milliseconds between searches for segments to delete.")
        .min(1),
    Key::long("log.roll.ms", "", "Default of the topic config segment.ms; before log.roll.hours.")
        .null()
        .min(1)
        .dynamic(),
    Key::int("log.roll.hours", "168", "Default of the topic config segment.ms in hours, if log.roll.ms is unset.")
        .min(1),
    Key::long("log.roll.jitter.ms", "", "Default of the topic config segment.jitter.ms; before log.roll.jitter.hours.")
        .null()
        .min(0)
        .dynamic(),
    Key::int(
        "log.roll.jitter.hours",
        "0",
        "Default of the topic config segment.jitter.ms in hours, if log.roll.jitter.ms is unset.",
    )
    .min(0),
    Key::int("log.segment.bytes", "1073741824", "Default of the topic config segment.bytes.").min(1_048_576).dynamic(),
    Key::long("log.segment.delete.delay.ms", "60000", "Default of the topic config file.delete.delay.ms.")
        .min(0)
        .dynamic(),
    Key::int("message.max.bytes", "1048588", "Default of the topic config max.message.bytes.").min(0).dynamic(),
    Key::int("min.insync.replicas", "1", "Default of the topic config min.insync.replicas.").min(1).dynamic(),
    Key::bool("unclean.leader.election.enable", "false", "Default of the topic config unclean.leader.election.enable.")
        .no_effect("with one replica there is no other that could lead")
        .dynamic(),
    Key::long("log.cleaner.delete.retention.ms", "86400000", "Default of the topic config delete.retention.ms.")
        .min(0)
        .no_effect(NO_COMPACTION)
        .dynamic(),
    Key::long("log.cleaner.max.compaction.lag.ms", NEVER, "Default of the topic config max.compaction.lag.ms.")
        .min(1)
        .no_effect(NO_COMPACTION)
        .dynamic(),
    Key::double("log.cleaner.min.cleanable.ratio", "0.5", "Default of the topic config min.cleanable.dirty.ratio.")
        .valid(Valid::Fraction)
        .no_effect(NO_COMPACTION)
        .dynamic(),
    Key::long("log.cleaner.min.compaction.lag.ms", "0", "Default of the topic config min.compaction.lag.ms.")
        .min(0)
        .no_effect(NO_COMPACTION)
        .dynamic(),
    Key::long("log.cleaner.backoff.ms", "15000", "Milliseconds that an idle cleaner sleeps.")
        .min(0)
        .no_effect(NO_COMPACTION),
    Key::long("log.cleaner.dedupe.buffer.size", "134217728", "Bytes of memory for compaction.")
        .no_effect(NO_COMPACTION),
    Key::bool("log.cleaner.enable", "true", "Run compaction.").no_effect(NO_COMPACTION),
    Key::double("log.cleaner.io.buffer.load.factor", "0.9", "How full compaction's table may be.")
        .no_effect(NO_COMPACTION),
    Key::int("log.cleaner.io.buffer.size", "524288", "Bytes of compaction's I/O buffers.")
        .min(0)
        .no_effect(NO_COMPACTION),
    Key::double("log.cleaner.io.max.bytes.per.second", "1.7976931348623157E308", "Bytes per second of compaction.")
        .no_effect(NO_COMPACTION),
    Key::int("log.cleaner.threads", "1", "Threads of compaction.").min(0).no_effect(NO_COMPACTION),
    Key::long(
        "log.dir.failure.timeout.ms",
        "30000",
        "Milliseconds to wait for the controller to learn of a failed log folder.",
    )
    .min(1)
    .no_effect("the controller is in the same process"),
    Key::long("log.initial.task.delay.ms", "30000", "Milliseconds from the start to the first background task.")
        .min(0)
        .no_effect("it is internal to Kafka"),
    Key::int("num.recovery.threads.per.data.dir", "2", "Threads that recover logs at the start.")
        .min(1)
        .no_effect("every shard recovers its own partitions"),
];
