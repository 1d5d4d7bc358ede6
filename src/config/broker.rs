//! The static configuration of a broker as the rest of it reads it.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use crate::types::NodeId;

use super::{ConfigError, Dynamic, GroupConfig, Layers, Listener, Notice, TopicConfig, Value, keys, resolve};

/// Everything that is fixed while the broker runs, checked. Sizes in bytes, times in milliseconds.
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// `node.id` (or `broker.id`).
    pub node_id: NodeId,
    /// `broker.rack`.
    pub broker_rack: Option<String>,
    /// `listeners`, without those of controllers; at least one.
    pub listeners: Vec<Listener>,
    /// `advertised.listeners`, those of `listeners` that are told to clients, in their order; see [`Listener`] for absent hosts and ports.
    pub advertised_listeners: Vec<Listener>,
    /// `log.dirs` or `log.dir`; at least one, none twice.
    pub log_dirs: Vec<PathBuf>,
    /// `metadata.log.dir`, or the first of `log_dirs`.
    pub metadata_log_dir: PathBuf,
    /// `num.partitions`.
    pub num_partitions: i32,
    /// `default.replication.factor`; always 1 so far.
    pub default_replication_factor: i16,
    /// `auto.create.topics.enable`.
    pub auto_create_topics_enable: bool,
    /// `delete.topic.enable`.
    pub delete_topic_enable: bool,
    /// `fetch.max.bytes`.
    pub fetch_max_bytes: usize,
    /// `max.incremental.fetch.session.cache.slots`.
    pub max_incremental_fetch_session_cache_slots: usize,
    /// `max.request.partition.size.limit`.
    pub max_request_partition_size_limit: usize,
    /// `socket.request.max.bytes`.
    pub socket_request_max_bytes: usize,
    /// `socket.send.buffer.bytes`; absent: the system's choice.
    pub socket_send_buffer_bytes: Option<usize>,
    /// `socket.receive.buffer.bytes`; absent: the system's choice.
    pub socket_receive_buffer_bytes: Option<usize>,
    /// `socket.listen.backlog.size`.
    pub socket_listen_backlog_size: i32,
    /// `connections.max.idle.ms`; absent: never closed for silence.
    pub connections_max_idle_ms: Option<u64>,
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration_ms: i64,
    /// `producer.id.expiration.check.interval.ms`.
    pub producer_id_expiration_check_interval_ms: u64,
    /// `log.retention.check.interval.ms`.
    pub log_retention_check_interval_ms: u64,
    /// `log.flush.offset.checkpoint.interval.ms`.
    pub log_flush_offset_checkpoint_interval_ms: u64,
    /// `log.flush.start.offset.checkpoint.interval.ms`.
    pub log_flush_start_offset_checkpoint_interval_ms: u64,
    /// `replica.high.watermark.checkpoint.interval.ms`.
    pub replica_high_watermark_checkpoint_interval_ms: u64,
    /// `metadata.log.max.record.bytes.between.snapshots`.
    pub metadata_log_max_record_bytes_between_snapshots: u64,
    /// `metadata.log.max.snapshot.interval.ms`; absent: not by time.
    pub metadata_log_max_snapshot_interval_ms: Option<u64>,
    /// `corelog.cores`; absent: one shard for every core that the process may run on.
    pub cores: Option<u16>,
    /// `corelog.memory.cache.bytes`, of each shard.
    pub memory_cache_bytes: usize,
    /// `corelog.memory.requests.bytes`, of each shard.
    pub memory_requests_bytes: usize,
    /// `corelog.connection.inflight.max`.
    pub connection_inflight_max: usize,
    /// `corelog.connection.inflight.bytes`.
    pub connection_inflight_bytes: usize,
    /// `corelog.frame.deadline.ms`.
    pub frame_deadline_ms: u64,
    /// `corelog.response.deadline.ms`.
    pub response_deadline_ms: u64,
    /// `corelog.decompressed.bytes.max`.
    pub decompressed_bytes_max: usize,
    /// `corelog.disk.reserve.bytes`.
    pub disk_reserve_bytes: u64,
    /// `corelog.topics.max`.
    pub topics_max: usize,
    /// `corelog.partitions.max`.
    pub partitions_max: usize,
    /// `corelog.producers.per.partition.max`.
    pub producers_per_partition_max: usize,
    /// `group.*` and `offsets.*`.
    pub groups: GroupConfig,
    layers: Layers,
}

