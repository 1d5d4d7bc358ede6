//! Image into records: the content of a snapshot.
//!
//! Pure. Applying these records to an empty image gives the image again; a test holds that. Kinds come in Kafka's
//! order (ImageWriter.java): features first, topics before their partitions.

use crate::{
    metadata::{
        image::{BrokerImage, ClusterImage, ConfigResource, ControllerImage, METADATA_VERSION, PartitionImage, QuotaEntity, TopicImage},
        records::{self as record, MetadataRecord},
    },
    types::{NodeId, Text, Uuid},
};

impl ClusterImage {
    /// All records that make this image, made one by one as they are taken.
    pub fn records(&self) -> impl Iterator<Item = MetadataRecord> + '_ {
        self.feature_records()
            .chain(self.brokers.values().map(|broker| broker_record(broker)))
            .chain(self.controllers.values().map(|controller| controller_record(controller)))
            .chain(self.topics.values().flat_map(|topic| topic_records(topic)))
            .chain(self.config_records())
            .chain(self.quota_records())
            .chain(self.producer_id_record())
            .chain(self.security_records())
    }

    /// The level that says how to read all others comes first.
    fn feature_records(&self) -> impl Iterator<Item = MetadataRecord> + '_ {
        let first = self.features.get(METADATA_VERSION).map(|level| feature_record(METADATA_VERSION.into(), *level));
        let others = self.features.iter().filter(|(name, _)| **name != *METADATA_VERSION);
        first.into_iter().chain(others.map(|(name, level)| feature_record(name.clone(), *level)))
    }

    fn config_records(&self) -> impl Iterator<Item = MetadataRecord> + '_ {
        self.configs.iter().flat_map(|(resource, configs)| {
            configs.iter().map(move |(name, value)| config_record(resource, name.clone(), Some(value.clone())))
        })
    }

    fn quota_records(&self) -> impl Iterator<Item = MetadataRecord> + '_ {
        self.quotas.iter().flat_map(|(entity, quotas)| {
            quotas.iter().map(move |(key, value)| {
                MetadataRecord::ClientQuota(record::ClientQuotaRecord {
                    entity: quota_entity(entity),
                    key: key.clone(),
                    value: *value,
                    remove: false,
                })
            })
        })
    }

    fn producer_id_record(&self) -> Option<MetadataRecord> {
        let record = record::ProducerIdsRecord { broker_id: -1, broker_epoch: -1, next_producer_id: self.next_producer_id };
        (self.next_producer_id != 0).then_some(MetadataRecord::ProducerIds(record))
    }

    fn security_records(&self) -> impl Iterator<Item = MetadataRecord> + '_ {
        let acls = self.acls.iter().map(|(id, acl)| {
            MetadataRecord::AccessControlEntry(record::AccessControlEntryRecord {
                id: *id,
                resource_type: acl.resource_type,
                resource_name: acl.resource_name.clone(),
                pattern_type: acl.pattern_type,
                principal: acl.principal.clone(),
                host: acl.host.clone(),
                operation: acl.operation,
                permission_type: acl.permission_type,
            })
        });
        let scram = self.scram.iter().map(|(key, credential)| {
            MetadataRecord::UserScramCredential(record::UserScramCredentialRecord {
                name: key.user.clone(),
                mechanism: key.mechanism,
                salt: credential.salt.clone(),
                stored_key: credential.stored_key.clone(),
                server_key: credential.server_key.clone(),
                iterations: credential.iterations,
            })
        });
        let tokens = self.tokens.iter().map(|(id, token)| {
            MetadataRecord::DelegationToken(record::DelegationTokenRecord {
                owner: token.owner.clone(),
                requester: token.requester.clone(),
                renewers: token.renewers.clone(),
                issue_timestamp: token.issue_timestamp_ms,
                max_timestamp: token.max_timestamp_ms,
                expiration_timestamp: token.expiration_timestamp_ms,
                token_id: id.clone(),
            })
        });
        acls.chain(scram).chain(tokens)
    }
}

fn feature_record(name: Text, feature_level: i16) -> MetadataRecord {
    MetadataRecord::FeatureLevel(record::FeatureLevelRecord { name, feature_level })
}

