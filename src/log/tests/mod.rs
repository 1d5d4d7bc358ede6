//! Behaviour of whole logs, on a real executor and a real file system.

mod basics;
mod crash;
mod files;
mod kafka;
mod model;
mod spare;

use std::{path::Path, rc::Rc};

use bytes::Bytes;

use super::{Log, LogSettings, LogShared, LogView, OpenError, OpenOptions, SharedLimits, StorageFailure};
use crate::{
    record::{BatchBuilder, Batches, CheckedBatch, Records},
    runtime::{
        channel::{self, Receiver},
        executor,
    },
    types::{LeaderEpoch, Offset, Text, TopicPartition, Uuid},
};

const TOPIC_ID: Uuid = Uuid([7; 16]);
const NOW_MS: i64 = 1_700_000_000_000;
const EPOCH: LeaderEpoch = LeaderEpoch(3);

/// Runs `test` on an executor of its own, in an empty log directory.
fn on_shard<F: Future<Output = ()> + 'static>(test: impl FnOnce(Fixture) -> F + Send + 'static) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_owned();
    executor::run_alone(move || {
        let (shared, failed) = share(&SharedLimits::default());
        test(Fixture { options: options(&path), shared, failed })
    })
    .unwrap();
}

struct Fixture {
    options: OpenOptions,
    shared: Rc<LogShared>,
    failed: Receiver<StorageFailure>,
}

/// What logs share, and what of it has failed.
fn share(limits: &SharedLimits) -> (Rc<LogShared>, Receiver<StorageFailure>) {
    let (failures, failed) = channel::unbounded();
    (LogShared::new(limits, failures), failed)
}

fn options(log_dir: &Path) -> OpenOptions {
    OpenOptions {
        log_dir: log_dir.to_owned(),
        name: TopicPartition { topic: Text::from("orders"), partition: 0 },
        topic_id: TOPIC_ID,
        settings: LogSettings { file_delete_delay_ms: 0, ..LogSettings::default() },
        start: None,
        recovery_point: Offset::ZERO,
        clean: false,
        now_ms: NOW_MS,
    }
}

impl Fixture {
    async fn open(&self) -> Log {
        self.try_open().await.unwrap()
    }

    /// From now on logs share no more than this.
    fn limit(&mut self, limits: &SharedLimits) {
        (self.shared, self.failed) = share(limits);
    }

    async fn try_open(&self) -> Result<Log, OpenError> {
        Log::open(&self.shared, self.options.clone()).await
    }

    /// Nothing in the background has failed.
    fn assert_sound(&mut self) {
        if let Some(failure) = self.failed.try_recv() {
            panic!("{failure:?}");
        }
    }
}

/// A batch of `records` records with values of `bytes` bytes that tell its content.
fn batch(seed: i64, records: i64, bytes: usize) -> CheckedBatch {
    let mut builder = BatchBuilder::new();
    for record in 0..records {
        let mut value = format!("{seed}/{record}/").into_bytes();
        value.resize(value.len().max(bytes), b'x');
        builder.push(NOW_MS + seed, Some(seed.to_string().as_bytes()), Some(&value), &[]);
    }
    CheckedBatch::verified(builder.build().unwrap()).unwrap()
}

/// Writes and flushes all that is staged.
async fn persist(log: &mut Log) {
    while let Some(plan) = log.take_write() {
        let outcome = plan.execute().await;
        log.complete_write(outcome).unwrap();
    }
    if let Some(request) = log.flush_request() {
        request.execute().await.unwrap();
        log.flushed(&request);
    }
    assert_eq!(log.durable_end(), log.end());
}

async fn append(log: &mut Log, batch: CheckedBatch) -> Offset {
    let staged = log.stage(batch, EPOCH, NOW_MS).unwrap();
    persist(log).await;
    staged.base
}

/// All bytes of batches from `from` on, as a consumer with a buffer of `max_bytes` gets them.
async fn read_from(view: &Rc<LogView>, mut from: Offset, max_bytes: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while from < view.written_end() {
        let slices = view.plan_read(from, Offset::MAX, max_bytes, true).unwrap().execute().await.unwrap();
        let part: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        assert!(!part.is_empty(), "nothing at {from} of {}", view.written_end());
        let batches: Vec<_> = Batches::new(&part).map(Result::unwrap).collect();
        assert!(part.len() <= max_bytes || batches.len() == 1);
        for batch in &batches {
            batch.verify().unwrap();
        }
        from = batches.last().unwrap().header.next_offset();
        bytes.extend_from_slice(&part);
    }
    bytes
}

/// The values of the records in `bytes` with their offsets.
fn values(bytes: &[u8]) -> Vec<(Offset, Bytes)> {
    let mut values = Vec::new();
    for batch in Batches::new(bytes) {
        let records = Records::open(batch.unwrap().bytes, 1 << 20).unwrap();
        for record in &records {
            let record = record.unwrap();
            values.push((record.offset, Bytes::copy_from_slice(record.value.unwrap())));
        }
    }
    values
}

/// A copy of the log directory as a crash would leave it, but for what was not flushed.
fn copy_of(log_dir: &Path) -> tempfile::TempDir {
    loop {
        let copy = tempfile::tempdir().unwrap();
        match copy_folders(log_dir, copy.path()) {
            Ok(()) => return copy,
            // Background work renamed a file meanwhile: that is no state a crash can leave.
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
        }
    }
}

fn copy_folders(from: &Path, to: &Path) -> std::io::Result<()> {
    for folder in std::fs::read_dir(from)? {
        let folder = folder?;
        let to = to.join(folder.file_name());
        std::fs::create_dir(&to)?;
        for file in std::fs::read_dir(folder.path())? {
            let file = file?;
            std::fs::copy(file.path(), to.join(file.file_name()))?;
        }
    }
    Ok(())
}

/// Lets background work end.
async fn settle(shared: &LogShared) {
    for _ in 0..2000 {
        if shared.background_work() == 0 {
            return;
        }
        crate::runtime::timer::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("background work does not end");
}

/// Names of the files in the partition's folder.
fn names(options: &OpenOptions) -> Vec<String> {
    let folder = options.log_dir.join(options.name.to_string());
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn path(options: &OpenOptions, name: &str) -> std::path::PathBuf {
    options.log_dir.join(options.name.to_string()).join(name)
}
