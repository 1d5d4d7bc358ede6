//! The actor of one partition: one inbox, one await, state owned by value.
//!
//! Runs on the shard that owns the partition. Every step is synchronous; I/O is spawned and reports back as a message.
//! After each turn it starts a write for everything staged, unless one is in flight: that is the group commit. A failed
//! write or flush ends the partition's service at once and retires its log directory; nothing is retried.

use std::{
    cell::{Cell, OnceCell, RefCell},
    path::PathBuf,
    rc::Rc,
};

use super::{
    append,
    at_once::AtOnce,
    handle::{PartitionHandle, Shared, Standing, storage_error},
    marks::Watermarks,
    message::{Fate, FlushFailed, Message, ProducerListing},
    pace::Pace,
    refusal::Refusal,
    settle::Settling,
};
use crate::{
    config::topic::{AcksAll, TopicConfig},
    log::{FlushRequest, Log, LogSettings, LogShared, OpenError, OpenOptions, WriteOutcome},
    record::ProduceRules,
    runtime::{
        channel::{self, Receiver, Sender},
        clock, fs,
        notify::Notify,
        oneshot, task,
    },
    types::{ErrorCode, LeaderEpoch, Offset, PartitionId, ProducerId, TopicPartition},
};

/// File in the partition's folder with the log start that DeleteRecords left; Kafka ignores files that it does not know.
const LOG_START: &str = "corelog.start";
/// How many errands are done before a write is started for what they staged.
const TURN_MESSAGES_MAX: usize = 512;

/// Asks the shard's flusher to make everything written so far durable.
#[derive(Debug)]
pub struct Flush {
    /// What is to be flushed.
    pub request: FlushRequest,
    /// Where the end is told.
    pub reply: Sender<Message>,
}

/// What the partitions of one log directory share on one shard.
#[derive(Clone)]
pub struct PartitionEnv {
    /// What their logs share.
    pub log: Rc<LogShared>,
    /// The directory's flusher.
    pub flusher: Sender<Flush>,
    /// When they write.
    pub pace: Rc<Pace>,
    /// True once the directory has failed: nothing in it is written or acknowledged any more.
    pub retired: Rc<Cell<bool>>,
    /// Told when a write fails: the directory is retired.
    pub directory_failed: Rc<dyn Fn(&std::io::Error)>,
    /// Most bytes that a batch may decompress to (`corelog.decompressed.bytes.max`).
    pub decompressed_bytes_max: usize,
    /// Milliseconds of silence after which a producer's state is forgotten (`producer.id.expiration.ms`).
    pub producer_expiration_ms: i64,
    /// Set while the directory is too full to take more.
    pub full: Rc<Cell<Option<Full>>>,
}

/// How full a log directory is that takes no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Bytes still free.
    pub free_bytes: u64,
    /// Bytes that must stay free (`corelog.disk.reserve.bytes`).
    pub reserve_bytes: u64,
}

impl std::fmt::Debug for PartitionEnv {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartitionEnv").finish_non_exhaustive()
    }
}

/// A partition to be started.
#[derive(Debug)]
pub struct Start {
    /// Topic id and index.
    pub id: PartitionId,
    /// Topic name and index.
    pub name: TopicPartition,
    /// The log directory that its folder is in.
    pub log_dir: PathBuf,
    /// The epoch in which this node leads it.
    pub leader_epoch: LeaderEpoch,
    /// Its configuration.
    pub config: Rc<TopicConfig>,
    /// What is known of its log from before.
    pub known: Known,
}

/// What the checkpoints of a log directory say about a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// First offset that can be read.
    pub log_start: Option<Offset>,
    /// Everything below was flushed.
    pub recovery_point: Option<Offset>,
    /// The log directory was stopped cleanly.
    pub clean: bool,
}

