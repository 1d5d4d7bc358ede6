//! What may stand on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// corelog: a Kafka-compatible broker. Without a command, `start`.
#[derive(Debug, Parser)]
#[command(name = "corelog", version, about, long_about = None)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run a broker until it is told to stop (SIGTERM or SIGINT).
    Start(Configuration),
    /// Look at configuration keys.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Measure a broker, this one or any other that speaks Kafka's protocol.
    #[command(subcommand)]
    Bench(super::bench::BenchCommand),
}

/// Where a broker's configuration comes from. Without a file, embedded defaults: one node on 127.0.0.1:9092 with its
/// data in ./corelog-data.
#[derive(Args, Debug, Default)]
pub(super) struct Configuration {
    /// A properties file with Kafka's keys and corelog's own.
    #[arg(value_name = "server.properties")]
    pub(super) file: Option<PathBuf>,
    /// Set one key, over the file; may be given several times.
    #[arg(long = "override", value_name = "KEY=VALUE")]
    pub(super) overrides: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Say what a key means, what it may be, and what corelog does with it.
    Explain {
        /// A key of the broker or of a topic.
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// List all keys of the broker and of topics.
    List,
    /// Check a configuration without starting.
    Validate(Configuration),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn nothing_is_start_and_overrides_add_up() {
        assert!(Cli::try_parse_from(["corelog"]).unwrap().command.is_none());
        let line = ["corelog", "start", "a.properties", "--override", "a=1", "--override", "b=2"];
        match Cli::try_parse_from(line).unwrap().command {
            Some(Command::Start(Configuration { file, overrides })) => {
                assert_eq!(file, Some(PathBuf::from("a.properties")));
                assert_eq!(overrides, vec!["a=1", "b=2"]);
            }
            other => panic!("{other:?}"),
        }
        assert!(Cli::try_parse_from(["corelog", "strat"]).is_err());
        assert!(Cli::try_parse_from(["corelog", "config", "explain"]).is_err());
    }
}
