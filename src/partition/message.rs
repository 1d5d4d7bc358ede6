//! What a partition's actor can be told: the whole of its interface, one variant an errand.
//!
//! Requests of clients, completions of its own I/O and errands of the shard arrive in one inbox, so the order in which
//! they take effect is the order in which they were sent. Nothing here runs; these are plain values.

use std::rc::Rc;

use bytes::Bytes;

use super::{pace::WriteTicket, refusal::Refusal};
use crate::{
    config::topic::TopicConfig,
    log::{FlushRequest, WriteOutcome},
    runtime::oneshot,
    types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId},
};

/// What a producer waits for (`acks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// `acks=0`: nothing; there is no answer.
    None,
    /// `acks=1`: the write to the device is complete (it may still be in the device's cache).
    Leader,
    /// `acks=all`: flushed, unless the topic relaxes it with `corelog.acks.all=written`.
    All,
}

/// One batch of one partition of a produce request.
pub struct Append {
    /// Exactly one record batch, as received.
    pub records: Bytes,
    /// Version of the produce request: what may stand in a batch depends on it.
    pub produce_version: i16,
    /// What the answer waits for.
    pub acks: Acks,
    /// Who gets the answer.
    pub sink: Rc<dyn AppendSink>,
    /// Which of the sink's answers this is.
    pub index: u32,
}

impl std::fmt::Debug for Append {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Append").field("bytes", &self.records.len()).field("acks", &self.acks).finish_non_exhaustive()
    }
}

/// Takes the answers of a produce request's partitions as they become due, in any order, each once.
pub trait AppendSink {
    /// Answer number `index`. Called on the partition's shard, never while the caller still runs its own step.
    fn appended(&self, index: u32, result: Result<Appended, Refusal>);
}

/// Where a batch stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Wall clock in ms that was stamped into it, where the topic stamps (`message.timestamp.type=LogAppendTime`).
    pub log_append_time_ms: Option<i64>,
    /// First offset of the log.
    pub log_start: Offset,
}

/// An errand for a partition's actor.
#[derive(Debug)]
pub enum Message {
    /// Append a batch.
    Append(Append),
    /// The write in flight ended.
    Written(WriteOutcome, Option<WriteTicket>),
    /// The flush is over for which the partition held its write back.
    Resume,
    /// A flush that was asked for ended: everything written before it began is durable, or the log directory is dead.
    Flushed(Result<FlushRequest, FlushFailed>),
    /// Raise the log start offset; answers with the new one.
    DeleteRecords {
        /// New first offset; `None` means the high watermark.
        before: Option<Offset>,
        /// Where the answer goes.
        reply: oneshot::Sender<Result<Offset, Refusal>>,
    },
    /// List the producers with state here (DescribeProducers).
    Producers {
        /// Where the answer goes.
        reply: oneshot::Sender<Vec<ProducerListing>>,
    },
    /// The topic's configuration changed.
    Reconfigure(Rc<TopicConfig>),
    /// This node leads the partition in this epoch from now on.
    Lead(LeaderEpoch),
    /// Time passes: roll, retention, producer expiry.
    Maintain,
    /// Stop for good: finish what is written, close the files, answer when done.
    Close {
        /// What becomes of the files.
        fate: Fate,
        /// Where the end is told.
        reply: oneshot::Sender<std::io::Result<()>>,
    },
}

/// What becomes of a partition's files when its actor stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They stay and are left clean: indexes and producer snapshot written, sizes exact.
    Keep,
    /// The topic is deleted: they are renamed at once and removed after `file.delete.delay.ms`.
    Delete,
}

/// A producer with state in a partition (DescribeProducers).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerListing {
    /// Its id.
    pub producer_id: ProducerId,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
    /// Sequence number of its last record; absent if it has none here.
    pub last_sequence: Option<i32>,
    /// Wall clock in ms of its last batch.
    pub last_timestamp_ms: i64,
}

/// A flush did not happen and never will: the log directory is retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushFailed;
