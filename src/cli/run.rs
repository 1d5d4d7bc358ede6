//! From the command line to a command, and from its result to an exit code.

use std::process::ExitCode;

use clap::Parser;

use super::{
    args::{Cli, Command, Configuration},
    bench, config, output, start,
};

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// The command line or the configuration is wrong: exit code 2.
    Usage(String),
    /// It was tried and did not work: exit code 1.
    Failed(String),
}

/// Runs the command that the process was started with, to its end.
pub fn run() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(Cli { command }) => command.unwrap_or(Command::Start(Configuration::default())),
        // Help and version come this way too, and go to standard output.
        Err(error) => {
            let _closed = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let result = match command {
        Command::Start(configuration) => start::run(&configuration),
        Command::Config(command) => config::run(&command),
        Command::Bench(command) => bench::run(&command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(text)) => {
            output::problem(&text);
            ExitCode::from(2)
        }
        Err(Failure::Failed(text)) => {
            output::problem(&text);
            ExitCode::FAILURE
        }
    }
}
