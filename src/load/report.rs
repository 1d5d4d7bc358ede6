//! The result of a run as data: what is written as JSON, compared and drawn. Its form has a version.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer, V2DeflateSerializer},
};
use serde::{Deserialize, Serialize};

use crate::client::{produce::Acks, session::name_of};

use super::{
    ceiling::Ceilings,
    clock::SECOND_NS,
    drive::Second,
    environment::{Host, Identity},
    group::GroupCounts,
    plan::{FetchPlan, GroupPlan, Mode, Plan},
    process,
    run::Outcome,
    tally::Traffic,
    verify::Findings,
};

/// The version of all results; raised when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 2;
/// Part of the offered load that must be achieved for its percentiles to mean anything.
pub const ACHIEVED_MIN: f64 = 0.99;
/// Busy share from which a thread or a core counts as the limit.
const LIMIT_BUSY: f64 = 0.95;
/// The quantiles that are printed.
pub const QUANTILES: [(&str, f64); 7] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
    ("p99.999", 0.99999),
    ("max", 1.0),
];

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// [`SCHEMA_VERSION`] of the program that wrote it.
    pub schema_version: u32,
    /// Version of corelog that ran the load.
    pub harness_version: String,
    /// Milliseconds since 1970.
    pub started_ms: i64,
    /// Ended before its time: figures are of the part that ran.
    pub partial: bool,
    /// What ended it, in words.
    pub ended_by: Option<String>,
    /// What was asked for.
    pub load: Load,
    /// Seconds that were measured.
    pub measured_s: f64,
    /// Acknowledged produce requests.
    pub produced: Rates,
    /// Answered fetches.
    pub fetched: Rates,
    /// Of an open loop: how much of the schedule was kept.
    pub schedule: Option<ScheduleKept>,
    /// From the intended send time to the answer.
    pub latency: Durations,
    /// From the actual send to the answer.
    pub service: Durations,
    /// From the intended send time to the arrival at a consumer.
    pub end_to_end: Durations,
    /// Requests answered with an error, by Kafka's name.
    pub errors: BTreeMap<String, u64>,
    /// What the broker said to the first of each of them, if it said anything.
    #[serde(default)]
    pub error_words: BTreeMap<String, String>,
    /// Requests without any answer.
    pub unanswered: u64,
    /// Lost connections, in words.
    pub failures: Vec<String>,
    /// Milliseconds of throttling that the broker asked for.
    pub throttle_ms: u64,
    /// What verification found; absent if nothing was verified.
    pub verification: Option<Findings>,
    /// What became of the consumer group, if one read.
    #[serde(default)]
    pub group: Option<GroupReport>,
    /// Verification did not read everything.
    pub verification_incomplete: bool,
    /// Who the broker is, and what its acknowledgements mean.
    pub identity: Identity,
    /// The host of the client.
    pub host: Host,
    /// The broker's process, if it is on this host.
    pub broker: Option<Broker>,
    /// Busy share and CPU seconds of each client thread.
    pub client: Vec<Client>,
    /// What kept the run from being faster.
    pub limit: Limit,
    /// Whole seconds of the run.
    pub seconds: Vec<SecondReport>,
    /// A load that ran beside this one.
    pub beside: Option<Box<RunReport>>,
    /// What the host can do.
    pub ceilings: Option<Ceilings>,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of Plan, where they are explained")]
pub struct Load {
    pub bootstrap: String,
    pub mode: Mode,
    pub partitions: i32,
    pub replicas: i16,
    pub topic_configs: BTreeMap<String, String>,
    pub batch_bytes: u64,
    pub batch_records: u64,
    pub record_bytes: usize,
    pub key_bytes: usize,
    pub codec: String,
    pub producers: usize,
    pub in_flight: usize,
    pub acks: String,
    pub idempotent: bool,
    pub arrivals: Option<String>,
    pub fetch: Option<FetchPlan>,
    pub warmup_ms: u64,
    pub duration_ms: u64,
    pub cpus: Vec<usize>,
    pub spin: bool,
    pub verify: bool,
}

