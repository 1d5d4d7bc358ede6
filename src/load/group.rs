//! A consumer group beside the producers: members that join, read, commit, leave, and are replaced while the load runs. Threads
//! that block, one a member, on the client's cores; they never touch the producers' connections.
//!
//! Records may come to members more than once (the position of one that leaves may not have been committed): that is
//! counted, and no fault. One that comes to nobody is lost: what a member reads beyond all that was delivered before it goes
//! through one verifier, in the order of the log.

#![expect(clippy::disallowed_types, reason = "threads of the load generator, which block: no shard runs here")]

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use hdrhistogram::Histogram;

use crate::{
    client::{
        fetch::{self, FetchFrom, FetchLimits},
        group::{Member, Standing},
        session::{Session, SessionError},
    },
    record::Batches,
};

use super::{
    clock::{self, SECOND_NS, now_ns},
    consumer::{AtEnd, Position, verify},
    lane::Context,
    plan::{GroupPlan, Plan},
    setup::{ANSWER_TIMEOUT, CLIENT_ID, RunError, Topic, position},
    tally::{Tally, Window, histogram},
    verify::Verifier,
    worker,
};

/// How often a member says that it lives, and so hears that the group changes: part of the time to settle.
const HEARTBEAT_NS: u64 = SECOND_NS / 10;
/// Longest that a fetch waits: a member that waits hears nothing else.
const FETCH_WAIT_MS: i32 = 50;
/// How often a member commits.
const COMMIT_NS: u64 = SECOND_NS / 2;
/// Longest that the group may take to come to rest, and to read what is left at the end.
const SETTLE_NS: u64 = 60 * SECOND_NS;
const DRAIN_NS: u64 = 30 * SECOND_NS;
/// How often it is looked at: the precision of the time to settle.
const LOOK_NS: u64 = 2_000_000;
/// Before a coordinator is asked again.
const AGAIN_NS: u64 = 20_000_000;

/// What became of the group.
#[derive(Debug)]
pub(super) struct GroupOutcome {
    pub(super) counts: GroupCounts,
    pub(super) tally: Tally,
    pub(super) verifier: Verifier,
    /// Everything that was written was delivered.
    pub(super) complete: bool,
    /// Why members gave up.
    pub(super) failures: Vec<String>,
}

/// What is counted of a group.
#[derive(Clone, Debug)]
pub struct GroupCounts {
    /// Members that left within the window, each replaced by a new one.
    pub replaced: u64,
    /// Generations of the group that began within the window.
    pub rebalances: u64,
    /// From asking one to leave until the new one and all others have their partitions.
    pub settle: Histogram<u64>,
    /// Records that came to a member though another one, or the same, had read them before.
    pub redelivered: u64,
    /// Commits that were taken.
    pub commits: u64,
    /// Commits that were refused because the group was changing.
    pub commits_refused: u64,
}

/// The group while it runs. Dropping it ends the members.
#[derive(Debug)]
pub(super) struct Group {
    shared: Arc<Shared>,
    control: Option<JoinHandle<Churn>>,
}

#[derive(Debug)]
struct Shared {
    plan: GroupPlan,
    address: String,
    group: String,
    topic: String,
    cpus: Vec<usize>,
    limits: FetchLimits,
    starts: Vec<i64>,
    reading: Mutex<Reading>,
    window: OnceLock<Window>,
    settled: AtomicBool,
    stop: AtomicBool,
    commits: AtomicU64,
    commits_refused: AtomicU64,
    failures: Mutex<Vec<String>>,
}

/// What all members together have read.
#[derive(Debug)]
struct Reading {
    positions: Vec<Position>,
    verifier: Verifier,
    tally: Tally,
    redelivered: u64,
}

/// One member's place.
#[derive(Debug)]
struct Seat {
    /// The generation in which it reads; -1 while it has no partitions.
    generation: AtomicI32,
    leave: AtomicBool,
}

/// Seats with their threads.
type Seats = Vec<(Arc<Seat>, JoinHandle<()>)>;

/// What the control thread counts.
#[derive(Debug)]
struct Churn {
    replaced: u64,
    rebalances: u64,
    settle: Histogram<u64>,
}

