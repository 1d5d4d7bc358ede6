//! InitProducerId (key 22), versions 0-5: names an idempotent producer.
//!
//! Behaviour: without a transactional id every request gets a new producer id with epoch 0, whatever id the producer had
//! (so does Kafka). Ids come from blocks of 1,000 that the controller gives out, one block at a time and shard. Transactions
//! are not served yet: a transactional id is refused with UNSUPPORTED_VERSION, which clients take as final.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use super::{Api, dispatch::Caller};
use crate::{
    controller::{ControllerGone, ProducerIdBlock},
    protocol::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
    runtime::notify::Notify,
    types::{ErrorCode, ProducerId},
};

/// Default of `transaction.max.timeout.ms`, which has no other effect before transactions are served.
const TRANSACTION_TIMEOUT_MS_MAX: i32 = 900_000;

/// Waits for the controller only when a block is used up.
pub(super) async fn handle(api: &Rc<Api>, _caller: &Caller, body: InitProducerIdRequest) -> InitProducerIdResponse {
    let outcome = match check(&body) {
        Ok(()) => api.producer_ids.next(|| api.shard.controller().allocate_producer_ids()).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(id) => InitProducerIdResponse { producer_id: id.get(), producer_epoch: 0, ..InitProducerIdResponse::default() },
        Err(error) => {
            InitProducerIdResponse { error_code: error.code(), producer_epoch: -1, ..InitProducerIdResponse::default() }
        }
    }
}

/// In Kafka's order (KafkaApis, TransactionCoordinator.handleInitProducerId).
fn check(body: &InitProducerIdRequest) -> Result<(), ErrorCode> {
    if (body.producer_id == -1) != (body.producer_epoch == -1) {
        return Err(ErrorCode::InvalidRequest);
    }
    match &body.transactional_id {
        None => Ok(()),
        Some(id) if id.is_empty() => Err(ErrorCode::InvalidRequest),
        Some(_) if !(1..=TRANSACTION_TIMEOUT_MS_MAX).contains(&body.transaction_timeout_ms) => {
            Err(ErrorCode::InvalidTransactionTimeout)
        }
        Some(_) => Err(ErrorCode::UnsupportedVersion),
    }
}

/// The producer ids that this shard may give out. What is left of a block when the broker stops is never used.
#[derive(Debug, Default)]
pub(super) struct ProducerIds {
    block: RefCell<Option<ProducerIdBlock>>,
    /// A block is on its way; at most one is.
    asking: Cell<bool>,
    answered: Notify,
}

impl ProducerIds {
    /// The next id. `allocate` asks for a block; it is called when there is none and nobody else is asking.
    ///
    /// # Errors
    /// COORDINATOR_LOAD_IN_PROGRESS if the controller has none to give now: clients try again.
    async fn next<F>(&self, allocate: impl Fn() -> F) -> Result<ProducerId, ErrorCode>
    where
        F: Future<Output = Result<Result<ProducerIdBlock, ErrorCode>, ControllerGone>>,
    {
        loop {
            if let Some(id) = self.block.borrow_mut().as_mut().and_then(ProducerIdBlock::take) {
                return Ok(id);
            }
            if self.asking.replace(true) {
                self.answered.notified().await;
                continue;
            }
            // Also if this request is dropped half-way, the others must not wait for its answer.
            let asked = Asking(self);
            let answer = allocate().await;
            drop(asked);
            match answer {
                Ok(Ok(block)) if block.len > 0 => *self.block.borrow_mut() = Some(block),
                Ok(Ok(_)) | Err(ControllerGone) => return Err(ErrorCode::CoordinatorLoadInProgress),
                Ok(Err(error)) => return Err(error),
            }
        }
    }
}

struct Asking<'a>(&'a ProducerIds);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.asking.set(false);
        self.0.answered.notify();
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::{block_on, poll_once, yield_now, zip};

    use super::*;
    use crate::types::Text;

    fn block(start: i64, len: i32) -> ProducerIdBlock {
        ProducerIdBlock { start: ProducerId(start), len }
    }

    #[test]
    fn requests_are_checked_in_kafkas_order() {
        let ask = |id: Option<&'static str>, timeout_ms, producer_id, producer_epoch| {
            check(&InitProducerIdRequest {
                transactional_id: id.map(Text::from_static),
                transaction_timeout_ms: timeout_ms,
                producer_id,
                producer_epoch,
            })
        };
        assert_eq!(ask(None, -5, -1, -1), Ok(()));
        assert_eq!(ask(None, 0, 7, 3), Ok(()));
        assert_eq!(ask(None, 0, 7, -1), Err(ErrorCode::InvalidRequest));
        assert_eq!(ask(None, 0, -1, 3), Err(ErrorCode::InvalidRequest));
        assert_eq!(ask(Some(""), 1000, -1, -1), Err(ErrorCode::InvalidRequest));
        assert_eq!(ask(Some("t"), 0, -1, -1), Err(ErrorCode::InvalidTransactionTimeout));
        assert_eq!(ask(Some("t"), 900_001, -1, -1), Err(ErrorCode::InvalidTransactionTimeout));
        assert_eq!(ask(Some("t"), 1000, -1, -1), Err(ErrorCode::UnsupportedVersion));
    }

    #[test]
    fn a_block_is_used_up_before_the_next_is_asked_for() {
        block_on(async {
            let ids = ProducerIds::default();
            let starts = Cell::new(0);
            let next = || ids.next(|| async { Ok(Ok(block(starts.replace(starts.get() + 1000), 2))) });
            let mut taken = Vec::new();
            for _ in 0..5 {
                taken.push(next().await.unwrap().get());
            }
            assert_eq!(taken, [0, 1, 1000, 1001, 2000]);
        });
    }

    #[test]
    fn those_who_wait_share_one_block() {
        block_on(async {
            let ids = ProducerIds::default();
            let asked = Cell::new(0);
            let allocate = || async {
                asked.set(asked.get() + 1);
                yield_now().await;
                Ok(Ok(block(10, 1000)))
            };
            let (first, second) = zip(ids.next(allocate), ids.next(allocate)).await;
            assert_eq!((first, second), (Ok(ProducerId(10)), Ok(ProducerId(11))));
            assert_eq!(asked.get(), 1);
        });
    }

    #[test]
    fn a_failure_and_a_request_given_up_leave_the_way_free() {
        block_on(async {
            let ids = ProducerIds::default();
            let gone = ids.next(|| async { Err(ControllerGone) }).await;
            assert_eq!(gone, Err(ErrorCode::CoordinatorLoadInProgress));
            let empty = ids.next(|| async { Ok(Ok(block(0, 0))) }).await;
            assert_eq!(empty, Err(ErrorCode::CoordinatorLoadInProgress));
            assert!(poll_once(Box::pin(ids.next(std::future::pending))).await.is_none());
            assert_eq!(ids.next(|| async { Ok(Ok(block(7, 1))) }).await, Ok(ProducerId(7)));
        });
    }
}
