//! Broker keys of sockets, connections and requests.

use crate::config::{Key, Valid};

const SHARDS: &str = "one shard per core does this work; see corelog.cores";
const NO_PURGATORY: &str = "waiting requests are released as soon as they are answered, without a purge";
const METRICS: &str = "metrics do not come from the JVM's reporters";
const NO_QUOTAS: &str = "client quotas are not supported yet";

pub(super) const KEYS: &[Key] = &[
    Key::list(
        "listeners",
        "PLAINTEXT://127.0.0.1:9092",
        "Where clients connect: name://host:port, comma-separated. An empty host is every interface. Listeners named in controller.listener.names are not opened.",
    ),
    Key::list(
        "advertised.listeners",
        "",
        "Where clients are told to connect; listeners if unset. Must be reachable from the clients.",
    )
    .null(),
    Key::text(
        "listener.security.protocol.map",
        "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT",
        "Security protocol of each listener name: name:protocol, comma-separated. Only PLAINTEXT listeners can be opened yet.",
    ),
    Key::list("early.start.listeners", "", "Listeners that open before the authorizer is ready.")
        .null()
        .no_effect("there is no authorizer to wait for"),
    Key::int("socket.request.max.bytes", "104857600", "Largest request in bytes; a larger one closes the connection.")
        .min(1),
    Key::int(
        "socket.send.buffer.bytes",
        // What is on its way to a reader should fit the caches of a core: what the system tunes to does not.
        "204800",
        "SO_SNDBUF of client sockets in bytes; -1 leaves it to the system, which tunes it. A distant client needs bandwidth x round trip.",
    )
    .min(-1),
    Key::int(
        "socket.receive.buffer.bytes",
        "-1",
        "SO_RCVBUF of client sockets in bytes; -1 leaves it to the system, which tunes it.",
    )
    .min(-1),
    Key::int("socket.listen.backlog.size", "1024", "Connections that wait to be accepted.").min(1),
    Key::long(
        "connections.max.idle.ms",
        "600000",
        "Milliseconds after which a silent connection is closed; negative is never.",
    ),
    Key::int("max.connections", "10000", "Connections of the whole broker; further ones are closed.").min(1).dynamic(),
    Key::int("max.connections.per.ip", "2147483647", "Connections from one address; further ones are closed.")
        .min(0)
        .dynamic(),
    Key::text(
        "max.connections.per.ip.overrides",
        "",
        "max.connections.per.ip of single addresses: address:count, comma-separated.",
    )
    .dynamic(),
    Key::int("max.connection.creation.rate", "2147483647", "Connections per second that are accepted.")
        .min(0)
        .refused("the rate of connections cannot be limited yet"),
    Key::int("fetch.max.bytes", "57671680", "Most bytes of records in one fetch answer.").min(1024),
    Key::int("max.incremental.fetch.session.cache.slots", "1000", "Fetch sessions that are kept.").min(0),
    Key::int("max.request.partition.size.limit", "2000", "Most partitions in one answer of DescribeTopicPartitions.")
        .min(1),
    Key::int("num.network.threads", "3", "Threads that read and write sockets.").min(1).no_effect(SHARDS),
    Key::int("num.io.threads", "8", "Threads that handle requests.").min(1).no_effect(SHARDS),
    Key::int("background.threads", "10", "Threads for background tasks.").min(1).no_effect(SHARDS),
    Key::int("queued.max.requests", "500", "Requests that wait before sockets are no longer read.")
        .min(1)
        .no_effect("corelog.connection.inflight.max and corelog.memory.requests.bytes bound the requests in work"),
    Key::long("queued.max.request.bytes", "-1", "Bytes of requests that wait before sockets are no longer read.")
        .no_effect("corelog.memory.requests.bytes bounds the memory of requests"),
    Key::int("request.timeout.ms", "30000", "Milliseconds that the broker waits for answers to its own requests.")
        .no_effect("one node sends no requests to others"),
    Key::long("socket.connection.setup.timeout.ms", "10000", "Milliseconds for the broker's own connections.")
        .no_effect("one node connects to no other"),
    Key::long("socket.connection.setup.timeout.max.ms", "30000", "Milliseconds for the broker's own connections.")
        .no_effect("one node connects to no other"),
    Key::int("delete.records.purgatory.purge.interval.requests", "1", "Finished requests between purges.")
        .no_effect(NO_PURGATORY),
    Key::int("fetch.purgatory.purge.interval.requests", "1000", "Finished requests between purges.")
        .no_effect(NO_PURGATORY),
    Key::int("producer.purgatory.purge.interval.requests", "1000", "Finished requests between purges.")
        .no_effect(NO_PURGATORY),
    Key::int("share.fetch.purgatory.purge.interval.requests", "1000", "Finished requests between purges.")
        .no_effect(NO_PURGATORY),
    Key::list("metric.reporters", "org.apache.kafka.common.metrics.JmxReporter", "JVM classes that report metrics.")
        .refused_but(&[""], "JVM classes cannot be loaded"),
    Key::list("kafka.metrics.reporters", "", "JVM classes that report metrics.")
        .refused("JVM classes cannot be loaded"),
    Key::int("kafka.metrics.polling.interval.secs", "10", "Seconds between reports.").min(1).no_effect(METRICS),
    Key::int("metrics.num.samples", "2", "Samples per metric.").min(1).no_effect(METRICS),
    Key::text("metrics.recording.level", "INFO", "Which metrics are recorded.").no_effect(METRICS),
    Key::long("metrics.sample.window.ms", "30000", "Milliseconds of a sample.").min(1).no_effect(METRICS),
    Key::int("telemetry.max.bytes", "1048576", "Largest telemetry message of a client.")
        .min(1)
        .no_effect("client telemetry is not supported yet"),
    Key::int("quota.window.num", "11", "Samples of client quotas.").min(1).no_effect(NO_QUOTAS),
    Key::int("quota.window.size.seconds", "1", "Seconds of a sample of client quotas.").min(1).no_effect(NO_QUOTAS),
    Key::int("controller.quota.window.num", "11", "Samples of mutation quotas.").min(1).no_effect(NO_QUOTAS),
    Key::int("controller.quota.window.size.seconds", "1", "Seconds of a sample of mutation quotas.")
        .min(1)
        .no_effect(NO_QUOTAS),
    Key::new("client.quota.callback.class", crate::config::Kind::Class, "", "JVM class that decides quotas.")
        .null()
        .refused("JVM classes cannot be loaded"),
    Key::text("security.inter.broker.protocol", "PLAINTEXT", "Security protocol between brokers.")
        .valid(Valid::OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]))
        .refused("TLS and SASL are not supported yet"),
    Key::text(
        "inter.broker.listener.name",
        "",
        "Listener that brokers use among themselves; must be one of listeners.",
    )
    .null(),
];
