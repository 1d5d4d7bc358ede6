//! What a partition knows of the idempotent producers that write to it: the epoch and the last five batches of each, by
//! which a retry is recognised and a gap is refused (ProducerStateManager.java, ProducerAppendInfo.java).
//!
//! Pure state: no clock (`now_ms` is passed in), no I/O; `snapshot` has the file format. The fields of transactions are
//! kept and carried through files, and open transactions are known, though nothing here decides about them.

use std::collections::BTreeMap;

use crate::{
    record::{BatchHeader, Records, increment_sequence},
    types::{ErrorCode, Offset, ProducerEpoch, ProducerId, limits},
};

const RETAINED: usize = limits::PRODUCER_BATCHES_RETAINED;
/// More than any control record takes.
const MARKER_BYTES_MAX: usize = 4096;
/// When the table is full this part of it, the longest idle, makes room: one pass for many newcomers.
const EVICTED_PART: usize = 16;

/// A batch that a producer appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProducerBatch {
    /// Sequence number of its last record.
    pub last_sequence: i32,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Records in it, less one.
    pub offset_delta: i32,
    /// Its largest record timestamp in milliseconds since 1970.
    pub timestamp: i64,
}

impl ProducerBatch {
    /// Sequence number of its first record.
    pub fn first_sequence(&self) -> i32 {
        increment_sequence(self.last_sequence, self.offset_delta.saturating_neg())
    }

    /// Offset of its first record.
    pub fn base_offset(&self) -> Offset {
        self.last_offset.plus(-i64::from(self.offset_delta))
    }
}

/// One producer's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    /// The newest epoch seen.
    pub epoch: ProducerEpoch,
    /// Epoch of the transaction coordinator that wrote the last marker.
    pub coordinator_epoch: Option<i32>,
    /// First offset of the open transaction.
    pub transaction_first: Option<Offset>,
    /// Largest timestamp of the last batch or marker, in milliseconds since 1970.
    pub last_timestamp: i64,
    /// When it last wrote, by the broker's clock; decides about expiry. Not in files.
    pub active_ms: i64,
    batches: [ProducerBatch; RETAINED],
    count: u8,
}

impl Producer {
    pub(super) fn new(epoch: ProducerEpoch, active_ms: i64) -> Self {
        Self {
            epoch,
            coordinator_epoch: None,
            transaction_first: None,
            last_timestamp: -1,
            active_ms,
            batches: [ProducerBatch::default(); RETAINED],
            count: 0,
        }
    }

    /// The newest batches of the current epoch, oldest first.
    pub fn batches(&self) -> &[ProducerBatch] {
        &self.batches[..usize::from(self.count)]
    }

    /// The newest batch.
    pub fn last(&self) -> Option<&ProducerBatch> {
        self.batches().last()
    }

    pub(super) fn push(&mut self, batch: ProducerBatch) {
        if usize::from(self.count) == RETAINED {
            self.batches.rotate_left(1);
            self.count -= 1;
        }
        self.batches[usize::from(self.count)] = batch;
        self.count += 1;
    }

    fn set_epoch(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.count = 0;
        }
    }
}

/// What is to be done with a batch of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Append it.
    Append,
    /// It is in the log already: answer success with this batch's offset and append nothing.
    Duplicate(ProducerBatch),
}

/// Why a batch of a producer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    /// A newer incarnation of the producer wrote already.
    #[error("producer {id} wrote with epoch {epoch}, but epoch {newest} is known")]
    OldEpoch {
        /// The producer.
        id: ProducerId,
        /// Its epoch.
        epoch: ProducerEpoch,
        /// The newest known epoch.
        newest: ProducerEpoch,
    },
    /// The batch does not follow the last one.
    #[error("producer {id} wrote sequence number {sequence} where {expected} was expected")]
    OutOfOrder {
        /// The producer.
        id: ProducerId,
        /// First sequence number of the batch.
        sequence: i32,
        /// What would have been right.
        expected: i32,
    },
    /// Within a transaction all batches are transactional.
    #[error("producer {id} wrote outside of its open transaction")]
    NotTransactional {
        /// The producer.
        id: ProducerId,
    },
}

impl ProducerError {
    /// The code that a Produce answer carries: INVALID_PRODUCER_EPOCH, not PRODUCER_FENCED (KIP-360).
    pub fn code(&self) -> ErrorCode {
        match self {
            ProducerError::OldEpoch { .. } => ErrorCode::InvalidProducerEpoch,
            ProducerError::OutOfOrder { .. } => ErrorCode::OutOfOrderSequenceNumber,
            ProducerError::NotTransactional { .. } => ErrorCode::InvalidTxnState,
        }
    }
}