/// Starts the actor. The handle can be used at once; errands wait until the log is open.
pub fn start(start: Start, env: PartitionEnv) -> PartitionHandle {
    let (sender, inbox) = channel::unbounded();
    let shared = Rc::new(Shared {
        id: start.id,
        name: start.name.clone(),
        marks: Watermarks::default(),
        view: OnceCell::new(),
        epochs: RefCell::default(),
        standing: Cell::new(Standing::Opening),
        at_once: AtOnce::default(),
        opened: Notify::new(),
        failure: RefCell::new(None),
    });
    let handle = PartitionHandle { shared: Rc::clone(&shared), inbox: sender.clone() };
    task::spawn("partition", async move {
        let guard = Ended(Rc::clone(&shared));
        open_and_run(start, env, shared, sender, inbox).await;
        drop(guard);
    });
    handle
}

/// Marks the partition failed if its actor ends in any other way than by being closed, a panic included.
struct Ended(Rc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        if self.0.standing.get() != Standing::Closed {
            self.0.standing.set(Standing::Failed);
            self.0.failure.borrow_mut().get_or_insert_with(|| "its task ended unexpectedly".to_owned());
        }
        self.0.opened.notify();
        self.0.marks.wake();
    }
}

async fn open_and_run(start: Start, env: PartitionEnv, shared: Rc<Shared>, sender: Sender<Message>, inbox: Receiver<Message>) {
    let folder = start.log_dir.join(start.name.to_string());
    let turn = env.log.turn().await;
    let options = OpenOptions {
        log_dir: start.log_dir,
        name: start.name,
        topic_id: start.id.topic_id,
        settings: log_settings(&start.config),
        start: start.known.log_start.max(deleted_before(&folder).await),
        recovery_point: start.known.recovery_point.unwrap_or_default(),
        clean: start.known.clean,
        now_ms: clock::now_ms(),
    };
    let opened = Log::open(&env.log, options).await;
    drop(turn);
    let log = match opened {
        Ok(log) => log,
        Err(error) => {
            tracing::error!(partition = %shared.name, %error, "cannot open the log: the partition stays offline");
            if let OpenError::Io { error, .. } = &error {
                (env.directory_failed)(error);
            }
            *shared.failure.borrow_mut() = Some(error.to_string());
            shared.standing.set(Standing::Failed);
            shared.opened.notify();
            return refuse_everything(&shared, &inbox).await;
        }
    };
    shared.marks.reset(log.start(), log.end());
    shared.marks.set_leader_epoch(start.leader_epoch);
    *shared.epochs.borrow_mut() = log.epochs().clone();
    if shared.view.set(Rc::clone(log.view())).is_err() {
        unreachable!("a partition is opened once");
    }
    shared.standing.set(Standing::Leading);
    shared.opened.notify();
    let env_decompressed = env.decompressed_bytes_max;
    let mut partition = Partition {
        shared,
        env,
        folder,
        sender,
        log: Some(log),
        rules: append::rules(&start.config, env_decompressed),
        config: start.config,
        written: Settling::default(),
        committed: Settling::default(),
        flushing: false,
        held: false,
        flushed_ms: clock::now_ms(),
        closing: None,
    };
    partition.run(inbox).await;
}

/// The log start that the last DeleteRecords left; `None` without one, or if the file says nothing.
async fn deleted_before(folder: &std::path::Path) -> Option<Offset> {
    let text = fs::read(&folder.join(LOG_START), 64).await.ok()?;
    Offset::new(std::str::from_utf8(&text).ok()?.trim().parse().ok()?)
}

/// What is left to do for a partition whose log cannot be used: answer everyone.
async fn refuse_everything(shared: &Shared, inbox: &Receiver<Message>) {
    while let Some(message) = inbox.recv().await {
        let refusal = storage_error(shared);
        match message {
            Message::Append(append) => append.sink.appended(append.index, Err(refusal)),
            Message::DeleteRecords { reply, .. } => reply.send(Err(refusal)),
            Message::Producers { reply } => reply.send(Vec::new()),
            Message::Close { reply, .. } => {
                shared.standing.set(Standing::Closed);
                return reply.send(Err(std::io::Error::other(refusal.to_string())));
            }
            Message::Written(..) | Message::Flushed(_) | Message::Resume => {}
            Message::Reconfigure(_) | Message::Lead(_) | Message::Maintain => {}
        }
    }
}

