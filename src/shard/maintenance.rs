//! What a shard does because time passes: retention, rolling by time, checkpoints, watching the free space.
//!
//! One task for the whole shard; an idle partition costs no timer of its own.

use std::{cell::Cell, rc::Rc, time::Duration};

use super::state::{Checkpoint, Shard};
use crate::{
    partition::{Full, Message, Standing},
    runtime::{clock, fs, task, timer},
};

/// How often each partition looks at its age limits at the latest. `log.retention.check.interval.ms` may make it more often.
const MAINTAIN_MS_MAX: u64 = 10_000;
/// How often the free space of a log directory is looked at.
const DISK_CHECK: Duration = Duration::from_secs(1);
/// Partitions that are told in one turn of the loop.
const TOLD_AT_ONCE: usize = 256;

impl Shard {
    /// Tells every partition now and then that time has passed. Ends when `stop` is set.
    pub async fn maintain(self: Rc<Self>, stop: Rc<Cell<bool>>) {
        let interval_ns = self.config().log_retention_check_interval_ms.clamp(1, MAINTAIN_MS_MAX).saturating_mul(1_000_000);
        let mut next_ns = clock::monotonic_ns().saturating_add(interval_ns);
        while !stop.get() {
            // Where space has become short, the logs give up what they can at once.
            let filled = self.check_disks().await;
            if filled || clock::monotonic_ns() >= next_ns {
                next_ns = clock::monotonic_ns().saturating_add(interval_ns);
                for (count, handle) in self.partitions().into_iter().enumerate() {
                    handle.tell(Message::Maintain);
                    if count % TOLD_AT_ONCE == TOLD_AT_ONCE - 1 {
                        task::yield_now().await;
                    }
                }
            }
            timer::sleep(DISK_CHECK).await;
        }
    }

    /// Where every partition in service stands, for the checkpoint files.
    pub fn checkpoints(&self) -> Vec<Checkpoint> {
        let image = self.image();
        let standing = |handle: &crate::partition::PartitionHandle| matches!(handle.standing(), Standing::Leading | Standing::Closed);
        self.partitions()
            .iter()
            .filter(|handle| standing(handle))
            .filter_map(|handle| {
                Some(Checkpoint {
                    directory: image.partition(handle.id())?.directory_of(self.node_id())?,
                    partition: handle.name().clone(),
                    log_start: handle.marks().log_start(),
                    recovery_point: handle.marks().recovery_point(),
                    high_watermark: handle.marks().high_watermark(),
                })
            })
            .collect()
    }

    /// Closes every partition and leaves its files clean. True if all of them could be.
    pub async fn close_all(self: &Rc<Self>) -> bool {
        let mut closing = Vec::new();
        for handle in self.partitions() {
            closing.push(task::spawn("close partition", async move {
                let closed = handle.ask(|reply| Message::Close { fate: crate::partition::Fate::Keep, reply }).await;
                (handle, closed)
            }));
        }
        let mut clean = true;
        for task in closing {
            match task.await {
                Ok((_, Some(Ok(())))) => {}
                Ok((handle, closed)) => {
                    clean = false;
                    tracing::error!(partition = %handle.name(), ?closed, "cannot close the log cleanly");
                }
                Err(_) => clean = false,
            }
        }
        clean
    }

    /// True if a log directory has become full.
    async fn check_disks(&self) -> bool {
        let reserve_bytes = self.config().disk_reserve_bytes;
        let mut filled = false;
        for directory in self.directories() {
            let Ok(free_bytes) = fs::free_bytes(&directory.path).await else { continue };
            let full = (free_bytes < reserve_bytes).then_some(Full { free_bytes, reserve_bytes });
            if full.is_some() != directory.env.full.get().is_some() {
                let path = directory.path.display();
                filled |= full.is_some();
                match full {
                    Some(_) => tracing::error!(%path, free_bytes, reserve_bytes, "fewer bytes free than corelog.disk.reserve.bytes: produces are refused"),
                    None => tracing::info!(%path, free_bytes, "enough space again: produces are taken"),
                }
            }
            directory.env.full.set(full);
        }
        filled
    }
}
