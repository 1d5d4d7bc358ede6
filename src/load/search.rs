//! How much load a broker holds: the rate rises until a promise is broken, then the place between is halved.
//!
//! A rate is held if it was achieved to 99 %, its p99 is within the promise, and what is due does not pile up. A rate counts
//! as broken only if it is broken twice in a row, so that one hiccup of the host does not decide.

use std::{fmt::Write, sync::atomic::AtomicBool};

use serde::{Deserialize, Serialize};

use super::{
    plan::Plan,
    report::{ACHIEVED_MIN, QUANTILES, RunReport, SCHEMA_VERSION},
    run::{self, Progress},
    schedule::Arrivals,
    settings::Latency,
    setup::RunError,
};

/// Part of the rate by which the backlog may grow every second.
const SLOPE_MAX: f64 = 0.01;
/// Requests a second that the slope may be off because a second ends between a request and its answer.
const SLOPE_NOISE: f64 = 3.0;
/// Times that a rate is tried before it counts as broken.
const ATTEMPTS: usize = 2;
/// How far below the first rate is looked if not even that one is held.
const FALL_MAX: f64 = 64.0;

/// What a held rate must keep, and where to look for it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, clap::Args)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Slo {
    /// Highest p99 from the intended send time [default: 10ms].
    #[arg(long, value_name = "TIME")]
    pub slo_p99: Option<Latency>,
    /// First rate, in requests a second [default: 1000].
    #[arg(long, value_name = "RATE")]
    pub from: Option<f64>,
    /// Highest rate that is tried [default: 10000000].
    #[arg(long, value_name = "RATE")]
    pub to: Option<f64>,
    /// Percent between the highest rate held and the lowest broken at which the search ends [default: 5].
    #[arg(long, value_name = "PERCENT")]
    pub precision: Option<f64>,
}

impl Slo {
    /// What the command line says, and where it is silent the file.
    #[must_use]
    pub fn over(self, under: Self) -> Self {
        Self {
            slo_p99: self.slo_p99.or(under.slo_p99),
            from: self.from.or(under.from),
            to: self.to.or(under.to),
            precision: self.precision.or(under.precision),
        }
    }

    fn p99_ms(&self) -> f64 {
        self.slo_p99.map_or(10.0, |latency| latency.0 as f64 / 1e6)
    }
}

/// The way through the rates. Knows nothing but which were held.
#[derive(Clone, Debug, PartialEq)]
struct Walk {
    from: f64,
    to: f64,
    precision: f64,
    held: Option<f64>,
    broken: Option<f64>,
}

impl Walk {
    fn new(slo: &Slo) -> Self {
        let positive = |value: Option<f64>, default: f64| value.filter(|value| *value > 0.0 && value.is_finite()).unwrap_or(default);
        let from = positive(slo.from, 1000.0);
        Self {
            from,
            to: positive(slo.to, 1e7).max(from),
            precision: 1.0 + positive(slo.precision, 5.0) / 100.0,
            held: None,
            broken: None,
        }
    }

    fn next_rate(&self) -> Option<f64> {
        match (self.held, self.broken) {
            (None, None) => Some(self.from),
            (Some(held), None) => (held < self.to).then(|| (held * 2.0).min(self.to)),
            (None, Some(broken)) => (broken > self.from / FALL_MAX).then_some(broken / 2.0),
            (Some(held), Some(broken)) => (broken / held > self.precision).then(|| f64::midpoint(held, broken)),
        }
    }

    fn learn(&mut self, rate: f64, held: bool) {
        if held {
            self.held = Some(self.held.map_or(rate, |best| best.max(rate)));
        } else {
            self.broken = Some(self.broken.map_or(rate, |worst| worst.min(rate)));
        }
    }
}

/// One rate that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Requests a second that were asked for.
    pub offered_per_s: f64,
    /// Requests a second that were answered.
    pub achieved_per_s: f64,
    /// MB a second of them.
    pub mb_per_s: f64,
    /// Latencies from the intended send time, by name; none if the rate was not achieved.
    pub quantiles_ms: std::collections::BTreeMap<String, f64>,
    /// Requests by which the backlog grew every second.
    pub backlog_per_s: f64,
    /// Busy share of the broker's cores.
    pub broker_busy: Option<f64>,
    /// Busy share of the busiest client thread.
    pub client_busy: f64,
    /// What was not kept, in words; empty if all was.
    pub broken: Vec<String>,
}

