//! One thread with its core: moves bytes between its connections and their lanes, and never blocks while there is work.
//!
//! Readiness comes from epoll rather than from the broker's own runtime: the instrument shares nothing with what it
//! measures, and runs where io_uring is not to be had (docs/decisions/load-engine.md).

use std::{io, net::TcpStream};

use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, EventData, EventFlags},
    fd::OwnedFd,
};

use crate::client::frames::{Filled, FrameBuffer};

use super::{
    clock::{self, now_ns},
    lane::{Context, Lane, LaneError},
    sending::SendQueue,
    tally::{Tally, Window},
};

/// Longest sleep: the second must be reported when it is over.
const SLEEP_NS_MAX: u64 = 50_000_000;
/// Nanoseconds before a send is due from which the worker stays awake, unless told to stay awake always: the kernel
/// wakes a sleeper this much late.
const SPIN_BEFORE_DUE_NS: u64 = 80_000;
/// Reads of one connection in a row, so that no connection starves the others.
const READS_MAX: usize = 16;

/// What a worker says to whoever runs it.
#[derive(Debug)]
pub(super) enum Report {
    /// A second is over: which one of the window (negative in the warm-up), and what was counted in it.
    Second(i64, Box<Tally>),
    /// Producers of this worker have nothing to send or wait for any more.
    Produced,
    /// The worker has ended, or could not start.
    Finished(io::Result<Box<Finished>>),
}

/// What is left of a worker.
#[derive(Debug)]
pub(super) struct Finished {
    /// What was counted since the last second.
    pub(super) second: i64,
    pub(super) tally: Tally,
    /// The lanes, to be asked for what they know.
    pub(super) lanes: Vec<Lane>,
    /// Requests that were given up without an answer.
    pub(super) unanswered: u64,
    /// Why lanes lost their connection.
    pub(super) failures: Vec<LaneError>,
    /// Nanoseconds of CPU of the thread within the window.
    pub(super) cpu_ns: u64,
    /// Part of the measured time in which there was work, 0 to 1.
    pub(super) busy: f64,
    /// When it ended.
    pub(super) ended_ns: u64,
}

/// A lane and its socket.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    frames: FrameBuffer,
    out: SendQueue,
    lane: Lane,
    /// The socket takes no more for now.
    blocked: bool,
    /// The socket may hold bytes that are not read. (The kernel reports a change only once.)
    readable: bool,
    failed: bool,
}

impl Connection {
    /// Takes over a connected socket.
    ///
    /// # Errors
    /// If it cannot be made non-blocking.
    pub(super) fn new(stream: TcpStream, lane: Lane) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let (frames, out) = (FrameBuffer::default(), SendQueue::default());
        Ok(Self { stream, frames, out, lane, blocked: false, readable: false, failed: false })
    }

    fn is_idle(&self, now_ns: u64, window: &Window) -> bool {
        self.failed || (self.out.is_empty() && self.lane.is_done(now_ns, window))
    }

    /// Queues and sends what may go now. True if there is more at once.
    fn push(&mut self, context: &mut Context<'_>) -> Result<bool, LaneError> {
        if self.blocked || self.failed {
            return Ok(false);
        }
        loop {
            self.lane.fill(context, &mut self.out);
            if self.out.is_empty() {
                return Ok(false);
            }
            let sent = self.out.flush(&self.stream).map_err(|error| LaneError::Connection(error.to_string()))?;
            if !sent {
                self.blocked = true;
                return Ok(false);
            }
            let before = self.lane.unanswered();
            self.lane.flushed(context);
            if self.lane.unanswered() != before {
                // acks=0: let others have their turn.
                return Ok(true);
            }
        }
    }

    /// Reads what has come.
    fn pull(&mut self, context: &mut Context<'_>) -> Result<(), LaneError> {
        for _ in 0..READS_MAX {
            let filled = self.frames.fill(&self.stream).map_err(|error| LaneError::Connection(error.to_string()))?;
            context.now_ns = now_ns();
            while let Some(frame) =
                self.frames.next_frame().map_err(|error| LaneError::Connection(error.to_string()))?
            {
                self.lane.answer(context, frame)?;
            }
            match filled {
                Filled::More => {}
                Filled::Drained => {
                    self.readable = false;
                    break;
                }
                Filled::Closed => return Err(LaneError::Connection("closed by the broker".to_owned())),
            }
        }
        Ok(())
    }
}

/// The thread's state.
pub(super) struct Worker {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    window: Window,
    /// Stays awake, to be exact.
    spin: bool,
    reports: flume::Sender<Report>,
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    second: i64,
    tally: Tally,
    second_began_ns: u64,
    idle_ns: u64,
    /// Measured seconds so far: busy, and in all.
    busy_ns: u64,
    wall_ns: u64,
    failures: Vec<LaneError>,
    produced: bool,
    all_idle: bool,
    /// A connection could send more at once.
    more: bool,
}

