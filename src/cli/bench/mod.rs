//! `corelog bench`: the load harness.

mod compare;
mod host;
mod report;
mod scenario;
mod search;
mod targets;

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
    ceiling::Ceilings,
    document::Document,
    drive::Second,
    gate::Gate,
    page,
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
    /// Run scenario files on one broker.
    Scenario(Box<scenario::ScenarioArgs>),
    /// Put the same load on several brokers in turns, and print ratios with their spread.
    Compare(Box<compare::CompareArgs>),
    /// Find the highest rate at which a broker keeps a promise.
    Search(Box<search::SearchArgs>),
    /// Measure what this host can do: device, loopback, memory, checksums.
    Ceilings(CeilingArgs),
    /// Show a result, or compare two.
    Report(report::ReportArgs),
    /// What came of the targets of comparisons, as one table.
    Targets(targets::TargetsArgs),
}

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    #[command(flatten)]
    common: Common,
    /// Write the latencies of every second as an HdrHistogram log.
    #[arg(long, value_name = "FILE")]
    hlog: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct CeilingArgs {
    /// A folder on the device that is meant.
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// Cores of the broker, as 0 or 0-1.
    #[arg(long, default_value = "", value_name = "LIST")]
    broker_cpus: String,
    /// Cores of the client.
    #[arg(long, default_value = "", value_name = "LIST")]
    cpus: String,
}

/// What all loads have in common.
#[derive(Args, Debug)]
struct Common {
    #[command(flatten)]
    settings: Settings,
    /// Config of a topic that is made, as key=value; may be given several times.
    #[arg(long = "topic-config", value_name = "KEY=VALUE")]
    topic_config: Vec<String>,
    #[command(flatten)]
    results: Results,
    /// Fail if a figure is beyond a bound, as 'p99>5ms' or 'mb/s<500'; may be given several times.
    #[arg(long = "fail-if", value_name = "CONDITION")]
    fail_if: Vec<Gate>,
    /// Measure first what the host can do, with files in this folder (1 GiB, removed again); of a scenario or a comparison also
    /// what its device alone does of each load.
    #[arg(long, value_name = "FOLDER")]
    ceilings: Option<PathBuf>,
}

/// Where results go beside the terminal.
#[derive(Args, Debug)]
struct Results {
    /// Write the whole result as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the result as one HTML page that needs no network.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Results {
    /// Prints the result, and writes it where it was asked for.
    fn publish(&self, result: &Document) -> Result<(), Failure> {
        say(&result.table())?;
        self.write(result)
    }

    /// Writes the result where it was asked for.
    fn write(&self, result: &Document) -> Result<(), Failure> {
        if let Some(path) = &self.json {
            result.write(path).map_err(Failure::Failed)?;
        }
        self.write_html(&page::page(result))
    }

    fn write_html(&self, page: &str) -> Result<(), Failure> {
        let Some(path) = &self.html else { return Ok(()) };
        std::fs::write(path, page).map_err(|error| unwritten(path, &error))
    }
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

    /// Measures the host, if that was asked for.
    fn ceilings(&self, broker_cpus: &str, live: &Live) -> Result<Option<Ceilings>, Failure> {
        let Some(folder) = &self.ceilings else { return Ok(None) };
        live.say("measuring the host");
        host::measure(folder, broker_cpus, self.settings.cpus.as_deref().unwrap_or_default()).map(Some)
    }

    /// Prints and writes the result, then fails for faults and for figures beyond their bounds.
    fn conclude(&self, result: &Document) -> Result<(), Failure> {
        self.results.publish(result)?;
        self.judge(result)
    }

    /// Fails for faults and for figures beyond their bounds.
    fn judge(&self, result: &Document) -> Result<(), Failure> {
        let mut faults = result.faults();
        for report in result.runs() {
            faults.extend(self.fail_if.iter().filter_map(|gate| gate.failure(report)));
        }
        if faults.is_empty() { Ok(()) } else { Err(Failure::Failed(format!("the run failed: {}", faults.join("; ")))) }
    }
}

pub(super) fn run(command: &BenchCommand) -> Result<(), Failure> {
    let interrupt = interrupted_by_signals()?;
    match command {
        BenchCommand::Run(args) => one(args, &interrupt),
        BenchCommand::Scenario(args) => scenario::run(args, &interrupt),
        BenchCommand::Compare(args) => compare::run(args, &interrupt),
        BenchCommand::Search(args) => search::run(args, &interrupt),
        BenchCommand::Ceilings(args) => {
            let found = host::measure(&args.folder, &args.broker_cpus, &args.cpus)?;
            say(&format!("{}\n", found.words()))
        }
        BenchCommand::Report(args) => report::run(args),
        BenchCommand::Targets(args) => targets::run(args),
    }
}

fn one(args: &RunArgs, interrupt: &AtomicBool) -> Result<(), Failure> {
    let plan = args.common.settings()?.plan().map_err(|error| Failure::Usage(error.0))?;
    let live = Live::new();
    let ceilings = args.common.ceilings("", &live)?;
    let outcome = run::run(&plan, interrupt, &mut |progress| live.show("", &plan, &progress));
    live.clear();
    let report = RunReport { ceilings, ..RunReport::new(&plan, &outcome.map_err(failure)?) };
    if let Some(path) = &args.hlog {
        std::fs::write(path, crate::load::hlog::log(&report)).map_err(|error| unwritten(path, &error))?;
    }
    args.common.conclude(&Document::Run(Box::new(report)))
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
            Progress::Running => "running".to_owned(),
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

/// Tells the user something beside the result.
fn tell(line: &str) {
    // A courtesy: where it cannot be shown the comparison goes on.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints to standard output.
fn say(text: &str) -> Result<(), Failure> {
    output::answer(text).map_err(|error| Failure::Failed(format!("standard output: {error}")))
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
