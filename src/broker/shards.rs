//! The life of a shard's thread: open its partitions, serve, close.
//!
//! Runs on each shard. The control thread steers it by [`Command`]s and hears from it by [`Report`]s.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    path::PathBuf,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use crate::{
    api::Api,
    config::BrokerConfig,
    controller::{ControllerClient, Spread},
    log::{LogShared, SharedLimits, StorageFailure, sync_file_system},
    metadata::ClusterImage,
    network::{Acceptor, ConnectionCounts, ConnectionLimits, Door, NetworkLimits, Registry},
    partition::{Pace, PartitionEnv},
    runtime::{channel, link, net::{Accepted, ListenOptions, Listener}, task},
    shard::{Checkpoint, LogDirectory, Opening, PeerLinks, Router, Shard, ShardParts, flusher},
    types::{NodeId, ShardId, Text, Uuid},
};

/// How long the requests in work may take when the broker stops.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// What the control thread tells a shard.
#[derive(Clone, Debug)]
pub(super) enum Command {
    /// Accept connections and serve them.
    Serve,
    /// Report the checkpoints.
    Checkpoint,
    /// Take no more requests, finish those in work, close the connections.
    Drain,
    /// Close the partitions and end.
    Close,
}

/// What a shard tells the control thread.
#[derive(Debug)]
pub(super) enum Report {
    /// The partitions are open (or failed and said so).
    Opened,
    /// It serves.
    Serving,
    /// It cannot serve; why.
    Broken(String),
    /// Where its partitions stand.
    Checkpoints(Vec<Checkpoint>),
    /// No request is in work any more.
    Drained,
    /// A log directory does not work any more.
    DirectoryFailed(Uuid, String),
    /// It has ended: whether all files are clean, and where its partitions stand.
    Closed(bool, Vec<Checkpoint>),
}

/// How connections come to a shard.
#[derive(Debug)]
pub(super) enum Entrance {
    /// It accepts them for all shards: addresses to listen at, ways to the other shards.
    Front(Vec<SocketAddr>, Vec<link::LinkOut<(Accepted, usize)>>),
    /// They come from shard 0.
    Back(link::LinkIn<(Accepted, usize)>),
}

/// All that a shard starts with.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) id: ShardId,
    pub(super) count: u16,
    pub(super) node_id: NodeId,
    pub(super) cluster_id: Text,
    pub(super) config: Arc<BrokerConfig>,
    pub(super) controller: ControllerClient,
    pub(super) image: Arc<ClusterImage>,
    pub(super) images: flume::Receiver<Arc<ClusterImage>>,
    pub(super) spread: Arc<Spread>,
    pub(super) directories: Vec<(Uuid, PathBuf)>,
    pub(super) opening: Arc<Opening>,
    pub(super) links: Vec<PeerLinks>,
    pub(super) entrance: Entrance,
    pub(super) counts: ConnectionCounts,
    pub(super) commands: flume::Receiver<Command>,
    pub(super) reports: Reports,
}

/// The way of a shard's reports to the control thread.
#[derive(Clone)]
pub(super) struct Reports(Arc<dyn Fn(Report) -> bool + Send + Sync>);

impl std::fmt::Debug for Reports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reports")
    }
}

impl Reports {
    /// `send` says whether anybody listens.
    pub(super) fn new(send: impl Fn(Report) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(send))
    }

    fn send(&self, report: Report) {
        if !(self.0)(report) {
            tracing::error!("the control thread is gone");
        }
    }
}

/// Runs a shard from its first partition to its last.
pub(super) async fn run(setup: Setup) {
    let Setup { id, count, node_id, cluster_id, config, controller, image, images, spread, .. } = setup;
    let Setup { directories, opening, links, entrance, counts, commands, reports, .. } = setup;
    let directories = log_directories(&config, directories, &reports);
    let router = Router::new(id, count);
    let parts = ShardParts {
        id,
        count,
        node_id,
        cluster_id,
        config: Arc::clone(&config),
        controller,
        image: Arc::clone(&image),
        spread,
        directories,
        router: Rc::clone(&router),
    };
    let shard = Shard::new(parts);
    router.connect(links, &shard);
    shard.reconcile(image, &opening).await;
    reports.send(Report::Opened);
    task::spawn("images", follow(Rc::clone(&shard), images));
    let stop = Rc::new(Cell::new(false));
    task::spawn("maintenance", Rc::clone(&shard).maintain(Rc::clone(&stop)));
    task::spawn("group timers", Rc::clone(&shard).tick_coordinators(Rc::clone(&stop)));

    let registry = Registry::new(limits(&config));
    let mut entrance = Some(entrance);
    while let Ok(command) = commands.recv_async().await {
        match command {
            Command::Serve => {
                let Some(entrance) = entrance.take() else { continue };
                let served = serve(&shard, &registry, entrance, counts.clone());
                reports.send(served.await.map_or_else(Report::Broken, |()| Report::Serving));
            }
            Command::Checkpoint => reports.send(Report::Checkpoints(shard.checkpoints())),
            Command::Drain => {
                // Who waits for a rebalance would not be answered before it ends.
                shard.stop_coordinators();
                registry.stop(DRAIN_PATIENCE).await;
                reports.send(Report::Drained);
            }
            Command::Close => {
                stop.set(true);
                let mut clean = shard.close_all().await;
                for directory in shard.directories() {
                    if let Err(error) = sync_file_system(directory.path.clone()).await {
                        tracing::error!(directory = %directory.path.display(), %error, "cannot flush the file system");
                        clean = false;
                    }
                }
                return reports.send(Report::Closed(clean, shard.checkpoints()));
            }
        }
    }
}

