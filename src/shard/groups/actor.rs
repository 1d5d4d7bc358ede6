//! The task of one coordinator: one inbox, one await.
//!
//! One append is in flight at a time; what comes meanwhile is written together with the next. An answer waits for the records
//! it came with, and one without records for those before it. When an append fails, what is in memory may be more than is in
//! the log: everyone who waits is refused, the state is dropped and read from the log again.

use std::{
    cell::Cell,
    collections::{BTreeSet, VecDeque},
    rc::Rc,
    sync::Arc,
};

use super::load;
use crate::{
    config::BrokerConfig,
    coordinator::{Answer, Coordinator, Effects, LogRecord, Now, Question, Ticket, World},
    metadata::ClusterImage,
    partition::{Acks, Append, AppendSink, Appended, PartitionHandle, Refusal, Standing},
    record::{BatchBuilder, Codec},
    runtime::{
        channel::{self, Receiver, Sender},
        clock, oneshot, task,
    },
    types::{ErrorCode, HashMap, Text},
};

/// Bytes of records that are written as one batch, unless a single step has more.
const BATCH_BYTES: usize = 512 * 1024;
/// Errands that are done before what they wrote is appended.
const TURN_MESSAGES_MAX: usize = 512;
/// Version of Produce whose rules the coordinator's batches follow.
const PRODUCE_VERSION: i16 = 13;

/// What a coordinator's task can be told.
pub(super) enum Message {
    /// A request.
    Ask(Box<Question>, oneshot::Sender<Answer>),
    /// The log has been read, or cannot be.
    Loaded(Result<Box<Coordinator>, Refusal>),
    /// The append in flight ended.
    Appended(Result<(), Refusal>),
    /// Something is due.
    Tick,
    /// These topics are gone.
    TopicsDeleted(Rc<BTreeSet<Text>>),
    /// The broker stops: refuse everyone, now and from now on.
    Stop,
    /// The partition has gone: refuse everyone and end.
    End,
}

/// A coordinator of this shard. Cheap to clone.
#[derive(Clone)]
pub(in crate::shard) struct CoordinatorHandle {
    inbox: Sender<Message>,
    next_tick_ms: Rc<Cell<u64>>,
}

impl std::fmt::Debug for CoordinatorHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CoordinatorHandle").field("waiting", &self.inbox.len()).finish_non_exhaustive()
    }
}

impl CoordinatorHandle {
    /// Starts the task; it reads the partition's log first. `image` gives the cluster as it is
    /// now, as long as there is a shard.
    pub(super) fn start(partition: PartitionHandle, config: Arc<BrokerConfig>, image: Rc<dyn Fn() -> Option<Arc<ClusterImage>>>) -> Self {
        let (inbox, messages) = channel::unbounded();
        let next_tick_ms = Rc::new(Cell::new(u64::MAX));
        let actor = Actor {
            partition,
            config,
            image,
            inbox: inbox.clone(),
            next_tick_ms: Rc::clone(&next_tick_ms),
            state: State::Loading,
            deleted: BTreeSet::new(),
            waiting: HashMap::new(),
            next_ticket: 0,
            queue: VecDeque::new(),
            in_flight: None,
        };
        task::spawn("group coordinator", actor.run(messages));
        Self { inbox, next_tick_ms }
    }

    /// Hands over a request; gives it back if the task has ended.
    pub(super) fn ask(&self, question: Box<Question>, reply: oneshot::Sender<Answer>) -> Result<(), Box<Question>> {
        match self.inbox.try_send(Message::Ask(question, reply)) {
            Err(Message::Ask(question, _)) => Err(question),
            _ => Ok(()),
        }
    }

    /// Tells it something. A task that has ended does not care.
    pub(super) fn tell(&self, message: Message) {
        drop(self.inbox.try_send(message));
    }

    /// Lets it do what is due at `now_ms`.
    pub(super) fn tick(&self, now_ms: u64) {
        if self.next_tick_ms.get() <= now_ms {
            // Until it has had its turn, once is enough.
            self.next_tick_ms.set(u64::MAX);
            self.tell(Message::Tick);
        }
    }
}

enum State {
    Loading,
    Active(Box<Coordinator>),
    /// The log cannot be read or written.
    Failed,
    Stopped,
    Ended,
}

/// Records that are written together, and the answers that wait for them.
struct Unit {
    records: Vec<LogRecord>,
    bytes: usize,
    answers: Vec<(Ticket, Answer)>,
}

