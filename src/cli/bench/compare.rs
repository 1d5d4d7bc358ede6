//! `corelog bench compare`: brokers side by side, on the same cores, in turns.

use std::{path::PathBuf, sync::atomic::AtomicBool};

use clap::Args;

use crate::load::{
    beside,
    compare::{Heading, Round, compare},
    document::Document,
    environment::{Host, Storage},
    peer::{Kind, Started},
    plan::{Mode, Plan},
    scenario::{Case, Scenario},
    settings::Span,
};

use super::{Common, Failure, Live, failure, scenario};

/// Less than this free under the data of the brokers is too little for any comparison.
const FREE_BYTES_MIN: u64 = 4 << 30;
/// Who takes part if nobody is named.
const CONTESTANTS: [&str; 3] = ["corelog", "kafka", "kafka-flush"];

#[derive(Args, Debug)]
pub(in crate::cli) struct CompareArgs {
    #[command(flatten)]
    common: Common,
    /// The load of a scenario file, all its cases; options of the load stand above what it says.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Who takes part, comma-separated; ratios are of the first to each other [default: corelog,kafka,kafka-flush].
    /// corelog: this program. kafka: Apache Kafka 4.3 by its Maven artifacts. kafka-flush: the same broker, each append
    /// flushed. corelog-written: this program, acknowledging before the flush. NAME=HOST:PORT: a broker that runs already.
    /// NAME=SCRIPT: called as SCRIPT run PORT DIR.
    #[arg(long, value_delimiter = ',')]
    contestants: Vec<String>,
    /// Runs of each [default: 3].
    #[arg(long)]
    turns: Option<usize>,
    /// Cores that the started brokers share, as 0 or 0-1 [default: 0, with the client on 1, if the host has two; empty: any].
    #[arg(long, value_name = "LIST")]
    broker_cpus: Option<String>,
    /// First port of the started brokers; each takes two.
    #[arg(long, default_value_t = 29_400)]
    port: u16,
    /// Folder for the data of the started brokers: the device under it is what is measured.
    #[arg(long, default_value = "corelog-bench-data")]
    data_dir: PathBuf,
    /// Load put on each broker before the first turn, without being measured: a JVM needs it [default: 20s].
    #[arg(long, value_name = "TIME")]
    prepare: Option<Span>,
    /// Setting of the corelog that is started, as KEY=VALUE; may be given several times.
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Fail if a target of the scenario is missed.
    #[arg(long)]
    hold_targets: bool,
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
    let scenario = args.scenario.as_ref().map(|file| scenario::read(file)).transpose()?;
    let mut settings = args.common.settings()?;
    let mut broker_cpus = args.broker_cpus.clone();
    if broker_cpus.is_none() && settings.cpus.is_none() && Host::capture().cores >= 2 {
        broker_cpus = Some("0".to_owned());
        settings.cpus = Some("1".to_owned());
    }
    let compare_settings = scenario.as_ref().map(|scenario| scenario.compare.clone()).unwrap_or_default();
    let entries = entries(args, compare_settings.contestants, &compare_settings.properties)?;
    let cases = scenario.as_ref().map_or_else(|| vec![Case::only(settings.clone())], |scenario| scenario.cases(&settings));
    let place = Place { args, cpus: broker_cpus.unwrap_or_default() };
    // Whatever is wrong with the loads is said before anything starts.
    cases.iter().try_for_each(|case| case.plans(|_| {}).map(drop)).map_err(|error| Failure::Usage(error.0))?;
    place.check_room(&entries)?;
    let live = Live::new();
    let ceilings = args.common.ceilings(&place.cpus, &live)?;
    let mut started: Vec<(Broker, Started)> = Vec::new();
    let addresses = entries.iter().map(|entry| place.address(entry, &mut started, &live)).collect::<Result<Vec<_>, _>>()?;
    let rounds = cases.iter().map(|case| round(case, &entries, &addresses)).collect::<Result<Vec<_>, _>>()?;
    prepare(&entries, &rounds, args.prepare.or(compare_settings.prepare).unwrap_or(Span(20_000)), interrupt, &live)?;
    let turns = args.turns.or(compare_settings.turns).unwrap_or(3).max(1);
    let heading = heading(scenario.as_ref(), &entries);
    let result = compare(heading, &rounds, turns, interrupt, &mut |turn, plan, what| live.show(turn, plan, &what));
    live.clear();
    let mut comparison = result.map_err(failure)?;
    comparison.ceilings = ceilings;
    drop(started);
    // Gone only if it is empty: what others have put there stays.
    let _ = std::fs::remove_dir(&args.data_dir);
    let missed = comparison.verdicts().iter().filter(|verdict| !verdict.met).count();
    args.common.conclude(&Document::Comparison(Box::new(comparison)))?;
    if args.hold_targets && missed > 0 {
        return Err(Failure::Failed(format!("{missed} targets were missed")));
    }
    Ok(())
}