/// The broker configs that may change while the broker runs, besides the defaults of topics
/// (see [`TopicConfig::defaults`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveConfig {
    /// `max.connections`.
    pub max_connections: usize,
    /// `max.connections.per.ip`.
    pub max_connections_per_ip: usize,
    /// `max.connections.per.ip.overrides`.
    pub max_connections_per_ip_overrides: BTreeMap<IpAddr, usize>,
}

impl LiveConfig {
    /// How many connections may come from `ip`, and the setting that says so.
    pub fn connections_of(&self, ip: IpAddr) -> (&'static str, usize) {
        match self.max_connections_per_ip_overrides.get(&ip.to_canonical()) {
            Some(most) => ("max.connections.per.ip.overrides", *most),
            None => ("max.connections.per.ip", self.max_connections_per_ip),
        }
    }
}

impl BrokerConfig {
    /// The configuration that `layers` make, and what to tell the operator about it.
    ///
    /// # Errors
    /// Everything that is wrong with it, each problem with key, value, what is allowed, and file and line.
    pub fn from_layers(mut layers: Layers) -> Result<(Self, Vec<Notice>), ConfigError> {
        let listeners = super::listener_keys::read(&mut layers);
        let log_dirs = read_log_dirs(&mut layers);
        let node_id = read_node_id(&mut layers);
        check_quorum(&mut layers, node_id);
        check_sizes(&mut layers);
        if let Err(problem) = overrides_per_ip(&Read(&layers).text("max.connections.per.ip.overrides")) {
            layers.problem("max.connections.per.ip.overrides", problem);
        }
        let mut config = Self::assemble(layers, node_id, log_dirs, listeners);
        if let Err(problem) = TopicConfig::defaults(&config, Dynamic::default()).check() {
            config.layers.problem("log.cleaner.min.compaction.lag.ms", problem);
        }
        let notices = config.layers.finish()?;
        Ok((config, notices))
    }

    /// The configuration without a file or an override: a single node on 127.0.0.1:9092 with its data in
    /// `./corelog-data`.
    ///
    /// # Errors
    /// None: a test holds the embedded defaults to be valid.
    pub fn embedded() -> Result<Self, ConfigError> {
        Self::from_layers(Layers::new()).map(|(config, _)| config)
    }

    /// What was set by file and command line, and where.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The configs that may change while the broker runs, as they are with these dynamic ones.
    pub fn live(&self, dynamic: Dynamic<'_>) -> LiveConfig {
        let value = |name| keys::broker(name).and_then(|key| resolve::broker_value(&self.layers, dynamic, key));
        let count = |name| value(name).map_or(0, |value| usize::try_from(value.int()).unwrap_or(0));
        let overrides = value("max.connections.per.ip.overrides");
        LiveConfig {
            max_connections: count("max.connections"),
            max_connections_per_ip: count("max.connections.per.ip"),
            max_connections_per_ip_overrides: overrides
                .and_then(|value| overrides_per_ip(value.text()).ok())
                .unwrap_or_default(),
        }
    }

