//! Broker keys of the group coordinator and its topic of committed offsets.

use crate::config::{Key, Kind, Valid};

const ALONE: &str = "one node has no other replicas";
const SHARDS: &str = "every shard coordinates the groups of its own partitions";
const COLLECTED: &str = "what comes while a write is under way goes out with the next one, and buffers are made as large as they need to be";

pub(super) const KEYS: &[Key] = &[
    Key::int("group.initial.rebalance.delay.ms", "3000", "Milliseconds that the first rebalance of an empty classic group waits for more members."),
    Key::int("group.min.session.timeout.ms", "6000", "Shortest session timeout, in milliseconds, that a classic member may ask for."),
    Key::int("group.max.session.timeout.ms", "1800000", "Longest session timeout, in milliseconds, that a classic member may ask for."),
    Key::int("group.max.size", "2147483647", "Members of one classic group; further ones are refused.").min(1),
    Key::int("offset.metadata.max.bytes", "4096", "Longest text that a client may store with a committed offset."),
    Key::int("offsets.retention.minutes", "10080", "Minutes after which committed offsets are forgotten: since the group became empty, or since the commit if it has no members of its own.").min(1),
    Key::long("offsets.retention.check.interval.ms", "600000", "Milliseconds between searches for committed offsets to forget.").min(1),
    Key::int("offsets.topic.num.partitions", "50", "Partitions of __consumer_offsets, when it is made.").min(1),
    Key::int("offsets.topic.segment.bytes", "104857600", "Bytes of a segment of __consumer_offsets, when it is made.").min(1_048_576),
    Key::int("offsets.topic.compression.codec", "0", "Codec of the coordinator's own batches: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.").valid(Valid::Range(0, 4)),
    Key::int("offsets.load.buffer.size", "5242880", "Bytes that are read of __consumer_offsets at a time when its groups are loaded.").min(1),
    Key::list("group.coordinator.rebalance.protocols", "classic,consumer,streams", "Protocols that groups may use. Streams groups and share groups are not supported yet, whatever this says; classic is always on.")
        .valid(Valid::Subset(&["consumer", "classic", "share", "streams"])),
    Key::int("group.consumer.session.timeout.ms", "45000", "Milliseconds of silence after which a member of the consumer protocol is gone.").min(1),
    Key::int("group.consumer.min.session.timeout.ms", "45000", "Least consumer.session.timeout.ms that may be set on a group.").min(1),
    Key::int("group.consumer.max.session.timeout.ms", "60000", "Most consumer.session.timeout.ms that may be set on a group.").min(1),
    Key::int("group.consumer.heartbeat.interval.ms", "5000", "Milliseconds between heartbeats that members of the consumer protocol are told.").min(1),
    Key::int("group.consumer.min.heartbeat.interval.ms", "5000", "Least consumer.heartbeat.interval.ms that may be set on a group.").min(1),
    Key::int("group.consumer.max.heartbeat.interval.ms", "15000", "Most consumer.heartbeat.interval.ms that may be set on a group.").min(1),
    Key::int("group.consumer.assignment.interval.ms", "1000", "Milliseconds between two assignments of a consumer group, at least.").min(0),
    Key::int("group.consumer.min.assignment.interval.ms", "0", "Least consumer.assignment.interval.ms that may be set on a group.").min(0),
    Key::int("group.consumer.max.assignment.interval.ms", "15000", "Most consumer.assignment.interval.ms that may be set on a group.").min(0),
    Key::int("group.consumer.max.size", "2147483647", "Members of one consumer group; further ones are refused.").min(1),
    Key::list("group.consumer.assignors", "uniform,range", "Assignors of consumer groups; the first is the default. Classes of one's own cannot be loaded.")
        .valid(Valid::Subset(&["uniform", "range"])),
    Key::text("group.consumer.migration.policy", "bidirectional", "Which groups may change their protocol while members are in them.")
        .valid(Valid::OneOf(&["bidirectional", "upgrade", "downgrade", "disabled", "BIDIRECTIONAL", "UPGRADE", "DOWNGRADE", "DISABLED"])),
    Key::int("group.consumer.regex.refresh.interval.ms", "600000", "Milliseconds after which regular expressions of subscriptions are matched again.").min(10_000),
    Key::new("offsets.topic.replication.factor", Kind::Short, "3", "Replicas of __consumer_offsets, when it is made.").min(1).no_effect(ALONE),
    Key::int("offsets.commit.timeout.ms", "5000", "Milliseconds in which a commit must be stored.")
        .min(1)
        .no_effect("a write to a log ends, or its log folder is given up and the commit refused"),
    Key::int("group.coordinator.append.linger.ms", "-1", "Milliseconds that the coordinator collects writes.").min(-1).no_effect(COLLECTED),
    Key::int("group.coordinator.cached.buffer.max.bytes", "1048588", "Bytes of a buffer for writes that is kept.").min(524_288).no_effect(COLLECTED),
    Key::int("group.coordinator.threads", "4", "Threads of the coordinator.").min(1).no_effect(SHARDS),
    Key::int("group.coordinator.background.threads", "2", "Threads for slow tasks of the coordinator.").min(1).no_effect(SHARDS),
];
