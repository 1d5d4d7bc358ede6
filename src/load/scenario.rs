//! Scenario files (`perf/scenarios/*.toml`): a load with its reason, in one or several cases, and what it should show.
//!
//! ```toml
//! title = "..."            # what is run
//! about = "..."            # what it is for
//! limit = "..."            # what keeps it from being faster
//! [load]                   # as the options of `corelog bench run`, without the dashes
//! [[case]]                 # variations: name, against (another case), load = { .. }, beside = { .. }
//! [beside]                 # a second load at the same time: start = "3s" (or before the first), load = { .. }
//! [compare]                # contestants, turns, prepare, properties (of all brokers that are started)
//! [search]                 # what `corelog bench search` holds the broker to
//! [[target]]               # a bound on a ratio or a figure of the first contestant
//! ```
//! A key that means nothing is refused with its line and the nearest one that does.

use clap::{Args, Command};
use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::{
    compare::METRICS,
    plan::{Plan, PlanError},
    search::Slo,
    settings::{Settings, Span, nearest},
};

/// Time by which a load beside another one lasts longer, unless it has a length of its own; the measured one ends it.
const BESIDE_LONGER_MS: u64 = 10_000;

/// A scenario as its file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scenario {
    /// What is run, in a few words.
    pub title: String,
    /// What it is for.
    pub about: String,
    /// What keeps it from being faster.
    pub limit: String,
    /// What all cases have in common.
    #[serde(default)]
    load: Settings,
    beside: Option<BesideSettings>,
    #[serde(default, rename = "case")]
    cases: Vec<CaseSettings>,
    /// How it is compared.
    #[serde(default)]
    pub compare: CompareSettings,
    /// How its limit is searched for.
    pub search: Option<Slo>,
    /// What it should show.
    #[serde(default, rename = "target")]
    pub targets: Vec<Target>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct CaseSettings {
    name: String,
    against: Option<String>,
    #[serde(default)]
    load: Settings,
    beside: Option<BesideSettings>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct BesideSettings {
    start: Option<Span>,
    #[serde(default)]
    load: Settings,
}

/// What a comparison of the scenario takes, unless the command line says otherwise.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CompareSettings {
    /// Who takes part.
    pub contestants: Option<Vec<String>>,
    /// Runs of each.
    pub turns: Option<usize>,
    /// Load before the first turn.
    pub prepare: Option<Span>,
    /// `key=value` for all brokers that are started.
    #[serde(default)]
    pub properties: Vec<String>,
}

/// A bound. Without `of` and `of-case` it bounds the figure itself, else a ratio.
#[derive(Clone, Debug, PartialEq, Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Target {
    /// One of the figures of a comparison.
    pub figure: String,
    /// The case; the first without it.
    pub case: Option<String>,
    /// The contestant that the first one is compared with.
    pub of: Option<String>,
    /// The case that the case is compared with.
    pub of_case: Option<String>,
    /// Take the best turn of what is compared with, not each turn's own.
    #[serde(default)]
    pub best: bool,
    /// Lower bound.
    pub at_least: Option<f64>,
    /// Upper bound.
    pub at_most: Option<f64>,
}

/// A second load beside the one that is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Beside {
    /// The load.
    pub plan: Plan,
    /// Milliseconds after the first load began to send; `None`: it runs before the first one begins.
    pub start_ms: Option<u64>,
}

/// One run of a scenario.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name; empty if there is only one.
    pub name: String,
    /// The case that it is held against.
    pub against: Option<String>,
    settings: Settings,
    beside: Option<(Settings, Option<u64>)>,
}

impl Case {
    /// The only case of a load without a scenario.
    pub fn only(settings: Settings) -> Self {
        Self { name: String::new(), against: None, settings, beside: None }
    }

