//! One run from beginning to end: topic, connections, load, verification, and the outcome.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use crate::client::session::{LogEnd, Session};

use super::{
    body::{Random, Template},
    clock::{self, SECOND_NS, now_ns},
    consumer::AtEnd,
    disk::Disk,
    drive::{self, Driven, EndedBy, Phase, Second},
    group::{Group, GroupCounts, GroupOutcome},
    environment::Identity,
    lane::{Lane, LaneError},
    plan::{Mode, Plan, PlanError},
    process::{Process, Usage},
    setup::{self, Consuming, Producing, RunError, Topic},
    tally::{Tally, Window},
    verify::{Findings, Ledger, Verifier},
    worker::Connection,
};

/// Longest that answers are waited for after the last request.
const DRAIN_NS: u64 = 30 * SECOND_NS;
/// From here to the first request: threads start, sockets settle.
const SETTLE_NS: u64 = 200_000_000;
/// Longest that writing beforehand, or reading back, may take.
const ASIDE_NS: u64 = 3600 * SECOND_NS;
/// Longest that it may go without an answer.
const SILENCE_NS: u64 = 60 * SECOND_NS;
/// Bytes of the batches that are written before a fetch run.
const PREFILL_IN_FLIGHT: usize = 4;

/// One client thread's part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClientThread {
    /// Part of the time in which it had work, 0 to 1.
    pub busy: f64,
    /// CPU seconds it used.
    pub cpu_s: f64,
}

/// The broker's part, if it runs on this host.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerPart {
    /// Its process id.
    pub pid: u32,
    /// Its command line.
    pub command: String,
    /// The cores it may use.
    pub cores: String,
    /// What it used within the window.
    pub used: Usage,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Who the broker is.
    pub identity: Identity,
    /// When it started, in milliseconds since 1970.
    pub started_ms: i64,
    /// Everything counted within the window.
    pub total: Tally,
    /// Whole seconds of it.
    pub seconds: Vec<Second>,
    /// Seconds that were measured.
    pub measured_s: f64,
    /// The broker's part.
    pub broker: Option<BrokerPart>,
    /// The client's threads.
    pub threads: Vec<ClientThread>,
    /// Requests given up without an answer.
    pub unanswered: u64,
    /// Requests of the schedule that were never sent, because too many were unanswered.
    pub unsent: u64,
    /// Connections that were lost, and why.
    pub failures: Vec<LaneError>,
    /// What verification found, if there was one.
    pub findings: Option<Findings>,
    /// What became of the consumer group, if one read.
    pub group: Option<GroupCounts>,
    /// Verification could not read everything.
    pub incomplete: bool,
    /// What ended it before its time.
    pub ended_by: Option<EndedBy>,
    /// Bytes and records of one batch as sent.
    pub batch: (u64, u64),
}

