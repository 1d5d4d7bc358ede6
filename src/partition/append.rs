//! Taking a batch into the log: check it, give it its offsets, stage it. All of it in one synchronous step.
//!
//! The order of checks is Kafka's (ReplicaManager, LogValidator, ProducerAppendInfo), so that a batch that is wrong in
//! two ways gets the same error.

use super::{
    actor::Partition,
    handle::{Standing, storage_error},
    message::{Acks, Append, Appended},
    refusal::Refusal,
};
use crate::{
    config::{self, TopicConfig, topic::Compression},
    log::{AppendError, Verdict},
    record::{self, CheckedBatch, Codec, CompressionRule, ProduceRules, TimestampType},
    runtime::clock,
    types::{ErrorCode, Offset},
};

/// Where a batch went.
enum Placed {
    /// Into the log; the answer is due when the mark passes `end`.
    Staged { appended: Appended, end: Offset },
    /// Nowhere: it is there already.
    Duplicate { appended: Appended, end: Offset },
}

impl Partition {
    /// Stages the batch, or refuses it. Its producer is answered now or when the log has got there.
    pub(super) fn append(&mut self, append: Append) {
        let Append { sink, index, acks, .. } = &append;
        let (sink, index, acks) = (std::rc::Rc::clone(sink), *index, *acks);
        match self.place(append) {
            Ok(Placed::Staged { appended, end } | Placed::Duplicate { appended, end }) => match acks {
                Acks::None => sink.appended(index, Ok(appended)),
                Acks::Leader if end <= self.shared.marks.written() => sink.appended(index, Ok(appended)),
                Acks::Leader => self.written.wait(end, sink, index, appended),
                Acks::All if end <= self.shared.marks.high_watermark() => sink.appended(index, Ok(appended)),
                Acks::All => self.committed.wait(end, sink, index, appended),
            },
            Err(refusal) => sink.appended(index, Err(refusal)),
        }
    }

    fn place(&mut self, append: Append) -> Result<Placed, Refusal> {
        let now_ms = clock::now_ms();
        let rules = ProduceRules { produce_version: append.produce_version, ..self.rules };
        self.check_standing()?;
        let log_start = self.shared.marks.log_start();
        let batch = record::check_produced(append.records, &rules, now_ms).map_err(|refusal| {
            let of_request = refusal.of_request;
            let refusal = Refusal::from(refusal);
            if of_request { refusal } else { refusal.at(log_start) }
        })?;
        self.admit(batch, now_ms).map_err(|refusal| refusal.at(log_start))
    }

    fn check_standing(&self) -> Result<(), Refusal> {
        match self.shared.standing.get() {
            Standing::Failed => Err(storage_error(&self.shared)),
            _ if self.env.retired.get() => Err(storage_error(&self.shared)),
            _ if self.is_closing() => Err(Refusal::of(ErrorCode::NotLeaderOrFollower)),
            _ => Ok(()),
        }
    }

    /// Appends a batch that is in order, if its producer and the disk allow it.
    fn admit(&mut self, batch: CheckedBatch, now_ms: i64) -> Result<Placed, Refusal> {
        let header = *batch.header();
        if header.is_transactional() {
            return Err(Refusal::because(ErrorCode::InvalidTxnState, "transactions are not supported by this broker yet"));
        }
        match self.log_mut().producers().check(&header) {
            Ok(Verdict::Append) => {}
            Ok(Verdict::Duplicate(batch)) => {
                let log_start = self.shared.marks.log_start();
                // Kafka answers a duplicate as if its largest timestamp were the time of its append.
                let appended = Appended { base_offset: batch.base_offset(), log_append_time_ms: Some(batch.timestamp), log_start };
                return Ok(Placed::Duplicate { appended, end: batch.last_offset.next() });
            }
            Err(error) => return Err(Refusal::because(error.code(), error.to_string())),
        }
        if let Some(full) = self.env.full.get() {
            let message = format!(
                "the log directory has {} bytes free, fewer than corelog.disk.reserve.bytes = {}",
                full.free_bytes, full.reserve_bytes
            );
            return Err(Refusal::because(ErrorCode::KafkaStorageError, message));
        }
        self.stage(batch, now_ms)
    }

    fn stage(&mut self, batch: CheckedBatch, now_ms: i64) -> Result<Placed, Refusal> {
        let epoch = self.shared.marks.leader_epoch();
        let staged = self.log_mut().stage(batch, epoch, now_ms).map_err(|error| {
            let code = match error {
                AppendError::LargerThanSegment { .. } => ErrorCode::RecordListTooLarge,
                AppendError::OutOfOrder { .. } | AppendError::Full | AppendError::Failed => ErrorCode::KafkaStorageError,
            };
            Refusal::because(code, error.to_string())
        })?;
        self.shared.marks.append_to(staged.next);
        self.env.pace.staged();
        if self.shared.epochs.borrow().latest() != Some(epoch) {
            self.share_epochs();
        }
        let stamped = self.rules.timestamp_type == TimestampType::LogAppendTime;
        let log_append_time_ms = stamped.then_some(now_ms);
        let log_start = self.shared.marks.log_start();
        Ok(Placed::Staged { appended: Appended { base_offset: staged.base, log_append_time_ms, log_start }, end: staged.next })
    }
}

/// What a topic's configuration asks of its batches. The version of the request is filled in for each.
pub(super) fn rules(config: &TopicConfig, decompressed_bytes_max: usize) -> ProduceRules {
    ProduceRules {
        max_message_bytes: config.max_message_bytes,
        produce_version: i16::MAX,
        timestamp_type: match config.message_timestamp_type {
            config::topic::TimestampType::CreateTime => TimestampType::CreateTime,
            config::topic::TimestampType::LogAppendTime => TimestampType::LogAppendTime,
        },
        timestamp_before_max_ms: config.message_timestamp_before_max_ms,
        timestamp_after_max_ms: config.message_timestamp_after_max_ms,
        keys_required: config.cleanup_policy.compact,
        // As Kafka does: a batch whose count lies would stop every consumer of the partition (0.1 s of CPU per GB).
        walk_compressed: true,
        decompressed_bytes_max,
        compression: match config.compression {
            Compression::Producer => CompressionRule::Producer,
            Compression::Broker { codec_id, level } => {
                Codec::from_id(codec_id).map_or(CompressionRule::Producer, |codec| CompressionRule::Broker { codec, level })
            }
        },
    }
}