/// Follows the cluster's image: the newest counts, those in between need not be seen.
async fn follow(shard: Rc<Shard>, images: flume::Receiver<Arc<ClusterImage>>) {
    let nothing = Opening::default();
    while let Ok(mut image) = images.recv_async().await {
        while let Ok(newer) = images.try_recv() {
            image = newer;
        }
        shard.reconcile(image, &nothing).await;
    }
}

fn log_directories(config: &BrokerConfig, directories: Vec<(Uuid, PathBuf)>, reports: &Reports) -> Vec<LogDirectory> {
    let limits = SharedLimits {
        cache_bytes: config.memory_cache_bytes,
        producers_per_partition: config.producers_per_partition_max,
        ..SharedLimits::default()
    };
    let (failures, failed) = channel::unbounded();
    let log = LogShared::new(&limits, failures);
    let directories: Vec<LogDirectory> = directories
        .into_iter()
        .map(|(id, path)| {
            let (flusher, requests) = channel::unbounded();
            let retired = Rc::new(Cell::new(false));
            let directory_failed: Rc<dyn Fn(&std::io::Error)> = {
                let (reports, retired) = (reports.clone(), Rc::clone(&retired));
                Rc::new(move |error| {
                    if !retired.replace(true) {
                        reports.send(Report::DirectoryFailed(id, error.to_string()));
                    }
                })
            };
            let pace = Rc::new(Pace::default());
            let flushed = flusher::Flushed { pace: Rc::clone(&pace), retired: Rc::clone(&retired), failed: Rc::clone(&directory_failed) };
            task::spawn("flusher", flusher::run(path.clone(), requests, flushed));
            let env = PartitionEnv {
                log: Rc::clone(&log),
                flusher,
                pace,
                retired,
                directory_failed,
                decompressed_bytes_max: config.decompressed_bytes_max,
                producer_expiration_ms: config.producer_id_expiration_ms,
                full: Rc::default(),
            };
            LogDirectory { id, path, env }
        })
        .collect();
    let known = directories.clone();
    task::spawn("background failures", async move {
        while let Some(StorageFailure { folder, doing, error }) = failed.recv().await {
            tracing::error!(folder = %folder.display(), doing, %error, "background work on a log failed: its directory is retired");
            for directory in known.iter().filter(|directory| folder.starts_with(&directory.path)) {
                (directory.env.directory_failed)(&error);
            }
        }
    });
    directories
}

fn limits(config: &BrokerConfig) -> NetworkLimits {
    NetworkLimits {
        frame_bytes_max: config.socket_request_max_bytes,
        inflight_max: config.connection_inflight_max,
        inflight_bytes: config.connection_inflight_bytes,
        shard_request_bytes: config.memory_requests_bytes,
        idle_ms: config.connections_max_idle_ms.unwrap_or(u64::MAX),
        frame_deadline_ms: config.frame_deadline_ms,
        response_deadline_ms: config.response_deadline_ms,
        send_buffer_bytes: config.socket_send_buffer_bytes,
    }
}

/// The limits of connections as the newest image has them.
fn connection_limits(shard: &Rc<Shard>) -> ConnectionLimits {
    let shard = Rc::clone(shard);
    let known = RefCell::new((shard.image(), Rc::new(shard.live_config())));
    ConnectionLimits::new(move || {
        let mut known = known.borrow_mut();
        let image = shard.image();
        if !Arc::ptr_eq(&known.0, &image) {
            *known = (image, Rc::new(shard.live_config()));
        }
        Rc::clone(&known.1)
    })
}

async fn serve(shard: &Rc<Shard>, registry: &Rc<Registry>, entrance: Entrance, counts: ConnectionCounts) -> Result<(), String> {
    let api = Api::new(Rc::clone(shard));
    task::spawn("connection sweep", Rc::clone(registry).sweep());
    let own = shard.id().index();
    let admit: Rc<dyn Fn(Accepted, usize)> = {
        let (registry, counts) = (Rc::clone(registry), counts.clone());
        Rc::new(move |accepted, listener| {
            let (counts, peer) = (counts.clone(), accepted.peer().ip());
            registry.admit(&api, accepted, listener, move || counts.ended(own, peer));
        })
    };
    match entrance {
        Entrance::Back(link) => {
            task::spawn("entrance", async move {
                let link = link.connect().await;
                while let Some((accepted, listener)) = link.recv().await {
                    admit(accepted, listener);
                }
            });
        }
        Entrance::Front(addresses, links) => {
            let mut listeners = Vec::new();
            let config = shard.config();
            let options = ListenOptions {
                backlog: config.socket_listen_backlog_size,
                receive_buffer_bytes: config.socket_receive_buffer_bytes,
            };
            for address in addresses {
                listeners.push(Listener::bind(address, options).map_err(|error| format!("cannot listen at {address}: {error}"))?);
            }
            let mut doors = vec![Door::Here(admit)];
            for link in links {
                doors.push(Door::There(link.connect().await));
            }
            Acceptor { doors, counts, limits: connection_limits(shard) }.start(listeners);
        }
    }
    Ok(())
}
