//! The life of one connection on its shard: a reading task that hands frames to the handler, a writing task that sends
//! the answers.
//!
//! One receive takes all that the socket holds, and all frames in it are handled before the next. The socket is not read
//! while too much of this connection, or of the whole shard, is in work: that is the back-pressure a client feels.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    task::{Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use futures_lite::future;

use super::{
    receive::Receiving,
    registry::{Entry, Registry},
    respond::{Pending, send_answers},
};
use crate::{
    api::exchange::{ConnectionContext, Disposition, Handler, Outcomes, ResponseSlot},
    runtime::{clock, net::Stream, solitude::Solitude, task},
};

/// Bytes that a quiet connection waits with.
const WAITING_BYTES: usize = 2 << 10;
/// Frames for which a quiet connection keeps room.
const FRAMES_KEPT: usize = 16;
/// While so many bytes of answers are not taken by the client, its next request waits.
const UNSENT_BYTES_MAX: usize = 1 << 20;

/// How long the next request is waited for in place. A client on this machine or the next that answers at once needs 20 to 40 us.
const PATIENCE: Duration = Duration::from_micros(50);

/// What the registry watches of a connection.
#[derive(Debug)]
pub(super) struct Vitals {
    pub(super) stream: Stream,
    pub(super) pending: Rc<Pending>,
    /// When bytes last came, on the monotonic clock.
    pub(super) last_received_ns: Cell<u64>,
    /// Since when the rest of a frame is waited for; 0 if none is, or if it is we who do not read.
    pub(super) frame_since_ns: Cell<u64>,
    /// The reader waits with a buffer in its hands.
    reader: RefCell<Option<Waker>>,
    /// It is to put the buffer down.
    rest: Cell<bool>,
}

impl Vitals {
    /// Asks a reader that has waited for long to wait without a large buffer.
    pub(super) fn rest(&self) {
        if let Some(reader) = self.reader.take() {
            self.rest.set(true);
            reader.wake();
        }
    }

    /// Ends both tasks; what is not sent by now never is.
    pub(super) fn close(&self) {
        self.pending.end();
        self.stream.shutdown();
    }
}

/// Closes the connection when either of its tasks ends, even by a panic.
struct Closing(Rc<Vitals>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Why a connection ends before its client wants it to.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("cannot receive: {0}")]
    Broken(#[from] io::Error),
    /// What came was no request.
    #[error("{0}")]
    Malformed(String),
}

/// Serves one connection to its end.
pub(super) async fn serve<H: Handler>(registry: Rc<Registry>, handler: Rc<H>, stream: Stream, listener: usize) {
    let peer = stream.peer();
    let pending = Pending::new(registry.admission());
    let vitals = Rc::new(Vitals {
        stream,
        pending,
        last_received_ns: Cell::new(clock::monotonic_ns()),
        frame_since_ns: Cell::new(0),
        reader: RefCell::default(),
        rest: Cell::new(false),
    });
    let entry = registry.enter(&vitals);
    let writer = {
        let (closing, registry) = (Closing(Rc::clone(&vitals)), Rc::clone(&registry));
        task::spawn("answers", async move {
            let Vitals { pending, stream, .. } = &*closing.0;
            send_answers(pending, stream, registry.counters()).await
        })
    };
    let closing = Closing(Rc::clone(&vitals));
    let mut reader = Reader {
        receiving: Receiving::new(registry.pool(), registry.limits().frame_bytes_max),
        frames: Vec::new(),
        permit_bytes: 0,
        more: false,
        lively: false,
        seen: 0,
        solitude: Solitude::default(),
        context: Rc::new(ConnectionContext { peer, listener, requests: Cell::new(0) }),
        entry,
        handler,
        vitals,
    };
    let read = reader.run().await;
    // What was asked before is still answered, unless the client is gone.
    reader.drain().await;
    reader.vitals.pending.end();
    let wrote = writer.await;
    match (read, wrote) {
        (Err(End::Malformed(reason)), _) => {
            registry.counters().malformed();
            tracing::info!(%peer, reason, "connection closed");
        }
        (_, Ok(Some(reason))) => tracing::info!(%peer, reason, "connection closed"),
        (Err(error), _) => tracing::debug!(%peer, %error, "connection closed"),
        _ => tracing::debug!(%peer, requests = reader.context.requests.get(), "connection ended"),
    }
    drop((closing, reader));
}