fn heading(scenario: Option<&Scenario>, entries: &[Entry]) -> Heading {
    Heading {
        title: scenario.map_or_else(|| "comparison".to_owned(), |scenario| scenario.title.clone()),
        about: scenario.map(scenario::about).unwrap_or_default(),
        contestants: entries.iter().map(|entry| entry.name.clone()).collect(),
        targets: scenario.map(|scenario| scenario.targets.clone()).unwrap_or_default(),
    }
}

/// The contestants: of the command line, else of the scenario.
fn entries(args: &CompareArgs, of_scenario: Option<Vec<String>>, properties: &[String]) -> Result<Vec<Entry>, Failure> {
    let default = || CONTESTANTS.map(str::to_owned).to_vec();
    let named = if args.contestants.is_empty() { of_scenario.unwrap_or_else(default) } else { args.contestants.clone() };
    let overrides = [properties, &args.overrides].concat();
    let entries = named.iter().map(|text| entry(text, &overrides, properties)).collect::<Result<Vec<_>, _>>()?;
    if entries.len() < 2 {
        return Err(Failure::Usage("a comparison needs at least two contestants".to_owned()));
    }
    Ok(entries)
}

fn entry(text: &str, overrides: &[String], properties: &[String]) -> Result<Entry, Failure> {
    let corelog = || Broker::Start("corelog".to_owned(), Kind::Corelog(overrides.to_vec()));
    let kafka = || Broker::Start("kafka".to_owned(), Kind::Kafka(properties.to_vec()));
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
                Broker::Start(name.to_owned(), Kind::Script(PathBuf::from(place), properties.to_vec()))
            } else {
                Broker::At(place.to_owned())
            };
            return Ok(Entry { name: name.to_owned(), broker, topic_config: None });
        }
    };
    Ok(Entry { name: text.to_owned(), broker, topic_config })
}

/// Where brokers are started.
struct Place<'a> {
    args: &'a CompareArgs,
    cpus: String,
}

impl Place<'_> {
    fn check_room(&self, entries: &[Entry]) -> Result<(), Failure> {
        let folder = &self.args.data_dir;
        let starts = entries.iter().any(|entry| matches!(entry.broker, Broker::Start(..)));
        if starts && Storage::under(folder).free_bytes.is_some_and(|free| free < FREE_BYTES_MIN) {
            return Err(Failure::Failed(format!("less than 4 GiB are free under {}", folder.display())));
        }
        Ok(())
    }

    /// Where the contestant's broker answers; starts it if it is not there yet.
    fn address(&self, entry: &Entry, started: &mut Vec<(Broker, Started)>, live: &Live) -> Result<String, Failure> {
        let (name, kind) = match &entry.broker {
            Broker::At(address) => return Ok(address.clone()),
            Broker::Start(name, kind) => (name, kind),
        };
        if let Some((_, running)) = started.iter().find(|(broker, _)| *broker == entry.broker) {
            return Ok(running.address.clone());
        }
        live.say(&format!("starting {name}"));
        let port = self.args.port.saturating_add(2 * started.len() as u16);
        let running = Started::start(kind, name, port, &self.args.data_dir, &self.cpus).map_err(failure)?;
        let address = running.address.clone();
        started.push((entry.broker.clone(), running));
        Ok(address)
    }
}

/// The loads of a case, for every contestant.
fn round(case: &Case, entries: &[Entry], addresses: &[String]) -> Result<Round, Failure> {
    let plans = entries.iter().zip(addresses).map(|(entry, address)| {
        case.plans(|settings| {
            settings.bootstrap = Some(address.clone());
            if let Some((key, value)) = entry.topic_config {
                settings.topic_config.insert(key.to_owned(), value.to_owned());
            }
        })
    });
    let plans = plans.collect::<Result<_, _>>().map_err(|error| Failure::Usage(error.0))?;
    Ok(Round { name: case.name.clone(), against: case.against.clone(), plans })
}

/// Puts the load of the first case on every contestant, without measuring it.
fn prepare(entries: &[Entry], rounds: &[Round], time: Span, interrupt: &AtomicBool, live: &Live) -> Result<(), Failure> {
    let Some(round) = rounds.first().filter(|_| time.0 > 0) else { return Ok(()) };
    for (entry, (plan, _)) in entries.iter().zip(&round.plans) {
        let mut plan = Plan { warmup_ms: 0, duration_ms: time.0, verify: false, ..plan.clone() };
        if plan.mode == Mode::Fetch {
            plan.fetch.cold = false;
        }
        let name = format!("warming up {}", entry.name);
        beside::run(&plan, None, interrupt, &mut |what| live.show(&name, &plan, &what)).map_err(failure)?;
    }
    Ok(())
}
