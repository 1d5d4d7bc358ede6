//! Why a partition did not do what a client asked: always a Kafka error code, with words where a client can carry them.

use crate::types::{ErrorCode, Offset};

/// A refused request of a client. Nothing was appended or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {}", message.as_deref().unwrap_or("no details"))]
pub struct Refusal {
    /// What clients act on.
    pub code: ErrorCode,
    /// What people read: names the limit, its value and the setting.
    pub message: Option<String>,
    /// Records that are to blame (index in the batch, why), where single ones are.
    pub record_errors: Vec<(i32, Option<String>)>,
    /// First offset of the log, where the client's next step depends on it.
    pub log_start: Option<Offset>,
}

impl Refusal {
    /// A refusal by its code alone.
    pub fn of(code: ErrorCode) -> Self {
        Self { code, message: None, record_errors: Vec::new(), log_start: None }
    }

    /// A refusal with an explanation.
    pub fn because(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..Self::of(code) }
    }
}

impl Refusal {
    /// With the start of the log, which Kafka tells where the batch is at fault and the partition could be asked
    /// (ReplicaManager.appendRecordsToLeader).
    pub(super) fn at(self, log_start: Offset) -> Self {
        let is_told = !matches!(
            self.code,
            ErrorCode::CorruptMessage
                | ErrorCode::KafkaStorageError
                | ErrorCode::MessageTooLarge
                | ErrorCode::NotLeaderOrFollower
                | ErrorCode::RecordListTooLarge
                | ErrorCode::UnknownTopicOrPartition
        );
        Self { log_start: is_told.then_some(log_start), ..self }
    }
}

impl From<crate::record::Refusal> for Refusal {
    fn from(refusal: crate::record::Refusal) -> Self {
        let record_errors = refusal.record_errors.into_iter().map(|error| (error.index, Some(error.message))).collect();
        Self { code: refusal.code, message: Some(refusal.message), record_errors, log_start: None }
    }
}