/// Counts and what they are a second. MB are 10^6 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Rates {
    pub requests: u64,
    pub records: u64,
    pub bytes: u64,
    pub requests_per_s: f64,
    pub records_per_s: f64,
    pub mb_per_s: f64,
}

impl Rates {
    fn new(traffic: &Traffic, seconds: f64) -> Self {
        let per_s = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        Self {
            requests: traffic.requests,
            records: traffic.records,
            bytes: traffic.bytes,
            requests_per_s: per_s(traffic.requests),
            records_per_s: per_s(traffic.records),
            mb_per_s: per_s(traffic.bytes) / 1e6,
        }
    }
}

/// Offered and achieved load of an open loop, in requests a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ScheduleKept {
    pub offered_per_s: f64,
    pub achieved_per_s: f64,
    /// Requests that were never sent because too many were unanswered.
    pub unsent: u64,
}

impl ScheduleKept {
    /// True if the schedule was kept so well that percentiles are those of the offered rate.
    pub fn is_reached(&self) -> bool {
        self.achieved_per_s >= ACHIEVED_MIN * self.offered_per_s
    }
}

/// A distribution of latencies, in nanoseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Durations {
    /// Samples.
    pub count: u64,
    /// Mean.
    pub mean_ns: f64,
    /// By name: p50 to p99.999 and max. Empty if there is no sample, or the schedule was not kept.
    pub quantiles_ns: BTreeMap<String, u64>,
    /// The whole histogram: HdrHistogram V2, deflated, in base64. Kept even if no percentile is printed.
    pub histogram: String,
}

impl Durations {
    pub(super) fn new(histogram: &Histogram<u64>, shown: bool) -> Self {
        let mut quantiles_ns = BTreeMap::new();
        if !histogram.is_empty() && shown {
            for (name, quantile) in QUANTILES {
                quantiles_ns.insert(name.to_owned(), histogram.value_at_quantile(quantile));
            }
        }
        let encoded = if histogram.is_empty() { String::new() } else { encode(histogram) };
        Self { count: histogram.len(), mean_ns: histogram.mean(), quantiles_ns, histogram: encoded }
    }

    /// The quantile of this name in milliseconds.
    pub fn ms(&self, name: &str) -> Option<f64> {
        self.quantiles_ns.get(name).map(|ns| *ns as f64 / 1e6)
    }

    /// The histogram, if there is one that can be read.
    pub fn histogram(&self) -> Option<Histogram<u64>> {
        decode(&self.histogram)
    }
}

/// What [`encode`] encoded.
pub fn decode(text: &str) -> Option<Histogram<u64>> {
    let bytes = STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty())?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
}

/// HdrHistogram V2, deflated, in base64: what HdrHistogram logs hold.
pub fn encode(histogram: &Histogram<u64>) -> String {
    let mut out = Vec::new();
    match V2DeflateSerializer::new().serialize(histogram, &mut out) {
        Ok(_) => STANDARD.encode(out),
        Err(_) => String::new(),
    }
}

/// The broker's process within the window.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Broker {
    pub pid: u32,
    pub command: String,
    pub cores: String,
    pub cpu_s: Option<f64>,
    /// CPU seconds a second, over the cores it may use.
    pub busy: Option<f64>,
    pub cpu_s_per_gb: Option<f64>,
    pub cpu_us_per_request: Option<f64>,
    pub resident_bytes: Option<u64>,
    pub written_bytes: Option<u64>,
    pub read_bytes: Option<u64>,
}

/// A consumer group within the window.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GroupReport {
    /// Members at a time.
    pub members: usize,
    /// Milliseconds after which one was replaced; 0: none was.
    pub churn_ms: u64,
    /// Members that left, each replaced by a new one.
    pub replaced: u64,
    /// Generations that began.
    pub rebalances: u64,
    /// From asking one to leave until the new one and all others have their partitions.
    pub settle: Durations,
    /// Records that were delivered again.
    pub redelivered: u64,
    /// Commits that were taken, and those that were refused because the group was changing; of the whole run.
    pub commits: u64,
    /// See `commits`.
    pub commits_refused: u64,
}

