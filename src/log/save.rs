//! Writing down what is known of a log: in the background while it runs, so that a restart after a crash reads little,
//! and at its end, so that a restart reads nothing.

use std::{
    io,
    path::{Path, PathBuf},
    rc::Rc,
};

use crate::{
    runtime::fs,
    types::Offset,
};

use super::{
    checkpoint,
    durable::DurableEnd,
    entries::Parts,
    log::Log,
    names::{self, Kind},
    seal,
    segment::{Folder, Segment, Stage},
    snapshot,
    state::{SealedState, State},
};

/// Bytes appended since the last save after which another one is due, whatever the caller does.
pub(super) const SAVE_EVERY_BYTES: u64 = 128 << 20;

/// A save of `corelog.state`, captured at the log end; it is written when everything before that is durable.
#[derive(Debug)]
pub(super) struct Save {
    segment: Rc<Segment>,
    durable: Rc<DurableEnd>,
    folder: Rc<Folder>,
    state: State,
}

impl Log {
    /// Saves what is known of the log up to its end, in the background and only if something was appended since the last
    /// time. Meant to be called now and then (`log.flush.offset.checkpoint.interval.ms`); after much data it happens by
    /// itself.
    pub fn save(&mut self) {
        if self.since_save == 0 || self.saving.get() || self.has_failed() {
            return;
        }
        self.since_save = 0;
        self.saving.set(true);
        let save = self.capture();
        let saving = Rc::clone(&self.saving);
        self.in_background("save the state of a log", async move {
            let result = save.execute().await;
            saving.set(false);
            result
        });
    }

    fn capture(&self) -> Save {
        let sealed = self
            .view
            .segments
            .borrow()
            .iter()
            .filter(|segment| segment.base < self.tail.segment.base)
            .map(|segment| SealedState { base: segment.base, length: segment.length.get(), largest: segment.largest.get() })
            .collect();
        Save {
            segment: Rc::clone(&self.tail.segment),
            durable: Rc::clone(&self.durable),
            folder: Rc::clone(&self.folder),
            state: State {
                active: self.tail.segment.base,
                position: self.tail.position,
                end: self.tail.end,
                largest: None,
                first_timestamp: self.tail.first_timestamp,
                sealed,
                offset_index: Parts::default(),
                time_index: Parts::default(),
                producers: snapshot::encode(&self.producers).into(),
            },
        }
    }

    /// Ends the log: the active segment is trimmed and everything is written as Kafka writes it, so that Kafka or we can
    /// start on it without a scan. Nothing may be staged or in flight. The files are not flushed one by one: call
    /// [`sync_file_system`] once when all logs of a directory are closed, and then leave the mark of a clean stop.
    ///
    /// # Errors
    /// The log cannot be marked clean: it failed earlier, batches are still waiting, or the device fails now.
    pub async fn close(self) -> io::Result<()> {
        if self.has_failed() || self.end() != self.written_end() {
            return Err(io::Error::other(format!("{} is closed with batches that are not written", self.name)));
        }
        let active = Rc::clone(&self.tail.segment);
        active.runway().stop().await;
        self.next_segment.discard(&self.folder).await?;
        let sealing: Vec<_> =
            self.view.segments.borrow().iter().filter(|segment| segment.stage.get() == Stage::Sealing).map(Rc::clone).collect();
        for segment in sealing {
            seal::seal(segment, Rc::clone(&self.shared), Rc::clone(&self.next_segment)).await?;
        }
        let mut state = self.capture().state;
        seal::push_last_time(&active);
        fill_active(&mut state, &active);
        let folder = self.folder.path();
        let (end, epochs) = (state.end, checkpoint::encode_epochs(self.epochs.entries()));
        let (log, length) = (active.path(Kind::Log), active.length.get());
        fs::blocking(move || {
            trim(&log, length)?;
            state.offset_index.write_as(&names::path(&folder, Kind::Index, state.active))?;
            state.time_index.write_as(&names::path(&folder, Kind::TimeIndex, state.active))?;
            state.producers.write_as(&names::path(&folder, Kind::Snapshot, end))?;
            std::fs::write(folder.join(names::LEADER_EPOCHS), epochs)?;
            state.encode().write_as(&folder.join(names::STATE))
        })
        .await?;
        active.close();
        Ok(())
    }
}

/// Cuts a file to its size; leaves one alone that has it. A segment that nothing was written to since the log rolled has no
/// file yet and gets one.
fn trim(path: &Path, length: u64) -> io::Result<()> {
    let is_exact = std::fs::metadata(path).is_ok_and(|file| file.len() == length);
    if is_exact {
        return Ok(());
    }
    std::fs::OpenOptions::new().write(true).create(length == 0).truncate(false).open(path)?.set_len(length)
}

impl Save {
    async fn execute(mut self) -> io::Result<()> {
        if !self.durable.reach(self.state.end).await || !fill_active(&mut self.state, &self.segment) {
            return Ok(());
        }
        let _stay = self.folder.stay().await;
        let (path, state) = (self.folder.path().join(names::STATE), self.state);
        fs::blocking(move || {
            // Replaced as a whole, so that a process that dies leaves the old or the new one. Not flushed: see `state`.
            let beside = path.with_extension("state.tmp");
            state.encode().write_as(&beside)?;
            std::fs::rename(&beside, &path)
        })
        .await
    }
}

/// Adds what the segment's indexes say below the state's end; false if they are not in memory any more.
fn fill_active(state: &mut State, segment: &Segment) -> bool {
    let indexes = segment.indexes.borrow();
    let Some(indexes) = indexes.as_ref() else {
        return false;
    };
    state.offset_index = indexes.offsets.encode_below(state.position);
    state.time_index = indexes.times.encode_below(state.end);
    let largest = segment.largest.get();
    state.largest = largest.filter(|largest| largest.offset < state.end).or_else(|| indexes.times.last_below(state.end));
    true
}

/// Makes everything in the file system of `path` durable: once, after all logs of a directory were closed.
///
/// # Errors
/// What the operating system says.
pub async fn sync_file_system(path: PathBuf) -> io::Result<()> {
    fs::blocking(move || {
        let folder = std::fs::File::open(&path)?;
        Ok(rustix::fs::syncfs(&folder)?)
    })
    .await
}

impl Log {
    /// Puts the current leader epochs into their file, in the background. Not for an empty log: its epochs begin anew.
    pub(super) fn write_epochs(&mut self) {
        self.epochs_unsaved = true;
        if self.end() > self.start() {
            self.save_epochs();
        }
    }

    pub(super) fn save_epochs(&mut self) {
        self.epochs_unsaved = false;
        if self.epoch_file.put(checkpoint::encode_epochs(self.epochs.entries())) {
            let work = Rc::clone(&self.epoch_file).write(Rc::clone(&self.folder));
            self.in_background("write the leader epochs", work);
        }
    }

    /// Everything below is not lost by a crash and need not be scanned after one; for
    /// `recovery-point-offset-checkpoint`. Never inside a segment before one that is not sealed yet.
    pub fn recovery_point(&self) -> Offset {
        let segments = self.view.segments.borrow();
        let unsealed = segments.iter().find(|segment| segment.stage.get() == Stage::Sealing).map(|segment| segment.base);
        unsealed.map_or(self.durable_end(), |base| base.min(self.durable_end()))
    }
}
