//! The connections of one shard: their limits, their deadlines, the memory of their requests.
//!
//! One sweep a second for the whole shard instead of timers for each connection.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::{Rc, Weak},
    time::Duration,
};

use super::{connection, connection::Vitals, receive::BufferPool};
use crate::{
    api::exchange::Handler,
    runtime::{clock, net::Accepted, notify::Notify, task, timer},
};

/// Limits of connections; `types/limits.rs` has the defaults and the settings.
#[derive(Clone, Debug)]
pub struct NetworkLimits {
    /// Largest frame in bytes (`socket.request.max.bytes`).
    pub frame_bytes_max: usize,
    /// Requests of one connection in work at once.
    pub inflight_max: usize,
    /// Bytes of requests of one connection in work at once.
    pub inflight_bytes: usize,
    /// Bytes of requests of all connections of a shard in work at once (`corelog.memory.requests.bytes`).
    pub shard_request_bytes: usize,
    /// Silence in ms after which a connection is closed (`connections.max.idle.ms`).
    pub idle_ms: u64,
    /// Milliseconds from the first byte of a frame to its last (`corelog.frame.deadline.ms`).
    pub frame_deadline_ms: u64,
    /// Milliseconds in which a client must take an answer (`corelog.response.deadline.ms`).
    pub response_deadline_ms: u64,
}

/// The connections of a shard.
#[derive(Debug)]
pub struct Registry {
    limits: NetworkLimits,
    pool: BufferPool,
    connections: RefCell<BTreeMap<u64, Weak<Vitals>>>,
    next: Cell<u64>,
    request_bytes: Cell<usize>,
    room: Notify,
    stopping: Cell<bool>,
}

/// A connection's entry; dropped, it is taken out.
#[derive(Debug)]
pub(super) struct Entry {
    registry: Rc<Registry>,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.registry.connections.borrow_mut().remove(&self.number);
    }
}

impl Registry {
    /// A registry without connections.
    pub fn new(limits: NetworkLimits) -> Rc<Self> {
        Rc::new(Self {
            limits,
            pool: connection::pool(),
            connections: RefCell::default(),
            next: Cell::new(0),
            request_bytes: Cell::new(0),
            room: Notify::new(),
            stopping: Cell::new(false),
        })
    }

    /// Takes a connection over and serves it; `done` is called when it has ended.
    pub fn admit<H: Handler>(self: &Rc<Self>, handler: &Rc<H>, accepted: Accepted, listener: usize, done: impl FnOnce() + 'static) {
        let peer = accepted.peer();
        let stream = match accepted.attach() {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%peer, %error, "the client was gone before it was served");
                return done();
            }
        };
        let (registry, handler) = (Rc::clone(self), Rc::clone(handler));
        task::spawn("connection", async move {
            // Runs even if the connection's task panics.
            let done = Done(Some(done));
            connection::serve(registry, handler, stream, listener).await;
            drop(done);
        });
    }

    /// Connections now.
    pub fn len(&self) -> usize {
        self.connections.borrow().len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of requests in work now.
    pub fn request_bytes(&self) -> usize {
        self.request_bytes.get()
    }

    /// Closes connections that are idle or stuck, once a second until [`Registry::stop`].
    pub async fn sweep(self: Rc<Self>) {
        while !self.stopping.get() {
            timer::sleep(Duration::from_secs(1)).await;
            let now_ns = clock::monotonic_ns();
            let all: Vec<Rc<Vitals>> = self.connections.borrow().values().filter_map(Weak::upgrade).collect();
            for vitals in all {
                if let Some(reason) = self.overdue(&vitals, now_ns) {
                    tracing::info!(peer = %vitals.stream.peer(), reason, "connection closed");
                    vitals.pending.end();
                    vitals.stream.shutdown();
                }
            }
        }
    }

    /// Takes no more requests, answers those in work for at most `patience`, and closes what is left.
    pub async fn stop(&self, patience: Duration) {
        self.stopping.set(true);
        self.room.notify();
        let deadline_ns = clock::monotonic_ns() + u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        loop {
            let all: Vec<Rc<Vitals>> = self.connections.borrow().values().filter_map(Weak::upgrade).collect();
            let late = clock::monotonic_ns() >= deadline_ns;
            for vitals in &all {
                if late || vitals.pending.len() == 0 {
                    vitals.pending.end();
                    vitals.stream.shutdown();
                }
            }
            if late || all.is_empty() {
                return;
            }
            timer::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) fn limits(&self) -> &NetworkLimits {
        &self.limits
    }

    pub(super) fn pool(&self) -> BufferPool {
        self.pool.clone()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    pub(super) fn enter(self: &Rc<Self>, vitals: &Rc<Vitals>) -> Entry {
        let number = self.next.get();
        self.next.set(number + 1);
        self.connections.borrow_mut().insert(number, Rc::downgrade(vitals));
        Entry { registry: Rc::clone(self), number }
    }

    pub(super) fn taken(&self, bytes: usize) {
        self.request_bytes.set(self.request_bytes.get() + bytes);
    }

    pub(super) fn freed(&self, bytes: usize) {
        let before = self.request_bytes.get();
        self.request_bytes.set(before.saturating_sub(bytes));
        if before >= self.limits.shard_request_bytes && self.request_bytes.get() < self.limits.shard_request_bytes {
            self.room.notify();
        }
    }

    /// Waits while the requests in work on this shard take more memory than they may.
    pub(super) async fn wait_for_room(&self) {
        while self.request_bytes.get() >= self.limits.shard_request_bytes && !self.stopping.get() {
            self.room.notified().await;
        }
    }

    /// Why a connection must go, if it must.
    fn overdue(&self, vitals: &Vitals, now_ns: u64) -> Option<String> {
        let ms_since = |then_ns: u64| now_ns.saturating_sub(then_ns) / 1_000_000;
        let frame_since_ns = vitals.frame_since_ns.get();
        if frame_since_ns != 0 && ms_since(frame_since_ns) > self.limits.frame_deadline_ms && vitals.pending.len() == 0 {
            return Some(format!("a frame was not complete after corelog.frame.deadline.ms = {}", self.limits.frame_deadline_ms));
        }
        let sending_since_ns = vitals.pending.sending_since_ns.get();
        if sending_since_ns != 0 && ms_since(sending_since_ns) > self.limits.response_deadline_ms {
            return Some(format!("an answer was not taken within corelog.response.deadline.ms = {}", self.limits.response_deadline_ms));
        }
        if vitals.pending.len() == 0 && ms_since(vitals.last_received_ns.get()) > self.limits.idle_ms {
            return Some(format!("silent for longer than connections.max.idle.ms = {}", self.limits.idle_ms));
        }
        None
    }
}

/// Calls its function when dropped.
struct Done<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Done<F> {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done();
        }
    }
}
