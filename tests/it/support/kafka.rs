//! A real Apache Kafka 4.3, its tools, and whether they are installed.

use std::{
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use corelog::protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use tempfile::TempDir;

use super::{Wire, place, process::Process};

const START_PATIENCE: Duration = Duration::from_secs(90);
const STOP_PATIENCE: Duration = Duration::from_secs(30);

/// A Kafka broker that answers. Dropping it kills it and removes its data.
#[derive(Debug)]
pub(crate) struct Kafka {
    process: Process,
    folder: TempDir,
    port: u16,
}

fn script() -> Command {
    Command::new(place::root().join("tests/support/kafka.sh"))
}

/// True if Kafka can be run here. If not, a test that needs it is skipped, or fails if `CORELOG_REQUIRE_CLIENTS` is set.
pub(crate) fn installed() -> bool {
    let found = place::cache().join("kafka-4.3.0/complete").exists();
    if !found {
        super::client_program::missing("Kafka's jars");
    }
    found
}

impl Kafka {
    /// Starts a broker on an empty folder, with further lines of server.properties.
    pub(crate) fn start(lines: &[&str]) -> Self {
        let folder = place::folder("kafka");
        let port = place::port();
        run(script().arg("format").arg(folder.path()).arg(port.to_string()).args(lines));
        Self::launch(folder, port)
    }

    /// Starts a broker on a copy of `data`, the log directory of another broker.
    pub(crate) fn start_on(data: &Path, lines: &[&str]) -> Self {
        let folder = place::folder("kafka");
        let port = place::port();
        run(script().arg("config").arg(folder.path()).arg(port.to_string()).args(lines));
        run(Command::new("cp").arg("-a").arg(data).arg(folder.path().join("data")));
        Self::launch(folder, port)
    }

    fn launch(folder: TempDir, port: u16) -> Self {
        let mut command = script();
        command.arg("run").arg(folder.path());
        let process = Process::start(command, &folder.path().join("log"));
        let mut kafka = Self { process, folder, port };
        let started = Instant::now();
        while started.elapsed() < START_PATIENCE {
            if let Ok(mut wire) = Wire::connect(port)
                && wire.try_call::<_, ApiVersionsResponse>(&ApiVersionsRequest::default(), 0).is_ok()
            {
                return kafka;
            }
            if let Some(status) = kafka.process.ended() {
                panic!("Kafka ended with {status}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("Kafka does not answer after {START_PATIENCE:?}");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn log(&self) -> String {
        self.process.output()
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Asks Kafka to stop and waits for it.
    pub(crate) fn stop(&mut self) {
        assert!(self.process.terminate(STOP_PATIENCE).is_some(), "Kafka did not stop within {STOP_PATIENCE:?}");
    }
}

/// Runs one of Kafka's tools; standard output and error, whatever the exit code.
pub(crate) fn tool(class: &str, arguments: &[&str]) -> Output {
    script().arg("tool").arg(class).args(arguments).output().unwrap()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