    /// The loads, with `change` made to the settings of both.
    ///
    /// # Errors
    /// If settings do not make a plan.
    pub fn plans(&self, change: impl Fn(&mut Settings)) -> Result<(Plan, Option<Beside>), PlanError> {
        let named = |error: PlanError| if self.name.is_empty() { error } else { PlanError(format!("case {}: {error}", self.name)) };
        let plan_of = |settings: &Settings| {
            let mut settings = settings.clone();
            change(&mut settings);
            settings.plan().map_err(named)
        };
        let plan = plan_of(&self.settings)?;
        let Some((settings, start_ms)) = &self.beside else { return Ok((plan, None)) };
        let length = plan.warmup_ms + plan.duration_ms + BESIDE_LONGER_MS;
        let defaults = Settings { warmup: Some(Span(0)), duration: Some(Span(length)), ..Settings::default() };
        let beside = Beside { plan: plan_of(&settings.clone().over(defaults))?, start_ms: *start_ms };
        Ok((plan, Some(beside)))
    }
}

impl Scenario {
    /// Reads the text of a scenario file.
    ///
    /// # Errors
    /// In words, with the line where that is known.
    pub fn read(text: &str) -> Result<Self, String> {
        let table = DeTable::parse(text).map_err(|error| error.to_string())?;
        check_keys(text, table.get_ref(), Kind::Top)?;
        let scenario: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        scenario.check()?;
        Ok(scenario)
    }

    /// The runs, with `over` (the command line) above what the file says.
    pub fn cases(&self, over: &Settings) -> Vec<Case> {
        let merged = |load: &Settings| over.clone().over(load.clone().over(self.load.clone()));
        let beside = |beside: &Option<BesideSettings>| {
            // What the command line says of the load is not meant for the one beside it, but for where it runs.
            let place = Settings { bootstrap: over.bootstrap.clone(), cpus: over.cpus.clone(), ..Settings::default() };
            let beside = beside.as_ref().or(self.beside.as_ref())?;
            Some((place.over(beside.load.clone()), beside.start.map(|start| start.0)))
        };
        if self.cases.is_empty() {
            return vec![Case { name: String::new(), against: None, settings: merged(&Settings::default()), beside: beside(&None) }];
        }
        let case = |case: &CaseSettings| Case {
            name: case.name.clone(),
            against: case.against.clone(),
            settings: merged(&case.load),
            beside: beside(&case.beside),
        };
        self.cases.iter().map(case).collect()
    }

    fn check(&self) -> Result<(), String> {
        let names: Vec<&str> = self.cases.iter().map(|case| case.name.as_str()).collect();
        for (at, case) in self.cases.iter().enumerate() {
            if names[..at].contains(&case.name.as_str()) {
                return Err(format!("two cases are called {:?}", case.name));
            }
            if let Some(against) = &case.against {
                known("case", against, &names)?;
            }
        }
        let figures: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
        for target in &self.targets {
            known("figure", &target.figure, &figures)?;
            for case in [&target.case, &target.of_case].into_iter().flatten() {
                known("case", case, &names)?;
            }
            if target.at_least.is_some() == target.at_most.is_some() {
                return Err(format!("a target for {:?} needs either at-least or at-most", target.figure));
            }
        }
        self.cases(&Settings::default()).iter().try_for_each(|case| case.plans(|_| {}).map(drop)).map_err(|error| error.0)
    }
}

fn known(what: &str, name: &str, possible: &[&str]) -> Result<(), String> {
    if possible.contains(&name) {
        return Ok(());
    }
    Err(format!("{what} {name:?} is not one of {}{}", possible.join(", "), meant(name, possible)))
}

fn meant(name: &str, possible: &[&str]) -> String {
    nearest(name, possible).map(|near| format!(", did you mean {near}?")).unwrap_or_default()
}

#[derive(Clone, Copy)]
enum Kind {
    Top,
    Load,
    Beside,
    Case,
    Compare,
    Search,
    Target,
}

