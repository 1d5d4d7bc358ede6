//! Runs the programs under `tests/clients/`.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use super::{place, process::Process};

/// Longer than any of the programs allows itself.
const PATIENCE: Duration = Duration::from_secs(240);
/// Exit code of `tests/clients/run` if the client is not installed.
const MISSING: i32 = 77;

/// Runs `name` against the broker at `address` and fails if it finds a difference.
pub(crate) fn run(name: &str, address: &str) {
    let folder = place::folder(name);
    let mut command = Command::new(place::root().join("tests/clients/run"));
    command.arg(name).arg(address);
    let mut process = Process::start(command, &folder.path().join("log"));
    let started = Instant::now();
    let status = loop {
        match process.ended() {
            Some(status) => break status,
            None if started.elapsed() > PATIENCE => panic!("{name} is not done after {PATIENCE:?}"),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    match status.code() {
        Some(0) => eprintln!("{name}: {} checks", process.output().lines().filter(|line| line.starts_with("ok ")).count()),
        Some(MISSING) => missing(name),
        _ => panic!("{name} failed with {status}"),
    }
}

/// Says that something is not installed; fails if `CORELOG_REQUIRE_CLIENTS` is set to something but 0.
pub(crate) fn missing(what: &str) {
    let required = std::env::var("CORELOG_REQUIRE_CLIENTS").is_ok_and(|value| !value.is_empty() && value != "0");
    assert!(!required, "{what}: not installed, and CORELOG_REQUIRE_CLIENTS is set (tests/support/install.sh)");
    eprintln!("skipped: {what}: not installed (tests/support/install.sh)");
}
