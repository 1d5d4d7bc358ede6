//! What all logs of one shard share: the budget of the tail caches, the bound of open files, the block of zeroes, the
//! permits of background work, and the way to tell that a log directory has failed.

use std::{
    cell::{Cell, OnceCell},
    io,
    path::{Path, PathBuf},
    rc::Rc,
};

use crate::{
    runtime::{channel::Sender, permits::{Permit, Permits}},
    types::limits,
};

use super::{cache::CacheBudget, files::{LoadedIndexes, OpenFiles}, runway::Zeroes, segment::Folder, zeroing::Zeroing};

/// Logs of a shard that are opened or removed at a time: a topic with a thousand partitions must not take the shard for
/// itself, and its blocking threads do two at a time anyway.
const TURNS: usize = 16;

/// Bounds of what the logs of a shard use together.
#[derive(Clone, Debug)]
pub struct SharedLimits {
    /// Bytes of all tail caches.
    pub cache_bytes: usize,
    /// Open segment files. Reads and writes in flight may hold a few more.
    pub open_files: usize,
    /// Bytes of the indexes of sealed segments in memory.
    pub index_bytes: usize,
    /// Background steps (sealing, preparing, removing files) at a time: with as many as there are blocking threads, the file
    /// that an append waits for would wait for theirs.
    pub background: usize,
    /// Idempotent producers that one log remembers (`corelog.producers.per.partition.max`).
    pub producers_per_partition: usize,
}

impl Default for SharedLimits {
    fn default() -> Self {
        Self {
            cache_bytes: limits::SHARD_CACHE_BYTES,
            open_files: 4096,
            index_bytes: 64 * limits::MIB,
            background: 1,
            producers_per_partition: limits::PRODUCERS_PER_PARTITION_MAX,
        }
    }
}

/// A write in the background failed: nothing of that log directory can be trusted to be durable any more.
#[derive(Debug)]
pub struct StorageFailure {
    /// The partition's folder.
    pub folder: PathBuf,
    /// What was being done.
    pub doing: &'static str,
    /// What the operating system said.
    pub error: io::Error,
}

/// One per shard, given to every log.
#[derive(Debug)]
pub struct LogShared {
    pub(super) budget: Rc<CacheBudget>,
    pub(super) files: OpenFiles,
    pub(super) indexes: LoadedIndexes,
    pub(super) permits: Rc<Permits>,
    pub(super) zeroing: Rc<Zeroing>,
    turns: Rc<Permits>,
    pub(super) producers_per_partition: usize,
    zeroes: OnceCell<Rc<Zeroes>>,
    /// Tasks of background work that have not ended.
    working: Cell<usize>,
    failures: Sender<StorageFailure>,
}

impl LogShared {
    /// For one shard. Failures of background work go to `failures`; whoever reads it retires the log directory.
    pub fn new(limits: &SharedLimits, failures: Sender<StorageFailure>) -> Rc<Self> {
        Rc::new(Self {
            budget: Rc::new(CacheBudget::new(limits.cache_bytes)),
            files: OpenFiles::new(limits.open_files),
            indexes: LoadedIndexes::new(limits.index_bytes),
            permits: Rc::new(Permits::new(limits.background.max(1))),
            zeroing: Rc::new(Zeroing::new()),
            turns: Rc::new(Permits::new(TURNS)),
            producers_per_partition: limits.producers_per_partition,
            zeroes: OnceCell::new(),
            working: Cell::new(0),
            failures,
        })
    }

    /// Waits for the turn of a log to be opened or removed; dropped, it is the next one's.
    pub async fn turn(&self) -> Permit {
        self.turns.take().await
    }

    /// Bytes in the tail caches now.
    pub fn cached_bytes(&self) -> usize {
        self.budget.used_bytes()
    }

    /// Pieces of background work that are not done: sealing, zeroing, saving, deletions that wait for their delay. A
    /// restart makes up for what is left undone.
    pub fn background_work(&self) -> usize {
        self.working.get()
    }

    pub(super) fn zeroes(&self) -> Rc<Zeroes> {
        Rc::clone(self.zeroes.get_or_init(|| Rc::new(Zeroes::new())))
    }

    /// Tells that background work failed.
    pub(super) fn failed(&self, folder: &Path, doing: &'static str, error: io::Error) {
        tracing::error!(folder = %folder.display(), doing, %error, "storage failed: the log directory is to be retired");
        let failure = StorageFailure { folder: folder.to_owned(), doing, error };
        if self.failures.try_send(failure).is_err() {
            tracing::error!(folder = %folder.display(), "nobody takes the report of a storage failure");
        }
    }
}

/// Background work on one log, under way until this is dropped. Work that panics leaves files in a state that nobody knows:
/// that is a failure of the log directory, too.
#[derive(Debug)]
pub(super) struct Working {
    shared: Rc<LogShared>,
    folder: Rc<Folder>,
    doing: &'static str,
}

impl Working {
    pub(super) fn begin(shared: Rc<LogShared>, folder: Rc<Folder>, doing: &'static str) -> Self {
        shared.working.set(shared.working.get() + 1);
        Self { shared, folder, doing }
    }

    /// Tells of an error; not if the log was deleted meanwhile, and its folder with it.
    pub(super) fn failed(&self, error: io::Error) {
        let folder = self.folder.path();
        if self.folder.is_deleted() && matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) {
            return tracing::debug!(folder = %folder.display(), doing = self.doing, %error, "the log was deleted meanwhile");
        }
        self.shared.failed(&folder, self.doing, error);
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.shared.working.set(self.shared.working.get() - 1);
        if std::thread::panicking() {
            self.shared.failed(&self.folder.path(), self.doing, io::Error::other("it panicked"));
        }
    }
}
