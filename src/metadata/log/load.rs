//! Opening the metadata log: newest sound snapshot, then every batch after it.
//!
//! | found | done |
//! |---|---|
//! | unfinished or doomed snapshot file (`.part`, `.deleted`) | removed |
//! | newest snapshot damaged | the one before it is taken; without one, the whole log |
//! | last segment ends in something that is no batch, nothing sound behind it | cut off there (it was never flushed) |
//! | damage with a sound batch behind it, or in an older segment | refused: flushed data was damaged |
//! | log ends before the snapshot | log dropped, starts anew at the snapshot's end (KafkaMetadataLog.scala) |
//! | log starts after the snapshot's end, or after 0 without one | refused: records are missing |
//! | other voters than this node | refused: the directory belongs to a larger quorum |

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use super::{
    SnapshotId, epochs, names,
    quorum_state::{self, QuorumState},
    reader::{BatchReader, ReadError, sound_batch_follows},
    snapshot,
};
use crate::{
    metadata::{
        directory::sync_dir,
        image::ImageBuilder,
        records::{Content, ControlRecord, LogBatch},
    },
    protocol::wire::WireError,
    types::{NodeId, Offset},
};

/// Why the metadata log cannot be read or written. Printed to the operator.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum LogError {
    #[error("metadata log: {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("metadata log: {} is damaged at byte {position}: {reason}; restore the file, or replace the directory with a copy of it", path.display())]
    Damaged { path: PathBuf, position: u64, reason: String },
    #[error("metadata log: {} has records from offset {start} on, but {missing}; restore the missing files", path.display())]
    Missing { path: PathBuf, start: Offset, missing: String },
    #[error("metadata log: {} belongs to a quorum of the controllers {voters:?}; corelog runs a single one and will not break up theirs", path.display())]
    OtherVoters { path: PathBuf, voters: Vec<i32> },
    #[error("metadata log: a record of {bytes} bytes does not fit into a batch")]
    RecordTooLarge { bytes: usize },
    #[error("metadata log: a record cannot be written: {0}")]
    Encode(#[from] WireError),
    #[error("metadata log: offset or epoch would pass its largest value")]
    Exhausted,
    #[error("metadata log: an earlier write failed; nothing more is written to it")]
    Poisoned,
}

impl LogError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| LogError::Io { path, source }
    }
}

/// One segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) base: Offset,
    pub(super) bytes: u64,
}

/// What was found in the folder.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) folder: PathBuf,
    pub(super) builder: ImageBuilder,
    /// In offset order; the last is the active one. Empty for a new log.
    pub(super) segments: Vec<Segment>,
    /// In order of their ids; the last is what `builder` started from.
    pub(super) snapshots: Vec<SnapshotId>,
    /// KRaftVersion and KRaftVoters as last written.
    pub(super) control: Vec<ControlRecord>,
    pub(super) end_offset: Offset,
    /// The newest raft epoch that was used; 0 if none.
    pub(super) epoch: i32,
    pub(super) epochs: Vec<epochs::EpochStart>,
    /// Bytes of the batches after the snapshot.
    pub(super) bytes_since_snapshot: u64,
}

/// Opens the folder below `log_dir`, creating it if need be.
pub(super) fn load(log_dir: &Path, node: NodeId) -> Result<Loaded, LogError> {
    let folder = log_dir.join(names::FOLDER);
    if !folder.try_exists().map_err(LogError::io(&folder))? {
        create(&folder).map_err(LogError::io(&folder))?;
    }
    let (segments, snapshots) = list(&folder)?;
    let QuorumState { leader_epoch, voters } = quorum_state::read(&folder).map_err(LogError::io(&folder))?;
    check_voters(&folder, node, voters.iter().map(|voter| voter.get()).collect())?;
    let mut loaded = Loaded {
        builder: ImageBuilder::default(),
        segments,
        snapshots: Vec::new(),
        control: Vec::new(),
        end_offset: Offset::ZERO,
        epoch: leader_epoch.unwrap_or(0),
        epochs: epochs::read(&folder).map_err(LogError::io(&folder))?,
        bytes_since_snapshot: 0,
        folder,
    };
    loaded.take_snapshot(snapshots)?;
    loaded.replay()?;
    for record in &loaded.control {
        if let ControlRecord::KRaftVoters(record) = record {
            check_voters(&loaded.folder, node, record.voters.iter().map(|voter| voter.voter_id).collect())?;
        }
    }
    Ok(loaded)
}

