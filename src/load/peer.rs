//! Brokers that a comparison starts and stops: this program's own, and peers run by a script.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::session::Session;

use super::{
    clock::{self, SECOND_NS},
    process::{self, Process},
    setup::RunError,
    worker,
};

/// Longest that a broker may take to answer after its start: a JVM on one busy core, with jars to fetch, takes a while.
const START_NS: u64 = 180 * SECOND_NS;
/// Longest that it may take to stop before it is killed.
const STOP_NS: u64 = 20 * SECOND_NS;
/// Longest that it may go on with what its last load left it to do before it is paused: a JVM compiles.
const SETTLE_NS: u64 = 10 * SECOND_NS;
/// How long it is watched at a time, and the part of a core that counts as nothing: an idle Kafka takes a tenth.
const WATCH_NS: u64 = SECOND_NS / 2;
const QUIET_SHARE: f64 = 0.2;
/// The script that runs Apache Kafka, so that a binary alone can compare.
const KAFKA: &str = include_str!("../../perf/peers/kafka.sh");

/// How to start a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// This program, with `--override`s.
    Corelog(Vec<String>),
    /// Apache Kafka by the built-in script, with further properties.
    Kafka(Vec<String>),
    /// A script that is called as `SCRIPT run PORT DIR`, with further properties in the variable PROPERTIES, one a line.
    Script(PathBuf, Vec<String>),
}

/// A broker that was started, and is stopped when this is dropped; its data goes with it.
#[derive(Debug)]
pub struct Started {
    child: Child,
    directory: PathBuf,
    /// `host:port` of it.
    pub address: String,
    /// The broker itself, if it was found: a script may have started it as another process.
    process: Option<Process>,
    paused: bool,
}

impl Started {
    /// Starts a broker on the cores `cpus` (empty: any) with its data under `directory`, and waits until it answers.
    ///
    /// # Errors
    /// If it cannot be started, ends, or does not answer in time.
    pub fn start(kind: &Kind, name: &str, port: u16, directory: &Path, cpus: &str) -> Result<Self, RunError> {
        wait_for_port(name, port)?;
        let directory = directory.join(format!("{name}-{port}"));
        std::fs::create_dir_all(&directory).map_err(RunError::host("make a folder for a broker"))?;
        let mut command = command(kind, port, &directory)?;
        let log = std::fs::File::create(directory.join("output")).map_err(RunError::host("make a broker's log"))?;
        let errors = log.try_clone().map_err(RunError::host("make a broker's log"))?;
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = spawn_on(command, cpus)?;
        let mut started = Self { child, directory, address: format!("127.0.0.1:{port}"), process: None, paused: false };
        started.wait_until_it_answers(name)?;
        started.process = Process::listening_on(SocketAddr::from(([127, 0, 0, 1], port)));
        Ok(started)
    }

    fn wait_until_it_answers(&mut self, name: &str) -> Result<(), RunError> {
        let until = clock::now_ns() + START_NS;
        loop {
            if let Some(status) = self.child.try_wait().map_err(RunError::host("watch a broker"))? {
                return Err(RunError::Broker(format!("{name} ended at once with {status}: {}", self.last_words())));
            }
            let answers = Session::open(&self.address, "corelog-bench", Duration::from_secs(2));
            if answers.and_then(|mut session| session.describe(None)).is_ok_and(|cluster| !cluster.brokers.is_empty()) {
                return Ok(());
            }
            if clock::now_ns() > until {
                return Err(RunError::Broker(format!("{name} does not answer after 3 minutes: {}", self.last_words())));
            }
            clock::pause(100_000_000);
        }
    }

    /// The end of what the broker wrote.
    fn last_words(&self) -> String {
        let read = |file: &str| std::fs::read_to_string(self.directory.join(file)).unwrap_or_default();
        let text = [read("output"), read("log")].concat();
        let lines: Vec<&str> = text.lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
    }

    /// Keeps the process from running until [`Started::resume`]: what an idle broker does beside another one, on the same core,
    /// would be measured as that one's slowness. It may come to rest before.
    pub fn pause(&mut self) {
        let Some(process) = self.process.as_ref().filter(|_| !self.paused) else { return };
        let until = clock::now_ns() + SETTLE_NS;
        loop {
            let before = process.usage();
            clock::pause(WATCH_NS);
            let used = process.usage().since(&before).cpu_s.unwrap_or_default();
            if used < QUIET_SHARE * WATCH_NS as f64 / SECOND_NS as f64 || clock::now_ns() > until {
                break;
            }
        }
        self.paused = signal(process.pid, Signal::STOP).is_ok();
    }

