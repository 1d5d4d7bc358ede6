//! Opening a log: what to trust, what to scan, and what to do about what is wrong.
//!
//! | found | what is done |
//! |---|---|
//! | clean stop, `corelog.state` fits the folder | nothing is read |
//! | `corelog.state` fits, no clean stop | scan from its offset |
//! | neither | scan the segment that holds the recovery point, and all later ones |
//! | zeroes after a batch | the end: space made ahead |
//! | a bad batch at or above the durable offset | torn tail: cut there, later segments are put aside |
//! | a bad batch below the durable offset | damage: nothing is changed, a note is left and the partition is refused |
//!
//! The durable offset is the recovery point or that of `corelog.state`, whichever is larger. File sizes are never taken
//! as log ends, except of segments that were sealed, which is known by the recovery point having passed them.

use std::{collections::VecDeque, io, path::PathBuf, rc::Rc};

use crate::{
    record::{Batch, NO_TIMESTAMP},
    runtime::{file::DirectFile, fs},
    types::{Offset, TopicPartition, Uuid},
};

use super::{
    epochs::EpochCache,
    index::OffsetIndex,
    load::REBUILT_INTERVAL_BYTES,
    log::{Log, Parts, apply_to_producers},
    names::{self, Kind},
    producers::ProducerStates,
    runway::{Runway, align_down, align_up},
    scan::{self, Stop, Visit},
    segment::{Folder, Indexes, Segment, Stage},
    settings::LogSettings,
    shared::LogShared,
    snapshot,
    state::State,
    survey::{self, Survey},
    tail::Written,
    time_index::TimeIndex,
};

/// Largest producer snapshot that is read.
const SNAPSHOT_BYTES_MAX: usize = 64 << 20;

/// Which log to open, and what the log directory's checkpoints say about it.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The log directory, in which the partition's folder is or will be.
    pub log_dir: PathBuf,
    /// The partition.
    pub name: TopicPartition,
    /// Its topic's id.
    pub topic_id: Uuid,
    /// The topic's configs.
    pub settings: LogSettings,
    /// From `log-start-offset-checkpoint`; `None` is the first segment's base.
    pub start: Option<Offset>,
    /// From `recovery-point-offset-checkpoint`; zero if it has none.
    pub recovery_point: Offset,
    /// The log directory was stopped cleanly, and nothing has been changed in it since.
    pub clean: bool,
    /// Milliseconds since 1970.
    pub now_ms: i64,
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system or the device failed.
    #[error("{}: {error}", folder.display())]
    Io {
        /// The partition's folder.
        folder: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// The folder belongs to another topic of the same name, or does not say which, though it holds data.
    #[error("{} belongs to topic id {found:?}, not {expected}", folder.display())]
    OtherTopic {
        /// The partition's folder.
        folder: PathBuf,
        /// In `partition.metadata`, if readable.
        found: Option<Uuid>,
        /// The topic's id.
        expected: Uuid,
    },
    /// Records that were acknowledged are damaged. Nothing was changed; the partition stays refused until
    /// `corelog.damaged` is removed from its folder.
    #[error("{} is damaged: {report}", folder.display())]
    Damaged {
        /// The partition's folder.
        folder: PathBuf,
        /// Where and how.
        report: String,
    },
}

impl Log {
    /// Opens a log, or makes an empty one. Afterwards every offset below [`Log::end`] is durable.
    ///
    /// # Errors
    /// See [`OpenError`]. Only the first kind says anything about the log directory.
    pub async fn open(shared: &Rc<LogShared>, options: OpenOptions) -> Result<Log, OpenError> {
        let path = options.log_dir.join(options.name.to_string());
        let io = |error| OpenError::Io { folder: path.clone(), error };
        let survey = {
            let (path, topic_id, start) = (path.clone(), options.topic_id, options.start.unwrap_or_default());
            fs::blocking(move || survey::survey(&path, topic_id, start)).await.map_err(io)?
        };
        if survey.topic_id != Some(options.topic_id) {
            return Err(OpenError::OtherTopic { folder: path, found: survey.topic_id, expected: options.topic_id });
        }
        if let Some(report) = survey.refused {
            return Err(OpenError::Damaged { folder: path, report });
        }
        let mut recovery = Recovery::new(shared, &options, &survey, path.clone());
        // What was just made is as it should be.
        let scanned = !survey.created && !recovery.adopt_state(survey.state.as_ref(), options.clean);
        if scanned {
            recovery.load_producers(&survey.snapshots).await.map_err(io)?;
            recovery.scan().await.map_err(|error| match error {
                ScanError::Io(error) => io(error),
                ScanError::Damaged(report) => OpenError::Damaged { folder: path.clone(), report },
            })?;
        }
        recovery.finish(survey, scanned).await.map_err(io)
    }
}