impl Group {
    /// Starts the members and waits until all have their partitions.
    pub(super) fn start(plan: &Plan, group: GroupPlan, topic: &Topic, run: u32, starts: &[i64]) -> Result<Self, RunError> {
        let address = topic.leaders.first().cloned().unwrap_or_default();
        if topic.leaders.iter().any(|leader| *leader != address) {
            return Err(RunError::Broker("a consumer group is run against a single broker only".to_owned()));
        }
        let positions = (0..).zip(starts).map(|(partition, start)| position(partition, *start, AtEnd::Stop(i64::MAX)));
        let reading = Reading { positions: positions.collect(), verifier: Verifier::new(run), tally: Tally::default(), redelivered: 0 };
        let shared = Arc::new(Shared {
            plan: group,
            address,
            group: format!("corelog-bench-{run:08x}"),
            topic: topic.name.clone(),
            cpus: plan.cpus.clone(),
            limits: FetchLimits {
                max_wait_ms: FETCH_WAIT_MS,
                min_bytes: plan.fetch.min_bytes,
                max_bytes: plan.fetch.max_bytes,
                partition_max_bytes: plan.fetch.partition_max_bytes,
                read_committed: false,
            },
            starts: starts.to_vec(),
            reading: Mutex::new(reading),
            window: OnceLock::new(),
            settled: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            commits: AtomicU64::new(0),
            commits_refused: AtomicU64::new(0),
            failures: Mutex::new(Vec::new()),
        });
        let control = Arc::clone(&shared);
        let control = std::thread::Builder::new().name("group".to_owned()).spawn(move || churn(&control));
        let started = Self { shared, control: Some(control.map_err(RunError::host("start a thread"))?) };
        while !started.shared.settled.load(Ordering::Acquire) {
            if let Some(failure) = started.shared.failures().first() {
                return Err(RunError::Broker(failure.clone()));
            }
            clock::pause(LOOK_NS);
        }
        Ok(started)
    }

    /// Begins to replace members.
    pub(super) fn begin(&self, window: Window) {
        let _ = self.shared.window.set(window);
    }

    /// Waits until everything up to `ends` is delivered (without them: for nothing), and ends the members.
    pub(super) fn finish(mut self, ends: Option<&[i64]>) -> GroupOutcome {
        let until = now_ns() + DRAIN_NS;
        let complete = ends.is_some_and(|ends| {
            let delivered = || self.shared.reading().positions.iter().zip(ends).all(|(position, end)| position.next >= *end);
            while !delivered() && now_ns() < until && self.shared.failures().is_empty() {
                clock::pause(LOOK_NS);
            }
            delivered()
        });
        let churn = self.end().unwrap_or(Churn { replaced: 0, rebalances: 0, settle: histogram() });
        let shared = &self.shared;
        let reading = shared.reading();
        GroupOutcome {
            counts: GroupCounts {
                replaced: churn.replaced,
                rebalances: churn.rebalances,
                settle: churn.settle,
                redelivered: reading.redelivered,
                commits: shared.commits.load(Ordering::Relaxed),
                commits_refused: shared.commits_refused.load(Ordering::Relaxed),
            },
            tally: reading.tally.clone(),
            verifier: reading.verifier.clone(),
            complete,
            failures: shared.failures().clone(),
        }
    }

