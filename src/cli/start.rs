//! `corelog start`: reads the configuration and runs the broker until it stops.

use super::{args::Configuration, config, logging, run::Failure};

pub(super) fn run(configuration: &Configuration) -> Result<(), Failure> {
    logging::start().map_err(Failure::Usage)?;
    let (config, notices) = config::load(configuration)?;
    for notice in notices {
        tracing::info!("{} {}", notice.key, notice.text);
    }
    crate::broker::run(config).map_err(|error| Failure::Failed(error.to_string()))
}
