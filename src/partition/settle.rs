//! Answers to producers that wait for the log to get somewhere, released in the order of offsets.
//!
//! Owned by the partition's actor. Pure queues: the actor says how far things are.

use std::{collections::VecDeque, rc::Rc};

use super::{
    message::{AppendSink, Appended},
    refusal::Refusal,
};
use crate::types::Offset;

/// One answer that becomes due when everything below `end` is there.
struct Due {
    end: Offset,
    sink: Rc<dyn AppendSink>,
    index: u32,
    appended: Appended,
}

/// Answers in offset order, waiting for one mark to pass them.
#[derive(Default)]
pub(super) struct Settling {
    queue: VecDeque<Due>,
}

impl std::fmt::Debug for Settling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settling").field("waiting", &self.queue.len()).finish()
    }
}

impl Settling {
    /// Lets an answer wait for `end`. A duplicate may wait for an offset below what already waits: it is settled no
    /// earlier than those, which costs it little and keeps the queue in order.
    pub(super) fn wait(&mut self, end: Offset, sink: Rc<dyn AppendSink>, index: u32, appended: Appended) {
        let end = self.queue.back().map_or(end, |last| last.end.max(end));
        self.queue.push_back(Due { end, sink, index, appended });
    }

    /// Gives every answer up to `mark`.
    pub(super) fn release(&mut self, mark: Offset) {
        while let Some(due) = self.queue.pop_front_if(|due| due.end <= mark) {
            due.sink.appended(due.index, Ok(due.appended));
        }
    }

    /// Refuses all that wait.
    pub(super) fn refuse(&mut self, refusal: &Refusal) {
        for due in self.queue.drain(..) {
            due.sink.appended(due.index, Err(refusal.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::types::ErrorCode;

    #[derive(Default)]
    struct Answers(RefCell<Vec<(u32, bool)>>);
    impl AppendSink for Answers {
        fn appended(&self, index: u32, result: Result<Appended, Refusal>) {
            self.0.borrow_mut().push((index, result.is_ok()));
        }
    }

    #[test]
    fn answers_come_in_offset_order_and_each_once() {
        let answers = Rc::new(Answers::default());
        let mut settling = Settling::default();
        for (index, end) in [(0, 10), (1, 20), (2, 15)] {
            let appended = Appended { base_offset: Offset::ZERO, log_append_time_ms: None, log_start: Offset::ZERO };
            settling.wait(Offset::saturating(end), Rc::<Answers>::clone(&answers), index, appended);
        }
        settling.release(Offset::saturating(9));
        settling.release(Offset::saturating(10));
        settling.release(Offset::saturating(10));
        assert_eq!(*answers.0.borrow(), [(0, true)]);
        settling.refuse(&Refusal::of(ErrorCode::KafkaStorageError));
        assert_eq!(*answers.0.borrow(), [(0, true), (1, false), (2, false)]);
        settling.release(Offset::MAX);
        assert_eq!(answers.0.borrow().len(), 3);
    }
}
