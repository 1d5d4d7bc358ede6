//! From a configuration to a running broker, and its end: what the main thread does.

use std::{
    io::{ErrorKind, Write},
    net::{SocketAddr, ToSocketAddrs},
    time::Duration,
};

use super::control;
use crate::{
    config::BrokerConfig,
    runtime::{
        clock, executor, net,
        preflight::{self, Finding, Verdict},
    },
};

/// How long an address may be in use by a broker that is just ending.
const ADDRESS_PATIENCE_NS: u64 = 3_000_000_000;

/// Why the broker did not start, or did not end well. Printed to the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The machine lacks something; the table above says what to do.
    #[error("this machine cannot run corelog as it is set up: {0}")]
    Machine(String),
    /// A listener cannot be opened.
    #[error("cannot listen at {listener}: {reason}")]
    Listener {
        /// As configured.
        listener: String,
        /// What the system says.
        reason: String,
    },
    /// The log directories or the metadata cannot be used.
    #[error("{0}")]
    Metadata(String),
    /// A thread could not be started or died.
    #[error("cannot run the shards: {0}")]
    Shards(std::io::Error),
    /// Every log directory failed while running.
    #[error("all log directories have failed: the broker cannot go on")]
    AllDirectoriesFailed,
    /// The broker stopped, and some files were not left clean: the next start scans more.
    #[error("the broker stopped, but not all partitions could be closed cleanly")]
    Unclean,
}

/// Runs a broker until SIGTERM or SIGINT. Returns when everything is closed.
///
/// # Errors
/// It could not start, or it ended because something failed.
pub fn run(config: BrokerConfig) -> Result<(), StartError> {
    // From here on the clock counts: start-up time is told when the broker serves.
    let started_ns = clock::monotonic_ns();
    let cpus = executor::allowed_cpus().map_err(StartError::Shards)?;
    let shards = usize::from(config.cores.unwrap_or(u16::try_from(cpus.len()).unwrap_or(u16::MAX))).max(1);
    for path in &config.log_dirs {
        std::fs::create_dir_all(path).map_err(|error| StartError::Metadata(format!("log.dirs: {}: {error}", path.display())))?;
    }
    let findings = preflight::look(shards, &config.log_dirs);
    print_table(&config, &findings);
    if let Some(advice) = findings.iter().find_map(|finding| match &finding.verdict {
        Verdict::Refused(advice) => Some(format!("{}: {advice}", finding.name)),
        Verdict::Good | Verdict::Drawback(_) => None,
    }) {
        return Err(StartError::Machine(advice));
    }
    let addresses = config.listeners.iter().map(listen_address).collect::<Result<Vec<_>, _>>()?;
    // With more shards than cores they share: shard i runs on core i modulo cores.
    let cpus = cpus.iter().copied().cycle().take(shards).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Shards)?;
    let local = tokio::task::LocalSet::new();
    runtime.block_on(local.run_until(control::run(config, cpus, addresses, started_ns)))
}

/// The address that a listener will be opened at: free right now, its port chosen if it was 0.
fn listen_address(listener: &crate::config::Listener) -> Result<SocketAddr, StartError> {
    let refuse = |reason: String| StartError::Listener { listener: format!("{}://{}:{}", listener.name, listener.host, listener.port), reason };
    let host = if listener.host.is_empty() { "0.0.0.0" } else { listener.host.as_str() };
    let mut addresses = (host, listener.port).to_socket_addrs().map_err(|error| refuse(error.to_string()))?;
    let address = addresses.next().ok_or_else(|| refuse("the name has no address".to_owned()))?;
    let started_ns = clock::monotonic_ns();
    loop {
        match net::free_address(address) {
            // The kernel takes a moment to give up the sockets of a process with io_uring, even one that was killed.
            Err(error) if error.kind() == ErrorKind::AddrInUse && clock::monotonic_ns() - started_ns < ADDRESS_PATIENCE_NS => {
                std::thread::park_timeout(Duration::from_millis(10));
            }
            result => return result.map_err(|error| refuse(error.to_string())),
        }
    }
}

/// Tells the operator what was found, on standard output.
fn print_table(config: &BrokerConfig, findings: &[Finding]) {
    let durability = "acks=all answers when records are flushed to the device (corelog.acks.all)";
    let listeners: Vec<String> =
        config.listeners.iter().map(|listener| format!("{}://{}:{}", listener.name, listener.host, listener.port)).collect();
    let mut text = format!("corelog {}, node {}\n", env!("CARGO_PKG_VERSION"), config.node_id);
    for finding in findings {
        let (mark, remark) = match &finding.verdict {
            Verdict::Good => ("ok", ""),
            Verdict::Drawback(remark) => ("!", remark.as_str()),
            Verdict::Refused(remark) => ("NO", remark.as_str()),
        };
        text.push_str(&format!("  {:<14} {:<2} {}\n", finding.name, mark, finding.value));
        if !remark.is_empty() {
            text.push_str(&format!("  {:<14}    {remark}\n", ""));
        }
    }
    text.push_str(&format!("  {:<14} {:<2} {}\n", "listeners", "", listeners.join(", ")));
    text.push_str(&format!("  {:<14} {:<2} {durability}\n", "durability", ""));
    write_out(&text);
}

/// Writes to standard output; nobody reading it is no reason to stop.
pub(super) fn write_out(text: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        tracing::debug!("standard output is closed");
    }
}
