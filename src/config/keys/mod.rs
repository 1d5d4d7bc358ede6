//! The tables of keys: one row per key of Kafka 4.3, and ours.

mod cluster;
mod gone;
mod groups;
mod later;
mod log;
mod network;
mod own;
mod topic;

pub use topic::{Scale, Synonym, TopicKey};

use super::Key;

/// Every key of a topic, by name.
pub const TOPIC: &[TopicKey] = topic::KEYS;

/// The tables of broker keys; see [`broker`] and [`all_broker`].
const BROKER: &[&[Key]] =
    &[network::KEYS, log::KEYS, cluster::KEYS, groups::KEYS, own::KEYS, later::KEYS, later::SECURITY, later::TIERED];

/// Every key of a broker, table after table.
pub fn all_broker() -> impl Iterator<Item = &'static Key> {
    BROKER.iter().copied().flatten()
}

/// The broker key of that name.
pub fn broker(name: &str) -> Option<&'static Key> {
    all_broker().find(|key| key.name == name)
}

/// The topic key of that name.
pub fn topic(name: &str) -> Option<&'static TopicKey> {
    TOPIC.iter().find(|row| row.key.name == name)
}

/// Why a key of an older Kafka is no longer one; `None` if it never was.
pub fn gone(name: &str) -> Option<&'static str> {
    gone::reason(name)
}

/// The broker key whose name is nearest to `name`, if any is near enough to have been meant.
pub fn nearest_broker(name: &str) -> Option<&'static str> {
    nearest(name, all_broker().map(|key| key.name))
}

/// The topic key whose name is nearest to `name`, if any is near enough to have been meant.
pub fn nearest_topic(name: &str) -> Option<&'static str> {
    nearest(name, TOPIC.iter().map(|row| row.key.name))
}

fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    /// Below it, a suggestion confuses more than it helps.
    const SIMILARITY_MIN: f64 = 0.7;
    /// Longer names are not compared: the work grows with the length, which a client chooses.
    const NAME_BYTES_MAX: usize = 200;
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    known
        .map(|candidate| (strsim::normalized_damerau_levenshtein(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

/// True for keys that Kafka keeps out of DescribeConfigs unless they are set.
pub(super) fn is_internal(name: &str) -> bool {
    name.starts_with("internal.")
        || name.starts_with("unstable.")
        || name.starts_with("controller.performance.")
        || matches!(
            name,
            "group.consumer.regex.refresh.interval.ms"
                | "group.share.initialize.retry.interval.ms"
                | "group.share.persister.class.name"
                | "log.initial.task.delay.ms"
                | "producer.id.expiration.check.interval.ms"
                | "remote.log.index.file.cache.ttl.ms"
                | "remote.log.manager.task.retry.backoff.max.ms"
                | "remote.log.manager.task.retry.backoff.ms"
                | "remote.log.manager.task.retry.jitter"
                | "server.max.startup.time.ms"
                | "share.coordinator.cold.partition.snapshot.interval.ms"
                | "share.coordinator.state.topic.prune.interval.ms"
                | "unclean.leader.election.interval.ms"
        )
}
