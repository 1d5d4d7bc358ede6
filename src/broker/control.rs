//! The control thread: brings the parts up in order, listens to signals and to the shards, takes them down in order.
//!
//! Runs on the main thread (tokio, one thread). Owns the log directories' locks and their checkpoint files.
//!
//! ```text
//! up:   directories → controller → shards open partitions → unfence → serve
//! down: drain → give up leadership → shards close partitions → checkpoints → clean mark
//! ```

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::signal::unix::{SignalKind, signal};

use super::{
    checkpoints,
    shards::{self, Command, Entrance, Report, Setup},
    start::{StartError, write_out},
};
use crate::{
    config::BrokerConfig,
    controller::{self, ControllerClient, ControllerTask, Spread},
    metadata::{
        ClusterImage,
        directory::{Identity, LogDirs},
        image,
    },
    network::ConnectionCounts,
    runtime::{
        clock,
        executor::{Running, ShardThreads},
        link, priority,
    },
    shard::{Checkpoint, PeerLinks},
    types::{ShardId, Text, Uuid, limits::LINK_CAPACITY},
};

/// What happens on the control thread.
#[derive(Debug)]
enum Event {
    Report(ShardId, Report),
    Stop(&'static str),
    CheckpointDue,
    ControllerFailed(String),
}

/// Brings the broker up, runs it until it is told to stop, takes it down.
pub(super) async fn run(config: BrokerConfig, cpus: Vec<usize>, addresses: Vec<SocketAddr>, started_ns: u64) -> Result<(), StartError> {
    let config = Arc::new(config);
    let identity = Identity { node_id: config.node_id, cluster_id: None };
    let dirs = LogDirs::open(&config.log_dirs, &config.metadata_log_dir, &identity).map_err(metadata_error)?;
    for (path, error) in &dirs.failed {
        tracing::error!(directory = %path.display(), %error, "this log directory cannot be used: its partitions are offline");
    }
    let shards = u16::try_from(cpus.len()).unwrap_or(u16::MAX);
    let (publishers, subscribers): (Vec<_>, Vec<_>) = (0..shards).map(|_| flume::unbounded()).unzip();
    let listeners = advertised(&config, &addresses);
    let started = controller::start(&dirs, Arc::clone(&config), listeners, clock::now_ms()).map_err(metadata_error)?;
    let (events, happened) = flume::unbounded();
    let spread = Arc::new(Spread::new(shards));
    tokio::task::spawn_local(decide(started.task, publishers, Arc::clone(&spread), events.clone()));
    let (running, commands) = start_shards(Shards {
        config: &config,
        dirs: &dirs,
        cpus,
        addresses: addresses.clone(),
        client: started.client.clone(),
        image: started.image,
        subscribers,
        spread,
        events: events.clone(),
    })?;
    watch_signals(&events).map_err(StartError::Shards)?;
    let mut control = Control {
        config,
        dirs,
        client: started.client,
        shards: running,
        commands,
        happened,
        latest: BTreeMap::new(),
        failed: Vec::new(),
        told_to_stop: None,
    };
    control.bring_up().await?;
    announce(&addresses, started_ns);
    control.remind(events);
    let outcome = control.serve().await;
    control.take_down().await.and(outcome)
}

/// Runs the controller. If it fails, the cluster's metadata cannot change any more: the broker must end.
async fn decide(
    task: ControllerTask,
    publishers: Vec<flume::Sender<Arc<ClusterImage>>>,
    spread: Arc<Spread>,
    events: flume::Sender<Event>,
) {
    if let Err(error) = task.run(publishers, spread).await {
        tracing::error!(%error, "the controller failed");
        // Without a receiver the broker is ending already.
        drop(events.send(Event::ControllerFailed(error.to_string())));
    }
}

fn metadata_error(error: impl std::fmt::Display) -> StartError {
    StartError::Metadata(error.to_string())
}

/// Where clients are told to connect: what is configured, with the host and the port of the listener where it leaves them out.
fn advertised(config: &BrokerConfig, addresses: &[SocketAddr]) -> Vec<image::Listener> {
    let own_name = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    config
        .advertised_listeners
        .iter()
        .map(|advertised| {
            let at = config.listeners.iter().position(|listener| listener.name == advertised.name);
            let bound = at.and_then(|at| addresses.get(at));
            let host = if advertised.host.is_empty() { own_name() } else { advertised.host.clone() };
            image::Listener {
                name: advertised.name.as_str().into(),
                host: host.into(),
                port: if advertised.port == 0 { bound.map_or(0, SocketAddr::port) } else { advertised.port },
                security_protocol: 0,
            }
        })
        .collect()
}

/// Says that the broker can be used: log readers and tests wait for this line.
fn announce(addresses: &[SocketAddr], started_ns: u64) {
    let ms = (clock::monotonic_ns() - started_ns) / 1_000_000;
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    write_out(&format!("ready for clients at {} after {ms} ms\n", addresses.join(", ")));
}

struct Control {
    config: Arc<BrokerConfig>,
    dirs: LogDirs,
    client: ControllerClient,
    shards: Running<()>,
    commands: Vec<flume::Sender<Command>>,
    happened: flume::Receiver<Event>,
    /// What each shard said last about its partitions.
    latest: BTreeMap<ShardId, Vec<Checkpoint>>,
    failed: Vec<Uuid>,
    /// The signal that told the broker to stop, if it came before there was anything to stop.
    told_to_stop: Option<&'static str>,
}

impl Control {
    async fn bring_up(&mut self) -> Result<(), StartError> {
        self.wait_for_all(|report| matches!(report, Report::Opened)).await?;
        self.client.unfence().await.map_err(metadata_error)?;
        self.tell(&Command::Serve);
        self.wait_for_all(|report| matches!(report, Report::Serving)).await
    }

