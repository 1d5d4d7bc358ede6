//! One segment: a file of batches, its indexes, and how far it is written.
//!
//! Shared by the log that writes it, the view that plans reads and the reads in flight, all on one shard. Deleting a
//! segment only renames its files: whoever holds it can still read.

use std::{
    cell::{Cell, OnceCell, RefCell},
    io,
    path::PathBuf,
    rc::Rc,
};

use crate::{
    record::Timestamped,
    runtime::{
        file::{DirectFile, OpenMode},
        fs,
        notify::Notify,
    },
    types::Offset,
};

use super::{
    index::OffsetIndex,
    names::{self, Kind},
    runway::Runway,
    shared::LogShared,
    time_index::TimeIndex,
};

/// A partition's folder, whose name changes when its topic is deleted. Another log may get the name at once: whoever does
/// something to a file by its path stays the folder meanwhile, or it might do it to a file of that other log.
#[derive(Debug)]
pub(super) struct Folder {
    path: RefCell<PathBuf>,
    deleted: Cell<bool>,
    /// How many need the name as it is.
    staying: Cell<usize>,
    moving: Cell<bool>,
    changed: Notify,
    /// How often files in it got other names, and how many of those times are durable.
    renamings: Cell<u64>,
    durable_renamings: Cell<u64>,
}

/// The folder keeps its name until this is dropped.
pub(super) struct Stay<'a>(&'a Folder);

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        self.0.staying.set(self.0.staying.get() - 1);
        self.0.changed.notify();
    }
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Rc<Self> {
        Rc::new(Self {
            path: RefCell::new(path),
            deleted: Cell::new(false),
            staying: Cell::new(0),
            moving: Cell::new(false),
            changed: Notify::new(),
            renamings: Cell::new(0),
            durable_renamings: Cell::new(0),
        })
    }

    /// Its name now; to be used only while the folder [stays](Folder::stay), or to be shown.
    pub(super) fn path(&self) -> PathBuf {
        self.path.borrow().clone()
    }

    /// Keeps the folder's name as it is. May be held several times; for as short as possible.
    pub(super) async fn stay(&self) -> Stay<'_> {
        while self.moving.get() {
            self.changed.notified().await;
        }
        self.staying.set(self.staying.get() + 1);
        Stay(self)
    }

    /// Notes that files in it got other names, which may be durable later.
    pub(super) fn names_changed(&self) {
        self.renamings.set(self.renamings.get() + 1);
    }

    /// The folder is about to be flushed; what is given here is to be given to [`Folder::flush_ended`].
    pub(super) fn flush_begins(&self) -> u64 {
        self.renamings.get()
    }

    /// It was flushed: the names that were there when that began are durable.
    pub(super) fn flush_ended(&self, begun_after: u64) {
        self.durable_renamings.set(self.durable_renamings.get().max(begun_after));
    }

    /// Makes the names of its files durable, unless that has happened since they were changed.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) async fn flush_names(&self) -> io::Result<()> {
        let names = self.flush_begins();
        if names > self.durable_renamings.get() {
            let _stay = self.stay().await;
            fs::sync_dir(&self.path()).await?;
            self.flush_ended(names);
        }
        Ok(())
    }

    /// True from when the log is to be deleted: its files may be anywhere or nowhere, and nobody needs them.
    pub(super) fn is_deleted(&self) -> bool {
        self.deleted.get()
    }

    /// Gives the folder the name of a deleted one, when nobody needs the old name any more. Must be polled to its end.
    ///
    /// # Errors
    /// It cannot be renamed, and is not deleted.
    pub(super) async fn delete(&self, renamed: PathBuf) -> io::Result<()> {
        self.deleted.set(true);
        while self.staying.get() > 0 {
            self.changed.notified().await;
        }
        self.moving.set(true);
        let result = fs::rename(&self.path(), &renamed).await;
        match result {
            Ok(()) => drop(self.path.replace(renamed)),
            Err(_) => self.deleted.set(false),
        }
        self.moving.set(false);
        self.changed.notify();
        result
    }
}

/// What becomes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Appended to; its file has a runway.
    Active,
    /// Full; its file is being trimmed and its indexes are being written.
    Sealing,
    /// Full, trimmed, flushed, its indexes on disk.
    Sealed,
    /// No longer part of the log; its files have `.deleted` names.
    Deleted,
}

/// Both indexes, while they are in memory.
#[derive(Clone, Debug)]
pub(super) struct Indexes {
    pub(super) offsets: OffsetIndex,
    pub(super) times: TimeIndex,
}

impl Indexes {
    pub(super) fn new(base: Offset) -> Self {
        Self { offsets: OffsetIndex::new(base), times: TimeIndex::new(base) }
    }

    /// Bytes of memory they take.
    pub(super) fn memory(&self) -> usize {
        self.offsets.memory() + self.times.memory()
    }

    /// Gives memory back that no further entry needs.
    pub(super) fn shrink(&mut self) {
        self.offsets.shrink();
        self.times.shrink();
    }
}

/// One segment. Invariants: `base <= next`; `length` bytes hold whole batches of `base..next`.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) base: Offset,
    folder: Rc<Folder>,
    pub(super) stage: Cell<Stage>,
    /// Bytes of batches whose write is complete.
    pub(super) length: Cell<u64>,
    /// The offset after the last batch whose write is complete.
    pub(super) next: Cell<Offset>,
    /// The offset after the last batch it will ever hold, once that is known: `next` rises to it.
    pub(super) full_at: Cell<Option<Offset>>,
    /// Largest timestamp in milliseconds, and the last offset of the first batch that has it.
    pub(super) largest: Cell<Option<Timestamped>>,
    /// `None` while only the files have them.
    pub(super) indexes: RefCell<Option<Indexes>>,
    pub(super) runway: OnceCell<Box<Runway>>,
    file: RefCell<Option<DirectFile>>,
    /// The file was another segment's: behind what is written there may be old batches.
    pub(super) reused: Cell<bool>,
    /// For [`super::files::OpenFiles`].
    pub(super) last_use: Cell<u64>,
    /// For [`super::files::LoadedIndexes`].
    pub(super) last_index_use: Cell<u64>,
    /// Counts writes that changed the file's metadata; equal to `clean` when all of them are flushed.
    pub(super) dirty: Cell<u64>,
    pub(super) clean: Cell<u64>,
}

