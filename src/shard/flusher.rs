//! One flush for all partitions of a shard on one log directory.
//!
//! A segment's appends go into blocks that are already written (the runway), so a flush of *any* file makes the data of
//! *all* files on that device durable: the flush is the device's. A file whose metadata is dirty (it grew) is flushed
//! by itself. One flush is in flight at a time; whatever asks meanwhile waits for the next, which is what groups commits.
//! A failed flush is never retried: the log directory is retired (`docs/decisions/durability.md`).

use std::{cell::Cell, rc::Rc};

use crate::{
    partition::{Flush, FlushFailed, Message},
    runtime::channel::Receiver,
};

/// Tells the broker that a log directory must not be used any more.
pub type DirectoryFailed = Rc<dyn Fn(&std::io::Error)>;

/// Serves the flush requests of one log directory until all its partitions are gone. Once `retired` is set, nothing is
/// said to be durable any more.
pub async fn run(requests: Receiver<Flush>, retired: Rc<Cell<bool>>, failed: DirectoryFailed) {
    let mut group = Vec::new();
    while let Some(first) = requests.recv().await {
        group.push(first);
        while let Some(request) = requests.try_recv() {
            group.push(request);
        }
        if !retired.get() && let Err(error) = flush(&group).await {
            failed(&error);
            retired.set(true);
        }
        for Flush { request, reply } in group.drain(..) {
            let result = if retired.get() { Err(FlushFailed) } else { Ok(request) };
            // The actor may have ended meanwhile; then nobody waits.
            drop(reply.try_send(Message::Flushed(result)));
        }
    }
}

async fn flush(group: &[Flush]) -> std::io::Result<()> {
    let mut flushed = false;
    for file in group.iter().flat_map(|flush| flush.request.dirty_files()) {
        file.sync_data().await?;
        flushed = true;
    }
    match group.first() {
        Some(flush) if !flushed => flush.request.device.sync_data().await,
        _ => Ok(()),
    }
}
