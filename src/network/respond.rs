//! Answers of one connection: kept in the order of the requests, sent together when ready.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use super::{admission::Admission, counters::Counters};
use crate::{
    api::exchange::{Outcome, Outcomes},
    runtime::{buffer::Slice, clock, net::Stream, notify::Notify},
};

/// Slices for which a writer without work keeps room.
const SLICES_KEPT: usize = 16;
/// Requests for which a quiet connection keeps room.
const PLACES_KEPT: usize = 16;

/// One request that was handed to the handler.
#[derive(Debug)]
struct Place {
    request_bytes: usize,
    outcome: Option<Outcome>,
}

/// The requests of one connection that are in work, and the signals between its two tasks. Their memory is given back
/// when they are answered, or when nobody can answer them any more.
#[derive(Debug)]
pub(super) struct Pending {
    admission: Rc<Admission>,
    places: RefCell<VecDeque<Place>>,
    /// Number of the request in front.
    first: Cell<u64>,
    request_bytes: Cell<usize>,
    /// Bytes of answers that are ready and not yet taken by the socket.
    unsent_bytes: Cell<usize>,
    /// The answer in front became ready, or the connection ends.
    ready: Notify,
    /// An answer became ready or left: for the reader, which may wait for either.
    progress: Notify,
    ended: Cell<bool>,
    /// When the send under way began; 0 if none is.
    pub(super) sending_since_ns: Cell<u64>,
    /// When the last send ended, on the monotonic clock.
    pub(super) last_sent_ns: Cell<u64>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.admission.give(self.request_bytes.get());
    }
}

impl Pending {
    pub(super) fn new(admission: Rc<Admission>) -> Rc<Self> {
        Rc::new(Self {
            admission,
            places: RefCell::default(),
            first: Cell::new(0),
            request_bytes: Cell::new(0),
            unsent_bytes: Cell::new(0),
            ready: Notify::new(),
            progress: Notify::new(),
            ended: Cell::new(false),
            sending_since_ns: Cell::new(0),
            last_sent_ns: Cell::new(0),
        })
    }

    /// Takes a request of so many bytes in; its number.
    pub(super) fn push(&self, request_bytes: usize) -> u64 {
        self.admission.take(request_bytes);
        let mut places = self.places.borrow_mut();
        places.push_back(Place { request_bytes, outcome: None });
        self.request_bytes.set(self.request_bytes.get() + request_bytes);
        self.first.get() + places.len() as u64 - 1
    }

    /// Gives memory back while no request is in work.
    pub(super) fn rest(&self) {
        let mut places = self.places.borrow_mut();
        if places.is_empty() && places.capacity() > PLACES_KEPT {
            *places = VecDeque::new();
        }
    }

    /// Requests in work.
    pub(super) fn len(&self) -> usize {
        self.places.borrow().len()
    }

    /// True if no request is in work and no answer is on its way.
    pub(super) fn is_quiet(&self) -> bool {
        self.len() == 0 && self.sending_since_ns.get() == 0
    }

    /// Bytes of requests in work.
    pub(super) fn request_bytes(&self) -> usize {
        self.request_bytes.get()
    }

    /// Bytes of answers that the client has not taken yet.
    pub(super) fn unsent_bytes(&self) -> usize {
        self.unsent_bytes.get()
    }

    /// True once the request has ended, whether or not its answer has left.
    pub(super) fn has_ended(&self, sequence: u64) -> bool {
        let Some(index) = sequence.checked_sub(self.first.get()) else { return true };
        let places = self.places.borrow();
        usize::try_from(index).ok().and_then(|index| places.get(index)).is_none_or(|place| place.outcome.is_some())
    }

    /// Returns when an answer became ready or left, or the connection ended.
    pub(super) async fn progressed(&self) {
        self.progress.notified().await;
    }

    /// Returns when no request is in work and no answer is on its way, or the connection ended.
    pub(super) async fn quiet(&self) {
        while !self.is_quiet() && !self.is_ended() {
            self.progressed().await;
        }
    }

    /// No answer matters any more: both tasks are to end.
    pub(super) fn end(&self) {
        self.ended.set(true);
        self.ready.notify();
        self.progress.notify();
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended.get()
    }

    /// Takes all answers in front that are ready.
    fn take_ready(&self, slices: &mut Vec<Slice>) -> Taken {
        let mut taken = Taken { requests: 0, close: None };
        let mut places = self.places.borrow_mut();
        while let Some(place) = places.pop_front_if(|place| place.outcome.is_some()) {
            self.first.set(self.first.get() + 1);
            taken.requests += 1;
            match place.outcome {
                Some(Outcome::Answer(frame)) => frame.append_to(slices),
                Some(Outcome::Close(reason)) => {
                    taken.close = Some(reason);
                    break;
                }
                Some(Outcome::Silence) | None => {}
            }
        }
        taken
    }
}

struct Taken {
    requests: usize,
    close: Option<String>,
}

impl Outcomes for Pending {
    fn ended(&self, sequence: u64, outcome: Outcome) {
        let Some(index) = sequence.checked_sub(self.first.get()) else { return };
        if let Outcome::Answer(frame) = &outcome {
            self.unsent_bytes.set(self.unsent_bytes.get() + frame.bytes());
        }
        let mut request_bytes = 0;
        if let Some(place) = self.places.borrow_mut().get_mut(usize::try_from(index).unwrap_or(usize::MAX)) {
            place.outcome = Some(outcome);
            request_bytes = std::mem::take(&mut place.request_bytes);
        }
        self.request_bytes.set(self.request_bytes.get() - request_bytes);
        self.admission.give(request_bytes);
        if index == 0 {
            self.ready.notify();
        }
        self.progress.notify();
    }
}

/// Sends the answers until the connection ends; says why it must be closed, if a request said so.
pub(super) async fn send_answers(pending: &Pending, stream: &Stream, counters: &Counters) -> Option<String> {
    let mut slices = Vec::new();
    loop {
        let taken = pending.take_ready(&mut slices);
        if !slices.is_empty() {
            let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
            pending.sending_since_ns.set(clock::monotonic_ns().max(1));
            let sent = stream.write_gather(&slices).await;
            pending.sending_since_ns.set(0);
            pending.last_sent_ns.set(clock::monotonic_ns());
            slices.clear();
            pending.unsent_bytes.set(pending.unsent_bytes.get().saturating_sub(bytes));
            counters.sent(bytes);
            if let Err(error) = sent {
                return Some(format!("cannot send: {error}"));
            }
            if slices.capacity() > SLICES_KEPT {
                slices = Vec::new();
            }
        }
        if taken.requests > 0 {
            pending.progress.notify();
        }
        if taken.close.is_some() {
            return taken.close;
        }
        if pending.is_ended() {
            return None;
        }
        if taken.requests == 0 {
            pending.ready.notified().await;
        }
    }
}
