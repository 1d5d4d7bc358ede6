//! One partition's log, owned by value by the actor of the partition: append, write, flush, roll.
//!
//! Every method here is synchronous but opening and closing. Offsets, in order:
//! `start <= durable_end <= written_end <= end`. *Staged* batches have offsets (`end`), *written* ones are in the file
//! and can be read, *durable* ones survive a power loss.

use std::{
    cell::Cell,
    collections::VecDeque,
    io,
    path::PathBuf,
    rc::Rc,
};

use crate::{
    record::{BatchHeader, CheckedBatch},
    runtime::{file::DirectFile, task},
    types::{LeaderEpoch, Offset, TopicPartition},
};

use super::{
    durable::DurableEnd,
    epoch_file::EpochFile,
    epochs::EpochCache,
    flush::FlushRequest,
    prepare::NextSegment,
    producers::{Marker, ProducerStates},
    runway::align_down,
    save::SAVE_EVERY_BYTES,
    seal,
    segment::{Folder, Indexes, Segment, Stage},
    settings::LogSettings,
    shared::{LogShared, Working},
    snapshot,
    tail::{Incoming, StagedBatch, Tail},
    view::LogView,
    write::{Ground, PartialBlock, WRITE_BYTES_MAX, WriteOutcome, WritePlan},
};

/// Why a batch is not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// RECORD_LIST_TOO_LARGE.
    #[error("the record batch has {bytes} bytes; segment.bytes of the topic is {segment_bytes}")]
    LargerThanSegment {
        /// Bytes of the batch.
        bytes: u64,
        /// The limit.
        segment_bytes: u64,
    },
    /// A replicated batch that does not follow the log end.
    #[error("the batch begins at offset {base}, but the log ends at {end}")]
    OutOfOrder {
        /// Where the batch begins.
        base: Offset,
        /// The log end offset.
        end: Offset,
    },
    /// No offset is left.
    #[error("the log has no offsets left")]
    Full,
    /// KAFKA_STORAGE_ERROR: an earlier write or flush failed; nothing is appended until the log is opened anew.
    #[error("an earlier write to this log failed")]
    Failed,
}

/// Offsets that a batch got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staged {
    /// Of its first record.
    pub base: Offset,
    /// After its last record.
    pub next: Offset,
}

/// One partition's log.
#[derive(Debug)]
pub struct Log {
    pub(super) name: TopicPartition,
    pub(super) settings: LogSettings,
    pub(super) shared: Rc<LogShared>,
    pub(super) folder: Rc<Folder>,
    pub(super) view: Rc<LogView>,
    pub(super) tail: Tail,
    partial: PartialBlock,
    /// The segment that the last write went to: of which `partial` is the last block.
    writing: Rc<Segment>,
    write_in_flight: bool,
    failed: bool,
    pub(super) durable: Rc<DurableEnd>,
    /// Segments that writes went to since the last flush, and their files, which must not be closed before it.
    unflushed: Vec<(Rc<Segment>, DirectFile)>,
    pub(super) next_segment: Rc<NextSegment>,
    pub(super) producers: ProducerStates,
    pub(super) epochs: EpochCache,
    /// Files made when the log was created, to be flushed with the first write.
    pub(super) unsynced: Vec<PathBuf>,
    pub(super) epoch_file: Rc<EpochFile>,
    pub(super) epochs_unsaved: bool,
    /// Bytes staged since the state was last saved.
    pub(super) since_save: u64,
    pub(super) saving: Rc<Cell<bool>>,
}

impl Log {
    pub(super) fn assemble(parts: Parts) -> Self {
        let segments = parts.segments;
        let active = Rc::clone(&segments[segments.len() - 1]);
        let view = Rc::new(LogView::new(Rc::clone(&parts.shared), segments, parts.start));
        let durable = Rc::new(DurableEnd::default());
        durable.advance(view.end());
        Self {
            name: parts.name,
            settings: parts.settings,
            shared: parts.shared,
            folder: parts.folder,
            tail: Tail::new(Rc::clone(&active), parts.first_timestamp, parts.now_ms),
            partial: PartialBlock::default(),
            writing: active,
            view,
            write_in_flight: false,
            failed: false,
            durable,
            unflushed: Vec::new(),
            next_segment: Rc::default(),
            producers: parts.producers,
            epochs: parts.epochs,
            unsynced: parts.unsynced,
            epoch_file: Rc::default(),
            epochs_unsaved: false,
            since_save: 0,
            saving: Rc::default(),
        }
    }