/// The state of a partition in service.
pub(super) struct Partition {
    pub(super) shared: Rc<Shared>,
    pub(super) env: PartitionEnv,
    folder: PathBuf,
    sender: Sender<Message>,
    /// Taken out only to be closed.
    pub(super) log: Option<Log>,
    pub(super) config: Rc<TopicConfig>,
    /// What the configuration asks of batches.
    pub(super) rules: ProduceRules,
    /// Answers that wait for the write (acks=1).
    pub(super) written: Settling,
    /// Answers that wait for the high watermark (acks=all).
    pub(super) committed: Settling,
    flushing: bool,
    /// Waits for the end of a flush before it writes.
    held: bool,
    /// When the last flush ended, by the wall clock in ms.
    flushed_ms: i64,
    closing: Option<(Fate, oneshot::Sender<std::io::Result<()>>)>,
}

impl Partition {
    async fn run(&mut self, inbox: Receiver<Message>) {
        while let Some(message) = inbox.recv().await {
            self.step(message);
            for _ in 1..TURN_MESSAGES_MAX {
                let Some(message) = inbox.try_recv() else { break };
                self.step(message);
            }
            self.start_write_if_idle();
            if self.shared.standing.get() == Standing::Failed {
                return self.end_failed(&inbox).await;
            }
            if self.closing.is_some() && self.is_quiet() {
                return self.close().await;
            }
        }
    }

    fn step(&mut self, message: Message) {
        match message {
            Message::Append(append) => {
                self.shared.at_once.came();
                self.append(append);
            }
            Message::Written(outcome, ticket) => {
                self.write_ended(outcome);
                // Only now: the flush that waits for this write is to cover it.
                drop(ticket);
            }
            Message::Resume => self.held = false,
            Message::Flushed(result) => self.flush_ended(result),
            Message::DeleteRecords { before, reply } => match self.delete_records(before) {
                Ok(start) => self.keep_start(start, reply),
                Err(refusal) => reply.send(Err(refusal)),
            },
            Message::Producers { reply } => reply.send(self.list_producers()),
            Message::Reconfigure(config) => {
                self.log_mut().configure(log_settings(&config));
                self.rules = append::rules(&config, self.env.decompressed_bytes_max);
                self.config = config;
            }
            Message::Lead(epoch) => {
                self.log_mut().assign_epoch(epoch);
                self.shared.marks.set_leader_epoch(epoch);
                self.share_epochs();
            }
            Message::Maintain => {
                let high_watermark = self.shared.marks.high_watermark();
                let now_ms = clock::now_ms();
                let expiration_ms = self.env.producer_expiration_ms;
                let full = self.env.full.get().is_some();
                let log = self.log_mut();
                if full {
                    log.give_up_spares();
                }
                log.roll_if_old(now_ms);
                let deleted = log.apply_retention(now_ms, high_watermark);
                log.expire_producers(now_ms, expiration_ms);
                log.save();
                if deleted.segments > 0 {
                    tracing::info!(partition = %self.shared.name, ?deleted, "retention deleted segments");
                }
                self.follow_log_start();
                self.flush_after_ms(now_ms);
            }
            Message::Close { fate, reply } => self.closing = Some((fate, reply)),
        }
    }