fn check_voters(folder: &Path, node: NodeId, voters: Vec<i32>) -> Result<(), LogError> {
    if voters.iter().all(|voter| *voter == node.get()) {
        return Ok(());
    }
    Err(LogError::OtherVoters { path: folder.to_owned(), voters })
}

fn create(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)?;
    folder.parent().map_or(Ok(()), sync_dir)
}

/// Segments and snapshots in offset order; removes what no one finished or wanted.
fn list(folder: &Path) -> Result<(Vec<Segment>, Vec<SnapshotId>), LogError> {
    let mut segments = Vec::new();
    let mut snapshots = Vec::new();
    for entry in fs::read_dir(folder).map_err(LogError::io(folder))? {
        let entry = entry.map_err(LogError::io(folder))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.ends_with(names::PART_SUFFIX) || name.ends_with(names::DELETED_SUFFIX) {
            fs::remove_file(entry.path()).map_err(LogError::io(&entry.path()))?;
        } else if let Some(base) = names::parse_segment(name) {
            let bytes = entry.metadata().map_err(LogError::io(&entry.path()))?.len();
            segments.push(Segment { base, bytes });
        } else {
            snapshots.extend(names::parse_snapshot(name));
        }
    }
    segments.sort_unstable_by_key(|segment| segment.base);
    snapshots.sort_unstable();
    Ok((segments, snapshots))
}

