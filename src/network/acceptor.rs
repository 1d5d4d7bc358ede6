//! Accepts connections and places each on the shard that has the fewest.
//!
//! One acceptor for all listeners, on shard 0: the kernel's hashing would leave cores idle when connections are few.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_lite::future;

use crate::{
    config::LiveConfig,
    runtime::{
        clock, link,
        net::{Accepted, Listener},
        notify::Notify,
        task, timer,
    },
};

/// How long the acceptor waits after an error (out of descriptors, mostly) before it tries again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long it waits for another shard to take a connection, and between attempts.
const HAND_OVER_PATIENCE: Duration = Duration::from_secs(1);
const HAND_OVER_PAUSE: Duration = Duration::from_millis(1);

/// Connections of each shard and of each address, counted across shards.
#[derive(Clone, Debug)]
pub struct ConnectionCounts {
    shards: Arc<[AtomicUsize]>,
    ended: flume::Sender<IpAddr>,
    ended_in: flume::Receiver<IpAddr>,
}

impl ConnectionCounts {
    /// Counts for so many shards, all zero.
    pub fn new(shards: u16) -> Self {
        let (ended, ended_in) = flume::unbounded();
        Self { shards: (0..shards).map(|_| AtomicUsize::new(0)).collect(), ended, ended_in }
    }

    /// A connection of `peer` on shard `shard` has ended.
    pub fn ended(&self, shard: usize, peer: IpAddr) {
        if let Some(count) = self.shards.get(shard) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
        // The receiver lives in every clone: this cannot fail.
        if self.ended.send(peer).is_err() {
            tracing::error!(%peer, "the counts of connections are gone");
        }
    }

    fn total(&self) -> usize {
        self.shards.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// The shard with the fewest connections; the lowest among equals.
    fn place(&self) -> usize {
        let fewest = self.shards.iter().enumerate().min_by_key(|(_, count)| count.load(Ordering::Relaxed));
        let shard = fewest.map_or(0, |(shard, _)| shard);
        if let Some(count) = self.shards.get(shard) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        shard
    }
}

/// The way of an accepted connection to a shard.
pub enum Door {
    /// This very shard.
    Here(Rc<dyn Fn(Accepted, usize)>),
    /// Another one: the connection and the index of its listener.
    There(link::Sender<(Accepted, usize)>),
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Door::Here(_) => "Here",
            Door::There(_) => "There",
        })
    }
}

/// Accepts for all shards.
#[derive(Debug)]
pub struct Acceptor {
    /// One door for each shard.
    pub doors: Vec<Door>,
    /// Counts shared with the shards.
    pub counts: ConnectionCounts,
    /// How many connections there may be.
    pub limits: ConnectionLimits,
}

/// How many connections there may be, asked anew for each: the settings may change while the broker runs.
#[derive(Clone)]
pub struct ConnectionLimits(Rc<dyn Fn() -> Rc<LiveConfig>>);

impl ConnectionLimits {
    /// `now` gives the settings as they are.
    pub fn new(now: impl Fn() -> Rc<LiveConfig> + 'static) -> Self {
        Self(Rc::new(now))
    }
}

impl std::fmt::Debug for ConnectionLimits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (self.0)().fmt(f)
    }
}

impl Acceptor {
    /// Accepts on all listeners, until it is told to stop or the shard ends.
    pub fn start(self, listeners: Vec<Listener>) -> Accepting {
        let shared =
            Shared { acceptor: self, per_ip: RefCell::default(), refused: Refused::default(), stopped: Cell::new(false), stop: Notify::new() };
        let this = Rc::new(shared);
        let accepting = Accepting { shared: Rc::clone(&this), listeners: Rc::new(Cell::new(listeners.len())) };
        for (index, listener) in listeners.into_iter().enumerate() {
            let this = Rc::clone(&this);
            let open = Rc::clone(&accepting.listeners);
            task::spawn("acceptor", async move {
                this.accept(listener, index).await;
                open.set(open.get() - 1);
            });
        }
        accepting
    }
}

/// The listeners that are being served. Dropping it changes nothing.
#[derive(Debug)]
pub struct Accepting {
    shared: Rc<Shared>,
    listeners: Rc<Cell<usize>>,
}

