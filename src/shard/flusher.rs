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

use std::{cell::Cell, path::Path, rc::Rc};

use crate::{
    partition::{Flush, FlushFailed, Message, Pace},
    runtime::{
        channel::Receiver,
        executor::SENTINEL,
        file::{DirectFile, OpenMode},
        fs,
        permits::Permits,
        task,
    },
};

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
    let mut inbox = Inbox { requests, group: Group { directory, flushes: Vec::new() } };
    while let Some(first) = inbox.requests.recv().await {
        let Inbox { requests, group } = &mut inbox;
        let directory = group.directory.clone();
        group.flushes.push(first);
        directory.pace.begin_flush().await;
        while let Some(request) = requests.try_recv() {
            group.flushes.push(request);
        }
        for flush in group.flushes.extract_if(.., |flush| flush.request.dirty_files().next().is_some()) {
            let (device, alone) = (Rc::clone(&device), Rc::clone(&alone));
            let mut single = Group { directory: directory.clone(), flushes: vec![flush] };
            task::spawn("flush a file", async move {
                let _permit = alone.take().await;
                let result = single.directory.unless_retired(device.flush_alone(&single.flushes)).await;
                single.answer(result);
            });
        }
        let result = directory.unless_retired(device.flush_group(&group.flushes, &directory.pace)).await;
        if directory.pace.end_flush() {
            // The writes that waited for the flush go to the device, and it works on them while those who the flush was for are answered.
            task::turn().await;
        }
        group.answer(result);
    }
}

/// What is asked and not yet begun, and what is being flushed.
struct Inbox {
    requests: Receiver<Flush>,
    group: Group,
}

impl Drop for Inbox {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Nobody serves them any more; the group answers them, and who asks from now on finds nobody.
            while let Some(request) = self.requests.try_recv() {
                self.group.flushes.push(request);
            }
            self.group.directory.pace.end();
        }
    }
}

/// Requests that one flush answers.
struct Group {
    directory: Flushed,
    flushes: Vec<Flush>,
}

impl Group {
    /// Tells what has become of the flush, the broker as well if it failed.
    fn answer(&mut self, result: std::io::Result<()>) {
        if let Err(error) = result {
            (self.directory.failed)(&error);
            self.directory.retired.set(true);
        }
        for Flush { request, reply } in self.flushes.drain(..) {
            let result = if self.directory.retired.get() { Err(FlushFailed) } else { Ok(request) };
            // The actor may have ended meanwhile; then nobody waits.
            drop(reply.try_send(Message::Flushed(result)));
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What is on the device nobody knows.
            self.answer(Err(std::io::Error::other("a flush panicked")));
        }
    }
}

impl Flushed {
    /// Nothing is flushed any more once the directory is retired.
    async fn unless_retired(&self, flush: impl Future<Output = std::io::Result<()>>) -> std::io::Result<()> {
        if self.retired.get() { Ok(()) } else { flush.await }
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

    /// For partitions that have files with dirty metadata.
    async fn flush_alone(&self, flushes: &[Flush]) -> std::io::Result<()> {
        for flush in flushes {
            if self.file.is_none() {
                flush.request.execute().await?;
                continue;
            }
            // The flush of a dirty file is the device's as well, and covers the clean ones.
            for file in flush.request.dirty_files() {
                file.sync_data().await?;
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        log::FlushRequest,
        runtime::{
            channel::{self, Sender},
            executor::run_alone,
        },
    };

    #[test]
    fn a_panic_answers_everyone_and_retires_the_directory() {
        run_alone(|| async {
            let told = Rc::new(Cell::new(0));
            let failed: DirectoryFailed = {
                let told = Rc::clone(&told);
                Rc::new(move |_: &std::io::Error| told.set(told.get() + 1))
            };
            let directory = Flushed { pace: Rc::default(), retired: Rc::default(), failed };
            let (asks, requests) = channel::unbounded();
            let (reply, answers) = channel::unbounded();
            let flush = |reply: &Sender<Message>| Flush { request: FlushRequest::default(), reply: reply.clone() };
            assert!(asks.try_send(flush(&reply)).is_ok());
            let inbox = Inbox { requests, group: Group { directory: directory.clone(), flushes: vec![flush(&reply)] } };
            let died = task::spawn("flusher", async move {
                let _inbox = inbox;
                task::turn().await;
                panic!("on purpose");
            });
            assert!(died.await.is_err());
            assert!(directory.retired.get() && told.get() == 1);
            for _ in 0..2 {
                assert!(matches!(answers.try_recv(), Some(Message::Flushed(Err(FlushFailed)))));
            }
            assert!(asks.try_send(flush(&reply)).is_err(), "who asks later is told so");
        })
        .unwrap();
    }
}
