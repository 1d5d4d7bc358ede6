//! Before a run: the topic, where its partitions lead, and the connections with their lanes.

use std::{
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use crate::{
    client::{
        fetch::{self, FetchLimits},
        produce,
        session::{self, LogEnd, Session, SessionError},
    },
    record::CompressionError,
    types::ErrorCode,
};

use super::{
    body::Template,
    clock::{self, SECOND_NS},
    consumer::{AtEnd, Consumer, ConsumerSettings, Position},
    lane::Lane,
    plan::{Plan, PlanError},
    producer::{Identity, Pace, Producer, ProducerSettings, Stamping},
    schedule::Schedule,
    verify::Verifier,
    worker::Connection,
};

/// Longest that a question to the broker may take.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest that the first question may take: a broker that does not even say which versions it speaks is none.
const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest that new partitions may take to get leaders.
const LEADERS_NS: u64 = 60 * SECOND_NS;
/// `client.id` of everything the harness opens.
pub(super) const CLIENT_ID: &str = "corelog-bench";

/// Why a run could not be made or carried through.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The plan is wrong.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The broker did not do what was needed.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Batches cannot be made.
    #[error("cannot make batches: {0}")]
    Compression(#[from] CompressionError),
    /// The host did not do what was needed.
    #[error("{what}: {source}")]
    Host {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// The broker cannot be measured as it is.
    #[error("{0}")]
    Broker(String),
}

impl RunError {
    pub(super) fn host(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Host { what, source }
    }
}

/// The topic of a run, as the cluster holds it.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: String,
    /// Address of the leader of each partition.
    pub(super) leaders: Vec<String>,
    /// If this run made it, and is to delete it.
    pub(super) ours: bool,
    pub(super) produce_version: i16,
}

/// Opens the session that stays open during the run.
pub(super) fn open(bootstrap: &str) -> Result<(Session, SocketAddr), RunError> {
    let mut session = Session::open(bootstrap, CLIENT_ID, FIRST_ANSWER_TIMEOUT)?;
    session.wait_at_most(ANSWER_TIMEOUT)?;
    let peer = session.peer()?;
    Ok((session, peer))
}

/// Finds the topic or makes it, and waits until all its partitions have leaders.
pub(super) fn topic(session: &mut Session, plan: &Plan, run: u32) -> Result<Topic, RunError> {
    let name = plan.topic.clone().unwrap_or_else(|| format!("corelog-bench-{run:08x}"));
    session.negotiate(fetch::API_KEY, fetch::VERSION..=fetch::VERSION)?;
    let produce_version = session.negotiate(produce::API_KEY, produce::VERSIONS)?;
    let exists = session.describe(Some(&name))?.topic.is_some();
    if !exists {
        let configs: Vec<_> = plan.topic_configs.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        session.create_topic(&name, plan.partitions, plan.replicas, &configs)?;
    }
    let until = clock::now_ns() + LEADERS_NS;
    loop {
        let cluster = session.describe(Some(&name))?;
        let leaders = cluster.topic.map(|topic| topic.leaders).unwrap_or_default();
        if !leaders.is_empty() && leaders.iter().all(|leader| *leader >= 0) {
            let single = cluster.brokers.len() == 1;
            let address = |leader: &i32| {
                let broker = cluster.brokers.iter().find(|broker| broker.node == *leader);
                let broker = broker.ok_or_else(|| RunError::Broker(format!("node {leader} leads but is not listed")))?;
                // With one broker the way that led here is the way, even through a proxy or an odd advertised name.
                Ok(if single { plan.bootstrap.clone() } else { format!("{}:{}", broker.host, broker.port) })
            };
            let leaders = leaders.iter().map(address).collect::<Result<_, RunError>>()?;
            return Ok(Topic { name, leaders, ours: !exists && !plan.keep_topic, produce_version });
        }
        if clock::now_ns() > until {
            return Err(RunError::Broker(format!("topic {name} has partitions without a leader after 60 seconds")));
        }
        clock::pause(20_000_000);
    }
}

impl Topic {
    /// Brokers that lead, and which partitions.
    fn by_leader(&self) -> Vec<(&str, Vec<i32>)> {
        let mut groups: Vec<(&str, Vec<i32>)> = Vec::new();
        for (partition, leader) in (0..).zip(&self.leaders) {
            match groups.iter_mut().find(|(address, _)| address == leader) {
                Some((_, partitions)) => partitions.push(partition),
                None => groups.push((leader, vec![partition])),
            }
        }
        groups
    }

    /// One end of the log of every partition. Waits for brokers that do not yet know that they lead.
    pub(super) fn ends(&self, end: LogEnd) -> Result<Vec<i64>, RunError> {
        patiently(|| self.ask_ends(end))
    }

    fn ask_ends(&self, end: LogEnd) -> Result<Vec<i64>, RunError> {
        let mut ends = vec![0; self.leaders.len()];
        for (address, partitions) in self.by_leader() {
            let mut session = Session::open(address, CLIENT_ID, ANSWER_TIMEOUT)?;
            let found = session.log_ends(&self.name, &partitions, end)?;
            for (partition, offset) in partitions.iter().zip(found) {
                ends[partition.unsigned_abs() as usize] = offset;
            }
        }
        Ok(ends)
    }
}

/// Asks until the broker is ready to answer: what was just made, or just started, is not known everywhere at once.
fn patiently<T>(mut ask: impl FnMut() -> Result<T, RunError>) -> Result<T, RunError> {
    let not_yet = [
        ErrorCode::NotLeaderOrFollower,
        ErrorCode::UnknownTopicOrPartition,
        ErrorCode::LeaderNotAvailable,
        ErrorCode::CoordinatorLoadInProgress,
        ErrorCode::CoordinatorNotAvailable,
    ];
    let until = clock::now_ns() + LEADERS_NS;
    loop {
        match ask() {
            Err(RunError::Session(SessionError::Refused { code, .. }))
                if ErrorCode::from_code(code).is_some_and(|code| not_yet.contains(&code)) && clock::now_ns() < until =>
            {
                clock::pause(20_000_000);
            }
            other => return other,
        }
    }
}

/// What all producers of a run share.
pub(super) struct Producing<'a> {
    pub(super) plan: &'a Plan,
    pub(super) topic: &'a Topic,
    pub(super) template: Arc<Template>,
    pub(super) connections: usize,
    pub(super) in_flight: usize,
    /// Identifies the run in stamps; `None` leaves batches as they are.
    pub(super) run: Option<u32>,
    pub(super) begin_ns: u64,
    pub(super) requests_max: Option<u64>,
    pub(super) idempotent: bool,
    pub(super) open_loop: bool,
}

