//! A lane is one connection's share of the load: it decides what to send and judges what comes back. It does no I/O and
//! reads no clock.

use crate::client::wire::AnswerError;

use super::{
    consumer::Consumer,
    producer::Producer,
    sending::SendQueue,
    tally::{Tally, Window},
};

/// What a lane may use while it works.
pub(super) struct Context<'a> {
    /// Nanoseconds of the monotonic clock.
    pub(super) now_ns: u64,
    /// What is measured.
    pub(super) window: Window,
    /// Where to count.
    pub(super) tally: &'a mut Tally,
}

/// Why a lane gives up its connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaneError {
    /// The broker's answer cannot be understood.
    #[error("an answer of the broker cannot be understood: {0}")]
    Answer(#[from] AnswerError),
    /// The broker answers what was not asked.
    #[error("the broker sent an answer that nothing was asked for")]
    Unasked,
    /// A member of a consumer group gave up.
    #[error("{0}")]
    Member(String),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Connection(String),
}

/// One connection's work.
#[derive(Debug)]
pub(super) enum Lane {
    Producer(Box<Producer>),
    Consumer(Box<Consumer>),
}

impl Lane {
    /// Queues everything that may be sent now.
    #[inline]
    pub(super) fn fill(&mut self, context: &mut Context<'_>, out: &mut SendQueue) {
        match self {
            Self::Producer(producer) => producer.fill(context, out),
            Self::Consumer(consumer) => consumer.fill(context, out),
        }
    }

    /// Takes one answer.
    #[inline]
    pub(super) fn answer(&mut self, context: &mut Context<'_>, frame: &[u8]) -> Result<(), LaneError> {
        match self {
            Self::Producer(producer) => producer.answer(context, frame),
            Self::Consumer(consumer) => consumer.answer(context, frame),
        }
    }

    /// All that was queued has left.
    #[inline]
    pub(super) fn flushed(&mut self, context: &mut Context<'_>) {
        if let Self::Producer(producer) = self {
            producer.flushed(context);
        }
    }

    /// When there will be something to send though nothing arrives; `None` if never.
    #[inline]
    pub(super) fn due_ns(&self) -> Option<u64> {
        match self {
            Self::Producer(producer) => producer.due_ns(),
            Self::Consumer(_) => None,
        }
    }

    /// True if nothing is left to send or to wait for.
    pub(super) fn is_done(&self, now_ns: u64, window: &Window) -> bool {
        match self {
            Self::Producer(producer) => producer.is_done(now_ns, window),
            Self::Consumer(consumer) => consumer.is_done(now_ns, window),
        }
    }

    /// Requests without an answer.
    pub(super) fn unanswered(&self) -> usize {
        match self {
            Self::Producer(producer) => producer.unanswered(),
            Self::Consumer(consumer) => consumer.unanswered(),
        }
    }
}
