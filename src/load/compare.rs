//! Several brokers under the same load, in turns (A B A B): what differs between them is then neither the hour nor the
//! neighbours. Ratios are taken within a turn, and given with their spread.

use std::{fmt::Write, sync::atomic::AtomicBool};

use serde::{Deserialize, Serialize};

use super::{
    plan::Plan,
    report::{Durations, RunReport, SCHEMA_VERSION},
    run::{self, Progress},
    setup::RunError,
};

/// One side of a comparison.
#[derive(Clone, Debug)]
pub struct Contestant {
    /// How it is called in the result.
    pub name: String,
    /// The load, and where.
    pub plan: Plan,
}

/// All runs of a comparison.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// As in [`RunReport`].
    pub schema_version: u32,
    /// What was compared.
    pub title: String,
    /// Names, in the order of the turns; ratios are of the first to each other.
    pub contestants: Vec<String>,
    /// Per turn, a run of every contestant.
    pub turns: Vec<Vec<RunReport>>,
    /// Ended before its time.
    pub partial: bool,
}

/// Runs every contestant `turns` times. `progress` hears whose turn it is.
///
/// # Errors
/// If a run cannot be carried out.
pub fn compare(
    title: &str,
    contestants: &[Contestant],
    turns: usize,
    interrupt: &AtomicBool,
    progress: &mut dyn FnMut(&str, &Plan, Progress<'_>),
) -> Result<Comparison, RunError> {
    let mut comparison = Comparison {
        schema_version: SCHEMA_VERSION,
        title: title.to_owned(),
        contestants: contestants.iter().map(|contestant| contestant.name.clone()).collect(),
        turns: Vec::new(),
        partial: false,
    };
    for turn in 0..turns {
        let mut reports = Vec::new();
        for contestant in contestants {
            // What the others left to be written is written before the clock runs.
            rustix::fs::sync();
            let name = format!("turn {}/{turns}, {}", turn + 1, contestant.name);
            let outcome = run::run(&contestant.plan, interrupt, &mut |what| progress(&name, &contestant.plan, what))?;
            let partial = outcome.partial;
            reports.push(RunReport::new(&contestant.plan, &outcome));
            if partial {
                comparison.partial = true;
                return Ok(comparison);
            }
        }
        comparison.turns.push(reports);
    }
    Ok(comparison)
}

/// The middle of several values, with the lowest and the highest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Spread {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

impl Spread {
    /// Of `values`, if there is one.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let (low, high) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Some(Self { median, low, high })
    }
}

/// A figure that runs are compared by.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// With its unit.
    pub name: &'static str,
    /// Larger is better.
    pub more_is_better: bool,
    read: fn(&RunReport) -> Option<f64>,
}

impl Metric {
    /// The figure of one run.
    pub fn of(&self, report: &RunReport) -> Option<f64> {
        (self.read)(report)
    }
}

/// What is compared, as far as a run has it.
pub const METRICS: &[Metric] = &[
    Metric { name: "produced MB/s", more_is_better: true, read: |r| some(r.produced.mb_per_s) },
    Metric { name: "requests/s", more_is_better: true, read: |r| some(r.produced.requests_per_s) },
    Metric { name: "fetched MB/s", more_is_better: true, read: |r| some(r.fetched.mb_per_s) },
    Metric { name: "GB per CPU s", more_is_better: true, read: |r| some(1.0 / r.broker.as_ref()?.cpu_s_per_gb?) },
    Metric { name: "CPU us/request", more_is_better: false, read: |r| r.broker.as_ref()?.cpu_us_per_request },
    Metric { name: "p50 ms", more_is_better: false, read: |r| headline(r).ms("p50") },
    Metric { name: "p99 ms", more_is_better: false, read: |r| headline(r).ms("p99") },
    Metric { name: "p99.9 ms", more_is_better: false, read: |r| headline(r).ms("p99.9") },
    Metric { name: "max ms", more_is_better: false, read: |r| headline(r).ms("max") },
    Metric { name: "resident MB", more_is_better: false, read: |r| r.broker.as_ref()?.resident_bytes.map(|b| b as f64 / 1e6) },
];

