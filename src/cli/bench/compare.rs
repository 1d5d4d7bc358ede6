//! `corelog bench compare`: brokers side by side, on the same cores, in turns.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use clap::Args;

use crate::load::{
    RunError, beside,
    compare::{Comparison, Heading, Round, compare},
    document::Document,
    environment::{Host, Storage},
    page,
    peer::{Kind, Started},
    plan::{Mode, Plan},
    scenario::{Case, CompareSettings, Scenario},
    settings::{Settings, Span},
};

use super::{Common, Failure, Live, failure, host::BareDevice, scenario, unwritten};

/// Less than this free under the data of the brokers is too little for any comparison.
const FREE_BYTES_MIN: u64 = 4 << 30;
/// Who takes part if nobody is named.
const CONTESTANTS: [&str; 3] = ["corelog", "kafka", "kafka-flush"];
/// Of all brokers that are started: a topic that a run deleted is gone at once. After the default of a minute its
/// gigabytes would be removed while another broker has its turn.
const PROPERTIES: [&str; 1] = ["log.segment.delete.delay.ms=0"];
/// What a run takes besides its warm-up and its duration, by experience: topic, connections, the sync before it.
const AROUND_RUN_MS: u64 = 1500;
/// What a cold run takes, by experience: its length is not known beforehand.
const COLD_RUN_MS: u64 = 15_000;
/// What the start of a broker takes, by experience.
const START_MS: u64 = 6000;

