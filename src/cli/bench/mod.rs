//! `corelog bench`: the load harness.

mod compare;

use std::{
    cell::RefCell,
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
    gate::Gate,
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
    /// Put the same load on several brokers in turns, and print ratios with their spread.
    Compare(Box<compare::CompareArgs>),
}

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    #[command(flatten)]
    common: Common,
    /// Write the latencies of every second as an HdrHistogram log.
    #[arg(long, value_name = "FILE")]
    hlog: Option<PathBuf>,
}

/// What all loads have in common.
#[derive(Args, Debug)]
struct Common {
    #[command(flatten)]
    settings: Settings,
    /// Config of a topic that is made, as key=value; may be given several times.
    #[arg(long = "topic-config", value_name = "KEY=VALUE")]
    topic_config: Vec<String>,
    /// Write the whole result as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail if a figure is beyond a bound, as 'p99>5ms' or 'mb/s<500'; may be given several times.
    #[arg(long = "fail-if", value_name = "CONDITION")]
    fail_if: Vec<Gate>,
}

impl Common {
    fn settings(&self) -> Result<Settings, Failure> {
        let mut settings = self.settings.clone();
        for pair in &self.topic_config {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| Failure::Usage(format!("--topic-config {pair}: not key=value")))?;
            settings.topic_config.insert(key.to_owned(), value.to_owned());
        }
        Ok(settings)
    }

    fn title(&self) -> String {
        "comparison".to_owned()
    }

    /// Prints the text, and writes the data where it was asked for.
    fn publish(&self, text: &str, data: &impl serde::Serialize) -> Result<(), Failure> {
        output::answer(text).map_err(|error| Failure::Failed(format!("standard output: {error}")))?;
        self.json.as_ref().map_or(Ok(()), |path| write_json(path, data))
    }

    /// Fails for faults, and for figures beyond their bounds.
    fn judge<'a>(&self, mut faults: Vec<String>, reports: impl Iterator<Item = &'a RunReport>) -> Result<(), Failure> {
        for report in reports {
            faults.extend(self.fail_if.iter().filter_map(|gate| gate.failure(report)));
        }
        if faults.is_empty() { Ok(()) } else { Err(Failure::Failed(format!("the run failed: {}", faults.join("; ")))) }
    }
}

pub(super) fn run(command: &BenchCommand) -> Result<(), Failure> {
    let interrupt = interrupted_by_signals()?;
    match command {
        BenchCommand::Run(args) => one(args, &interrupt),
        BenchCommand::Compare(args) => compare::run(args, &interrupt),
    }
}

fn one(args: &RunArgs, interrupt: &AtomicBool) -> Result<(), Failure> {
    let plan = args.common.settings()?.plan().map_err(|error| Failure::Usage(error.0))?;
    let live = Live::new();
    let outcome = run::run(&plan, interrupt, &mut |progress| live.show("", &plan, &progress));
    live.clear();
    let outcome = outcome.map_err(failure)?;
    let report = RunReport::new(&plan, &outcome);
    args.common.publish(&table::table(&report), &report)?;
    if let Some(path) = &args.hlog {
        std::fs::write(path, crate::load::hlog::log(&report)).map_err(|error| unwritten(path, &error))?;
    }
    args.common.judge(report.faults(), std::iter::once(&report))
}

fn failure(error: RunError) -> Failure {
    match error {
        RunError::Plan(error) => Failure::Usage(error.0),
        error => Failure::Failed(error.to_string()),
    }
}

/// The line on standard error that says what goes on; silent if that is no terminal.
struct Live {
    shown: bool,
    before: RefCell<Option<Second>>,
}

impl Live {
    fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal(), before: RefCell::new(None) }
    }

    fn show(&self, whose: &str, plan: &Plan, progress: &Progress<'_>) {
        if !self.shown {
            return;
        }
        let line = match progress {
            Progress::Doing(what) => (*what).to_owned(),
            Progress::Second(second) => {
                let before = self.before.replace(Some((*second).clone())).filter(|before| before.at + 1 == second.at);
                table::live(&SecondReport::new(second, before.as_ref()), plan.duration_ms.div_ceil(1000))
            }
        };
        self.say(&if whose.is_empty() { line } else { format!("{whose}: {line}") });
    }

    /// Replaces the line.
    fn say(&self, line: &str) {
        if self.shown {
            // Progress is a courtesy: where it cannot be shown the run goes on.
            let _ = write!(std::io::stderr().lock(), "\r\x1b[2K{line}");
        }
    }

    fn clear(&self) {
        self.say("");
    }
}

fn write_json(path: &Path, data: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(data).map_err(|error| unwritten(path, &error))?;
    std::fs::write(path, text).map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::Failed(format!("{}: {error}", path.display()))
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
