//! Accepts connections and places each on the shard that has the fewest.
//!
//! One acceptor for all listeners, on shard 0: the kernel's hashing would leave cores idle when connections are few.

use std::{
    collections::HashMap,
    net::IpAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::runtime::{
    link,
    net::{Accepted, Listener},
    task, timer,
};

/// How long the acceptor waits after an error (out of descriptors, mostly) before it tries again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
    /// Connections of the whole broker (`max.connections`).
    pub connections_max: usize,
    /// Connections of one address (`max.connections.per.ip`).
    pub connections_per_ip_max: usize,
}

impl Acceptor {
    /// Accepts on all listeners until the process ends.
    pub fn start(self, listeners: Vec<Listener>) {
        let this = Rc::new(Shared { acceptor: self, per_ip: std::cell::RefCell::default() });
        for (index, listener) in listeners.into_iter().enumerate() {
            let this = Rc::clone(&this);
            task::spawn("acceptor", async move {
                loop {
                    match listener.accept().await {
                        Ok(accepted) => this.place(accepted, index),
                        Err(error) => {
                            tracing::warn!(%error, "cannot accept a connection; raise the limit of open files if it is that");
                            timer::sleep(ACCEPT_PAUSE).await;
                        }
                    }
                }
            });
        }
    }
}

struct Shared {
    acceptor: Acceptor,
    per_ip: std::cell::RefCell<HashMap<IpAddr, usize>>,
}

impl Shared {
    fn place(&self, accepted: Accepted, listener: usize) {
        let Acceptor { doors, counts, connections_max, connections_per_ip_max } = &self.acceptor;
        let mut per_ip = self.per_ip.borrow_mut();
        for ip in counts.ended_in.try_iter() {
            if let Some(count) = per_ip.get_mut(&ip) {
                *count -= 1;
                if *count == 0 {
                    per_ip.remove(&ip);
                }
            }
        }
        let peer = accepted.peer();
        if counts.total() >= *connections_max {
            tracing::warn!(%peer, "connection refused: max.connections = {connections_max} are open");
            return;
        }
        let of_peer = per_ip.entry(peer.ip()).or_insert(0);
        if *of_peer >= *connections_per_ip_max {
            tracing::warn!(%peer, "connection refused: max.connections.per.ip = {connections_per_ip_max} are open from there");
            return;
        }
        *of_peer += 1;
        drop(per_ip);
        let shard = counts.place();
        match doors.get(shard) {
            Some(Door::Here(admit)) => admit(accepted, listener),
            Some(Door::There(link)) => {
                if link.try_send((accepted, listener)).is_err() {
                    tracing::warn!(%peer, shard, "connection refused: the shard does not keep up");
                    counts.ended(shard, peer.ip());
                }
            }
            None => counts.ended(shard, peer.ip()),
        }
    }
}
