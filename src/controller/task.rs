//! The controller's task: requests in, one flush for all that wait, image out, answers out.
//!
//! Control thread (tokio, current-thread). The order is the promise: on the device, then published, then answered.

use std::{io, sync::Arc, time::Duration};

use super::{
    ControllerError,
    client::{Reply, Request},
    machine::Controller,
    decision::Decision,
    spread::Spread,
};
use crate::{
    metadata::{
        ClusterImage,
        log::{MetadataLog, SnapshotId},
        records::MetadataRecord,
    },
    runtime::clock,
};

/// Requests that share one flush at most; the rest waits for the next.
const ROUND_MAX: usize = 256;
/// How often an idle controller looks whether a snapshot is due.
const IDLE: Duration = Duration::from_secs(30);

/// What comes in.
#[derive(Debug)]
pub(super) enum Event {
    Request(Request),
    /// A snapshot has been written, or could not be.
    SnapshotWritten(SnapshotId, io::Result<u64>),
}

/// The controller with its log and its inbox. Made by [`super::start`], to be [run](ControllerTask::run).
#[derive(Debug)]
pub struct ControllerTask {
    log: MetadataLog,
    controller: Controller,
    inbox: flume::Receiver<Event>,
    /// For the thread that writes a snapshot; weak, so that the inbox ends when the last client is gone.
    own_sender: flume::WeakSender<Event>,
    snapshot_in_work: bool,
}

/// Answers that wait for the flush.
type Answers = Vec<Box<dyn FnOnce() + Send>>;

/// What a round leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Go,
    Stop,
}

impl ControllerTask {
    pub(super) fn new(
        log: MetadataLog,
        controller: Controller,
        inbox: flume::Receiver<Event>,
        own_sender: flume::WeakSender<Event>,
    ) -> Self {
        Self { log, controller, inbox, own_sender, snapshot_in_work: false }
    }

    /// Serves requests until one of them is to shut down, or the last client is gone. Every image is sent to all
    /// `subscribers` (unbounded channels), and `spread` told of it, before the requests that made it are answered; the
    /// current one at once.
    ///
    /// # Errors
    /// The log failed or contradicted itself: nothing is answered any more, and the process must end.
    pub async fn run(mut self, subscribers: Vec<flume::Sender<Arc<ClusterImage>>>, spread: Arc<Spread>) -> Result<(), ControllerError> {
        publish(&subscribers, &spread, self.controller.builder().image());
        loop {
            let event = match tokio::time::timeout(IDLE, self.inbox.recv_async()).await {
                Ok(Ok(event)) => Some(event),
                Ok(Err(flume::RecvError::Disconnected)) => return Ok(()),
                Err(_) => None,
            };
            let before = self.log.end_offset();
            let mut answers = Answers::new();
            let next = self.round(event, &mut answers)?;
            self.log.flush()?;
            if self.log.end_offset() != before {
                publish(&subscribers, &spread, self.controller.builder().image());
            }
            for answer in answers {
                answer();
            }
            if next == Next::Stop {
                self.finish_snapshot().await;
                return Ok(());
            }
            self.snapshot_if_due();
        }
    }

    /// Waits for the snapshot that is being written, if one is; requests that come meanwhile are not answered.
    async fn finish_snapshot(&mut self) {
        while self.snapshot_in_work {
            match self.inbox.recv_async().await {
                Ok(Event::SnapshotWritten(id, result)) => self.snapshot_written(id, result),
                Ok(Event::Request(request)) => drop(request),
                Err(flume::RecvError::Disconnected) => return,
            }
        }
    }

    /// Decides everything that waits, up to a bound.
    fn round(&mut self, first: Option<Event>, answers: &mut Answers) -> Result<Next, ControllerError> {
        let mut event = first;
        for _ in 0..ROUND_MAX {
            let next = match event {
                None => return Ok(Next::Go),
                Some(Event::Request(request)) => self.request(request, answers)?,
                Some(Event::SnapshotWritten(id, result)) => {
                    self.snapshot_written(id, result);
                    Next::Go
                }
            };
            if next == Next::Stop {
                return Ok(Next::Stop);
            }
            event = self.inbox.try_recv().ok();
        }
        // The bound was met with one more in hand.
        match event {
            Some(Event::Request(request)) => self.request(request, answers),
            Some(Event::SnapshotWritten(id, result)) => {
                self.snapshot_written(id, result);
                Ok(Next::Go)
            }
            None => Ok(Next::Go),
        }
    }

