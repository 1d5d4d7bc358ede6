//! From log directories to a controller that leads and a broker that is registered (kraft.version 0, one voter).
//!
//! Control thread. The records, in their order, are those that a real Kafka 4.3 writes:
//!
//! | step | records | when |
//! |---|---|---|
//! | new raft epoch | LeaderChange | always |
//! | bootstrap | Begin, FeatureLevel…, End | the log is empty |
//! | controller | RegisterController | always |
//! | other brokers | PartitionChange…, Fenced=1 | they were left unfenced: nobody else can reach this controller |
//! | crash | PartitionChange{Leader=-1}…, Fenced=1 | this broker was left unfenced and not in order |
//! | lost data | PartitionChange… | not left in order, and eligible leader replicas are on |
//! | registration | RegisterBroker, fenced | always |
//!
//! The broker leads nothing until it says that it has loaded its logs.

use std::sync::Arc;

use super::{
    ControllerError, brokers,
    client::ControllerClient,
    machine::Controller,
    task::ControllerTask,
};
use crate::{
    config::BrokerConfig,
    metadata::{
        ClusterImage,
        directory::LogDirs,
        image::{BrokerImage, ControllerImage, Listener, METADATA_VERSION, SupportedFeature, broker_record, controller_record},
        log::{LogSettings, MetadataLog},
        records::{BeginTransactionRecord, EndTransactionRecord, FeatureLevelRecord, MetadataRecord},
    },
    types::{BrokerEpoch, Text, Uuid},
};

/// The metadata.version that is written: 4.3-IV0.
pub const METADATA_VERSION_LEVEL: i16 = 30;

/// The level of group.version of a new cluster: with the consumer protocol (KIP-848).
const GROUP_VERSION_LEVEL: i16 = 1;

/// Features and the levels that corelog keeps its promises for. Those that a Kafka finalized beyond these are carried.
pub const SUPPORTED_FEATURES: &[(&str, i16, i16)] =
    &[("group.version", 0, GROUP_VERSION_LEVEL), ("kraft.version", 0, 1), (METADATA_VERSION, METADATA_VERSION_LEVEL, METADATA_VERSION_LEVEL)];

/// Requests that may wait for the controller; who comes later waits to be let in.
const INBOX_CAPACITY: usize = 1024;

/// A controller that leads and a broker that is registered and fenced.
#[derive(Debug)]
pub struct Started {
    /// To be run on the control thread.
    pub task: ControllerTask,
    /// To be handed to everyone who asks the controller.
    pub client: ControllerClient,
    /// The cluster as it is now.
    pub image: Arc<ClusterImage>,
    /// The epoch of this broker's registration.
    pub broker_epoch: BrokerEpoch,
}

/// Opens the metadata log, becomes its leader, and registers this broker under `listeners`, which is what clients are to
/// connect to. When this returns, all of it is on the device.
///
/// # Errors
/// The log cannot be read or written, or is of a metadata.version that is not supported.
pub fn start(dirs: &LogDirs, config: Arc<BrokerConfig>, listeners: Vec<Listener>, now_ms: i64) -> Result<Started, ControllerError> {
    let (mut log, builder) = MetadataLog::open(dirs.metadata_path(), log_settings(dirs, &config), now_ms)?;
    let is_new = log.is_new();
    let mut controller = Controller::new(builder, Arc::clone(&config));
    if !is_new {
        check_metadata_version(&controller)?;
    }
    dirs.remove_clean_markers()?;
    let leader_change = log.begin_epoch(now_ms)?;
    controller.apply(&[leader_change])?;
    let mut start = Start { log: &mut log, controller: &mut controller, now_ms };
    if is_new {
        start.bootstrap()?;
        check_metadata_version(start.controller)?;
    }
    start.register_controller(&config)?;
    start.settle_brokers(dirs)?;
    let broker_epoch = start.register_broker(dirs, &config, listeners)?;
    log.flush()?;
    let (sender, inbox) = flume::bounded(INBOX_CAPACITY);
    let image = Arc::new(controller.builder().image().clone());
    let task = ControllerTask::new(log, controller, inbox, sender.downgrade());
    Ok(Started { task, client: ControllerClient::new(sender), image, broker_epoch })
}

fn log_settings(dirs: &LogDirs, config: &BrokerConfig) -> LogSettings {
    let mut settings = LogSettings::new(config.node_id, dirs.metadata_id());
    settings.snapshot_bytes = config.metadata_log_max_record_bytes_between_snapshots;
    settings.snapshot_interval_ms =
        config.metadata_log_max_snapshot_interval_ms.map_or(i64::MAX, |interval| i64::try_from(interval).unwrap_or(i64::MAX));
    settings
}

struct Start<'a> {
    log: &'a mut MetadataLog,
    controller: &'a mut Controller,
    now_ms: i64,
}