fn quota_entity(entity: &QuotaEntity) -> Vec<record::EntityData> {
    let parts = entity.0.iter();
    parts.map(|(entity_type, name)| record::EntityData { entity_type: entity_type.clone(), entity_name: name.clone() }).collect()
}

/// The record that sets (or, without a value, removes) one config.
pub(crate) fn config_record(resource: &ConfigResource, name: Text, value: Option<Text>) -> MetadataRecord {
    MetadataRecord::Config(record::ConfigRecord {
        resource_type: resource.resource_type.0,
        resource_name: resource.name.clone(),
        name,
        value,
    })
}

/// The record that registers a broker just as `broker` says.
pub(crate) fn broker_record(broker: &BrokerImage) -> MetadataRecord {
    let end_points = broker.listeners.iter().map(|listener| record::BrokerEndpoint {
        name: listener.name.clone(),
        host: listener.host.clone(),
        port: listener.port,
        security_protocol: listener.security_protocol,
    });
    let features = broker.features.iter().map(|feature| record::BrokerFeature {
        name: feature.name.clone(),
        min_supported_version: feature.min_level,
        max_supported_version: feature.max_level,
    });
    MetadataRecord::RegisterBroker(record::RegisterBrokerRecord {
        broker_id: broker.id.get(),
        is_migrating_zk_broker: broker.is_migrating_zk_broker,
        incarnation_id: broker.incarnation_id,
        broker_epoch: broker.epoch.get(),
        end_points: end_points.collect(),
        features: features.collect(),
        rack: broker.rack.clone(),
        fenced: broker.fenced,
        in_controlled_shutdown: broker.in_controlled_shutdown,
        log_dirs: broker.log_dirs.clone(),
        cordoned_log_dirs: broker.cordoned_log_dirs.clone(),
    })
}

/// The record that registers a controller just as `controller` says.
pub(crate) fn controller_record(controller: &ControllerImage) -> MetadataRecord {
    let end_points = controller.listeners.iter().map(|listener| record::ControllerEndpoint {
        name: listener.name.clone(),
        host: listener.host.clone(),
        port: listener.port,
        security_protocol: listener.security_protocol,
    });
    let features = controller.features.iter().map(|feature| record::ControllerFeature {
        name: feature.name.clone(),
        min_supported_version: feature.min_level,
        max_supported_version: feature.max_level,
    });
    MetadataRecord::RegisterController(record::RegisterControllerRecord {
        controller_id: controller.id.get(),
        incarnation_id: controller.incarnation_id,
        zk_migration_ready: controller.zk_migration_ready,
        end_points: end_points.collect(),
        features: features.collect(),
    })
}

fn topic_records(topic: &TopicImage) -> impl Iterator<Item = MetadataRecord> + '_ {
    let head = MetadataRecord::Topic(record::TopicRecord { name: topic.name.clone(), topic_id: topic.id });
    let partitions = topic.partitions.iter().map(|(index, partition)| partition_record(topic.id, *index, partition));
    std::iter::once(head).chain(partitions)
}

/// The record that makes a partition just as `partition` says.
fn partition_record(topic_id: Uuid, index: i32, partition: &PartitionImage) -> MetadataRecord {
    let some = |ids: &[NodeId]| (!ids.is_empty()).then(|| numbers(ids));
    MetadataRecord::Partition(record::PartitionRecord {
        partition_id: index,
        topic_id,
        replicas: numbers(&partition.replicas),
        isr: numbers(&partition.isr),
        removing_replicas: numbers(&partition.removing_replicas),
        adding_replicas: numbers(&partition.adding_replicas),
        leader: partition.leader.map_or(-1, NodeId::get),
        leader_recovery_state: partition.leader_recovering.into(),
        leader_epoch: partition.leader_epoch.get(),
        partition_epoch: partition.partition_epoch,
        directories: partition.directories.clone(),
        eligible_leader_replicas: some(&partition.eligible_leader_replicas),
        last_known_elr: some(&partition.last_known_elr),
    })
}

/// Node ids as records have them.
pub(crate) fn numbers(ids: &[NodeId]) -> Vec<i32> {
    ids.iter().map(|id| id.get()).collect()
}
