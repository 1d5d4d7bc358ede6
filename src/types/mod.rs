//! L0: the nouns of the field, their units and their limits.
//!
//! No behaviour beyond parsing and printing; imports nothing of this crate. Absent values are `Option`: -1 exists only
//! in `protocol/` and in file formats.

mod error_code;
mod id;
pub mod limits;
mod offset;
mod text;
mod topic;
mod uuid;

pub use error_code::ErrorCode;
pub use id::{BrokerEpoch, LeaderEpoch, NodeId, ProducerEpoch, ProducerId, ShardId};
pub use offset::Offset;
pub use text::Text;
pub use topic::{GROUP_OFFSETS_TOPIC, PartitionId, TopicNameError, TopicPartition, check_topic_name, is_internal_topic};
pub use uuid::Uuid;

/// The map of this crate: Rust's own, whose seed is random, because keys come from the network.
/// Never iterate it where the order can be seen; use `BTreeMap` there.
pub type HashMap<K, V> = std::collections::HashMap<K, V>;
