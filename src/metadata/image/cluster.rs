//! The root of the image and its look-ups.
//!
//! Pure and immutable for its readers. How records change it is in `apply.rs`, how it becomes records in `write.rs`.

use std::sync::Arc;

use crate::{
    metadata::{
        image::{AclImage, BrokerImage, ConfigResource, Configs, ControllerImage, PartitionImage, QuotaEntity, ResourceType,
            ScramCredential, ScramKey, TokenImage, TopicImage},
        map::SharedMap,
    },
    types::{NodeId, Offset, PartitionId, Text, Uuid},
};

/// Feature whose level decides the versions of all metadata records.
pub const METADATA_VERSION: &str = "metadata.version";
/// Feature that lets an ISR become empty and keeps eligible leader replicas instead (KIP-966).
pub const ELR_VERSION: &str = "eligible.leader.replicas.version";

/// Everything that the metadata log says, up to one offset. A clone shares all tables with the original.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterImage {
    /// The first offset of the metadata log that is not part of this image.
    pub end_offset: Offset,
    /// Raft epoch of the last batch that is part of it; 0 before the first.
    pub epoch: i32,
    /// Append time of that batch, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Finalized feature levels above 0, by name; `metadata.version` among them.
    pub features: SharedMap<Text, i16>,
    /// Registered brokers by id, fenced ones included.
    pub brokers: SharedMap<NodeId, Arc<BrokerImage>>,
    /// Registered controllers by id.
    pub controllers: SharedMap<NodeId, Arc<ControllerImage>>,
    /// Topics by id: the primary key.
    pub topics: SharedMap<Uuid, Arc<TopicImage>>,
    /// Ids of the topics by name, in the order of names.
    pub topic_ids: SharedMap<Text, Uuid>,
    /// Partitions of all topics together.
    pub partition_count: usize,
    /// Configs set on a resource; defaults are not in here.
    pub configs: SharedMap<ConfigResource, Arc<Configs>>,
    /// The first producer id that no block has been given out for.
    pub next_producer_id: i64,
    /// Client quotas by entity: value by quota key.
    pub quotas: SharedMap<QuotaEntity, Arc<std::collections::BTreeMap<Text, f64>>>,
    /// Access control entries by their random id.
    pub acls: SharedMap<Uuid, Arc<AclImage>>,
    /// SCRAM credentials by user and mechanism.
    pub scram: SharedMap<ScramKey, Arc<ScramCredential>>,
    /// Delegation tokens by token id.
    pub tokens: SharedMap<Text, Arc<TokenImage>>,
}

impl ClusterImage {
    /// The topic called `name`.
    pub fn topic_by_name(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.get(self.topic_ids.get(name)?)
    }

    /// The topic with this id.
    pub fn topic(&self, id: Uuid) -> Option<&Arc<TopicImage>> {
        self.topics.get(&id)
    }

    /// All topics in the order of their names.
    pub fn topics_by_name(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topic_ids.values().filter_map(|id| self.topics.get(id))
    }

    /// The partition with this id.
    pub fn partition(&self, id: PartitionId) -> Option<&Arc<PartitionImage>> {
        self.topics.get(&id.topic_id)?.partitions.get(&id.partition)
    }

    /// The configs set on `name`; `None` if none is. The name of the cluster-wide broker default is empty.
    pub fn configs(&self, resource_type: ResourceType, name: &str) -> Option<&Arc<Configs>> {
        self.configs.get(&ConfigResource { resource_type, name: Text::from(name) })
    }

    /// One config of one resource, if it is set there.
    pub fn config(&self, resource_type: ResourceType, name: &str, key: &str) -> Option<&Text> {
        self.configs(resource_type, name)?.get(key)
    }

    /// The finalized level of a feature; 0 if it is not finalized.
    pub fn feature_level(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// True if partitions keep eligible leader replicas, so that an ISR may become empty (KIP-966).
    pub fn keeps_eligible_leaders(&self) -> bool {
        self.feature_level(ELR_VERSION) > 0
    }

    /// True if the broker may be leader and member of an ISR: registered, not fenced, not shutting down.
    pub fn is_active(&self, broker: NodeId) -> bool {
        self.brokers.get(&broker).is_some_and(|broker| !broker.fenced && !broker.in_controlled_shutdown)
    }
}
