//! Snapshots: the image as a file of record batches between a header and a footer (RecordsSnapshotWriter.java).
//!
//! Reading and writing are synchronous. Writing takes its time and touches nothing but its own file, so it may run on
//! any thread while the log goes on.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    load::{LogError, remove_if_there},
    names,
    reader::{BatchReader, ReadError},
};
use crate::{
    metadata::{
        ClusterImage,
        directory::sync_dir,
        records::{Content, ControlRecord, LogBatch, MetadataRecord, SnapshotFooterRecord, SnapshotHeaderRecord},
    },
    record::BatchBuilder,
    types::{LeaderEpoch, Offset},
};

/// Bytes of records that go into one batch of a snapshot.
const BATCH_BYTES: usize = 1024 * 1024;

/// Names a snapshot: what it holds ends before `end_offset`, and the last batch in it is of `epoch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId {
    /// First offset that is not part of the snapshot.
    pub end_offset: Offset,
    /// Raft epoch of the last batch that is.
    pub epoch: i32,
}

/// A snapshot that was read: the image, and the quorum's control records if it has any.
#[derive(Debug)]
pub(super) struct SnapshotContent {
    pub(super) image: ClusterImage,
    pub(super) control: Vec<ControlRecord>,
    pub(super) bytes: u64,
}

/// Everything needed to write one snapshot; may be sent to another thread.
#[derive(Clone, Debug)]
pub struct SnapshotWriter {
    dir: PathBuf,
    image: Arc<ClusterImage>,
    /// KRaftVersion and KRaftVoters, if the log has them.
    control: Vec<ControlRecord>,
    now_ms: i64,
}

impl SnapshotWriter {
    pub(super) fn new(dir: PathBuf, image: Arc<ClusterImage>, control: Vec<ControlRecord>, now_ms: i64) -> Self {
        Self { dir, image, control, now_ms }
    }

    /// The snapshot that will be written.
    pub fn id(&self) -> SnapshotId {
        SnapshotId { end_offset: self.image.end_offset, epoch: self.image.epoch }
    }

    /// Writes the snapshot. When this returns, it is on the device under its final name. Gives its size in bytes.
    ///
    /// # Errors
    /// The file cannot be written; nothing is left but perhaps a `.part` file, which the next start removes.
    pub fn write(&self) -> io::Result<u64> {
        let name = names::snapshot(self.id());
        let path = self.dir.join(&name);
        let part = self.dir.join(format!("{name}.part"));
        let bytes = write_file(&part, &self.image, &self.control, self.now_ms)?;
        fs::rename(&part, &path)?;
        sync_dir(&self.dir)?;
        Ok(bytes)
    }
}

/// Writes a snapshot file with these records. It is on the device, but its name need not be.
fn write_file(path: &Path, image: &ClusterImage, control: &[ControlRecord], now_ms: i64) -> io::Result<u64> {
    let mut batches = BatchWriter::create(path, image.epoch, now_ms)?;
    let header = SnapshotHeaderRecord { version: 0, last_contained_log_timestamp: image.timestamp_ms };
    let mut head = vec![ControlRecord::SnapshotHeader(header)];
    head.extend_from_slice(control);
    batches.control(&head)?;
    for record in image.records() {
        batches.data(&record)?;
    }
    batches.flush()?;
    batches.control(&[ControlRecord::SnapshotFooter(SnapshotFooterRecord { version: 0 })])?;
    batches.finish()
}

/// Writes what a new cluster starts with as Kafka's format tool does: a snapshot of epoch 0 outside the metadata folder.
/// After a power loss the file is there whole, or not at all; it is read only while the log is empty.
pub(super) fn write_bootstrap(path: &Path, records: &[MetadataRecord], now_ms: i64) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let mut batches = BatchWriter::create(&temporary, 0, now_ms)?;
    let header = SnapshotHeaderRecord { version: 0, last_contained_log_timestamp: 0 };
    batches.control(&[ControlRecord::SnapshotHeader(header)])?;
    for record in records {
        batches.data(record)?;
    }
    batches.flush()?;
    batches.control(&[ControlRecord::SnapshotFooter(SnapshotFooterRecord { version: 0 })])?;
    batches.finish()?;
    fs::rename(&temporary, path)
}

/// Batches of a snapshot file: offsets from 0 on, one timestamp.
struct BatchWriter {
    file: BufWriter<File>,
    epoch: LeaderEpoch,
    now_ms: i64,
    next_offset: Offset,
    batch: BatchBuilder,
    bytes: u64,
}

