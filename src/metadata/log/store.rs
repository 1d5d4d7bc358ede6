//! Writing the metadata log: stage, flush, roll, snapshot, clean.
//!
//! Control thread only. Invariants: one file is written to; a batch's offset follows the last one's; what is staged is
//! not on the device until [`MetadataLog::flush`] returns.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    SnapshotId, SnapshotWriter, epochs,
    load::{self, LogError, Segment, remove_if_there, remove_segment},
    names, quorum_state, snapshot,
};
use crate::{
    metadata::{
        ClusterImage,
        directory::sync_dir,
        image::{BatchPosition, ImageBuilder},
        records::{BeginTransactionRecord, ControlRecord, EndTransactionRecord, LeaderChangeMessage, MetadataRecord, Voter},
    },
    record::BatchBuilder,
    types::{LeaderEpoch, NodeId, Offset, Text, Uuid},
};

/// Largest batch that is written (KafkaRaftClient.MAX_BATCH_SIZE_BYTES).
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Room that the framing of one record takes at most: length, attributes, two deltas, key, value and header lengths.
const RECORD_OVERHEAD_BYTES_MAX: usize = 32;
/// Snapshots that are kept: if the newest turns out damaged, the one before it and the log after it still have everything.
const SNAPSHOTS_KEPT: usize = 2;

/// How the metadata log is kept.
#[derive(Clone, Copy, Debug)]
pub struct LogSettings {
    /// `node.id`: the only voter.
    pub node_id: NodeId,
    /// `directory.id` of the log directory that the metadata is in.
    pub directory_id: Uuid,
    /// Size from which a segment is left for a new one (`metadata.log.segment.bytes`).
    pub segment_bytes: u64,
    /// New records after which a snapshot is due (`metadata.log.max.record.bytes.between.snapshots`).
    pub snapshot_bytes: u64,
    /// Age in milliseconds at which the oldest new record makes one due (`metadata.log.max.snapshot.interval.ms`).
    pub snapshot_interval_ms: i64,
}

impl LogSettings {
    /// Kafka's defaults.
    pub fn new(node_id: NodeId, directory_id: Uuid) -> Self {
        Self {
            node_id,
            directory_id,
            segment_bytes: 1024 * 1024 * 1024,
            snapshot_bytes: 20 * 1024 * 1024,
            snapshot_interval_ms: 3_600_000,
        }
    }
}

/// Records that were given offsets as one batch.
#[derive(Clone, Debug)]
pub struct StagedBatch {
    /// Where it stands.
    pub position: BatchPosition,
    /// Its records; none in a control batch.
    pub records: Vec<MetadataRecord>,
}

/// The metadata log of a quorum whose only voter is this node.
#[derive(Debug)]
pub struct MetadataLog {
    folder: PathBuf,
    log_dir: PathBuf,
    settings: LogSettings,
    /// In offset order; the last one is `active`, unless there is none yet.
    segments: Vec<Segment>,
    active: Option<File>,
    /// Start the next segment before the next write.
    roll: bool,
    /// Staged batches back to back.
    staged: Vec<u8>,
    /// Offset of the first staged batch: the end of what is on the device.
    flushed_end: Offset,
    end_offset: Offset,
    epoch: i32,
    epochs: Vec<epochs::EpochStart>,
    control: Vec<ControlRecord>,
    snapshots: Vec<SnapshotId>,
    bytes_since_snapshot: u64,
    /// When the oldest record that no snapshot has was written.
    unsnapshotted_since_ms: Option<i64>,
    poisoned: bool,
}

impl MetadataLog {
    /// Opens the log in `log_dir` and reads it; gives it and the image it describes.
    ///
    /// # Errors
    /// The files cannot be read, or say that records are missing; see the table in `load.rs`.
    pub fn open(log_dir: &Path, settings: LogSettings, now_ms: i64) -> Result<(Self, ImageBuilder), LogError> {
        let loaded = load::load(log_dir, settings.node_id)?;
        let active = match loaded.segments.last() {
            None => None,
            Some(segment) => {
                let path = loaded.folder.join(names::segment(segment.base));
                Some(OpenOptions::new().write(true).open(&path).map_err(LogError::io(&path))?)
            }
        };
        let log = Self {
            folder: loaded.folder,
            log_dir: log_dir.to_owned(),
            settings,
            segments: loaded.segments,
            active,
            roll: false,
            staged: Vec::new(),
            flushed_end: loaded.end_offset,
            end_offset: loaded.end_offset,
            epoch: loaded.epoch,
            epochs: loaded.epochs,
            control: loaded.control,
            snapshots: loaded.snapshots,
            bytes_since_snapshot: loaded.bytes_since_snapshot,
            unsnapshotted_since_ms: (loaded.bytes_since_snapshot > 0).then_some(now_ms),
            poisoned: false,
        };
        Ok((log, loaded.builder))
    }

    /// Offset that the next record gets.
    pub fn end_offset(&self) -> Offset {
        self.end_offset
    }

    /// The high watermark: with one voter, the end of what is on the device.
    pub fn high_watermark(&self) -> Offset {
        self.flushed_end
    }

