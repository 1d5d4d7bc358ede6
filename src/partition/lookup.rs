//! Questions about a partition that change nothing but its log start: offsets by time, epochs, sizes, producers.
//!
//! Runs on the partition's shard, beside the actor: it reads the log's view, which is always a consistent state.

use std::rc::Rc;

use super::{
    handle::PartitionHandle,
    message::{Message, ProducerListing},
    refusal::Refusal,
};
use crate::{
    log::LogView,
    record::{Batches, Codec, Records},
    types::{ErrorCode, LeaderEpoch, Offset},
};

/// A question about one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookUp {
    /// ListOffsets.
    Offset {
        /// Which offset is asked for.
        spec: OffsetSpec,
        /// Leader epoch that the client believes in.
        current_leader_epoch: Option<i32>,
    },
    /// OffsetForLeaderEpoch: where the largest epoch up to this one ends.
    EpochEnd {
        /// The epoch asked for.
        epoch: i32,
        /// Leader epoch that the client believes in.
        current_leader_epoch: Option<i32>,
    },
    /// DeleteRecords: forget everything below; `None` means the high watermark.
    DeleteRecords {
        /// The new log start offset.
        before: Option<i64>,
    },
    /// DescribeProducers.
    Producers,
    /// DescribeLogDirs: bytes on disk.
    Size,
    /// How far a consumer at `position` is behind.
    Behind {
        /// Offset of the next record that it will read.
        position: i64,
    },
}

/// What ListOffsets can be asked for (ListOffsetsRequest.java).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// -1: end of what consumers see.
    Latest,
    /// -2: first offset.
    Earliest,
    /// -3: the record with the largest timestamp.
    MaxTimestamp,
    /// -4: first offset on local disk; without tiering, the first offset.
    EarliestLocal,
    /// -5: last offset in the remote tier; there is none.
    LatestTiered,
    /// -6: first offset not yet copied to the remote tier; there is none.
    EarliestPendingUpload,
    /// The first record at or after this time, in ms.
    Timestamp(i64),
}

/// An answer to a [`LookUp`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookedUp {
    /// An offset, with the record's timestamp where one was asked for, and its epoch. All absent: there is no such record.
    Offset {
        /// The offset found.
        offset: Option<Offset>,
        /// The record's own timestamp in ms.
        timestamp_ms: Option<i64>,
        /// The leader epoch of the offset.
        leader_epoch: Option<i32>,
    },
    /// An epoch and its end (exclusive); absent if this log knows none so old.
    EpochEnd(Option<(i32, Offset)>),
    /// The log start offset after the deletion.
    LogStart(Offset),
    /// The producers with state.
    Producers(Vec<ProducerListing>),
    /// Bytes on disk.
    Size(u64),
    /// What lies before a consumer.
    Behind {
        /// First offset of the log.
        log_start: Offset,
        /// End of what consumers see.
        high_watermark: Offset,
        /// Timestamp in ms of the next record that the consumer will read; absent if there is none yet.
        next_record_ms: Option<i64>,
    },
}

const ABSENT: LookedUp = LookedUp::Offset { offset: None, timestamp_ms: None, leader_epoch: None };

/// Answers `question`.
///
/// # Errors
/// Kafka's error for it.
pub async fn look_up(handle: &PartitionHandle, question: LookUp) -> Result<LookedUp, Refusal> {
    let view = handle.view().await?;
    match question {
        LookUp::Offset { spec, current_leader_epoch } => {
            handle.check_epoch(current_leader_epoch)?;
            offset(handle, view, spec).await
        }
        LookUp::EpochEnd { epoch, current_leader_epoch } => {
            handle.check_epoch(current_leader_epoch)?;
            Ok(LookedUp::EpochEnd(handle.end_of_epoch(epoch)))
        }
        LookUp::DeleteRecords { before } => {
            let before = match before {
                None => None,
                Some(before) => Some(Offset::new(before).ok_or_else(|| Refusal::of(ErrorCode::OffsetOutOfRange))?),
            };
            let answer = handle.ask(|reply| Message::DeleteRecords { before, reply }).await;
            answer.unwrap_or_else(|| Err(Refusal::of(ErrorCode::NotLeaderOrFollower))).map(LookedUp::LogStart)
        }
        LookUp::Producers => {
            let answer = handle.ask(|reply| Message::Producers { reply }).await;
            answer.map(LookedUp::Producers).ok_or_else(|| Refusal::of(ErrorCode::NotLeaderOrFollower))
        }
        LookUp::Size => Ok(LookedUp::Size(view.size_bytes())),
        LookUp::Behind { position } => behind(handle, view, position).await,
    }
}

async fn behind(handle: &PartitionHandle, view: &Rc<LogView>, position: i64) -> Result<LookedUp, Refusal> {
    let (log_start, high_watermark) = (handle.marks().log_start(), handle.marks().high_watermark());
    let next = Offset::saturating(position).max(log_start);
    let mut next_record_ms = None;
    if next < high_watermark {
        let failed = |error: &dyn std::fmt::Display| Refusal::because(ErrorCode::KafkaStorageError, error.to_string());
        let plan = view.plan_read(next, high_watermark, 1, true).map_err(|error| failed(&error))?;
        let slices = plan.execute().await.map_err(|error| failed(&error))?;
        next_record_ms = slices.first().and_then(|slice| timestamp_at(slice, next));
    }
    Ok(LookedUp::Behind { log_start, high_watermark, next_record_ms })
}

/// The timestamp of the first record at or after `offset` in the first batch. A compressed batch is not opened for that: its
/// oldest timestamp is as near.
fn timestamp_at(batches: &[u8], offset: Offset) -> Option<i64> {
    let batch = Batches::new(batches).next()?.ok()?;
    if batch.header.codec().ok()? != Codec::None {
        return Some(batch.header.base_timestamp).filter(|at| *at >= 0);
    }
    let records = Records::open(batch.bytes, 0).ok()?;
    let found = records.iter().map_while(Result::ok).find(|record| record.offset >= offset)?;
    Some(found.timestamp).filter(|at| *at >= 0)
}

async fn offset(handle: &PartitionHandle, view: &Rc<LogView>, spec: OffsetSpec) -> Result<LookedUp, Refusal> {
    let marks = handle.marks();
    let plain = |offset: Offset| LookedUp::Offset {
        offset: Some(offset),
        timestamp_ms: None,
        leader_epoch: handle.epoch_of(offset).or(Some(marks.leader_epoch().get())),
    };
    let found = match spec {
        OffsetSpec::Latest => {
            return Ok(LookedUp::Offset {
                offset: Some(marks.high_watermark()),
                timestamp_ms: None,
                leader_epoch: Some(marks.leader_epoch().get()),
            });
        }
        OffsetSpec::Earliest | OffsetSpec::EarliestLocal => return Ok(plain(marks.log_start())),
        OffsetSpec::LatestTiered | OffsetSpec::EarliestPendingUpload => return Ok(ABSENT),
        OffsetSpec::MaxTimestamp => Rc::clone(view).largest_timestamp().await,
        OffsetSpec::Timestamp(at) => Rc::clone(view).offset_for_timestamp(at).await,
    };
    match found {
        // What consumers cannot see yet is not there for them.
        Ok(Some(found)) if found.offset < marks.high_watermark() => Ok(LookedUp::Offset {
            offset: Some(found.offset),
            timestamp_ms: Some(found.timestamp),
            leader_epoch: found.leader_epoch.map(LeaderEpoch::get),
        }),
        Ok(_) => Ok(ABSENT),
        Err(error) => Err(Refusal::because(ErrorCode::KafkaStorageError, error.to_string())),
    }
}