struct Actor {
    partition: PartitionHandle,
    config: Arc<BrokerConfig>,
    image: Rc<dyn Fn() -> Option<Arc<ClusterImage>>>,
    inbox: Sender<Message>,
    next_tick_ms: Rc<Cell<u64>>,
    state: State,
    /// Topics that went while the log was read.
    deleted: BTreeSet<Text>,
    /// Requests that have no answer yet.
    waiting: HashMap<Ticket, oneshot::Sender<Answer>>,
    next_ticket: u64,
    queue: VecDeque<Unit>,
    /// Answers to what is being written.
    in_flight: Option<Vec<(Ticket, Answer)>>,
}

fn now() -> Now {
    Now { wall_ms: clock::now_ms(), mono_ms: clock::monotonic_ns() / 1_000_000 }
}

impl Actor {
    async fn run(mut self, messages: Receiver<Message>) {
        self.load();
        while let Some(first) = messages.recv().await {
            self.handle(first);
            for _ in 1..TURN_MESSAGES_MAX {
                let Some(message) = messages.try_recv() else { break };
                self.handle(message);
            }
            if matches!(self.state, State::Ended) {
                return;
            }
            self.submit();
            if let State::Active(coordinator) = &self.state {
                self.next_tick_ms.set(coordinator.next_tick_ms());
            }
        }
    }