impl BatchWriter {
    fn create(path: &Path, epoch: i32, now_ms: i64) -> io::Result<Self> {
        // A file left over from an earlier try is read-only.
        remove_if_there(path)?;
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let epoch = LeaderEpoch(epoch);
        let batch = BatchBuilder::new().at(Offset::ZERO, epoch);
        Ok(Self { file: BufWriter::new(file), epoch, now_ms, next_offset: Offset::ZERO, batch, bytes: 0 })
    }

    fn control(&mut self, records: &[ControlRecord]) -> io::Result<()> {
        let mut batch = BatchBuilder::new().at(self.next_offset, self.epoch).control();
        for record in records {
            let (key, value) = record.encode().map_err(io::Error::other)?;
            batch.push(self.now_ms, Some(&key), Some(&value), &[]);
        }
        self.put(&batch)
    }

    fn data(&mut self, record: &MetadataRecord) -> io::Result<()> {
        let value = record.encode().map_err(io::Error::other)?;
        if !self.batch.is_empty() && self.batch.len() + value.len() > BATCH_BYTES {
            self.flush()?;
        }
        self.batch.push(self.now_ms, None, Some(&value), &[]);
        Ok(())
    }

    /// Writes the data records gathered so far.
    fn flush(&mut self) -> io::Result<()> {
        if !self.batch.is_empty() {
            let batch = std::mem::take(&mut self.batch);
            self.put(&batch)?;
        }
        Ok(())
    }

    fn put(&mut self, batch: &BatchBuilder) -> io::Result<()> {
        let bytes = batch.build().map_err(io::Error::other)?;
        self.file.write_all(&bytes)?;
        self.bytes += bytes.len() as u64;
        self.next_offset = self.next_offset.plus(batch.count().into());
        self.batch = BatchBuilder::new().at(self.next_offset, self.epoch);
        Ok(())
    }

    /// Ends the file: read-only and on the device. Gives its size.
    fn finish(mut self) -> io::Result<u64> {
        self.file.flush()?;
        let file = self.file.get_ref();
        file.set_permissions(Permissions::from_mode(0o400))?;
        file.sync_all()?;
        Ok(self.bytes)
    }
}

/// Reads a snapshot; `id` is what its name says.
///
/// # Errors
/// The file cannot be read, is damaged, incomplete, or contradicts itself.
pub(super) fn read(path: &Path, id: SnapshotId) -> Result<SnapshotContent, LogError> {
    let mut image = ClusterImage::default();
    let mut control = Vec::new();
    let bytes = for_each_batch(path, |batch| match batch.content {
        Content::Control(records) => {
            control.extend(records);
            Ok(())
        }
        Content::Data(records) => image.apply_snapshot(batch.position.base_offset, &records).map_err(|error| error.to_string()),
    })?;
    let timestamp_ms = match control.first() {
        Some(ControlRecord::SnapshotHeader(header)) => header.last_contained_log_timestamp,
        _ => return Err(damaged(path, 0, "does not begin with a snapshot header")),
    };
    if !matches!(control.last(), Some(ControlRecord::SnapshotFooter(_))) {
        return Err(damaged(path, bytes, "does not end with a snapshot footer"));
    }
    control.retain(|record| matches!(record, ControlRecord::KRaftVersion(_) | ControlRecord::KRaftVoters(_)));
    image.end_offset = id.end_offset;
    image.epoch = id.epoch;
    image.timestamp_ms = timestamp_ms;
    Ok(SnapshotContent { image, control, bytes })
}

/// Reads the records that a new cluster starts with, in their order.
pub(super) fn read_bootstrap(path: &Path) -> Result<Vec<MetadataRecord>, LogError> {
    let mut all = Vec::new();
    for_each_batch(path, |batch| {
        if let Content::Data(records) = batch.content {
            all.extend(records);
        }
        Ok(())
    })?;
    Ok(all)
}

/// Gives every batch of a file that must be sound to its end; gives the file's size.
fn for_each_batch(path: &Path, mut take: impl FnMut(LogBatch) -> Result<(), String>) -> Result<u64, LogError> {
    let io_error = |source| LogError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io_error)?;
    let mut reader = BatchReader::new(&file).map_err(io_error)?;
    loop {
        let position = reader.position();
        match reader.next() {
            Ok(None) => return Ok(position),
            Ok(Some((header, bytes))) => {
                let taken = LogBatch::decode(&header, &bytes).map_err(|error| error.to_string()).and_then(&mut take);
                taken.map_err(|reason| damaged(path, position, &reason))?;
            }
            Err(ReadError::Io(source)) => return Err(io_error(source)),
            Err(ReadError::Bad { position, reason }) => return Err(damaged(path, position, &reason)),
        }
    }
}

fn damaged(path: &Path, position: u64, reason: &str) -> LogError {
    LogError::Damaged { path: path.to_owned(), position, reason: reason.to_owned() }
}
