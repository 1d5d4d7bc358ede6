//! The connections of one shard: their limits, their deadlines, the memory of their requests.
//!
//! One sweep a second for the whole shard instead of timers for each connection.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::{Rc, Weak},
    time::Duration,
};

use super::{admission::Admission, connection, connection::Vitals, counters::Counters, receive::BufferPool};
use crate::{
    api::exchange::Handler,
    runtime::{clock, net::Accepted, task, timer},
};

/// How often the connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);
/// What connections get to end in, after all patience.
const LAST_MOMENT: Duration = Duration::from_millis(100);

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
    /// SO_SNDBUF of connections (`socket.send.buffer.bytes`); absent: the kernel tunes it.
    pub send_buffer_bytes: Option<usize>,
}

/// The connections of a shard.
#[derive(Debug)]
pub struct Registry {
    limits: NetworkLimits,
    pool: BufferPool,
    connections: RefCell<BTreeMap<u64, Weak<Vitals>>>,
    next: Cell<u64>,
    admission: Rc<Admission>,
    counters: Counters,
    stopping: Cell<bool>,
}

/// A connection's entry; dropped, it is taken out.
#[derive(Debug)]
pub(super) struct Entry {
    registry: Rc<Registry>,
    number: u64,
}

impl Entry {
    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.registry.counters.closed();
        self.registry.connections.borrow_mut().remove(&self.number);
    }
}

impl Registry {
    /// A registry without connections.
    pub fn new(limits: NetworkLimits) -> Rc<Self> {
        let admission = Admission::new(limits.shard_request_bytes);
        Rc::new(Self {
            limits,
            pool: BufferPool::new(),
            connections: RefCell::default(),
            next: Cell::new(0),
            admission,
            counters: Counters::default(),
            stopping: Cell::new(false),
        })
    }

    /// Takes a connection over and serves it; `done` is called when it has ended.
    pub fn admit<H: Handler>(self: &Rc<Self>, handler: &Rc<H>, accepted: Accepted, listener: usize, done: impl FnOnce() + 'static) {
        let peer = accepted.peer();
        if self.stopping.get() {
            return done();
        }
        if let Some(bytes) = self.limits.send_buffer_bytes
            && let Err(error) = accepted.set_send_buffer(bytes)
        {
            tracing::warn!(%peer, %error, bytes, "socket.send.buffer.bytes cannot be set");
        }
        let stream = match accepted.attach() {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%peer, %error, "the client was gone before it was served");
                return done();
            }
        };
        self.counters.opened();
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

    /// Bytes of requests in work now, and of the large ones that are being received.
    pub fn request_bytes(&self) -> usize {
        self.admission.used_bytes()
    }

    /// What its connections have done so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Closes connections that are idle or stuck, once a second until [`Registry::stop`].
    pub async fn sweep(self: Rc<Self>) {
        while !self.stopping.get() {
            timer::sleep(SWEEP).await;
            let now_ns = clock::monotonic_ns();
            for vitals in self.all() {
                if let Some(reason) = self.overdue(&vitals, now_ns) {
                    self.counters.overdue();
                    tracing::info!(peer = %vitals.stream.peer(), reason, "connection closed");
                    vitals.close();
                } else if vitals.frame_since_ns.get() == 0 && ns_since(vitals.last_received_ns.get(), now_ns) > SWEEP.as_nanos() {
                    vitals.rest();
                }
            }
        }
    }

    /// Takes no more requests, answers those in work for at most `patience`, and closes what is left. Returns when no
    /// connection is left, or a moment after the patience ended.
    pub async fn stop(&self, patience: Duration) {
        self.stopping.set(true);
        self.admission.open();
        let begun_ns = clock::monotonic_ns();
        loop {
            let all = self.all();
            let spent_ns = ns_since(begun_ns, clock::monotonic_ns());
            let late = spent_ns >= patience.as_nanos();
            for vitals in &all {
                if late || vitals.pending.is_quiet() {
                    vitals.close();
                }
            }
            if all.is_empty() || spent_ns >= (patience + LAST_MOMENT).as_nanos() {
                return;
            }
            timer::sleep(Duration::from_millis(5)).await;
        }
    }

    fn all(&self) -> Vec<Rc<Vitals>> {
        self.connections.borrow().values().filter_map(Weak::upgrade).collect()
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

    pub(super) fn admission(&self) -> Rc<Admission> {
        Rc::clone(&self.admission)
    }

    /// Why a connection must go, if it must.
    fn overdue(&self, vitals: &Vitals, now_ns: u64) -> Option<String> {
        let over = |then_ns: u64, limit_ms: u64| then_ns != 0 && ns_since(then_ns, now_ns) / 1_000_000 > u128::from(limit_ms);
        let NetworkLimits { frame_deadline_ms, response_deadline_ms, idle_ms, .. } = self.limits;
        let pending = &vitals.pending;
        if over(vitals.frame_since_ns.get(), frame_deadline_ms) {
            return Some(format!("a frame was not complete after corelog.frame.deadline.ms = {frame_deadline_ms}"));
        }
        if over(pending.sending_since_ns.get(), response_deadline_ms) {
            return Some(format!("an answer was not taken within corelog.response.deadline.ms = {response_deadline_ms}"));
        }
        let active_ns = vitals.last_received_ns.get().max(pending.last_sent_ns.get());
        if pending.is_quiet() && over(active_ns, idle_ms) {
            return Some(format!("silent for longer than connections.max.idle.ms = {idle_ms}"));
        }
        None
    }
}

fn ns_since(then_ns: u64, now_ns: u64) -> u128 {
    u128::from(now_ns.saturating_sub(then_ns))
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