    fn assemble(
        layers: Layers,
        node_id: NodeId,
        log_dirs: Vec<PathBuf>,
        listeners: (Vec<Listener>, Vec<Listener>),
    ) -> Self {
        let read = Read(&layers);
        let metadata_log_dir = match read.text("metadata.log.dir").as_str() {
            "" => log_dirs.first().cloned().unwrap_or_default(),
            set => PathBuf::from(set),
        };
        Self {
            node_id,
            broker_rack: Some(read.text("broker.rack")).filter(|rack| !rack.is_empty()),
            listeners: listeners.0,
            advertised_listeners: listeners.1,
            metadata_log_dir,
            log_dirs,
            num_partitions: i32::try_from(read.int("num.partitions")).unwrap_or(1),
            default_replication_factor: i16::try_from(read.int("default.replication.factor")).unwrap_or(1),
            auto_create_topics_enable: read.bool("auto.create.topics.enable"),
            delete_topic_enable: read.bool("delete.topic.enable"),
            fetch_max_bytes: read.size("fetch.max.bytes"),
            max_incremental_fetch_session_cache_slots: read.size("max.incremental.fetch.session.cache.slots"),
            max_request_partition_size_limit: read.size("max.request.partition.size.limit"),
            socket_request_max_bytes: read.size("socket.request.max.bytes"),
            socket_send_buffer_bytes: read.limit("socket.send.buffer.bytes").map(|bytes| bytes as usize),
            socket_receive_buffer_bytes: read.limit("socket.receive.buffer.bytes").map(|bytes| bytes as usize),
            socket_listen_backlog_size: i32::try_from(read.int("socket.listen.backlog.size")).unwrap_or(i32::MAX),
            connections_max_idle_ms: read.limit("connections.max.idle.ms"),
            producer_id_expiration_ms: read.int("producer.id.expiration.ms"),
            producer_id_expiration_check_interval_ms: read.ms("producer.id.expiration.check.interval.ms"),
            log_retention_check_interval_ms: read.ms("log.retention.check.interval.ms"),
            log_flush_offset_checkpoint_interval_ms: read.ms("log.flush.offset.checkpoint.interval.ms"),
            log_flush_start_offset_checkpoint_interval_ms: read.ms("log.flush.start.offset.checkpoint.interval.ms"),
            replica_high_watermark_checkpoint_interval_ms: read.ms("replica.high.watermark.checkpoint.interval.ms"),
            metadata_log_max_record_bytes_between_snapshots: read.ms("metadata.log.max.record.bytes.between.snapshots"),
            metadata_log_max_snapshot_interval_ms: read
                .limit("metadata.log.max.snapshot.interval.ms")
                .filter(|ms| *ms > 0),
            cores: u16::try_from(read.int("corelog.cores")).ok().filter(|cores| *cores > 0),
            memory_cache_bytes: read.size("corelog.memory.cache.bytes"),
            memory_requests_bytes: read.size("corelog.memory.requests.bytes"),
            connection_inflight_max: read.size("corelog.connection.inflight.max"),
            connection_inflight_bytes: read.size("corelog.connection.inflight.bytes"),
            frame_deadline_ms: read.ms("corelog.frame.deadline.ms"),
            response_deadline_ms: read.ms("corelog.response.deadline.ms"),
            decompressed_bytes_max: read.size("corelog.decompressed.bytes.max"),
            disk_reserve_bytes: read.ms("corelog.disk.reserve.bytes"),
            topics_max: read.size("corelog.topics.max"),
            partitions_max: read.size("corelog.partitions.max"),
            producers_per_partition_max: read.size("corelog.producers.per.partition.max"),
            groups: GroupConfig::read(&read),
            layers,
        }
    }
}

/// Reads static values. A key that is set to something wrong has its default here; the problem is already noted.
pub(super) struct Read<'a>(pub(super) &'a Layers);

impl Read<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        keys::broker(name).and_then(|key| resolve::broker_value(self.0, Dynamic::default(), key))
    }

    pub(super) fn int(&self, name: &str) -> i64 {
        self.value(name).map_or(0, |value| value.int())
    }

    fn bool(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value.bool())
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.value(name).map_or_else(String::new, |value| value.text().to_owned())
    }

    pub(super) fn list(&self, name: &str) -> Vec<String> {
        self.value(name).map_or_else(Vec::new, |value| value.list().to_vec())
    }

    /// A number that the table keeps from being negative.
    pub(super) fn ms(&self, name: &str) -> u64 {
        u64::try_from(self.int(name)).unwrap_or(0)
    }

    pub(super) fn size(&self, name: &str) -> usize {
        usize::try_from(self.int(name)).unwrap_or(0)
    }

    /// A number whose negative values mean none.
    fn limit(&self, name: &str) -> Option<u64> {
        u64::try_from(self.int(name)).ok()
    }
}

