//! Brokers under the same loads, in turns (A B A B): what differs between them is then neither the hour nor the
//! neighbours. Ratios are taken within a turn, and given with their spread. One broker alone is a comparison, too: of the
//! cases of its scenario.

use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use super::{
    bare::{Bare, Shape},
    beside,
    bound::Bound,
    ceiling::Ceilings,
    compare_table::show,
    plan::Plan,
    report::{Durations, RunReport, SCHEMA_VERSION},
    run::Progress,
    scenario::{Beside, Target},
    setup::RunError,
};

/// What a comparison is about.
#[derive(Clone, Debug, Default)]
pub struct Heading {
    /// What is run.
    pub title: String,
    /// What for, and what limits it; empty if nobody said.
    pub about: String,
    /// Names of the contestants.
    pub contestants: Vec<String>,
    /// What the comparison should show.
    pub targets: Vec<Target>,
}

/// One case, with the loads of all contestants.
#[derive(Clone, Debug)]
pub struct Round {
    /// Its name; empty if there is only one.
    pub name: String,
    /// The case that it is held against.
    pub against: Option<String>,
    /// In the order of the contestants.
    pub plans: Vec<(Plan, Option<Beside>)>,
}

impl Round {
    /// How the first contestant's load is seen by a device; `None` if it writes nothing.
    pub fn shape(&self) -> Option<Shape> {
        self.plans.first().and_then(|(plan, _)| Shape::of(plan))
    }
}

/// All runs of a comparison.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// As in [`RunReport`].
    pub schema_version: u32,
    /// What was compared.
    pub title: String,
    /// What for.
    pub about: String,
    /// Names, in the order of the turns; ratios are of the first to each other.
    pub contestants: Vec<String>,
    /// The cases.
    pub cases: Vec<CaseRuns>,
    /// What it should show.
    pub targets: Vec<Target>,
    /// What the host can do.
    pub ceilings: Option<Ceilings>,
    /// Ended before its time.
    pub partial: bool,
}

/// The runs of one case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CaseRuns {
    /// Its name; empty if there is only one.
    pub name: String,
    /// The case that it is held against.
    pub against: Option<String>,
    /// Per turn, a run of every contestant.
    pub turns: Vec<Vec<RunReport>>,
    /// What the device alone does of the first contestant's load, if that was asked for.
    #[serde(default)]
    pub bare: Option<Bare>,
}