    /// Lets it go on.
    pub fn resume(&mut self) {
        if let Some(process) = self.process.as_ref().filter(|_| self.paused) {
            self.paused = signal(process.pid, Signal::CONT).is_err();
        }
    }

    fn stop(&mut self) -> io::Result<()> {
        // A process that is kept from running does not hear that it is to end.
        self.resume();
        if self.child.try_wait()?.is_none() {
            signal(self.child.id(), Signal::TERM)?;
        }
        let until = clock::now_ns() + STOP_NS;
        while self.child.try_wait()?.is_none() {
            if clock::now_ns() > until {
                self.child.kill()?;
            }
            clock::pause(20_000_000);
        }
        std::fs::remove_dir_all(&self.directory)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // There is nobody to tell; what is left is a folder under the one that was named for it.
        let _ = self.stop();
    }
}

fn signal(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no such process id"))?;
    Ok(kill_process(pid, signal)?)
}

fn command(kind: &Kind, port: u16, directory: &Path) -> Result<Command, RunError> {
    match kind {
        Kind::Corelog(overrides) => {
            let program = std::env::current_exe().map_err(RunError::host("find this program"))?;
            let mut command = Command::new(program);
            command.arg("start");
            command.args(["--override", &format!("listeners=PLAINTEXT://127.0.0.1:{port}")]);
            command.args(["--override", &format!("log.dirs={}", directory.join("logs").display())]);
            for pair in overrides {
                command.args(["--override", pair]);
            }
            Ok(command)
        }
        Kind::Kafka(properties) => {
            let script = directory.join("kafka.sh");
            std::fs::write(&script, KAFKA).map_err(RunError::host("write Kafka's script"))?;
            let mut command = Command::new("bash");
            command.arg(script).arg("run").arg(port.to_string()).arg(directory);
            command.env("PROPERTIES", properties.join("\n"));
            Ok(command)
        }
        Kind::Script(script, properties) => {
            let mut command = Command::new(script);
            command.arg("run").arg(port.to_string()).arg(directory).env("PROPERTIES", properties.join("\n"));
            Ok(command)
        }
    }
}

/// Waits until a broker can listen on `port` and the one after it: one of an earlier run may be about to stop.
fn wait_for_port(name: &str, port: u16) -> Result<(), RunError> {
    let until = clock::now_ns() + STOP_NS;
    for port in [port, port.saturating_add(1)] {
        while let Err(error) = std::net::TcpListener::bind(("127.0.0.1", port)) {
            if clock::now_ns() > until {
                return Err(RunError::Broker(format!("{name} cannot listen on port {port}: {error}")));
            }
            clock::pause(100_000_000);
        }
    }
    Ok(())
}

/// Starts `command` from a thread that runs on `cpus`: children inherit its cores.
fn spawn_on(mut command: Command, cpus: &str) -> Result<Child, RunError> {
    let cpus = process::parse_cores_if_any(cpus).map_err(|error| RunError::Broker(error.to_string()))?;
    let spawn = move || {
        worker::pin(&cpus)?;
        command.spawn()
    };
    let thread = std::thread::Builder::new().name("spawn".to_owned()).spawn(spawn);
    let spawned = thread.map_err(RunError::host("start a thread"))?.join();
    spawned.unwrap_or_else(|_| Err(io::Error::other("the thread failed"))).map_err(RunError::host("start a broker"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paused_broker_stands_still_and_can_be_ended() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("broker");
        std::fs::create_dir(&directory).unwrap();
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process { pid: child.id() };
        let state = |pid: u32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").and_then(|(_, fields)| fields.chars().next())
        };
        let becomes = |wanted: char| {
            let until = clock::now_ns() + SECOND_NS;
            while state(process.pid) != Some(wanted) && clock::now_ns() < until {
                clock::pause(1_000_000);
            }
            state(process.pid) == Some(wanted)
        };
        let mut broker = Started { child, directory, address: String::new(), process: Some(process.clone()), paused: false };
        broker.pause();
        assert!(becomes('T'));
        broker.pause();
        broker.resume();
        assert!(becomes('S'));
        broker.pause();
        let began = clock::now_ns();
        drop(broker);
        assert!(clock::now_ns() - began < STOP_NS / 2, "it hears that it is to end");
        assert_eq!(state(process.pid), None);
    }
}
