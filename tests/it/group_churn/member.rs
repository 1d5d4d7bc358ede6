//! What a member does until its fate is decided: it reads, commits and heartbeats, and tells the ledger.

use std::{
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
    time::{Duration, Instant},
};

use super::{
    ledger::{Ledger, Name},
    SESSION_MS, TOPIC,
};
use crate::support::{
    Wire,
    members::{self, Classic, Committer, Modern, Partitions, Reader, code, modern::Beat},
};
use corelog::types::Uuid;

const HEARTBEAT: Duration = Duration::from_millis(200);
const COMMIT: Duration = Duration::from_millis(500);
/// How long a fetch waits for records.
const WAIT_MS: i32 = 100;

/// What becomes of a member; it looks every now and then.
#[derive(Debug, Default)]
pub(super) struct Fate(AtomicU8);

impl Fate {
    pub(super) fn leave(&self) {
        self.0.store(1, Ordering::Relaxed);
    }

    /// Falls silent, as a process that is killed.
    pub(super) fn die(&self) {
        self.0.store(2, Ordering::Relaxed);
    }

    fn stays(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn dies(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 2
    }
}

/// Something that is due every so often.
#[derive(Debug)]
struct Every(Duration, Instant);

impl Every {
    fn new(interval: Duration) -> Self {
        Self(interval, Instant::now())
    }

    fn due(&mut self) -> bool {
        let due = self.1.elapsed() >= self.0;
        if due {
            self.1 = Instant::now();
        }
        due
    }
}

/// What a thread of a member needs.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    pub(super) name: Name,
    pub(super) port: u16,
    pub(super) group: &'a str,
    pub(super) topic_id: Uuid,
    pub(super) partitions: i32,
    pub(super) ledger: &'a Ledger,
    pub(super) fate: &'a Fate,
}

/// The life of a member by the classic protocol.
pub(super) fn classic(setting: &Setting<'_>) {
    let Setting { name, ledger, fate, .. } = *setting;
    let wire = Wire::connect(setting.port).unwrap();
    let mut member = Classic::new(wire, setting.group, TOPIC, setting.partitions, SESSION_MS);
    while fate.stays() {
        // In a join the member waits for others, and cannot look at its fate.
        let Some(owned) = member.join(|| fate.dies()).unwrap() else { break };
        ledger.beats(name);
        ledger.claims(name, member.generation, &owned);
        generation(setting, &mut member, &owned);
        ledger.releases(name, &owned);
    }
    // A member whose last word was an answered request is missed one session later.
    let died = fate.dies();
    if !died {
        member.leave().unwrap();
    }
    ledger.goes(name, died);
}

/// Reads what the member owns until the generation ends, or its fate is decided.
fn generation(setting: &Setting<'_>, member: &mut Classic, owned: &Partitions) {
    let Setting { name, ledger, fate, .. } = *setting;
    let mut reader = Reader::default();
    let committed = members::fetch_committed(&mut member.wire, setting.group, None, TOPIC, owned).unwrap();
    reader.take(owned, &committed);
    let (mut heartbeat, mut commit) = (Every::new(HEARTBEAT), Every::new(COMMIT));
    let mut holds = true;
    while holds && fate.stays() {
        ledger.reads(&reader.read(&mut member.wire, TOPIC, WAIT_MS).unwrap());
        if commit.due() {
            save(member, &reader);
        }
        if heartbeat.due() {
            match member.heartbeat().unwrap() {
                0 => ledger.beats(name),
                code::REBALANCE_IN_PROGRESS => holds = false,
                code::UNKNOWN_MEMBER_ID | code::ILLEGAL_GENERATION => {
                    ledger.is_fenced(name);
                    holds = false;
                }
                error => panic!("member {name}: a heartbeat got error {error}"),
            }
        }
    }
    if !fate.dies() {
        save(member, &reader);
    }
}

fn save(member: &mut Classic, reader: &Reader) {
    let by = member.committer();
    let error = members::try_commit(&mut member.wire, &member.group, &by, TOPIC, &reader.positions).unwrap();
    // What is not committed is read again.
    let known = [0, code::REBALANCE_IN_PROGRESS, code::ILLEGAL_GENERATION, code::UNKNOWN_MEMBER_ID];
    assert!(known.contains(&error), "a commit got error {error}");
}