    /// The partition's name, as in its folder's.
    pub fn name(&self) -> &TopicPartition {
        &self.name
    }

    /// The readers' side.
    pub fn view(&self) -> &Rc<LogView> {
        &self.view
    }

    /// The log start offset.
    pub fn start(&self) -> Offset {
        self.view.start()
    }

    /// The log end offset.
    pub fn end(&self) -> Offset {
        self.tail.end
    }

    /// Everything before it is in the file.
    pub fn written_end(&self) -> Offset {
        self.view.written_end()
    }

    /// Everything before it survives a power loss.
    pub fn durable_end(&self) -> Offset {
        self.durable.get()
    }

    /// Bytes of batches that are staged and not yet taken for a write.
    pub fn staged_bytes(&self) -> usize {
        self.tail.queued_bytes
    }

    /// State of the idempotent producers as of the log end: ask it before staging what a client sent.
    pub fn producers(&self) -> &ProducerStates {
        &self.producers
    }

    /// Forgets producers that were silent for long ([`ProducerStates::expire`]).
    pub fn expire_producers(&mut self, now_ms: i64, expiration_ms: i64) {
        self.producers.expire(now_ms, expiration_ms);
    }

    /// Which leader epoch began where.
    pub fn epochs(&self) -> &EpochCache {
        &self.epochs
    }

    /// The configs in use.
    pub fn settings(&self) -> &LogSettings {
        &self.settings
    }

    /// Takes over changed configs of the topic; they hold from the next batch on.
    pub fn configure(&mut self, settings: LogSettings) {
        self.settings = settings;
    }

    /// Gives back what an idle log does not need: its descriptor, the copy of its last block. Does nothing while batches
    /// wait for a write or a flush. The next write reads that block and opens the file again.
    pub fn rest(&mut self) {
        if self.write_in_flight || self.durable_end() != self.tail.end {
            return;
        }
        self.partial.forget();
        self.tail.segment.rest();
        self.tail.queue.shrink_to_fit();
        self.unflushed.shrink_to_fit();
        self.view.cache.borrow_mut().drop_evicted();
    }

    /// True after a failed write or flush: the log can be read, but not appended to.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Gives a checked batch the next offsets and stages it. Producer state takes it over, so the caller has asked
    /// [`Log::producers`] before. Nothing is copied yet.
    ///
    /// # Errors
    /// The batch is not staged and nothing has changed.
    pub fn stage(&mut self, batch: CheckedBatch, epoch: LeaderEpoch, now_ms: i64) -> Result<Staged, AppendError> {
        self.stage_at(batch, self.tail.end, epoch, now_ms)
    }

    /// Stages a batch that its leader has given offsets: they may leave a gap, but must not go back.
    ///
    /// # Errors
    /// The batch is not staged and nothing has changed.
    pub fn stage_replica(&mut self, batch: CheckedBatch, now_ms: i64) -> Result<Staged, AppendError> {
        let base = batch.header().base_offset;
        if base < self.tail.end {
            return Err(AppendError::OutOfOrder { base, end: self.tail.end });
        }
        let epoch = batch.header().leader_epoch.or(self.epochs.latest()).unwrap_or_default();
        self.stage_at(batch, base, epoch, now_ms)
    }

    fn stage_at(&mut self, batch: CheckedBatch, base: Offset, epoch: LeaderEpoch, now_ms: i64) -> Result<Staged, AppendError> {
        if self.failed {
            return Err(AppendError::Failed);
        }
        let header = *batch.header();
        let bytes = batch.len() as u64;
        if bytes > self.settings.segment_bytes {
            return Err(AppendError::LargerThanSegment { bytes, segment_bytes: self.settings.segment_bytes });
        }
        let last = base.plus(i64::from(header.last_offset_delta));
        if last.next() <= base || last.next() == Offset::MAX {
            return Err(AppendError::Full);
        }
        let incoming = Incoming { bytes, last, max_timestamp: header.max_timestamp, now_ms };
        if self.tail.must_roll(&incoming, &self.settings, self.jitter_ms()) {
            self.roll_to(base, now_ms);
        }
        self.note(&header, batch.bytes(), base, epoch, now_ms);
        let staged = StagedBatch {
            segment: Rc::clone(&self.tail.segment),
            bytes: batch.into_bytes(),
            base,
            last,
            epoch,
            max_timestamp: header.max_timestamp,
            position: self.tail.position,
            indexed: false,
        };
        self.tail.push(staged, &self.settings);
        self.view.end.set(self.tail.end);
        self.since_save += bytes;
        if self.epochs_unsaved {
            self.save_epochs();
        }
        Ok(Staged { base, next: self.tail.end })
    }

