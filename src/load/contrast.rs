//! Two results held against each other: how much changed, and how sure that is.
//!
//! Intervals are bootstrapped: runs are drawn with replacement, and seconds within each, a thousand times; 95 % of the ratios
//! lie within. With one run on each side they tell what the seconds of that run say, and nothing of what differs from one
//! start of a broker to the next: for that, give comparisons of several turns.

use std::{collections::BTreeMap, fmt::Write};

use super::{
    body::Random,
    compare::headline,
    document::Document,
    report::{RunReport, SecondReport, decode},
};

const RESAMPLES: usize = 1000;
/// Seconds below which there is no interval.
const SECONDS_MIN: usize = 5;

/// Two results, taken apart into what they have in common.
#[derive(Debug)]
pub struct Contrast {
    /// The files.
    pub names: [String; 2],
    /// What both have.
    pub pairs: Vec<Pair>,
    /// What only one has.
    pub unpaired: Vec<String>,
}

/// The same load in both results.
#[derive(Debug)]
pub struct Pair {
    /// Case and contestant; empty if there is only one.
    pub name: String,
    /// Broker and durability of each.
    pub brokers: [String; 2],
    /// Settings of the load that differ, in words.
    pub differences: Vec<String>,
    /// The figures.
    pub changes: Vec<Change>,
    /// The runs.
    pub runs: [Vec<RunReport>; 2],
}

/// One figure in both.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// With its unit.
    pub figure: &'static str,
    /// Larger is better.
    pub more_is_better: bool,
    /// Of both.
    pub values: [f64; 2],
    /// The second over the first; low and high are the ends of the 95 % interval. Absent if there are too few seconds.
    pub interval: Option<[f64; 2]>,
}

impl Change {
    /// The second over the first.
    pub fn ratio(&self) -> f64 {
        self.values[1] / self.values[0]
    }

    /// What the interval says.
    pub fn verdict(&self) -> &'static str {
        match self.interval {
            None => "too few seconds to tell",
            Some([low, high]) if low <= 1.0 && high >= 1.0 => "no difference shown",
            Some([low, _]) if (low > 1.0) == self.more_is_better => "better",
            Some(_) => "worse",
        }
    }
}

impl Contrast {
    /// Pairs what both results have.
    ///
    /// # Errors
    /// If there is nothing to compare.
    pub fn of(names: [String; 2], documents: [&Document; 2]) -> Result<Self, String> {
        let [mut first, mut second] = documents.map(groups);
        // Two single runs are meant for each other, whatever they are called.
        if first.len() == 1 && second.len() == 1 {
            first = first.into_values().map(|runs| (String::new(), runs)).collect();
            second = second.into_values().map(|runs| (String::new(), runs)).collect();
        }
        let mut pairs = Vec::new();
        let mut unpaired = Vec::new();
        for (name, runs) in first {
            match second.remove(&name) {
                Some(others) => pairs.push(Pair::new(name, [runs, others])),
                None => unpaired.push(name),
            }
        }
        unpaired.extend(second.into_keys());
        if pairs.is_empty() {
            return Err(format!("{} and {} have no load in common", names[0], names[1]));
        }
        Ok(Self { names, pairs, unpaired })
    }

    /// As text for a terminal.
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing into a string cannot fail.
        let _ = self.write_table(&mut out);
        out
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "A {}\nB {}", self.names[0], self.names[1])?;
        for pair in &self.pairs {
            writeln!(out, "\n{}A: {}\nB: {}", if pair.name.is_empty() { String::new() } else { format!("{}\n", pair.name) }, pair.brokers[0], pair.brokers[1])?;
            for difference in &pair.differences {
                writeln!(out, "NOT THE SAME LOAD: {difference}")?;
            }
            writeln!(out, "{:<16}{:>12}{:>12}{:>10}   95 % interval", "", "A", "B", "B/A")?;
            for change in &pair.changes {
                let interval = change.interval.map_or_else(|| "-".to_owned(), |[low, high]| format!("{low:.3} to {high:.3}"));
                let [a, b] = change.values.map(super::compare_table::figure);
                writeln!(out, "{:<16}{a:>12}{b:>12}{:>9.3}x   {interval:<18} {}", change.figure, change.ratio(), change.verdict())?;
            }
        }
        for name in &self.unpaired {
            writeln!(out, "only in one of both: {name}")?;
        }
        Ok(())
    }
}

/// Runs by case and contestant.
fn groups(document: &Document) -> BTreeMap<String, Vec<RunReport>> {
    let mut found: BTreeMap<String, Vec<RunReport>> = BTreeMap::new();
    match document {
        Document::Run(run) => {
            found.insert(String::new(), vec![RunReport::clone(run)]);
        }
        Document::Search(search) => {
            if let Some(best) = &search.best {
                found.insert("at the knee".to_owned(), vec![RunReport::clone(best)]);
            }
        }
        Document::Comparison(comparison) => {
            for case in &comparison.cases {
                for (at, contestant) in comparison.contestants.iter().enumerate() {
                    let parts = [comparison.title.as_str(), case.name.as_str(), contestant.as_str()];
                    let name: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                    let runs: Vec<_> = case.turns.iter().filter_map(|turn| turn.get(at).cloned()).collect();
                    if !runs.is_empty() {
                        found.insert(name.join(", "), runs);
                    }
                }
            }
        }
        Document::Set(set) => set.parts.iter().for_each(|part| found.extend(groups(part))),
    }
    found
}

