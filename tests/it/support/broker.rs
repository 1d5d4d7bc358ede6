//! A corelog process on a port and a folder of its own.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::OnceLock,
    time::{Duration, Instant},
};

use corelog::protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use tempfile::TempDir;

use super::{Wire, place, process::Process};

/// How long a broker may take to answer; a debug build that recovers a killed directory is slow.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long a clean stop may take.
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// A broker that answers. Dropping it kills it and removes its data.
#[derive(Debug)]
pub(crate) struct Broker {
    process: Process,
    folder: TempDir,
    port: u16,
    overrides: Vec<String>,
    /// From starting the process until it answered its first request.
    pub(crate) start_up: Duration,
}

impl Broker {
    /// Starts a broker with two shards and the given `key=value` overrides.
    pub(crate) fn start(overrides: &[&str]) -> Self {
        let folder = place::folder("broker");
        let overrides = overrides.iter().map(|text| (*text).to_owned()).collect();
        let port = place::port();
        let (process, start_up) = launch(folder.path(), port, &overrides);
        Self { process, folder, port, overrides, start_up }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The log directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// What the broker logged so far, over all its starts.
    pub(crate) fn log(&self) -> String {
        self.process.output()
    }

    pub(crate) fn connect(&self) -> Wire {
        Wire::connect(self.port).unwrap()
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks the broker to stop and waits for a clean end; returns how long it took.
    pub(crate) fn stop(&mut self) -> Duration {
        let started = Instant::now();
        let status: Option<ExitStatus> = self.process.terminate(STOP_PATIENCE);
        match status {
            Some(status) if status.success() => started.elapsed(),
            Some(status) => panic!("the broker stopped with {status}"),
            None => panic!("the broker did not stop within {STOP_PATIENCE:?}"),
        }
    }

    /// Starts again on the same folder and port, after [`Broker::kill`] or [`Broker::stop`].
    pub(crate) fn restart(&mut self) {
        assert!(self.process.ended().is_some(), "the broker still runs");
        let (process, start_up) = launch(self.folder.path(), self.port, &self.overrides);
        self.process = process;
        self.start_up = start_up;
    }

    /// Fails unless the process runs and answers.
    pub(crate) fn must_answer(&mut self) {
        if let Some(status) = self.process.ended() {
            panic!("the broker ended with {status}");
        }
        let mut wire = self.connect();
        let answer: ApiVersionsResponse = wire.call(&ApiVersionsRequest::default(), 0);
        assert_eq!(answer.error_code, 0);
    }
}

fn command(folder: &Path, port: u16, overrides: &Vec<String>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corelog"));
    command.arg("start").current_dir(folder);
    let ours = [
        format!("listeners=PLAINTEXT://127.0.0.1:{port}"),
        format!("log.dirs={}", folder.join("data").display()),
        "node.id=1".to_owned(),
        "corelog.cores=2".to_owned(),
    ];
    for text in ours.iter().chain(overrides) {
        command.arg("--override").arg(text);
    }
    command
}

fn launch(folder: &Path, port: u16, overrides: &Vec<String>) -> (Process, Duration) {
    let log = folder.join("log");
    let started = Instant::now();
    let mut process = Process::start(command(folder, port, overrides), &log);
    while started.elapsed() < START_PATIENCE {
        if let Ok(mut wire) = Wire::connect(port)
            && wire.try_call::<_, ApiVersionsResponse>(&ApiVersionsRequest::default(), 0).is_ok()
        {
            return (process, started.elapsed());
        }
        if let Some(status) = process.ended() {
            panic!("the broker ended with {status} instead of answering");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("the broker does not answer after {START_PATIENCE:?}");
}

/// True if this build of the binary serves clients at all; a test of the running broker has nothing to test otherwise.
pub(crate) fn serves() -> bool {
    static SERVES: OnceLock<bool> = OnceLock::new();
    *SERVES.get_or_init(|| {
        let folder = place::folder("probe");
        let port = place::port();
        let mut process = Process::start(command(folder.path(), port, &Vec::new()), &folder.path().join("log"));
        let started = Instant::now();
        while started.elapsed() < START_PATIENCE && process.ended().is_none() {
            if Wire::connect(port).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        eprintln!("skipped: the binary does not serve clients: {}", process.output());
        false
    })
}
