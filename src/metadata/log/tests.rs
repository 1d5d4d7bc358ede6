//! The log on a real file system: starts, crashes, snapshots, and Kafka's own directories.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use super::*;
use crate::{
    metadata::{
        ClusterImage,
        image::{ImageBuilder, METADATA_VERSION},
        records::*,
    },
    types::{NodeId, Offset, Text, Uuid},
};

const KAFKAS_LOG: &[u8] = include_bytes!("../testdata/kafka-4.3.log");
const KAFKAS_SNAPSHOT: &[u8] = include_bytes!("../testdata/kafka-4.3-25-1.checkpoint");

fn settings() -> LogSettings {
    LogSettings::new(NodeId(1), Uuid([7; 16]))
}

fn open(dir: &Path) -> (MetadataLog, ImageBuilder) {
    MetadataLog::open(dir, settings(), 1000).unwrap()
}

fn error(dir: &Path) -> String {
    MetadataLog::open(dir, settings(), 1000).unwrap_err().to_string()
}

fn config(value: usize) -> MetadataRecord {
    MetadataRecord::Config(ConfigRecord {
        resource_type: 4,
        resource_name: "".into(),
        name: "some.key".into(),
        value: Some(value.to_string().into()),
    })
}

fn put(log: &mut MetadataLog, builder: &mut ImageBuilder, records: Vec<MetadataRecord>) {
    for batch in log.stage(records, 2000).unwrap() {
        builder.apply(batch.position, &batch.records).unwrap();
    }
    log.flush().unwrap();
}

fn begin(log: &mut MetadataLog, builder: &mut ImageBuilder) {
    let batch = log.begin_epoch(1000).unwrap();
    builder.apply(batch.position, &batch.records).unwrap();
    log.flush().unwrap();
}

fn segment(dir: &Path, base: u64) -> std::path::PathBuf {
    dir.join("__cluster_metadata-0").join(format!("{base:020}.log"))
}

/// A log of one epoch with three batches behind the leader's: offsets 1, 2 and 3.
fn short_log(dir: &Path) -> ClusterImage {
    let (mut log, mut builder) = open(dir);
    begin(&mut log, &mut builder);
    for value in 0..3 {
        put(&mut log, &mut builder, vec![config(value)]);
    }
    builder.image().clone()
}

#[test]
fn a_start_finds_what_was_flushed() {
    let dir = tempfile::tempdir().unwrap();
    let image = short_log(dir.path());
    let (mut log, mut builder) = open(dir.path());
    assert_eq!(builder.image(), &image);
    assert_eq!((log.end_offset(), log.epoch()), (Offset::saturating(4), 1));
    begin(&mut log, &mut builder);
    assert_eq!((log.end_offset(), log.epoch()), (Offset::saturating(5), 2));
    // What is staged and not flushed is gone.
    log.stage(vec![config(9)], 3000).unwrap();
    assert_eq!(log.high_watermark(), Offset::saturating(5));
    drop(log);
    let (log, _) = open(dir.path());
    assert_eq!((log.end_offset(), log.epoch()), (Offset::saturating(5), 2));
    let folder = dir.path().join("__cluster_metadata-0");
    assert_eq!(fs::read_to_string(folder.join("leader-epoch-checkpoint")).unwrap(), "0\n2\n1 0\n2 4\n");
}

#[test]
fn an_epoch_is_never_used_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path());
    // The epoch is written down before its first record is: a crash in between must not bring it back.
    log.begin_epoch(0).unwrap();
    drop(log);
    let (mut log, _) = open(dir.path());
    log.begin_epoch(0).unwrap();
    assert_eq!(log.epoch(), 2);
}

#[test]
fn a_batch_that_was_not_finished_is_cut_off() {
    for cut in [1, 11, 40, 60, 61, 70] {
        let dir = tempfile::tempdir().unwrap();
        short_log(dir.path());
        let path = segment(dir.path(), 0);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
        let (mut log, mut builder) = open(dir.path());
        assert_eq!(log.end_offset(), Offset::saturating(3), "cut by {cut}");
        put(&mut log, &mut builder, vec![config(7)]);
        let (log, after) = open(dir.path());
        assert_eq!((log.end_offset(), after.image()), (Offset::saturating(4), builder.image()));
    }
    // Zeroes, or anything else, behind the last batch.
    for tail in [vec![0; 5000], vec![0xab; 100]] {
        let dir = tempfile::tempdir().unwrap();
        let image = short_log(dir.path());
        OpenOptions::new().append(true).open(segment(dir.path(), 0)).unwrap().write_all(&tail).unwrap();
        assert_eq!(open(dir.path()).1.image(), &image);
    }
}

