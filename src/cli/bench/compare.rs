//! `corelog bench compare`: brokers side by side, on the same cores, in turns.

use std::{path::PathBuf, sync::atomic::AtomicBool};

use clap::Args;

use crate::load::{
    compare::{Comparison, Contestant, compare},
    environment::Storage,
    peer::{Kind, Started},
    plan::Plan,
    run,
    settings::{Settings, Span},
};

use super::{Common, Failure, Live, failure};

/// Less than this free under the data of the brokers is too little for any comparison.
const FREE_BYTES_MIN: u64 = 4 << 30;

#[derive(Args, Debug)]
pub(in crate::cli) struct CompareArgs {
    #[command(flatten)]
    common: Common,
    /// Who takes part, comma-separated; ratios are of the first to each other. corelog: this program. kafka: Apache Kafka
    /// 4.3 by its Maven artifacts. kafka-flush: the same broker, each append flushed. corelog-written: this program,
    /// acknowledging before the flush. NAME=HOST:PORT: a broker that runs already. NAME=SCRIPT: called as SCRIPT run PORT DIR.
    #[arg(long, default_value = "corelog,kafka,kafka-flush", value_delimiter = ',')]
    contestants: Vec<String>,
    /// Runs of each.
    #[arg(long, default_value_t = 3)]
    turns: usize,
    /// Cores that the started brokers share, as 0 or 0-1.
    #[arg(long, default_value = "", value_name = "LIST")]
    broker_cpus: String,
    /// First port of the started brokers; each takes two.
    #[arg(long, default_value_t = 29_400)]
    port: u16,
    /// Folder for the data of the started brokers: the device under it is what is measured.
    #[arg(long, default_value = "corelog-bench-data")]
    data_dir: PathBuf,
    /// Load put on each broker before the first turn, without being measured: a JVM needs it.
    #[arg(long, default_value = "20s", value_name = "TIME")]
    prepare: Span,
    /// Setting of the corelog that is started, as KEY=VALUE; may be given several times.
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

/// One contestant as named on the command line.
struct Entry {
    name: String,
    /// The broker that serves it: those of the same name are one.
    broker: Broker,
    topic_config: Option<(&'static str, &'static str)>,
}

#[derive(Clone, PartialEq)]
enum Broker {
    At(String),
    Start(String, Kind),
}

pub(super) fn run(args: &CompareArgs, interrupt: &AtomicBool) -> Result<(), Failure> {
    let settings = args.common.settings()?;
    let entries = args.contestants.iter().map(|text| entry(text, &args.overrides)).collect::<Result<Vec<_>, _>>()?;
    if entries.len() < 2 {
        return Err(Failure::Usage("a comparison needs at least two contestants".to_owned()));
    }
    settings.plan().map_err(|error| Failure::Usage(error.0))?;
    let starts = entries.iter().any(|entry| matches!(entry.broker, Broker::Start(..)));
    if starts && Storage::under(&args.data_dir).free_bytes.is_some_and(|free| free < FREE_BYTES_MIN) {
        return Err(Failure::Failed(format!("less than 4 GiB are free under {}", args.data_dir.display())));
    }
    let live = Live::new();
    let mut started: Vec<(Broker, Started)> = Vec::new();
    let mut contestants = Vec::new();
    for entry in &entries {
        let address = address(entry, args, &mut started, &live)?;
        contestants.push(Contestant { name: entry.name.clone(), plan: plan(&settings, entry, address)? });
    }
    prepare(&contestants, args.prepare, interrupt, &live)?;
    let result = compare(&args.common.title(), &contestants, args.turns.max(1), interrupt, &mut |turn, plan, what| {
        live.show(turn, plan, &what);
    });
    live.clear();
    let comparison: Comparison = result.map_err(failure)?;
    drop(started);
    // Gone only if it is empty: what others have put there stays.
    let _ = std::fs::remove_dir(&args.data_dir);
    args.common.publish(&comparison.table(), &comparison)?;
    let reports = comparison.turns.iter().filter_map(|turn| turn.first());
    args.common.judge(comparison.faults(), reports)
}

fn entry(text: &str, overrides: &[String]) -> Result<Entry, Failure> {
    let corelog = || Broker::Start("corelog".to_owned(), Kind::Corelog(overrides.to_vec()));
    let kafka = || Broker::Start("kafka".to_owned(), Kind::Kafka);
    let (broker, topic_config) = match text {
        "corelog" => (corelog(), None),
        "corelog-written" => (corelog(), Some(("corelog.acks.all", "written"))),
        "kafka" => (kafka(), None),
        "kafka-flush" => (kafka(), Some(("flush.messages", "1"))),
        _ => {
            let Some((name, place)) = text.split_once('=') else {
                let known = ["corelog", "corelog-written", "kafka", "kafka-flush"];
                let near = crate::load::settings::nearest(text, &known);
                let near = near.map(|near| format!(", did you mean {near}?")).unwrap_or_default();
                return Err(Failure::Usage(format!("{text} is no contestant{near}")));
            };
            let broker = if place.contains('/') {
                Broker::Start(name.to_owned(), Kind::Script(PathBuf::from(place)))
            } else {
                Broker::At(place.to_owned())
            };
            return Ok(Entry { name: name.to_owned(), broker, topic_config: None });
        }
    };
    Ok(Entry { name: text.to_owned(), broker, topic_config })
}

/// Where the contestant's broker answers; starts it if it is not there yet.
fn address(
    entry: &Entry,
    args: &CompareArgs,
    started: &mut Vec<(Broker, Started)>,
    live: &Live,
) -> Result<String, Failure> {
    let (name, kind) = match &entry.broker {
        Broker::At(address) => return Ok(address.clone()),
        Broker::Start(name, kind) => (name, kind),
    };
    if let Some((_, running)) = started.iter().find(|(broker, _)| *broker == entry.broker) {
        return Ok(running.address.clone());
    }
    live.say(&format!("starting {name}"));
    let port = args.port.saturating_add(2 * started.len() as u16);
    let running = Started::start(kind, name, port, &args.data_dir, &args.broker_cpus).map_err(failure)?;
    let address = running.address.clone();
    started.push((entry.broker.clone(), running));
    Ok(address)
}

fn plan(settings: &Settings, entry: &Entry, address: String) -> Result<Plan, Failure> {
    let mut settings = settings.clone();
    settings.bootstrap = Some(address);
    if let Some((key, value)) = entry.topic_config {
        settings.topic_config.insert(key.to_owned(), value.to_owned());
    }
    settings.plan().map_err(|error| Failure::Usage(error.0))
}

fn prepare(contestants: &[Contestant], time: Span, interrupt: &AtomicBool, live: &Live) -> Result<(), Failure> {
    if time.0 == 0 {
        return Ok(());
    }
    for contestant in contestants {
        let plan = Plan { warmup_ms: 0, duration_ms: time.0, verify: false, ..contestant.plan.clone() };
        let name = format!("warming up {}", contestant.name);
        run::run(&plan, interrupt, &mut |what| live.show(&name, &plan, &what)).map_err(failure)?;
    }
    Ok(())
}