    /// Lets producer state and leader epochs take over a batch.
    fn note(&mut self, header: &BatchHeader, bytes: &[u8], base: Offset, epoch: LeaderEpoch, now_ms: i64) {
        if self.epochs.latest() != Some(epoch) {
            self.begin_epoch(epoch, base);
        }
        apply_to_producers(&mut self.producers, header, bytes, base, now_ms);
    }

    /// Notes that `epoch` begins at the log end: at the start of leadership, before anything is appended. The file
    /// follows in the background.
    pub fn assign_epoch(&mut self, epoch: LeaderEpoch) {
        self.begin_epoch(epoch, self.tail.end);
    }

    fn begin_epoch(&mut self, epoch: LeaderEpoch, start: Offset) {
        if self.epochs.assign(epoch, start) {
            self.write_epochs();
        }
    }

    /// What to take off `segment.ms`: by a number that is the same after a restart but differs between logs.
    pub(super) fn jitter_ms(&self) -> i64 {
        if self.settings.segment_jitter_ms <= 0 {
            return 0;
        }
        let seed = format!("{} {}", self.name, self.tail.segment.base);
        i64::from(crc32c::crc32c(seed.as_bytes())) % self.settings.segment_jitter_ms
    }

    /// Begins a new segment at `base`; the old one is sealed when its last write is complete.
    pub(super) fn roll_to(&mut self, base: Offset, now_ms: i64) {
        let old = Rc::clone(&self.tail.segment);
        old.full_at.set(Some(self.tail.end));
        self.tail.end = base;
        let segment = Segment::new(Rc::clone(&self.folder), base, Stage::Active);
        segment.indexes.replace(Some(Indexes::new(base)));
        let snapshot = snapshot::encode(&self.producers);
        self.in_background("write a producer snapshot", {
            let (folder, shared, next) = (Rc::clone(&self.folder), Rc::clone(&self.shared), Rc::clone(&self.next_segment));
            async move {
                let _permit = shared.permits.take().await;
                seal::write_snapshot(&folder, &next.spares, base, snapshot).await
            }
        });
        self.view.segments.borrow_mut().push_back(Rc::clone(&segment));
        self.tail.roll(segment, now_ms);
        old.stage.set(Stage::Sealing);
        self.seal_if_complete(&old);
    }

    pub(super) fn seal_if_complete(&self, segment: &Rc<Segment>) {
        let complete = segment.full_at.get().is_none_or(|end| segment.next.get() >= end);
        if segment.stage.get() == Stage::Sealing && complete {
            let work = seal::seal(Rc::clone(segment), Rc::clone(&self.shared), Rc::clone(&self.next_segment));
            self.in_background("seal a segment", work);
        }
    }

    /// The next write, if batches wait and none is in flight. Execute it in a task of its own and give its outcome to
    /// [`Log::complete_write`].
    pub fn take_write(&mut self) -> Option<WritePlan> {
        if self.write_in_flight || self.failed {
            return None;
        }
        let batches = self.tail.take(WRITE_BYTES_MAX);
        let segment = Rc::clone(&batches.first()?.segment);
        let mut ground = Ground::default();
        if !Rc::ptr_eq(&segment, &self.writing) {
            self.partial.begin();
            self.writing = segment;
            ground.create = Some(Rc::clone(&self.next_segment));
        } else if align_down(self.writing.length.get()) == self.writing.length.get() {
            self.partial.begin();
        }
        ground.sync = std::mem::take(&mut self.unsynced);
        self.write_in_flight = true;
        Some(WritePlan::new(Rc::clone(&self.shared), batches, &self.partial, ground))
    }

    /// Takes over what a write has become; gives the new written end. Then see [`Log::take_write`] for the next one and
    /// [`Log::flush_request`].
    ///
    /// # Errors
    /// The write failed. It is not retried: the log takes no more appends, and its directory is to be retired.
    pub fn complete_write(&mut self, outcome: WriteOutcome) -> io::Result<Offset> {
        self.write_in_flight = false;
        let (buffer, file) = match outcome.result {
            Ok(written) => written,
            Err(error) => {
                self.fail();
                return Err(error);
            }
        };
        let segment = outcome.segment;
        for batch in &outcome.batches {
            segment.written(batch);
        }
        let end = segment.length.get();
        self.partial.keep(&buffer, outcome.start, end);
        self.view.written_end.set(segment.next.get());
        let whole = buffer.slice(0..buffer.len());
        self.view.cache.borrow_mut().push(segment.base, outcome.start, end, whole);
        if !self.unflushed.iter().any(|(unflushed, _)| Rc::ptr_eq(unflushed, &segment)) {
            self.unflushed.push((Rc::clone(&segment), file));
        }
        self.seal_if_complete(&segment);
        self.keep_ground_ahead(&segment);
        if self.since_save >= SAVE_EVERY_BYTES {
            self.save();
        }
        Ok(self.view.written_end())
    }