#[test]
fn damage_in_the_middle_is_refused_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    short_log(dir.path());
    let path = segment(dir.path(), 0);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() - 120;
    bytes[middle] ^= 0x40;
    fs::write(&path, &bytes).unwrap();
    assert!(error(dir.path()).contains("is damaged at byte"), "{}", error(dir.path()));
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_large_result_is_a_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, mut builder) = open(dir.path());
    begin(&mut log, &mut builder);
    // The longest value that a string can be, so often that it takes three batches.
    let value = Text::from("x".repeat(i16::MAX as usize));
    let big = |key: usize| {
        MetadataRecord::Config(ConfigRecord {
            resource_type: 4,
            resource_name: "".into(),
            name: format!("key{key}").into(),
            value: Some(value.clone()),
        })
    };
    let staged = log.stage((0..600).map(big).collect(), 0).unwrap();
    assert_eq!(staged.len(), 3);
    for batch in &staged[..2] {
        builder.apply(batch.position, &batch.records).unwrap();
        assert_eq!(builder.image().configs.len(), 0);
    }
    builder.apply(staged[2].position, &staged[2].records).unwrap();
    assert_eq!(builder.image().configs.len(), 1);
    log.flush().unwrap();
    assert_eq!(open(dir.path()).1.image(), builder.image());
    let too_large = MetadataRecord::Config(ConfigRecord { value: Some("x".repeat(40_000).into()), ..Default::default() });
    assert!(matches!(log.stage(vec![config(1), too_large], 0), Err(LogError::Encode(_))));
    assert_eq!(log.end_offset(), log.high_watermark(), "nothing was staged");
}

#[test]
fn segments_roll_and_snapshots_replace_them() {
    let dir = tempfile::tempdir().unwrap();
    let small = LogSettings { segment_bytes: 2000, snapshot_bytes: 5000, ..settings() };
    let (mut log, mut builder) = MetadataLog::open(dir.path(), small, 0).unwrap();
    begin(&mut log, &mut builder);
    let mut snapshots = 0;
    for value in 0..400 {
        put(&mut log, &mut builder, vec![config(value)]);
        if log.snapshot_due(0) {
            let writer = log.begin_snapshot(builder.image().clone().into(), 5);
            writer.write().unwrap();
            log.snapshot_written(writer.id()).unwrap();
            snapshots += 1;
        }
    }
    assert!(snapshots > 3);
    let names: Vec<String> = fs::read_dir(dir.path().join("__cluster_metadata-0")).unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let kept: Vec<&String> = names.iter().filter(|name| name.ends_with(".checkpoint")).collect();
    assert_eq!(kept.len(), 2, "{names:?}");
    assert!(names.iter().filter(|name| name.ends_with(".log")).count() < 12, "{names:?}");
    assert!(log.start_offset() > Offset::ZERO);
    let mode = fs::metadata(dir.path().join("__cluster_metadata-0").join(kept[0])).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o400);
    assert_eq!(open(dir.path()).1.image(), builder.image());

    // The newest snapshot is damaged: the one before it, and the log, still have everything.
    let newest = kept.iter().max().unwrap();
    let path = dir.path().join("__cluster_metadata-0").join(newest);
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    assert_eq!(open(dir.path()).1.image(), builder.image());
    // Both are: that is not survived, and said.
    let other = dir.path().join("__cluster_metadata-0").join(kept.iter().min().unwrap());
    fs::remove_file(&other).unwrap();
    fs::write(&other, b"nonsense").unwrap();
    assert!(error(dir.path()).contains("checkpoint is damaged"), "{}", error(dir.path()));
    fs::remove_file(&other).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(error(dir.path()).contains("neither a snapshot nor an earlier segment"), "{}", error(dir.path()));
}