    fn request(&mut self, request: Request, answers: &mut Answers) -> Result<Next, ControllerError> {
        match request {
            Request::CreateTopics(request, reply) => {
                let decision = self.controller.create_topics(&request);
                self.take(decision, reply, answers)?;
            }
            Request::DeleteTopics(request, version, reply) => {
                let decision = self.controller.delete_topics(&request, version);
                self.take(decision, reply, answers)?;
            }
            Request::CreatePartitions(request, reply) => {
                let decision = self.controller.create_partitions(&request);
                self.take(decision, reply, answers)?;
            }
            Request::IncrementalAlterConfigs(request, reply) => {
                let decision = self.controller.alter_configs(&request);
                self.take(decision, reply, answers)?;
            }
            Request::AlterConfigs(request, reply) => {
                let decision = self.controller.replace_configs(&request);
                self.take(decision, reply, answers)?;
            }
            Request::AllocateProducerIds(reply) => {
                let decision = self.controller.allocate_producer_ids();
                self.take(decision, reply, answers)?;
            }
            Request::Unfence(reply) => {
                self.write(self.controller.unfence())?;
                self.take(Decision { records: self.controller.recovered(), answer: () }, reply, answers)?;
            }
            Request::FailedDirectory(directory, reply) => {
                let records = self.controller.directory_failed(directory);
                self.take(Decision { records, answer: () }, reply, answers)?;
            }
            Request::Shutdown(reply) => {
                self.write(self.controller.controlled_shutdown())?;
                let decision = self.controller.fence();
                self.take(decision, reply, answers)?;
                return Ok(Next::Stop);
            }
        }
        Ok(Next::Go)
    }

    /// Stages what was decided, and keeps the answer until it is on the device.
    fn take<T: Send + 'static>(&mut self, decision: Decision<T>, reply: Reply<T>, answers: &mut Answers) -> Result<(), ControllerError> {
        self.write(decision.records)?;
        let answer = decision.answer;
        answers.push(Box::new(move || {
            // Who asked may have gone away meanwhile.
            let _ = reply.send(answer);
        }));
        Ok(())
    }

    fn write(&mut self, records: Vec<MetadataRecord>) -> Result<(), ControllerError> {
        let staged = self.log.stage(records, clock::now_ms())?;
        Ok(self.controller.apply(&staged)?)
    }

    /// Starts writing a snapshot on a thread of its own: it may take a while, and the log goes on meanwhile.
    fn snapshot_if_due(&mut self) {
        let now_ms = clock::now_ms();
        if self.snapshot_in_work || !self.log.snapshot_due(now_ms) {
            return;
        }
        let Some(done) = self.own_sender.upgrade() else { return };
        let image = Arc::new(self.controller.builder().image().clone());
        let writer = self.log.begin_snapshot(image, now_ms);
        self.snapshot_in_work = true;
        tokio::task::spawn_blocking(move || {
            let written = writer.write();
            // The inbox may be full or gone; then the snapshot is found at the next start.
            let _ = done.send(Event::SnapshotWritten(writer.id(), written));
        });
    }

    fn snapshot_written(&mut self, id: SnapshotId, result: io::Result<u64>) {
        self.snapshot_in_work = false;
        match result {
            Ok(bytes) => {
                tracing::info!(end_offset = %id.end_offset, bytes, "wrote a snapshot of the metadata");
                if let Err(error) = self.log.snapshot_written(id) {
                    tracing::error!(%error, "delete what the snapshot replaces");
                }
            }
            Err(error) => tracing::error!(%error, end_offset = %id.end_offset, "write a snapshot of the metadata"),
        }
    }
}

/// Sends an image to everyone; who is gone needs none.
fn publish(subscribers: &[flume::Sender<Arc<ClusterImage>>], spread: &Spread, image: &ClusterImage) {
    let image = Arc::new(image.clone());
    for subscriber in subscribers {
        let _ = subscriber.send(Arc::clone(&image));
    }
    spread.publish(&image);
}
