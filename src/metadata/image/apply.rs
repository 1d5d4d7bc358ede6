//! Records into image: what each record type changes, and the transactions that hold changes back.
//!
//! Pure. The same code feeds the image of the in-process controller, of a start from log or snapshot, and (later) of an
//! observer of another quorum. A record that contradicts the image is an error: the log is then not what this code
//! thinks it is, and guessing on would spread the damage.

use std::sync::Arc;

use crate::{
    metadata::{
        image::{AclImage, BrokerImage, ClusterImage, ConfigResource, ControllerImage, Listener, QuotaEntity, ResourceType,
            ScramCredential, ScramKey, SupportedFeature, TokenImage, TopicImage},
        records::{self as record, MetadataRecord},
    },
    types::{BrokerEpoch, NodeId, Offset, Text},
};

/// A record cannot be applied. Fatal for whoever reads the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("metadata record at offset {offset}: {reason}")]
pub struct ApplyError {
    /// Offset of the record.
    pub offset: Offset,
    /// What it contradicts.
    pub reason: String,
}

/// Where a batch stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPosition {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// First offset after it.
    pub end_offset: Offset,
    /// Raft epoch of the leader that wrote it.
    pub epoch: i32,
    /// When it was appended, in milliseconds since 1970.
    pub timestamp_ms: i64,
}

/// Turns batches into images. Inside a transaction readers keep seeing the image from before it.
#[derive(Clone, Debug, Default)]
pub struct ImageBuilder {
    working: ClusterImage,
    /// The image at the start of the transaction that is open.
    before_transaction: Option<Box<ClusterImage>>,
}

impl ImageBuilder {
    /// Starts from an image, for example an empty one or a snapshot's.
    pub fn new(image: ClusterImage) -> Self {
        Self { working: image, before_transaction: None }
    }

    /// What readers may see: everything but an open transaction.
    pub fn image(&self) -> &ClusterImage {
        self.before_transaction.as_deref().unwrap_or(&self.working)
    }

    /// Everything applied so far, an open transaction included; only the writer of the log decides by it.
    pub fn working(&self) -> &ClusterImage {
        &self.working
    }

    /// True between the begin and the end of a transaction.
    pub fn in_transaction(&self) -> bool {
        self.before_transaction.is_some()
    }

    /// Applies one batch; control batches have no `records` but move the position on.
    ///
    /// # Errors
    /// A record contradicts what came before it. The builder is then of no more use.
    pub fn apply(&mut self, position: BatchPosition, records: &[MetadataRecord]) -> Result<(), ApplyError> {
        for (index, record) in records.iter().enumerate() {
            let offset = position.base_offset.plus(index as i64);
            match record {
                MetadataRecord::BeginTransaction(_) => self.begin(offset)?,
                MetadataRecord::EndTransaction(_) => {
                    self.before_transaction.take().ok_or_else(|| no_transaction(offset))?;
                }
                MetadataRecord::AbortTransaction(_) => {
                    self.working = *self.before_transaction.take().ok_or_else(|| no_transaction(offset))?;
                }
                other => self.working.apply(other).map_err(|reason| ApplyError { offset, reason })?,
            }
        }
        self.working.end_offset = position.end_offset;
        self.working.epoch = position.epoch;
        self.working.timestamp_ms = position.timestamp_ms;
        Ok(())
    }

    fn begin(&mut self, offset: Offset) -> Result<(), ApplyError> {
        if self.in_transaction() {
            return Err(ApplyError { offset, reason: "begins a transaction inside a transaction".into() });
        }
        self.before_transaction = Some(Box::new(self.working.clone()));
        Ok(())
    }
}

fn no_transaction(offset: Offset) -> ApplyError {
    ApplyError { offset, reason: "ends a transaction, but none has begun".into() }
}

type Applied = Result<(), String>;

impl ClusterImage {
    /// Applies records of a snapshot, which know no transactions; `base_offset` is where they stand in it.
    ///
    /// # Errors
    /// A record contradicts what came before it.
    pub(crate) fn apply_snapshot(&mut self, base_offset: Offset, records: &[MetadataRecord]) -> Result<(), ApplyError> {
        for (index, record) in records.iter().enumerate() {
            let offset = base_offset.plus(index as i64);
            self.apply(record).map_err(|reason| ApplyError { offset, reason })?;
        }
        Ok(())
    }

