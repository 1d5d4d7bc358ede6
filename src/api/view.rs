//! The cluster's image as clients of one listener see it: endpoints, leaders, offline replicas, and what they may do.
//!
//! Pure. Shared by the handlers that describe the cluster.

use super::{Api, dispatch::Caller};
use crate::{
    metadata::image::{BrokerImage, ClusterImage, Listener, PartitionImage},
    types::{ErrorCode, NodeId, TopicNameError, Uuid, check_topic_name, limits::TOPIC_NAME_BYTES_MAX},
};

/// What a client may do with a topic, as bits by operation code (AclOperation.java). There is no authorizer yet, so it is
/// all that Kafka knows for a topic: read, write, create, delete, alter, describe, describe and alter configs.
pub(super) const TOPIC_OPERATIONS: i32 = operations(&[3, 4, 5, 6, 7, 8, 10, 11]);
/// The same for the cluster: create, alter, describe, cluster action, describe and alter configs, idempotent write.
pub(super) const CLUSTER_OPERATIONS: i32 = operations(&[5, 7, 8, 9, 10, 11, 12]);

const fn operations(codes: &[u8]) -> i32 {
    let mut bits = 0;
    let mut index = 0;
    while index < codes.len() {
        bits |= 1 << codes[index];
        index += 1;
    }
    bits
}

/// Name of the listener that the client came in by.
pub(super) fn listener_name<'a>(api: &'a Api, caller: &Caller) -> &'a str {
    api.shard.config().listeners.get(caller.connection.listener).map_or("", |listener| &listener.name)
}

/// The image, seen through a listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) image: &'a ClusterImage,
    /// Name of the listener that the client came in by: it gets the addresses of that one.
    pub(super) listener: &'a str,
}

impl<'a> View<'a> {
    /// The brokers that have this listener, in the order of their ids; without the fenced ones, unless asked for.
    pub(super) fn brokers(self, fenced_too: bool) -> impl Iterator<Item = (&'a BrokerImage, &'a Listener)> {
        let brokers = self.image.brokers.values().map(|broker| &**broker);
        brokers
            .filter(move |broker| fenced_too || !broker.fenced)
            .filter_map(move |broker| Some((broker, broker.listener(self.listener)?)))
    }

    /// Whom clients are to send to what the controller must do: any broker, since each has a way to the controller. This
    /// one, if clients can reach it; -1 if there is none.
    pub(super) fn controller_id(self, this: NodeId) -> i32 {
        let mut brokers = self.brokers(false).map(|(broker, _)| broker.id);
        let first = self.brokers(false).next().map(|(broker, _)| broker.id);
        if brokers.any(|id| id == this) { this.get() } else { first.map_or(-1, NodeId::get) }
    }

    /// The leader, if clients of this listener can reach it; otherwise the error to tell (KRaftMetadataCache).
    ///
    /// # Errors
    /// LEADER_NOT_AVAILABLE or LISTENER_NOT_FOUND.
    pub(super) fn leader(self, partition: &PartitionImage) -> Result<NodeId, ErrorCode> {
        let leader = partition.leader.ok_or(ErrorCode::LeaderNotAvailable)?;
        let broker = self.image.brokers.get(&leader).ok_or(ErrorCode::LeaderNotAvailable)?;
        broker.listener(self.listener).map(|_| leader).ok_or(ErrorCode::ListenerNotFound)
    }

    /// Those of `nodes` that clients of this listener can reach.
    pub(super) fn reachable(self, nodes: &[NodeId]) -> Vec<i32> {
        let is_reachable = |id: &&NodeId| {
            self.image.brokers.get(*id).is_some_and(|broker| !broker.fenced && broker.listener(self.listener).is_some())
        };
        nodes.iter().filter(is_reachable).map(|id| id.get()).collect()
    }

    /// The replicas that cannot be used: their broker is gone, fenced or without this listener, or the directory failed.
    pub(super) fn offline_replicas(self, partition: &PartitionImage) -> Vec<i32> {
        let is_offline = |id: &&NodeId| {
            let Some(broker) = self.image.brokers.get(*id) else { return true };
            let has_directory = partition.directory_of(**id).is_some_and(|directory| is_online(broker, directory));
            broker.fenced || broker.listener(self.listener).is_none() || !has_directory
        };
        partition.replicas.iter().filter(is_offline).map(|id| id.get()).collect()
    }
}

/// Whether a replica's directory works. Two reserved ids say that it is not known yet, which is no failure; a third says
/// that it is lost; a broker that names no directories has not been asked (DirectoryId.isOnline).
fn is_online(broker: &BrokerImage, directory: Uuid) -> bool {
    const LOST: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    let is_unknown = directory == Uuid::ZERO || directory == Uuid::ONE || broker.log_dirs.is_empty();
    directory != LOST && (is_unknown || broker.has_online_dir(directory))
}

/// As the wire has them.
pub(super) fn numbers(nodes: &[NodeId]) -> Vec<i32> {
    nodes.iter().map(|id| id.get()).collect()
}

/// What to say of a topic that does not exist.
pub(super) fn missing_topic_error(name: &str) -> ErrorCode {
    match check_topic_name(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    }
}

/// The words for an invalid topic name, as Kafka has them.
pub(super) fn invalid_topic_message(name: &str) -> Option<String> {
    let why = match check_topic_name(name).err()? {
        TopicNameError::TooLong => format!("the length of '{name}' is longer than the max allowed length {}", TOPIC_NAME_BYTES_MAX),
        TopicNameError::Dots => format!("'{name}' is not allowed"),
        error @ TopicNameError::Character => format!("'{name}' {}", error.to_string().trim_start_matches("it ")),
        error => error.to_string(),
    };
    Some(format!("Topic name is invalid: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The expectations are what Kafka 4.3 answered.
    #[test]
    fn topic_names_are_refused_in_kafkas_words() {
        let message = |name| invalid_topic_message(name).unwrap_or_default();
        assert_eq!(message("orders"), "");
        assert_eq!(message(""), "Topic name is invalid: the empty string is not allowed");
        assert_eq!(message("."), "Topic name is invalid: '.' is not allowed");
        assert_eq!(
            message("b/d"),
            "Topic name is invalid: 'b/d' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        );
        let long = "x".repeat(250);
        let expected = format!("Topic name is invalid: the length of '{long}' is longer than the max allowed length 249");
        assert_eq!(message(&long), expected);
    }

    #[test]
    fn without_an_authorizer_everything_is_allowed() {
        assert_eq!((TOPIC_OPERATIONS, CLUSTER_OPERATIONS), (3576, 8096));
    }
}