fn read_log_dirs(layers: &mut Layers) -> Vec<PathBuf> {
    let name = if layers.get("log.dirs").is_some() { "log.dirs" } else { "log.dir" };
    let entries = Read(layers).list(name);
    let repeated = entries.iter().enumerate().any(|(index, entry)| entries[..index].contains(entry));
    if entries.is_empty() || entries.iter().any(String::is_empty) {
        layers.problem(name, "must name at least one folder, and no empty one");
    } else if repeated {
        layers.problem(name, "names a folder twice");
    }
    if layers.get("log.dirs").is_some() && layers.get("log.dir").is_some() {
        layers.notice("log.dir", "has no effect: log.dirs is set");
    }
    entries.into_iter().map(PathBuf::from).collect()
}

fn read_node_id(layers: &mut Layers) -> NodeId {
    let read = Read(layers);
    let (node_id, broker_id) = (read.int("node.id"), read.int("broker.id"));
    let id = match (layers.get("node.id"), layers.get("broker.id")) {
        (Some(_), Some(_)) if broker_id >= 0 && node_id != broker_id => {
            layers.problem("broker.id", format!("is the old name of node.id, which is {node_id}; set only one"));
            node_id
        }
        (None, Some(_)) if broker_id >= 0 => broker_id,
        _ => node_id,
    };
    NodeId(i32::try_from(id).unwrap_or(0))
}

/// The quorum must be this node alone.
fn check_quorum(layers: &mut Layers, node_id: NodeId) {
    let voters = Read(layers).list("controller.quorum.voters");
    let is_me = |voter: &String| voter.split_once('@').and_then(|(id, _)| id.parse().ok()) == Some(node_id.get());
    if voters.len() > 1 || !voters.iter().all(is_me) {
        let text = format!("must be empty or {node_id}@host:port: several controllers are not supported yet");
        layers.problem("controller.quorum.voters", text);
    }
    if Read(layers).list("controller.quorum.bootstrap.servers").len() > 1 {
        layers.problem("controller.quorum.bootstrap.servers", "several controllers are not supported yet");
    }
}

/// Limits that must fit into each other (the same as in `types/limits.rs`).
fn check_sizes(layers: &mut Layers) {
    for (small, large) in [
        ("socket.request.max.bytes", "corelog.connection.inflight.bytes"),
        ("corelog.connection.inflight.bytes", "corelog.memory.requests.bytes"),
    ] {
        let (low, high) = (Read(layers).int(small), Read(layers).int(large));
        if low > high {
            layers.problem(small, format!("must not be over {large}, which is {high}"));
        }
    }
}

/// `address:count,...`; IPv6 addresses in brackets.
fn overrides_per_ip(text: &str) -> Result<BTreeMap<IpAddr, usize>, String> {
    let mut found = BTreeMap::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let wrong = || format!("{entry:?} must be an IP address, a colon and a number of connections");
        let (address, count) = entry.rsplit_once(':').ok_or_else(wrong)?;
        let address = address.strip_prefix('[').and_then(|inside| inside.strip_suffix(']')).unwrap_or(address);
        found.insert(address.parse().map_err(|_| wrong())?, count.parse().map_err(|_| wrong())?);
    }
    Ok(found)
}

/// Checks what is more than its type: for dynamic changes.
pub(super) fn check_dynamic(name: &str, value: &Value) -> Result<(), String> {
    match name {
        "max.connections.per.ip.overrides" => overrides_per_ip(value.text()).map(|_| ()),
        _ => Ok(()),
    }
}
