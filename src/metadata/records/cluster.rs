//! Records about brokers, controllers, features, configs and the log itself.
//!
//! Tables only; names and numbers are Kafka's (`common/metadata/*.json` of Kafka 4.3).

use super::table::table;
use crate::types::{Text, Uuid};

table! {
    /// Registers a broker, or renews its registration. Type 0; 4 since metadata.version 30.
    RegisterBrokerRecord {
        /// `node.id`.
        broker_id: i32 = 0, since 0;
        /// Always false since Kafka 4.0.
        is_migrating_zk_broker: bool = false, since 2;
        /// Random id of the process.
        incarnation_id: Uuid = Uuid::ZERO, since 0;
        /// The offset of this record, unless it renews an older one.
        broker_epoch: i64 = 0, since 0;
        /// Where it is reached.
        end_points: Vec<BrokerEndpoint> = Vec::new(), since 0;
        /// Feature levels that it understands.
        features: Vec<BrokerFeature> = Vec::new(), since 0;
        /// `broker.rack`.
        rack: Option<Text> = None, since 0;
        /// True while it may lead nothing.
        fenced: bool = true, since 0;
        /// True while it shuts down.
        in_controlled_shutdown: bool = false, since 1;
        /// Ids of its log directories that work.
        log_dirs: Vec<Uuid> = Vec::new(), since 3, tag 0;
        /// Ids of those that take no new partitions; null until it said so.
        cordoned_log_dirs: Option<Vec<Uuid>> = None, since 4, tag 1;
    }

    /// An address of a broker.
    BrokerEndpoint {
        /// Name of the listener.
        name: Text = Text::default(), since 0;
        /// Host name or address.
        host: Text = Text::default(), since 0;
        /// TCP port.
        port: u16 = 0, since 0;
        /// SecurityProtocol.java.
        security_protocol: i16 = 0, since 0;
    }

    /// Levels of one feature that a broker understands.
    BrokerFeature {
        /// The feature.
        name: Text = Text::default(), since 0;
        /// Lowest level.
        min_supported_version: i16 = 0, since 0;
        /// Highest level.
        max_supported_version: i16 = 0, since 0;
    }

    /// Takes a broker out of the cluster. Type 1.
    UnregisterBrokerRecord {
        /// `node.id`.
        broker_id: i32 = 0, since 0;
        /// The incarnation that is meant.
        broker_epoch: i64 = 0, since 0;
    }

    /// Fences a broker; only before metadata.version 7. Type 7.
    FenceBrokerRecord {
        /// `node.id`.
        id: i32 = 0, since 0;
        /// The incarnation that is meant.
        epoch: i64 = 0, since 0;
    }

    /// Unfences a broker; only before metadata.version 7. Type 8.
    UnfenceBrokerRecord {
        /// `node.id`.
        id: i32 = 0, since 0;
        /// The incarnation that is meant.
        epoch: i64 = 0, since 0;
    }

    /// Changes parts of a registration. Type 17; written in the lowest version that has what changes.
    BrokerRegistrationChangeRecord {
        /// `node.id`.
        broker_id: i32 = 0, since 0;
        /// The incarnation that is meant.
        broker_epoch: i64 = 0, since 0;
        /// 1 fence, -1 unfence, 0 neither.
        fenced: i8 = 0, since 0, tag 0;
        /// 1 if it begins to shut down.
        in_controlled_shutdown: i8 = 0, since 1, tag 1;
        /// Its log directories that work, if that changed.
        log_dirs: Vec<Uuid> = Vec::new(), since 2, tag 2;
        /// Those that take no new partitions, if that changed.
        cordoned_log_dirs: Option<Vec<Uuid>> = None, since 3, tag 3;
    }

    /// Registers a controller; written at each of its starts. Type 27.
    RegisterControllerRecord {
        /// `node.id`.
        controller_id: i32 = 0, since 0;
        /// Random id of the process.
        incarnation_id: Uuid = Uuid::ZERO, since 0;
        /// Always false since Kafka 4.0.
        zk_migration_ready: bool = false, since 0;
        /// Where it is reached.
        end_points: Vec<ControllerEndpoint> = Vec::new(), since 0;
        /// Feature levels that it understands.
        features: Vec<ControllerFeature> = Vec::new(), since 0;
    }

    /// An address of a controller.
    ControllerEndpoint {
        /// Name of the listener.
        name: Text = Text::default(), since 0;
        /// Host name or address.
        host: Text = Text::default(), since 0;
        /// TCP port.
        port: u16 = 0, since 0;
        /// SecurityProtocol.java.
        security_protocol: i16 = 0, since 0;
    }

    /// Levels of one feature that a controller understands.
    ControllerFeature {
        /// The feature.
        name: Text = Text::default(), since 0;
        /// Lowest level.
        min_supported_version: i16 = 0, since 0;
        /// Highest level.
        max_supported_version: i16 = 0, since 0;
    }

    /// Finalizes a feature at a level; 0 takes it back. Type 12.
    FeatureLevelRecord {
        /// The feature.
        name: Text = Text::default(), since 0;
        /// Its level.
        feature_level: i16 = 0, since 0;
    }

    /// Sets or, without a value, removes a config. Type 4.
    ConfigRecord {
        /// ConfigResource.java: 2 topic, 4 broker, 16 client metrics, 32 group.
        resource_type: i8 = 0, since 0;
        /// Name of the resource; empty for the default of all brokers.
        resource_name: Text = Text::default(), since 0;
        /// Key.
        name: Text = Text::default(), since 0;
        /// Value.
        value: Option<Text> = None, since 0;
    }

    /// A block of producer ids was given out. Type 15.
    ProducerIdsRecord {
        /// Who got it.
        broker_id: i32 = 0, since 0;
        /// In which incarnation.
        broker_epoch: i64 = -1, since 0;
        /// First id after it.
        next_producer_id: i64 = 0, since 0;
    }

    /// Nothing; shows that the controller lives. Type 20.
    NoOpRecord {}

    /// State of a migration that Kafka 4 no longer knows. Type 21.
    ZkMigrationStateRecord {
        /// ZkMigrationState.java.
        zk_migration_state: i8 = 0, since 0;
    }

    /// What follows takes effect together at the end of the transaction. Type 23.
    BeginTransactionRecord {
        /// What it is for.
        name: Option<Text> = None, since 0, tag 0;
    }

    /// What the transaction holds takes effect. Type 24.
    EndTransactionRecord {}

    /// What the transaction holds is forgotten. Type 25.
    AbortTransactionRecord {
        /// Why.
        reason: Option<Text> = None, since 0, tag 0;
    }
}
