//! One flush for all partitions of a shard on one log directory.
//!
//! A segment's appends go into blocks that are already written (the runway), so a flush of *any* file makes the data of
//! *all* files on that device durable: the flush is the device's. It is done on a small file that nobody writes to, whose
//! own metadata is never dirty: some kernels write that of the flushed file each time. A file whose metadata is dirty (it
//! grew) is flushed by itself. Where a file system makes no promise about other files, each is flushed by itself.
//!
//! One flush is in flight at a time; whatever asks meanwhile waits for the next, which is what groups commits. A failed
//! flush is never retried: the log directory is retired (`docs/decisions/durability.md`).

use std::{cell::Cell, path::Path, rc::Rc, time::Duration};

use crate::{
    partition::{Flush, FlushFailed, Message, Pace},
    runtime::{
        channel::Receiver,
        executor::SENTINEL,
        file::{DirectFile, OpenMode},
        fs, timer,
    },
};

/// Long enough for one turn of the loop: the writes that waited for a flush go to the device, and it works on them while
/// those who the flush was for are answered.
const NEXT_TURN: Duration = Duration::from_micros(1);

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
    let Flushed { pace, retired, failed } = directory;
    let device = device(&path).await;
    let mut group = Vec::new();
    while let Some(first) = requests.recv().await {
        group.push(first);
        pace.begin_flush().await;
        while let Some(request) = requests.try_recv() {
            group.push(request);
        }
        if !retired.get() && let Err(error) = flush(device.as_ref(), &group).await {
            failed(&error);
            retired.set(true);
        }
        if pace.end_flush() {
            timer::sleep(NEXT_TURN).await;
        }
        for Flush { request, reply } in group.drain(..) {
            let result = if retired.get() { Err(FlushFailed) } else { Ok(request) };
            // The actor may have ended meanwhile; then nobody waits.
            drop(reply.try_send(Message::Flushed(result)));
        }
    }
}

/// The file whose flush is that of the device; `None` if each file must be flushed by itself.
async fn device(path: &Path) -> Option<DirectFile> {
    if !fs::flush_is_the_devices(path) {
        return None;
    }
    let file = DirectFile::open(&path.join(SENTINEL), OpenMode::Read).await;
    file.inspect_err(|error| tracing::warn!(%error, "cannot open the probe file: every file is flushed by itself")).ok()
}

async fn flush(device: Option<&DirectFile>, group: &[Flush]) -> std::io::Result<()> {
    let mut flushed = false;
    for file in group.iter().flat_map(|flush| flush.request.dirty_files()) {
        file.sync_data().await?;
        flushed = true;
    }
    let mut clean = group.iter().flat_map(|flush| &flush.request.clean).peekable();
    match device {
        // The flush of a dirty file was the device's as well.
        Some(_) if flushed || clean.peek().is_none() => Ok(()),
        Some(device) => device.sync_data().await,
        None => {
            for file in clean {
                file.sync_data().await?;
            }
            Ok(())
        }
    }
}
