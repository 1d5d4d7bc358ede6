//! The way to the other shards: requests out, answers back, each matched by its number.
//!
//! One router lives on each shard. Everything that a turn of the loop has for a peer leaves as one message. A peer that
//! does not keep up fills its outbox; [`Router::congested`] then tells the connections to stop reading. No request is
//! ever dropped: a shard ends only with the process.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;

use super::mailbox::{Numbered, Parcel, Reply, Request};
use crate::{
    partition::{Acks, AppendSink, Refusal},
    runtime::{
        link::{LinkIn, LinkOut},
        notify::Notify,
        oneshot, task, timer,
    },
    types::{ErrorCode, HashMap, PartitionId, ShardId, limits::LINK_CAPACITY},
};

/// The ends of the links between this shard and one other.
#[derive(Debug)]
pub struct PeerLinks {
    /// The other shard.
    pub peer: ShardId,
    /// Our requests to it.
    pub requests_out: LinkOut<Parcel<Request>>,
    /// Its requests to us.
    pub requests_in: LinkIn<Parcel<Request>>,
    /// Our answers to it.
    pub replies_out: LinkOut<Parcel<Reply>>,
    /// Its answers to us.
    pub replies_in: LinkIn<Parcel<Reply>>,
}

/// What is waiting to leave for one peer.
#[derive(Debug)]
struct Outbox<T> {
    waiting: RefCell<Parcel<T>>,
    filled: Notify,
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self { waiting: RefCell::new(Vec::new()), filled: Notify::new() }
    }
}

impl<T: Send + 'static> Outbox<T> {
    fn push(&self, correlation: u64, body: T) {
        self.waiting.borrow_mut().push(Numbered { correlation, body });
        self.filled.notify();
    }

    /// Carries what is waiting over the link, all of it at a time, for ever.
    async fn drain(self: Rc<Self>, link: LinkOut<Parcel<T>>) {
        let link = link.connect().await;
        loop {
            let mut parcel = self.waiting.take();
            if parcel.is_empty() {
                self.filled.notified().await;
                continue;
            }
            while let Err(back) = link.try_send(parcel) {
                // The peer is busy. A short sleep, not a spin: it may share our core's sibling.
                timer::sleep(Duration::from_micros(50)).await;
                parcel = back;
            }
        }
    }
}

/// Who waits for an answer.
enum Waiting {
    /// A produce request: its answers go to the sink under these indexes.
    Produce { sink: Rc<dyn AppendSink>, indexes: Vec<u32> },
    /// Anything else.
    Task(oneshot::Sender<Reply>),
}

struct Peer {
    requests: Rc<Outbox<Request>>,
    replies: Rc<Outbox<Reply>>,
}

/// This shard's way to the others.
pub struct Router {
    me: ShardId,
    peers: Vec<Option<Peer>>,
    waiting: RefCell<HashMap<u64, Waiting>>,
    next: Cell<u64>,
}

impl std::fmt::Debug for Router {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Router").field("me", &self.me).field("waiting", &self.waiting.borrow().len()).finish_non_exhaustive()
    }
}

/// Does what another shard asks. Called in the order in which that shard asked; must not block.
pub trait Serve {
    /// Serve `request`; the answer goes back with [`Router::reply`], now or later.
    fn serve(self: Rc<Self>, from: ShardId, correlation: u64, request: Request);
}

impl Router {
    /// A router without peers yet: [`Router::connect`] starts the links once the shard can serve.
    pub fn new(me: ShardId, shards: u16) -> Rc<Self> {
        let peers = (0..shards)
            .map(|shard| (shard != me.get()).then(|| Peer { requests: Rc::default(), replies: Rc::default() }))
            .collect();
        Rc::new(Self { me, peers, waiting: RefCell::new(HashMap::new()), next: Cell::new(0) })
    }

