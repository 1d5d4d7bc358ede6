//! Deleting old segments, whole ones only: by age, by size of the log, and below the log start offset
//! (UnifiedLog.deleteOldSegments); and what ends a log or a part of it: DeleteRecords, truncation, deletion of the topic.
//!
//! A decision is synchronous and takes effect at once for new reads. The files are renamed and later removed in the
//! background.

use std::{io, path::PathBuf, rc::Rc, time::Duration};

use crate::{
    runtime::{fs, timer},
    types::{Offset, Uuid},
};

use super::{
    log::Log,
    names::{self, Kind},
    prepare::NextSegment,
    recovery::{OpenError, OpenOptions},
    scan::{self, Visit},
    segment::{Folder, Segment, Stage},
    shared::LogShared,
    spare::{self, Spare},
};

/// How often the removal of a folder is tried again that is not empty in the end, and after what pause.
const REMOVAL_TRIES: usize = 100;
const REMOVAL_PAUSE: Duration = Duration::from_millis(10);

/// What a round of retention has deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Segments.
    pub segments: usize,
    /// Bytes of batches in them.
    pub bytes: u64,
}

impl Log {
    /// Deletes the segments that are too old, too many or below the log start offset, as long as all their records are
    /// below `limit` (the high watermark). May begin a new segment, if even the newest record is too old.
    pub fn apply_retention(&mut self, now_ms: i64, limit: Offset) -> Deleted {
        self.remove_spares(self.next_segment.spares.sweep());
        let count = self.deletable(now_ms, limit);
        let all = self.view.segment_count();
        if count == all {
            // Kafka, too, keeps an active segment: an empty one, so that the offsets go on.
            self.roll_to(self.tail.end, now_ms);
        }
        self.delete_oldest(count)
    }

    /// Raises the log start offset (DeleteRecords): records below it are gone for readers at once, and segments that hold
    /// no others are deleted. The caller notes the new start in `log-start-offset-checkpoint`. Lower offsets change
    /// nothing; it never passes the written end.
    pub fn advance_start(&mut self, start: Offset) -> Offset {
        let start = start.min(self.written_end());
        if start > self.view.start() {
            self.set_start(start);
            let count = self.below_start();
            self.delete_oldest(count);
        }
        self.view.start()
    }

    /// Begins a new segment now, if the active one holds anything and is older than `segment.ms`. Appends do this by
    /// themselves; this is for logs that get none.
    pub fn roll_if_old(&mut self, now_ms: i64) {
        if self.tail.position > 0 && self.tail.age_ms(now_ms, now_ms) > self.settings.segment_ms - self.jitter_ms() {
            self.roll_to(self.tail.end, now_ms);
        }
    }

    fn set_start(&mut self, start: Offset) {
        self.view.start.set(start);
        if self.epochs.truncate_start(start) {
            self.write_epochs();
        }
    }

    fn below_start(&self) -> usize {
        let (segments, start) = (self.view.segments.borrow(), self.view.start());
        segments.iter().zip(segments.iter().skip(1)).take_while(|(_, next)| next.base <= start).count()
    }

    /// How many of the oldest segments go. All of them only if the active one is not empty and at rest.
    fn deletable(&self, now_ms: i64, limit: Offset) -> usize {
        let mut count = self.below_start();
        if self.settings.delete {
            count = count.max(self.too_old(now_ms)).max(self.too_many());
        }
        let segments = self.view.segments.borrow();
        let allowed = segments.iter().take_while(|segment| segment.next.get() <= limit && segment.stage.get() != Stage::Sealing).count();
        let at_rest = self.tail.position > 0 && self.end() == self.written_end();
        count.min(allowed).min(if at_rest { segments.len() } else { segments.len() - 1 })
    }