    /// The raft epoch that batches are written in.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    /// Offset of the first record that the log, not a snapshot, still has.
    pub fn start_offset(&self) -> Offset {
        self.segments.first().map_or(self.end_offset, |segment| segment.base)
    }

    /// True if nothing was ever written: the records of `bootstrap.checkpoint` are then due.
    pub fn is_new(&self) -> bool {
        self.end_offset == Offset::ZERO
    }

    /// Level of `kraft.version`: 1 if the log itself names its voters (KIP-853).
    pub fn kraft_version(&self) -> i16 {
        let mut versions = self.control.iter().filter_map(|record| match record {
            ControlRecord::KRaftVersion(record) => Some(record.k_raft_version),
            _ => None,
        });
        versions.next_back().unwrap_or(0)
    }

    /// The records that `bootstrap.checkpoint` gives a new cluster; `None` without the file.
    ///
    /// # Errors
    /// The file exists and cannot be read.
    pub fn read_bootstrap(&self) -> Result<Option<Vec<MetadataRecord>>, LogError> {
        let path = self.log_dir.join(names::BOOTSTRAP);
        if !path.try_exists().map_err(LogError::io(&path))? {
            return Ok(None);
        }
        snapshot::read_bootstrap(&path).map(Some)
    }

    /// Writes `bootstrap.checkpoint`, as Kafka's format tool does.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_bootstrap(&self, records: &[MetadataRecord], now_ms: i64) -> Result<(), LogError> {
        let path = self.log_dir.join(names::BOOTSTRAP);
        snapshot::write_bootstrap(&path, records, now_ms).map_err(LogError::io(&path))
    }

    /// Becomes leader of a new raft epoch: every start has its own. The LeaderChange record that opens it is staged.
    ///
    /// # Errors
    /// The epoch cannot be written down.
    pub fn begin_epoch(&mut self, now_ms: i64) -> Result<StagedBatch, LogError> {
        let epoch = self.epoch.checked_add(1).ok_or(LogError::Exhausted)?;
        let dynamic = self.kraft_version() > 0;
        let node = self.settings.node_id;
        quorum_state::write(&self.folder, node, epoch, dynamic).map_err(LogError::io(&self.folder))?;
        self.epochs = epochs::started(std::mem::take(&mut self.epochs), self.start_offset(), epoch, self.end_offset);
        epochs::write(&self.folder, &self.epochs).map_err(LogError::io(&self.folder))?;
        self.epoch = epoch;
        // Version 1 names directories; Kafka's own leader of a static quorum writes version 0.
        let version = if dynamic && self.end_offset > Offset::ZERO { 1 } else { 0 };
        let voter = Voter { voter_id: node.get(), voter_directory_id: if version == 1 { self.settings.directory_id } else { Uuid::ZERO } };
        let change = LeaderChangeMessage { version, leader_id: node.get(), voters: vec![voter.clone()], granting_voters: vec![voter] };
        let (key, value) = ControlRecord::LeaderChange(change).encode()?;
        let mut batch = BatchBuilder::new().at(self.end_offset, LeaderEpoch(epoch)).control();
        batch.push(now_ms, Some(&key), Some(&value), &[]);
        self.stage_batch(&batch, Vec::new(), now_ms)
    }

    /// Stages records that must take effect together: as one batch, or, if they are too many for one, as a transaction.
    ///
    /// # Errors
    /// `Poisoned`, `Exhausted`, or a single record that no batch can hold. Nothing is staged then.
    pub fn stage(&mut self, records: Vec<MetadataRecord>, now_ms: i64) -> Result<Vec<StagedBatch>, LogError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let mut groups = grouped(records)?;
        if groups.len() > 1 {
            let begin = BeginTransactionRecord { name: Some(Text::from_static("Large result")) };
            groups[0].insert(0, encoded(MetadataRecord::BeginTransaction(begin))?);
            let last = groups.len() - 1;
            groups[last].push(encoded(MetadataRecord::EndTransaction(EndTransactionRecord {}))?);
        }
        let mut staged = Vec::with_capacity(groups.len());
        for group in groups {
            let mut batch = BatchBuilder::new().at(self.end_offset, LeaderEpoch(self.epoch));
            for (value, _) in &group {
                batch.push(now_ms, None, Some(value), &[]);
            }
            staged.push(self.stage_batch(&batch, group.into_iter().map(|(_, record)| record).collect(), now_ms)?);
        }
        Ok(staged)
    }

    fn stage_batch(&mut self, batch: &BatchBuilder, records: Vec<MetadataRecord>, now_ms: i64) -> Result<StagedBatch, LogError> {
        if self.poisoned {
            return Err(LogError::Poisoned);
        }
        let end_offset = self.end_offset.plus(batch.count().into());
        if end_offset.since(self.end_offset) != i64::from(batch.count()) {
            return Err(LogError::Exhausted);
        }
        let bytes = batch.build().map_err(|error| LogError::io(&self.folder)(io::Error::other(error)))?;
        self.staged.extend_from_slice(&bytes);
        let position = BatchPosition { base_offset: self.end_offset, end_offset, epoch: self.epoch, timestamp_ms: now_ms };
        self.end_offset = end_offset;
        self.unsnapshotted_since_ms.get_or_insert(now_ms);
        Ok(StagedBatch { position, records })
    }

    /// Writes what is staged. When this returns, it is on the device.
    ///
    /// # Errors
    /// The write or the flush failed, now or earlier. What was staged may or may not be found at the next start, so
    /// nobody may be told that it failed either: the broker must stop.
    pub fn flush(&mut self) -> Result<(), LogError> {
        if self.poisoned {
            return Err(LogError::Poisoned);
        }
        if self.staged.is_empty() {
            return Ok(());
        }
        let written = self.write_staged();
        if let Err(source) = written {
            self.poisoned = true;
            return Err(LogError::Io { path: self.folder.clone(), source });
        }
        self.bytes_since_snapshot += self.staged.len() as u64;
        self.staged.clear();
        self.staged.shrink_to(BATCH_BYTES_MAX);
        self.flushed_end = self.end_offset;
        Ok(())
    }

    fn write_staged(&mut self) -> io::Result<()> {
        let full = self.segments.last().is_none_or(|segment| segment.bytes >= self.settings.segment_bytes);
        if full || std::mem::take(&mut self.roll) {
            self.start_segment()?;
        }
        let (Some(file), Some(segment)) = (&self.active, self.segments.last_mut()) else {
            return Err(io::Error::other("no active segment"));
        };
        file.write_all_at(&self.staged, segment.bytes)?;
        file.sync_data()?;
        segment.bytes += self.staged.len() as u64;
        Ok(())
    }

    /// Starts the segment that what is staged goes into. Its name is on the device when this returns.
    fn start_segment(&mut self) -> io::Result<()> {
        let base = self.flushed_end;
        if self.segments.last().is_some_and(|segment| segment.base == base) {
            return Ok(());
        }
        let file = OpenOptions::new().write(true).create_new(true).open(self.folder.join(names::segment(base)))?;
        sync_dir(&self.folder)?;
        self.segments.push(Segment { base, bytes: 0 });
        self.active = Some(file);
        Ok(())
    }

    /// True if enough was written, or long enough ago, that a snapshot should be taken.
    pub fn snapshot_due(&self, now_ms: i64) -> bool {
        let old = self.unsnapshotted_since_ms.is_some_and(|since| now_ms.saturating_sub(since) >= self.settings.snapshot_interval_ms);
        self.bytes_since_snapshot >= self.settings.snapshot_bytes || old
    }

    /// Starts a snapshot of `image`, which must be that of everything flushed. The writer may work on another thread; its
    /// success is reported by [`MetadataLog::snapshot_written`].
    pub fn begin_snapshot(&mut self, image: Arc<ClusterImage>, now_ms: i64) -> SnapshotWriter {
        self.bytes_since_snapshot = 0;
        self.unsnapshotted_since_ms = None;
        // So that the snapshot covers whole segments, which can then be deleted.
        self.roll = true;
        SnapshotWriter::new(self.folder.clone(), image, self.control.clone(), now_ms)
    }

    /// Takes note of a snapshot that is on the device, and deletes what is no longer needed: snapshots before the last
    /// two, and segments that end before the older of those.
    ///
    /// # Errors
    /// A file could not be deleted; the log is sound all the same.
    pub fn snapshot_written(&mut self, id: SnapshotId) -> Result<(), LogError> {
        self.snapshots.retain(|other| *other != id);
        self.snapshots.push(id);
        self.snapshots.sort_unstable();
        let Some(excess) = self.snapshots.len().checked_sub(SNAPSHOTS_KEPT) else { return Ok(()) };
        let kept_from = self.snapshots[excess].end_offset;
        let covered = self.segments.windows(2).take_while(|pair| pair[1].base <= kept_from).count();
        for segment in self.segments.drain(..covered) {
            remove_segment(&self.folder, segment.base).map_err(LogError::io(&self.folder))?;
        }
        for old in self.snapshots.drain(..excess) {
            let path = self.folder.join(names::snapshot(old));
            remove_if_there(&path).map_err(LogError::io(&path))?;
        }
        Ok(())
    }
}

/// A record and its bytes.
type Encoded = (Bytes, MetadataRecord);

fn encoded(record: MetadataRecord) -> Result<Encoded, LogError> {
    Ok((record.encode()?, record))
}

/// Splits records into runs that fit into a batch each.
fn grouped(records: Vec<MetadataRecord>) -> Result<Vec<Vec<Encoded>>, LogError> {
    // Room for the header and the transaction markers.
    let room = BATCH_BYTES_MAX - 1024;
    let mut groups = vec![Vec::new()];
    let mut used = 0;
    for record in records {
        let (value, record) = encoded(record)?;
        let bytes = value.len() + RECORD_OVERHEAD_BYTES_MAX;
        if bytes > room {
            return Err(LogError::RecordTooLarge { bytes });
        }
        if used + bytes > room {
            groups.push(Vec::new());
            used = 0;
        }
        used += bytes;
        if let Some(group) = groups.last_mut() {
            group.push((value, record));
        }
    }
    Ok(groups)
}
