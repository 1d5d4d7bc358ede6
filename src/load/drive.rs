//! Runs the workers of one phase and puts together what they report.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::client::session::name_of;

use super::{
    clock::{SECOND_NS, now_ns},
    disk::Disk,
    process::{Process, Usage},
    setup::RunError,
    tally::{Tally, Window},
    worker::{self, Connection, Finished, Report, Worker},
};

/// Longest that the thread which watches the workers sleeps.
const WATCH: Duration = Duration::from_millis(20);
/// A last second that is shorter by so much is still whole: nothing was due any more.
const SECOND_SHORT_NS: u64 = SECOND_NS / 50;
/// How often the broker's disk is looked at.
const DISK_NS: u64 = SECOND_NS / 4;

/// Seconds in a row in which a broker may refuse everything before a run is given up: there is no figure to wait for.
const REFUSED_SECONDS_MAX: u32 = 3;

/// One whole second of the window.
#[derive(Clone, Debug)]
pub struct Second {
    /// Which, from 0.
    pub at: i64,
    /// What all workers counted.
    pub tally: Tally,
    /// The broker's counters at its end.
    pub broker: Option<Usage>,
}

/// How a phase is run.
pub(super) struct Phase<'a> {
    /// Cores, one thread on each; empty is one thread anywhere.
    pub(super) cpus: &'a [usize],
    pub(super) spin: bool,
    pub(super) window: Window,
    /// The broker's process, if it is to be watched.
    pub(super) broker: Option<&'a Process>,
    /// Set from outside to end the phase early.
    pub(super) interrupt: &'a AtomicBool,
    /// The broker's disk, if it is to be watched.
    pub(super) disk: Option<Disk<'a>>,
    /// Longest without any answer before the phase is given up; `None` where the window bounds it.
    pub(super) silence_ns: Option<u64>,
    /// Called for every second that is complete.
    pub(super) each_second: &'a mut dyn FnMut(&Second),
    /// Called once when all producers are done.
    pub(super) produced: &'a mut dyn FnMut() -> Result<(), RunError>,
}

/// What came out of a phase.
pub(super) struct Driven {
    pub(super) finished: Vec<Finished>,
    /// Whole seconds of the window.
    pub(super) seconds: Vec<Second>,
    /// Everything, whole seconds or not, the warm-up left out.
    pub(super) total: Tally,
    /// The broker's counters at the start and the end of the window.
    pub(super) broker: Option<(Usage, Usage)>,
    /// Nanoseconds of the window that passed.
    pub(super) measured_ns: u64,
    /// What ended it before its time.
    pub(super) ended_by: Option<EndedBy>,
}

/// What ends a run before its time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndedBy {
    /// A signal, or whoever runs the run.
    #[error("a signal")]
    Signal,
    /// The broker's disk.
    #[error("{0}")]
    Disk(String),
    /// The broker refused everything.
    #[error("the broker, which refused everything for {REFUSED_SECONDS_MAX} seconds, with {0}")]
    Refusals(String),
    /// The broker said nothing.
    #[error("the broker, which answered nothing for {0} seconds")]
    Silence(u64),
}

/// Runs `connections` on the phase's cores until all are done.
pub(super) fn run(connections: Vec<Connection>, mut phase: Phase<'_>) -> Result<Driven, RunError> {
    let threads = phase.cpus.len().max(1).min(connections.len().max(1));
    let mut groups: Vec<Vec<Connection>> = (0..threads).map(|_| Vec::new()).collect();
    for (at, connection) in connections.into_iter().enumerate() {
        groups[at % threads].push(connection);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, reports) = flume::unbounded();
    let mut handles = Vec::new();
    for (at, group) in groups.into_iter().enumerate() {
        let worker = Worker::new(group, phase.window, phase.spin, sender.clone(), Arc::clone(&stop));
        let worker = worker.map_err(RunError::host("watch sockets"))?;
        let cpu = phase.cpus.get(at).copied();
        let sender = sender.clone();
        let body = move || {
            let pinned = cpu.map_or(Ok(()), |cpu| worker::pin(&[cpu]));
            let finished = pinned.map(|()| Box::new(worker.run()));
            let _ = sender.send(Report::Finished(finished));
        };
        let thread = std::thread::Builder::new().name(format!("load-{at}"));
        handles.push(thread.spawn(body).map_err(RunError::host("start a thread"))?);
    }
    drop(sender);
    let mut watch = Watch::new(threads, phase.window);
    let outcome = watch.until_finished(&reports, &mut phase, &stop);
    stop.store(true, Ordering::Relaxed);
    for handle in handles {
        if handle.join().is_err() {
            return Err(RunError::Broker("a thread of the load harness failed".to_owned()));
        }
    }
    outcome?;
    Ok(watch.end())
}

struct Watch {
    threads: usize,
    window: Window,
    pending: BTreeMap<i64, (usize, Tally)>,
    seconds: Vec<Second>,
    total: Tally,
    produced: usize,
    finished: Vec<Finished>,
    usage_start: Option<Usage>,
    usage_end: Option<Usage>,
    started: bool,
    ended_ns: Option<u64>,
    ended_by: Option<EndedBy>,
    disk_looked_ns: u64,
    refused_seconds: u32,
    refused_with: String,
    /// When the last answer was counted.
    answered_ns: u64,
}

