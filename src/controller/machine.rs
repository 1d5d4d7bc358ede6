//! The controller as a state machine: a request and the image go in, records and an answer come out.
//!
//! Pure but for the random ids of topics; no file, no clock, no channel. `task.rs` writes the records, and only when they
//! are on the device gives out the answers.

use std::sync::Arc;

use super::{
    brokers, configs,
    client::ProducerIdBlock,
    decision::{Decision, View},
    partitions, topics,
};
use crate::{
    config::BrokerConfig,
    metadata::{
        image::{ApplyError, BrokerImage, ImageBuilder},
        log::StagedBatch,
        records::{MetadataRecord, ProducerIdsRecord},
    },
    protocol::messages::{
        alter_configs::{AlterConfigsRequest, AlterConfigsResponse},
        create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse},
        create_topics::{CreateTopicsRequest, CreateTopicsResponse},
        delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse},
        incremental_alter_configs::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse},
    },
    types::{BrokerEpoch, ErrorCode, NodeId, ProducerId, Uuid},
};

/// Ids in a block of producer ids (ProducerIdsBlock.java).
const PRODUCER_ID_BLOCK_LEN: i32 = 1000;

/// What is known, and the rules to decide by.
#[derive(Debug)]
pub(super) struct Controller {
    builder: ImageBuilder,
    config: Arc<BrokerConfig>,
    node: NodeId,
}

impl Controller {
    pub(super) fn new(builder: ImageBuilder, config: Arc<BrokerConfig>) -> Self {
        let node = config.node_id;
        Self { builder, config, node }
    }

    /// What to decide from: everything decided so far, on the device or not.
    pub(super) fn view(&self) -> View<'_> {
        View { image: self.builder.working(), config: &self.config, node: self.node }
    }

    /// The image for readers.
    pub(super) fn builder(&self) -> &ImageBuilder {
        &self.builder
    }

    /// Takes over what was decided and has been given offsets.
    ///
    /// # Errors
    /// A record contradicts the image: an invariant of the decisions is false.
    pub(super) fn apply(&mut self, batches: &[StagedBatch]) -> Result<(), ApplyError> {
        batches.iter().try_for_each(|batch| self.builder.apply(batch.position, &batch.records))
    }

    /// This broker, once it has registered.
    pub(super) fn broker(&self) -> Option<&BrokerImage> {
        self.builder.working().brokers.get(&self.node).map(Arc::as_ref)
    }

    pub(super) fn create_topics(&self, request: &CreateTopicsRequest) -> Decision<CreateTopicsResponse> {
        topics::create(self.view(), request)
    }

    pub(super) fn delete_topics(&self, request: &DeleteTopicsRequest, version: i16) -> Decision<DeleteTopicsResponse> {
        topics::delete(self.view(), request, version)
    }

    pub(super) fn create_partitions(&self, request: &CreatePartitionsRequest) -> Decision<CreatePartitionsResponse> {
        partitions::create(self.view(), request)
    }

    pub(super) fn alter_configs(&self, request: &IncrementalAlterConfigsRequest) -> Decision<IncrementalAlterConfigsResponse> {
        configs::alter(self.view(), request)
    }

    pub(super) fn replace_configs(&self, request: &AlterConfigsRequest) -> Decision<AlterConfigsResponse> {
        configs::replace(self.view(), request)
    }

    /// A block of producer ids for this broker (ProducerIdControlManager.java).
    pub(super) fn allocate_producer_ids(&self) -> Decision<Result<ProducerIdBlock, ErrorCode>> {
        let start = self.builder.working().next_producer_id;
        let next = start.checked_add(PRODUCER_ID_BLOCK_LEN.into());
        let (Some(next_producer_id), Some(broker)) = (next, self.broker()) else {
            return Decision { records: Vec::new(), answer: Err(ErrorCode::UnknownServerError) };
        };
        let record = ProducerIdsRecord { broker_id: broker.id.get(), broker_epoch: broker.epoch.get(), next_producer_id };
        Decision {
            records: vec![MetadataRecord::ProducerIds(record)],
            answer: Ok(ProducerIdBlock { start: ProducerId(start), len: PRODUCER_ID_BLOCK_LEN }),
        }
    }

    /// This broker is ready to lead. Nothing if it already does.
    pub(super) fn unfence(&self) -> Vec<MetadataRecord> {
        match self.broker() {
            Some(broker) if broker.fenced => brokers::unfence(self.view(), broker),
            _ => Vec::new(),
        }
    }

    /// The logs of partitions that were given back to this broker although data may be missing have been read.
    pub(super) fn recovered(&self) -> Vec<MetadataRecord> {
        brokers::recovered(self.view(), self.node)
    }

    pub(super) fn directory_failed(&self, directory: Uuid) -> Vec<MetadataRecord> {
        self.broker().map_or_else(Vec::new, |broker| brokers::directory_failed(self.view(), broker, directory))
    }

    /// The first step of a shutdown in order.
    pub(super) fn controlled_shutdown(&self) -> Vec<MetadataRecord> {
        self.broker().map_or_else(Vec::new, |broker| brokers::controlled_shutdown(self.view(), broker))
    }

    /// The last step of a shutdown in order, and the epoch that ends with it.
    pub(super) fn fence(&self) -> Decision<BrokerEpoch> {
        match self.broker() {
            Some(broker) => Decision { records: brokers::fence(self.view(), broker), answer: broker.epoch },
            None => Decision::default(),
        }
    }
}
