//! What one run is to do: settled before anything starts, and printed with every result.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{client::produce::Acks, record::Codec};

use super::{
    body::{STAMP_BYTES, Shape},
    schedule::Arrivals,
};

/// What is done to the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Batches are written.
    #[default]
    Produce,
    /// Batches that were written before are read.
    Fetch,
    /// Batches are written, and read as soon as they can be.
    EndToEnd,
}

/// How consumers read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FetchPlan {
    /// Consumers, each a connection of its own.
    pub consumers: usize,
    /// Every consumer reads all partitions, instead of a share.
    pub fan_out: bool,
    /// Bytes of one answer (`fetch.max.bytes`).
    pub max_bytes: i32,
    /// Bytes of one partition in it (`max.partition.fetch.bytes`).
    pub partition_max_bytes: i32,
    /// Milliseconds the broker may wait for data (`fetch.max.wait.ms`).
    pub max_wait_ms: i32,
    /// Bytes it waits for (`fetch.min.bytes`).
    pub min_bytes: i32,
    /// Bytes that are written before a fetch run, over all partitions.
    pub prefill_bytes: u64,
    /// Read once from the beginning, after the host's page cache was emptied.
    pub cold: bool,
}

/// A consumer group instead of consumers that know their partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPlan {
    /// Members at a time.
    pub members: usize,
    /// Milliseconds after which one leaves and another one comes, again and again; 0: nobody does.
    pub churn_ms: u64,
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// `host:port` of a broker.
    pub bootstrap: String,
    /// What to do.
    pub mode: Mode,
    /// An existing topic, or one to be made with this name; without a name one is made and deleted.
    pub topic: Option<String>,
    /// Leave a topic that the run made.
    pub keep_topic: bool,
    /// Partitions of a topic that the run makes.
    pub partitions: i32,
    /// Replicas of it; -1 is the broker's default.
    pub replicas: i16,
    /// Configs of it.
    pub topic_configs: BTreeMap<String, String>,
    /// What batches look like.
    pub shape: Shape,
    /// Producing connections.
    pub producers: usize,
    /// Unanswered requests of one of them, at most.
    pub in_flight: usize,
    /// When the broker answers.
    pub acks: Acks,
    /// Every connection is an idempotent producer.
    pub idempotent: bool,
    /// When requests are sent; `None` is as soon as the limit of unanswered ones allows.
    pub arrivals: Option<Arrivals>,
    /// How consumers read.
    pub fetch: FetchPlan,
    /// Who reads in an end-to-end run, if it is a consumer group.
    pub group: Option<GroupPlan>,
    /// Milliseconds before anything counts.
    pub warmup_ms: u64,
    /// Milliseconds that count.
    pub duration_ms: u64,
    /// Cores of the client, one thread on each; empty is one thread that is not pinned.
    pub cpus: Vec<usize>,
    /// The client stays awake.
    pub spin: bool,
    /// Stamp every record, and read all of them back.
    pub verify: bool,
    /// Free bytes under the broker's data below which the run ends early.
    pub free_bytes_min: u64,
}

/// Why a plan cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PlanError(pub String);

/// Largest batch: what a frame may hold.
const BATCH_BYTES_MAX: usize = 64 << 20;
/// Most members of a group: each is a thread and two connections.
const GROUP_MEMBERS_MAX: usize = 500;
/// Most connections of one run.
const CONNECTIONS_MAX: usize = 20_000;

impl Plan {
    /// Checks what can be checked without the broker.
    ///
    /// # Errors
    /// With what is wrong, in words.
    pub fn check(&self) -> Result<(), PlanError> {
        let refuse = |condition: bool, words: &str| if condition { Err(PlanError(words.to_owned())) } else { Ok(()) };
        refuse(self.partitions < 1, "a topic needs at least 1 partition")?;
        refuse(self.in_flight < 1, "at least 1 request must be allowed in flight")?;
        refuse(self.duration_ms == 0, "a run of no duration measures nothing")?;
        refuse(self.producers + self.fetch.consumers > CONNECTIONS_MAX, "more than 20000 connections")?;
        refuse(self.mode != Mode::Fetch && self.producers < 1, "at least 1 connection must produce")?;
        refuse(self.mode != Mode::Produce && self.fetch.consumers < 1, "at least 1 connection must consume")?;
        refuse(
            !(100..=BATCH_BYTES_MAX).contains(&self.shape.batch_bytes),
            "a batch has between 100 bytes and 64 MiB",
        )?;
        refuse(self.shape.record_bytes < STAMP_BYTES, "a record's value has at least 28 bytes: the stamp")?;
        refuse(
            self.verify && self.shape.codec != Codec::None,
            "compressed batches are made once and carry no stamps: run them without verification",
        )?;
        refuse(
            self.verify && self.mode == Mode::Fetch,
            "a fetch run reads the same records again and again: verify a produce or end-to-end run",
        )?;
        refuse(
            self.mode == Mode::EndToEnd && self.shape.codec != Codec::None,
            "end-to-end latency needs stamps, which compressed batches do not carry",
        )?;
        refuse(
            self.mode == Mode::EndToEnd && self.acks == Acks::None,
            "an end-to-end run needs answers to know what was written: use acks 1 or all",
        )?;
        refuse(self.group.is_some() && self.mode != Mode::EndToEnd, "a consumer group reads in end-to-end runs only")?;
        refuse(self.group.is_some_and(|group| !(1..=GROUP_MEMBERS_MAX).contains(&group.members)), "a group has 1 to 500 members")?;
        refuse(self.group.is_some() && self.fetch.fan_out, "members of a group share the partitions: no fan-out")?;
        refuse(self.idempotent && self.acks != Acks::All, "an idempotent producer needs acks=all")?;
        refuse(self.idempotent && self.in_flight > 5, "an idempotent producer has at most 5 requests in flight")?;
        refuse(
            self.idempotent && self.shape.codec != Codec::None,
            "compressed batches are made once and carry no producer: run them without idempotence",
        )
    }

    /// Producing connections of this mode.
    pub fn producers(&self) -> usize {
        if self.mode == Mode::Fetch { 0 } else { self.producers }
    }

    /// Consuming connections of this mode.
    pub fn consumers(&self) -> usize {
        if self.mode == Mode::Produce || self.group.is_some() { 0 } else { self.fetch.consumers }
    }

    /// True if records carry stamps.
    pub fn stamps(&self) -> bool {
        self.verify || self.mode == Mode::EndToEnd
    }
}
