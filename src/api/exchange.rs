//! The seam between sockets and handlers: a frame goes in with the slot for its answer.
//!
//! Slots are filled in any order, from any task of the shard; `network/` sends the answers in the order of the requests.

use std::{cell::Cell, net::SocketAddr, rc::Rc};

use bytes::Bytes;

use crate::runtime::buffer::Slice;

/// An encoded answer, length prefix included: parts to be sent one after the other.
#[derive(Debug)]
pub struct ResponseFrame {
    parts: Parts,
}

#[derive(Debug)]
enum Parts {
    /// Most answers.
    One(Bytes),
    /// An answer with records in it.
    Many(Vec<Slice>),
}

impl ResponseFrame {
    /// Puts an answer together: `records[i]` stand before byte `cuts[i]` of `bytes`.
    pub fn gathered(bytes: Bytes, cuts: &[usize], records: Vec<Vec<Slice>>) -> Self {
        if cuts.is_empty() {
            return Self { parts: Parts::One(bytes) };
        }
        let mut slices = Vec::with_capacity(cuts.len() * 2 + 1 + records.iter().map(Vec::len).sum::<usize>());
        let mut start = 0;
        for (cut, records) in cuts.iter().zip(records) {
            slices.push(Slice::from(bytes.slice(start..*cut)));
            slices.extend(records);
            start = *cut;
        }
        slices.push(Slice::from(bytes.slice(start..)));
        slices.retain(|slice| !slice.is_empty());
        Self { parts: Parts::Many(slices) }
    }

    /// Its length in bytes, prefix included.
    pub fn bytes(&self) -> usize {
        match &self.parts {
            Parts::One(bytes) => bytes.len(),
            Parts::Many(slices) => slices.iter().map(|slice| slice.len()).sum(),
        }
    }

    /// Adds the parts in order to what is to be sent.
    pub fn append_to(self, out: &mut Vec<Slice>) {
        match self.parts {
            Parts::One(bytes) => out.push(Slice::from(bytes)),
            Parts::Many(slices) => out.extend(slices),
        }
    }
}

/// How a request ended.
#[derive(Debug)]
pub enum Outcome {
    /// With this answer.
    Answer(ResponseFrame),
    /// Without an answer (acks=0).
    Silence,
    /// The connection must be closed; why, for the log.
    Close(String),
}

/// Takes the outcomes of one connection's requests.
pub trait Outcomes {
    /// Request number `sequence` of the connection ended.
    fn ended(&self, sequence: u64, outcome: Outcome);
}

/// The place of one answer. Dropped without being used, it closes the connection: a client must never wait in vain.
pub struct ResponseSlot {
    outcomes: Option<Rc<dyn Outcomes>>,
    sequence: u64,
}

impl std::fmt::Debug for ResponseSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseSlot").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

impl ResponseSlot {
    /// The slot of request `sequence`.
    pub fn new(outcomes: Rc<dyn Outcomes>, sequence: u64) -> Self {
        Self { outcomes: Some(outcomes), sequence }
    }

    /// Answers.
    pub fn fill(self, frame: ResponseFrame) {
        self.end(Outcome::Answer(frame));
    }

    /// Says that there is no answer (acks=0).
    pub fn skip(self) {
        self.end(Outcome::Silence);
    }

    /// Closes the connection; what was answered before still goes out.
    pub fn close(self, reason: impl Into<String>) {
        self.end(Outcome::Close(reason.into()));
    }

    fn end(mut self, outcome: Outcome) {
        if let Some(outcomes) = self.outcomes.take() {
            outcomes.ended(self.sequence, outcome);
        }
    }
}

impl Drop for ResponseSlot {
    fn drop(&mut self) {
        if let Some(outcomes) = self.outcomes.take() {
            outcomes.ended(self.sequence, Outcome::Close("a request was lost inside the broker".to_owned()));
        }
    }
}

/// What the connection may do while a request is in work.
#[derive(Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The next request may be handled at once; answers still go out in order.
    Continue,
    /// As `Continue`, but what this one began is to reach the device first.
    Begin,
    /// The next request waits until this one is answered, as Kafka does it.
    Serial,
    /// The frame is no request that can be served: close; why, for the log.
    Close(String),
}

/// What a handler may know of the connection that a request came on.
#[derive(Debug)]
pub struct ConnectionContext {
    /// The client's address.
    pub peer: SocketAddr,
    /// Which of the listeners it came in by: index into the configuration.
    pub listener: usize,
    /// Frames served so far.
    pub requests: Cell<u64>,
}

/// Serves requests.
pub trait Handler: 'static {
    /// Serves the request in `frame` (without its length prefix). Must not block; the slot is filled now or later.
    fn handle(self: &Rc<Self>, connection: &Rc<ConnectionContext>, frame: Bytes, slot: ResponseSlot) -> Disposition;
}
