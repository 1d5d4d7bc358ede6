//! What one shard can ask of another: a request names everything it needs, an answer carries everything it found.
//!
//! All of it is `Send` and owns its data. One request goes to each shard concerned, however many partitions it names.

use bytes::Bytes;

use crate::{
    coordinator::{Answer, Question},
    partition::{Acks, Appended, FetchFrom, Fetched, LookUp, LookedUp, Refusal},
    types::{Offset, PartitionId},
};

/// Errand for another shard.
#[derive(Debug)]
pub enum Request {
    /// Append one batch to each of these partitions.
    Produce {
        /// What the producer waits for.
        acks: Acks,
        /// Version of the produce request.
        version: i16,
        /// Partition and batch.
        batches: Vec<(PartitionId, Bytes)>,
    },
    /// Read from these partitions what is there now.
    Fetch {
        /// Where from, a partition each.
        from: Vec<FetchFrom>,
        /// Bytes for all of them together.
        max_bytes: usize,
    },
    /// Answer as soon as these partitions hold `bytes` more than the positions named, or at `deadline_ns`.
    Watch {
        /// Partition and the offset up to which the asker has all.
        positions: Vec<(PartitionId, Offset)>,
        /// How many bytes are enough.
        bytes: usize,
        /// On the monotonic clock.
        deadline_ns: u64,
    },
    /// Nobody waits for the watch any more that was asked for under this number: answer it now. Has no answer of its own.
    Unwatch(u64),
    /// Look something up in these partitions.
    LookUp(Vec<(PartitionId, LookUp)>),
    /// Ask the group coordinator of a partition of the offsets topic.
    Group {
        /// The partition.
        id: PartitionId,
        /// The request, with who asks.
        question: Box<Question>,
    },
}

/// What came of it, in the order of the request.
#[derive(Debug)]
pub enum Reply {
    /// One result for each batch.
    Produced(Vec<Result<Appended, Refusal>>),
    /// One result for each position.
    Fetched(Vec<Fetched<Bytes>>),
    /// Enough is there, or the time is up.
    Progressed,
    /// One result for each question.
    LookedUp(Vec<Result<LookedUp, Refusal>>),
    /// The coordinator's answer; it may have been long in coming.
    Group(Answer),
}

/// A request on its way, with the number its answer will carry.
#[derive(Debug)]
pub struct Numbered<T> {
    /// Number of the request, chosen by the asking shard.
    pub correlation: u64,
    /// The request or its answer.
    pub body: T,
}

/// What travels on a link: everything that one turn of the loop had for that shard.
pub type Parcel<T> = Vec<Numbered<T>>;