    /// Starts the tasks that carry parcels over the links, and lets `server` answer what comes in.
    pub fn connect<S: Serve + 'static>(self: &Rc<Self>, links: Vec<PeerLinks>, server: &Rc<S>) {
        for PeerLinks { peer, requests_out, requests_in, replies_out, replies_in } in links {
            let Some(Some(outboxes)) = self.peers.get(peer.index()) else { continue };
            task::spawn("link requests out", Rc::clone(&outboxes.requests).drain(requests_out));
            task::spawn("link replies out", Rc::clone(&outboxes.replies).drain(replies_out));
            let server = Rc::clone(server);
            task::spawn("link requests in", async move {
                let link = requests_in.connect().await;
                while let Some(parcel) = link.recv().await {
                    for Numbered { correlation, body } in parcel {
                        Rc::clone(&server).serve(peer, correlation, body);
                    }
                }
            });
            let router = Rc::clone(self);
            task::spawn("link replies in", async move {
                let link = replies_in.connect().await;
                while let Some(parcel) = link.recv().await {
                    for Numbered { correlation, body } in parcel {
                        router.answered(correlation, body);
                    }
                }
            });
        }
    }

    /// True if `shard` has so much waiting that no more should be read for it.
    pub fn congested(&self, shard: ShardId) -> bool {
        self.peer(shard).is_some_and(|peer| peer.requests.waiting.borrow().len() >= LINK_CAPACITY)
    }

    /// Asks `shard` and waits for the answer; `None` if there is no such shard.
    pub async fn ask(&self, shard: ShardId, request: Request) -> Option<Reply> {
        let (_, receiver) = self.ask_numbered(shard, request)?;
        receiver.recv().await
    }

    /// As [`Router::ask`], in two steps: the number under which `shard` knows the request, and the way of the answer.
    pub fn ask_numbered(&self, shard: ShardId, request: Request) -> Option<(u64, oneshot::Receiver<Reply>)> {
        let (sender, receiver) = oneshot::channel();
        let number = self.send(shard, Waiting::Task(sender), request)?;
        Some((number, receiver))
    }

    /// Tells `shard` something that it does not answer.
    pub fn tell(&self, shard: ShardId, request: Request) {
        if let Some(peer) = self.peer(shard) {
            peer.requests.push(self.number(), request);
        }
    }

    /// Sends batches to their shard; result `i` goes to `sink` as answer `indexes[i]`.
    pub fn produce(
        &self,
        shard: ShardId,
        acks: Acks,
        version: i16,
        batches: Vec<(PartitionId, Bytes)>,
        (sink, indexes): (Rc<dyn AppendSink>, Vec<u32>),
    ) {
        assert_eq!(batches.len(), indexes.len(), "every batch has its place in the answer");
        let waiting = Waiting::Produce { sink: Rc::clone(&sink), indexes: indexes.clone() };
        if self.send(shard, waiting, Request::Produce { acks, version, batches }).is_none() {
            for index in indexes {
                sink.appended(index, Err(Refusal::of(ErrorCode::NotLeaderOrFollower)));
            }
        }
    }

    /// Sends the answer to request `correlation` of shard `to`.
    pub fn reply(&self, to: ShardId, correlation: u64, reply: Reply) {
        if let Some(peer) = self.peer(to) {
            peer.replies.push(correlation, reply);
        }
    }

    fn send(&self, shard: ShardId, waiting: Waiting, request: Request) -> Option<u64> {
        let peer = self.peer(shard)?;
        let correlation = self.number();
        self.waiting.borrow_mut().insert(correlation, waiting);
        peer.requests.push(correlation, request);
        Some(correlation)
    }

    fn number(&self) -> u64 {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        number
    }

    fn answered(&self, correlation: u64, reply: Reply) {
        let waiting = self.waiting.borrow_mut().remove(&correlation);
        match (waiting, reply) {
            (Some(Waiting::Produce { sink, indexes }), Reply::Produced(results)) => {
                for (index, result) in indexes.into_iter().zip(results) {
                    sink.appended(index, result);
                }
            }
            (Some(Waiting::Task(sender)), reply) => sender.send(reply),
            (Some(Waiting::Produce { .. }), reply) => {
                tracing::error!(shard = self.me.get(), ?reply, "a produce request was answered with something else");
            }
            (None, _) => tracing::error!(shard = self.me.get(), correlation, "an answer to a question nobody asked"),
        }
    }

    fn peer(&self, shard: ShardId) -> Option<&Peer> {
        self.peers.get(shard.index())?.as_ref()
    }
}