    /// Reminds the control thread of the checkpoints.
    fn remind(&self, events: flume::Sender<Event>) {
        let every = [
            self.config.log_flush_offset_checkpoint_interval_ms,
            self.config.log_flush_start_offset_checkpoint_interval_ms,
            self.config.replica_high_watermark_checkpoint_interval_ms,
        ];
        let every = Duration::from_millis(every.into_iter().min().unwrap_or(u64::MAX).max(100));
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(every).await;
                if events.send(Event::CheckpointDue).is_err() {
                    return;
                }
            }
        });
    }

    /// Serves until told to stop, or until the last log directory has failed.
    async fn serve(&mut self) -> Result<(), StartError> {
        if let Some(signal) = self.told_to_stop {
            tracing::info!(signal, "stopping");
            return Ok(());
        }
        while let Ok(event) = self.happened.recv_async().await {
            match event {
                Event::Stop(signal) => {
                    tracing::info!(signal, "stopping");
                    return Ok(());
                }
                Event::CheckpointDue => self.tell(&Command::Checkpoint),
                Event::ControllerFailed(why) => return Err(StartError::Metadata(why)),
                Event::Report(_, Report::DirectoryFailed(id, why)) => self.directory_failed(id, &why).await?,
                Event::Report(shard, report) => self.heard(shard, report),
            }
        }
        Ok(())
    }

    /// Drains, closes, and leaves the mark that the next start needs no recovery.
    async fn take_down(mut self) -> Result<(), StartError> {
        self.tell(&Command::Drain);
        self.wait_for_all(|report| matches!(report, Report::Drained)).await?;
        let epoch = self.client.shutdown().await;
        self.tell(&Command::Close);
        let mut clean = true;
        for _ in 0..self.commands.len() {
            clean &= self.wait_for_closed().await;
        }
        self.write_checkpoints();
        self.shards.join().map_err(StartError::Shards)?;
        match epoch {
            Ok(epoch) if clean => {
                self.dirs.mark_clean(epoch, &self.failed).map_err(metadata_error)?;
                write_out("stopped\n");
                Ok(())
            }
            _ => Err(StartError::Unclean),
        }
    }

    fn tell(&self, command: &Command) {
        for shard in &self.commands {
            if shard.send(command.clone()).is_err() {
                tracing::error!(?command, "a shard has ended before its time");
            }
        }
    }

    /// Waits until every shard has said something once; other news is taken in as usual.
    async fn wait_for_all(&mut self, wanted: impl Fn(&Report) -> bool) -> Result<(), StartError> {
        let mut missing = self.commands.len();
        while missing > 0 {
            match self.happened.recv_async().await {
                Ok(Event::Report(_, report)) if wanted(&report) => missing -= 1,
                Ok(Event::Report(_, Report::Broken(why))) => {
                    return Err(StartError::Listener { listener: "a configured address".to_owned(), reason: why });
                }
                Ok(Event::Report(_, Report::DirectoryFailed(id, why))) => self.directory_failed(id, &why).await?,
                Ok(Event::Report(shard, report)) => self.heard(shard, report),
                Ok(Event::Stop(signal)) => self.told_to_stop = Some(signal),
                Ok(Event::CheckpointDue) => {}
                Ok(Event::ControllerFailed(why)) => return Err(StartError::Metadata(why)),
                Err(_) => return Err(StartError::Shards(std::io::Error::other("all shards have ended"))),
            }
        }
        Ok(())
    }

    async fn wait_for_closed(&mut self) -> bool {
        loop {
            match self.happened.recv_async().await {
                Ok(Event::Report(shard, Report::Closed(clean, checkpoints))) => {
                    self.latest.insert(shard, checkpoints);
                    return clean;
                }
                Ok(Event::Report(shard, report)) => self.heard(shard, report),
                Ok(Event::Stop(_) | Event::CheckpointDue | Event::ControllerFailed(_)) => {}
                Err(_) => return false,
            }
        }
    }

    fn heard(&mut self, shard: ShardId, report: Report) {
        match report {
            Report::Checkpoints(checkpoints) => {
                self.latest.insert(shard, checkpoints);
                if self.latest.len() == self.commands.len() {
                    self.write_checkpoints();
                }
            }
            Report::DirectoryFailed(id, why) => tracing::error!(directory = %id, why, "a log directory failed while stopping"),
            Report::Opened | Report::Serving | Report::Drained | Report::Broken(_) | Report::Closed(..) => {
                tracing::debug!(shard = shard.get(), ?report, "an unexpected report");
            }
        }
    }

    fn write_checkpoints(&self) {
        let working: Vec<_> = self.dirs.dirs.iter().filter(|dir| !self.failed.contains(&dir.id)).collect();
        let all: Vec<&Checkpoint> = self.latest.values().flatten().collect();
        checkpoints::write(&working, &all);
    }

    async fn directory_failed(&mut self, id: Uuid, why: &str) -> Result<(), StartError> {
        if self.failed.contains(&id) {
            return Ok(());
        }
        tracing::error!(directory = %id, why, "a log directory failed and is retired; its partitions are offline until a restart");
        self.failed.push(id);
        if self.dirs.ids().iter().all(|id| self.failed.contains(id)) {
            return Err(StartError::AllDirectoriesFailed);
        }
        self.client.report_failed_dir(id).await.map_err(metadata_error)
    }
}