impl Accepting {
    /// Closes the listeners: clients are refused from when this returns. Connections that are open stay.
    pub async fn stop(&self) {
        self.shared.stopped.set(true);
        while self.listeners.get() > 0 {
            self.shared.stop.notify();
            task::yield_now().await;
        }
    }

    /// Connections refused so far because of a limit.
    pub fn refused(&self) -> u64 {
        self.shared.refused.count.get()
    }
}

#[derive(Debug)]
struct Shared {
    acceptor: Acceptor,
    per_ip: RefCell<HashMap<IpAddr, usize>>,
    refused: Refused,
    stopped: Cell<bool>,
    stop: Notify,
}

/// Counts refusals and writes about them once a second at most: a flood of clients must not become a flood of lines.
#[derive(Debug, Default)]
struct Refused {
    count: Cell<u64>,
    told: Cell<u64>,
    told_ns: Cell<u64>,
}

impl Refused {
    fn because(&self, peer: SocketAddr, reason: std::fmt::Arguments<'_>) {
        self.count.set(self.count.get() + 1);
        let now_ns = clock::monotonic_ns();
        if self.told_ns.get() == 0 || now_ns.saturating_sub(self.told_ns.get()) > 1_000_000_000 {
            let others = self.count.get() - self.told.get() - 1;
            tracing::warn!(%peer, others, "connection refused: {reason}");
            self.told.set(self.count.get());
            self.told_ns.set(now_ns.max(1));
        }
    }
}

impl Shared {
    async fn accept(&self, listener: Listener, index: usize) {
        while !self.stopped.get() {
            let stopped = async {
                self.stop.notified().await;
                None
            };
            match future::or(async { Some(listener.accept().await) }, stopped).await {
                None => {}
                Some(Ok(accepted)) => {
                    self.place(accepted, index).await;
                    // A storm of clients must not keep the shard from serving those it has.
                    task::yield_if_needed().await;
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "cannot accept a connection; raise the limit of open files if it is that");
                    timer::timeout(ACCEPT_PAUSE, self.stop.notified()).await;
                }
            }
        }
    }

    async fn place(&self, accepted: Accepted, listener: usize) {
        let peer = accepted.peer();
        if let Err(reason) = self.count(peer.ip()) {
            return self.refused.because(peer, format_args!("{reason}"));
        }
        let Acceptor { doors, counts, .. } = &self.acceptor;
        let shard = counts.place();
        match doors.get(shard) {
            Some(Door::Here(admit)) => admit(accepted, listener),
            Some(Door::There(link)) => {
                if !hand_over(link, (accepted, listener)).await {
                    self.refused.because(peer, format_args!("shard {shard} does not keep up"));
                    counts.ended(shard, peer.ip());
                }
            }
            None => counts.ended(shard, peer.ip()),
        }
    }

    /// Counts a connection from `ip`, or says which limit is reached.
    fn count(&self, ip: IpAddr) -> Result<(), String> {
        let Acceptor { counts, limits, .. } = &self.acceptor;
        let limits = (limits.0)();
        let mut per_ip = self.per_ip.borrow_mut();
        for ip in counts.ended_in.try_iter() {
            if let Some(count) = per_ip.get_mut(&ip) {
                *count -= 1;
                if *count == 0 {
                    per_ip.remove(&ip);
                }
            }
        }
        if counts.total() >= limits.max_connections {
            return Err(format!("max.connections = {} are open", limits.max_connections));
        }
        let of_peer = per_ip.get(&ip).copied().unwrap_or(0);
        let (setting, most) = limits.connections_of(ip);
        if of_peer >= most {
            return Err(format!("{setting} = {most} are open from there"));
        }
        per_ip.insert(ip, of_peer + 1);
        Ok(())
    }
}

/// Hands a connection to another shard. While the link is full, the next clients wait in the kernel's queue; false if the
/// shard takes nothing for too long.
async fn hand_over(link: &link::Sender<(Accepted, usize)>, mut message: (Accepted, usize)) -> bool {
    let mut patience = HAND_OVER_PATIENCE;
    loop {
        match link.try_send(message) {
            Ok(()) => return true,
            Err(_) if patience.is_zero() => return false,
            Err(back) => message = back,
        }
        timer::sleep(HAND_OVER_PAUSE).await;
        patience = patience.saturating_sub(HAND_OVER_PAUSE);
    }
}