impl Kind {
    /// Keys, and what stands behind those that hold tables.
    fn keys(self) -> Vec<(String, Option<Self>)> {
        let plain = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), None)).collect::<Vec<_>>();
        let nested = |names: &[&str], tables: &[(&str, Self)]| {
            let mut keys = plain(names);
            keys.extend(tables.iter().map(|(name, kind)| ((*name).to_owned(), Some(*kind))));
            keys
        };
        match self {
            Self::Top => nested(
                &["title", "about", "limit"],
                &[
                    ("load", Self::Load),
                    ("beside", Self::Beside),
                    ("case", Self::Case),
                    ("compare", Self::Compare),
                    ("search", Self::Search),
                    ("target", Self::Target),
                ],
            ),
            Self::Load => {
                let options = Settings::augment_args(Command::new("load"));
                let names = options.get_arguments().filter_map(|option| option.get_long().map(str::to_owned));
                names.chain(["topic-config".to_owned()]).map(|name| (name, None)).collect()
            }
            Self::Beside => nested(&["start"], &[("load", Self::Load)]),
            Self::Case => nested(&["name", "against"], &[("load", Self::Load), ("beside", Self::Beside)]),
            Self::Compare => plain(&["contestants", "turns", "prepare", "properties"]),
            Self::Search => {
                let options = Slo::augment_args(Command::new("search"));
                options.get_arguments().filter_map(|option| option.get_long().map(|name| (name.to_owned(), None))).collect()
            }
            Self::Target => plain(&["figure", "case", "of", "of-case", "best", "at-least", "at-most"]),
        }
    }
}

fn check_keys(text: &str, table: &DeTable<'_>, kind: Kind) -> Result<(), String> {
    let keys = kind.keys();
    for (key, value) in table {
        let name: &str = key.get_ref();
        let Some((_, inner)) = keys.iter().find(|(known, _)| known == name) else {
            let line = 1 + text.get(..key.span().start).unwrap_or_default().matches('\n').count();
            let possible: Vec<&str> = keys.iter().map(|(name, _)| name.as_str()).collect();
            return Err(format!("line {line}: {name} is no key here{}", meant(name, &possible)));
        };
        let Some(inner) = inner else { continue };
        match value.get_ref() {
            DeValue::Table(table) => check_keys(text, table, *inner)?,
            DeValue::Array(entries) => {
                for entry in entries.iter() {
                    if let DeValue::Table(table) = entry.get_ref() {
                        check_keys(text, table, *inner)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "title = 't'\nabout = 'a'\nlimit = 'l'\n";

    fn refusal(rest: &str) -> String {
        Scenario::read(&format!("{HEAD}{rest}")).unwrap_err()
    }

    #[test]
    fn a_wrong_key_is_refused_with_its_line_and_the_nearest_name() {
        assert_eq!(refusal("[load]\npartitons = 4"), "line 5: partitons is no key here, did you mean partitions?");
        assert_eq!(refusal("[[case]]\nname = 'x'\nload = { batch-byte = 4 }"), "line 6: batch-byte is no key here, did you mean batch-bytes?");
        assert!(refusal("[serach]\np99 = '5ms'").contains("did you mean search?"));
        assert!(refusal("[load]\nconnections = 'many'").contains("connections"));
        assert!(refusal("[load]\nacks = 'al'").contains("did you mean all?"));
        assert!(refusal("[[target]]\nfigure = 'p98 ms'\nat-most = 1").contains("did you mean p99 ms?"));
        assert!(refusal("[load").contains("line 4"));
    }

    #[test]
    fn cases_vary_the_load_and_the_command_line_wins() {
        let text = format!(
            "{HEAD}[load]\nbatch-bytes = '16KiB'\npartitions = 16\nacks = 1\n[beside]\nstart = '3s'\nload = {{ partitions = 1000 }}\n\
             [[case]]\nname = 'one'\nload = {{ partitions = 1 }}\n[[case]]\nname = 'two'\nagainst = 'one'"
        );
        let scenario = Scenario::read(&text).unwrap();
        let line = Settings { connections: Some(7), bootstrap: Some("h:1".into()), ..Settings::default() };
        let cases = scenario.cases(&line);
        let (one, beside) = cases[0].plans(|_| {}).unwrap();
        assert_eq!((one.partitions, one.shape.batch_bytes, one.producers), (1, 16_384, 7));
        let beside = beside.unwrap();
        assert_eq!((beside.start_ms, beside.plan.partitions, beside.plan.bootstrap.as_str()), (Some(3000), 1000, "h:1"));
        assert_eq!((cases[1].plans(|_| {}).unwrap().0.partitions, cases[1].against.as_deref()), (16, Some("one")));
    }

    #[test]
    fn all_scenarios_of_the_repository_are_sound() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("perf/scenarios");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            Scenario::read(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(text.starts_with('#'), "{}: no comment says what it is for", path.display());
            seen += 1;
        }
        assert!(seen >= 20, "{seen} scenarios");
    }
}