/// The life of a member by KIP-848.
pub(super) fn modern(setting: &Setting<'_>) {
    let Setting { name, ledger, fate, .. } = *setting;
    let mut member = Modern::new(Wire::connect(setting.port).unwrap(), setting.group, TOPIC, setting.topic_id);
    let mut reader = Reader::default();
    let (mut heartbeat, mut commit) = (Every::new(HEARTBEAT), Every::new(COMMIT));
    let mut last_read = Instant::now();
    beat(setting, &mut member, &mut reader, true);
    while fate.stays() {
        let reads = !reader.positions.is_empty();
        ledger.reads(&reader.read(&mut member.wire, TOPIC, WAIT_MS).unwrap());
        if reads {
            ledger.paused(last_read.elapsed());
        }
        last_read = Instant::now();
        if commit.due() {
            keep(&mut member, &reader.positions.clone());
        }
        if heartbeat.due() {
            beat(setting, &mut member, &mut reader, false);
        }
    }
    let died = fate.dies();
    if !died {
        keep(&mut member, &reader.positions.clone());
        // What the member gives up may be another's before its farewell is answered.
        ledger.releases(name, &member.owned);
        member.leave().unwrap();
    }
    ledger.goes(name, died);
}

/// Somebody outside of the group, who reads and commits at the pace of a member until told to stop. How long it was kept from
/// reading says what the machine did, and not the group.
pub(super) fn bystander(port: u16, partitions: &Partitions, stop: &AtomicBool) -> Duration {
    const GROUP: &str = "bystander";
    let mut wire = Wire::connect(port).unwrap();
    members::await_coordinator(&mut wire, GROUP);
    let mut reader = Reader::default();
    let committed = members::fetch_committed(&mut wire, GROUP, None, TOPIC, partitions).unwrap();
    reader.take(partitions, &committed);
    let (mut commit, mut last_read, mut longest) = (Every::new(COMMIT), Instant::now(), Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        reader.read(&mut wire, TOPIC, WAIT_MS).unwrap();
        longest = longest.max(last_read.elapsed());
        last_read = Instant::now();
        if commit.due() {
            assert_eq!(members::try_commit(&mut wire, GROUP, &Committer::default(), TOPIC, &reader.positions).unwrap(), 0);
        }
    }
    longest
}

/// A heartbeat, and all that it asks for.
fn beat(setting: &Setting<'_>, member: &mut Modern, reader: &mut Reader, whole: bool) {
    let Setting { name, ledger, .. } = *setting;
    let mut whole = whole;
    loop {
        match member.heartbeat(whole).unwrap() {
            Ok(Beat::Steady) => return ledger.beats(name),
            Ok(Beat::Fenced(_)) => {
                ledger.is_fenced(name);
                reader.positions.clear();
            }
            Ok(Beat::Change { revoke, add }) => {
                ledger.beats(name);
                let left = reader.give_up(&revoke);
                keep(member, &left);
                ledger.releases(name, &revoke);
                ledger.claims(name, member.epoch, &add);
                if !add.is_empty() {
                    let committed = members::fetch_committed(&mut member.wire, setting.group, None, TOPIC, &add).unwrap();
                    reader.take(&add, &committed);
                }
                member.owns(&(&member.owned - &revoke) | &add);
            }
            Err(error) if members::passes(error) => std::thread::sleep(Duration::from_millis(50)),
            Err(error) => panic!("member {name}: a heartbeat got error {error}"),
        }
        whole = true;
    }
}

fn keep(member: &mut Modern, positions: &std::collections::BTreeMap<i32, i64>) {
    let by = member.committer();
    let error = members::try_commit(&mut member.wire, &member.group, &by, TOPIC, positions).unwrap();
    // What is not committed is read again.
    assert!(matches!(error, 0 | code::STALE_MEMBER_EPOCH | code::UNKNOWN_MEMBER_ID), "a commit got error {error}");
}
