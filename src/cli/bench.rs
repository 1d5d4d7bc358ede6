//! `corelog bench`: the load harness.

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use clap::{Args, Subcommand};

use crate::load::{
    RunError,
    drive::Second,
    plan::Plan,
    report::{RunReport, SecondReport},
    run::{self, Progress},
    settings::Settings,
    table,
};

use super::{output, run::Failure};

/// What the harness is to do.
#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// Put one load on one broker, and print what it did.
    Run(Box<RunArgs>),
}

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    #[command(flatten)]
    settings: Settings,
    /// Config of a topic that is made, as key=value; may be given several times.
    #[arg(long = "topic-config", value_name = "KEY=VALUE")]
    topic_config: Vec<String>,
    /// Write the whole result as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(super) fn run(command: &BenchCommand) -> Result<(), Failure> {
    match command {
        BenchCommand::Run(args) => one(args),
    }
}

fn one(args: &RunArgs) -> Result<(), Failure> {
    let plan = plan(args)?;
    let interrupt = interrupted_by_signals()?;
    let outcome = measure(&plan, &interrupt)?;
    let report = RunReport::new(&plan, &outcome);
    output::answer(&table::table(&report)).map_err(|error| Failure::Failed(format!("standard output: {error}")))?;
    if let Some(path) = &args.json {
        write_json(path, &report)?;
    }
    let faults = report.faults();
    if faults.is_empty() { Ok(()) } else { Err(Failure::Failed(format!("the run failed: {}", faults.join("; ")))) }
}

fn plan(args: &RunArgs) -> Result<Plan, Failure> {
    let mut settings = args.settings.clone();
    for pair in &args.topic_config {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| Failure::Usage(format!("--topic-config {pair}: not key=value")))?;
        settings.topic_config.insert(key.to_owned(), value.to_owned());
    }
    settings.plan().map_err(|error| Failure::Usage(error.0))
}

/// Runs a plan, with a live line on standard error if that is a terminal.
fn measure(plan: &Plan, interrupt: &AtomicBool) -> Result<run::Outcome, Failure> {
    let live = std::io::stderr().is_terminal();
    let of_s = plan.duration_ms.div_ceil(1000);
    let mut before: Option<Second> = None;
    let outcome = run::run(plan, interrupt, &mut |progress| {
        if !live {
            return;
        }
        let line = match progress {
            Progress::Doing(what) => what.to_owned(),
            Progress::Second(second) => {
                let line = table::live(&SecondReport::new(second, before.as_ref()), of_s);
                before = Some(second.clone());
                line
            }
        };
        show(&line);
    });
    if live {
        show("");
    }
    outcome.map_err(|error| match error {
        RunError::Plan(error) => Failure::Usage(error.0),
        error => Failure::Failed(error.to_string()),
    })
}

/// Replaces the live line.
fn show(line: &str) {
    // Progress is a courtesy: where it cannot be shown the run goes on.
    let _ = write!(std::io::stderr().lock(), "\r\x1b[2K{line}");
}

fn write_json(path: &Path, report: &impl serde::Serialize) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::Failed(format!("{}: {error}", path.display()));
    let text = serde_json::to_string_pretty(report).map_err(|error| failed(&error))?;
    std::fs::write(path, text).map_err(|error| failed(&error))
}

/// A flag that the first SIGINT or SIGTERM sets; the second ends the process.
fn interrupted_by_signals() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    let failed = |error: std::io::Error| Failure::Failed(format!("signals: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed)?;
    let watch = async move {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return;
        };
        loop {
            futures_lite::future::or(interrupt.recv(), terminate.recv()).await;
            if set.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        }
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(move || runtime.block_on(watch)).map_err(failed)?;
    Ok(flag)
}