impl Start<'_> {
    fn write(&mut self, records: Vec<MetadataRecord>) -> Result<(), ControllerError> {
        let staged = self.log.stage(records, self.now_ms)?;
        Ok(self.controller.apply(&staged)?)
    }

    /// What a new cluster starts with: the file that a format left, or what corelog itself would have left there.
    fn bootstrap(&mut self) -> Result<(), ControllerError> {
        let found = match self.log.read_bootstrap()? {
            Some(found) => found,
            None => {
                let own =
                    vec![feature_record(METADATA_VERSION, METADATA_VERSION_LEVEL), feature_record("group.version", GROUP_VERSION_LEVEL)];
                self.log.write_bootstrap(&own, self.now_ms)?;
                own
            }
        };
        let name = Some(Text::from_static("Bootstrap records"));
        let mut records = vec![MetadataRecord::BeginTransaction(BeginTransactionRecord { name })];
        records.extend(found.into_iter().filter_map(supported));
        records.push(MetadataRecord::EndTransaction(EndTransactionRecord {}));
        self.write(records)
    }

    fn register_controller(&mut self, config: &BrokerConfig) -> Result<(), ControllerError> {
        let controller = ControllerImage {
            id: config.node_id,
            incarnation_id: Uuid::random()?,
            zk_migration_ready: false,
            // No listener of its own: the only broker is in the same process.
            listeners: Vec::new(),
            features: self.features(),
        };
        self.write(vec![controller_record(&controller)])
    }

    /// Brings the brokers of the image to where they can be: nobody but this one, and this one not yet.
    fn settle_brokers(&mut self, dirs: &LogDirs) -> Result<(), ControllerError> {
        let own = self.controller.view().node;
        let left_in_order = |broker: &BrokerImage| broker.id == own && dirs.previous_broker_epoch() == Some(broker.epoch);
        let brokers: Vec<Arc<BrokerImage>> = self.controller.view().image.brokers.values().cloned().collect();
        for broker in &brokers {
            if !broker.fenced && !left_in_order(broker) {
                self.write(brokers::fence(self.controller.view(), broker))?;
            }
            if broker.id == own && !left_in_order(broker) {
                self.write(brokers::unclean_restart(self.controller.view(), own))?;
            }
        }
        Ok(())
    }

    fn register_broker(
        &mut self,
        dirs: &LogDirs,
        config: &BrokerConfig,
        listeners: Vec<Listener>,
    ) -> Result<BrokerEpoch, ControllerError> {
        // The epoch of a registration is the offset of its record, so it stands alone in its batch.
        let epoch = BrokerEpoch(self.log.end_offset().get());
        let broker = BrokerImage {
            id: config.node_id,
            epoch,
            incarnation_id: Uuid::random()?,
            listeners,
            features: self.features(),
            rack: config.broker_rack.as_deref().map(Text::from),
            fenced: true,
            in_controlled_shutdown: false,
            is_migrating_zk_broker: false,
            log_dirs: dirs.ids(),
            cordoned_log_dirs: None,
        };
        self.write(vec![broker_record(&broker)])?;
        Ok(epoch)
    }

    /// Levels to register with. A node promises every finalized feature, so those are in even if only carried.
    fn features(&self) -> Vec<SupportedFeature> {
        let known = SUPPORTED_FEATURES.iter();
        let known = known.map(|(name, min_level, max_level)| SupportedFeature { name: (*name).into(), min_level: *min_level, max_level: *max_level });
        let finalized = self.controller.view().image.features.iter();
        let carried = finalized.filter(|(name, _)| SUPPORTED_FEATURES.iter().all(|(known, ..)| **name != **known));
        known.chain(carried.map(|(name, level)| SupportedFeature { name: name.clone(), min_level: 0, max_level: *level })).collect()
    }
}

/// Refuses a cluster whose records would have to be written in other versions; nothing has been written then.
fn check_metadata_version(controller: &Controller) -> Result<(), ControllerError> {
    match controller.view().image.feature_level(METADATA_VERSION) {
        METADATA_VERSION_LEVEL => Ok(()),
        found => Err(ControllerError::MetadataVersion { found }),
    }
}

fn feature_record(name: &str, feature_level: i16) -> MetadataRecord {
    MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.into(), feature_level })
}

/// A record of `bootstrap.checkpoint`, unless it finalizes a feature that corelog does not have: a new cluster is not told
/// so. metadata.version stays as it is, to be refused if it cannot be had.
fn supported(record: MetadataRecord) -> Option<MetadataRecord> {
    let MetadataRecord::FeatureLevel(feature) = &record else { return Some(record) };
    if feature.name == METADATA_VERSION {
        return Some(record);
    }
    let (_, _, max_level) = SUPPORTED_FEATURES.iter().find(|(name, ..)| feature.name == *name)?;
    (feature.feature_level.min(*max_level) > 0).then(|| feature_record(&feature.name, feature.feature_level.min(*max_level)))
}