/// Runs `plan`. `progress` hears of every second and of what is being done; setting `interrupt` ends the run early, with
/// a partial outcome.
///
/// # Errors
/// If the run cannot be carried out; faults of the broker under load are part of the outcome.
pub fn run(plan: &Plan, interrupt: &AtomicBool, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Outcome, RunError> {
    plan.check()?;
    let run = (Random(clock::wall_ms() as u64 ^ u64::from(std::process::id()) << 32).bits() >> 32) as u32;
    progress(Progress::Doing("preparing the topic"));
    let (mut session, peer) = setup::open(&plan.bootstrap)?;
    let topic = setup::topic(&mut session, plan, run)?;
    let broker = Process::listening_on(peer);
    let identity = Identity::of(&mut session, &topic.name, plan.acks, broker.as_ref());
    let outcome = Run { plan, run, topic: &topic, broker, identity, interrupt }.carry_out(progress);
    if topic.ours {
        progress(Progress::Doing("deleting the topic"));
        delete(&mut session, plan, &topic)?;
    }
    outcome
}

/// What a run tells while it runs.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A step without figures.
    Doing(&'a str),
    /// The load has begun.
    Running,
    /// A second is over.
    Second(&'a Second),
}

fn delete(session: &mut Session, plan: &Plan, topic: &Topic) -> Result<(), RunError> {
    // The broker may have closed the idle connection meanwhile.
    if session.delete_topic(&topic.name).is_err() {
        setup::open(&plan.bootstrap)?.0.delete_topic(&topic.name)?;
    }
    Ok(())
}

/// What is left when the load is over.
struct End {
    driven: Driven,
    group: Option<GroupOutcome>,
    window: Window,
    started_ms: i64,
}

struct Run<'a> {
    plan: &'a Plan,
    run: u32,
    topic: &'a Topic,
    broker: Option<Process>,
    identity: Identity,
    interrupt: &'a AtomicBool,
}

impl Run<'_> {
    fn carry_out(&self, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Outcome, RunError> {
        let template = Arc::new(Template::new(&self.plan.shape, u64::from(self.run), clock::wall_ms())?);
        if let Some(disk) = self.disk() {
            disk.check_room(self.plan, template.len() as u64)?;
        }
        if self.plan.mode == Mode::Fetch {
            self.prefill(&template, progress)?;
        }
        let starts = self.topic.ends(LogEnd::End)?;
        let starts = if self.plan.mode == Mode::Fetch { self.topic.ends(LogEnd::Start)? } else { starts };
        let ends: Arc<[AtomicI64]> = starts.iter().map(|_| AtomicI64::new(-1)).collect();
        let group = self.plan.group.map(|group| {
            progress(Progress::Doing("gathering the group"));
            Group::start(self.plan, group, self.topic, self.run, &starts)
        });
        let group = group.transpose()?;
        let begin_ns = now_ns() + SETTLE_NS;
        let start_ns = begin_ns + self.plan.warmup_ms * 1_000_000;
        let end_ns = start_ns + self.plan.duration_ms * 1_000_000;
        let window = Window { begin_ns, start_ns, end_ns, drain_ns: end_ns + DRAIN_NS };
        let connections = self.connect(&template, &starts, &ends, begin_ns)?;
        if let Some(group) = &group {
            group.begin(window);
        }
        progress(Progress::Running);
        let started_ms = clock::wall_ms();
        let driven = drive::run(
            connections,
            Phase {
                cpus: &self.plan.cpus,
                spin: self.plan.spin,
                window,
                broker: self.broker.as_ref(),
                interrupt: self.interrupt,
                disk: self.disk(),
                silence_ns: None,
                each_second: &mut |second| progress(Progress::Second(second)),
                produced: &mut || self.publish_ends(&ends),
            },
        )?;
        let group = group.map(|group| {
            let ends: Vec<i64> = ends.iter().map(|end| end.load(Ordering::Relaxed)).collect();
            // They are not known if producers were given up on while they waited for answers.
            let known = driven.ended_by.is_none() && ends.iter().all(|end| *end >= 0);
            group.finish(known.then_some(&ends[..]))
        });
        let end = End { driven, group, window, started_ms };
        self.conclude(end, &template, &starts, progress)
    }

    /// The disk of a broker on this host.
    fn disk(&self) -> Option<Disk<'_>> {
        let storage = self.identity.storage.as_ref()?;
        Some(Disk { path: Path::new(&storage.path), free_bytes_min: self.plan.free_bytes_min })
    }

    /// Tells consumers that follow where to stop, once nothing more is written.
    fn publish_ends(&self, ends: &Arc<[AtomicI64]>) -> Result<(), RunError> {
        if self.plan.mode == Mode::EndToEnd {
            for (end, offset) in ends.iter().zip(self.topic.ends(LogEnd::End)?) {
                end.store(offset, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn connect(
        &self,
        template: &Arc<Template>,
        starts: &[i64],
        ends: &Arc<[AtomicI64]>,
        begin_ns: u64,
    ) -> Result<Vec<Connection>, RunError> {
        let plan = self.plan;
        let mut connections = Vec::new();
        if plan.producers() > 0 {
            let producing = Producing {
                plan,
                topic: self.topic,
                template: Arc::clone(template),
                connections: plan.producers(),
                in_flight: plan.in_flight,
                run: plan.stamps().then_some(self.run),
                begin_ns,
                requests_max: None,
                idempotent: plan.idempotent,
                open_loop: true,
            };
            connections.extend(producing.connect()?);
        }
        if plan.consumers() > 0 {
            let logs_end = if plan.mode == Mode::Fetch { self.topic.ends(LogEnd::End)? } else { Vec::new() };
            let consuming = Consuming {
                plan,
                topic: self.topic,
                consumers: plan.consumers(),
                fan_out: plan.fetch.fan_out,
                run: plan.stamps().then_some(self.run),
            };
            connections.extend(consuming.connect(|partition| {
                let at = partition.unsigned_abs() as usize;
                let at_end = match plan.mode {
                    Mode::Fetch if plan.fetch.cold => AtEnd::Stop(logs_end[at]),
                    Mode::Fetch => AtEnd::Wrap(logs_end[at]),
                    Mode::Produce | Mode::EndToEnd => AtEnd::Follow(Arc::clone(ends)),
                };
                setup::position(partition, starts[at], at_end)
            })?);
        }
        Ok(connections)
    }

    /// Writes what a fetch run reads.
    fn prefill(&self, template: &Arc<Template>, progress: &mut dyn FnMut(Progress<'_>)) -> Result<(), RunError> {
        let plan = self.plan;
        let held: i64 = self.topic.ends(LogEnd::End)?.iter().zip(self.topic.ends(LogEnd::Start)?).map(|(e, s)| e - s).sum();
        let batches = plan.fetch.prefill_bytes / template.len() as u64;
        let wanted = batches.max(self.topic.leaders.len() as u64);
        if held as u64 >= wanted * template.records() {
            return Ok(());
        }
        progress(Progress::Doing("writing what will be read"));
        let connections = self.topic.leaders.len().min(8);
        let producing = Producing {
            plan,
            topic: self.topic,
            template: Arc::clone(template),
            connections,
            in_flight: PREFILL_IN_FLIGHT,
            run: None,
            begin_ns: now_ns(),
            requests_max: Some(wanted.div_ceil(connections as u64)),
            idempotent: false,
            open_loop: false,
        };
        let driven = self.aside(producing.connect()?)?;
        if let Some(ended_by) = driven.ended_by {
            return Err(RunError::Broker(format!("writing what is to be read was ended by {ended_by}")));
        }
        let failed = driven.finished.iter().any(|finished| !finished.failures.is_empty() || finished.unanswered > 0);
        if failed || !driven.total.errors.is_empty() {
            return Err(RunError::Broker("the broker did not take all that is to be read".to_owned()));
        }
        if plan.fetch.cold {
            progress(Progress::Doing("emptying the host's page cache"));
            empty_page_cache()?;
        }
        Ok(())
    }

    /// Runs connections whose work is not measured.
    fn aside(&self, connections: Vec<Connection>) -> Result<Driven, RunError> {
        let now = now_ns();
        let window = Window { begin_ns: now, start_ns: now, end_ns: now + ASIDE_NS, drain_ns: now + ASIDE_NS };
        drive::run(
            connections,
            Phase {
                cpus: &self.plan.cpus,
                spin: false,
                window,
                broker: None,
                interrupt: self.interrupt,
                disk: self.disk(),
                silence_ns: Some(SILENCE_NS),
                each_second: &mut |_| {},
                produced: &mut || Ok(()),
            },
        )
    }

    fn conclude(
        &self,
        End { mut driven, group, window, started_ms }: End,
        template: &Template,
        starts: &[i64],
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Outcome, RunError> {
        let measured_s = driven.measured_ns as f64 / SECOND_NS as f64;
        // What was due after an early end was not missed.
        let window = &Window { end_ns: window.start_ns + driven.measured_ns, ..window };
        if let Some(group) = &group {
            driven.total.merge(&group.tally);
        }
        let mut outcome = Outcome {
            identity: self.identity.clone(),
            started_ms,
            seconds: driven.seconds,
            measured_s,
            broker: self.broker_part(driven.broker),
            threads: Vec::new(),
            unanswered: 0,
            unsent: 0,
            failures: Vec::new(),
            findings: None,
            group: group.as_ref().map(|group| group.counts.clone()),
            incomplete: group.as_ref().is_some_and(|group| !group.complete),
            ended_by: driven.ended_by,
            batch: (template.len() as u64, template.records()),
            total: driven.total,
        };
        let mut ledgers = Vec::new();
        let mut read: Option<Verifier> = None;
        for finished in driven.finished {
            outcome.threads.push(ClientThread { busy: finished.busy, cpu_s: finished.cpu_ns as f64 / 1e9 });
            outcome.unanswered += finished.unanswered;
            outcome.failures.extend(finished.failures);
            for lane in finished.lanes {
                outcome.take_lane(lane, window, &mut ledgers, &mut read);
            }
        }
        if let Some(group) = group {
            outcome.failures.extend(group.failures.into_iter().map(LaneError::Member));
            read = Some(group.verifier);
        }
        let whole = outcome.ended_by.is_none();
        if self.plan.verify && self.plan.mode == Mode::Produce && whole {
            progress(Progress::Doing("reading everything back"));
            let (verifier, complete) = self.read_back(starts)?;
            read = Some(verifier);
            outcome.incomplete |= !complete;
        }
        outcome.findings = read.map(|verifier| {
            let fan_out = self.plan.fetch.fan_out && self.plan.mode == Mode::EndToEnd;
            // With fan-out several verifiers read the same records: each was checked on its own. And what was not read to
            // its end tells nothing about what is missing.
            if fan_out || !whole || outcome.incomplete { verifier.findings } else { verifier.finish(&ledgers) }
        });
        Ok(outcome)
    }

    /// Reads everything from where the run began.
    fn read_back(&self, starts: &[i64]) -> Result<(Verifier, bool), RunError> {
        let ends = self.topic.ends(LogEnd::End)?;
        let consuming = Consuming {
            plan: self.plan,
            topic: self.topic,
            consumers: self.topic.leaders.len().min(self.plan.cpus.len().max(1) * 2),
            fan_out: false,
            run: Some(self.run),
        };
        let connections = consuming.connect(|partition| {
            let at = partition.unsigned_abs() as usize;
            setup::position(partition, starts[at], AtEnd::Stop(ends[at]))
        })?;
        let driven = self.aside(connections)?;
        let mut verifier = Verifier::new(self.run);
        let mut complete = driven.ended_by.is_none();
        for finished in driven.finished {
            complete &= finished.failures.is_empty();
            for lane in finished.lanes {
                if let Lane::Consumer(consumer) = lane {
                    let (found, finished) = consumer.finish();
                    complete &= finished;
                    found.into_iter().for_each(|found| verifier.merge(found));
                }
            }
        }
        Ok((verifier, complete))
    }

    fn broker_part(&self, usage: Option<(Usage, Usage)>) -> Option<BrokerPart> {
        let process = self.broker.as_ref()?;
        let (start, end) = usage?;
        Some(BrokerPart {
            pid: process.pid,
            command: process.command().unwrap_or_default(),
            cores: process.cores().unwrap_or_default(),
            used: end.since(&start),
        })
    }
}

impl Outcome {
    fn take_lane(&mut self, lane: Lane, window: &Window, ledgers: &mut Vec<Ledger>, read: &mut Option<Verifier>) {
        match lane {
            Lane::Producer(producer) => {
                let (sent, unsent) = producer.finish(window);
                ledgers.extend(sent);
                self.unsent += unsent;
                self.total.intended += unsent;
            }
            Lane::Consumer(consumer) => {
                let (verifier, complete) = consumer.finish();
                self.incomplete |= !complete && verifier.is_some();
                match (read.as_mut(), verifier) {
                    (Some(read), Some(verifier)) => read.merge(verifier),
                    (None, found) => *read = found,
                    (Some(_), None) => {}
                }
            }
        }
    }
}

/// Gives back the page cache, so that reads go to the device.
fn empty_page_cache() -> Result<(), RunError> {
    rustix::fs::sync();
    std::fs::write("/proc/sys/vm/drop_caches", "1\n")
        .map_err(RunError::host("empty the page cache for a cold run (needs root)"))
}

impl From<&str> for PlanError {
    fn from(words: &str) -> Self {
        Self(words.to_owned())
    }
}