/// The end of a transaction, as a control batch says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Committed, or aborted.
    pub committed: bool,
    /// Epoch of the coordinator that wrote it.
    pub coordinator_epoch: i32,
}

impl Marker {
    /// Reads the marker from a control batch; `None` if it holds none.
    pub(super) fn read(batch: &[u8]) -> Option<Self> {
        let records = Records::open(batch, MARKER_BYTES_MAX).ok()?;
        let record = records.iter().next()?.ok()?;
        // Key: version i16, type i16 (0 abort, 1 commit). Value: version i16, coordinator epoch i32.
        let kind = record.key?.get(2..4)?;
        let committed = match kind {
            [0, 0] => false,
            [0, 1] => true,
            _ => return None,
        };
        let epoch = record.value?.get(2..6)?;
        Some(Self { committed, coordinator_epoch: i32::from_be_bytes([epoch[0], epoch[1], epoch[2], epoch[3]]) })
    }
}

/// A transaction that a marker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedTransaction {
    /// Its producer.
    pub producer: ProducerId,
    /// Offset of its first record.
    pub first: Offset,
    /// Offset of the marker.
    pub last: Offset,
    /// Committed, or aborted.
    pub committed: bool,
}

/// All producers of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerStates {
    // Sorted, so that listings and files have an order.
    producers: BTreeMap<ProducerId, Producer>,
    transactions: BTreeMap<Offset, ProducerId>,
    /// How many there may be, unless more have open transactions.
    most: usize,
}

impl Default for ProducerStates {
    fn default() -> Self {
        Self::bounded(limits::PRODUCERS_PER_PARTITION_MAX)
    }
}

impl ProducerStates {
    /// No producers yet, and never more than `most`: then the longest idle ones are forgotten.
    pub fn bounded(most: usize) -> Self {
        Self { producers: BTreeMap::new(), transactions: BTreeMap::new(), most: most.max(1) }
    }

    /// How many producers there are.
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// No producer has state here.
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// Every producer, by id: DescribeProducers.
    pub fn iter(&self) -> impl Iterator<Item = (ProducerId, &Producer)> {
        self.producers.iter().map(|(id, producer)| (*id, producer))
    }

    /// One producer.
    pub fn get(&self, id: ProducerId) -> Option<&Producer> {
        self.producers.get(&id)
    }

    /// First offset of the oldest open transaction: consumers of committed records stop there.
    pub fn first_open_transaction(&self) -> Option<Offset> {
        self.transactions.keys().next().copied()
    }

    /// Whether the leader may append a batch that a client sent. Batches without a producer always may.
    ///
    /// A batch whose sequence numbers are those of one of the last five is a duplicate. A new epoch starts at 0. An
    /// unknown producer may start anywhere: its state may have expired, or its records were deleted.
    ///
    /// # Errors
    /// The producer's fault; nothing changes.
    pub fn check(&self, header: &BatchHeader) -> Result<Verdict, ProducerError> {
        let (Some(id), Some(epoch), Some(first), Some(last)) =
            (header.producer_id, header.producer_epoch, header.base_sequence, header.last_sequence())
        else {
            return Ok(Verdict::Append);
        };
        let Some(known) = self.producers.get(&id) else {
            return Ok(Verdict::Append);
        };
        if epoch < known.epoch {
            return Err(ProducerError::OldEpoch { id, epoch, newest: known.epoch });
        }
        let expected = if epoch > known.epoch {
            0
        } else {
            let same = |batch: &&ProducerBatch| batch.first_sequence() == first && batch.last_sequence == last;
            if let Some(batch) = known.batches().iter().find(same) {
                return Ok(Verdict::Duplicate(*batch));
            }
            // After a marker no batch of the epoch is left, and the first of the next transaction starts at 0 again
            // only if the producer says so: without a last batch Kafka expects 0.
            known.last().map_or(0, |batch| increment_sequence(batch.last_sequence, 1))
        };
        if first != expected {
            return Err(ProducerError::OutOfOrder { id, sequence: first, expected });
        }
        if known.transaction_first.is_some() && !header.is_transactional() && epoch == known.epoch {
            return Err(ProducerError::NotTransactional { id });
        }
        Ok(Verdict::Append)
    }

