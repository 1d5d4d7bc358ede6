//! What a step of a coordinator asks its runtime to do.

pub use super::records::LogRecord;
use super::call::Answer;

/// Names a request whose answer is still due. The runtime chooses the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The outcome of a step: records for the log, and answers that may leave when the records are durable, or, if there are
/// none, when everything written before is.
#[derive(Debug, Default)]
pub struct Effects {
    /// To be appended, in this order.
    pub records: Vec<LogRecord>,
    /// The records may be spread over several batches, because each makes sense without the others (tombstones, commits of
    /// many partitions). Otherwise they are written together or not at all.
    pub divisible: bool,
    /// Answers, also to requests of earlier steps (joins and syncs that waited).
    pub answers: Vec<(Ticket, Answer)>,
}

impl Effects {
    /// Nothing to do.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds an answer.
    pub fn answer(&mut self, ticket: Ticket, answer: Answer) {
        self.answers.push((ticket, answer));
    }

    /// True if nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.answers.is_empty()
    }

    /// Bytes of all records.
    pub fn bytes(&self) -> usize {
        self.records.iter().map(LogRecord::bytes).sum()
    }
}
