//! kill -9 of the broker under a load of commits: no acknowledged commit is lost, and groups carry on where they were.
//!
//! Consumers outside of groups, members by the classic protocol and members by KIP-848 commit rising offsets. The broker is
//! killed and started again, `CORELOG_KILL_ROUNDS` times (5 unless set). Each time everyone finds what it committed last, or
//! what it sent and was not told of; and members go on in their generation or epoch, without joining again.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::support::{
    Broker, Wire, broker,
    members::{self, Classic, Committer, Modern, Partitions, assemble, modern::Beat},
    talk, turn,
    wire::NoAnswer,
};

const TOPIC: &str = "committed";
const PARTITIONS: i32 = 8;
/// Longer than a restart, so that nobody is missed.
const SESSION_MS: i32 = 30_000;
/// How long someone may go without an acknowledgement before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Someone who commits.
#[derive(Debug)]
enum Seat {
    Outside(Wire),
    Classic(Classic),
    Modern(Modern),
}

impl Seat {
    fn wire(&mut self) -> &mut Wire {
        match self {
            Seat::Outside(wire) => wire,
            Seat::Classic(member) => &mut member.wire,
            Seat::Modern(member) => &mut member.wire,
        }
    }

    fn committer(&self) -> Committer {
        match self {
            Seat::Outside(_) => Committer::default(),
            Seat::Classic(member) => member.committer(),
            Seat::Modern(member) => member.committer(),
        }
    }

    /// The error of a heartbeat; fails if the member is asked to change anything.
    fn heartbeat(&mut self) -> Result<i16, NoAnswer> {
        match self {
            Seat::Outside(_) => Ok(0),
            Seat::Classic(member) => member.heartbeat(),
            Seat::Modern(member) => {
                let epoch = member.epoch;
                match member.heartbeat(false)? {
                    Ok(Beat::Steady) => {
                        assert_eq!(member.epoch, epoch, "the epoch of {}", member.member_id);
                        Ok(0)
                    }
                    Ok(beat) => panic!("{} is asked for {beat:?}", member.member_id),
                    Err(error) => Ok(error),
                }
            }
        }
    }
}

/// Someone who commits, what it commits, and what it was told.
#[derive(Debug)]
struct Committing {
    seat: Seat,
    group: String,
    owned: Partitions,
    port: u16,
    /// The offset that was sent last, for all partitions.
    sent: i64,
    /// The offset that was acknowledged last.
    acknowledged: i64,
    count: Arc<AtomicU64>,
}

impl Committing {
    fn work(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            if self.step().is_err() {
                self.reconnect();
            }
        }
        self.check();
    }

    fn step(&mut self) -> Result<(), NoAnswer> {
        self.sent += 1;
        let offsets: BTreeMap<i32, i64> = self.owned.iter().map(|partition| (*partition, self.sent)).collect();
        let by = self.seat.committer();
        match members::try_commit(self.seat.wire(), &self.group, &by, TOPIC, &offsets)? {
            0 => {
                self.acknowledged = self.sent;
                self.count.fetch_add(1, Ordering::Relaxed);
            }
            error if members::passes(error) => thread::sleep(Duration::from_millis(10)),
            error => panic!("{}: a commit got error {error}", self.group),
        }
        if self.sent % 20 == 0 {
            let error = self.seat.heartbeat()?;
            assert!(error == 0 || members::passes(error), "{}: a heartbeat got error {error}", self.group);
        }
        Ok(())
    }

    /// Comes back after the broker was killed: the member is still one, and the commits are there.
    fn reconnect(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "{}: the broker is gone", self.group);
            thread::sleep(Duration::from_millis(10));
            let Ok(wire) = Wire::connect(self.port) else { continue };
            *self.seat.wire() = wire;
            match self.seat.heartbeat() {
                Ok(0) if self.looks() => return,
                Ok(error) => assert!(error == 0 || members::passes(error), "{}: after the restart a heartbeat got error {error}", self.group),
                Err(_) => {}
            }
        }
    }

    /// True once the group's offsets can be read, and then they are checked.
    fn looks(&mut self) -> bool {
        let found = match members::try_fetch_committed(self.seat.wire(), &self.group, None, TOPIC, &self.owned) {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                assert!(members::passes(error), "{}: reading offsets got error {error}", self.group);
                return false;
            }
            // Killed again.
            Err(_) => return false,
        };
        for partition in &self.owned {
            let offset = found.get(partition).copied().unwrap_or(0);
            assert!(
                (self.acknowledged..=self.sent).contains(&offset),
                "{} {partition}: {offset} is there, {} was acknowledged, {} was sent",
                self.group,
                self.acknowledged,
                self.sent
            );
        }
        true
    }

    fn check(&mut self) {
        assert!(self.looks(), "{}: the coordinator serves", self.group);
    }
}