impl Producing<'_> {
    /// Opens the connections; each writes to all partitions of its broker in turn, and begins with another one.
    pub(super) fn connect(&self) -> Result<Vec<Connection>, RunError> {
        let brokers = self.topic.by_leader();
        if self.connections < brokers.len() {
            return Err(RunError::Broker(format!(
                "the partitions lead on {} brokers: at least as many connections are needed",
                brokers.len()
            )));
        }
        let wall_ahead_ms = clock::wall_ms() - (clock::now_ns() / 1_000_000) as i64;
        let mut connections = Vec::with_capacity(self.connections);
        for lane in 0..self.connections {
            let (address, partitions) = &brokers[lane % brokers.len()];
            let mut partitions = partitions.clone();
            let turn = (lane / brokers.len()) % partitions.len();
            partitions.rotate_left(turn);
            let identity = if self.idempotent {
                let mut session = Session::open(address, CLIENT_ID, ANSWER_TIMEOUT)?;
                let (id, epoch) = patiently(|| Ok(session.init_producer()?))?;
                Some(Identity { id, epoch })
            } else {
                None
            };
            let arrivals = self.plan.arrivals.filter(|_| self.open_loop);
            let pace = arrivals.map_or(Pace::ClosedLoop, |arrivals| {
                Pace::OpenLoop(Schedule::new(arrivals, lane, self.connections, self.begin_ns))
            });
            let producer = Producer::new(ProducerSettings {
                version: self.topic.produce_version,
                client_id: CLIENT_ID.to_owned(),
                topic: self.topic.name.clone(),
                acks: self.plan.acks,
                template: Arc::clone(&self.template),
                partitions,
                in_flight: self.in_flight,
                pace,
                wall_ahead_ms,
                stamping: self.run.map(|run| Stamping { run, lane: lane as u32 }),
                identity,
                requests_max: self.requests_max,
            });
            connections.push(attach(address, Lane::Producer(Box::new(producer)))?);
        }
        Ok(connections)
    }
}

/// What all consumers of a run share.
pub(super) struct Consuming<'a> {
    pub(super) plan: &'a Plan,
    pub(super) topic: &'a Topic,
    pub(super) consumers: usize,
    pub(super) fan_out: bool,
    /// Checks every record as one of this run.
    pub(super) run: Option<u32>,
}

impl Consuming<'_> {
    /// Opens the connections; `position` says where each partition is read.
    pub(super) fn connect(&self, position: impl Fn(i32) -> Position) -> Result<Vec<Connection>, RunError> {
        let fetch = &self.plan.fetch;
        let limits = FetchLimits {
            max_wait_ms: fetch.max_wait_ms,
            min_bytes: fetch.min_bytes,
            max_bytes: fetch.max_bytes,
            partition_max_bytes: fetch.partition_max_bytes,
            read_committed: false,
        };
        let mut connections = Vec::new();
        for consumer in 0..self.consumers {
            for (address, partitions) in self.topic.by_leader() {
                let mine = |partition: &&i32| {
                    self.fan_out || partition.unsigned_abs() as usize % self.consumers == consumer
                };
                let positions: Vec<_> = partitions.iter().filter(mine).map(|partition| position(*partition)).collect();
                if positions.is_empty() {
                    continue;
                }
                let consumer = Consumer::new(ConsumerSettings {
                    client_id: CLIENT_ID.to_owned(),
                    topic: self.topic.name.clone(),
                    limits,
                    positions,
                    verifier: self.run.map(Verifier::new),
                });
                connections.push(attach(address, Lane::Consumer(Box::new(consumer)))?);
            }
        }
        Ok(connections)
    }
}

/// A partition to be read from `start`.
pub(super) fn position(partition: i32, start: i64, at_end: AtEnd) -> Position {
    Position { partition, start, next: start, at_end }
}

fn attach(address: &str, lane: Lane) -> Result<Connection, RunError> {
    let stream: TcpStream = session::connect(address, ANSWER_TIMEOUT)?;
    Connection::new(stream, lane).map_err(RunError::host("prepare a connection"))
}
