//! One flush for all partitions of a shard on one log directory.
//!
//! A segment's appends go into blocks that are already written (the runway), so a flush of *any* file makes the data of
//! *all* files on that device durable: the flush is the device's. It is done on a small file that nobody writes to, whose
//! own metadata is never dirty: some kernels write that of the flushed file each time. A file whose metadata is dirty (it
//! grew) is flushed by itself, beside the others: a thousand new partitions have a thousand such files. Where a file system
//! makes no promise about other files, each is flushed by itself.
//!
//! A flush goes through the ring, or is made in place where nothing could be done meanwhile (the [`Pace`] says so).
//!
//! One flush of the device is in flight at a time; whatever asks meanwhile waits for the next, which is what groups
//! commits. A failed flush is never retried: the log directory is retired (`docs/decisions/durability.md`).

use std::{cell::Cell, path::Path, rc::Rc, time::Duration};

use crate::{
    partition::{Flush, FlushFailed, Message, Pace},
    runtime::{
        channel::Receiver,
        executor::SENTINEL,
        file::{DirectFile, OpenMode},
        fs,
        permits::Permits,
        task, timer,
    },
};

/// Long enough for one turn of the loop: the writes that waited for a flush go to the device, and it works on them while
/// those who the flush was for are answered.
const NEXT_TURN: Duration = Duration::from_micros(1);

/// Files flushed by themselves at a time, beside the flush of the device.
const ALONE_MAX: usize = 4;

/// Tells the broker that a log directory must not be used any more.
pub type DirectoryFailed = Rc<dyn Fn(&std::io::Error)>;

/// The log directory that a flusher serves.
#[derive(Clone)]
pub struct Flushed {
    /// When its partitions write.
    pub pace: Rc<Pace>,
    /// Once set, nothing in it is said to be durable any more.
    pub retired: Rc<Cell<bool>>,
    /// Told of a flush that failed.
    pub failed: DirectoryFailed,
}

impl std::fmt::Debug for Flushed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flushed").field("retired", &self.retired).finish_non_exhaustive()
    }
}

/// Serves the flush requests of the log directory at `path` until all its partitions are gone.
pub async fn run(path: std::path::PathBuf, requests: Receiver<Flush>, directory: Flushed) {
    let device = Rc::new(Device::of(&path).await);
    let alone = Rc::new(Permits::new(ALONE_MAX));
    let mut group = Vec::new();
    while let Some(first) = requests.recv().await {
        group.push(first);
        directory.pace.begin_flush().await;
        while let Some(request) = requests.try_recv() {
            group.push(request);
        }
        for flush in group.extract_if(.., |flush| flush.request.dirty_files().next().is_some()) {
            let (device, alone, directory) = (Rc::clone(&device), Rc::clone(&alone), directory.clone());
            task::spawn("flush a file", async move {
                let _permit = alone.take().await;
                directory.answer(directory.unless_retired(device.flush_alone(&flush)).await, [flush]);
            });
        }
        let result = directory.unless_retired(device.flush_group(&group, &directory.pace)).await;
        if directory.pace.end_flush() {
            timer::sleep(NEXT_TURN).await;
        }
        directory.answer(result, group.drain(..));
    }
}

impl Flushed {
    /// Nothing is flushed any more once the directory is retired.
    async fn unless_retired(&self, flush: impl Future<Output = std::io::Result<()>>) -> std::io::Result<()> {
        if self.retired.get() { Ok(()) } else { flush.await }
    }

    /// Tells what has become of a flush, the broker as well if it failed.
    fn answer(&self, result: std::io::Result<()>, group: impl IntoIterator<Item = Flush>) {
        if let Err(error) = result {
            (self.failed)(&error);
            self.retired.set(true);
        }
        for Flush { request, reply } in group {
            let result = if self.retired.get() { Err(FlushFailed) } else { Ok(request) };
            // The actor may have ended meanwhile; then nobody waits.
            drop(reply.try_send(Message::Flushed(result)));
        }
    }
}

/// How the files of a log directory are flushed together.
struct Device {
    /// The file whose flush is that of the device; absent if each file must be flushed by itself.
    file: Option<DirectFile>,
}

impl Device {
    async fn of(path: &Path) -> Self {
        Self { file: device_file(path).await }
    }

    /// For partitions whose files have clean metadata.
    async fn flush_group(&self, group: &[Flush], pace: &Pace) -> std::io::Result<()> {
        match &self.file {
            _ if group.is_empty() => Ok(()),
            Some(file) if pace.flushes_in_place() => pace.in_place(async { file.sync_data_in_place() }).await,
            Some(file) => file.sync_data().await,
            None => {
                for flush in group {
                    flush.request.execute().await?;
                }
                Ok(())
            }
        }
    }

    /// For a partition that has files with dirty metadata.
    async fn flush_alone(&self, flush: &Flush) -> std::io::Result<()> {
        if self.file.is_none() {
            return flush.request.execute().await;
        }
        // The flush of a dirty file is the device's as well, and covers the clean ones.
        for file in flush.request.dirty_files() {
            file.sync_data().await?;
        }
        Ok(())
    }
}

/// The file whose flush is that of the device; `None` if each file must be flushed by itself.
async fn device_file(path: &Path) -> Option<DirectFile> {
    if !fs::flush_is_the_devices(path) {
        return None;
    }
    let file = DirectFile::open(&path.join(SENTINEL), OpenMode::Read).await;
    file.inspect_err(|error| tracing::warn!(%error, "cannot open the probe file: every file is flushed by itself")).ok()
}