/// What the shards are started with.
struct Shards<'a> {
    config: &'a Arc<BrokerConfig>,
    dirs: &'a LogDirs,
    cpus: Vec<usize>,
    addresses: Vec<SocketAddr>,
    client: ControllerClient,
    image: Arc<ClusterImage>,
    subscribers: Vec<flume::Receiver<Arc<ClusterImage>>>,
    spread: Arc<Spread>,
    events: flume::Sender<Event>,
}

fn start_shards(shards: Shards<'_>) -> Result<(Running<()>, Vec<flume::Sender<Command>>), StartError> {
    let Shards { config, dirs, cpus, addresses, client, image, subscribers, spread, events } = shards;
    let count = u16::try_from(cpus.len()).unwrap_or(u16::MAX);
    let directories: Vec<(Uuid, PathBuf)> = dirs.dirs.iter().map(|dir| (dir.id, dir.path.clone())).collect();
    let opening = Arc::new(checkpoints::read(&dirs.dirs));
    let counts = ConnectionCounts::new(count);
    let mut commands = Vec::new();
    let mut setups = Vec::new();
    let links = mesh(count);
    for (((id, links), images), entrance) in (0..count).map(ShardId).zip(links).zip(subscribers).zip(entrances(count, addresses)) {
        let (command, commanded) = flume::unbounded();
        commands.push(command);
        let (give, take) = flume::bounded(1);
        let setup = Setup {
            id,
            count,
            node_id: config.node_id,
            cluster_id: Text::from(dirs.cluster_id.as_str()),
            config: Arc::clone(config),
            controller: client.clone(),
            image: Arc::clone(&image),
            images,
            spread: Arc::clone(&spread),
            directories: directories.clone(),
            opening: Arc::clone(&opening),
            links,
            entrance,
            counts: counts.clone(),
            commands: commanded,
            reports: reports_of(id, events.clone()),
        };
        if give.send(setup).is_err() {
            return Err(StartError::Shards(std::io::Error::other("a shard's setup is lost")));
        }
        setups.push(take);
    }
    let threads = ShardThreads { cpus, directories: dirs.dirs.iter().map(|dir| dir.path.clone()).collect(), spin: Duration::ZERO };
    // The threads are started from one function; each takes the setup that was made for it.
    let setups = Arc::new(setups);
    let running = threads.start(move |id| {
        let setup = setups.get(id.index()).and_then(|setup| setup.try_recv().ok());
        async move {
            match setup {
                Some(setup) => shards::run(setup).await,
                None => tracing::error!(shard = id.get(), "a shard without a setup"),
            }
        }
    });
    let running = running.map_err(StartError::Shards)?;
    // This thread has no core of its own; making a thousand partitions takes it 25 ms.
    priority::step_back();
    Ok((running, commands))
}