impl Worker {
    /// Watches the connections' sockets.
    ///
    /// # Errors
    /// If epoll refuses.
    pub(super) fn new(
        connections: Vec<Connection>,
        window: Window,
        spin: bool,
        reports: flume::Sender<Report>,
        stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    ) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (at, connection) in connections.iter().enumerate() {
            let interest = EventFlags::IN | EventFlags::OUT | EventFlags::ET | EventFlags::RDHUP;
            epoll::add(&epoll, &connection.stream, EventData::new_u64(at as u64), interest)?;
        }
        Ok(Self {
            epoll,
            connections,
            window,
            spin,
            reports,
            stop,
            second: window.second(window.begin_ns),
            tally: Tally::default(),
            second_began_ns: window.begin_ns,
            idle_ns: 0,
            busy_ns: 0,
            wall_ns: 0,
            failures: Vec::new(),
            produced: false,
            all_idle: false,
            more: false,
        })
    }

    /// Runs until all lanes are done, or the time to drain is up.
    pub(super) fn run(mut self) -> Finished {
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        let mut events = Vec::with_capacity(self.connections.len().clamp(16, 1024));
        clock::pause(self.window.begin_ns.saturating_sub(now_ns()));
        let mut cpu_start_ns = None;
        let mut cpu_end_ns = None;
        loop {
            let now = now_ns();
            if now >= self.window.start_ns {
                cpu_start_ns.get_or_insert_with(clock::thread_cpu_ns);
            }
            if now >= self.window.end_ns {
                cpu_end_ns.get_or_insert_with(clock::thread_cpu_ns);
            }
            self.turn_second(now);
            self.push_all(now);
            if self.is_over(now) {
                break;
            }
            self.wait(&mut events);
        }
        let end = cpu_end_ns.unwrap_or_else(clock::thread_cpu_ns);
        let cpu_ns = end.saturating_sub(cpu_start_ns.unwrap_or(end));
        self.finish(cpu_ns)
    }

    /// Reports the second that is over, if one is.
    fn turn_second(&mut self, now: u64) {
        let second = self.window.second(now);
        if second == self.second {
            return;
        }
        self.close_second(now);
        let tally = std::mem::take(&mut self.tally);
        // Whoever listens may be gone; then the run ends by the stop flag.
        let _ = self.reports.send(Report::Second(self.second, Box::new(tally)));
        self.second = second;
    }

    fn close_second(&mut self, now: u64) {
        let wall = now.saturating_sub(self.second_began_ns);
        self.tally.wall_ns = wall;
        self.tally.busy_ns = wall.saturating_sub(self.idle_ns);
        // Warm-up and draining are left out.
        if self.second >= 0 && self.second_began_ns < self.window.end_ns {
            self.busy_ns += self.tally.busy_ns;
            self.wall_ns += wall;
        }
        self.second_began_ns = now;
        self.idle_ns = 0;
    }

    fn push_all(&mut self, now: u64) {
        let mut produced = true;
        let mut all_idle = true;
        self.more = false;
        for connection in &mut self.connections {
            let mut context = Context { now_ns: now, window: self.window, tally: &mut self.tally };
            match connection.push(&mut context) {
                Ok(more) => self.more |= more,
                Err(error) => {
                    connection.failed = true;
                    self.failures.push(error);
                }
            }
            let idle = connection.is_idle(now, &self.window);
            all_idle &= idle;
            produced &= idle || matches!(connection.lane, Lane::Consumer(_));
        }
        self.all_idle = all_idle;
        if produced && !self.produced {
            self.produced = true;
            let _ = self.reports.send(Report::Produced);
        }
    }

    fn is_over(&self, now: u64) -> bool {
        now >= self.window.drain_ns
            || self.stop.load(std::sync::atomic::Ordering::Relaxed)
            || self.all_idle
    }

    /// Waits for something to do, and takes what arrives.
    fn wait(&mut self, events: &mut Vec<epoll::Event>) {
        let began = now_ns();
        let timeout = self.sleep_ns(began);
        events.clear();
        // Interrupted or failed alike: the loop looks at the clock and at the sockets again.
        let _ = epoll::wait(&self.epoll, spare_capacity(events), Some(&clock::timespec(timeout)));
        let woke = now_ns();
        if timeout > 0 || events.is_empty() {
            self.idle_ns += woke - began;
        }
        for event in events.iter() {
            let Some(connection) = self.connections.get_mut(event.data.u64() as usize) else { continue };
            let flags = event.flags;
            connection.blocked &= !flags.contains(EventFlags::OUT);
            connection.readable |= flags.intersects(!EventFlags::OUT);
        }
        for connection in &mut self.connections {
            if !connection.readable || connection.failed {
                continue;
            }
            let mut context = Context { now_ns: woke, window: self.window, tally: &mut self.tally };
            if let Err(error) = connection.pull(&mut context) {
                connection.failed = true;
                self.failures.push(error);
            }
        }
    }

    /// How long there is nothing to do unless something arrives.
    fn sleep_ns(&self, now: u64) -> u64 {
        let mut due = u64::MAX;
        for connection in &self.connections {
            if connection.failed {
                continue;
            }
            if connection.readable {
                return 0;
            }
            if !connection.blocked {
                due = due.min(connection.lane.due_ns().unwrap_or(u64::MAX));
            }
        }
        let until_due = due.saturating_sub(now);
        if self.spin || self.more || until_due <= SPIN_BEFORE_DUE_NS { 0 } else { (until_due - SPIN_BEFORE_DUE_NS).min(SLEEP_NS_MAX) }
    }

    fn finish(mut self, cpu_ns: u64) -> Finished {
        let ended_ns = now_ns();
        self.close_second(ended_ns);
        let busy = self.busy_ns as f64 / self.wall_ns.max(1) as f64;
        let unanswered = self.connections.iter().map(|connection| connection.lane.unanswered() as u64).sum();
        let lanes = self.connections.into_iter().map(|connection| connection.lane).collect();
        Finished { second: self.second, tally: self.tally, lanes, unanswered, failures: self.failures, cpu_ns, busy, ended_ns }
    }
}

/// Keeps the calling thread on `cpus`; without any it stays as it is.
///
/// # Errors
/// If there is no such core, or it may not be used.
pub(super) fn pin(cpus: &[usize]) -> io::Result<()> {
    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = rustix::thread::CpuSet::new();
    for cpu in cpus {
        if *cpu >= rustix::thread::CpuSet::MAX_CPU {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("there is no core {cpu}")));
        }
        set.set(*cpu);
    }
    rustix::thread::sched_setaffinity(None, &set).map_err(Into::into)
}