    /// Takes over a data batch that is appended or replayed, with its offsets assigned. Does not check.
    pub(super) fn apply(&mut self, header: &BatchHeader, base_offset: Offset, now_ms: i64) {
        let (Some(id), Some(epoch)) = (header.producer_id, header.producer_epoch) else {
            return;
        };
        self.make_room(id);
        let producer = self.producers.entry(id).or_insert_with(|| Producer::new(epoch, now_ms));
        producer.set_epoch(epoch);
        producer.active_ms = now_ms;
        producer.last_timestamp = header.max_timestamp;
        if let Some(last_sequence) = header.last_sequence() {
            producer.push(ProducerBatch {
                last_sequence,
                last_offset: base_offset.plus(i64::from(header.last_offset_delta)),
                offset_delta: header.last_offset_delta,
                timestamp: header.max_timestamp,
            });
        }
        if header.is_transactional() && producer.transaction_first.is_none() {
            producer.transaction_first = Some(base_offset);
            self.transactions.insert(base_offset, id);
        }
    }

    /// Takes over a transaction marker; gives the transaction that it ended, if one was open.
    pub fn apply_marker(
        &mut self,
        header: &BatchHeader,
        offset: Offset,
        marker: Marker,
        now_ms: i64,
    ) -> Option<EndedTransaction> {
        let (id, epoch) = (header.producer_id?, header.producer_epoch?);
        self.make_room(id);
        let producer = self.producers.entry(id).or_insert_with(|| Producer::new(epoch, now_ms));
        producer.set_epoch(epoch);
        producer.active_ms = now_ms;
        producer.last_timestamp = header.max_timestamp;
        producer.coordinator_epoch = Some(marker.coordinator_epoch);
        let first = producer.transaction_first.take()?;
        self.transactions.remove(&first);
        Some(EndedTransaction { producer: id, first, last: offset, committed: marker.committed })
    }