    fn load(&mut self) {
        self.state = State::Loading;
        self.next_tick_ms.set(u64::MAX);
        let (partition, config, inbox) = (self.partition.clone(), Arc::clone(&self.config), self.inbox.clone());
        task::spawn("load groups", async move {
            let loaded = load::load(&partition, &config).await;
            drop(inbox.try_send(Message::Loaded(loaded.map(Box::new))));
        });
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Ask(question, reply) => self.ask(*question, reply),
            Message::Loaded(loaded) => self.loaded(loaded),
            Message::Appended(result) => self.appended(result),
            Message::Tick => {
                let (config, image) = (Arc::clone(&self.config), (self.image)());
                if let (State::Active(coordinator), Some(image)) = (&mut self.state, image) {
                    let effects = coordinator.tick(World { now: now(), settings: &config.groups, image: &image });
                    self.take(effects);
                }
            }
            Message::TopicsDeleted(topics) => match &mut self.state {
                State::Active(coordinator) => {
                    let effects = coordinator.topics_deleted(&topics);
                    self.take(effects);
                }
                State::Loading => self.deleted.extend(topics.iter().cloned()),
                State::Failed | State::Stopped | State::Ended => {}
            },
            Message::Stop => self.stop(State::Stopped),
            Message::End => self.stop(State::Ended),
        }
    }

    fn stop(&mut self, state: State) {
        self.state = state;
        self.next_tick_ms.set(u64::MAX);
        self.queue.clear();
        self.refuse_all(ErrorCode::NotCoordinator);
    }

    fn ask(&mut self, question: Question, reply: oneshot::Sender<Answer>) {
        match (&mut self.state, (self.image)()) {
            (State::Active(coordinator), Some(image)) => {
                let ticket = Ticket(self.next_ticket);
                self.next_ticket += 1;
                let world = World { now: now(), settings: &self.config.groups, image: &image };
                let effects = coordinator.handle(ticket, question, world);
                self.waiting.insert(ticket, reply);
                self.take(effects);
            }
            (State::Loading, _) => reply.send(Answer::Refused(ErrorCode::CoordinatorLoadInProgress)),
            (_, _) => reply.send(Answer::Refused(ErrorCode::NotCoordinator)),
        }
    }

    fn loaded(&mut self, loaded: Result<Box<Coordinator>, Refusal>) {
        let image = match (self.image)() {
            Some(image) if !matches!(self.state, State::Stopped | State::Ended) => image,
            _ => return,
        };
        match loaded {
            Ok(mut coordinator) => {
                let config = Arc::clone(&self.config);
                let mut deleted = std::mem::take(&mut self.deleted);
                // A crash may have come between the end of a topic and the end of the positions in it.
                deleted.extend(coordinator.topics_with_positions().into_iter().filter(|topic| image.topic_by_name(topic).is_none()));
                let started = coordinator.start(World { now: now(), settings: &config.groups, image: &image });
                let cleaned = if deleted.is_empty() { Effects::none() } else { coordinator.topics_deleted(&deleted) };
                self.state = State::Active(coordinator);
                self.take(started);
                self.take(cleaned);
            }
            Err(refusal) => {
                tracing::error!(partition = %self.partition.name(), %refusal, "cannot read the groups");
                self.state = State::Failed;
            }
        }
    }

    /// Queues records, and answers what need not wait.
    fn take(&mut self, effects: Effects) {
        let Effects { records, divisible, answers } = effects;
        if records.is_empty() {
            match (self.queue.back_mut(), &mut self.in_flight) {
                (Some(last), _) => last.answers.extend(answers),
                (None, Some(waiting)) => waiting.extend(answers),
                (None, None) => self.answer(answers),
            }
            return;
        }
        let mut unit = Unit { records: Vec::new(), bytes: 0, answers: Vec::new() };
        for record in records {
            let bytes = record.bytes();
            if divisible && unit.bytes + bytes > BATCH_BYTES && !unit.records.is_empty() {
                self.queue.push_back(std::mem::replace(&mut unit, Unit { records: Vec::new(), bytes: 0, answers: Vec::new() }));
            }
            unit.bytes += bytes;
            unit.records.push(record);
        }
        unit.answers = answers;
        self.queue.push_back(unit);
    }

    /// Starts an append of what is queued, unless one is in flight.
    fn submit(&mut self) {
        if self.in_flight.is_some() || self.queue.is_empty() || !matches!(self.state, State::Active(_)) {
            return;
        }
        let codec = Codec::from_id(self.config.groups.offsets_topic_codec_id).unwrap_or(Codec::None);
        let mut builder = BatchBuilder::new().compressed(codec, None);
        let (mut answers, mut bytes, now_ms) = (Vec::new(), 0, clock::now_ms());
        while let Some(unit) = self.queue.pop_front_if(|unit| bytes == 0 || bytes + unit.bytes <= BATCH_BYTES) {
            bytes += unit.bytes;
            for record in &unit.records {
                builder.push(now_ms, Some(&record.key), record.value.as_deref(), &[]);
            }
            answers.extend(unit.answers);
        }
        self.in_flight = Some(answers);
        let sink = Rc::new(Sink(Cell::new(Some(self.inbox.clone()))));
        match builder.build() {
            Ok(records) => {
                self.partition.append(Append { records, produce_version: PRODUCE_VERSION, acks: Acks::All, sink, index: 0 });
            }
            Err(error) => sink.appended(0, Err(Refusal::because(ErrorCode::UnknownServerError, error.to_string()))),
        }
    }

    fn appended(&mut self, result: Result<(), Refusal>) {
        let answers = self.in_flight.take().unwrap_or_default();
        match result {
            Ok(()) => self.answer(answers),
            Err(refusal) if matches!(self.state, State::Stopped | State::Ended) => {
                tracing::debug!(partition = %self.partition.name(), %refusal, "the last append of the groups failed");
            }
            Err(refusal) => {
                tracing::error!(partition = %self.partition.name(), %refusal, "cannot write the groups: they are read again");
                self.queue.clear();
                self.refuse_all(refused(refusal.code));
                if self.partition.standing() == Standing::Leading {
                    self.load();
                } else {
                    self.state = State::Failed;
                }
            }
        }
    }

    fn answer(&mut self, answers: Vec<(Ticket, Answer)>) {
        for (ticket, answer) in answers {
            if let Some(reply) = self.waiting.remove(&ticket) {
                reply.send(answer);
            }
        }
    }

    fn refuse_all(&mut self, error: ErrorCode) {
        let mut waiting: Vec<(Ticket, oneshot::Sender<Answer>)> = self.waiting.drain().collect();
        waiting.sort_unstable_by_key(|(ticket, _)| *ticket);
        for (_, reply) in waiting {
            reply.send(Answer::Refused(error));
        }
    }
}

/// What clients are told when the log refuses (GroupCoordinatorService.handleOperationException).
fn refused(error: ErrorCode) -> ErrorCode {
    match error {
        ErrorCode::UnknownTopicOrPartition | ErrorCode::NotEnoughReplicas | ErrorCode::RequestTimedOut => ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotLeaderOrFollower | ErrorCode::KafkaStorageError => ErrorCode::NotCoordinator,
        _ => ErrorCode::UnknownServerError,
    }
}

/// Tells the task how its append ended; also when the partition dies with it.
struct Sink(Cell<Option<Sender<Message>>>);

impl AppendSink for Sink {
    fn appended(&self, _index: u32, result: Result<Appended, Refusal>) {
        if let Some(inbox) = self.0.take() {
            drop(inbox.try_send(Message::Appended(result.map(|_| ()))));
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.appended(0, Err(Refusal::because(ErrorCode::NotLeaderOrFollower, "the partition has stopped")));
    }
}
