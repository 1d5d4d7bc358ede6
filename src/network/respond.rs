//! Answers of one connection: kept in the order of the requests, sent together when ready.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use crate::{
    api::exchange::{Outcome, Outcomes, ResponseFrame},
    runtime::{buffer::Slice, clock, net::Stream, notify::Notify},
};

/// One request that was handed to the handler.
#[derive(Debug)]
struct Place {
    request_bytes: usize,
    outcome: Option<Outcome>,
}

/// The requests of one connection that are in work, and the signals between its two tasks.
#[derive(Debug, Default)]
pub(super) struct Pending {
    places: RefCell<VecDeque<Place>>,
    /// Number of the request in front.
    first: Cell<u64>,
    request_bytes: Cell<usize>,
    /// The answer in front became ready, or the connection ends.
    ready: Notify,
    /// An answer became ready or left: for the reader, which may wait for either.
    progress: Notify,
    ended: Cell<bool>,
    /// When the send under way began; 0 if none is.
    pub(super) sending_since_ns: Cell<u64>,
}

impl Pending {
    /// Takes a request of so many bytes in; its number.
    pub(super) fn push(&self, request_bytes: usize) -> u64 {
        let mut places = self.places.borrow_mut();
        places.push_back(Place { request_bytes, outcome: None });
        self.request_bytes.set(self.request_bytes.get() + request_bytes);
        self.first.get() + places.len() as u64 - 1
    }

    /// Requests in work.
    pub(super) fn len(&self) -> usize {
        self.places.borrow().len()
    }

    /// Bytes of requests in work.
    pub(super) fn request_bytes(&self) -> usize {
        self.request_bytes.get()
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
        let mut taken = Taken { request_bytes: 0, close: None };
        let mut places = self.places.borrow_mut();
        while let Some(place) = places.pop_front_if(|place| place.outcome.is_some()) {
            self.first.set(self.first.get() + 1);
            taken.request_bytes += place.request_bytes;
            match place.outcome {
                Some(Outcome::Answer(frame)) => slices.extend(ResponseFrame::into_slices(frame)),
                Some(Outcome::Close(reason)) => {
                    taken.close = Some(reason);
                    break;
                }
                Some(Outcome::Silence) | None => {}
            }
        }
        self.request_bytes.set(self.request_bytes.get() - taken.request_bytes);
        taken
    }
}

struct Taken {
    request_bytes: usize,
    close: Option<String>,
}

impl Outcomes for Pending {
    fn ended(&self, sequence: u64, outcome: Outcome) {
        let Some(index) = sequence.checked_sub(self.first.get()) else { return };
        if let Some(place) = self.places.borrow_mut().get_mut(usize::try_from(index).unwrap_or(usize::MAX)) {
            place.outcome = Some(outcome);
        }
        if index == 0 {
            self.ready.notify();
        }
        self.progress.notify();
    }
}

/// Sends the answers until the connection ends; says why it must be closed, if a request said so.
pub(super) async fn send_answers(pending: Rc<Pending>, stream: Stream, freed: impl Fn(usize)) -> Option<String> {
    let mut slices = Vec::new();
    loop {
        let taken = pending.take_ready(&mut slices);
        if taken.request_bytes > 0 {
            freed(taken.request_bytes);
        }
        if !slices.is_empty() {
            pending.sending_since_ns.set(clock::monotonic_ns().max(1));
            let sent = stream.write_gather(&slices).await;
            pending.sending_since_ns.set(0);
            slices.clear();
            pending.progress.notify();
            if let Err(error) = sent {
                return Some(format!("cannot send: {error}"));
            }
        }
        if taken.close.is_some() {
            return taken.close;
        }
        if pending.is_ended() {
            return None;
        }
        if taken.request_bytes == 0 {
            pending.ready.notified().await;
        }
    }
}