/// A second as the figures need it.
struct Sample {
    produced_mb: f64,
    fetched_mb: f64,
    requests: f64,
    cpu_s: Option<f64>,
    /// Latencies in nanoseconds with their counts, rising.
    latencies: Vec<(u64, u64)>,
}

impl Sample {
    fn new(second: &SecondReport, percentiles: bool) -> Self {
        let histogram = decode(&second.histogram).filter(|_| percentiles);
        let latencies = histogram.iter().flat_map(|histogram| {
            histogram.iter_recorded().map(|value| (value.value_iterated_to(), value.count_at_value())).collect::<Vec<_>>()
        });
        Self {
            produced_mb: second.produced_mb,
            fetched_mb: second.fetched_mb,
            requests: second.produced_requests as f64,
            cpu_s: second.broker_cpu_s,
            latencies: latencies.collect(),
        }
    }
}

/// What is computed of seconds, each drawn so many times.
struct Figure {
    name: &'static str,
    more_is_better: bool,
    of: fn(&[(&Sample, u64)]) -> Option<f64>,
}

const FIGURES: [Figure; 7] = [
    Figure { name: "produced MB/s", more_is_better: true, of: |drawn| mean(drawn, |sample| Some(sample.produced_mb)) },
    Figure { name: "requests/s", more_is_better: true, of: |drawn| mean(drawn, |sample| Some(sample.requests)) },
    Figure { name: "fetched MB/s", more_is_better: true, of: |drawn| mean(drawn, |sample| Some(sample.fetched_mb)) },
    Figure { name: "broker CPU s/s", more_is_better: false, of: |drawn| mean(drawn, |sample| sample.cpu_s) },
    Figure { name: "p50 ms", more_is_better: false, of: |drawn| quantile(drawn, 0.5) },
    Figure { name: "p99 ms", more_is_better: false, of: |drawn| quantile(drawn, 0.99) },
    Figure { name: "p99.9 ms", more_is_better: false, of: |drawn| quantile(drawn, 0.999) },
];

fn mean(drawn: &[(&Sample, u64)], of: fn(&Sample) -> Option<f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0);
    for (sample, times) in drawn {
        if let Some(value) = of(sample) {
            sum += value * *times as f64;
            count += times;
        }
    }
    (count > 0 && sum > 0.0).then(|| sum / count as f64)
}

fn quantile(drawn: &[(&Sample, u64)], quantile: f64) -> Option<f64> {
    let mut all: BTreeMap<u64, u64> = BTreeMap::new();
    for (sample, times) in drawn.iter().filter(|(_, times)| *times > 0) {
        for (value, count) in &sample.latencies {
            *all.entry(*value).or_default() += count * times;
        }
    }
    let total: u64 = all.values().sum();
    let wanted = ((total as f64 * quantile).ceil() as u64).max(1);
    let mut passed = 0;
    all.into_iter().find_map(|(value, count)| {
        passed += count;
        (passed >= wanted).then_some(value as f64 / 1e6)
    })
}

impl Pair {
    fn new(name: String, runs: [Vec<RunReport>; 2]) -> Self {
        let samples = [samples(&runs[0]), samples(&runs[1])];
        let broker = |runs: &[RunReport]| {
            let words = |run: &RunReport| format!("{}, {}", run.identity.product, run.identity.durability.words());
            let what = runs.first().map(words).unwrap_or_default();
            format!("{what}; {} runs, {} s", runs.len(), runs.iter().map(|run| run.seconds.len()).sum::<usize>())
        };
        let brokers = [broker(&runs[0]), broker(&runs[1])];
        let changes = FIGURES.iter().filter_map(|figure| change(figure, &samples)).collect();
        let differences = differences(&runs);
        Self { name, brokers, differences, changes, runs }
    }
}

/// The seconds of every run.
fn samples(runs: &[RunReport]) -> Vec<Vec<Sample>> {
    let shown = runs.iter().all(|run| !headline(run).quantiles_ns.is_empty());
    runs.iter().map(|run| run.seconds.iter().map(|second| Sample::new(second, shown)).collect()).collect()
}

fn change(figure: &Figure, samples: &[Vec<Vec<Sample>>; 2]) -> Option<Change> {
    let once = |runs: &[Vec<Sample>]| (figure.of)(&runs.iter().flatten().map(|sample| (sample, 1)).collect::<Vec<_>>());
    let values = [once(&samples[0])?, once(&samples[1])?];
    let enough = samples.iter().all(|runs| runs.iter().map(Vec::len).sum::<usize>() >= SECONDS_MIN);
    let interval = enough.then(|| interval(figure, samples)).flatten();
    Some(Change { figure: figure.name, more_is_better: figure.more_is_better, values, interval })
}

