//! The life of one connection on its shard: a reading task that hands frames to the handler, a writing task that sends
//! the answers.
//!
//! One receive takes all that the socket holds, and all frames in it are handled before the next. The socket is not read
//! while too much of this connection, or of the whole shard, is in work: that is the back-pressure a client feels.

use std::{cell::Cell, rc::Rc};

use bytes::Bytes;

use super::{
    receive::{BufferPool, Receiving},
    registry::Registry,
    respond::{Pending, send_answers},
};
use crate::{
    api::exchange::{ConnectionContext, Disposition, Handler, Outcomes, ResponseSlot},
    runtime::{clock, net::Stream, task},
};

/// Bytes that a quiet connection waits with.
const WAITING_BYTES: usize = 2 << 10;

/// What the registry watches of a connection.
#[derive(Debug)]
pub(super) struct Vitals {
    pub(super) stream: Stream,
    pub(super) pending: Rc<Pending>,
    /// When bytes last came, on the monotonic clock.
    pub(super) last_received_ns: Cell<u64>,
    /// When the first byte of the frame under way came; 0 if none is.
    pub(super) frame_since_ns: Cell<u64>,
}

/// Serves one connection to its end.
pub(super) async fn serve<H: Handler>(registry: Rc<Registry>, handler: Rc<H>, stream: Stream, listener: usize) {
    let context = ConnectionContext { peer: stream.peer(), listener, requests: Cell::new(0) };
    let pending = Rc::new(Pending::default());
    let vitals = Rc::new(Vitals {
        stream: stream.clone(),
        pending: Rc::clone(&pending),
        last_received_ns: Cell::new(clock::monotonic_ns()),
        frame_since_ns: Cell::new(0),
    });
    let entry = registry.enter(&vitals);
    let writer = {
        let (pending, stream, registry) = (Rc::clone(&pending), stream.clone(), Rc::clone(&registry));
        task::spawn("answers", async move {
            let freed = |bytes| registry.freed(bytes);
            let reason = send_answers(Rc::clone(&pending), stream.clone(), freed).await;
            pending.end();
            stream.shutdown();
            reason
        })
    };
    let mut reader = Reader {
        receiving: Receiving::new(registry.pool(), registry.limits().frame_bytes_max),
        frames: Vec::new(),
        registry: Rc::clone(&registry),
        handler,
        context: Rc::new(context),
        vitals,
        held_bytes: 0,
    };
    let read = reader.run().await;
    // What was asked before is still answered, unless the client is gone.
    reader.drain().await;
    pending.end();
    let wrote = writer.await;
    registry.freed(pending.request_bytes());
    let peer = stream.peer();
    match (read, wrote) {
        (Err(reason), _) | (Ok(()), Ok(Some(reason))) => tracing::info!(%peer, reason, "connection closed"),
        _ => tracing::debug!(%peer, requests = reader.context.requests.get(), "connection ended"),
    }
    drop((entry, reader));
}

struct Reader<H: Handler> {
    receiving: Receiving,
    frames: Vec<Bytes>,
    registry: Rc<Registry>,
    handler: Rc<H>,
    context: Rc<ConnectionContext>,
    vitals: Rc<Vitals>,
    /// Bytes of the receive buffer that the registry knows of: a frame takes its share of the memory before it is whole.
    held_bytes: usize,
}

impl<H: Handler> Drop for Reader<H> {
    fn drop(&mut self) {
        self.registry.freed(self.held_bytes);
    }
}

impl<H: Handler> Reader<H> {
    /// Reads until the client is done (`Ok`) or must go (`Err`: why).
    async fn run(&mut self) -> Result<(), String> {
        loop {
            self.wait_for_room().await;
            if self.vitals.pending.is_ended() || self.registry.is_stopping() {
                return Ok(());
            }
            if self.receive().await? == 0 {
                return Ok(());
            }
            let mut frames = std::mem::take(&mut self.frames);
            self.receiving.frames(&mut frames).map_err(|error| error.to_string())?;
            self.registry.taken(self.receiving.held_bytes());
            self.registry.freed(std::mem::replace(&mut self.held_bytes, self.receiving.held_bytes()));
            let now_ns = clock::monotonic_ns().max(1);
            self.vitals.last_received_ns.set(now_ns);
            if !self.receiving.is_inside_frame() {
                self.vitals.frame_since_ns.set(0);
            } else if !frames.is_empty() || self.vitals.frame_since_ns.get() == 0 {
                self.vitals.frame_since_ns.set(now_ns);
            }
            for frame in frames.drain(..) {
                self.handle(frame).await?;
            }
            self.frames = frames;
        }
    }

    /// Receives something; 0 if the client is done.
    async fn receive(&mut self) -> Result<usize, String> {
        let stream = &self.vitals.stream;
        let received = stream.try_read(self.receiving.space()).map_err(|error| format!("cannot receive: {error}"))?;
        if let Some(bytes) = received {
            self.receiving.received(bytes);
            return Ok(bytes);
        }
        if self.receiving.is_inside_frame() {
            let bytes = stream.read(self.receiving.space()).await.map_err(|error| format!("cannot receive: {error}"))?;
            self.receiving.received(bytes);
            return Ok(bytes);
        }
        // Nothing is there: wait without holding a large buffer, as thousands of connections may.
        self.receiving.rest();
        let mut waiting = [0; WAITING_BYTES];
        let bytes = stream.read(&mut waiting).await.map_err(|error| format!("cannot receive: {error}"))?;
        self.receiving.push(&waiting[..bytes]);
        if bytes == WAITING_BYTES
            && let Ok(Some(more)) = stream.try_read(self.receiving.space())
        {
            self.receiving.received(more);
        }
        Ok(bytes)
    }

    async fn handle(&mut self, frame: Bytes) -> Result<(), String> {
        let pending = &self.vitals.pending;
        self.registry.taken(frame.len());
        let sequence = pending.push(frame.len());
        self.context.requests.set(self.context.requests.get() + 1);
        let outcomes: Rc<dyn Outcomes> = Rc::<Pending>::clone(pending);
        match self.handler.handle(&self.context, frame, ResponseSlot::new(outcomes, sequence)) {
            Disposition::Continue => {
                while self.is_full() && !pending.is_ended() {
                    pending.progressed().await;
                }
            }
            Disposition::Serial => {
                while !pending.has_ended(sequence) && !pending.is_ended() {
                    pending.progressed().await;
                }
            }
            Disposition::Close(reason) => return Err(reason),
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        let limits = self.registry.limits();
        self.vitals.pending.len() >= limits.inflight_max || self.vitals.pending.request_bytes() >= limits.inflight_bytes
    }

    /// Waits until the connection and the shard may take more.
    async fn wait_for_room(&self) {
        while self.is_full() && !self.vitals.pending.is_ended() {
            self.vitals.pending.progressed().await;
        }
        self.registry.wait_for_room().await;
    }

    /// Waits until every request that was taken is answered, or the client is gone.
    async fn drain(&self) {
        while self.vitals.pending.len() > 0 && !self.vitals.pending.is_ended() {
            self.vitals.pending.progressed().await;
        }
    }
}

/// The buffers of a shard, made once.
pub(super) fn pool() -> BufferPool {
    BufferPool::new()
}
