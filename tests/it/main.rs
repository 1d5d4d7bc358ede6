//! Tests of the whole broker from outside: a real process, real sockets, real files.
//!
//! One behaviour per file, named by the behaviour; `support/` starts and ends the processes. `docs/testing.md` says how to run
//! them and what they need. Nothing here reaches into the broker: what a client, an operator or a disk cannot see is tested
//! in place, beside the code.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests block, panic and print; they are no part of a shard"
)]

mod support;

mod bad_input;
mod clients;
mod consumer_groups_tool;
mod group_churn;
mod group_clients;
mod group_figures;
mod group_kill_nine;
mod oracle;

mod footprint;
mod groups;
mod kafka_reads_our_directory;
mod kill_nine;
mod load_harness;
mod restart;
mod settings;
mod thousand_partitions;
mod tidy;
mod visibility;