/// Everyone who commits: four outside of groups, three and two members.
fn everyone(port: u16) -> Vec<Committing> {
    let mut wire = Wire::connect(port).unwrap();
    talk::create_topic(&mut wire, TOPIC, PARTITIONS, &[]);
    let topic_id = talk::describe_topic(&mut wire, TOPIC).topic_id;
    let all: Partitions = (0..PARTITIONS).collect();
    let connect = || Wire::connect(port).unwrap();
    let mut found = Vec::new();
    let mut seat = |seat, group: String, owned| {
        found.push(Committing { seat, group, owned, port, sent: 0, acknowledged: 0, count: Arc::default() });
    };
    for group in ["outside-0", "outside-1", "outside-2", "outside-3", "classic", "modern"] {
        members::await_coordinator(&mut wire, group);
        if group.starts_with("outside") {
            seat(Seat::Outside(connect()), group.to_owned(), all.clone());
        }
    }
    let members = (0..3).map(|_| Classic::new(connect(), "classic", TOPIC, PARTITIONS, SESSION_MS)).collect();
    for (member, owned) in assemble::classic(members) {
        seat(Seat::Classic(member), "classic".to_owned(), owned);
    }
    let mut members: Vec<Modern> = (0..2).map(|_| Modern::new(connect(), "modern", TOPIC, topic_id)).collect();
    assemble::modern(&mut members, usize::try_from(PARTITIONS).unwrap());
    for member in members {
        let owned = member.owned.clone();
        seat(Seat::Modern(member), "modern".to_owned(), owned);
    }
    found
}

/// Waits until everyone was acknowledged something more.
fn progress(counts: &[Arc<AtomicU64>], threads: &[JoinHandle<()>], what: &str) {
    let before: Vec<u64> = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    let deadline = Instant::now() + PATIENCE;
    while counts.iter().zip(&before).any(|(count, before)| count.load(Ordering::Relaxed) <= *before + 2) {
        assert!(threads.iter().all(|thread| !thread.is_finished()), "{what}: someone failed");
        assert!(Instant::now() < deadline, "{what}: not all commit: {counts:?} after {before:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn acknowledged_commits_survive_and_groups_carry_on() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let session = format!("group.consumer.session.timeout.ms={SESSION_MS}");
    let settings = ["group.initial.rebalance.delay.ms=500", &session, "group.consumer.min.session.timeout.ms=1000"];
    let mut broker = Broker::start(&settings);
    let everyone = everyone(broker.port());
    let counts: Vec<Arc<AtomicU64>> = everyone.iter().map(|committing| Arc::clone(&committing.count)).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<JoinHandle<()>> = everyone
        .into_iter()
        .map(|committing| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || committing.work(&stop))
        })
        .collect();
    let rounds = std::env::var("CORELOG_KILL_ROUNDS").map_or(5, |rounds| rounds.parse::<u64>().unwrap());
    for round in 0..rounds {
        progress(&counts, &threads, &format!("before kill {round}"));
        // A different point of the load each time.
        thread::sleep(Duration::from_millis(150 + 83 * (round % 7)));
        broker.kill();
        broker.restart();
        eprintln!("round {round}: answers after {:?}", broker.start_up);
    }
    progress(&counts, &threads, "after the last kill");
    stop.store(true, Ordering::Relaxed);
    let failed = threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count();
    assert_eq!(failed, 0, "some lost commits or their membership");
    eprintln!("{} commits over {rounds} kills", counts.iter().map(|count| count.load(Ordering::Relaxed)).sum::<u64>());
}
