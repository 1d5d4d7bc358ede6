//! What the host allows a figure to be, whoever serves: the ceiling that stands beside a target. Only where one was measured.

use super::{
    compare::{CaseRuns, Comparison, Metric, Sides},
    environment::Durability,
};

/// A ceiling of a target's figure; of its ratio, if the target is one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// In the figure's unit.
    pub value: f64,
    /// The same for whoever writes into new files, as a log does that has not deleted anything yet.
    pub in_new_files: Option<f64>,
    /// It is a ratio.
    pub is_ratio: bool,
    /// What sets it.
    pub by: &'static str,
}

impl Bound {
    /// In words.
    pub fn words(&self) -> String {
        let figure = |value| format!("{}{}", super::compare_table::figure(value), if self.is_ratio { "x" } else { "" });
        let new = self.in_new_files.map_or_else(String::new, |value| format!(", {} in new files", figure(value)));
        format!("{}{new} ({})", figure(self.value), self.by)
    }

    /// As a ratio.
    fn over(self, theirs: f64) -> Self {
        Self { value: self.value / theirs, in_new_files: self.in_new_files.map(|value| value / theirs), is_ratio: true, ..self }
    }
}

impl Comparison {
    /// The ceiling of what a target compares: that of the first contestant, over what it is divided by as that was measured.
    pub(super) fn bound(&self, sides: &Sides<'_>, best: bool) -> Option<Bound> {
        let ceiling = self.ceiling_of(sides.case, sides.metric)?;
        let Some((other, at)) = sides.other else { return Some(ceiling) };
        let theirs = other.spread(at, sides.metric)?;
        Some(ceiling.over(if best { sides.metric.best(theirs) } else { theirs.median }))
    }

    fn ceiling_of(&self, case: &CaseRuns, metric: &Metric) -> Option<Bound> {
        let report = case.turns.first()?.first()?;
        let bare = case.bare.filter(|_| report.identity.durability == Durability::Flushed);
        let new = bare.and_then(|bare| bare.new_files).map(|new| new.best());
        let bound = |value, by| Bound { value, in_new_files: None, is_ratio: false, by };
        let device = |value, in_new_files| Bound { in_new_files, ..bound(value, "device alone") };
        Some(match metric.name {
            "produced MB/s" => {
                let bare = bare?;
                device(bare.mb_per_s(bare.requests_per_s), new.map(|requests| bare.mb_per_s(requests)))
            }
            "requests/s" => device(bare?.requests_per_s, new),
            "p50 ms" => device(bare?.latency?.p50_ms, None),
            "p99 ms" => device(bare?.latency?.p99_ms, None),
            "fetched MB/s" => bound(self.ceilings.as_ref()?.loopback_mb_per_s, "loopback"),
            "GB per CPU s" if report.produced.requests == 0 => bound(self.ceilings.as_ref()?.memory_copy_mb_per_s / 1e3, "one copy in memory"),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{
        bare::{Bare, Latency, NewFiles, Shape},
        ceiling::Ceilings,
        environment::Storage,
        report::{RunReport, SCHEMA_VERSION},
        scenario::Target,
    };

    fn run(requests_per_s: f64, durability: Durability) -> RunReport {
        let mut report = RunReport::blank();
        report.produced.requests = 1;
        report.produced.requests_per_s = requests_per_s;
        report.identity.durability = durability;
        report
    }

    fn case(name: &str, durability: Durability, theirs: &[f64], device: f64) -> CaseRuns {
        let shape = Shape { files: 1, request_bytes: 1000, in_flight: 1 };
        let latency = Some(Latency { p50_ms: 0.2, p99_ms: 0.5 });
        let new_files = (name == "many").then_some(NewFiles { zeroed: device / 2.0, each_flushed: device / 4.0, all_flushed: 0.0 });
        CaseRuns {
            name: name.to_owned(),
            against: None,
            turns: theirs.iter().map(|theirs| vec![run(300.0, durability), run(*theirs, Durability::PageCache)]).collect(),
            bare: Some(Bare { shape, requests_per_s: device, new_files, latency }),
        }
    }

    fn target(figure: &str, case: &str, of: Option<&str>, of_case: Option<&str>, best: bool) -> Target {
        let own = |text: Option<&str>| text.map(str::to_owned);
        Target { figure: figure.into(), case: Some(case.into()), of: own(of), of_case: own(of_case), best, at_least: Some(1.0), at_most: None }
    }

    #[test]
    fn a_ceiling_is_the_devices_over_what_the_figure_is_divided_by() {
        let comparison = Comparison {
            schema_version: SCHEMA_VERSION,
            title: String::new(),
            about: String::new(),
            contestants: vec!["corelog".into(), "kafka".into()],
            cases: vec![
                case("many", Durability::Flushed, &[100.0, 200.0, 400.0], 800.0),
                case("one", Durability::Flushed, &[100.0], 1000.0),
                case("written", Durability::PageCache, &[100.0], 1000.0),
            ],
            targets: vec![
                target("requests/s", "many", Some("kafka"), None, false),
                target("requests/s", "many", Some("kafka"), None, true),
                target("requests/s", "many", None, Some("one"), false),
                target("p50 ms", "many", None, None, false),
                target("p99 ms", "many", None, Some("one"), false),
                target("requests/s", "written", None, None, false),
                target("CPU us/request", "many", None, None, false),
                target("fetched MB/s", "many", None, None, false),
            ],
            ceilings: Some(Ceilings {
                storage: Storage::default(),
                device: None,
                loopback_mb_per_s: 3000.0,
                memory_copy_mb_per_s: 9000.0,
                crc32c_mb_per_s: 1.0,
            }),
            partial: false,
        };
        let words: Vec<String> = comparison.verdicts().iter().map(|verdict| verdict.ceiling.map_or_else(String::new, |bound| bound.words())).collect();
        let device = "(device alone)";
        let many = |written: &str, new: &str| format!("{written}x, {new}x in new files {device}");
        let expected =
            [&many("4.00", "2.00"), &many("2.00", "1.00"), &many("2.67", "1.33"), &format!("0.200 {device}"), "", "", "", "3000 (loopback)"];
        assert_eq!(words, expected);
    }
}
