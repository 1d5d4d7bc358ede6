//! A comparison as text for a terminal: every figure beside what its acknowledgements were worth.

use std::fmt::Write;

use super::compare::{CaseRuns, Comparison, METRICS, Metric, Spread};

/// Figures of the table of one broker alone.
const ALONE: [&str; 8] =
    ["produced MB/s", "requests/s", "fetched MB/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU us/request", "GB per CPU s"];

impl Comparison {
    /// The comparison as text.
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing into a string cannot fail.
        let _ = self.write_table(&mut out);
        out
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        let turns = self.cases.iter().map(|case| case.turns.len()).min().unwrap_or_default();
        writeln!(out, "{}, {turns} turns", self.title)?;
        if self.partial {
            writeln!(out, "PARTIAL: ended before its time; only whole turns are counted")?;
        }
        if !self.about.is_empty() {
            writeln!(out, "{}", self.about)?;
        }
        if !self.cases.iter().any(|case| !case.turns.is_empty()) {
            return writeln!(out, "no turn was finished");
        }
        if self.contestants.len() == 1 {
            self.write_alone(out)?;
        } else {
            for case in &self.cases {
                self.write_case(out, case)?;
            }
        }
        self.write_against(out)?;
        writeln!(out, "medians (lowest to highest); ratios are taken within each turn")?;
        if let Some(ceilings) = &self.ceilings {
            writeln!(out, "ceilings of this host: {}", ceilings.words())?;
        }
        for verdict in self.verdicts() {
            writeln!(out, "{}", verdict.words())?;
        }
        for fault in self.faults() {
            writeln!(out, "FAULT {fault}")?;
        }
        Ok(())
    }

    fn write_case(&self, out: &mut String, case: &CaseRuns) -> std::fmt::Result {
        let Some(first) = case.turns.first() else { return Ok(()) };
        writeln!(out)?;
        if !case.name.is_empty() {
            writeln!(out, "case {}", case.name)?;
        }
        for (name, report) in self.contestants.iter().zip(first) {
            let cores = report.broker.as_ref().map_or("?", |broker| broker.cores.as_str());
            writeln!(out, "{name:<14} {}, {}, cores {cores}", report.identity.product, report.identity.durability.words())?;
        }
        write!(out, "{:<15}", "")?;
        for (name, report) in self.contestants.iter().zip(first) {
            write!(out, "{:>30}", format!("{name} [{}]", report.identity.durability.label()))?;
        }
        for name in self.contestants.iter().skip(1) {
            write!(out, "{:>30}", format!("{}/{name}", self.contestants[0]))?;
        }
        writeln!(out)?;
        for metric in METRICS {
            let columns: Vec<_> = (0..self.contestants.len()).map(|at| case.spread(at, metric)).collect();
            if columns.iter().all(Option::is_none) {
                continue;
            }
            write!(out, "{:<15}", metric.name)?;
            for spread in columns {
                write!(out, "{:>30}", show(spread, ""))?;
            }
            for other in 1..self.contestants.len() {
                write!(out, "{:>30}", show(case.ratio(0, (case, other), metric), "x"))?;
            }
            writeln!(out)?;
        }
        for (at, name) in self.contestants.iter().enumerate() {
            writeln!(out, "limit of {name}: {}", limits(case, at))?;
        }
        Ok(())
    }

    fn write_alone(&self, out: &mut String) -> std::fmt::Result {
        let width = self.cases.iter().map(|case| case.name.len()).max().unwrap_or_default().max(6);
        let Some(report) = self.of_first().next() else { return Ok(()) };
        writeln!(out, "broker {} at {}", report.identity.product, report.load.bootstrap)?;
        write!(out, "\n{:<width$} {:>11}", "case", "durability")?;
        let metrics: Vec<&Metric> = ALONE.iter().filter_map(|name| Metric::named(name)).collect();
        let has = |metric: &&&Metric| self.cases.iter().any(|case| case.spread(0, metric).is_some());
        let metrics: Vec<&Metric> = metrics.iter().filter(has).copied().collect();
        for metric in &metrics {
            write!(out, "{:>26}", metric.name)?;
        }
        writeln!(out, "  limit")?;
        for case in &self.cases {
            let Some(report) = case.turns.first().and_then(|turn| turn.first()) else { continue };
            write!(out, "{:<width$} {:>11}", case.name, report.identity.durability.label())?;
            for metric in &metrics {
                write!(out, "{:>26}", show(case.spread(0, metric), ""))?;
            }
            writeln!(out, "  {}", limits(case, 0))?;
        }
        Ok(())
    }

    /// Cases that are held against another one.
    fn write_against(&self, out: &mut String) -> std::fmt::Result {
        for case in &self.cases {
            let Some(other) = case.against.as_ref().and_then(|name| self.cases.iter().find(|case| case.name == *name)) else {
                continue;
            };
            writeln!(out, "\n{} over {}", case.name, other.name)?;
            write!(out, "{:<15}", "")?;
            self.contestants.iter().try_for_each(|name| write!(out, "{name:>30}"))?;
            writeln!(out)?;
            for metric in METRICS {
                let ratios: Vec<_> = (0..self.contestants.len()).map(|at| case.ratio(at, (other, at), metric)).collect();
                if ratios.iter().any(Option::is_some) {
                    write!(out, "{:<15}", metric.name)?;
                    ratios.into_iter().try_for_each(|ratio| write!(out, "{:>30}", show(ratio, "x")))?;
                    writeln!(out)?;
                }
            }
        }
        Ok(())
    }
}

fn limits(case: &CaseRuns, contestant: usize) -> String {
    let mut limits: Vec<&str> = case.turns.iter().filter_map(|turn| Some(turn.get(contestant)?.limit.words())).collect();
    limits.dedup();
    limits.join("; ")
}

/// Median and range.
pub(super) fn show(spread: Option<Spread>, unit: &str) -> String {
    spread.map_or_else(
        || "-".to_owned(),
        |spread| {
            if spread.low == spread.high {
                return format!("{}{unit}", figure(spread.median));
            }
            format!("{}{unit} ({}-{})", figure(spread.median), figure(spread.low), figure(spread.high))
        },
    )
}

/// Three or more significant digits.
pub(super) fn figure(value: f64) -> String {
    match value {
        value if value >= 1000.0 => format!("{value:.0}"),
        value if value >= 100.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}