    /// Applies one record that is no transaction marker.
    pub(super) fn apply(&mut self, record: &MetadataRecord) -> Applied {
        match record {
            MetadataRecord::RegisterBroker(record) => self.register_broker(record),
            MetadataRecord::UnregisterBroker(record) => {
                self.broker_mut(record.broker_id, record.broker_epoch)?;
                self.brokers.remove(&NodeId(record.broker_id));
                Ok(())
            }
            MetadataRecord::FenceBroker(record) => self.broker_mut(record.id, record.epoch).map(|broker| broker.fenced = true),
            MetadataRecord::UnfenceBroker(record) => self.broker_mut(record.id, record.epoch).map(|broker| broker.fenced = false),
            MetadataRecord::BrokerRegistrationChange(record) => self.change_broker(record),
            MetadataRecord::RegisterController(record) => self.register_controller(record),
            MetadataRecord::FeatureLevel(record) => {
                match record.feature_level {
                    0 => self.features.remove(&*record.name),
                    level => self.features.insert(record.name.detached(), level),
                };
                Ok(())
            }
            MetadataRecord::Topic(record) => self.add_topic(record),
            MetadataRecord::RemoveTopic(record) => self.remove_topic(record),
            MetadataRecord::Partition(record) => self.add_partition(record),
            MetadataRecord::PartitionChange(record) => self.change_partition(record),
            MetadataRecord::ClearElr(record) => self.clear_elr(record),
            MetadataRecord::Config(record) => {
                self.set_config(record);
                Ok(())
            }
            MetadataRecord::ProducerIds(record) => {
                self.next_producer_id = record.next_producer_id;
                Ok(())
            }
            MetadataRecord::ClientQuota(_)
            | MetadataRecord::AccessControlEntry(_)
            | MetadataRecord::RemoveAccessControlEntry(_)
            | MetadataRecord::UserScramCredential(_)
            | MetadataRecord::RemoveUserScramCredential(_)
            | MetadataRecord::DelegationToken(_)
            | MetadataRecord::RemoveDelegationToken(_) => {
                self.apply_security(record);
                Ok(())
            }
            // Idle markers, and the state of a migration that Kafka 4 no longer knows.
            MetadataRecord::NoOp(_) | MetadataRecord::ZkMigrationState(_) => Ok(()),
            MetadataRecord::BeginTransaction(_) | MetadataRecord::EndTransaction(_) | MetadataRecord::AbortTransaction(_) => {
                Err("is a transaction marker in a place that has no transactions".into())
            }
        }
    }

    fn register_broker(&mut self, record: &record::RegisterBrokerRecord) -> Applied {
        let id = NodeId(record.broker_id);
        let listeners = record.end_points.iter().map(|end_point| Listener {
            name: end_point.name.detached(),
            host: end_point.host.detached(),
            port: end_point.port,
            security_protocol: end_point.security_protocol,
        });
        let features = record.features.iter().map(|feature| SupportedFeature {
            name: feature.name.detached(),
            min_level: feature.min_supported_version,
            max_level: feature.max_supported_version,
        });
        let broker = BrokerImage {
            id,
            epoch: BrokerEpoch(record.broker_epoch),
            incarnation_id: record.incarnation_id,
            listeners: listeners.collect(),
            features: by_name(features),
            rack: record.rack.as_ref().map(Text::detached),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            is_migrating_zk_broker: record.is_migrating_zk_broker,
            log_dirs: record.log_dirs.clone(),
            cordoned_log_dirs: record.cordoned_log_dirs.clone(),
        };
        self.brokers.insert(id, Arc::new(broker));
        Ok(())
    }

    /// The broker that a record names; its epoch says which incarnation is meant.
    fn broker_mut(&mut self, id: i32, epoch: i64) -> Result<&mut BrokerImage, String> {
        let broker = self.brokers.get_mut(&NodeId(id)).ok_or_else(|| format!("names broker {id}, which is not registered"))?;
        if broker.epoch.get() != epoch {
            return Err(format!("names epoch {epoch} of broker {id}, whose epoch is {}", broker.epoch));
        }
        Ok(Arc::make_mut(broker))
    }

    fn change_broker(&mut self, record: &record::BrokerRegistrationChangeRecord) -> Applied {
        let broker = self.broker_mut(record.broker_id, record.broker_epoch)?;
        match record.fenced {
            0 => {}
            1 => broker.fenced = true,
            -1 => broker.fenced = false,
            other => return Err(format!("has Fenced={other}")),
        }
        match record.in_controlled_shutdown {
            0 => {}
            1 => broker.in_controlled_shutdown = true,
            other => return Err(format!("has InControlledShutdown={other}")),
        }
        // An empty list stands for "unchanged" here, so that the last directory of a broker cannot be taken away.
        if !record.log_dirs.is_empty() {
            broker.log_dirs.clone_from(&record.log_dirs);
        }
        if let Some(dirs) = &record.cordoned_log_dirs {
            broker.cordoned_log_dirs = Some(dirs.clone());
        }
        Ok(())
    }

    fn register_controller(&mut self, record: &record::RegisterControllerRecord) -> Applied {
        let id = NodeId(record.controller_id);
        let listeners = record.end_points.iter().map(|end_point| Listener {
            name: end_point.name.detached(),
            host: end_point.host.detached(),
            port: end_point.port,
            security_protocol: end_point.security_protocol,
        });
        let features = record.features.iter().map(|feature| SupportedFeature {
            name: feature.name.detached(),
            min_level: feature.min_supported_version,
            max_level: feature.max_supported_version,
        });
        let controller = ControllerImage {
            id,
            incarnation_id: record.incarnation_id,
            zk_migration_ready: record.zk_migration_ready,
            listeners: listeners.collect(),
            features: by_name(features),
        };
        self.controllers.insert(id, Arc::new(controller));
        Ok(())
    }