/// Runs every contestant of every case `turns` times. `turn_of` is called before each run with the contestant's place, `progress` hears
/// whose turn it is.
///
/// # Errors
/// If a run cannot be carried out.
pub fn compare(
    heading: Heading,
    rounds: &[Round],
    turns: usize,
    interrupt: &AtomicBool,
    turn_of: &mut dyn FnMut(usize),
    progress: &mut dyn FnMut(&str, &Plan, Progress<'_>),
) -> Result<Comparison, RunError> {
    let case = |round: &Round| CaseRuns { name: round.name.clone(), against: round.against.clone(), turns: Vec::new(), bare: None };
    let mut comparison = Comparison {
        schema_version: SCHEMA_VERSION,
        title: heading.title,
        about: heading.about,
        contestants: heading.contestants,
        cases: rounds.iter().map(case).collect(),
        targets: heading.targets,
        ceilings: None,
        partial: false,
    };
    for turn in 0..turns {
        for (at, round) in rounds.iter().enumerate() {
            let mut reports = Vec::new();
            for (place, (name, (plan, beside))) in comparison.contestants.iter().zip(&round.plans).enumerate() {
                turn_of(place);
                // What the others left to be written is written before the clock runs.
                rustix::fs::sync();
                let mut who = format!("turn {}/{turns}, {name}", turn + 1);
                if !round.name.is_empty() {
                    who = format!("{who}, {}", round.name);
                }
                reports.push(beside::run(plan, beside.as_ref(), interrupt, &mut |what| progress(&who, plan, what))?);
                if reports.last().is_some_and(|report| report.partial) {
                    comparison.partial = true;
                    // Alone, what there is of a run is shown; beside others it would be compared with whole ones.
                    if comparison.contestants.len() == 1 {
                        comparison.cases[at].turns.push(reports);
                    }
                    return Ok(comparison);
                }
            }
            comparison.cases[at].turns.push(reports);
        }
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
        let median = if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
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

    /// The best of several.
    pub fn best(&self, spread: Spread) -> f64 {
        if self.more_is_better { spread.high } else { spread.low }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.name == name)
    }
}

/// What is compared, as far as a run has it.
pub const METRICS: &[Metric] = &[
    Metric { name: "produced MB/s", more_is_better: true, read: |r| some(r.produced.mb_per_s) },
    Metric { name: "requests/s", more_is_better: true, read: |r| some(r.produced.requests_per_s) },
    Metric { name: "fetched MB/s", more_is_better: true, read: |r| some(r.fetched.mb_per_s) },
    Metric { name: "achieved %", more_is_better: true, read: |r| r.schedule.map(|kept| 100.0 * kept.achieved_per_s / kept.offered_per_s) },
    Metric { name: "GB per CPU s", more_is_better: true, read: |r| some(1.0 / r.broker.as_ref()?.cpu_s_per_gb?) },
    Metric { name: "CPU us/request", more_is_better: false, read: |r| r.broker.as_ref()?.cpu_us_per_request },
    Metric { name: "p50 ms", more_is_better: false, read: |r| headline(r).ms("p50") },
    Metric { name: "p99 ms", more_is_better: false, read: |r| headline(r).ms("p99") },
    Metric { name: "p99.9 ms", more_is_better: false, read: |r| headline(r).ms("p99.9") },
    Metric { name: "max ms", more_is_better: false, read: |r| headline(r).ms("max") },
    Metric { name: "produce p50 ms", more_is_better: false, read: |r| if r.end_to_end.count > 0 { r.latency.ms("p50") } else { None } },
    Metric { name: "produce p99 ms", more_is_better: false, read: |r| if r.end_to_end.count > 0 { r.latency.ms("p99") } else { None } },
    Metric { name: "settle p50 ms", more_is_better: false, read: |r| r.group.as_ref()?.settle.ms("p50") },
    Metric { name: "settle max ms", more_is_better: false, read: |r| r.group.as_ref()?.settle.ms("max") },
    Metric { name: "resident MB", more_is_better: false, read: |r| r.broker.as_ref()?.resident_bytes.map(|b| b as f64 / 1e6) },
    Metric { name: "written MB", more_is_better: false, read: |r| r.broker.as_ref()?.written_bytes.map(|b| b as f64 / 1e6) },
    Metric { name: "read MB", more_is_better: false, read: |r| r.broker.as_ref()?.read_bytes.map(|b| b as f64 / 1e6) },
];

fn some(value: f64) -> Option<f64> {
    (value > 0.0 && value.is_finite()).then_some(value)
}

/// The latency that a run is about.
pub fn headline(report: &RunReport) -> &Durations {
    if report.end_to_end.count > 0 { &report.end_to_end } else { &report.latency }
}

impl CaseRuns {
    /// A figure of one contestant over all turns.
    pub fn spread(&self, contestant: usize, metric: &Metric) -> Option<Spread> {
        Spread::of(self.values(contestant, metric))
    }

    /// True if the contestant reached the rate that was asked for in no turn.
    fn never_holds_its_rate(&self, contestant: usize) -> bool {
        let kept = |turn: &Vec<RunReport>| turn.get(contestant)?.schedule;
        !self.turns.is_empty() && self.turns.iter().all(|turn| kept(turn).is_some_and(|kept| !kept.is_reached()))
    }

    fn values(&self, contestant: usize, metric: &Metric) -> impl Iterator<Item = f64> {
        self.turns.iter().filter_map(move |turn| metric.of(turn.get(contestant)?))
    }

    /// A contestant's figure over another's in another case, turn by turn.
    pub fn ratio(&self, contestant: usize, other: (&Self, usize), metric: &Metric) -> Option<Spread> {
        let pairs = self.turns.iter().zip(&other.0.turns);
        Spread::of(pairs.filter_map(|(mine, theirs)| Some(metric.of(mine.get(contestant)?)? / metric.of(theirs.get(other.1)?)?)))
    }
}

/// A target, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict<'a> {
    /// The target.
    pub target: &'a Target,
    /// The ratio or the figure, if the runs have it.
    pub value: Option<f64>,
    /// The same in words, with its spread, both sides of a ratio and what their acknowledgements were worth; or why there
    /// is none.
    pub measured: String,
    /// The most, or the least, that this host allows; `None` if nobody measured it.
    pub ceiling: Option<Bound>,
    /// It was kept.
    pub met: bool,
}

