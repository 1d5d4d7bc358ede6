//! Starts on directories that were left in every way.

use std::{fs, path::Path, sync::Arc};

use super::*;
use crate::{
    config::{BrokerConfig, Layers},
    metadata::{
        directory::{Identity, LogDirs},
        image::METADATA_VERSION,
        log::{LogSettings, MetadataLog},
        records::*,
    },
    record::{Batches, Records},
    types::{NodeId, Text, Uuid},
};

const KAFKAS_LOG: &[u8] = include_bytes!("../metadata/testdata/kafka-4.3.log");
const KAFKAS_BOOTSTRAP: &[u8] = include_bytes!("../metadata/testdata/kafka-4.3-bootstrap.checkpoint");

fn config(root: &Path) -> Arc<BrokerConfig> {
    let mut layers = Layers::new();
    layers.add_override(&format!("log.dirs={}", root.display()));
    layers.add_override("node.id=1");
    Arc::new(BrokerConfig::from_layers(layers).unwrap().0)
}

fn open(root: &Path) -> (LogDirs, Arc<BrokerConfig>) {
    let config = config(root);
    let identity = Identity { node_id: NodeId(1), cluster_id: None };
    (LogDirs::open(&config.log_dirs, &config.metadata_log_dir, &identity).unwrap(), config)
}

fn start_at(root: &Path) -> Result<Started, ControllerError> {
    let (dirs, config) = open(root);
    start(&dirs, config, Vec::new(), 1000)
}

/// Every record of the log: type and version, control records as type with version -1.
fn written(root: &Path) -> Vec<(u32, i16)> {
    let bytes = fs::read(root.join("__cluster_metadata-0/00000000000000000000.log")).unwrap();
    let mut all = Vec::new();
    for batch in Batches::new(&bytes) {
        let batch = batch.unwrap();
        for record in Records::open(batch.bytes, 0).unwrap().iter() {
            let record = record.unwrap();
            match record.key {
                Some(key) => all.push((u32::from(key[3]), -1)),
                None => {
                    let record = MetadataRecord::decode(record.value.unwrap().to_vec().into()).unwrap();
                    all.push((record.record_type(), record.version()));
                }
            }
        }
    }
    all
}

/// A stopped Kafka 4.3 with everything finalized that it has, eligible leader replicas among them.
fn kafkas_directory(root: &Path) {
    let id = Uuid::parse("1IqxCzFrP6dNKSVCmmAAAA").unwrap_or(Uuid([4; 16]));
    fs::write(root.join("meta.properties"), format!("version=1\ncluster.id=c\nnode.id=1\ndirectory.id={id}\n")).unwrap();
    fs::create_dir(root.join("__cluster_metadata-0")).unwrap();
    fs::write(root.join("__cluster_metadata-0/00000000000000000000.log"), KAFKAS_LOG).unwrap();
}

#[test]
fn a_first_start_writes_what_kafkas_does() {
    let root = tempfile::tempdir().unwrap();
    let started = start_at(root.path()).unwrap();
    // LeaderChange; Begin, FeatureLevel twice, End; RegisterController; RegisterBroker v4. As a Kafka 4.3 wrote whose other
    // features were set to 0 when it was formatted.
    assert_eq!(written(root.path()), [(2, -1), (23, 0), (12, 0), (12, 0), (24, 0), (27, 0), (0, 4)]);
    assert_eq!(started.image.features.iter().collect::<Vec<_>>(), [(&Text::from("group.version"), &1), (&Text::from(METADATA_VERSION), &30)]);
    assert!(root.path().join("bootstrap.checkpoint").exists());
    let broker = started.image.brokers.get(&NodeId(1)).unwrap();
    assert_eq!((broker.epoch, broker.fenced, broker.log_dirs.len()), (started.broker_epoch, true, 1));
}

#[test]
fn a_directory_that_kafka_formatted_keeps_what_corelog_has() {
    let root = tempfile::tempdir().unwrap();
    drop(open(root.path()));
    fs::write(root.path().join("bootstrap.checkpoint"), KAFKAS_BOOTSTRAP).unwrap();
    let started = start_at(root.path()).unwrap();
    // Kafka finalizes six features; those that are not there yet are not promised to anyone.
    assert_eq!(started.image.features.iter().collect::<Vec<_>>(), [(&Text::from("group.version"), &1), (&Text::from(METADATA_VERSION), &30)]);
    assert_eq!(fs::read(root.path().join("bootstrap.checkpoint")).unwrap(), KAFKAS_BOOTSTRAP);
}