    fn too_old(&self, now_ms: i64) -> usize {
        let Some(retention_ms) = self.settings.retention_ms else {
            return 0;
        };
        let is_old = |segment: &&Rc<Segment>| {
            segment.largest.get().is_some_and(|largest| now_ms.saturating_sub(largest.timestamp) > retention_ms)
        };
        self.view.segments.borrow().iter().take_while(is_old).count()
    }

    fn too_many(&self) -> usize {
        let Some(retention_bytes) = self.settings.retention_bytes else {
            return 0;
        };
        let mut excess = self.view.size_bytes().saturating_sub(retention_bytes);
        let fits = |segment: &&Rc<Segment>| {
            let length = segment.length.get();
            let fits = length > 0 && length <= excess;
            excess = excess.saturating_sub(length);
            fits
        };
        self.view.segments.borrow().iter().take_while(fits).count()
    }

    fn delete_oldest(&mut self, count: usize) -> Deleted {
        let gone: Vec<_> = self.view.segments.borrow_mut().drain(..count).collect();
        let Some(last) = gone.last() else {
            return Deleted::default();
        };
        let start = last.next.get();
        self.view.cache.borrow_mut().drop_before(start);
        if start > self.view.start() {
            self.set_start(start);
        }
        let deleted = Deleted { segments: gone.len(), bytes: gone.iter().map(|segment| segment.length.get()).sum() };
        for segment in &gone {
            segment.stage.set(Stage::Deleted);
        }
        let delay = Duration::from_millis(self.settings.file_delete_delay_ms);
        let next = Rc::clone(&self.next_segment);
        let gone = Gone { segments: gone, folder: Rc::clone(&self.folder), next, worth_keeping: self.settings.segment_bytes / 2 };
        self.in_background("delete segments", gone.delete(Rc::clone(&self.shared), delay));
        deleted
    }

    /// Removes the files of deleted segments that are kept to be written to again: space is short.
    pub fn give_up_spares(&self) {
        self.remove_spares(self.next_segment.spares.give_up());
    }

    fn remove_spares(&self, unused: Vec<Spare>) {
        if !unused.is_empty() {
            let (folder, shared) = (Rc::clone(&self.folder), Rc::clone(&self.shared));
            self.in_background("remove spare files", async move {
                let _permit = shared.permits.take().await;
                spare::remove(&folder, unused).await
            });
        }
    }

    /// Cuts the log so that it ends at `end`, as a follower does that has records which its leader lacks, and opens it
    /// anew: with a new view, because what old views promise is gone. Nothing may be staged or in flight.
    ///
    /// # Errors
    /// As [`Log::open`].
    pub async fn truncate(self, end: Offset, mut options: OpenOptions) -> Result<Log, OpenError> {
        let folder = self.folder.path();
        options.clean = false;
        options.start = Some(self.start().min(end));
        let shared = Rc::clone(&self.shared);
        options.recovery_point = self.cut(end).await.map_err(|error| OpenError::Io { folder, error })?;
        Log::open(&shared, options).await
    }

    /// Cuts the files; gives up to where the log is known to be sound: whole batches below `end` are kept.
    async fn cut(self, end: Offset) -> io::Result<Offset> {
        let mut sound = end.min(self.recovery_point());
        let segments: Vec<_> = self.view.segments.borrow().iter().map(Rc::clone).collect();
        self.tail.segment.runway().stop().await;
        self.next_segment.discard(&self.folder).await?;
        fs::remove_file(&self.folder.path().join(names::STATE)).await?;
        for segment in segments.iter().rev() {
            if segment.base >= end && segment.base > segments[0].base {
                remove_files(segment, &Kind::OF_SEGMENT).await?;
            } else if segment.next.get() > end {
                segment.stage.set(Stage::Active);
                let file = segment.open(&self.shared).await?;
                let mut kept = segment.base;
                let ended = scan::walk(&file, 0, segment.length.get(), false, |batch, _| {
                    if batch.header.next_offset() > end {
                        return Visit::Enough;
                    }
                    kept = batch.header.next_offset();
                    Visit::Continue
                })
                .await?;
                file.truncate(ended.position).await?;
                file.sync_data().await?;
                segment.close();
                sound = sound.min(kept);
            }
        }
        fs::sync_dir(&self.folder.path()).await?;
        Ok(sound)
    }

