//! Brokers and controllers as they registered.
//!
//! Pure data.

use crate::types::{BrokerEpoch, NodeId, Text, Uuid};

/// A registered broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerImage {
    /// Its `node.id`.
    pub id: NodeId,
    /// Offset of its registration record: names this incarnation in every later record and request.
    pub epoch: BrokerEpoch,
    /// Random id of the process that registered.
    pub incarnation_id: Uuid,
    /// Where clients and brokers reach it.
    pub listeners: Vec<Listener>,
    /// Feature levels that it understands, by name.
    pub features: Vec<SupportedFeature>,
    /// `broker.rack`.
    pub rack: Option<Text>,
    /// True until it is ready to lead; a fenced broker leads nothing and is in no ISR.
    pub fenced: bool,
    /// True from its request to shut down until its next registration.
    pub in_controlled_shutdown: bool,
    /// Set by brokers that once moved from ZooKeeper; carried only.
    pub is_migrating_zk_broker: bool,
    /// Directory ids of the log directories that work.
    pub log_dirs: Vec<Uuid>,
    /// Directory ids that take no new partitions; `None` until the broker said so.
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

impl BrokerImage {
    /// The listener with this name.
    pub fn listener(&self, name: &str) -> Option<&Listener> {
        self.listeners.iter().find(|listener| listener.name == *name)
    }

    /// True if the broker says that this directory works.
    pub fn has_online_dir(&self, directory: Uuid) -> bool {
        self.log_dirs.contains(&directory)
    }
}

/// A registered controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerImage {
    /// Its `node.id`.
    pub id: NodeId,
    /// Random id of the process that registered.
    pub incarnation_id: Uuid,
    /// Always false today; carried only.
    pub zk_migration_ready: bool,
    /// Where brokers and other controllers reach it.
    pub listeners: Vec<Listener>,
    /// Feature levels that it understands, by name.
    pub features: Vec<SupportedFeature>,
}

/// One address of a broker or controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Name from the `listeners` setting, e.g. `PLAINTEXT`.
    pub name: Text,
    /// Host name or address as clients are to use it.
    pub host: Text,
    /// TCP port.
    pub port: u16,
    /// SecurityProtocol.java: 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL. Kafka's controller dies of others.
    pub security_protocol: i16,
}

/// The levels of one feature that a node understands, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SupportedFeature {
    /// The feature's name.
    pub name: Text,
    /// Lowest level; 0 means that the feature may be off.
    pub min_level: i16,
    /// Highest level.
    pub max_level: i16,
}
