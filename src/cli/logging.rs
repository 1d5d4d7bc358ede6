//! Logs: to standard error, filtered by `RUST_LOG` (default `info`), coloured on a terminal.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Starts logging for the whole process.
///
/// # Errors
/// A `RUST_LOG` that is no filter, or a second call.
pub(super) fn start() -> Result<(), String> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(text) if !text.trim().is_empty() => {
            EnvFilter::try_new(&text).map_err(|error| format!("RUST_LOG = {text}: {error}"))?
        }
        _ => EnvFilter::new("info"),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(true)
        .try_init()
        .map_err(|error| format!("logging cannot be started: {error}"))
}