fn some(value: f64) -> Option<f64> {
    (value > 0.0 && value.is_finite()).then_some(value)
}

/// The latency that a run is about.
pub fn headline(report: &RunReport) -> &Durations {
    if report.end_to_end.count > 0 { &report.end_to_end } else { &report.latency }
}

impl Comparison {
    /// A figure of one contestant over all turns.
    pub fn spread(&self, contestant: usize, metric: &Metric) -> Option<Spread> {
        Spread::of(self.turns.iter().filter_map(|turn| metric.of(turn.get(contestant)?)))
    }

    /// The first contestant's figure over another's, turn by turn.
    pub fn ratio(&self, other: usize, metric: &Metric) -> Option<Spread> {
        Spread::of(self.turns.iter().filter_map(|turn| Some(metric.of(turn.first()?)? / metric.of(turn.get(other)?)?)))
    }

    /// What makes the comparison worthless, in words.
    pub fn faults(&self) -> Vec<String> {
        let runs = self.turns.iter().flatten().enumerate();
        let named = |at: usize| &self.contestants[at % self.contestants.len().max(1)];
        runs.flat_map(|(at, run)| run.faults().into_iter().map(move |fault| format!("{}: {fault}", named(at)))).collect()
    }

    /// The comparison as text.
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing into a string cannot fail.
        let _ = self.write_table(&mut out);
        out
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        if self.partial {
            writeln!(out, "PARTIAL: only whole turns are counted")?;
        }
        let Some(first) = self.turns.first() else { return writeln!(out, "no turn was finished") };
        writeln!(out, "{}, {} turns", self.title, self.turns.len())?;
        for (name, report) in self.contestants.iter().zip(first) {
            let cores = report.broker.as_ref().map_or("?", |broker| broker.cores.as_str());
            writeln!(out, "{name:<14} {}, {}, cores {cores}", report.identity.product, report.identity.durability.words())?;
        }
        write!(out, "\n{:<15}", "")?;
        for name in &self.contestants {
            write!(out, "{name:>26}")?;
        }
        for name in self.contestants.iter().skip(1) {
            write!(out, "{:>26}", format!("{}/{name}", self.contestants[0]))?;
        }
        writeln!(out)?;
        for metric in METRICS {
            let columns: Vec<_> = (0..self.contestants.len()).map(|at| self.spread(at, metric)).collect();
            if columns.iter().all(Option::is_none) {
                continue;
            }
            write!(out, "{:<15}", metric.name)?;
            for spread in columns {
                write!(out, "{:>26}", show(spread, ""))?;
            }
            for other in 1..self.contestants.len() {
                write!(out, "{:>26}", show(self.ratio(other, metric), "x"))?;
            }
            writeln!(out)?;
        }
        writeln!(out, "medians (lowest to highest); ratios are taken within each turn")?;
        for (at, name) in self.contestants.iter().enumerate() {
            let mut limits: Vec<&str> = self.turns.iter().filter_map(|turn| Some(turn.get(at)?.limit.words())).collect();
            limits.dedup();
            writeln!(out, "limit of {name}: {}", limits.join("; "))?;
        }
        for fault in self.faults() {
            writeln!(out, "FAULT {fault}")?;
        }
        Ok(())
    }
}

fn show(spread: Option<Spread>, unit: &str) -> String {
    let figure = |value: f64| match value {
        value if value >= 1000.0 => format!("{value:.0}"),
        value if value >= 100.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    };
    spread.map_or_else(
        || "-".to_owned(),
        |spread| format!("{}{unit} ({}-{})", figure(spread.median), figure(spread.low), figure(spread.high)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, low: 1.0, high: 3.0 }));
        assert_eq!(Spread::of([4.0, 1.0]).map(|spread| spread.median), Some(2.5));
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([f64::NAN, 1.0]).map(|spread| spread.high), Some(1.0));
    }
}
