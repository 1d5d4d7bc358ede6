//! Records about topics and partitions.
//!
//! Tables only; names and numbers are Kafka's (`common/metadata/*.json` of Kafka 4.3).

use crate::{
    protocol::message,
    types::{Text, Uuid},
};

message! {
    /// Makes a topic; its partitions follow. Type 2.
    pub struct TopicRecord: key 2, versions 0..=0, flexible 0 {
        /// Name.
        name: Text,
        /// Random id.
        topic_id: Uuid,
    }

    /// Removes a topic, its partitions and its configs. Type 9.
    pub struct RemoveTopicRecord: key 9, versions 0..=0, flexible 0 {
        /// Its id.
        topic_id: Uuid,
    }

    /// Makes a partition. Type 3; 2 since metadata.version 23.
    pub struct PartitionRecord: key 3, versions 0..=2, flexible 0 {
        /// Index.
        partition_id: i32 { default -1 },
        /// Id of the topic.
        topic_id: Uuid,
        /// Replicas; the first is the preferred leader.
        replicas: Vec<i32>,
        /// Replicas in sync.
        isr: Vec<i32>,
        /// Replicas that a reassignment removes.
        removing_replicas: Vec<i32>,
        /// Replicas that a reassignment adds.
        adding_replicas: Vec<i32>,
        /// Leader, or -1.
        leader: i32 { default -1 },
        /// Counts leaders.
        leader_epoch: i32 { default -1 },
        /// Counts changes.
        partition_epoch: i32 { default -1 },
        /// Log directory of each replica, parallel to `replicas`.
        directories: Vec<Uuid> { since 1 },
        /// 1 after an unclean election.
        leader_recovery_state: i8 { tag 0 },
        /// Replicas outside the ISR that have everything committed.
        eligible_leader_replicas: Option<Vec<i32>> { since 2, tag 1 },
        /// The last ones that could lead.
        last_known_elr: Option<Vec<i32>> { since 2, tag 2 },
    }

    /// Changes a partition: what is absent stays. Type 5; 2 since metadata.version 23.
    pub struct PartitionChangeRecord: key 5, versions 0..=2, flexible 0 {
        /// Index.
        partition_id: i32 { default -1 },
        /// Id of the topic.
        topic_id: Uuid,
        /// Replicas in sync.
        isr: Option<Vec<i32>> { tag 0 },
        /// Leader, -1 for none, -2 for unchanged. Naming one starts a new leader epoch.
        leader: i32 { tag 1, default -2 },
        /// Replicas.
        replicas: Option<Vec<i32>> { tag 2 },
        /// Replicas that a reassignment removes.
        removing_replicas: Option<Vec<i32>> { tag 3 },
        /// Replicas that a reassignment adds.
        adding_replicas: Option<Vec<i32>> { tag 4 },
        /// 1 after an unclean election, 0 when recovered, -1 for unchanged.
        leader_recovery_state: i8 { tag 5, default -1 },
        /// Replicas outside the ISR that have everything committed.
        eligible_leader_replicas: Option<Vec<i32>> { since 2, tag 6 },
        /// The last ones that could lead.
        last_known_elr: Option<Vec<i32>> { since 2, tag 7 },
        /// Log directory of each replica.
        directories: Option<Vec<Uuid>> { since 1, tag 8 },
    }

    /// Forgets eligible leaders. Type 28.
    pub struct ClearElrRecord: key 28, versions 0..=0, flexible 0 {
        /// The topic; empty for all.
        topic_name: Text,
    }
}