/// A whole search.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SearchReport {
    /// As in [`RunReport`].
    pub schema_version: u32,
    /// What was searched.
    pub title: String,
    /// The promise: highest p99, in milliseconds.
    pub slo_p99_ms: f64,
    /// All tries, in their order.
    pub points: Vec<Point>,
    /// The highest rate that was held, if one was.
    pub knee_per_s: Option<f64>,
    /// The run at that rate.
    pub best: Option<Box<RunReport>>,
    /// Ended before its time.
    pub partial: bool,
}

/// Searches with `plan`, whose rate is the search's own.
///
/// # Errors
/// If a run cannot be carried out.
pub fn search(
    title: &str,
    plan: &Plan,
    slo: &Slo,
    interrupt: &AtomicBool,
    progress: &mut dyn FnMut(&str, &Plan, Progress<'_>),
) -> Result<SearchReport, RunError> {
    let mut walk = Walk::new(slo);
    let mut found = SearchReport {
        schema_version: SCHEMA_VERSION,
        title: title.to_owned(),
        slo_p99_ms: slo.p99_ms(),
        points: Vec::new(),
        knee_per_s: None,
        best: None,
        partial: false,
    };
    while let Some(rate) = walk.next_rate() {
        let arrivals = match plan.arrivals {
            Some(Arrivals::Poisson { .. }) => Arrivals::Poisson { rate },
            _ => Arrivals::Constant { rate },
        };
        let plan = Plan { arrivals: Some(arrivals), ..plan.clone() };
        let mut held = false;
        for _ in 0..ATTEMPTS {
            let name = format!("{rate:.0}/s");
            let outcome = run::run(&plan, interrupt, &mut |what| progress(&name, &plan, what))?;
            let report = RunReport::new(&plan, &outcome);
            if report.partial {
                found.partial = true;
                return Ok(found);
            }
            let point = judge(&report, rate, slo.p99_ms());
            held = point.broken.is_empty();
            found.points.push(point);
            if held {
                found.knee_per_s = Some(found.knee_per_s.map_or(rate, |best| best.max(rate)));
                if found.knee_per_s == Some(rate) {
                    found.best = Some(Box::new(report));
                }
                break;
            }
        }
        walk.learn(rate, held);
    }
    Ok(found)
}

fn judge(report: &RunReport, rate: f64, p99_max_ms: f64) -> Point {
    let achieved = report.schedule.map_or(0.0, |kept| kept.achieved_per_s);
    let counts: Vec<f64> = report.seconds.iter().map(|second| second.produced_requests as f64).collect();
    let backlog = backlog_slope(&counts, rate);
    let mut broken = report.faults();
    if report.schedule.is_none_or(|kept| !kept.is_reached()) || achieved < ACHIEVED_MIN * rate {
        broken.push(format!("only {achieved:.0}/s achieved"));
    }
    match report.latency.ms("p99") {
        Some(p99) if p99 > p99_max_ms => broken.push(format!("p99 {p99:.3} ms")),
        _ => {}
    }
    if backlog > SLOPE_MAX * rate + SLOPE_NOISE {
        broken.push(format!("{backlog:.0} more requests wait every second"));
    }
    let quantiles = QUANTILES.iter().filter_map(|(name, _)| Some(((*name).to_owned(), report.latency.ms(name)?)));
    Point {
        offered_per_s: rate,
        achieved_per_s: achieved,
        mb_per_s: report.produced.mb_per_s,
        quantiles_ms: quantiles.collect(),
        backlog_per_s: backlog,
        broker_busy: report.broker.as_ref().and_then(|broker| broker.busy),
        client_busy: report.client.iter().map(|thread| thread.busy).fold(0.0, f64::max),
        broken,
    }
}

/// Requests by which what was due and not answered grew every second: the slope of a straight line through the seconds.
fn backlog_slope(answered: &[f64], rate: f64) -> f64 {
    let mut backlog = 0.0;
    let points: Vec<(f64, f64)> = answered
        .iter()
        .enumerate()
        .map(|(at, count)| {
            backlog += rate - count;
            (at as f64, backlog)
        })
        .collect();
    let count = points.len() as f64;
    if count < 2.0 {
        return 0.0;
    }
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let both: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let along: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    both / along
}

impl SearchReport {
    /// What makes the search worthless, in words.
    pub fn faults(&self) -> Vec<String> {
        if self.partial { vec!["ended before its time".to_owned()] } else { Vec::new() }
    }

    /// The search as text, rates rising.
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing into a string cannot fail.
        let _ = self.write_table(&mut out);
        out
    }

    fn write_table(&self, out: &mut String) -> std::fmt::Result {
        if self.partial {
            writeln!(out, "PARTIAL: the search was ended before its time")?;
        }
        writeln!(out, "{}: the highest rate with p99 <= {} ms, 99 % achieved, nothing piling up", self.title, self.slo_p99_ms)?;
        writeln!(out, "{:>12} {:>12} {:>9} {:>9} {:>9} {:>9} {:>8} {:>8}", "offered/s", "achieved/s", "MB/s", "p50 ms", "p99 ms", "p99.9 ms", "broker", "client")?;
        let mut points: Vec<&Point> = self.points.iter().collect();
        points.sort_by(|a, b| a.offered_per_s.total_cmp(&b.offered_per_s));
        for point in points {
            let ms = |name: &str| point.quantiles_ms.get(name).map_or_else(|| "-".to_owned(), |ms| format!("{ms:.3}"));
            let busy = point.broker_busy.map_or_else(|| "?".to_owned(), |busy| format!("{:.0} %", busy * 100.0));
            writeln!(
                out,
                "{:>12.0} {:>12.0} {:>9.1} {:>9} {:>9} {:>9} {busy:>8} {:>6.0} %  {}",
                point.offered_per_s,
                point.achieved_per_s,
                point.mb_per_s,
                ms("p50"),
                ms("p99"),
                ms("p99.9"),
                point.client_busy * 100.0,
                if point.broken.is_empty() { "held".to_owned() } else { format!("BROKEN: {}", point.broken.join("; ")) },
            )?;
        }
        match (self.knee_per_s, &self.best) {
            (Some(knee), Some(best)) => writeln!(
                out,
                "knee: {knee:.0} requests/s, {:.1} MB/s ({}, {})",
                best.produced.mb_per_s,
                best.identity.product,
                best.identity.durability.words()
            ),
            _ => writeln!(out, "knee: no rate was held"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(slo: &Slo, capacity: f64) -> (Vec<f64>, Walk) {
        let mut walk = Walk::new(slo);
        let mut tried = Vec::new();
        while let Some(rate) = walk.next_rate() {
            tried.push(rate);
            walk.learn(rate, rate <= capacity);
            assert!(tried.len() < 100, "{tried:?}");
        }
        (tried, walk)
    }

    #[test]
    fn the_knee_is_found_wherever_it_is() {
        for capacity in [40.0, 999.0, 1000.0, 1700.0, 64_000.0, 123_456.0] {
            let (tried, walk) = walk(&Slo { from: Some(1000.0), ..Slo::default() }, capacity);
            let held = walk.held.unwrap();
            assert!(held <= capacity && held > capacity / 1.06, "{held} of {capacity} after {tried:?}");
        }
        let (tried, walk) = walk(&Slo { from: Some(1000.0), ..Slo::default() }, 1.0);
        assert!(walk.held.is_none() && tried.len() < 10, "{tried:?}");
    }

    #[test]
    fn no_rate_above_the_last_is_tried() {
        let (tried, walk) = walk(&Slo { from: Some(1000.0), to: Some(5000.0), ..Slo::default() }, f64::INFINITY);
        assert_eq!((tried, walk.held), (vec![1000.0, 2000.0, 4000.0, 5000.0], Some(5000.0)));
    }

    #[test]
    fn a_backlog_that_grows_has_a_slope_and_a_hiccup_has_none() {
        assert!((backlog_slope(&[900.0; 10], 1000.0) - 100.0).abs() < 1e-6);
        assert!(backlog_slope(&[1000.0; 10], 1000.0).abs() < 1e-6);
        let hiccup = [1000.0, 1000.0, 1000.0, 1000.0, 500.0, 1500.0, 1000.0, 1000.0, 1000.0, 1000.0];
        assert!(backlog_slope(&hiccup, 1000.0).abs() < 10.0);
        assert_eq!(backlog_slope(&[3.0], 1000.0), 0.0);
    }
}