enum ScanError {
    Io(io::Error),
    Damaged(String),
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        ScanError::Io(error)
    }
}

/// What is known so far.
struct Recovery<'a> {
    shared: &'a Rc<LogShared>,
    options: &'a OpenOptions,
    folder: Rc<Folder>,
    segments: VecDeque<Rc<Segment>>,
    /// File sizes, as the folder lists them.
    sizes: Vec<u64>,
    /// Index of the first segment to scan, and where in it.
    from: usize,
    position: u64,
    /// The offset that the next batch must not be below.
    expected: Offset,
    /// Everything before it was acknowledged, perhaps.
    durable: Offset,
    first_timestamp: Option<i64>,
    producers: ProducerStates,
    /// `producers` knows everything before it.
    producers_end: Offset,
    epochs: EpochCache,
    epochs_changed: bool,
}

impl<'a> Recovery<'a> {
    fn new(shared: &'a Rc<LogShared>, options: &'a OpenOptions, survey: &Survey, path: PathBuf) -> Self {
        let folder = Folder::new(path);
        let segments: VecDeque<_> =
            survey.segments.keys().map(|base| Segment::new(Rc::clone(&folder), *base, Stage::Sealed)).collect();
        let sizes: Vec<u64> = survey.segments.values().copied().collect();
        for (index, segment) in segments.iter().enumerate() {
            // Right for sealed segments; those that are scanned get their length from their batches.
            segment.length.set(sizes[index]);
            segment.next.set(segments.get(index + 1).map_or(segment.base, |next| next.base));
        }
        let from = segments.partition_point(|segment| segment.base <= options.recovery_point).saturating_sub(1);
        let expected = segments[from].base;
        Self {
            shared,
            options,
            folder,
            segments,
            sizes,
            from,
            position: 0,
            expected,
            durable: options.recovery_point,
            first_timestamp: None,
            producers: ProducerStates::bounded(shared.producers_per_partition),
            producers_end: Offset::ZERO,
            epochs: EpochCache::new(survey.epochs.clone()),
            epochs_changed: false,
        }
    }

    /// Takes over what `corelog.state` says, if it fits the folder; true if nothing is left to scan.
    fn adopt_state(&mut self, state: Option<&State>, clean: bool) -> bool {
        let Some(state) = state else { return false };
        let Some((active, indexes, producers)) = self.check_state(state) else {
            return false;
        };
        for sealed in &state.sealed {
            if let Ok(index) = self.segments.binary_search_by_key(&sealed.base, |segment| segment.base) {
                self.segments[index].largest.set(sealed.largest);
            }
        }
        let segment = &self.segments[active];
        segment.length.set(state.position);
        segment.next.set(state.end);
        segment.largest.set(state.largest);
        segment.indexes.replace(Some(indexes));
        self.from = active;
        self.position = state.position;
        self.expected = state.end;
        self.durable = self.durable.max(state.end);
        self.first_timestamp = state.first_timestamp;
        self.producers = producers;
        self.producers_end = state.end;
        clean && active + 1 == self.segments.len() && self.sizes[active] == state.position
    }

    /// The index of the active segment, its indexes and the producers; `None` if the state is not of these files.
    fn check_state(&self, state: &State) -> Option<(usize, Indexes, ProducerStates)> {
        let active = self.segments.binary_search_by_key(&state.active, |segment| segment.base).ok()?;
        // Retention may have removed the oldest since; those that are there must be the same.
        let listed = &state.sealed[state.sealed.len().checked_sub(active)?..];
        let same = listed
            .iter()
            .zip(self.segments.iter().zip(&self.sizes))
            .all(|(sealed, (segment, size))| sealed.base == segment.base && sealed.length == *size);
        if !same || state.position > self.sizes[active] || state.end < state.active {
            return None;
        }
        let indexes = Indexes {
            offsets: OffsetIndex::decode(state.active, &state.offset_index.joined(), state.position)?,
            times: TimeIndex::decode(state.active, &state.time_index.joined())?,
        };
        let most = self.shared.producers_per_partition;
        let producers = snapshot::decode(&state.producers.joined(), self.options.now_ms, most).ok()?;
        Some((active, indexes, producers))
    }

