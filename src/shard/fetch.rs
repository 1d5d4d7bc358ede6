//! A fetch over the partitions of several shards: read, and if that is not enough, wait and read again.
//!
//! Runs on the shard of the connection. Every shard reads its own partitions; records of another shard are copied once,
//! on the way over.

use std::{cell::Cell, rc::Rc};

use super::{
    Shard,
    mailbox::{Reply, Request},
    watches::Watch,
};
use crate::{
    partition::{self, FetchFrom, Fetched, PartitionHandle, Refusal},
    runtime::{buffer::Slice, clock, notify::Notify},
    types::{ErrorCode, Offset, PartitionId, ShardId},
};

/// One partition of a fetch.
#[derive(Clone, Debug)]
pub enum Place {
    /// It is on this shard.
    At(ShardId, FetchFrom),
    /// It cannot be read.
    Refused(Refusal),
}

/// A fetch request, resolved.
#[derive(Debug)]
pub struct FetchTask {
    /// The partitions, in the order of the request.
    pub places: Vec<Place>,
    /// Bytes of records that the client takes in all; the first batch found may be larger.
    pub max_bytes: usize,
    /// Bytes for which the client would rather wait.
    pub min_bytes: usize,
    /// How long it would wait.
    pub max_wait_ms: u64,
}

/// What is read from one shard: places in the task, and where from.
#[derive(Debug, Default)]
struct Share {
    indexes: Vec<usize>,
    from: Vec<FetchFrom>,
}

impl FetchTask {
    /// Reads, waiting up to `max_wait_ms` for `min_bytes`. One result for each place.
    pub async fn run(self, shard: &Rc<Shard>) -> Vec<Fetched<Slice>> {
        let deadline_ns = clock::monotonic_ns().saturating_add(self.max_wait_ms.saturating_mul(1_000_000));
        let shares = self.shares(shard.count());
        loop {
            let fetched = self.pass(shard, &shares).await;
            let bytes: usize = fetched.iter().flat_map(|fetched| &fetched.records).map(|slice| slice.len()).sum();
            let refused = fetched.iter().any(|fetched| fetched.result.as_ref().map_or(true, |marks| marks.diverging.is_some()));
            let late = clock::monotonic_ns() >= deadline_ns;
            // A fetch of nothing has nothing to wait for; an error is worth telling at once (DelayedFetch.tryComplete).
            if bytes >= self.min_bytes || refused || late || self.places.is_empty() {
                return fetched;
            }
            self.wait(shard, &shares, self.min_bytes - bytes, &fetched, deadline_ns).await;
        }
    }

    fn shares(&self, shards: u16) -> Vec<Share> {
        let mut shares: Vec<Share> = (0..shards).map(|_| Share::default()).collect();
        for (index, place) in self.places.iter().enumerate() {
            if let Place::At(owner, from) = place
                && let Some(share) = shares.get_mut(owner.index())
            {
                share.indexes.push(index);
                share.from.push(*from);
            }
        }
        shares
    }

    /// Reads every partition once. The byte limit is shared evenly among the shards concerned.
    async fn pass(&self, shard: &Rc<Shard>, shares: &[Share]) -> Vec<Fetched<Slice>> {
        let mut results: Vec<Fetched<Slice>> = self
            .places
            .iter()
            .map(|place| match place {
                Place::Refused(refusal) => Fetched::refused(refusal.clone()),
                Place::At(..) => Fetched::refused(Refusal::of(ErrorCode::NotLeaderOrFollower)),
            })
            .collect();
        let concerned = shares.iter().filter(|share| !share.from.is_empty()).count().max(1);
        let max_bytes = self.max_bytes / concerned;
        let mut elsewhere = Vec::new();
        for (owner, share) in (0u16..).map(ShardId).zip(shares) {
            if share.from.is_empty() || owner == shard.id() {
                continue;
            }
            let (shard, from) = (Rc::clone(shard), share.from.clone());
            let ask = async move { shard.router().ask(owner, Request::Fetch { from, max_bytes }).await };
            elsewhere.push((share, crate::runtime::task::spawn("fetch elsewhere", ask)));
        }
        if let Some(share) = shares.get(shard.id().index()) {
            let here = read(shard, &share.from, max_bytes).await;
            place_results(&mut results, &share.indexes, here);
        }
        for (share, asked) in elsewhere {
            if let Ok(Some(Reply::Fetched(fetched))) = asked.await {
                let fetched = fetched.into_iter().map(|fetched| Fetched {
                    result: fetched.result,
                    records: fetched.records.into_iter().map(Slice::from).collect(),
                });
                place_results(&mut results, &share.indexes, fetched);
            }
        }
        results
    }

