//! Two loads at the same time: what one does to the latencies of the other.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{
    clock,
    plan::Plan,
    report::RunReport,
    run::{self, Progress},
    scenario::Beside,
    setup::RunError,
};

/// How often a thread that waits for the other load looks.
const LOOK_NS: u64 = 5_000_000;

/// Runs `plan`, and `beside` with it; the report is that of `plan` and holds the other.
///
/// # Errors
/// If the run cannot be carried out.
pub fn run(
    plan: &Plan,
    beside: Option<&Beside>,
    interrupt: &AtomicBool,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<RunReport, RunError> {
    match beside {
        None => Ok(RunReport::new(plan, &run::run(plan, interrupt, progress)?)),
        Some(beside) => both(plan, beside, interrupt, progress),
    }
}

/// What the threads of two loads tell each other.
#[derive(Default)]
struct Shared {
    /// The measured load sends.
    first: AtomicBool,
    /// The load beside it sends, or has ended.
    second: AtomicBool,
    /// The load beside is to end.
    stop: AtomicBool,
}

fn both(
    plan: &Plan,
    beside: &Beside,
    interrupt: &AtomicBool,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<RunReport, RunError> {
    let shared = Shared::default();
    std::thread::scope(|scope| {
        let other = std::thread::Builder::new().name("beside".to_owned());
        let other = other.spawn_scoped(scope, || second(beside, &shared)).map_err(RunError::host("start a thread"))?;
        if beside.start_ms.is_none() {
            progress(Progress::Doing("starting the load beside"));
            wait_for(&shared.second, interrupt);
        }
        // An early end of the first ends the second, too.
        let outcome = run::run(plan, interrupt, &mut |what| {
            shared.first.fetch_or(matches!(what, Progress::Running), Ordering::Relaxed);
            progress(what);
        });
        shared.stop.store(true, Ordering::Relaxed);
        shared.first.store(true, Ordering::Relaxed);
        let other = other.join().map_err(|_| RunError::Broker("a thread of the load harness failed".to_owned()))?;
        let mut report = RunReport::new(plan, &outcome?);
        match other {
            Ok(other) => report.beside = other.map(Box::new),
            Err(error) => report.failures.push(format!("the load beside: {error}")),
        }
        Ok(report)
    })
}

fn second(beside: &Beside, shared: &Shared) -> Result<Option<RunReport>, RunError> {
    if let Some(start_ms) = beside.start_ms {
        wait_for(&shared.first, &shared.stop);
        let until = clock::now_ns() + start_ms * 1_000_000;
        while clock::now_ns() < until && !shared.stop.load(Ordering::Relaxed) {
            clock::pause(LOOK_NS);
        }
        if shared.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
    }
    let outcome = run::run(&beside.plan, &shared.stop, &mut |what| {
        shared.second.fetch_or(matches!(what, Progress::Running), Ordering::Relaxed);
    });
    // Whoever waits for this load would wait forever if it could not begin.
    shared.second.store(true, Ordering::Relaxed);
    Ok(Some(RunReport::new(&beside.plan, &outcome?)))
}

fn wait_for(flag: &AtomicBool, or: &AtomicBool) {
    while !flag.load(Ordering::Relaxed) && !or.load(Ordering::Relaxed) {
        clock::pause(LOOK_NS);
    }
}