impl Loaded {
    /// Starts from the newest sound snapshot.
    fn take_snapshot(&mut self, mut candidates: Vec<SnapshotId>) -> Result<(), LogError> {
        let mut first_error = None;
        while let Some(id) = candidates.pop() {
            let path = self.folder.join(names::snapshot(id));
            match snapshot::read(&path, id) {
                Ok(content) => {
                    self.control = content.control;
                    self.snapshots = candidates;
                    self.snapshots.push(id);
                    // The snapshot of a formatted directory only names the voters (KIP-853); its data does not count.
                    if id.end_offset > Offset::ZERO {
                        self.builder = ImageBuilder::new(content.image);
                        self.end_offset = id.end_offset;
                        self.epoch = self.epoch.max(id.epoch);
                    }
                    tracing::debug!(snapshot = %path.display(), bytes = content.bytes, "read the metadata snapshot");
                    return Ok(());
                }
                Err(error @ LogError::Damaged { .. }) => {
                    tracing::error!(%error, "skip a damaged metadata snapshot");
                    first_error.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        // Without any snapshot the log must reach back to its beginning.
        match first_error {
            Some(error) if self.segments.first().is_none_or(|segment| segment.base > Offset::ZERO) => Err(error),
            _ => Ok(()),
        }
    }

    /// Applies every batch after the snapshot.
    fn replay(&mut self) -> Result<(), LogError> {
        let snapshot_end = self.end_offset;
        let Some(first) = self.segments.first() else { return Ok(()) };
        if first.base > snapshot_end {
            let missing = if self.snapshots.is_empty() {
                "there is neither a snapshot nor an earlier segment".to_owned()
            } else {
                format!("the newest sound snapshot ends at {snapshot_end}")
            };
            return Err(LogError::Missing { path: self.folder.clone(), start: first.base, missing });
        }
        // Older segments hold nothing that the snapshot does not.
        let needed = self.segments.partition_point(|segment| segment.base <= snapshot_end).saturating_sub(1);
        let mut next = self.segments[needed].base;
        for index in needed..self.segments.len() {
            let segment = self.segments[index];
            if segment.base != next {
                let missing = format!("the segment before it ends at {next}");
                return Err(LogError::Missing { path: self.folder.clone(), start: segment.base, missing });
            }
            next = self.replay_segment(index, snapshot_end)?;
        }
        if next < snapshot_end {
            tracing::warn!(log_end = %next, snapshot_end = %snapshot_end, "the metadata log ends before its snapshot; it starts anew there");
            self.drop_segments()?;
        }
        self.end_offset = next.max(snapshot_end);
        Ok(())
    }

    /// Applies the batches of one segment that are not in the snapshot; gives the offset after its last.
    fn replay_segment(&mut self, index: usize, snapshot_end: Offset) -> Result<Offset, LogError> {
        let Segment { base, .. } = self.segments[index];
        let path = self.folder.join(names::segment(base));
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(LogError::io(&path))?;
        let mut reader = BatchReader::new(&file).map_err(LogError::io(&path))?;
        let mut next = base;
        loop {
            let position = reader.position();
            let damaged = |reason: String| LogError::Damaged { path: path.clone(), position, reason };
            match reader.next() {
                Ok(None) => return Ok(next),
                Ok(Some((header, bytes))) => {
                    if header.base_offset != next {
                        return Err(damaged(format!("a batch with offset {} where {next} is due", header.base_offset)));
                    }
                    let batch_bytes = bytes.len() as u64;
                    let batch = LogBatch::decode(&header, &bytes).map_err(|error| damaged(error.to_string()))?;
                    next = batch.position.end_offset;
                    self.epoch = self.epoch.max(batch.position.epoch);
                    if self.epochs.last().is_none_or(|(epoch, _)| *epoch < batch.position.epoch) {
                        self.epochs.push((batch.position.epoch, batch.position.base_offset));
                    }
                    if batch.position.base_offset >= snapshot_end {
                        self.bytes_since_snapshot += batch_bytes;
                        self.take(batch).map_err(damaged)?;
                    }
                }
                Err(ReadError::Io(source)) => return Err(LogError::Io { path, source }),
                Err(ReadError::Bad { position, reason }) => {
                    let bad = LogError::Damaged { path: path.clone(), position, reason };
                    let last = index + 1 == self.segments.len();
                    if !last || sound_batch_follows(&file, position, next).map_err(LogError::io(&path))? {
                        return Err(bad);
                    }
                    self.cut(&file, position, reader.file_bytes(), bad)?;
                    return Ok(next);
                }
            }
        }
    }

    fn take(&mut self, batch: LogBatch) -> Result<(), String> {
        let records = match batch.content {
            Content::Data(records) => records,
            Content::Control(records) => {
                for record in records {
                    if record.is_quorum_state() {
                        self.control.retain(|other| std::mem::discriminant(other) != std::mem::discriminant(&record));
                        self.control.push(record);
                    }
                }
                Vec::new()
            }
        };
        self.builder.apply(batch.position, &records).map_err(|error| error.to_string())
    }

    /// Cuts off the end of the last segment: a batch that was being written when the machine or the process died.
    fn cut(&mut self, file: &File, position: u64, file_bytes: u64, reason: LogError) -> Result<(), LogError> {
        let Some(segment) = self.segments.last_mut() else { return Ok(()) };
        tracing::warn!(bytes = file_bytes - position, %reason, "cut an unfinished batch off the end of the metadata log");
        let cut = file.set_len(position).and_then(|()| file.sync_all());
        cut.map_err(LogError::io(&self.folder))?;
        segment.bytes = position;
        remove_side_files(&self.folder, segment.base).map_err(LogError::io(&self.folder))
    }

    fn drop_segments(&mut self) -> Result<(), LogError> {
        for segment in self.segments.drain(..) {
            remove_segment(&self.folder, segment.base).map_err(LogError::io(&self.folder))?;
        }
        sync_dir(&self.folder).map_err(LogError::io(&self.folder))
    }
}

/// Removes a segment and what Kafka keeps beside it.
pub(super) fn remove_segment(folder: &Path, base: Offset) -> io::Result<()> {
    remove_if_there(&folder.join(names::segment(base)))?;
    remove_side_files(folder, base)
}

fn remove_side_files(folder: &Path, base: Offset) -> io::Result<()> {
    names::SIDE_SUFFIXES.iter().try_for_each(|suffix| remove_if_there(&folder.join(names::side_file(base, suffix))))
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