    /// Ends the log because its topic is deleted: its folder gets Kafka's name for that at once, and is removed in the
    /// background after `file.delete.delay.ms`.
    ///
    /// # Errors
    /// The folder cannot be renamed.
    pub async fn delete(self) -> io::Result<()> {
        self.tail.segment.runway().stop().await;
        let folder = self.folder.path();
        let renamed = deleted_name(&folder)?;
        self.folder.delete(renamed.clone()).await?;
        let delay = Duration::from_millis(self.settings.file_delete_delay_ms);
        let shared = Rc::clone(&self.shared);
        self.in_background("delete a log", async move {
            timer::sleep(delay).await;
            let _turn = shared.turn().await;
            // What the log still does in the background may put a file there meanwhile; it ends by itself.
            for _ in 0..REMOVAL_TRIES {
                match fs::remove_dir_all(&renamed).await {
                    Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => timer::sleep(REMOVAL_PAUSE).await,
                    result => return result,
                }
            }
            fs::remove_dir_all(&renamed).await
        });
        Ok(())
    }
}

/// `T-P.<32 hex digits>-delete`, cut so that it fits a file name (LocalLog.logDeleteDirName).
fn deleted_name(folder: &std::path::Path) -> io::Result<PathBuf> {
    let id: String = Uuid::random()?.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let suffix = format!(".{id}-delete");
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let kept = name.len().min(255 - suffix.len());
    Ok(folder.with_file_name(format!("{}{suffix}", &name[..kept])))
}

/// Segments that are no longer part of their log.
struct Gone {
    segments: Vec<Rc<Segment>>,
    folder: Rc<Folder>,
    /// Whose spare files those become that nobody reads any more, if they have so many bytes.
    next: Rc<NextSegment>,
    worth_keeping: u64,
}

impl Gone {
    /// Renames the files, waits, and removes them.
    async fn delete(self, shared: Rc<LogShared>, delay: Duration) -> io::Result<()> {
        for segment in &self.segments {
            segment.runway().stop().await;
        }
        let permit = shared.permits.take().await;
        self.rename().await?;
        drop(permit);
        timer::sleep(delay).await;
        // A log that still grows has done so with the next segment's name.
        self.folder.flush_names().await?;
        for segment in self.segments {
            let _permit = shared.permits.take().await;
            let is_worth_it = segment.length.get() >= self.worth_keeping.max(1) && segment.is_unused();
            let is_kept = |kind: &Kind| is_worth_it && self.next.spares.keep((*kind, segment.base));
            let others: Vec<Kind> = Kind::OF_SEGMENT.into_iter().filter(|kind| !is_kept(kind)).collect();
            remove_files(&segment, &others).await?;
        }
        Ok(())
    }

    async fn rename(&self) -> io::Result<()> {
        let bases: Vec<Offset> = self.segments.iter().map(|segment| segment.base).collect();
        let _stay = self.folder.stay().await;
        let path = self.folder.path();
        fs::blocking(move || {
            for (base, kind) in bases.iter().flat_map(|base| Kind::OF_SEGMENT.map(|kind| (*base, kind))) {
                fs::absent_is_fine(std::fs::rename(names::path(&path, kind, base), names::deleted(&path, kind, base)))?;
            }
            Ok(())
        })
        .await?;
        self.folder.names_changed();
        Ok(())
    }
}

/// Removes files of a segment, wherever they are by now; one that is not there is no error.
async fn remove_files(segment: &Segment, kinds: &[Kind]) -> io::Result<()> {
    let _stay = segment.folder().stay().await;
    fs::remove_files(kinds.iter().map(|kind| segment.path(*kind)).collect()).await
}
