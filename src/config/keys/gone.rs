//! Keys that older Kafkas had: a file that still sets one was written for another world, and its owner should know.

const ZOOKEEPER: &str = "Kafka 4.0 removed ZooKeeper, and corelog never had it; remove the key";
const FORMAT: &str = "Kafka 4.0 removed it with the old message formats; remove the key";

/// Why the key `name` is gone; `None` if it never was one.
pub(super) fn reason(name: &str) -> Option<&'static str> {
    if name.starts_with("zookeeper.") {
        return Some(ZOOKEEPER);
    }
    match name {
        "broker.id.generation.enable"
        | "reserved.broker.max.id"
        | "control.plane.listener.name"
        | "password.encoder.secret"
        | "password.encoder.old.secret" => Some(ZOOKEEPER),
        "inter.broker.protocol.version" => {
            Some("Kafka 4.0 replaced it by the feature metadata.version; remove the key")
        }
        "log.message.format.version"
        | "message.format.version"
        | "log.message.downconversion.enable"
        | "message.downconversion.enable" => Some(FORMAT),
        "log.message.timestamp.difference.max.ms" | "message.timestamp.difference.max.ms" => Some(
            "Kafka 4.0 replaced it by (log.)message.timestamp.before.max.ms and (log.)message.timestamp.after.max.ms",
        ),
        "host.name" | "port" => Some("use listeners"),
        "advertised.host.name" | "advertised.port" => Some("use advertised.listeners"),
        "log.cleaner.max.compaction.lag" => Some("use log.cleaner.max.compaction.lag.ms"),
        "offsets.topic.compression.codec.name" => Some("use offsets.topic.compression.codec"),
        _ => None,
    }
}
