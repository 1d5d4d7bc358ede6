//! Records about brokers, controllers, features, configs and the log itself.
//!
//! Tables only; names and numbers are Kafka's (`common/metadata/*.json` of Kafka 4.3).

use crate::{
    protocol::message,
    types::{Text, Uuid},
};

message! {
    /// Registers a broker, or renews its registration. Type 0; 4 since metadata.version 30.
    pub struct RegisterBrokerRecord: key 0, versions 0..=4, flexible 0 {
        /// `node.id`.
        broker_id: i32,
        /// Always false since Kafka 4.0.
        is_migrating_zk_broker: bool { since 2 },
        /// Random id of the process.
        incarnation_id: Uuid,
        /// The offset of this record, unless it renews an older one.
        broker_epoch: i64,
        /// Where it is reached.
        end_points: Vec<BrokerEndpoint>,
        /// Feature levels that it understands.
        features: Vec<BrokerFeature>,
        /// `broker.rack`.
        rack: Option<Text>,
        /// True while it may lead nothing.
        fenced: bool { default true },
        /// True while it shuts down.
        in_controlled_shutdown: bool { since 1 },
        /// Ids of its log directories that work.
        log_dirs: Vec<Uuid> { since 3, tag 0 },
        /// Ids of those that take no new partitions; null until it said so.
        cordoned_log_dirs: Option<Vec<Uuid>> { since 4, tag 1 },
    }

    /// An address of a broker.
    pub struct BrokerEndpoint {
        /// Name of the listener.
        name: Text,
        /// Host name or address.
        host: Text,
        /// TCP port.
        port: u16,
        /// SecurityProtocol.java.
        security_protocol: i16,
    }

    /// Levels of one feature that a broker understands.
    pub struct BrokerFeature {
        /// The feature.
        name: Text,
        /// Lowest level.
        min_supported_version: i16,
        /// Highest level.
        max_supported_version: i16,
    }

    /// Takes a broker out of the cluster. Type 1.
    pub struct UnregisterBrokerRecord: key 1, versions 0..=0, flexible 0 {
        /// `node.id`.
        broker_id: i32,
        /// The incarnation that is meant.
        broker_epoch: i64,
    }

    /// Fences a broker; only before metadata.version 7. Type 7.
    pub struct FenceBrokerRecord: key 7, versions 0..=0, flexible 0 {
        /// `node.id`.
        id: i32,
        /// The incarnation that is meant.
        epoch: i64,
    }

    /// Unfences a broker; only before metadata.version 7. Type 8.
    pub struct UnfenceBrokerRecord: key 8, versions 0..=0, flexible 0 {
        /// `node.id`.
        id: i32,
        /// The incarnation that is meant.
        epoch: i64,
    }

    /// Changes parts of a registration. Type 17; written in the lowest version that has what changes.
    pub struct BrokerRegistrationChangeRecord: key 17, versions 0..=3, flexible 0 {
        /// `node.id`.
        broker_id: i32,
        /// The incarnation that is meant.
        broker_epoch: i64,
        /// 1 fence, -1 unfence, 0 neither.
        fenced: i8 { tag 0 },
        /// 1 if it begins to shut down.
        in_controlled_shutdown: i8 { since 1, tag 1 },
        /// Its log directories that work, if that changed.
        log_dirs: Vec<Uuid> { since 2, tag 2 },
        /// Those that take no new partitions, if that changed.
        cordoned_log_dirs: Option<Vec<Uuid>> { since 3, tag 3 },
    }

    /// Registers a controller; written at each of its starts. Type 27.
    pub struct RegisterControllerRecord: key 27, versions 0..=0, flexible 0 {
        /// `node.id`.
        controller_id: i32,
        /// Random id of the process.
        incarnation_id: Uuid,
        /// Always false since Kafka 4.0.
        zk_migration_ready: bool,
        /// Where it is reached.
        end_points: Vec<ControllerEndpoint>,
        /// Feature levels that it understands.
        features: Vec<ControllerFeature>,
    }

    /// An address of a controller.
    pub struct ControllerEndpoint {
        /// Name of the listener.
        name: Text,
        /// Host name or address.
        host: Text,
        /// TCP port.
        port: u16,
        /// SecurityProtocol.java.
        security_protocol: i16,
    }

    /// Levels of one feature that a controller understands.
    pub struct ControllerFeature {
        /// The feature.
        name: Text,
        /// Lowest level.
        min_supported_version: i16,
        /// Highest level.
        max_supported_version: i16,
    }

    /// Finalizes a feature at a level; 0 takes it back. Type 12.
    pub struct FeatureLevelRecord: key 12, versions 0..=0, flexible 0 {
        /// The feature.
        name: Text,
        /// Its level.
        feature_level: i16,
    }

    /// Sets or, without a value, removes a config. Type 4.
    pub struct ConfigRecord: key 4, versions 0..=0, flexible 0 {
        /// ConfigResource.java: 2 topic, 4 broker, 16 client metrics, 32 group.
        resource_type: i8,
        /// Name of the resource; empty for the default of all brokers.
        resource_name: Text,
        /// Key.
        name: Text,
        /// Value.
        value: Option<Text>,
    }

    /// A block of producer ids was given out. Type 15.
    pub struct ProducerIdsRecord: key 15, versions 0..=0, flexible 0 {
        /// Who got it.
        broker_id: i32,
        /// In which incarnation.
        broker_epoch: i64 { default -1 },
        /// First id after it.
        next_producer_id: i64,
    }

    /// Nothing; shows that the controller lives. Type 20.
    pub struct NoOpRecord: key 20, versions 0..=0, flexible 0 {}

    /// State of a migration that Kafka 4 no longer knows. Type 21.
    pub struct ZkMigrationStateRecord: key 21, versions 0..=0, flexible 0 {
        /// ZkMigrationState.java.
        zk_migration_state: i8,
    }

    /// What follows takes effect together at the end of the transaction. Type 23.
    pub struct BeginTransactionRecord: key 23, versions 0..=0, flexible 0 {
        /// What it is for.
        name: Option<Text> { tag 0 },
    }

    /// What the transaction holds takes effect. Type 24.
    pub struct EndTransactionRecord: key 24, versions 0..=0, flexible 0 {}

    /// What the transaction holds is forgotten. Type 25.
    pub struct AbortTransactionRecord: key 25, versions 0..=0, flexible 0 {
        /// Why.
        reason: Option<Text> { tag 0 },
    }
}