    /// Without `corelog.state`: the newest snapshot at or before the scan. Batches between the two are scanned for their
    /// producers by starting the scan at the snapshot's segment.
    async fn load_producers(&mut self, snapshots: &[Offset]) -> io::Result<()> {
        if self.producers_end > Offset::ZERO {
            return Ok(());
        }
        let usable = snapshots.partition_point(|offset| *offset <= self.expected);
        for offset in snapshots[..usable].iter().rev() {
            let path = names::path(&self.folder.path(), Kind::Snapshot, *offset);
            let most = self.shared.producers_per_partition;
            match snapshot::decode(&fs::read(&path, SNAPSHOT_BYTES_MAX).await?, self.options.now_ms, most) {
                Ok(producers) => {
                    self.producers = producers;
                    self.producers_end = *offset;
                    self.from = self.segments.partition_point(|segment| segment.base <= *offset).saturating_sub(1);
                    self.expected = self.segments[self.from].base;
                    return Ok(());
                }
                Err(error) => tracing::warn!(path = %path.display(), %error, "a producer snapshot is unusable; an older one is tried"),
            }
        }
        if self.from > 0 {
            tracing::warn!(
                folder = %self.folder.path().display(),
                "no producer snapshot: retries of batches before offset {} will not be recognised", self.expected
            );
        }
        Ok(())
    }

    /// Scans to the end of the log and cuts it there.
    async fn scan(&mut self) -> Result<(), ScanError> {
        let mut index = self.from;
        loop {
            let segment = Rc::clone(&self.segments[index]);
            segment.stage.set(Stage::Active);
            let file = segment.open(self.shared).await?;
            let file_bytes = self.sizes[index];
            let (position, stop) = self.scan_segment(&segment, &file, file_bytes).await?;
            let next = self.segments.get(index + 1).map(|next| next.base);
            let problem = match (&stop, next) {
                (Stop::Bad(why), _) => Some(why.clone()),
                (_, Some(next)) if next < self.expected => Some(format!("the next segment begins at offset {next}")),
                (_, Some(next)) if next > self.expected && !self.options.settings.compact => {
                    Some(format!("the next segment begins at offset {next}: what lies between is missing"))
                }
                (_, None) if self.expected < self.durable => Some("the log ends here".to_owned()),
                _ => None,
            };
            if let Some(problem) = &problem {
                self.judge(&segment, position, file_bytes, problem).await?;
            }
            // What lies behind the last batch is zeroes or torn. Neither may be there when new batches are written.
            if file_bytes > align_up(position) {
                file.truncate(align_up(position)).await?;
            }
            if problem.is_some() {
                self.put_aside(index + 1).await?;
            }
            index += 1;
            if index >= self.segments.len() {
                file.sync_data().await?;
                return Ok(());
            }
            file.truncate(position).await?;
            file.sync_data().await?;
            segment.stage.set(Stage::Sealing);
            self.position = 0;
        }
    }

    /// Scans one segment; gives the end of its last good batch and why the scan ended there.
    async fn scan_segment(&mut self, segment: &Rc<Segment>, file: &DirectFile, file_bytes: u64) -> io::Result<(u64, Stop)> {
        if self.position == 0 {
            segment.length.set(0);
            segment.next.set(segment.base);
            segment.largest.set(None);
            segment.indexes.replace(Some(Indexes::new(segment.base)));
            self.first_timestamp = None;
        }
        let mut since = 0;
        let from = self.position;
        let ended = scan::walk(file, from, file_bytes, true, |batch, position| {
            let bytes = batch.bytes.len() as u64;
            let indexed = since > REBUILT_INTERVAL_BYTES;
            since = if indexed { bytes } else { since + bytes };
            self.accept(segment, batch, position, indexed)
        })
        .await?;
        self.expected = self.expected.max(segment.next.get());
        Ok((ended.position, ended.stop))
    }

    fn accept(&mut self, segment: &Segment, batch: &Batch<'_>, position: u64, indexed: bool) -> Visit {
        let header = &batch.header;
        if header.base_offset < self.expected {
            return Visit::Refuse(format!("a batch begins at offset {} where {} was expected", header.base_offset, self.expected));
        }
        if header.last_offset().since(segment.base) > i64::from(i32::MAX) {
            return Visit::Refuse(format!("offset {} does not belong into segment {}", header.last_offset(), segment.base));
        }
        if position == 0 && header.max_timestamp != NO_TIMESTAMP {
            self.first_timestamp = Some(header.max_timestamp);
        }
        if let Some(epoch) = header.leader_epoch
            && self.epochs.latest().is_none_or(|latest| epoch > latest)
        {
            self.epochs_changed |= self.epochs.assign(epoch, header.base_offset);
        }
        if header.base_offset >= self.producers_end {
            apply_to_producers(&mut self.producers, header, batch.bytes, header.base_offset, self.options.now_ms);
        }
        segment.written(&Written {
            last: header.last_offset(),
            max_timestamp: header.max_timestamp,
            position,
            bytes: batch.bytes.len() as u64,
            indexed,
        });
        self.expected = header.next_offset();
        Visit::Continue
    }

