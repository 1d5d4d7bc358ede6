//! Topics and partitions.
//!
//! Pure data; the few helpers only read.

use std::sync::Arc;

use crate::{
    metadata::map::SharedMap,
    types::{LeaderEpoch, NodeId, Text, Uuid},
};

/// A topic and its partitions.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicImage {
    /// Random id; a topic made anew under its old name has a new one.
    pub id: Uuid,
    /// Its name.
    pub name: Text,
    /// Partitions by index. Without gaps once a batch has been applied whole.
    pub partitions: SharedMap<i32, Arc<PartitionImage>>,
}

/// A partition: where its replicas are and who leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionImage {
    /// Brokers that hold it; the first is the preferred leader.
    pub replicas: Vec<NodeId>,
    /// The log directory of each replica, parallel to `replicas`. Reserved ids say that it is not known.
    pub directories: Vec<Uuid>,
    /// Replicas in sync with the leader.
    pub isr: Vec<NodeId>,
    /// Replicas that a reassignment takes away.
    pub removing_replicas: Vec<NodeId>,
    /// Replicas that a reassignment adds.
    pub adding_replicas: Vec<NodeId>,
    /// Replicas outside the ISR that have every committed record (KIP-966).
    pub eligible_leader_replicas: Vec<NodeId>,
    /// Who could have led when the last of them went away (KIP-966).
    pub last_known_elr: Vec<NodeId>,
    /// The leader; `None` while there is none.
    pub leader: Option<NodeId>,
    /// Counts the leaders.
    pub leader_epoch: LeaderEpoch,
    /// Counts all changes of this partition.
    pub partition_epoch: i32,
    /// True after an unclean election, until the leader says that it recovered.
    pub leader_recovering: bool,
}

impl PartitionImage {
    /// A partition whose only replica is on `broker`, which leads it in its first epoch.
    pub fn alone_on(broker: NodeId, directory: Uuid) -> Self {
        Self {
            replicas: vec![broker],
            directories: vec![directory],
            isr: vec![broker],
            removing_replicas: Vec::new(),
            adding_replicas: Vec::new(),
            eligible_leader_replicas: Vec::new(),
            last_known_elr: Vec::new(),
            leader: Some(broker),
            leader_epoch: LeaderEpoch(0),
            partition_epoch: 0,
            leader_recovering: false,
        }
    }

    /// The directory that `broker` keeps this partition in; `None` if it has no replica here.
    pub fn directory_of(&self, broker: NodeId) -> Option<Uuid> {
        let position = self.replicas.iter().position(|replica| *replica == broker)?;
        self.directories.get(position).copied()
    }
}