    fn end(&mut self) -> Option<Churn> {
        self.shared.stop.store(true, Ordering::Relaxed);
        match self.control.take()?.join() {
            Ok(churn) => Some(churn),
            Err(_) => {
                self.shared.fail("a thread of the load harness failed".to_owned());
                None
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn reading(&self) -> MutexGuard<'_, Reading> {
        // A member that failed has been counted as a failure.
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failures(&self) -> MutexGuard<'_, Vec<String>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, words: String) {
        self.failures().push(words);
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || !self.failures().is_empty()
    }
}

/// The control thread: fills the seats, and replaces the oldest member by a new one each time that it is due.
fn churn(shared: &Arc<Shared>) -> Churn {
    let mut counted = Churn { replaced: 0, rebalances: 0, settle: histogram() };
    let mut seats: Seats = Vec::new();
    for _ in 0..shared.plan.members {
        seats.extend(seat(shared));
    }
    let mut generation = settle(shared, &seats);
    shared.settled.store(generation.is_some(), Ordering::Release);
    let every_ns = shared.plan.churn_ms * 1_000_000;
    let mut due = None;
    let mut left: Seats = Vec::new();
    while !shared.is_over() {
        clock::pause(LOOK_NS);
        let (Some(window), now) = (shared.window.get(), now_ns()) else { continue };
        let due_ns = *due.get_or_insert(window.begin_ns + every_ns);
        if every_ns == 0 || now < due_ns || now >= window.end_ns {
            continue;
        }
        // A group that is slower than its changes are due is changed as soon as it has come to rest.
        due = Some(now.max(due_ns) + every_ns);
        let began_ns = now_ns();
        let oldest = seats.remove(0);
        oldest.0.leave.store(true, Ordering::Relaxed);
        left.push(oldest);
        seats.extend(seat(shared));
        let Some(now_in) = settle(shared, &seats) else { break };
        if window.contains(began_ns) {
            counted.replaced += 1;
            counted.rebalances += u64::from(now_in.abs_diff(generation.unwrap_or(now_in)));
            counted.settle.saturating_record(now_ns() - began_ns);
        }
        generation = Some(now_in);
    }
    for (_, thread) in seats.into_iter().chain(left) {
        if thread.join().is_err() {
            shared.fail("a thread of the load harness failed".to_owned());
        }
    }
    counted
}

/// Starts a member.
fn seat(shared: &Arc<Shared>) -> Option<(Arc<Seat>, JoinHandle<()>)> {
    let seat = Arc::new(Seat { generation: AtomicI32::new(-1), leave: AtomicBool::new(false) });
    let (theirs, mine) = (Arc::clone(shared), Arc::clone(&seat));
    let body = move || {
        let pinned = worker::pin(&theirs.cpus).map_err(RunError::host("pin a thread"));
        if let Err(error) = pinned.and_then(|()| member(&theirs, &mine)) {
            theirs.fail(format!("a member of the group: {error}"));
        }
    };
    match std::thread::Builder::new().name("member".to_owned()).spawn(body) {
        Ok(thread) => Some((seat, thread)),
        Err(error) => {
            shared.fail(format!("start a thread: {error}"));
            None
        }
    }
}

/// Waits until all seats are of one generation, and which; `None` if that does not come about.
fn settle(shared: &Shared, seats: &Seats) -> Option<i32> {
    let until = now_ns() + SETTLE_NS;
    loop {
        let mut generations = seats.iter().map(|(seat, _)| seat.generation.load(Ordering::Acquire));
        if let Some(first) = generations.next().filter(|first| *first >= 0)
            && generations.all(|other| other == first)
        {
            return Some(first);
        }
        if shared.is_over() {
            return None;
        }
        if now_ns() > until {
            shared.fail(format!("the group does not come to rest within {} seconds", SETTLE_NS / SECOND_NS));
            return None;
        }
        clock::pause(LOOK_NS);
    }
}

/// A member from its first question to its leave.
fn member(shared: &Shared, seat: &Seat) -> Result<(), RunError> {
    let open = || Session::open(&shared.address, CLIENT_ID, ANSWER_TIMEOUT);
    let mut member = Member::new(open()?, &shared.group, &shared.topic, shared.starts.len() as i32);
    let mut reader = Reader { session: open()?, correlation: 0 };
    let is_over = || seat.leave.load(Ordering::Relaxed) || shared.is_over();
    insist(is_over, || member.find_coordinator())?;
    while !is_over() {
        seat.generation.store(-1, Ordering::Release);
        let Some(partitions) = insist(is_over, || member.join())? else { break };
        let Standing::Good(offsets) = member.committed(&partitions)? else { continue };
        let position = |(partition, offset): (i32, i64)| {
            let start = shared.starts[partition.unsigned_abs() as usize];
            (partition, if offset < 0 { start } else { offset })
        };
        let mut positions: Vec<_> = partitions.into_iter().zip(offsets).map(position).collect();
        seat.generation.store(member.generation(), Ordering::Release);
        read_until_change(shared, &is_over, &mut member, &mut reader, &mut positions)?;
    }
    seat.generation.store(-1, Ordering::Release);
    Ok(member.leave()?)
}

/// Asks until the answer is good; `None` if it is over before.
fn insist<T>(is_over: impl Fn() -> bool, mut ask: impl FnMut() -> Result<Standing<T>, SessionError>) -> Result<Option<T>, RunError> {
    let until = now_ns() + SETTLE_NS;
    while !is_over() {
        match ask()? {
            Standing::Good(answer) => return Ok(Some(answer)),
            Standing::Changed => {}
            Standing::Later => clock::pause(AGAIN_NS),
        }
        if now_ns() > until {
            return Err(RunError::Broker("the coordinator puts off a member for ever".to_owned()));
        }
    }
    Ok(None)
}

/// Reads and commits until the group changes, or it is over. What was read is committed before the member goes.
fn read_until_change(
    shared: &Shared,
    is_over: &dyn Fn() -> bool,
    member: &mut Member,
    reader: &mut Reader,
    positions: &mut [(i32, i64)],
) -> Result<(), RunError> {
    let mut committed = positions.to_vec();
    committed.sort_unstable();
    let (mut heartbeat_ns, mut commit_ns) = (now_ns() + HEARTBEAT_NS, now_ns() + COMMIT_NS);
    loop {
        let now = now_ns();
        let mut changed = false;
        if now >= heartbeat_ns {
            heartbeat_ns = now + HEARTBEAT_NS;
            changed = member.heartbeat()? == Standing::Changed;
        }
        let ends = changed || is_over();
        // Reading turns them round.
        let mut reached = positions.to_vec();
        reached.sort_unstable();
        if (ends || now >= commit_ns) && reached != committed {
            commit_ns = now + COMMIT_NS;
            if member.commit(&reached)? == Standing::Good(()) {
                shared.commits.fetch_add(1, Ordering::Relaxed);
                committed = reached;
            } else {
                shared.commits_refused.fetch_add(1, Ordering::Relaxed);
            }
        }
        if ends {
            return Ok(());
        }
        if positions.is_empty() {
            clock::pause(AGAIN_NS);
        } else {
            reader.fetch(shared, positions)?;
        }
    }
}

/// The connection on which a member reads.
struct Reader {
    session: Session,
    correlation: i32,
}

impl Reader {
    /// Reads from all partitions, the first one first, and moves the positions on.
    fn fetch(&mut self, shared: &Shared, positions: &mut [(i32, i64)]) -> Result<(), RunError> {
        // Brokers fill an answer in the order of the request: nobody is to wait always.
        positions.rotate_left(1);
        self.correlation = self.correlation.wrapping_add(1);
        let wanted = positions.iter().map(|(partition, offset)| FetchFrom { partition: *partition, offset: *offset });
        let wanted: Vec<_> = wanted.collect();
        let mut frame = Vec::new();
        fetch::put_request(&mut frame, self.correlation, CLIENT_ID, &shared.topic, &shared.limits, wanted.into_iter());
        let answer = self.session.exchange_frame("Fetch", &frame)?;
        let now_ns = now_ns();
        let mut reading = shared.reading();
        let mut refused = None;
        let read = fetch::read_answer(&answer, |fetched| {
            if fetched.error_code != 0 {
                refused = Some(fetched.error_code);
            }
            if let Some((_, next)) = positions.iter_mut().find(|(partition, _)| *partition == fetched.partition) {
                *next = reading.take(fetched.partition, *next, fetched.records, now_ns, shared.window.get());
            }
            Ok(())
        });
        let in_window = shared.window.get().is_some_and(|window| window.contains(now_ns));
        reading.tally.fetched.requests += u64::from(in_window);
        drop(reading);
        let read = read.map_err(|error| RunError::Broker(format!("an answer of the broker cannot be understood: {error}")))?;
        if read.correlation != self.correlation {
            return Err(RunError::Broker("an answer to a fetch is to another one".to_owned()));
        }
        if let Some(code) = refused.or(Some(read.error_code).filter(|code| *code != 0)) {
            return Err(SessionError::Refused { api: "Fetch", code, message: None }.into());
        }
        Ok(())
    }
}

impl Reading {
    /// Takes what a member read of a partition from `from` on; the member's next offset.
    fn take(&mut self, partition: i32, from: i64, records: &[u8], now_ns: u64, window: Option<&Window>) -> i64 {
        let Self { positions, verifier, tally, redelivered } = self;
        let Some(position) = usize::try_from(partition).ok().and_then(|at| positions.get_mut(at)) else { return from };
        let mut mine = from;
        for batch in Batches::new(records) {
            // A last batch that is cut off is asked for again.
            let Ok(batch) = batch else { break };
            let (base, next) = (batch.header.base_offset.get(), batch.header.next_offset().get());
            if next <= mine {
                continue;
            }
            let again = next.min(position.next) - base.max(mine);
            *redelivered += again.max(0).unsigned_abs();
            mine = next;
            if next <= position.next {
                continue;
            }
            // Nobody can have read what lies between: positions are committed after they were delivered.
            verifier.findings.misplaced += u64::from(base > position.next);
            if let Some(window) = window {
                let mut context = Context { now_ns, window: *window, tally };
                verify(batch.bytes, next, position, verifier, &mut context);
                if window.contains(now_ns) {
                    tally.fetched.records += (next - position.next).unsigned_abs();
                    tally.fetched.bytes += batch.bytes.len() as u64;
                }
            }
            position.next = next;
        }
        mine
    }
}
