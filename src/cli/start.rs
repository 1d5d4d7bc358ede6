//! `corelog start`: reads the configuration and runs the broker until it stops.

use super::{args::Configuration, config, logging, run::Failure};

pub(super) fn run(configuration: &Configuration) -> Result<(), Failure> {
    logging::start().map_err(Failure::Usage)?;
    let (config, notices) = config::load(configuration)?;
    for notice in notices {
        tracing::info!("{} {}", notice.key, notice.text);
    }
    Err(Failure::Failed(format!("node {} is configured, but this build has no broker in it yet", config.node_id)))
}