impl Verdict<'_> {
    /// The bound in words.
    pub fn bound(&self) -> String {
        format!("{} {}", self.target.figure, self.limit())
    }

    fn limit(&self) -> String {
        let target = self.target;
        let over: Vec<&str> = [&target.of, &target.of_case].into_iter().flatten().map(String::as_str).collect();
        let (sign, bound) = if target.at_most.is_some() { ("<=", target.at_most) } else { (">=", target.at_least) };
        let bound = bound.unwrap_or_default();
        if over.is_empty() {
            return format!("{sign} {bound}");
        }
        format!("over {}{} {sign} {bound}x", over.join(", "), if target.best { " (best turn)" } else { "" })
    }

    /// In words.
    pub fn words(&self) -> String {
        let case = self.target.case.as_ref().map(|case| format!(" ({case})")).unwrap_or_default();
        let met = if self.met { "MET" } else { "MISSED" };
        let ceiling = self.ceiling.map(|ceiling| format!("; ceiling {}", ceiling.words())).unwrap_or_default();
        format!("{met:<6} {}{case} {}: {}{ceiling}", self.target.figure, self.limit(), self.measured)
    }
}

/// What a target compares: the first contestant's figure, and what it is divided by.
pub(super) struct Sides<'a> {
    pub(super) metric: &'static Metric,
    pub(super) case: &'a CaseRuns,
    /// The case and the contestant of it.
    pub(super) other: Option<(&'a CaseRuns, usize)>,
}

impl Sides<'_> {
    /// The figure itself, or its ratio: turn by turn, or to the best turn of what it is compared with.
    fn value(&self, best: bool) -> Option<Spread> {
        let Some((case, at)) = self.other else { return self.case.spread(0, self.metric) };
        if !best {
            return self.case.ratio(0, (case, at), self.metric);
        }
        let best = self.metric.best(case.spread(at, self.metric)?);
        Spread::of(self.case.values(0, self.metric).map(|value| value / best))
    }
}

impl Comparison {
    /// The case of this name; without a name the first.
    fn case(&self, name: Option<&String>) -> Option<&CaseRuns> {
        name.map_or_else(|| self.cases.first(), |name| self.cases.iter().find(|case| case.name == *name))
    }

