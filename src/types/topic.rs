//! Topic names and the names of partitions.

use super::{Text, Uuid, limits::TOPIC_NAME_BYTES_MAX};

/// A partition by name, as in directory names, logs and tools: `topic-0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Text,
    /// Index of the partition in its topic, from 0.
    pub partition: i32,
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A partition by topic id: the key of every table of partitions. A topic made anew under its old name has a new id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    /// The topic's id.
    pub topic_id: Uuid,
    /// Index of the partition in its topic, from 0.
    pub partition: i32,
}

/// Why a name is no topic name (Topic.java). Printed as Kafka prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicNameError {
    /// No character at all.
    #[error("the empty string is not allowed")]
    Empty,
    /// `.` or `..`, which a file system reads as a folder.
    #[error("'.' or '..' is not allowed")]
    Dots,
    /// Over 249 characters.
    #[error("the length is longer than the max allowed length {TOPIC_NAME_BYTES_MAX}")]
    TooLong,
    /// A character outside `[a-zA-Z0-9._-]`.
    #[error("it contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")]
    Character,
}

/// Checks a topic name by Kafka's rules.
///
/// # Errors
/// The rule that it breaks.
pub fn check_topic_name(name: &str) -> Result<(), TopicNameError> {
    if name.is_empty() {
        return Err(TopicNameError::Empty);
    }
    if name == "." || name == ".." {
        return Err(TopicNameError::Dots);
    }
    if name.len() > TOPIC_NAME_BYTES_MAX {
        return Err(TopicNameError::TooLong);
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
        return Err(TopicNameError::Character);
    }
    Ok(())
}

/// The topic in which group coordinators keep committed offsets and groups.
pub const GROUP_OFFSETS_TOPIC: &str = "__consumer_offsets";

/// True for the topics that Kafka itself keeps: clients may read them but not delete or write them.
pub fn is_internal_topic(name: &str) -> bool {
    matches!(name, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_kafka_checks_them() {
        assert_eq!(check_topic_name("orders.v1_a-b"), Ok(()));
        assert_eq!(check_topic_name(""), Err(TopicNameError::Empty));
        assert_eq!(check_topic_name(".."), Err(TopicNameError::Dots));
        assert_eq!(check_topic_name(&"a".repeat(250)), Err(TopicNameError::TooLong));
        assert_eq!(check_topic_name("a/b"), Err(TopicNameError::Character));
    }
}