    /// Forgets producers that have been silent for `expiration_ms` (`producer.id.expiration.ms`) and have no open
    /// transaction. Silent by the broker's clock: records may carry timestamps of any age.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        self.producers.retain(|_, producer| {
            producer.transaction_first.is_some() || now_ms.saturating_sub(producer.active_ms) < expiration_ms
        });
    }

    pub(super) fn insert(&mut self, id: ProducerId, producer: Producer) {
        self.make_room(id);
        if let Some(first) = producer.transaction_first {
            self.transactions.insert(first, id);
        }
        self.producers.insert(id, producer);
    }

    /// Bounds the table: producer ids come from clients.
    fn make_room(&mut self, newcomer: ProducerId) {
        if self.producers.len() < self.most || self.producers.contains_key(&newcomer) {
            return;
        }
        let mut active: Vec<i64> =
            self.producers.values().filter(|producer| producer.transaction_first.is_none()).map(|producer| producer.active_ms).collect();
        let part = active.len() / EVICTED_PART;
        if active.is_empty() {
            return;
        }
        let (_, limit, _) = active.select_nth_unstable(part);
        let limit = *limit;
        let mut left = part + 1;
        self.producers.retain(|_, producer| {
            let goes = left > 0 && producer.active_ms <= limit && producer.transaction_first.is_none();
            left -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: ProducerId = ProducerId(7);

    pub(in crate::log) fn header(epoch: i16, sequence: i32, records: i32) -> BatchHeader {
        BatchHeader {
            base_offset: Offset::ZERO,
            length: 49,
            leader_epoch: None,
            crc: 0,
            attributes: 0,
            last_offset_delta: records - 1,
            base_timestamp: 1000,
            max_timestamp: 1000,
            producer_id: Some(ID),
            producer_epoch: Some(ProducerEpoch(epoch)),
            base_sequence: Some(sequence),
            records,
        }
    }

    /// A log's view of one producer: checks, then appends at the next offset.
    #[derive(Default)]
    struct Log {
        states: ProducerStates,
        end: Offset,
    }

    impl Log {
        fn produce(&mut self, epoch: i16, sequence: i32, records: i32) -> Result<Offset, ProducerError> {
            let header = header(epoch, sequence, records);
            match self.states.check(&header)? {
                Verdict::Duplicate(batch) => Ok(batch.base_offset()),
                Verdict::Append => {
                    let base = self.end;
                    self.states.apply(&header, base, 0);
                    self.end = base.plus(i64::from(records));
                    Ok(base)
                }
            }
        }
    }

    #[test]
    fn a_retry_gets_the_offset_of_the_original() {
        let mut log = Log::default();
        for batch in 0..6 {
            assert_eq!(log.produce(0, batch * 10, 10), Ok(Offset::saturating(i64::from(batch) * 10)));
        }
        for batch in 1..6 {
            assert_eq!(log.produce(0, batch * 10, 10), Ok(Offset::saturating(i64::from(batch) * 10)), "one of the last five");
        }
        assert_eq!(log.produce(0, 0, 10), Err(ProducerError::OutOfOrder { id: ID, sequence: 0, expected: 60 }), "the sixth is forgotten");
        assert_eq!(log.produce(0, 50, 9).unwrap_err().code(), ErrorCode::OutOfOrderSequenceNumber, "other bounds are no duplicate");
    }

    #[test]
    fn gaps_and_old_epochs_are_refused() {
        let mut log = Log::default();
        assert_eq!(log.produce(3, 17, 5), Ok(Offset::ZERO), "an unknown producer starts anywhere");
        assert_eq!(log.produce(3, 23, 1), Err(ProducerError::OutOfOrder { id: ID, sequence: 23, expected: 22 }));
        assert_eq!(log.produce(2, 22, 1).unwrap_err().code(), ErrorCode::InvalidProducerEpoch);
        assert_eq!(log.produce(4, 22, 1), Err(ProducerError::OutOfOrder { id: ID, sequence: 22, expected: 0 }));
        assert_eq!(log.produce(4, 0, 1), Ok(Offset::saturating(5)), "a new epoch starts at 0");
        assert_eq!(log.produce(3, 22, 1).unwrap_err().code(), ErrorCode::InvalidProducerEpoch);
    }

    #[test]
    fn sequences_continue_at_zero_after_the_largest() {
        let mut log = Log::default();
        log.produce(0, i32::MAX - 1, 2).unwrap();
        assert_eq!(log.produce(0, 0, 3), Ok(Offset::saturating(2)));
        let mut log = Log::default();
        log.produce(0, i32::MAX - 1, 4).unwrap();
        assert_eq!(log.states.get(ID).unwrap().last().unwrap().first_sequence(), i32::MAX - 1);
        assert_eq!(log.produce(0, i32::MAX - 1, 4), Ok(Offset::ZERO), "a duplicate across the wrap");
        assert_eq!(log.produce(0, 2, 1), Ok(Offset::saturating(4)));
    }

    #[test]
    fn a_marker_ends_the_open_transaction() {
        let mut states = ProducerStates::default();
        let mut data = header(0, 0, 2);
        data.attributes = 0x10;
        states.apply(&data, Offset::saturating(5), 0);
        assert_eq!(states.first_open_transaction(), Some(Offset::saturating(5)));
        assert_eq!(states.check(&header(0, 2, 1)).unwrap_err().code(), ErrorCode::InvalidTxnState);
        let ended = states.apply_marker(&header(0, 0, 1), Offset::saturating(7), Marker { committed: true, coordinator_epoch: 4 }, 0);
        assert_eq!(ended, Some(EndedTransaction { producer: ID, first: Offset::saturating(5), last: Offset::saturating(7), committed: true }));
        assert_eq!(states.first_open_transaction(), None);
        assert_eq!(states.get(ID).unwrap().coordinator_epoch, Some(4));
    }

    #[test]
    fn silent_producers_expire_and_the_table_is_bounded() {
        let mut states = ProducerStates::default();
        states.apply(&header(0, 0, 1), Offset::ZERO, 1000);
        states.expire(1999, 1000);
        assert_eq!(states.len(), 1);
        states.expire(2000, 1000);
        assert_eq!(states.len(), 0);
        for most in [1, 2, 1000] {
            let mut states = ProducerStates::bounded(most);
            for id in 0..most as i64 + 10 {
                let header = BatchHeader { producer_id: Some(ProducerId(id)), ..header(0, 0, 1) };
                states.apply(&header, Offset::ZERO, id);
                assert!(states.len() <= most);
            }
            assert_eq!(states.get(ProducerId(0)), None, "the longest idle is gone");
            assert!(states.get(ProducerId(most as i64 + 9)).is_some());
        }
    }

    proptest! {
        /// However requests are repeated, each batch is in the log once, in order.
        #[test]
        fn retries_never_duplicate_or_reorder(plan in proptest::collection::vec((0usize..8, 1i32..5), 1..60)) {
            let mut log = Log::default();
            let mut sent: Vec<(i32, i32, Offset)> = Vec::new();
            for (back, records) in plan {
                if back > 0 && back <= sent.len() {
                    let (sequence, records, offset) = sent[sent.len() - back];
                    let result = log.produce(0, sequence, records);
                    prop_assert_eq!(result.ok(), (back <= RETAINED).then_some(offset));
                } else {
                    let next = sent.last().map_or(0, |(sequence, records, _)| sequence + records);
                    let end = log.end;
                    prop_assert_eq!(log.produce(0, next, records), Ok(end));
                    sent.push((next, records, end));
                }
            }
            prop_assert_eq!(log.end.get(), sent.iter().map(|(_, records, _)| i64::from(*records)).sum::<i64>());
        }
    }
}