#[derive(Args, Debug)]
pub(in crate::cli) struct CompareArgs {
    #[command(flatten)]
    common: Common,
    /// The load of a scenario file, all its cases; options of the load stand above what it says. Several files make several
    /// comparisons one after the other, on the same brokers as long as they want the same settings of them; one that
    /// fails does not end the others.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    scenario: Vec<PathBuf>,
    /// Who takes part, comma-separated; ratios are of the first to each other [default: corelog,kafka,kafka-flush].
    /// corelog: this program. kafka: Apache Kafka 4.3 by its Maven artifacts. kafka-flush: the same broker, each append
    /// flushed. corelog-written: this program, acknowledging before the flush. NAME=HOST:PORT: a broker that runs already.
    /// NAME=SCRIPT: called as SCRIPT run PORT DIR.
    #[arg(long, value_delimiter = ',')]
    contestants: Vec<String>,
    /// Leave out contestants of a scenario that none of its targets names, the first and kafka excepted.
    #[arg(long)]
    only_of_targets: bool,
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
    /// Load put on a peer that was just started before its first turn, without being measured: a JVM needs it
    /// [default: 20s].
    #[arg(long, value_name = "TIME")]
    prepare: Option<Span>,
    /// The same for corelog, and for a peer that is kept from the scenario before; never longer than --prepare.
    #[arg(long, value_name = "TIME", default_value = "5s")]
    prepare_again: Span,
    /// Stop the processes of started brokers that have no turn (SIGSTOP), after they have come to rest: what an idle one does takes
    /// a part of the core that they share. A JVM compiles less meanwhile: give it a longer --prepare.
    #[arg(long)]
    pause_others: bool,
    /// Setting of the corelog that is started, as KEY=VALUE; may be given several times.
    #[arg(long = "override", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Write each scenario's result into this folder as soon as there is one, as FILE.json and FILE.html.
    #[arg(long, value_name = "FOLDER")]
    results: Option<PathBuf>,
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

/// One comparison: of a scenario, or of the load of the command line.
struct Job {
    /// The file's name without its ending; empty without a file.
    name: String,
    heading: Heading,
    entries: Vec<Entry>,
    cases: Vec<Case>,
    turns: usize,
    prepare_ms: u64,
}

impl Job {
    /// How long this one is loaded before its first turn. Long where something is compiled meanwhile: in a peer that is new.
    fn prepare_ms_of(&self, entry: &Entry, kept: bool, again_ms: u64) -> u64 {
        let is_ready = kept || matches!(entry.broker, Broker::Start(_, Kind::Corelog(_)));
        if is_ready { self.prepare_ms.min(again_ms) } else { self.prepare_ms }
    }
}

pub(super) fn run(args: &CompareArgs, interrupt: &AtomicBool) -> Result<(), Failure> {
    let mut settings = args.common.settings()?;
    let mut broker_cpus = args.broker_cpus.clone();
    if broker_cpus.is_none() && settings.cpus.is_none() && Host::capture().cores >= 2 {
        broker_cpus = Some("0".to_owned());
        settings.cpus = Some("1".to_owned());
    }
    // Whatever is wrong with files and loads is said before anything starts.
    let jobs = jobs(args, &settings)?;
    let cpus = broker_cpus.unwrap_or_default();
    let bare = BareDevice::new(args.common.ceilings.as_deref(), &cpus)?;
    let mut place = Place { args, cpus, started: Vec::new(), ports: 0, bare };
    place.check_room(&jobs)?;
    if let Some(folder) = &args.results {
        std::fs::create_dir_all(folder).map_err(|error| unwritten(folder, &error))?;
    }
    let live = Live::new();
    if jobs.len() > 1 {
        let minutes = expected_ms(&jobs, args.prepare_again.0).div_ceil(60_000);
        super::tell(&format!("{} comparisons, about {minutes} minutes", jobs.len()));
    }
    let ceilings = args.common.ceilings(&place.cpus, &live)?;
    let mut parts = Vec::new();
    let mut failed = Vec::new();
    let mut missed = 0;
    for job in &jobs {
        let result = place.compare(job, interrupt, &live);
        live.clear();
        let mut comparison = match result {
            Ok(comparison) => comparison,
            Err(error) if jobs.len() == 1 => return Err(error),
            Err(Failure::Usage(words) | Failure::Failed(words)) => {
                super::tell(&format!("{}: {words}", job.name));
                failed.push(format!("{}: {words}", job.name));
                // Whatever state the brokers are in, the next scenario begins with others.
                place.started.clear();
                continue;
            }
        };
        comparison.ceilings.clone_from(&ceilings);
        let partial = comparison.partial;
        missed += comparison.verdicts().iter().filter(|verdict| !verdict.met).count();
        let document = Document::Comparison(Box::new(comparison));
        if !parts.is_empty() {
            super::say("\n")?;
        }
        super::say(&document.table())?;
        keep(args.results.as_deref(), &job.name, &document)?;
        parts.push(document);
        if partial {
            break;
        }
    }
    drop(place);
    // Gone only if it is empty: what others have put there stays.
    let _ = std::fs::remove_dir(&args.data_dir);
    if parts.is_empty() {
        return Err(Failure::Failed(failed.join("; ")));
    }
    let result = Document::set(parts);
    args.common.results.write(&result)?;
    let judged = args.common.judge(&result);
    if !failed.is_empty() {
        return Err(Failure::Failed(format!("{} comparisons failed: {}", failed.len(), failed.join("; "))));
    }
    judged?;
    if args.hold_targets && missed > 0 {
        return Err(Failure::Failed(format!("{missed} targets were missed")));
    }
    Ok(())
}

/// Writes the result of one scenario, so that it is there whatever becomes of the next one.
fn keep(folder: Option<&Path>, name: &str, document: &Document) -> Result<(), Failure> {
    let Some(folder) = folder else { return Ok(()) };
    let name = if name.is_empty() { "comparison" } else { name };
    document.write(&folder.join(format!("{name}.json"))).map_err(Failure::Failed)?;
    let html = folder.join(format!("{name}.html"));
    std::fs::write(&html, page::page(document)).map_err(|error| unwritten(&html, &error))
}

/// The comparisons that are asked for, each checked.
fn jobs(args: &CompareArgs, settings: &Settings) -> Result<Vec<Job>, Failure> {
    if args.scenario.is_empty() {
        return Ok(vec![job(args, settings, String::new(), None)?]);
    }
    let of_file = |file: &PathBuf| {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        job(args, settings, name, Some(&scenario::read(file)?))
    };
    args.scenario.iter().map(of_file).collect()
}

fn job(args: &CompareArgs, settings: &Settings, name: String, scenario: Option<&Scenario>) -> Result<Job, Failure> {
    let compare = scenario.map_or_else(CompareSettings::default, |scenario| scenario.compare.clone());
    let properties: Vec<String> = PROPERTIES.iter().map(|pair| (*pair).to_owned()).chain(compare.properties).collect();
    let mut entries = entries(args, compare.contestants, &properties)?;
    let targets = scenario.map(|scenario| scenario.targets.clone()).unwrap_or_default();
    if args.only_of_targets {
        let first = entries[0].name.clone();
        let named = |name: &str| targets.iter().any(|target| target.of.as_deref() == Some(name));
        entries.retain(|entry| entry.name == first || entry.name == "kafka" || named(&entry.name));
    }
    let cases = scenario.map_or_else(|| vec![Case::only(settings.clone())], |scenario| scenario.cases(settings));
    cases.iter().try_for_each(|case| case.plans(|_| {}).map(drop)).map_err(|error| Failure::Usage(error.0))?;
    Ok(Job {
        name,
        heading: Heading {
            title: scenario.map_or_else(|| "comparison".to_owned(), |scenario| scenario.title.clone()),
            about: scenario.map(scenario::about).unwrap_or_default(),
            contestants: entries.iter().map(|entry| entry.name.clone()).collect(),
            targets,
        },
        entries,
        cases,
        turns: args.turns.or(compare.turns).unwrap_or(3).max(1),
        prepare_ms: args.prepare.or(compare.prepare).unwrap_or(Span(20_000)).0,
    })
}

/// How long all of it takes, roughly.
fn expected_ms(jobs: &[Job], prepare_again_ms: u64) -> u64 {
    let mut known: Vec<&Broker> = Vec::new();
    let mut sum = 0;
    for job in jobs {
        for entry in &job.entries {
            let kept = known.contains(&&entry.broker);
            sum += if kept { 0 } else { START_MS } + job.prepare_ms_of(entry, kept, prepare_again_ms);
        }
        known = job.entries.iter().map(|entry| &entry.broker).collect();
        let length = |plan: &Plan| if plan.fetch.cold { COLD_RUN_MS } else { plan.warmup_ms + plan.duration_ms + AROUND_RUN_MS };
        let cases = job.cases.iter().filter_map(|case| case.plans(|_| {}).ok()).map(|(plan, _)| length(&plan)).sum::<u64>();
        sum += cases * (job.entries.len() * job.turns) as u64;
    }
    sum
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

/// Where brokers are started, and those that run.
struct Place<'a> {
    args: &'a CompareArgs,
    cpus: String,
    started: Vec<(Broker, Started)>,
    /// Brokers started so far: each gets ports of its own.
    ports: u16,
    bare: BareDevice<'a>,
}

impl Place<'_> {
    fn check_room(&self, jobs: &[Job]) -> Result<(), Failure> {
        let folder = &self.args.data_dir;
        let mut entries = jobs.iter().flat_map(|job| &job.entries);
        let starts = entries.any(|entry| matches!(entry.broker, Broker::Start(..)));
        if starts && Storage::under(folder).free_bytes.is_some_and(|free| free < FREE_BYTES_MIN) {
            return Err(Failure::Failed(format!("less than 4 GiB are free under {}", folder.display())));
        }
        Ok(())
    }