#[test]
fn a_snapshot_alone_is_enough() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, mut builder) = open(dir.path());
    begin(&mut log, &mut builder);
    put(&mut log, &mut builder, vec![config(1), config(2)]);
    let writer = log.begin_snapshot(builder.image().clone().into(), 5);
    writer.write().unwrap();
    drop(log);
    fs::remove_file(segment(dir.path(), 0)).unwrap();
    fs::write(dir.path().join("__cluster_metadata-0/00000000000000000099-0000000001.checkpoint.part"), b"half").unwrap();
    let (mut log, mut again) = open(dir.path());
    assert_eq!(again.image(), builder.image());
    begin(&mut log, &mut again);
    put(&mut log, &mut again, vec![config(3)]);
    assert!(segment(dir.path(), 3).exists(), "the log goes on where the snapshot ends");
    assert_eq!(open(dir.path()).1.image(), again.image());
}

#[test]
fn a_log_that_ends_before_its_snapshot_starts_anew() {
    let dir = tempfile::tempdir().unwrap();
    short_log(dir.path());
    let (mut log, builder) = open(dir.path());
    log.begin_snapshot(builder.image().clone().into(), 5).write().unwrap();
    let path = segment(dir.path(), 0);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 200]).unwrap();
    let (log, after) = open(dir.path());
    assert_eq!((after.image(), log.end_offset()), (builder.image(), Offset::saturating(4)));
    assert!(!path.exists());
}

#[test]
fn a_larger_quorum_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    short_log(dir.path());
    let path = dir.path().join("__cluster_metadata-0/quorum-state");
    fs::write(&path, r#"{"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1},{"voterId":2}],"data_version":0}"#).unwrap();
    assert!(error(dir.path()).contains("a quorum of the controllers [1, 2]"));
}

#[test]
fn kafkas_own_log_and_snapshot_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("__cluster_metadata-0");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("00000000000000000000.log"), KAFKAS_LOG).unwrap();
    let (_, from_log) = open(dir.path());
    let image = from_log.image();
    assert_eq!(image.feature_level(METADATA_VERSION), 30);
    assert_eq!(image.topic_by_name("t1").unwrap().partitions.len(), 3);
    assert!(image.topic_by_name("t2").is_none());
    assert_eq!((image.scram.len(), image.acls.len(), image.quotas.len(), image.configs.len()), (2, 1, 1, 4));
    assert!(image.brokers.get(&NodeId(1)).unwrap().fenced);
    assert_eq!(image.next_producer_id, 1000);

    // Its snapshot stands for the log up to there.
    fs::write(folder.join("00000000000000000025-0000000001.checkpoint"), KAFKAS_SNAPSHOT).unwrap();
    let (_, both) = open(dir.path());
    assert_eq!(both.image(), image);
    let mut up_to_snapshot = ImageBuilder::default();
    for batch in crate::record::Batches::new(KAFKAS_LOG) {
        let batch = batch.unwrap();
        if batch.header.base_offset < Offset::saturating(25) {
            let LogBatch { position, content } = LogBatch::decode(&batch.header, &bytes::Bytes::copy_from_slice(batch.bytes)).unwrap();
            let records = if let Content::Data(records) = content { records } else { Vec::new() };
            up_to_snapshot.apply(position, &records).unwrap();
        }
    }
    let id = SnapshotId { end_offset: Offset::saturating(25), epoch: 1 };
    let snapshot = snapshot::read(&folder.join("00000000000000000025-0000000001.checkpoint"), id).unwrap();
    assert_eq!(&snapshot.image, up_to_snapshot.image());
}

#[test]
fn bootstrap_records_are_kept_beside_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path());
    assert!(log.is_new() && log.read_bootstrap().unwrap().is_none());
    let level = FeatureLevelRecord { name: METADATA_VERSION.into(), feature_level: 30 };
    log.write_bootstrap(&[MetadataRecord::FeatureLevel(level.clone())], 1).unwrap();
    assert_eq!(log.read_bootstrap().unwrap(), Some(vec![MetadataRecord::FeatureLevel(level)]));
}