    /// Torn tail or damage?
    async fn judge(&self, segment: &Segment, position: u64, file_bytes: u64, problem: &str) -> Result<(), ScanError> {
        let path = segment.path(Kind::Log);
        if self.expected >= self.durable {
            tracing::warn!(
                segment = %path.display(), position, offset = %self.expected, cut_bytes = file_bytes.saturating_sub(position), problem,
                "the end of the log is torn and is cut off; nothing from there on was known to be durable"
            );
            return Ok(());
        }
        let report = format!(
            "{} at position {position}, offset {}: {problem}. Everything before offset {} was durable, so acknowledged records are damaged. \
             Nothing was changed. Restore the folder from a replica or a backup; or, to give up what follows, cut the file to {position} bytes, \
             remove later segments and the file {}, and set the partition's line in recovery-point-offset-checkpoint to 0.",
            path.display(), self.expected, self.durable, names::DAMAGED,
        );
        tracing::error!(segment = %path.display(), position, offset = %self.expected, durable = %self.durable, problem, "acknowledged records are damaged: the partition is refused");
        fs::write_atomic(&self.folder.path().join(names::DAMAGED), report.clone().into_bytes()).await?;
        Err(ScanError::Damaged(report))
    }

    /// Segments after a torn one hold nothing that was known to be durable. They get another name, for whoever wants to look.
    async fn put_aside(&mut self, index: usize) -> io::Result<()> {
        for segment in self.segments.split_off(index) {
            let path = segment.path(Kind::Log);
            let mut aside = path.clone();
            aside.as_mut_os_string().push(".torn");
            tracing::warn!(segment = %path.display(), aside = %aside.display(), "a segment after the torn one is put aside");
            fs::rename(&path, &aside).await?;
            for kind in Kind::BESIDE_LOG {
                fs::remove_file(&segment.path(kind)).await?;
            }
        }
        Ok(())
    }

    /// Makes the log of what was found.
    async fn finish(mut self, survey: Survey, scanned: bool) -> io::Result<Log> {
        let active = Rc::clone(&self.segments[self.segments.len() - 1]);
        let end = active.next.get();
        active.stage.set(Stage::Active);
        active.indexes.borrow_mut().get_or_insert_with(|| Indexes::new(active.base));
        // Beyond the last block the file was cut off, so there is no runway yet; within it only as far as the file goes.
        let length = active.length.get();
        let last_size = self.sizes[self.segments.len() - 1].min(align_up(length));
        let _ = active.runway.set(Box::new(Runway::new(length, align_down(last_size))));
        for segment in self.segments.iter().take(self.segments.len() - 1) {
            if segment.largest.get().is_none() && segment.stage.get() == Stage::Sealed {
                segment.load_largest().await?;
            }
        }
        self.epochs_changed |= self.epochs.truncate_end(end) && scanned;
        let bases = &self.segments;
        let is_stray = |offset: &&Offset| **offset != end && bases.binary_search_by_key(*offset, |segment| segment.base).is_err();
        for offset in survey.snapshots.iter().filter(is_stray) {
            fs::remove_file(&names::path(&self.folder.path(), Kind::Snapshot, *offset)).await?;
        }
        let first = self.segments[0].base;
        let start = self.options.start.unwrap_or(first).clamp(first, end.max(first));
        self.epochs.truncate_start(start);
        let unsynced = if survey.created {
            vec![self.folder.path().join(names::PARTITION_METADATA), self.options.log_dir.clone()]
        } else {
            Vec::new()
        };
        let sealing: Vec<_> =
            self.segments.iter().filter(|segment| segment.stage.get() == Stage::Sealing).map(Rc::clone).collect();
        let epochs_changed = self.epochs_changed;
        let mut log = Log::assemble(Parts {
            name: self.options.name.clone(),
            settings: self.options.settings.clone(),
            shared: Rc::clone(self.shared),
            folder: self.folder,
            segments: self.segments,
            start,
            first_timestamp: self.first_timestamp,
            producers: self.producers,
            epochs: self.epochs,
            unsynced,
            now_ms: self.options.now_ms,
        });
        for segment in &sealing {
            log.seal_if_complete(segment);
        }
        if epochs_changed {
            log.write_epochs();
        }
        Ok(log)
    }
}

impl Segment {
    /// Finds the largest timestamp of a sealed segment: the last entry of its time index, or by its batches.
    async fn load_largest(&self) -> io::Result<()> {
        let bytes = match fs::read(&self.path(Kind::TimeIndex), SNAPSHOT_BYTES_MAX).await {
            Ok(bytes) => bytes,
            Err(_) => return Ok(()),
        };
        if let Some(times) = TimeIndex::decode(self.base, &bytes) {
            self.largest.set(times.last());
        }
        Ok(())
    }
}