impl Watch {
    fn new(threads: usize, window: Window) -> Self {
        Self {
            threads,
            window,
            pending: BTreeMap::new(),
            seconds: Vec::new(),
            total: Tally::default(),
            produced: 0,
            finished: Vec::new(),
            usage_start: None,
            usage_end: None,
            started: false,
            ended_ns: None,
            ended_by: None,
            disk_looked_ns: 0,
            refused_seconds: 0,
            refused_with: String::new(),
            answered_ns: window.begin_ns,
        }
    }

    fn until_finished(
        &mut self,
        reports: &flume::Receiver<Report>,
        phase: &mut Phase<'_>,
        stop: &AtomicBool,
    ) -> Result<(), RunError> {
        while self.finished.len() < self.threads {
            match reports.recv_timeout(self.next_wait()) {
                Ok(Report::Second(at, tally)) => self.second(at, &tally, phase),
                Ok(Report::Produced) => {
                    self.produced += 1;
                    if self.produced == self.threads {
                        (phase.produced)()?;
                    }
                }
                Ok(Report::Finished(finished)) => self.finish(finished.map_err(RunError::host("pin a thread"))?, phase),
                Err(flume::RecvTimeoutError::Timeout) => {}
                Err(flume::RecvTimeoutError::Disconnected) => {
                    return Err(RunError::Broker("a thread of the load harness failed".to_owned()));
                }
            }
            self.look_at_broker(phase.broker);
            if self.ended_by.is_none() {
                self.ended_by = self.early_end(phase);
                stop.fetch_or(self.ended_by.is_some(), Ordering::Relaxed);
            }
        }
        // All may have been done before the time was up.
        if self.usage_end.is_none() {
            self.usage_end = phase.broker.map(Process::usage);
        }
        Ok(())
    }

    fn early_end(&mut self, phase: &Phase<'_>) -> Option<EndedBy> {
        if phase.interrupt.load(Ordering::Relaxed) {
            return Some(EndedBy::Signal);
        }
        if self.refused_seconds >= REFUSED_SECONDS_MAX {
            return Some(EndedBy::Refusals(self.refused_with.clone()));
        }
        let now = now_ns();
        if let Some(silence_ns) = phase.silence_ns.filter(|silence_ns| now > self.answered_ns + silence_ns) {
            return Some(EndedBy::Silence(silence_ns / SECOND_NS));
        }
        let disk = phase.disk?;
        if now < self.disk_looked_ns + DISK_NS {
            return None;
        }
        self.disk_looked_ns = now;
        disk.shortage().map(EndedBy::Disk)
    }

    /// Wakes for the ends of the window.
    fn next_wait(&self) -> Duration {
        let now = now_ns();
        let next = if self.started { self.window.end_ns } else { self.window.start_ns };
        let left = Duration::from_nanos(next.saturating_sub(now));
        if left.is_zero() { WATCH } else { left.min(WATCH) }
    }

    /// Reads the broker's counters when the window starts and when it ends.
    fn look_at_broker(&mut self, broker: Option<&Process>) {
        let now = now_ns();
        if !self.started && now >= self.window.start_ns {
            self.started = true;
            self.usage_start = broker.map(Process::usage);
        }
        if self.ended_ns.is_none() && now >= self.window.end_ns {
            self.ended_ns = Some(self.window.end_ns);
            self.usage_end = broker.map(Process::usage);
        }
    }

    fn second(&mut self, at: i64, tally: &Tally, phase: &mut Phase<'_>) {
        if at < 0 {
            return;
        }
        self.total.merge(tally);
        if tally.produced.requests + tally.fetched.requests > 0 {
            self.answered_ns = now_ns();
        }
        let (workers, merged) = self.pending.entry(at).or_default();
        *workers += 1;
        merged.merge(tally);
        let whole = self.window.start_ns + (at as u64 + 1) * SECOND_NS <= self.window.end_ns;
        if *workers < self.threads || !whole {
            return;
        }
        if let Some((_, tally)) = self.pending.remove(&at) {
            self.count_refusals(&tally);
            let second = Second { at, tally, broker: phase.broker.map(Process::usage) };
            (phase.each_second)(&second);
            self.seconds.push(second);
        }
    }

    fn count_refusals(&mut self, second: &Tally) {
        let taken = second.produced.requests > 0 || second.fetched.records > 0;
        let Some((code, _)) = second.errors.iter().max_by_key(|(_, count)| **count).filter(|_| !taken) else {
            self.refused_seconds = 0;
            return;
        };
        self.refused_seconds += 1;
        let words = second.words.get(code).map(|words| format!(": {words}")).unwrap_or_default();
        self.refused_with = format!("{}{words}", name_of(*code));
    }

    fn finish(&mut self, finished: Box<Finished>, phase: &mut Phase<'_>) {
        let second_ends_ns = self.window.start_ns.saturating_add_signed((finished.second + 1) * SECOND_NS as i64);
        if finished.ended_ns + SECOND_SHORT_NS >= second_ends_ns {
            self.second(finished.second, &finished.tally, phase);
        } else if finished.second >= 0 {
            self.total.merge(&finished.tally);
        }
        self.finished.push(*finished);
    }

    fn end(self) -> Driven {
        let last = self.finished.iter().map(|finished| finished.ended_ns).max().unwrap_or(self.window.end_ns);
        let ended_ns = last.min(self.window.end_ns);
        Driven {
            measured_ns: ended_ns.saturating_sub(self.window.start_ns),
            finished: self.finished,
            seconds: self.seconds,
            total: self.total,
            broker: self.usage_start.zip(self.usage_end),
            ended_by: self.ended_by,
        }
    }
}
