//! Reading from a partition: which offsets bound whom, and what is there now.
//!
//! Planning is synchronous over the log's view; the plan owns what it needs and is executed afterwards, on this shard.

use super::{handle::PartitionHandle, refusal::Refusal};
use crate::{
    log::{ReadError, ReadPlan},
    runtime::buffer::Slice,
    types::{ErrorCode, Offset, PartitionId},
};

/// Where a client reads on in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchFrom {
    /// The partition.
    pub id: PartitionId,
    /// Offset of the first record wanted, as sent (may be negative).
    pub offset: i64,
    /// Bytes that the client takes of this partition.
    pub max_bytes: usize,
    /// Leader epoch that the client believes in.
    pub current_leader_epoch: Option<i32>,
    /// Epoch of the last record that the client has, for the check that its log is a prefix of ours.
    pub last_fetched_epoch: Option<i32>,
}

/// What a fetch found in one partition.
#[derive(Clone, Debug)]
pub struct Fetched<R> {
    /// The partition's marks, or why it cannot be read.
    pub result: Result<FetchMarks, Refusal>,
    /// Whole batches, from the one that holds the asked offset on.
    pub records: Vec<R>,
}

impl<R> Fetched<R> {
    /// Nothing could be read.
    pub fn refused(refusal: Refusal) -> Self {
        Self { result: Err(refusal), records: Vec::new() }
    }
}

/// The offsets that go with fetched records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchMarks {
    /// End of what consumers may see.
    pub high_watermark: Offset,
    /// First offset of the log.
    pub log_start: Offset,
    /// The asker's log went another way: the largest epoch that both share, and its end here.
    pub diverging: Option<(i32, Offset)>,
}

/// A read that is decided but not yet done.
#[derive(Debug)]
pub struct FetchPlan {
    marks: FetchMarks,
    read: Option<ReadPlan>,
}

/// Decides what to read: at most `max_bytes`, or one whole batch of any size if `min_one_batch`.
///
/// # Errors
/// The offset is out of range, the epoch is wrong, or the partition cannot be read.
pub fn plan(handle: &PartitionHandle, from: &FetchFrom, max_bytes: usize, min_one_batch: bool) -> Result<FetchPlan, Refusal> {
    let view = handle.view_now()?;
    handle.check_epoch(from.current_leader_epoch)?;
    let marks = handle.marks();
    let (log_start, high_watermark, log_end) = (marks.log_start(), marks.high_watermark(), marks.log_end());
    let mut marks = FetchMarks { high_watermark, log_start, diverging: None };
    if let Some(epoch) = from.last_fetched_epoch {
        let (shared_epoch, end) = handle.end_of_epoch(epoch).ok_or_else(out_of_range)?;
        if shared_epoch < epoch || end.get() < from.offset {
            marks.diverging = Some((shared_epoch, end));
            return Ok(FetchPlan { marks, read: None });
        }
    }
    let offset = Offset::new(from.offset).filter(|offset| (log_start..=log_end).contains(offset)).ok_or_else(out_of_range)?;
    if offset >= high_watermark {
        return Ok(FetchPlan { marks, read: None });
    }
    let max_bytes = max_bytes.min(from.max_bytes);
    let read = match view.plan_read(offset, high_watermark, max_bytes, min_one_batch) {
        Ok(read) => Some(read),
        Err(ReadError::OutOfRange { .. }) => return Err(out_of_range()),
    };
    Ok(FetchPlan { marks, read })
}

impl FetchPlan {
    /// Reads.
    pub async fn execute(self) -> Fetched<Slice> {
        let Self { marks, read } = self;
        let Some(read) = read else { return Fetched { result: Ok(marks), records: Vec::new() } };
        match read.execute().await {
            Ok(records) => Fetched { result: Ok(marks), records },
            Err(error) => {
                tracing::error!(%error, "cannot read a segment");
                Fetched::refused(Refusal::because(ErrorCode::KafkaStorageError, error.to_string()))
            }
        }
    }
}

fn out_of_range() -> Refusal {
    Refusal::of(ErrorCode::OffsetOutOfRange)
}