impl GroupReport {
    fn new(plan: &Plan, counts: &GroupCounts) -> Self {
        let group = plan.group.unwrap_or(GroupPlan { members: 0, churn_ms: 0 });
        Self {
            members: group.members,
            churn_ms: group.churn_ms,
            replaced: counts.replaced,
            rebalances: counts.rebalances,
            settle: Durations::new(&counts.settle, true),
            redelivered: counts.redelivered,
            commits: counts.commits,
            commits_refused: counts.commits_refused,
        }
    }
}

/// A thread of the client.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Client {
    pub busy: f64,
    pub cpu_s: f64,
}

/// What kept a run from being faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// The schedule: no more was asked for.
    Schedule,
    /// A thread of the client had no time left: the broker may be faster than this.
    Client,
    /// The broker's cores had no time left.
    BrokerCpu,
    /// Client and broker, both.
    Both,
    /// Neither: waiting for each other, for the device, or for the network.
    Waiting,
    /// The broker is not on this host, and the client had time left.
    Unknown,
}

impl Limit {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Schedule => "the schedule: no more was asked for",
            Self::Client => "THE CLIENT: the broker may be faster than this",
            Self::BrokerCpu => "the broker's CPU",
            Self::Both => "the broker's CPU and the client's alike",
            Self::Waiting => "neither CPU: round trips, the device or flushes",
            Self::Unknown => "not the client; the broker is not on this host",
        }
    }
}

/// One whole second.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it; absent percentiles had no sample")]
pub struct SecondReport {
    pub at: i64,
    pub produced_mb: f64,
    pub produced_requests: u64,
    pub fetched_mb: f64,
    pub errors: u64,
    pub p50_ns: Option<u64>,
    pub p99_ns: Option<u64>,
    pub max_ns: Option<u64>,
    pub broker_cpu_s: Option<f64>,
    pub broker_written_bytes: Option<u64>,
    pub broker_resident_bytes: Option<u64>,
    /// The second's latencies as [`Durations::histogram`].
    pub histogram: String,
}

impl RunReport {
    /// Puts an outcome into figures.
    pub fn new(plan: &Plan, outcome: &Outcome) -> Self {
        let total = &outcome.total;
        let schedule = plan.arrivals.map(|_| ScheduleKept {
            offered_per_s: per_s(total.intended, outcome.measured_s),
            achieved_per_s: per_s(total.produced.requests, outcome.measured_s),
            unsent: outcome.unsent,
        });
        let shown = schedule.is_none_or(|kept| kept.is_reached());
        let broker = broker(outcome);
        let busiest = outcome.threads.iter().map(|thread| thread.busy).fold(0.0, f64::max);
        Self {
            schema_version: SCHEMA_VERSION,
            harness_version: env!("CARGO_PKG_VERSION").to_owned(),
            started_ms: outcome.started_ms,
            partial: outcome.ended_by.is_some(),
            ended_by: outcome.ended_by.as_ref().map(ToString::to_string),
            load: load(plan, outcome),
            measured_s: outcome.measured_s,
            produced: Rates::new(&total.produced, outcome.measured_s),
            fetched: Rates::new(&total.fetched, outcome.measured_s),
            schedule,
            latency: Durations::new(&total.latency, shown),
            service: Durations::new(&total.service, shown),
            end_to_end: Durations::new(&total.end_to_end, shown),
            errors: total.errors.iter().map(|(code, count)| (name_of(*code), *count)).collect(),
            error_words: total.words.iter().map(|(code, words)| (name_of(*code), words.clone())).collect(),
            unanswered: outcome.unanswered,
            failures: outcome.failures.iter().map(ToString::to_string).collect(),
            throttle_ms: total.throttle_ms,
            verification: outcome.findings,
            group: outcome.group.as_ref().map(|counts| GroupReport::new(plan, counts)),
            verification_incomplete: outcome.incomplete,
            limit: limit(schedule, busiest, broker.as_ref().and_then(|broker| broker.busy)),
            identity: outcome.identity.clone(),
            host: Host::capture(),
            broker,
            client: outcome.threads.iter().map(|thread| Client { busy: thread.busy, cpu_s: thread.cpu_s }).collect(),
            seconds: seconds(&outcome.seconds),
            beside: None,
            ceilings: None,
        }
    }

