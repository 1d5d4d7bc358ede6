//! Runs the programs under `tests/clients/`.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use super::{Broker, place, process::Process};

/// Longer than any of the programs allows itself.
const PATIENCE: Duration = Duration::from_secs(240);
/// Exit code of `tests/clients/run` if the client is not installed.
const MISSING: i32 = 77;

/// Runs `name` against the broker at `address` and fails if it finds a difference.
pub(crate) fn run(name: &str, address: &str) {
    let folder = place::folder(name);
    run_in(name, address, folder.path(), || {});
}

/// The same for a program that asks for one restart of the broker, by a file in a folder that it is told of.
pub(crate) fn run_with_restart(name: &str, broker: &mut Broker, end: fn(&mut Broker)) {
    let folder = place::folder(name);
    let [asked, done] = ["restart", "restarted"].map(|file| folder.path().join(file));
    let address = broker.address();
    run_in(name, &address, folder.path(), || {
        if asked.exists() && !done.exists() {
            end(broker);
            broker.restart();
            fs::write(&done, []).unwrap();
        }
    });
}

/// Runs a program that finds `folder` in its environment, and calls `meanwhile` again and again.
fn run_in(name: &str, address: &str, folder: &Path, mut meanwhile: impl FnMut()) {
    let mut command = Command::new(place::root().join("tests/clients/run"));
    command.arg(name).arg(address).env("CORELOG_RESTART_BROKER", folder);
    let mut process = Process::start(command, &folder.join("log"));
    let started = Instant::now();
    let status = loop {
        match process.ended() {
            Some(status) => break status,
            None if started.elapsed() > PATIENCE => panic!("{name} is not done after {PATIENCE:?}"),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
        meanwhile();
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
