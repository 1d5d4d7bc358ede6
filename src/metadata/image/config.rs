//! Configs that were set on topics, brokers, groups and client metrics subscriptions.
//!
//! Pure data: what a key means and what its default is belongs to `config/`.

use std::collections::BTreeMap;

use crate::types::Text;

/// The configs set on one resource: value by key.
pub type Configs = BTreeMap<Text, Text>;

/// What kind of thing a config belongs to, by Kafka's number (ConfigResource.java). Unknown numbers are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceType(pub i8);

impl ResourceType {
    /// A topic, by name.
    pub const TOPIC: ResourceType = ResourceType(2);
    /// A broker, by node id in decimal; the empty name is the default of all brokers.
    pub const BROKER: ResourceType = ResourceType(4);
    /// The loggers of a broker; never in the log.
    pub const BROKER_LOGGER: ResourceType = ResourceType(8);
    /// A client metrics subscription (KIP-714).
    pub const CLIENT_METRICS: ResourceType = ResourceType(16);
    /// A group (KIP-848).
    pub const GROUP: ResourceType = ResourceType(32);
}

/// One thing that has configs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// Its kind.
    pub resource_type: ResourceType,
    /// Its name.
    pub name: Text,
}
