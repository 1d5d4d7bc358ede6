//! L11: the command line. One file per subcommand; `main.rs` only calls [`run()`].
//!
//! Standard output carries what a command was asked for; standard error carries logs and problems. Exit codes: 0 done,
//! 1 failed, 2 wrong usage or configuration.

mod args;
mod bench;
mod config;
mod logging;
mod output;
mod run;
mod start;

pub use run::run;