struct Reader<H: Handler> {
    receiving: Receiving,
    frames: Vec<Bytes>,
    /// Memory taken for the large frame under way.
    permit_bytes: usize,
    /// The last receive got all there was room for: there is more.
    more: bool,
    /// The last bytes were many: it is worth waiting with a buffer in hand.
    lively: bool,
    /// Requests of the whole shard by the time of this client's last one.
    seen: u64,
    /// Of requests: this client asks alone, and waits for its answers.
    solitude: Solitude,
    entry: Entry,
    handler: Rc<H>,
    context: Rc<ConnectionContext>,
    vitals: Rc<Vitals>,
}

impl<H: Handler> Drop for Reader<H> {
    fn drop(&mut self) {
        self.give_permit();
    }
}

impl<H: Handler> Reader<H> {
    fn registry(&self) -> &Registry {
        self.entry.registry()
    }

    /// Reads until the client is done (`Ok`) or must go (`Err`: why).
    async fn run(&mut self) -> Result<(), End> {
        loop {
            self.wait_for_room().await;
            if self.vitals.pending.is_ended() || self.registry().is_stopping() {
                return Ok(());
            }
            let bytes = match self.receive_in_place().await? {
                Some(bytes) => bytes,
                None => self.receive().await?,
            };
            if bytes == 0 {
                return Ok(());
            }
            self.registry().counters().received(bytes);
            self.vitals.last_received_ns.set(clock::monotonic_ns());
            let mut frames = std::mem::take(&mut self.frames);
            let cut = self.receiving.frames(&mut frames);
            if !frames.is_empty() {
                self.vitals.frame_since_ns.set(0);
                self.came(frames.len());
                self.context.requests.set(self.context.requests.get() + frames.len() as u64);
            }
            for frame in frames.drain(..) {
                // What nobody waits for any more is not worth the work: a client may have asked for gigabytes.
                if self.vitals.pending.is_ended() {
                    return Ok(());
                }
                self.handle(frame).await?;
            }
            self.frames = frames;
            cut.map_err(|error| End::Malformed(error.to_string()))?;
        }
    }

    /// Counts requests that came.
    fn came(&mut self, requests: usize) {
        let before = self.registry().counters().requests(requests);
        let alone = requests == 1 && before == self.seen && self.vitals.pending.is_quiet();
        self.seen = before + requests as u64;
        self.solitude.passed(alone);
    }

    /// Where this client is the only one, and sends one request after the answer to the other: waits for that answer to leave,
    /// and a moment for the next request, without going to sleep; `None` if nothing came by then. To sleep and to be woken
    /// costs the shard more than the moment does, and the client an interrupt that it must send.
    async fn receive_in_place(&mut self) -> Result<Option<usize>, End> {
        if !self.solitude.is_certain() || self.receiving.is_inside_frame() || self.vitals.pending.is_quiet() {
            return Ok(None);
        }
        let vitals = &*self.vitals;
        // The answer may take long, so no buffer is held. The client may end meanwhile, or send more.
        let mut byte = [0];
        let early = future::or(async { Some(vitals.stream.read(&mut byte).await) }, async {
            vitals.pending.quiet().await;
            None
        });
        if let Some(received) = early.await {
            let bytes = received?;
            self.receiving.push(&byte[..bytes]);
            return Ok(Some(bytes));
        }
        // Others who have sent something meanwhile are heard first; the client needs as long to read its answer.
        task::turn().await;
        if let Some(bytes) = vitals.stream.read_in_place(self.receiving.space(), PATIENCE)? {
            self.registry().counters().received_in_place();
            return Ok(Some(self.took(bytes)));
        }
        self.solitude.passed(false);
        Ok(None)
    }

    /// Receives something; 0 if the client is done, or nobody wants to hear it.
    async fn receive(&mut self) -> Result<usize, End> {
        if self.receiving.is_inside_frame() && self.vitals.frame_since_ns.get() == 0 {
            self.vitals.frame_since_ns.set(clock::monotonic_ns().max(1));
        }
        if self.more
            && let Some(bytes) = self.vitals.stream.try_read(self.receiving.space())?
        {
            return Ok(self.took(bytes));
        }
        if self.receiving.is_inside_frame() || self.lively {
            if let Some(bytes) = self.receive_in_hand().await? {
                return Ok(self.took(bytes));
            }
            self.lively = false;
        }
        // Nothing is there: wait without holding much memory, as thousands of connections may.
        self.receiving.rest();
        self.vitals.pending.rest();
        if self.frames.capacity() > FRAMES_KEPT {
            self.frames = Vec::new();
        }
        let mut waiting = [0; WAITING_BYTES];
        let mut bytes = self.vitals.stream.read(&mut waiting).await?;
        self.receiving.push(&waiting[..bytes]);
        if bytes == WAITING_BYTES
            && let Some(more) = self.vitals.stream.try_read(self.receiving.space())?
        {
            bytes += self.took(more);
        }
        self.lively = bytes >= WAITING_BYTES;
        Ok(bytes)
    }