    /// Extends the runway and prepares the next segment when it is time.
    fn keep_ground_ahead(&self, segment: &Rc<Segment>) {
        let segment_bytes = self.settings.segment_bytes;
        let position = segment.length.get();
        if segment.stage.get() != Stage::Active {
            return;
        }
        if segment.runway().begin_step(position, segment_bytes) {
            let (segment, shared) = (Rc::clone(segment), Rc::clone(&self.shared));
            self.in_background("extend a runway", async move {
                let _turn = shared.zeroing.turn(&segment).await;
                match segment.open(&shared).await {
                    Ok(file) => segment.runway().extend(&file, segment_bytes, &shared).await,
                    Err(error) => {
                        segment.runway().give_up();
                        Err(error)
                    }
                }
            });
        } else if segment.runway().is_pressing() {
            // Perhaps it waits for its turn.
            self.shared.zeroing.give_turns();
        }
        if self.next_segment.begin(position, segment_bytes) {
            let (next, folder, shared) = (Rc::clone(&self.next_segment), Rc::clone(&self.folder), Rc::clone(&self.shared));
            self.in_background("prepare a segment", async move {
                let _permit = shared.permits.take().await;
                next.prepare(folder, &shared, segment_bytes).await
            });
        }
    }

    /// Work whose failure means that the log directory has failed.
    pub(super) fn in_background(&self, doing: &'static str, work: impl Future<Output = io::Result<()>> + 'static) {
        let working = Working::begin(Rc::clone(&self.shared), Rc::clone(&self.folder), doing);
        task::spawn_background(doing, async move {
            if let Err(error) = work.await {
                working.failed(error);
            }
        });
    }

    /// The flush that makes all completed writes durable; `None` if they are.
    pub fn flush_request(&self) -> Option<FlushRequest> {
        if self.failed || self.durable_end() >= self.written_end() {
            return None;
        }
        let (mut clean, mut dirty) = (Vec::new(), Vec::new());
        for (segment, file) in &self.unflushed {
            if segment.is_dirty() {
                dirty.push((Rc::clone(segment), file.clone(), segment.dirty.get()));
            } else {
                clean.push(file.clone());
            }
        }
        Some(FlushRequest { end: self.written_end(), clean, dirty })
    }

    /// Takes over that a flush, which began after the request was made, is done; gives the new durable end.
    pub fn flushed(&mut self, request: &FlushRequest) -> Offset {
        for (segment, _, dirty) in &request.dirty {
            segment.clean.set((*dirty).max(segment.clean.get()));
        }
        self.durable.advance(request.end);
        let durable = self.durable_end();
        self.unflushed.retain(|(segment, _)| segment.next.get() > durable);
        durable
    }

    /// A flush failed, on this log or another of its device: what was written since is of unknown durability, and nothing
    /// is appended any more.
    pub fn fail(&mut self) {
        self.failed = true;
        self.durable.finish();
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Background work that waits for durability must not wait for ever.
        self.durable.finish();
    }
}

/// Lets producer state take over a batch that is in the log, or about to be.
pub(super) fn apply_to_producers(producers: &mut ProducerStates, header: &BatchHeader, bytes: &[u8], base: Offset, now_ms: i64) {
    if header.producer_id.is_none() {
        return;
    }
    if !header.is_control() {
        producers.apply(header, base, now_ms);
    } else if let Some(marker) = Marker::read(bytes) {
        producers.apply_marker(header, base, marker, now_ms);
    }
}

/// What opening a log has found.
pub(super) struct Parts {
    pub(super) name: TopicPartition,
    pub(super) settings: LogSettings,
    pub(super) shared: Rc<LogShared>,
    pub(super) folder: Rc<Folder>,
    /// Oldest first, the last one active; never empty.
    pub(super) segments: VecDeque<Rc<Segment>>,
    pub(super) start: Offset,
    pub(super) first_timestamp: Option<i64>,
    pub(super) producers: ProducerStates,
    pub(super) epochs: EpochCache,
    pub(super) unsynced: Vec<PathBuf>,
    pub(super) now_ms: i64,
}
