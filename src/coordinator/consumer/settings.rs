//! What a step of a consumer group needs besides the group, and how it is refused.
//!
//! Pure data.

use super::{
    super::{records::LogRecord, settings::Now},
    assignor::Assignor,
    topics::Topics,
};
use crate::types::{ErrorCode, Text};

/// The settings of one group: the broker's, and what is set on the group itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConsumerSettings {
    /// Milliseconds of silence after which a member is gone.
    pub session_timeout_ms: i32,
    /// Milliseconds between heartbeats, which members are told.
    pub heartbeat_interval_ms: i32,
    /// Milliseconds from one target to the next, at least.
    pub assignment_interval_ms: i64,
    /// Most members.
    pub max_size: usize,
    /// Most members of a classic group.
    pub classic_max_size: usize,
    /// Assignors that members may ask for; the first is the default.
    pub assignors: Vec<Assignor>,
    /// Milliseconds after which regular expressions are matched again though no metadata has changed.
    pub regex_refresh_ms: i64,
    /// A classic group becomes a consumer group when the first consumer member joins.
    pub upgrade: bool,
    /// A consumer group becomes a classic group when the last consumer member leaves.
    pub downgrade: bool,
    /// Largest record that the log takes.
    pub record_bytes_max: usize,
}

/// A step of one group.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    /// Name of the group.
    pub(crate) id: &'a Text,
    /// The time.
    pub(crate) now: Now,
    /// The settings.
    pub(crate) settings: &'a ConsumerSettings,
    /// The topics of the cluster.
    pub(crate) topics: Topics<'a>,
    /// What is to be written down.
    pub(crate) records: &'a mut Vec<LogRecord>,
}

/// A request that is refused, and nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The error.
    pub error: ErrorCode,
    /// Why, in Kafka's words.
    pub message: Option<Text>,
}

impl Refusal {
    /// A refusal with a message.
    pub(crate) fn new(error: ErrorCode, message: impl Into<Text>) -> Self {
        Self { error, message: Some(message.into()) }
    }
}
