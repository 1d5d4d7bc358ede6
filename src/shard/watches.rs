//! Waiting for progress of partitions of this shard, and who asked for it: a wait that nobody needs any more ends at once,
//! also if the one who asked is on another shard.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use crate::{
    partition::{PartitionHandle, Watcher},
    runtime::{clock, notify::Notify, timer},
    types::{HashMap, Offset, ShardId},
};

/// One wait: woken by progress, ended by whoever asked for it.
#[derive(Debug, Default)]
pub(super) struct Watch {
    moved: Cell<bool>,
    ended: Cell<bool>,
    notify: Notify,
}

impl Watcher for Watch {
    fn progressed(&self) {
        self.moved.set(true);
        self.notify.notify();
    }
}

impl Watch {
    /// Nobody waits for it any more.
    pub(super) fn end(&self) {
        self.ended.set(true);
        self.notify.notify();
    }

    /// Returns when the partitions hold `bytes` beyond the positions named, one of them cannot be read any more, the
    /// deadline passes, or the watch is ended.
    pub(super) async fn run(self: Rc<Self>, partitions: &[(PartitionHandle, Offset)], bytes: usize, deadline_ns: u64) {
        let watcher: Rc<dyn Watcher> = Rc::<Watch>::clone(&self);
        for (handle, _) in partitions {
            handle.marks().watch(&watcher);
        }
        while !self.ended.get() {
            let mut held = 0u64;
            for (handle, position) in partitions {
                let Ok(view) = handle.view_now() else { return };
                held += view.bytes_between(*position, handle.marks().high_watermark());
            }
            let left_ns = deadline_ns.saturating_sub(clock::monotonic_ns());
            if held >= bytes as u64 || left_ns == 0 {
                return;
            }
            self.moved.set(false);
            let woken = timer::timeout(Duration::from_nanos(left_ns), self.notify.notified()).await;
            if woken.is_some() && self.moved.get() {
                // A watcher is told once: look again, then wait again.
                for (handle, _) in partitions {
                    handle.marks().watch(&watcher);
                }
            }
        }
    }
}

/// The watches that run on a shard for others, by who asked and the number of the request.
#[derive(Debug, Default)]
pub(super) struct Watches(RefCell<HashMap<(ShardId, u64), Rc<Watch>>>);

impl Watches {
    pub(super) fn start(&self, from: ShardId, number: u64) -> Rc<Watch> {
        let watch = Rc::new(Watch::default());
        self.0.borrow_mut().insert((from, number), Rc::clone(&watch));
        watch
    }

    /// The watch has run.
    pub(super) fn finished(&self, from: ShardId, number: u64) {
        self.0.borrow_mut().remove(&(from, number));
    }

    /// Ends a watch; one that has run meanwhile is not there any more.
    pub(super) fn end(&self, from: ShardId, number: u64) {
        let watch = self.0.borrow_mut().remove(&(from, number));
        if let Some(watch) = watch {
            watch.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{executor::run_alone, task};

    #[test]
    fn a_watch_ends_when_it_is_told_to_or_at_its_deadline() {
        let (told, late) = run_alone(|| async {
            let watches = Rc::new(Watches::default());
            let started_ns = clock::monotonic_ns();
            let far_ns = started_ns + 60_000_000_000;
            let watch = watches.start(ShardId(1), 7);
            let running = task::spawn("watch", async move { watch.run(&[], 1, far_ns).await });
            timer::sleep(Duration::from_millis(5)).await;
            watches.end(ShardId(0), 7);
            watches.end(ShardId(1), 8);
            assert_eq!(watches.0.borrow().len(), 1, "those are others'");
            watches.end(ShardId(1), 7);
            running.await.unwrap();
            assert!(watches.0.borrow().is_empty());
            let told_ns = clock::monotonic_ns() - started_ns;
            let begun_ns = clock::monotonic_ns();
            watches.start(ShardId(1), 9).run(&[], 1, begun_ns + 20_000_000).await;
            watches.finished(ShardId(1), 9);
            watches.end(ShardId(1), 9);
            (told_ns, clock::monotonic_ns() - begun_ns)
        })
        .unwrap();
        assert!(told < 10_000_000_000, "{told}");
        assert!(late >= 20_000_000, "{late}");
    }
}