    fn add_topic(&mut self, record: &record::TopicRecord) -> Applied {
        if self.topics.contains_key(&record.topic_id) {
            return Err(format!("makes topic id {}, which exists", record.topic_id));
        }
        let name = record.name.detached();
        if let Some(id) = self.topic_ids.insert(name.clone(), record.topic_id) {
            return Err(format!("makes topic {name}, which exists with id {id}"));
        }
        let topic = TopicImage { id: record.topic_id, name, partitions: Default::default() };
        self.topics.insert(record.topic_id, Arc::new(topic));
        Ok(())
    }

    fn remove_topic(&mut self, record: &record::RemoveTopicRecord) -> Applied {
        let id = record.topic_id;
        let topic = self.topics.remove(&id).ok_or_else(|| format!("removes topic id {id}, which does not exist"))?;
        self.topic_ids.remove(&*topic.name);
        self.partition_count -= topic.partitions.len();
        // No Config records follow: the topic takes its configs with it.
        self.configs.remove(&ConfigResource { resource_type: ResourceType::TOPIC, name: topic.name.clone() });
        Ok(())
    }

    fn set_config(&mut self, record: &record::ConfigRecord) {
        let resource = ConfigResource { resource_type: ResourceType(record.resource_type), name: record.resource_name.detached() };
        match &record.value {
            Some(value) => {
                if self.configs.get(&resource).is_none() {
                    self.configs.insert(resource.clone(), Arc::default());
                }
                if let Some(configs) = self.configs.get_mut(&resource) {
                    Arc::make_mut(configs).insert(record.name.detached(), value.detached());
                }
            }
            None => {
                let Some(configs) = self.configs.get_mut(&resource) else { return };
                let configs = Arc::make_mut(configs);
                configs.remove(&*record.name);
                if configs.is_empty() {
                    self.configs.remove(&resource);
                }
            }
        }
    }

    fn apply_security(&mut self, record: &MetadataRecord) {
        match record {
            MetadataRecord::ClientQuota(record) => self.set_quota(record),
            MetadataRecord::AccessControlEntry(record) => {
                let acl = AclImage {
                    resource_type: record.resource_type,
                    resource_name: record.resource_name.detached(),
                    pattern_type: record.pattern_type,
                    principal: record.principal.detached(),
                    host: record.host.detached(),
                    operation: record.operation,
                    permission_type: record.permission_type,
                };
                self.acls.insert(record.id, Arc::new(acl));
            }
            MetadataRecord::RemoveAccessControlEntry(record) => {
                self.acls.remove(&record.id);
            }
            MetadataRecord::UserScramCredential(record) => {
                let copy = |bytes: &bytes::Bytes| bytes::Bytes::copy_from_slice(bytes);
                let credential = ScramCredential {
                    salt: copy(&record.salt),
                    stored_key: copy(&record.stored_key),
                    server_key: copy(&record.server_key),
                    iterations: record.iterations,
                };
                self.scram.insert(ScramKey { user: record.name.detached(), mechanism: record.mechanism }, Arc::new(credential));
            }
            MetadataRecord::RemoveUserScramCredential(record) => {
                self.scram.remove(&ScramKey { user: record.name.clone(), mechanism: record.mechanism });
            }
            MetadataRecord::DelegationToken(record) => {
                let token = TokenImage {
                    owner: record.owner.detached(),
                    requester: record.requester.detached(),
                    renewers: record.renewers.iter().map(Text::detached).collect(),
                    issue_timestamp_ms: record.issue_timestamp,
                    max_timestamp_ms: record.max_timestamp,
                    expiration_timestamp_ms: record.expiration_timestamp,
                };
                self.tokens.insert(record.token_id.detached(), Arc::new(token));
            }
            MetadataRecord::RemoveDelegationToken(record) => {
                self.tokens.remove(&*record.token_id);
            }
            _ => {}
        }
    }

    fn set_quota(&mut self, record: &record::ClientQuotaRecord) {
        let parts = record.entity.iter();
        let mut entity: Vec<_> =
            parts.map(|part| (part.entity_type.detached(), part.entity_name.as_ref().map(Text::detached))).collect();
        entity.sort();
        let entity = QuotaEntity(entity);
        if record.remove {
            let Some(quotas) = self.quotas.get_mut(&entity) else { return };
            let quotas = Arc::make_mut(quotas);
            quotas.remove(&*record.key);
            if quotas.is_empty() {
                self.quotas.remove(&entity);
            }
            return;
        }
        if !self.quotas.contains_key(&entity) {
            self.quotas.insert(entity.clone(), Arc::default());
        }
        if let Some(quotas) = self.quotas.get_mut(&entity) {
            Arc::make_mut(quotas).insert(record.key.detached(), record.value);
        }
    }
}

/// Kafka keeps features in a hash map and writes them in any order; here they have one.
fn by_name(features: impl Iterator<Item = SupportedFeature>) -> Vec<SupportedFeature> {
    let mut features: Vec<_> = features.collect();
    features.sort_by(|left, right| left.name.cmp(&right.name));
    features
}
