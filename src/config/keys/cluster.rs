//! Broker keys of the node, the cluster and its metadata.

use crate::config::{Key, Kind, Valid};

const ALONE: &str = "one node has no other replicas";
const SAME_PROCESS: &str = "the controller is in the same process";
const QUORUM_OF_ONE: &str = "a quorum of one elects and fetches nothing";
const INTERNAL: &str = "it is internal to Kafka";
const NO_CLASSES: &str = "JVM classes cannot be loaded";

pub(super) const KEYS: &[Key] = &[
    Key::int("node.id", "1", "Id of this node; also called broker.id.").min(0),
    Key::int("broker.id", "-1", "Old name of node.id; both must be equal if both are set.").min(-1),
    Key::list("process.roles", "broker,controller", "What this node is.")
        .valid(Valid::Subset(&["broker", "controller"]))
        .refused_but(&["controller,broker"], "this version is a single node, which is both broker and controller"),
    Key::text("broker.rack", "", "Rack or zone of this node, told to clients.").null(),
    Key::int("num.partitions", "1", "Partitions of a topic that is created without a number.").min(1),
    Key::int("default.replication.factor", "1", "Replicas of a topic that is created without a number.")
        .refused("a single node holds one replica of each partition"),
    Key::bool("auto.create.topics.enable", "true", "Create a topic when a client asks for it."),
    Key::bool("delete.topic.enable", "true", "Allow topics to be deleted."),
    Key::int(
        "producer.id.expiration.ms",
        "86400000",
        "Milliseconds after which an idle idempotent producer is forgotten.",
    )
    .min(1),
    Key::int("producer.id.expiration.check.interval.ms", "600000", "Milliseconds between searches for idle producers.")
        .min(1),
    Key::long(
        "replica.high.watermark.checkpoint.interval.ms",
        "5000",
        "Milliseconds between writes of the high watermark checkpoint.",
    )
    .min(1),
    Key::list(
        "controller.listener.names",
        "CONTROLLER",
        "Listeners for controllers. They are not opened: the controller is in the same process.",
    ),
    Key::list("controller.quorum.voters", "", "Controllers of the cluster: id@host:port. At most this node."),
    Key::list(
        "controller.quorum.bootstrap.servers",
        "",
        "Where controllers are found: host:port. At most one, this node.",
    ),
    Key::bool("controller.quorum.auto.join.enable", "false", "Join the controller quorum by itself.")
        .refused("several controllers are not supported yet"),
    Key::int("controller.quorum.append.linger.ms", "25", "Milliseconds that controllers collect writes.")
        .min(0)
        .no_effect(QUORUM_OF_ONE),
    Key::int("controller.quorum.election.backoff.max.ms", "1000", "Milliseconds between elections.")
        .min(0)
        .no_effect(QUORUM_OF_ONE),
    Key::int("controller.quorum.election.timeout.ms", "1000", "Milliseconds without a leader before an election.")
        .min(0)
        .no_effect(QUORUM_OF_ONE),
    Key::int("controller.quorum.fetch.max.bytes", "1048576", "Bytes of a fetch of the metadata log.")
        .min(1)
        .no_effect(QUORUM_OF_ONE),
    Key::int("controller.quorum.fetch.snapshot.max.bytes", "1048576", "Bytes of a fetch of a snapshot.")
        .min(1)
        .no_effect(QUORUM_OF_ONE),
    Key::int("controller.quorum.fetch.timeout.ms", "2000", "Milliseconds without a fetch before an election.")
        .min(0)
        .no_effect(QUORUM_OF_ONE),
    Key::int("controller.quorum.request.timeout.ms", "2000", "Milliseconds for requests between controllers.")
        .min(0)
        .no_effect(QUORUM_OF_ONE),
    Key::int("controller.quorum.retry.backoff.ms", "20", "Milliseconds between tries.").min(0).no_effect(QUORUM_OF_ONE),
    Key::int("controller.socket.timeout.ms", "30000", "Milliseconds for requests to the controller.")
        .no_effect(SAME_PROCESS),
    Key::long(
        "controller.performance.always.log.threshold.ms",
        "2000",
        "Milliseconds above which a controller event is logged.",
    )
    .min(0)
    .no_effect(INTERNAL),
    Key::long("controller.performance.sample.period.ms", "60000", "Milliseconds between logs of controller events.")
        .min(100)
        .no_effect(INTERNAL),
    Key::int("broker.heartbeat.interval.ms", "2000", "Milliseconds between heartbeats to the controller.")
        .no_effect(SAME_PROCESS),
    Key::int("broker.session.timeout.ms", "9000", "Milliseconds without a heartbeat before a broker is fenced.")
        .no_effect(SAME_PROCESS),
    Key::int("initial.broker.registration.timeout.ms", "60000", "Milliseconds to register with the controller.")
        .no_effect(SAME_PROCESS),
    Key::bool("controlled.shutdown.enable", "true", "Hand over leadership before stopping.").no_effect(ALONE),
    Key::long("server.max.startup.time.ms", NEVER, "Milliseconds for the start.").min(0).no_effect(INTERNAL),
    Key::long(
        "metadata.log.max.record.bytes.between.snapshots",
        "20971520",
        "Bytes of metadata records after which a snapshot is written.",
    )
    .min(1),
    Key::long(
        "metadata.log.max.snapshot.interval.ms",
        "3600000",
        "Milliseconds after which a snapshot is written if there are new records; 0 is never.",
    )
    .min(0),
    Key::int("metadata.log.segment.bytes", "1073741824", "Bytes of a segment of the metadata log.")
        .min(8_388_608)
        .no_effect(SNAPSHOTS),
    Key::long("metadata.log.segment.ms", "604800000", "Milliseconds of a segment of the metadata log.")
        .no_effect(SNAPSHOTS),
    Key::long("metadata.max.retention.bytes", "104857600", "Bytes of metadata log and snapshots that are kept.")
        .no_effect(SNAPSHOTS),
    Key::long("metadata.max.retention.ms", "604800000", "Milliseconds that metadata log and snapshots are kept.")
        .no_effect(SNAPSHOTS),
    Key::int("metadata.max.idle.interval.ms", "500", "Milliseconds between no-op records of an idle controller.")
        .min(0)
        .no_effect(QUORUM_OF_ONE),
    Key::long(
        "internal.metadata.delete.delay.millis",
        "60000",
        "Milliseconds before a deleted metadata segment leaves the disk.",
    )
    .no_effect(INTERNAL),
    Key::int("internal.metadata.log.segment.bytes", "", "Bytes of a segment of the metadata log.")
        .null()
        .no_effect(INTERNAL),
    Key::int("internal.metadata.max.batch.size.in.bytes", "8388608", "Bytes of a batch of the metadata log.")
        .no_effect(INTERNAL),
    Key::bool("auto.leader.rebalance.enable", "true", "Give leadership back to preferred leaders.").no_effect(ALONE),
    Key::long("leader.imbalance.check.interval.seconds", "300", "Seconds between looks at leadership.")
        .min(1)
        .no_effect(ALONE),
    Key::long("unclean.leader.election.interval.ms", "300000", "Milliseconds between unclean elections.")
        .min(1)
        .no_effect(ALONE),
    Key::int("num.replica.fetchers", "1", "Threads that fetch from leaders.").min(1).no_effect(ALONE),
    Key::int("num.replica.alter.log.dirs.threads", "", "Threads that move logs between folders.")
        .null()
        .no_effect("logs cannot be moved between folders yet"),
    Key::int("alter.log.dirs.replication.quota.window.num", "11", "Samples of that quota.").min(1).no_effect(ALONE),
    Key::int("alter.log.dirs.replication.quota.window.size.seconds", "1", "Seconds of a sample.")
        .min(1)
        .no_effect(ALONE),
    Key::int("replication.quota.window.num", "11", "Samples of replication quotas.").min(1).no_effect(ALONE),
    Key::int("replication.quota.window.size.seconds", "1", "Seconds of a sample.").min(1).no_effect(ALONE),
    Key::int("replica.fetch.backoff.ms", "1000", "Milliseconds to wait after a failed fetch.").min(0).no_effect(ALONE),
    Key::int("replica.fetch.max.bytes", "1048576", "Bytes per partition of a follower's fetch.")
        .min(0)
        .no_effect(ALONE),
    Key::int("replica.fetch.min.bytes", "1", "Least bytes of a follower's fetch.").no_effect(ALONE),
    Key::int("replica.fetch.response.max.bytes", "10485760", "Bytes of a follower's fetch.").min(0).no_effect(ALONE),
    Key::int("replica.fetch.wait.max.ms", "500", "Milliseconds that a follower's fetch waits.").no_effect(ALONE),
    Key::long("replica.lag.time.max.ms", "30000", "Milliseconds after which a slow follower leaves the ISR.")
        .no_effect(ALONE),
    Key::text("replica.selector.class", "", "JVM class that picks the replica a consumer reads from.")
        .null()
        .refused(NO_CLASSES),
    Key::int("replica.socket.receive.buffer.bytes", "65536", "SO_RCVBUF of followers.").no_effect(ALONE),
    Key::int("replica.socket.timeout.ms", "30000", "Milliseconds for requests of followers.").no_effect(ALONE),
    Key::new("alter.config.policy.class.name", Kind::Class, "", "JVM class that checks changes of configs.")
        .null()
        .refused(NO_CLASSES),
    Key::new("create.topic.policy.class.name", Kind::Class, "", "JVM class that checks new topics.")
        .null()
        .refused(NO_CLASSES),
    Key::list("config.providers", "", "JVM classes that fetch config values from elsewhere.").refused(NO_CLASSES),
    Key::bool("unstable.api.versions.enable", "false", "Offer API versions that are not final.")
        .refused("only final versions are offered"),
    Key::bool("unstable.feature.versions.enable", "false", "Offer feature versions that are not final.")
        .refused("only final versions are offered"),
];

const NEVER: &str = "9223372036854775807";
const SNAPSHOTS: &str = "the metadata log is shortened by snapshots only";
