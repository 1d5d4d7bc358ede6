//! Does what other shards ask: the receiving end of the router.

use std::{cell::RefCell, rc::Rc};

use bytes::Bytes;

use super::{
    Shard, fetch,
    mailbox::{Reply, Request},
    router::Serve,
};
use crate::{
    partition::{Acks, Append, AppendSink, Appended, Fetched, Refusal},
    runtime::task,
    types::{ErrorCode, PartitionId, ShardId},
};

impl Serve for Shard {
    fn serve(self: Rc<Self>, from: ShardId, correlation: u64, request: Request) {
        match request {
            // Appends are handed over here and now: their order is the order in which the other shard sent them.
            Request::Produce { acks, version, batches } => produce(&self, (from, correlation), acks, version, batches),
            Request::Fetch { from: positions, max_bytes } => {
                task::spawn("fetch for another shard", async move {
                    let fetched = fetch::read(&self, &positions, max_bytes).await;
                    let mut copied = Vec::with_capacity(fetched.len());
                    for Fetched { result, records } in fetched {
                        let mut copies = Vec::with_capacity(records.len());
                        for slice in records {
                            // The one copy of a read that crosses shards: these buffers must not leave their executor.
                            copies.push(Bytes::copy_from_slice(&slice));
                            task::yield_if_needed().await;
                        }
                        copied.push(Fetched { result, records: copies });
                    }
                    self.router().reply(from, correlation, Reply::Fetched(copied));
                });
            }
            Request::Watch { positions, bytes, deadline_ns } => {
                let watch = self.watches.start(from, correlation);
                task::spawn("watch for another shard", async move {
                    fetch::watch(&self, watch, &positions, bytes, deadline_ns).await;
                    self.watches.finished(from, correlation);
                    self.router().reply(from, correlation, Reply::Progressed);
                });
            }
            Request::Unwatch(number) => self.watches.end(from, number),
            Request::Group { id, question } => {
                task::spawn("group request of another shard", async move {
                    let answer = self.ask_coordinator_here(id, question).await;
                    self.router().reply(from, correlation, Reply::Group(answer));
                });
            }
            Request::LookUp(questions) => {
                task::spawn("look up for another shard", async move {
                    let answers = self.look_up_here(questions).await;
                    self.router().reply(from, correlation, Reply::LookedUp(answers));
                });
            }
        }
    }
}

fn produce(shard: &Rc<Shard>, (from, correlation): (ShardId, u64), acks: Acks, version: i16, batches: Vec<(PartitionId, Bytes)>) {
    let results = batches.iter().map(|_| Err(Refusal::of(ErrorCode::UnknownServerError))).collect::<Vec<_>>();
    let join = Rc::new(Join {
        shard: Rc::clone(shard),
        from,
        correlation,
        state: RefCell::new(JoinState { missing: results.len(), results }),
    });
    for (index, (id, records)) in (0u32..).zip(batches) {
        let sink: Rc<dyn AppendSink> = Rc::<Join>::clone(&join);
        shard.append(id, Append { records, produce_version: version, acks, sink, index });
    }
}

/// Collects the results of another shard's batches; the last one sends them back.
struct Join {
    shard: Rc<Shard>,
    from: ShardId,
    correlation: u64,
    state: RefCell<JoinState>,
}

struct JoinState {
    missing: usize,
    results: Vec<Result<Appended, Refusal>>,
}

impl Drop for Join {
    /// A partition whose actor died never answers: the other shard must not wait for it for ever.
    fn drop(&mut self) {
        let state = self.state.get_mut();
        if state.missing > 0 {
            self.shard.router().reply(self.from, self.correlation, Reply::Produced(std::mem::take(&mut state.results)));
        }
    }
}

impl AppendSink for Join {
    fn appended(&self, index: u32, result: Result<Appended, Refusal>) {
        let results = {
            let mut state = self.state.borrow_mut();
            if let Some(place) = state.results.get_mut(index as usize) {
                *place = result;
            }
            state.missing -= 1;
            if state.missing > 0 {
                return;
            }
            std::mem::take(&mut state.results)
        };
        self.shard.router().reply(self.from, self.correlation, Reply::Produced(results));
    }
}
