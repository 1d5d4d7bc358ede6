//! `corelog bench search`: the highest rate at which a broker keeps a promise.

use std::{path::PathBuf, sync::atomic::AtomicBool};

use clap::Args;

use crate::load::{
    document::Document,
    search::{Slo, search},
    settings::{Settings, Span},
};

use super::{Common, Failure, Live, failure, scenario};

/// Length of one try, unless the settings say otherwise: long enough for a p99, short enough for twenty tries.
const TRY_MS: u64 = 5000;
const WARMUP_MS: u64 = 1000;

#[derive(Args, Debug)]
pub(in crate::cli) struct SearchArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    slo: Slo,
    /// The load, and the promise, of a scenario file; its first case.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
}

pub(super) fn run(args: &SearchArgs, interrupt: &AtomicBool) -> Result<(), Failure> {
    let line = args.common.settings()?;
    let file = args.scenario.as_ref().map(|file| scenario::read(file)).transpose()?;
    let defaults = Settings { warmup: Some(Span(WARMUP_MS)), duration: Some(Span(TRY_MS)), rate: Some(1.0), ..Settings::default() };
    let slo = file.as_ref().and_then(|file| file.search.clone()).unwrap_or_default();
    let mut title = "search".to_owned();
    let plan = match &file {
        None => line.over(defaults).plan(),
        Some(file) => {
            title.clone_from(&file.title);
            let cases = file.cases(&line);
            cases[0].plans(|settings| *settings = settings.clone().over(defaults.clone())).map(|plans| plans.0)
        }
    };
    let plan = plan.map_err(|error| Failure::Usage(error.0))?;
    let live = Live::new();
    let ceilings = args.common.ceilings("", &live)?;
    let found = search(&title, &plan, &args.slo.clone().over(slo), interrupt, &mut |rate, plan, what| live.show(rate, plan, &what));
    live.clear();
    let mut found = found.map_err(failure)?;
    if let Some(best) = &mut found.best {
        best.ceilings = ceilings;
    }
    args.common.conclude(&Document::Search(Box::new(found)))
}