#[test]
fn a_log_that_kafka_wrote_is_carried_on() {
    let root = tempfile::tempdir().unwrap();
    kafkas_directory(root.path());
    fs::write(root.path().join(".kafka_cleanshutdown"), r#"{"version":0,"brokerEpoch":13}"#).unwrap();
    let started = start_at(root.path()).unwrap();
    let new: Vec<_> = written(root.path()).split_off(41);
    assert_eq!(new, [(2, -1), (27, 0), (0, 4)], "left in order: nothing to settle");
    let features = &started.image.brokers.get(&NodeId(1)).unwrap().features;
    let level = |name: &str| features.iter().find(|feature| feature.name == *name).map(|feature| (feature.min_level, feature.max_level));
    assert_eq!(level("share.version"), Some((0, 1)), "what is finalized is claimed");
    assert_eq!(level(METADATA_VERSION), Some((30, 30)));
    assert!(!root.path().join(".kafka_cleanshutdown").exists());
    assert_eq!((started.image.scram.len(), started.image.acls.len()), (2, 1));
}

#[test]
fn without_the_marker_of_that_epoch_data_may_be_missing() {
    for marker in [None, Some(r#"{"version":0,"brokerEpoch":12}"#)] {
        let root = tempfile::tempdir().unwrap();
        kafkas_directory(root.path());
        if let Some(marker) = marker {
            fs::write(root.path().join(".kafka_cleanshutdown"), marker).unwrap();
        }
        let started = start_at(root.path()).unwrap();
        let new: Vec<_> = written(root.path()).split_off(41);
        // One PartitionChange for each of the three partitions whose only eligible leader this was.
        assert_eq!(new, [(2, -1), (27, 0), (5, 2), (5, 2), (5, 2), (0, 4)]);
        let topic = started.image.topic_by_name("t1").unwrap();
        assert!(topic.partitions.values().all(|partition| partition.eligible_leader_replicas.is_empty()));
    }
}

#[test]
fn another_metadata_version_is_refused_before_anything_is_written() {
    let root = tempfile::tempdir().unwrap();
    let (dirs, config) = open(root.path());
    {
        let (mut log, _) = MetadataLog::open(root.path(), LogSettings::new(NodeId(1), dirs.metadata_id()), 0).unwrap();
        log.begin_epoch(0).unwrap();
        let level = FeatureLevelRecord { name: METADATA_VERSION.into(), feature_level: 27 };
        log.stage(vec![MetadataRecord::FeatureLevel(level)], 0).unwrap();
        log.flush().unwrap();
    }
    fs::write(root.path().join(".kafka_cleanshutdown"), "{}").unwrap();
    let before = written(root.path());
    let message = start(&dirs, config, Vec::new(), 0).unwrap_err().to_string();
    assert!(message.contains("metadata.version is 27"), "{message}");
    assert_eq!(written(root.path()), before);
    assert!(root.path().join(".kafka_cleanshutdown").exists());
}

#[test]
fn brokers_that_can_no_longer_be_reached_are_fenced() {
    let root = tempfile::tempdir().unwrap();
    drop(start_at(root.path()).unwrap());
    let (dirs, config) = open(root.path());
    {
        let (mut log, _) = MetadataLog::open(root.path(), LogSettings::new(NodeId(1), dirs.metadata_id()), 0).unwrap();
        let topic_id = Uuid([5; 16]);
        let other = RegisterBrokerRecord { broker_id: 2, broker_epoch: 6, fenced: false, log_dirs: vec![Uuid([8; 16])], ..Default::default() };
        let partition = PartitionRecord {
            partition_id: 0,
            topic_id,
            replicas: vec![2],
            isr: vec![2],
            leader: 2,
            leader_epoch: 0,
            partition_epoch: 0,
            directories: vec![Uuid([8; 16])],
            ..Default::default()
        };
        let topic = MetadataRecord::Topic(TopicRecord { name: "theirs".into(), topic_id });
        log.stage(vec![MetadataRecord::RegisterBroker(other), topic, MetadataRecord::Partition(partition)], 0).unwrap();
        log.flush().unwrap();
    }
    let started = start(&dirs, config, Vec::new(), 0).unwrap();
    assert!(started.image.brokers.get(&NodeId(2)).unwrap().fenced);
    let topic = started.image.topic_by_name("theirs").unwrap();
    assert_eq!(topic.partitions.get(&0).unwrap().leader, None);
}