/// The links between all shards: one request link and one reply link for each ordered pair.
fn mesh(count: u16) -> Vec<Vec<PeerLinks>> {
    let mut mesh: Vec<Vec<PeerLinks>> = (0..count).map(|_| Vec::new()).collect();
    for low in 0..count {
        for high in low + 1..count {
            let (up_requests_out, up_requests_in) = link::pair(LINK_CAPACITY);
            let (up_replies_out, up_replies_in) = link::pair(LINK_CAPACITY);
            let (down_requests_out, down_requests_in) = link::pair(LINK_CAPACITY);
            let (down_replies_out, down_replies_in) = link::pair(LINK_CAPACITY);
            mesh[usize::from(low)].push(PeerLinks {
                peer: ShardId(high),
                requests_out: up_requests_out,
                requests_in: down_requests_in,
                replies_out: up_replies_out,
                replies_in: down_replies_in,
            });
            mesh[usize::from(high)].push(PeerLinks {
                peer: ShardId(low),
                requests_out: down_requests_out,
                requests_in: up_requests_in,
                replies_out: down_replies_out,
                replies_in: up_replies_in,
            });
        }
    }
    mesh
}

/// How connections come to each shard: shard 0 accepts for all.
fn entrances(count: u16, addresses: Vec<SocketAddr>) -> Vec<Entrance> {
    let (outs, ins): (Vec<_>, Vec<_>) = (1..count).map(|_| link::pair(LINK_CAPACITY)).unzip();
    std::iter::once(Entrance::Front(addresses, outs)).chain(ins.into_iter().map(Entrance::Back)).collect()
}

fn reports_of(id: ShardId, events: flume::Sender<Event>) -> shards::Reports {
    shards::Reports::new(move |report| events.send(Event::Report(id, report)).is_ok())
}

/// SIGTERM and SIGINT stop the broker in order; a second one has nothing to add.
fn watch_signals(events: &flume::Sender<Event>) -> std::io::Result<()> {
    for (kind, name) in [(SignalKind::terminate(), "SIGTERM"), (SignalKind::interrupt(), "SIGINT")] {
        let (mut signals, events) = (signal(kind)?, events.clone());
        tokio::task::spawn_local(async move {
            while signals.recv().await.is_some() {
                if events.send(Event::Stop(name)).is_err() {
                    return;
                }
            }
        });
    }
    Ok(())
}
