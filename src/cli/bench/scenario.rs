//! `corelog bench scenario`: scenario files on one broker, all their cases.

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use clap::Args;

use crate::load::{
    compare::{Heading, Round, compare},
    document::Document,
    scenario::{Case, Scenario},
    settings::Settings,
};

use super::{Common, Failure, Live, failure, host::BareDevice};

#[derive(Args, Debug)]
pub(in crate::cli) struct ScenarioArgs {
    /// Scenario files; options of the load stand above what they say.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
    /// Runs of each case.
    #[arg(long, default_value_t = 1)]
    turns: usize,
}

pub(super) fn run(args: &ScenarioArgs, interrupt: &AtomicBool) -> Result<(), Failure> {
    let settings = args.common.settings()?;
    // All files are read before the first one runs.
    let scenarios = args.files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    let live = Live::new();
    let ceilings = args.common.ceilings("", &live)?;
    let mut bare = BareDevice::new(args.common.ceilings.as_deref(), "")?;
    let mut parts = Vec::new();
    for scenario in &scenarios {
        let rounds = scenario.cases(&settings).iter().map(round).collect::<Result<Vec<_>, _>>()?;
        let beside = bare.of(&rounds, &live)?;
        let heading = Heading {
            title: scenario.title.clone(),
            about: about(scenario),
            contestants: vec!["broker".to_owned()],
            targets: scenario.targets.clone(),
        };
        let mut result = compare(heading, &rounds, args.turns.max(1), interrupt, &mut |_| {}, &mut |turn, plan, what| {
            live.show(&format!("{}, {turn}", scenario.title), plan, &what);
        })
        .map_err(failure)?;
        result.ceilings.clone_from(&ceilings);
        beside.put(&mut result);
        let partial = result.partial;
        parts.push(Document::Comparison(Box::new(result)));
        if partial {
            break;
        }
    }
    live.clear();
    args.common.conclude(&Document::set(parts))
}

fn round(case: &Case) -> Result<Round, Failure> {
    let plans = case.plans(|_: &mut Settings| {}).map_err(|error| Failure::Usage(error.0))?;
    Ok(Round { name: case.name.clone(), against: case.against.clone(), plans: vec![plans] })
}

/// Reads a scenario file.
pub(super) fn read(file: &Path) -> Result<Scenario, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
    Scenario::read(&text).map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))
}

/// What a scenario is for, and what limits it.
pub(super) fn about(scenario: &Scenario) -> String {
    format!("{}\nlimited by: {}", scenario.about.trim(), scenario.limit.trim())
}