fn interval(figure: &Figure, samples: &[Vec<Vec<Sample>>; 2]) -> Option<[f64; 2]> {
    let mut random = Random(0x0b00_757a);
    let mut ratios: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            let mut draw = |runs: &[Vec<Sample>]| (figure.of)(&drawn(runs, &mut random));
            let (first, second) = (draw(&samples[0])?, draw(&samples[1])?);
            Some(second / first)
        })
        .collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let at = |part: f64| ratios.get(((ratios.len() as f64 - 1.0) * part).round() as usize).copied();
    Some([at(0.025)?, at(0.975)?])
}

/// Runs drawn with replacement, and as many seconds of each as it has.
fn drawn<'a>(runs: &'a [Vec<Sample>], random: &mut Random) -> Vec<(&'a Sample, u64)> {
    let mut pick = |count: usize| (random.unit() * count as f64) as usize;
    let mut times: Vec<Vec<u64>> = runs.iter().map(|run| vec![0; run.len()]).collect();
    for _ in 0..runs.len() {
        let run = pick(runs.len());
        for _ in 0..runs[run].len() {
            times[run][pick(runs[run].len())] += 1;
        }
    }
    let all = runs.iter().zip(times).flat_map(|(run, times)| run.iter().zip(times));
    all.filter(|(_, times)| *times > 0).collect()
}

/// Settings of the load that are not the same in both.
fn differences(runs: &[Vec<RunReport>; 2]) -> Vec<String> {
    let settings = |runs: &[RunReport]| {
        let load = runs.first().and_then(|run| serde_json::to_value(&run.load).ok());
        load.and_then(|load| load.as_object().cloned()).unwrap_or_default()
    };
    let (first, second) = (settings(&runs[0]), settings(&runs[1]));
    let told = |name: &str| !["bootstrap", "cpus"].contains(&name);
    first
        .iter()
        .filter(|(name, value)| told(name) && second.get(*name) != Some(value))
        .map(|(name, value)| format!("{name} is {value} in A and {} in B", second.get(name).unwrap_or(&serde_json::Value::Null)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(mb: impl Fn(usize) -> f64, latency_ns: u64) -> RunReport {
        let mut report = RunReport::blank();
        let mut histogram = super::super::tally::histogram();
        for sample in 0..1000 {
            histogram.record(latency_ns + sample * latency_ns / 1000).unwrap();
        }
        report.latency.quantiles_ns.insert("p99".to_owned(), latency_ns);
        report.seconds = (0..20)
            .map(|at| SecondReport {
                at: at as i64,
                produced_mb: mb(at),
                produced_requests: 1000,
                fetched_mb: 0.0,
                errors: 0,
                p50_ns: None,
                p99_ns: None,
                max_ns: None,
                broker_cpu_s: Some(0.5),
                broker_written_bytes: None,
                broker_resident_bytes: None,
                histogram: super::super::report::encode(&histogram),
            })
            .collect();
        report
    }

    fn contrast(first: RunReport, second: RunReport) -> Contrast {
        let documents = [first, second].map(|run| Document::Run(Box::new(run)));
        Contrast::of(["a".into(), "b".into()], [&documents[0], &documents[1]]).unwrap()
    }

    fn verdict(contrast: &Contrast, figure: &str) -> &'static str {
        contrast.pairs[0].changes.iter().find(|change| change.figure == figure).unwrap().verdict()
    }

    #[test]
    fn noise_is_no_difference_and_a_difference_is_no_noise() {
        let noisy = |base: f64| move |at: usize| base + [0.0, 7.0, -6.0, 3.0, -4.0][at % 5];
        let same = contrast(run(noisy(100.0), 1_000_000), run(noisy(101.0), 1_000_000));
        assert_eq!(verdict(&same, "produced MB/s"), "no difference shown");
        assert_eq!(verdict(&same, "p99 ms"), "no difference shown");
        let other = contrast(run(noisy(100.0), 1_000_000), run(noisy(110.0), 1_500_000));
        assert_eq!(verdict(&other, "produced MB/s"), "better");
        assert_eq!(verdict(&other, "p99 ms"), "worse");
        let change = other.pairs[0].changes.iter().find(|change| change.figure == "p99 ms").unwrap();
        assert!((change.ratio() - 1.5).abs() < 0.01, "{change:?}");
    }

    #[test]
    fn different_loads_are_named_and_results_without_anything_in_common_refused() {
        let mut other = run(|_| 1.0, 1000);
        other.load.partitions = 7;
        let found = contrast(run(|_| 1.0, 1000), other);
        assert_eq!(found.pairs[0].differences, ["partitions is 16 in A and 7 in B"]);
        let empty = Document::set(Vec::new());
        let one = Document::Run(Box::new(run(|_| 1.0, 1000)));
        assert!(Contrast::of(["a".into(), "b".into()], [&one, &empty]).is_err());
    }
}