    #[expect(clippy::expect_used, reason = "only `close` takes the log, and it is the actor's last step")]
    pub(super) fn log_mut(&mut self) -> &mut Log {
        self.log.as_mut().expect("the log is there until the actor ends")
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// True once a partition in service may stop: nothing is on its way to the device.
    fn is_quiet(&self) -> bool {
        let marks = &self.shared.marks;
        marks.written() == marks.log_end() && marks.durable() == marks.written() && !self.flushing
    }

    fn start_write_if_idle(&mut self) {
        if self.shared.standing.get() != Standing::Leading {
            return;
        }
        let staged_bytes = self.log_mut().staged_bytes();
        if self.held || staged_bytes == 0 {
            return;
        }
        if self.env.pace.holds(staged_bytes) {
            self.held = true;
            return self.env.pace.hold(self.sender.clone());
        }
        let Some(mut plan) = self.log_mut().take_write() else { return };
        self.shared.at_once.write_begins();
        let (sender, pace) = (self.sender.clone(), Rc::clone(&self.env.pace));
        let in_place = pace.writes_in_place(plan.bytes()) && plan.wait_in_place();
        // No flush waits for the work of blocking threads.
        let ticket = (!plan.changes_files()).then(|| pace.begin_write());
        task::spawn("write", async move {
            let outcome = if in_place { pace.in_place(plan.execute()).await } else { plan.execute().await };
            drop(sender.try_send(Message::Written(outcome, ticket)));
        });
    }

    fn write_ended(&mut self, outcome: WriteOutcome) {
        match self.log_mut().complete_write(outcome) {
            Ok(end) => {
                self.shared.marks.written_to(end);
                self.shared.at_once.write_ended();
                self.written.release(end);
                if self.config.acks_all == AcksAll::Written {
                    self.shared.marks.commit_to(end);
                    self.committed.release(end);
                }
                self.flush_if_due();
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Asks for a flush if one is due and none is on its way. What is written meanwhile is covered by the next.
    fn flush_if_due(&mut self) {
        let marks = &self.shared.marks;
        let (written, durable) = (marks.written(), marks.durable());
        if self.flushing || written <= durable {
            return;
        }
        let due = match self.config.acks_all {
            AcksAll::Flushed => true,
            AcksAll::Written => written.since(durable) >= self.config.flush_messages || self.is_closing(),
        };
        if !due {
            return;
        }
        self.flush();
    }

    fn flush(&mut self) {
        if self.flushing {
            return;
        }
        let Some(request) = self.log_mut().flush_request() else { return };
        self.flushing = true;
        if self.env.flusher.try_send(Flush { request, reply: self.sender.clone() }).is_err() {
            // It panicked, and has retired the directory.
            self.flush_ended(Err(FlushFailed));
        }
        if self.flushing {
            self.env.pace.flush_due();
        }
    }

    /// Where acks=all does not wait for flushes, old writes are still flushed after `flush.ms`.
    fn flush_after_ms(&mut self, now_ms: i64) {
        if self.config.acks_all == AcksAll::Written && now_ms.saturating_sub(self.flushed_ms) >= self.config.flush_ms {
            self.flush();
        }
    }

    fn flush_ended(&mut self, result: Result<FlushRequest, FlushFailed>) {
        self.flushing = false;
        match result {
            Ok(request) => {
                let end = self.log_mut().flushed(&request);
                self.flushed_ms = clock::now_ms();
                let recovery_point = self.log_mut().recovery_point();
                self.shared.marks.durable_to(end);
                self.shared.marks.recover_from(recovery_point);
                self.shared.marks.commit_to(end);
                self.committed.release(end);
                self.flush_if_due();
            }
            // The flusher has told the broker already.
            Err(FlushFailed) => {
                self.log_mut().fail();
                self.out_of_service("a flush of its log directory failed".to_owned());
            }
        }
    }

    fn list_producers(&mut self) -> Vec<ProducerListing> {
        let listing = |(producer_id, producer): (ProducerId, &crate::log::Producer)| ProducerListing {
            producer_id,
            producer_epoch: producer.epoch,
            last_sequence: producer.last().map(|batch| batch.last_sequence),
            last_timestamp_ms: producer.last().map_or(-1, |batch| batch.timestamp),
        };
        self.log_mut().producers().iter().map(listing).collect()
    }

    fn delete_records(&mut self, before: Option<Offset>) -> Result<Offset, Refusal> {
        let high_watermark = self.shared.marks.high_watermark();
        let before = before.unwrap_or(high_watermark);
        if before > high_watermark {
            let message = format!("offset {before} is above the high watermark {high_watermark}");
            return Err(Refusal::because(ErrorCode::OffsetOutOfRange, message));
        }
        self.log_mut().advance_start(before);
        self.follow_log_start();
        Ok(self.shared.marks.log_start())
    }

    /// Answers a deletion once it is written down: what a client was told is gone must not come back after a crash, and
    /// the checkpoints of the log directory are written only now and then.
    fn keep_start(&self, start: Offset, reply: oneshot::Sender<Result<Offset, Refusal>>) {
        let (path, env, shared) = (self.folder.join(LOG_START), self.env.clone(), Rc::clone(&self.shared));
        task::spawn("write the log start", async move {
            let written = fs::write_atomic(&path, start.to_string().into_bytes()).await;
            reply.send(written.map(|()| start).map_err(|error| {
                (env.directory_failed)(&error);
                storage_error(&shared)
            }));
        });
    }

    /// Lets readers see the epochs as they are now.
    pub(super) fn share_epochs(&mut self) {
        let epochs = self.log_mut().epochs().clone();
        *self.shared.epochs.borrow_mut() = epochs;
    }

    /// Takes over the log's start after retention or a deletion.
    fn follow_log_start(&mut self) {
        let start = self.log_mut().start();
        if start > self.shared.marks.log_start() {
            self.shared.marks.start_at(start);
            self.share_epochs();
        }
    }

    /// A write failed: the directory is dead.
    fn fail(&mut self, error: &std::io::Error) {
        tracing::error!(partition = %self.shared.name, %error, "a write to the log failed: its directory is retired");
        (self.env.directory_failed)(error);
        self.out_of_service(format!("a write failed: {error}"));
    }

    fn out_of_service(&mut self, why: String) {
        self.shared.failure.borrow_mut().get_or_insert(why);
        self.shared.standing.set(Standing::Failed);
        let refusal = storage_error(&self.shared);
        self.written.refuse(&refusal);
        self.committed.refuse(&refusal);
        self.shared.marks.wake();
    }

    async fn end_failed(&mut self, inbox: &Receiver<Message>) {
        if let Some((_, reply)) = self.closing.take() {
            self.shared.standing.set(Standing::Closed);
            return reply.send(Err(std::io::Error::other(storage_error(&self.shared).to_string())));
        }
        refuse_everything(&self.shared, inbox).await;
    }

    async fn close(&mut self) {
        self.shared.standing.set(Standing::Closed);
        self.shared.marks.wake();
        let (Some((fate, reply)), Some(log)) = (self.closing.take(), self.log.take()) else { return };
        let result = match fate {
            Fate::Keep => log.close().await,
            Fate::Delete => {
                let _turn = self.env.log.turn().await;
                log.delete().await
            }
        };
        reply.send(result);
    }
}

/// What the log follows of the topic's configuration.
fn log_settings(config: &TopicConfig) -> LogSettings {
    LogSettings {
        segment_bytes: config.segment_bytes as u64,
        segment_ms: config.segment_ms,
        segment_jitter_ms: config.segment_jitter_ms,
        index_interval_bytes: config.index_interval_bytes,
        segment_index_bytes: config.segment_index_bytes as u64,
        delete: config.cleanup_policy.delete,
        compact: config.cleanup_policy.compact,
        retention_ms: config.retention_ms,
        retention_bytes: config.retention_bytes,
        file_delete_delay_ms: config.file_delete_delay_ms,
    }
}