    /// What makes the run a failure, in words; empty if it is sound and whole.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = self.faults_of_broker();
        if let Some(beside) = &self.beside {
            // It is ended with the measured load: its being cut off is no fault.
            faults.extend(beside.faults_of_broker().into_iter().map(|fault| format!("the load beside: {fault}")));
        }
        if self.partial {
            faults.push(format!("ended before its time by {}", self.ended_by.as_deref().unwrap_or("an unknown cause")));
        }
        faults
    }

    fn faults_of_broker(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(found) = self.verification.filter(|found| !found.is_clean()) {
            faults.push(format!(
                "verification: {} lost, {} duplicated, {} out of order, {} corrupt records, {} misplaced batches",
                found.lost, found.duplicated, found.reordered, found.corrupt, found.misplaced
            ));
        }
        if self.verification_incomplete && !self.partial {
            faults.push("verification could not read everything".to_owned());
        }
        if !self.failures.is_empty() {
            faults.push(format!("{} connections lost; the first: {}", self.failures.len(), self.failures[0]));
        }
        if self.unanswered > 0 && !self.partial {
            faults.push(format!("{} requests without an answer", self.unanswered));
        }
        for (name, count) in &self.errors {
            let words = self.error_words.get(name).map(|words| format!(", the first with the words {words:?}")).unwrap_or_default();
            faults.push(format!("{count} requests refused with {name}{words}"));
        }
        faults
    }
}