    /// Returns when any shard has `bytes` more, or at the deadline. The others are then told not to wait any longer.
    async fn wait(&self, shard: &Rc<Shard>, shares: &[Share], bytes: usize, fetched: &[Fetched<Slice>], deadline_ns: u64) {
        let enough = Rc::new(Notify::new());
        let mut waits = Waits { shard: Rc::clone(shard), here: Vec::new(), elsewhere: Vec::new() };
        for (owner, share) in (0u16..).map(ShardId).zip(shares) {
            let seen = |index: &usize| fetched.get(*index).and_then(|fetched| fetched.result.as_ref().ok());
            // What has been read already counts as seen: progress begins at the high watermark of this pass.
            let positions: Vec<(PartitionId, Offset)> = share
                .indexes
                .iter()
                .zip(&share.from)
                .filter_map(|(index, from)| Some((from.id, seen(index)?.high_watermark)))
                .collect();
            if positions.is_empty() {
                continue;
            }
            let enough = Rc::clone(&enough);
            if owner == shard.id() {
                let watch = Rc::new(Watch::default());
                waits.here.push(Rc::clone(&watch));
                let shard = Rc::clone(shard);
                crate::runtime::task::spawn("fetch purgatory", async move {
                    self::watch(&shard, watch, &positions, bytes, deadline_ns).await;
                    enough.notify();
                });
            } else if let Some((number, answer)) =
                shard.router().ask_numbered(owner, Request::Watch { positions, bytes, deadline_ns })
            {
                let answered = Rc::new(Cell::new(false));
                waits.elsewhere.push((owner, number, Rc::clone(&answered)));
                crate::runtime::task::spawn("fetch purgatory", async move {
                    answer.recv().await;
                    answered.set(true);
                    enough.notify();
                });
            }
        }
        enough.notified().await;
    }
}

/// The waits of one fetch; dropped, all of them end.
struct Waits {
    shard: Rc<Shard>,
    here: Vec<Rc<Watch>>,
    /// Where, under which number, and whether it has been answered.
    elsewhere: Vec<(ShardId, u64, Rc<Cell<bool>>)>,
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.here.iter().for_each(|watch| watch.end());
        for (owner, number, answered) in &self.elsewhere {
            if !answered.get() {
                self.shard.router().tell(*owner, Request::Unwatch(*number));
            }
        }
    }
}

fn place_results(results: &mut [Fetched<Slice>], indexes: &[usize], fetched: impl IntoIterator<Item = Fetched<Slice>>) {
    for (index, fetched) in indexes.iter().zip(fetched) {
        if let Some(place) = results.get_mut(*index) {
            *place = fetched;
        }
    }
}

/// Reads partitions of this shard, together at most `max_bytes`; the first that has any gives at least one batch.
pub(super) async fn read(shard: &Shard, from: &[FetchFrom], max_bytes: usize) -> Vec<Fetched<Slice>> {
    let mut left = max_bytes;
    let mut min_one_batch = true;
    let mut results = Vec::with_capacity(from.len());
    for from in from {
        let planned = match shard.partition(from.id) {
            None => Err(Refusal::of(ErrorCode::NotLeaderOrFollower)),
            Some(handle) => match handle.view().await {
                Ok(_) => partition::plan_fetch(&handle, from, left, min_one_batch),
                Err(refusal) => Err(refusal),
            },
        };
        let fetched = match planned {
            Ok(plan) => plan.execute().await,
            Err(refusal) => Fetched::refused(refusal),
        };
        let bytes: usize = fetched.records.iter().map(|slice| slice.len()).sum();
        left = left.saturating_sub(bytes);
        min_one_batch &= bytes == 0;
        results.push(fetched);
    }
    results
}

/// Waits until the partitions hold `bytes` beyond `positions`, one of them ends, the deadline passes, or `watch` is ended.
pub(super) async fn watch(shard: &Shard, watch: Rc<Watch>, positions: &[(PartitionId, Offset)], bytes: usize, deadline_ns: u64) {
    let handles: Vec<(PartitionHandle, Offset)> =
        positions.iter().filter_map(|(id, position)| Some((shard.partition(*id)?, *position))).collect();
    if handles.len() == positions.len() {
        watch.run(&handles, bytes, deadline_ns).await;
    }
}
