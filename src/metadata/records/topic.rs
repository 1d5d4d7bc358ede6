//! Records about topics and partitions.
//!
//! Tables only; names and numbers are Kafka's (`common/metadata/*.json` of Kafka 4.3).

use super::table::table;
use crate::types::{Text, Uuid};

table! {
    /// Makes a topic; its partitions follow. Type 2.
    TopicRecord {
        /// Name.
        name: Text = Text::default(), since 0;
        /// Random id.
        topic_id: Uuid = Uuid::ZERO, since 0;
    }

    /// Removes a topic, its partitions and its configs. Type 9.
    RemoveTopicRecord {
        /// Its id.
        topic_id: Uuid = Uuid::ZERO, since 0;
    }

    /// Makes a partition. Type 3; 2 since metadata.version 23.
    PartitionRecord {
        /// Index.
        partition_id: i32 = -1, since 0;
        /// Id of the topic.
        topic_id: Uuid = Uuid::ZERO, since 0;
        /// Replicas; the first is the preferred leader.
        replicas: Vec<i32> = Vec::new(), since 0;
        /// Replicas in sync.
        isr: Vec<i32> = Vec::new(), since 0;
        /// Replicas that a reassignment removes.
        removing_replicas: Vec<i32> = Vec::new(), since 0;
        /// Replicas that a reassignment adds.
        adding_replicas: Vec<i32> = Vec::new(), since 0;
        /// Leader, or -1.
        leader: i32 = -1, since 0;
        /// Counts leaders.
        leader_epoch: i32 = -1, since 0;
        /// Counts changes.
        partition_epoch: i32 = -1, since 0;
        /// Log directory of each replica, parallel to `replicas`.
        directories: Vec<Uuid> = Vec::new(), since 1;
        /// 1 after an unclean election.
        leader_recovery_state: i8 = 0, since 0, tag 0;
        /// Replicas outside the ISR that have everything committed.
        eligible_leader_replicas: Option<Vec<i32>> = None, since 2, tag 1;
        /// The last ones that could lead.
        last_known_elr: Option<Vec<i32>> = None, since 2, tag 2;
    }

    /// Changes a partition: what is absent stays. Type 5; 2 since metadata.version 23.
    PartitionChangeRecord {
        /// Index.
        partition_id: i32 = -1, since 0;
        /// Id of the topic.
        topic_id: Uuid = Uuid::ZERO, since 0;
        /// Replicas in sync.
        isr: Option<Vec<i32>> = None, since 0, tag 0;
        /// Leader, -1 for none, -2 for unchanged. Naming one starts a new leader epoch.
        leader: i32 = -2, since 0, tag 1;
        /// Replicas.
        replicas: Option<Vec<i32>> = None, since 0, tag 2;
        /// Replicas that a reassignment removes.
        removing_replicas: Option<Vec<i32>> = None, since 0, tag 3;
        /// Replicas that a reassignment adds.
        adding_replicas: Option<Vec<i32>> = None, since 0, tag 4;
        /// 1 after an unclean election, 0 when recovered, -1 for unchanged.
        leader_recovery_state: i8 = -1, since 0, tag 5;
        /// Replicas outside the ISR that have everything committed.
        eligible_leader_replicas: Option<Vec<i32>> = None, since 2, tag 6;
        /// The last ones that could lead.
        last_known_elr: Option<Vec<i32>> = None, since 2, tag 7;
        /// Log directory of each replica.
        directories: Option<Vec<Uuid>> = None, since 1, tag 8;
    }

    /// Forgets eligible leaders. Type 28.
    ClearElrRecord {
        /// The topic; empty for all.
        topic_name: Text = Text::default(), since 0;
    }
}