impl Segment {
    pub(super) fn new(folder: Rc<Folder>, base: Offset, stage: Stage) -> Rc<Self> {
        Rc::new(Self {
            base,
            folder,
            stage: Cell::new(stage),
            length: Cell::new(0),
            next: Cell::new(base),
            full_at: Cell::new(None),
            largest: Cell::new(None),
            indexes: RefCell::new(None),
            runway: OnceCell::new(),
            file: RefCell::new(None),
            reused: Cell::new(false),
            last_use: Cell::new(0),
            last_index_use: Cell::new(0),
            dirty: Cell::new(0),
            clean: Cell::new(0),
        })
    }

    pub(super) fn folder(&self) -> &Rc<Folder> {
        &self.folder
    }

    /// Where a file of this segment is now.
    pub(super) fn path(&self, kind: Kind) -> PathBuf {
        match self.stage.get() {
            Stage::Deleted => names::deleted(&self.folder.path(), kind, self.base),
            _ => names::path(&self.folder.path(), kind, self.base),
        }
    }

    /// The runway; none is ready before someone has said so.
    pub(super) fn runway(&self) -> &Runway {
        self.runway.get_or_init(|| Box::new(Runway::new(self.length.get(), 0)))
    }

    /// The open file, opened if need be.
    pub(super) async fn open(self: &Rc<Self>, shared: &LogShared) -> io::Result<DirectFile> {
        let open = self.file.borrow().clone();
        let file = match open {
            Some(file) => file,
            None => {
                let _stay = self.folder.stay().await;
                let mode = match self.stage.get() {
                    Stage::Active | Stage::Sealing => OpenMode::Write,
                    Stage::Sealed | Stage::Deleted => OpenMode::Read,
                };
                let file = DirectFile::open(&self.path(Kind::Log), mode).await?;
                self.file.replace(Some(file.clone()));
                file
            }
        };
        shared.files.touch(self);
        Ok(file)
    }

    /// Takes over a file that was just made.
    pub(super) fn adopt(self: &Rc<Self>, file: DirectFile, shared: &LogShared) {
        self.file.replace(Some(file));
        shared.files.touch(self);
    }

    /// True if nobody else knows the segment, and nobody reads or writes its file.
    pub(super) fn is_unused(self: &Rc<Self>) -> bool {
        Rc::strong_count(self) == 1 && self.file.borrow().as_ref().is_none_or(DirectFile::is_sole)
    }

    /// Lets go of the file; it is closed when the last read or write in flight is done.
    pub(super) fn close(&self) {
        self.last_use.set(0);
        self.file.replace(None);
    }

    /// Closes the file and trims the indexes in memory.
    pub(super) fn rest(&self) {
        self.close();
        if let Some(indexes) = self.indexes.borrow_mut().as_mut() {
            indexes.offsets.shrink();
            indexes.times.shrink();
        }
    }

    /// True if a write changed the file's size or extents and no flush of this file has followed.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty.get() != self.clean.get()
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once};

    use super::*;
    use crate::runtime::executor::run_alone;

    #[test]
    fn names_are_durable_when_a_flush_that_began_later_has_ended() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("t-0");
        run_alone(move || async move {
            let folder = Folder::new(path.clone());
            folder.flush_names().await.unwrap();
            folder.names_changed();
            assert!(folder.flush_names().await.is_err(), "there is no such folder");
            let early = folder.flush_begins();
            folder.names_changed();
            folder.flush_ended(early);
            assert!(folder.flush_names().await.is_err(), "that flush began too early");
            let late = folder.flush_begins();
            assert!(folder.flush_names().await.is_err(), "that one has not ended");
            folder.flush_ended(late);
            folder.flush_ended(early);
            folder.flush_names().await.unwrap();
            folder.names_changed();
            std::fs::create_dir(&path).unwrap();
            folder.flush_names().await.unwrap();
            std::fs::remove_dir(&path).unwrap();
            folder.flush_names().await.unwrap();
        })
        .unwrap();
    }

    #[test]
    fn a_folder_stays_while_somebody_needs_its_name() {
        let place = tempfile::tempdir().unwrap();
        let (old, new) = (place.path().join("t-0"), place.path().join("t-0.x-delete"));
        std::fs::create_dir(&old).unwrap();
        run_alone(move || async move {
            let folder = Folder::new(old.clone());
            let (first, second) = (folder.stay().await, folder.stay().await);
            let mut deletion = Box::pin(folder.delete(new.clone()));
            assert!(block_on(poll_once(&mut deletion)).is_none());
            drop(first);
            assert!(block_on(poll_once(&mut deletion)).is_none() && old.is_dir());
            assert!(folder.is_deleted() && folder.path() == old);
            drop(second);
            deletion.await.unwrap();
            assert!(!old.exists() && new.is_dir());
            drop(folder.stay().await);
            assert_eq!(folder.path(), new);
            let failed = Folder::new(old);
            assert!(failed.delete(new).await.is_err() && !failed.is_deleted());
        })
        .unwrap();
    }
}
