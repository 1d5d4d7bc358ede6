//! The handle by which the rest of the broker asks the controller for something.
//!
//! `Clone` and `Send`: used on shards and on the control thread. A method returns when the change is on the device and
//! every shard has been sent the image that has it.

use super::task::Event;
use crate::{
    protocol::messages::{
        alter_configs::{AlterConfigsRequest, AlterConfigsResponse},
        create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse},
        create_topics::{CreateTopicsRequest, CreateTopicsResponse},
        delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse},
        incremental_alter_configs::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse},
    },
    types::{BrokerEpoch, ErrorCode, ProducerId, Uuid},
};

/// The controller has stopped: the process is going down, so the connection that asked may be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the controller has stopped")]
pub struct ControllerGone;

/// Producer ids that nobody else will get: `start`, `start + 1`, … (AllocateProducerIds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// The first.
    pub start: ProducerId,
    /// How many.
    pub len: i32,
}

impl ProducerIdBlock {
    /// Takes one id out of the block; `None` when it is used up.
    pub fn take(&mut self) -> Option<ProducerId> {
        if self.len <= 0 {
            return None;
        }
        let id = self.start;
        self.start = ProducerId(id.get().saturating_add(1));
        self.len -= 1;
        Some(id)
    }
}

/// Where an answer goes.
pub(super) type Reply<T> = flume::Sender<T>;

/// What the controller can be asked.
#[derive(Debug)]
pub(super) enum Request {
    CreateTopics(CreateTopicsRequest, Reply<CreateTopicsResponse>),
    /// With the version of the request: it decides which error says that deletion is disabled.
    DeleteTopics(DeleteTopicsRequest, i16, Reply<DeleteTopicsResponse>),
    CreatePartitions(CreatePartitionsRequest, Reply<CreatePartitionsResponse>),
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest, Reply<IncrementalAlterConfigsResponse>),
    AlterConfigs(AlterConfigsRequest, Reply<AlterConfigsResponse>),
    AllocateProducerIds(Reply<Result<ProducerIdBlock, ErrorCode>>),
    Unfence(Reply<()>),
    FailedDirectory(Uuid, Reply<()>),
    Shutdown(Reply<BrokerEpoch>),
}

/// Asks the controller. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct ControllerClient {
    inbox: flume::Sender<Event>,
}

impl ControllerClient {
    pub(super) fn new(inbox: flume::Sender<Event>) -> Self {
        Self { inbox }
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, ControllerGone> {
        let (reply, answer) = flume::bounded(1);
        self.inbox.send_async(Event::Request(request(reply))).await.map_err(|_| ControllerGone)?;
        answer.recv_async().await.map_err(|_| ControllerGone)
    }

    /// CreateTopics. Whether the caller may is checked before; every topic of the request gets its own answer.
    ///
    /// # Errors
    /// [`ControllerGone`]; whether the change took effect is then not known.
    pub async fn create_topics(&self, request: CreateTopicsRequest) -> Result<CreateTopicsResponse, ControllerGone> {
        self.ask(|reply| Request::CreateTopics(request, reply)).await
    }

    /// DeleteTopics, by name or id. `version` is that of the client's request.
    ///
    /// # Errors
    /// [`ControllerGone`].
    pub async fn delete_topics(&self, request: DeleteTopicsRequest, version: i16) -> Result<DeleteTopicsResponse, ControllerGone> {
        self.ask(|reply| Request::DeleteTopics(request, version, reply)).await
    }

    /// CreatePartitions.
    ///
    /// # Errors
    /// [`ControllerGone`].
    pub async fn create_partitions(&self, request: CreatePartitionsRequest) -> Result<CreatePartitionsResponse, ControllerGone> {
        self.ask(|reply| Request::CreatePartitions(request, reply)).await
    }

    /// IncrementalAlterConfigs of topics, of this broker, and of the default of all brokers.
    ///
    /// # Errors
    /// [`ControllerGone`].
    pub async fn incremental_alter_configs(
        &self,
        request: IncrementalAlterConfigsRequest,
    ) -> Result<IncrementalAlterConfigsResponse, ControllerGone> {
        self.ask(|reply| Request::IncrementalAlterConfigs(request, reply)).await
    }

    /// AlterConfigs: what is not in the request is removed.
    ///
    /// # Errors
    /// [`ControllerGone`].
    pub async fn alter_configs(&self, request: AlterConfigsRequest) -> Result<AlterConfigsResponse, ControllerGone> {
        self.ask(|reply| Request::AlterConfigs(request, reply)).await
    }

    /// A block of 1,000 producer ids. Ids of a block that a crash loses are never given out again.
    ///
    /// # Errors
    /// [`ControllerGone`]; inside, the code for the client when there are no ids left.
    pub async fn allocate_producer_ids(&self) -> Result<Result<ProducerIdBlock, ErrorCode>, ControllerGone> {
        self.ask(Request::AllocateProducerIds).await
    }

    /// Says that this broker has loaded its logs and may lead: every partition in a working directory gets its leader.
    ///
    /// # Errors
    /// [`ControllerGone`].
    pub async fn unfence(&self) -> Result<(), ControllerGone> {
        self.ask(Request::Unfence).await
    }

    /// Reports that a log directory failed for good: its partitions lose their leader.
    ///
    /// # Errors
    /// [`ControllerGone`].
    pub async fn report_failed_dir(&self, directory: Uuid) -> Result<(), ControllerGone> {
        self.ask(|reply| Request::FailedDirectory(directory, reply)).await
    }

    /// Controlled shutdown: leadership is given up and the broker fenced, and the controller's task ends after its answer.
    /// The epoch goes into [`LogDirs::mark_clean`](crate::metadata::directory::LogDirs::mark_clean) once all logs are closed.
    ///
    /// # Errors
    /// [`ControllerGone`].
    pub async fn shutdown(&self) -> Result<BrokerEpoch, ControllerGone> {
        self.ask(Request::Shutdown).await
    }
}