    /// What came of the targets. Those about contestants that did not take part are left out.
    pub fn verdicts(&self) -> Vec<Verdict<'_>> {
        let takes_part = |target: &&Target| target.of.as_ref().is_none_or(|name| self.contestants.contains(name));
        self.targets.iter().filter(takes_part).map(|target| self.verdict(target)).collect()
    }

    fn verdict<'a>(&'a self, target: &'a Target) -> Verdict<'a> {
        let within = |value: f64| {
            target.at_least.is_none_or(|bound| value >= bound) && target.at_most.is_none_or(|bound| value <= bound)
        };
        let Some(sides) = self.sides(target) else {
            return Verdict { target, value: None, measured: "not measured".to_owned(), ceiling: None, met: false };
        };
        let spread = sides.value(target.best);
        let value = spread.map(|spread| spread.median);
        let mut met = value.is_some_and(within);
        let measured = match spread {
            Some(spread) => self.in_words(&sides, spread),
            None => {
                // Latencies at a rate that the peer does not hold are beyond any ratio.
                let beyond = sides.other.is_some_and(|(case, at)| at > 0 && case.never_holds_its_rate(at)) && !sides.metric.more_is_better;
                let ours = sides.case.spread(0, sides.metric);
                met = beyond && ours.is_some() && target.at_most.is_some();
                match (ours, target.of.as_ref()) {
                    (Some(ours), Some(of)) if met => format!("{}; {of} does not hold the rate", show(Some(ours), "")),
                    _ if sides.case.never_holds_its_rate(0) => format!("{} does not hold the rate", self.contestants[0]),
                    _ => "not measured".to_owned(),
                }
            }
        };
        Verdict { target, value, measured, ceiling: self.bound(&sides, target.best), met }
    }

    fn sides<'a>(&'a self, target: &Target) -> Option<Sides<'a>> {
        let metric = Metric::named(&target.figure)?;
        let case = self.case(target.case.as_ref()).filter(|case| !case.turns.is_empty())?;
        if target.of.is_none() && target.of_case.is_none() {
            return Some(Sides { metric, case, other: None });
        }
        let other_case = self.case(target.of_case.as_ref().or(target.case.as_ref()))?;
        let other = target.of.as_ref().map_or(Some(0), |name| self.contestants.iter().position(|known| known == name))?;
        Some(Sides { metric, case, other: Some((other_case, other)) })
    }

    fn in_words(&self, sides: &Sides<'_>, spread: Spread) -> String {
        let worth = |case: &CaseRuns, at: usize| {
            let report = case.turns.first().and_then(|turn| turn.get(at));
            report.map_or_else(String::new, |report| format!(" [{}]", report.identity.durability.label()))
        };
        let Some((other, at)) = sides.other else { return format!("{}{}", show(Some(spread), ""), worth(sides.case, 0)) };
        format!(
            "{}: {}{} against {}{}",
            show(Some(spread), "x"),
            show(sides.case.spread(0, sides.metric), ""),
            worth(sides.case, 0),
            show(other.spread(at, sides.metric), ""),
            worth(other, at)
        )
    }

    /// What makes the comparison worthless, in words.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for case in &self.cases {
            for turn in &case.turns {
                for (name, run) in self.contestants.iter().zip(turn) {
                    let whose = if case.name.is_empty() { name.clone() } else { format!("{name}, {}", case.name) };
                    faults.extend(run.faults().into_iter().map(|fault| format!("{whose}: {fault}")));
                }
            }
        }
        if self.partial {
            faults.push("ended before its time".to_owned());
        }
        faults
    }

    /// The runs of the first contestant.
    pub fn of_first(&self) -> impl Iterator<Item = &RunReport> {
        self.cases.iter().flat_map(|case| &case.turns).filter_map(|turn| turn.first())
    }
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

    #[test]
    fn a_target_is_held_against_the_turns_it_names() {
        let run = |mb: f64| {
            let mut report = RunReport::blank();
            report.produced.mb_per_s = mb;
            report
        };
        let case = |name: &str, figures: &[(f64, f64)]| CaseRuns {
            name: name.to_owned(),
            against: None,
            turns: figures.iter().map(|(ours, theirs)| vec![run(*ours), run(*theirs)]).collect(),
            bare: None,
        };
        let mut comparison = Comparison {
            schema_version: SCHEMA_VERSION,
            title: String::new(),
            about: String::new(),
            contestants: vec!["corelog".into(), "kafka".into()],
            cases: vec![case("one", &[(300.0, 100.0), (280.0, 140.0), (260.0, 130.0)]), case("many", &[(270.0, 1.0); 3])],
            targets: Vec::new(),
            ceilings: None,
            partial: false,
        };
        let target = |of: Option<&str>, of_case: Option<&str>, best, at_least| Target {
            figure: "produced MB/s".into(),
            case: of_case.map(|_| "many".to_owned()),
            of: of.map(str::to_owned),
            of_case: of_case.map(str::to_owned),
            best,
            at_least: Some(at_least),
            at_most: None,
        };
        comparison.targets = vec![
            target(Some("kafka"), None, false, 2.0),
            target(Some("kafka"), None, true, 2.1),
            target(None, Some("one"), false, 0.9),
            target(None, None, false, 281.0),
            target(Some("redpanda"), None, false, 1.0),
        ];
        let verdicts = comparison.verdicts();
        let met: Vec<bool> = verdicts.iter().map(|verdict| verdict.met).collect();
        assert_eq!(met, [true, false, true, false], "{verdicts:?}");
        assert_eq!(verdicts[0].value, Some(2.0));
        assert!(verdicts[1].words().starts_with("MISSED produced MB/s over kafka (best turn) >= 2.1x: 2.00x (1.86-2.14): 280.0 (260.0-300.0) [unknown] against 130.0"), "{}", verdicts[1].words());
    }
}