    /// Waits for bytes with the buffer in hand; `None` if it is to be put down.
    async fn receive_in_hand(&mut self) -> io::Result<Option<usize>> {
        let vitals = &*self.vitals;
        let space = self.receiving.space();
        let received = poll_fn(|context| {
            if let Poll::Ready(received) = vitals.stream.poll_read(context, space) {
                return Poll::Ready(received.map(Some));
            }
            if vitals.rest.take() {
                return Poll::Ready(Ok(None));
            }
            *vitals.reader.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
        vitals.reader.take();
        vitals.rest.set(false);
        received
    }

    fn took(&mut self, bytes: usize) -> usize {
        self.more = bytes > 0 && bytes == self.receiving.space().len();
        self.receiving.received(bytes);
        bytes
    }

    async fn handle(&mut self, frame: Bytes) -> Result<(), End> {
        // Counted by its place from here on.
        self.give_permit();
        let pending = &self.vitals.pending;
        let sequence = pending.push(frame.len());
        let outcomes: Rc<dyn Outcomes> = Rc::<Pending>::clone(pending);
        let slot = ResponseSlot::new(outcomes, sequence);
        let disposition = catch_unwind(AssertUnwindSafe(|| self.handler.handle(&self.context, frame, slot)));
        match disposition {
            Ok(going_on @ (Disposition::Continue | Disposition::Begin)) => {
                if going_on == Disposition::Begin && !self.solitude.is_certain() {
                    // The device works while the next request is received: it would wait for all that the sockets hold.
                    task::turn().await;
                }
                while self.is_full() && !pending.is_ended() {
                    pending.progressed().await;
                }
            }
            Ok(Disposition::Serial) => {
                while !(pending.is_ended() || pending.has_ended(sequence) && pending.unsent_bytes() < UNSENT_BYTES_MAX) {
                    pending.progressed().await;
                }
            }
            Ok(Disposition::Close(reason)) => return Err(End::Malformed(reason)),
            Err(panic) => {
                return Err(End::Malformed(format!("a request made its handler panic ({}): a defect of corelog", task::panic_text(&*panic))));
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        let (limits, pending) = (self.registry().limits(), &self.vitals.pending);
        pending.len() >= limits.inflight_max
            || pending.request_bytes() >= limits.inflight_bytes
            || pending.unsent_bytes() >= UNSENT_BYTES_MAX
    }

    /// Waits until the connection and the shard may take more. The client's deadlines do not run meanwhile.
    async fn wait_for_room(&mut self) {
        while self.is_full() && !self.vitals.pending.is_ended() {
            self.vitals.frame_since_ns.set(0);
            self.vitals.pending.progressed().await;
        }
        match self.receiving.large_frame() {
            // Asked for once, for the whole frame.
            Some(bytes) if self.permit_bytes == 0 => {
                self.vitals.frame_since_ns.set(0);
                self.registry().admission().reserve(bytes).await;
                self.permit_bytes = bytes;
            }
            None if !self.receiving.is_inside_frame() => self.registry().admission().reserve(0).await,
            _ => {}
        }
    }

    fn give_permit(&mut self) {
        self.registry().admission().give(std::mem::take(&mut self.permit_bytes));
    }

    /// Waits until every request that was taken is answered, or the client is gone.
    async fn drain(&self) {
        while self.vitals.pending.len() > 0 && !self.vitals.pending.is_ended() {
            self.vitals.pending.progressed().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use super::*;

    struct Nothing;

    impl Handler for Nothing {
        fn handle(self: &Rc<Self>, _: &Rc<ConnectionContext>, _: Bytes, slot: ResponseSlot) -> Disposition {
            slot.skip();
            Disposition::Continue
        }
    }

    /// The size of the future that `make` would give; it is never called.
    fn bytes_of<A, F: Future>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_quiet_connection_takes_little_memory() {
        let reader = bytes_of(|(registry, handler, stream)| serve::<Nothing>(registry, handler, stream, 0));
        let writer = bytes_of(|(pending, stream, counters): (&'static Pending, &'static Stream, _)| send_answers(pending, stream, counters));
        assert!(reader + writer < 4 << 10, "{reader} + {writer}");
    }
}