    /// Carries out one comparison, on the brokers that it needs and no others.
    fn compare(&mut self, job: &Job, interrupt: &AtomicBool, live: &Live) -> Result<Comparison, Failure> {
        self.started.retain(|(broker, _)| job.entries.iter().any(|entry| entry.broker == *broker));
        let kept: Vec<bool> = job.entries.iter().map(|entry| self.started.iter().any(|(broker, _)| *broker == entry.broker)).collect();
        let addresses = job.entries.iter().map(|entry| self.address(entry, live)).collect::<Result<Vec<_>, _>>()?;
        let rounds = job.cases.iter().map(|case| round(case, &job.entries, &addresses)).collect::<Result<Vec<_>, _>>()?;
        let beside = self.bare.of(&rounds, live)?;
        for (at, kept) in kept.into_iter().enumerate() {
            let time_ms = job.prepare_ms_of(&job.entries[at], kept, self.args.prepare_again.0);
            self.turn_of(&job.entries[at]);
            prepare(&job.entries[at].name, &rounds, at, time_ms, interrupt, live).map_err(failure)?;
        }
        let mut result = compare(job.heading.clone(), &rounds, job.turns, interrupt, &mut |at| self.turn_of(&job.entries[at]), &mut |turn, plan, what| {
            let whose = if job.name.is_empty() { turn.to_owned() } else { format!("{}, {turn}", job.name) };
            live.show(&whose, plan, &what);
        })
        .map_err(failure)?;
        beside.put(&mut result);
        Ok(result)
    }

    /// Only the contestant's broker runs from now on, of those that were started, if that is wanted.
    fn turn_of(&mut self, entry: &Entry) {
        if !self.args.pause_others {
            return;
        }
        let (own, others): (Vec<_>, Vec<_>) = self.started.iter_mut().partition(|(broker, _)| *broker == entry.broker);
        others.into_iter().for_each(|(_, other)| other.pause());
        own.into_iter().for_each(|(_, own)| own.resume());
    }

    /// Where the contestant's broker answers; starts it if it is not there yet.
    fn address(&mut self, entry: &Entry, live: &Live) -> Result<String, Failure> {
        let (name, kind) = match &entry.broker {
            Broker::At(address) => return Ok(address.clone()),
            Broker::Start(name, kind) => (name, kind),
        };
        if let Some((_, running)) = self.started.iter().find(|(broker, _)| *broker == entry.broker) {
            return Ok(running.address.clone());
        }
        live.say(&format!("starting {name}"));
        let port = self.args.port.saturating_add(self.ports.saturating_mul(2));
        self.ports += 1;
        let running = Started::start(kind, name, port, &self.args.data_dir, &self.cpus).map_err(failure)?;
        let address = running.address.clone();
        self.started.push((entry.broker.clone(), running));
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

/// Puts the load of the first case on a contestant, without measuring it.
fn prepare(name: &str, rounds: &[Round], at: usize, time_ms: u64, interrupt: &AtomicBool, live: &Live) -> Result<(), RunError> {
    let Some(round) = rounds.first().filter(|_| time_ms > 0) else { return Ok(()) };
    let (plan, _) = &round.plans[at];
    let mut plan = Plan { warmup_ms: 0, duration_ms: time_ms, verify: false, ..plan.clone() };
    if plan.mode == Mode::Fetch {
        plan.fetch.cold = false;
    }
    let name = format!("warming up {name}");
    beside::run(&plan, None, interrupt, &mut |what| live.show(&name, &plan, &what)).map(drop)
}