fn per_s(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

fn limit(schedule: Option<ScheduleKept>, client: f64, broker: Option<f64>) -> Limit {
    if schedule.is_some_and(|kept| kept.is_reached()) {
        return Limit::Schedule;
    }
    match (client >= LIMIT_BUSY, broker.map(|busy| busy >= LIMIT_BUSY)) {
        (true, Some(true)) => Limit::Both,
        (true, Some(false) | None) => Limit::Client,
        (false, Some(true)) => Limit::BrokerCpu,
        (false, Some(false)) => Limit::Waiting,
        (false, None) => Limit::Unknown,
    }
}

fn broker(outcome: &Outcome) -> Option<Broker> {
    let part = outcome.broker.as_ref()?;
    let total = &outcome.total;
    let bytes = (total.produced.bytes + total.fetched.bytes) as f64;
    let requests = (total.produced.requests + total.fetched.requests) as f64;
    let per = |of: f64, scale: f64| part.used.cpu_s.filter(|_| of > 0.0).map(|cpu| cpu / of * scale);
    let cores = process::count_cores(&part.cores).unwrap_or(1).max(1) as f64;
    Some(Broker {
        pid: part.pid,
        command: part.command.clone(),
        cores: part.cores.clone(),
        cpu_s: part.used.cpu_s,
        busy: part.used.cpu_s.filter(|_| outcome.measured_s > 0.0).map(|cpu| cpu / outcome.measured_s / cores),
        cpu_s_per_gb: per(bytes, SECOND_NS as f64),
        cpu_us_per_request: per(requests, 1e6),
        resident_bytes: part.used.resident_bytes,
        written_bytes: part.used.written_bytes,
        read_bytes: part.used.read_bytes,
    })
}

fn load(plan: &Plan, outcome: &Outcome) -> Load {
    Load {
        bootstrap: plan.bootstrap.clone(),
        mode: plan.mode,
        partitions: plan.partitions,
        replicas: plan.replicas,
        topic_configs: plan.topic_configs.clone(),
        batch_bytes: outcome.batch.0,
        batch_records: outcome.batch.1,
        record_bytes: plan.shape.record_bytes,
        key_bytes: plan.shape.key_bytes,
        codec: format!("{:?}", plan.shape.codec).to_lowercase(),
        producers: plan.producers(),
        in_flight: plan.in_flight,
        acks: match plan.acks {
            Acks::None => "0",
            Acks::Leader => "1",
            Acks::All => "all",
        }
        .to_owned(),
        idempotent: plan.idempotent,
        arrivals: plan.arrivals.map(|arrivals| arrivals.to_string()),
        fetch: (plan.mode == Mode::Fetch || plan.consumers() > 0).then(|| plan.fetch.clone()),
        warmup_ms: plan.warmup_ms,
        duration_ms: plan.duration_ms,
        cpus: plan.cpus.clone(),
        spin: plan.spin,
        verify: plan.verify,
    }
}

fn seconds(seconds: &[Second]) -> Vec<SecondReport> {
    // The first second has nothing before it to compare the broker's counters with.
    let before = std::iter::once(None).chain(seconds.iter().map(Some));
    seconds.iter().zip(before).map(|(second, before)| SecondReport::new(second, before)).collect()
}

impl SecondReport {
    /// Puts a second into figures; the broker's are those since the second before it.
    pub fn new(second: &Second, before: Option<&Second>) -> Self {
        let tally = &second.tally;
        let then = before.and_then(|before| before.broker);
        let used = second.broker.zip(then).map(|(now, then)| now.since(&then));
        // As the headline of the run.
        let latency = if tally.end_to_end.is_empty() { &tally.latency } else { &tally.end_to_end };
        let quantile = |quantile: f64| (!latency.is_empty()).then(|| latency.value_at_quantile(quantile));
        Self {
            at: second.at,
            produced_mb: tally.produced.bytes as f64 / 1e6,
            produced_requests: tally.produced.requests,
            fetched_mb: tally.fetched.bytes as f64 / 1e6,
            errors: tally.errors.values().sum(),
            p50_ns: quantile(0.5),
            p99_ns: quantile(0.99),
            max_ns: quantile(1.0),
            broker_cpu_s: used.and_then(|used| used.cpu_s),
            broker_written_bytes: used.and_then(|used| used.written_bytes),
            broker_resident_bytes: second.broker.and_then(|usage| usage.resident_bytes),
            histogram: if latency.is_empty() { String::new() } else { encode(latency) },
        }
    }
}

#[cfg(test)]
impl RunReport {
    /// A run in which nothing happened.
    pub(super) fn blank() -> Self {
        let plan = super::settings::Settings::default().plan().unwrap();
        let outcome = Outcome {
            identity: Identity {
                product: "a broker".to_owned(),
                durability: super::environment::Durability::Unknown,
                storage: None,
                broker_configs: BTreeMap::new(),
                topic_configs: BTreeMap::new(),
            },
            started_ms: 0,
            total: super::tally::Tally::default(),
            seconds: Vec::new(),
            measured_s: 1.0,
            broker: None,
            threads: Vec::new(),
            unanswered: 0,
            unsent: 0,
            failures: Vec::new(),
            findings: None,
            group: None,
            incomplete: false,
            ended_by: None,
            batch: (1000, 1),
        };
        Self::new(&plan, &outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_was_not_reached_has_no_percentiles() {
        let mut histogram = super::super::tally::histogram();
        histogram.record(5_000_000).unwrap();
        assert_eq!(Durations::new(&histogram, false).ms("p99"), None);
        let shown = Durations::new(&histogram, true);
        assert!((shown.ms("p99").unwrap() - 5.0).abs() < 0.01);
        assert_eq!(shown.histogram().unwrap(), histogram);
        assert!(!ScheduleKept { offered_per_s: 1000.0, achieved_per_s: 989.0, unsent: 0 }.is_reached());
        assert!(ScheduleKept { offered_per_s: 1000.0, achieved_per_s: 991.0, unsent: 0 }.is_reached());
    }

    #[test]
    fn the_limit_is_named_by_who_had_no_time_left() {
        assert_eq!(limit(None, 0.99, Some(0.5)), Limit::Client);
        assert_eq!(limit(None, 0.5, Some(0.99)), Limit::BrokerCpu);
        assert_eq!(limit(None, 0.5, Some(0.5)), Limit::Waiting);
        let missed = ScheduleKept { offered_per_s: 10.0, achieved_per_s: 5.0, unsent: 3 };
        assert_eq!(limit(Some(missed), 0.1, Some(0.99)), Limit::BrokerCpu);
    }
}
