//! Where replicas go: on which brokers, and in which of their directories (StripedReplicaPlacer.java).
//!
//! Pure. A quorum of one has one active broker, so what is left to choose is the directory: the one with the fewest
//! partitions.

use super::decision::{Refusal, View};
use crate::{
    metadata::{
        image::PartitionImage,
        records::{MetadataRecord, PartitionRecord},
    },
    types::{ErrorCode, NodeId, Uuid},
};

/// Chooses for one request; remembers what it has chosen.
pub(super) struct Placer<'a> {
    view: View<'a>,
    /// The directories of this broker that take partitions, each with how many it has.
    loads: Vec<(Uuid, usize)>,
}

impl<'a> Placer<'a> {
    pub(super) fn new(view: View<'a>) -> Self {
        let mut loads: Vec<(Uuid, usize)> = Vec::new();
        if let Some(broker) = view.image.brokers.get(&view.node) {
            let cordoned = broker.cordoned_log_dirs.as_deref().unwrap_or_default();
            loads.extend(broker.log_dirs.iter().filter(|dir| !cordoned.contains(dir)).map(|dir| (*dir, 0)));
        }
        // With one directory there is nothing to weigh.
        if loads.len() > 1 {
            let partitions = view.image.topics.values().flat_map(|topic| topic.partitions.values());
            for directory in partitions.filter_map(|partition| partition.directory_of(view.node)) {
                if let Some((_, load)) = loads.iter_mut().find(|(dir, _)| *dir == directory) {
                    *load += 1;
                }
            }
        }
        Self { view, loads }
    }

    /// The replicas of a new partition that nobody chose.
    pub(super) fn place(&self, replication_factor: i16) -> Result<Vec<NodeId>, Refusal> {
        let active: Vec<NodeId> = self.view.image.brokers.keys().copied().filter(|id| self.view.image.is_active(*id)).collect();
        let reason = if self.view.image.brokers.is_empty() {
            "All brokers are currently unregistered.".to_owned()
        } else if active.is_empty() {
            "All brokers are currently fenced.".to_owned()
        } else if usize::try_from(replication_factor).unwrap_or(0) > active.len() || self.loads.is_empty() {
            format!(
                "The target replication factor of {replication_factor} cannot be reached because only {} broker(s) are \
                 registered or some brokers have all their log directories cordoned.",
                active.len()
            )
        } else {
            return Ok(active.into_iter().take(usize::try_from(replication_factor).unwrap_or(0)).collect());
        };
        let message = format!("Unable to replicate the partition {replication_factor} time(s): {reason}");
        Err(Refusal::new(ErrorCode::InvalidReplicationFactor, message))
    }

    /// Checks the replicas that somebody chose for partition `index`; `replication_factor` is that of the others.
    pub(super) fn check_manual(&self, index: i32, broker_ids: &[i32], replication_factor: Option<usize>) -> Result<Vec<NodeId>, Refusal> {
        let refuse = |message: String| Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
        if broker_ids.is_empty() {
            return refuse("The manual partition assignment includes an empty replica list.".into());
        }
        let mut sorted = broker_ids.to_vec();
        sorted.sort_unstable();
        for (position, id) in sorted.iter().enumerate() {
            if !self.view.image.brokers.contains_key(&NodeId(*id)) {
                return refuse(format!("The manual partition assignment includes broker {id}, but no such broker is registered."));
            }
            if position > 0 && sorted[position - 1] == *id {
                return refuse(format!("The manual partition assignment includes the broker {id} more than once."));
            }
        }
        if let Some(expected) = replication_factor.filter(|expected| *expected != sorted.len()) {
            return refuse(format!(
                "The manual partition assignment includes a partition with {} replica(s), but this is not consistent with \
                 previous partitions, which have {expected} replica(s).",
                sorted.len()
            ));
        }
        let replicas: Vec<NodeId> = broker_ids.iter().copied().map(NodeId).collect();
        if !replicas.iter().any(|id| self.view.image.is_active(*id)) {
            return refuse(format!(
                "All brokers specified in the manual partition assignment for partition {index} are fenced or in controlled \
                 shutdown."
            ));
        }
        Ok(replicas)
    }

    /// The record of a new partition on `replicas`, at least one of them active.
    pub(super) fn partition(&mut self, topic_id: Uuid, index: i32, replicas: &[NodeId]) -> MetadataRecord {
        let isr: Vec<i32> = replicas.iter().filter(|id| self.view.image.is_active(**id)).map(|id| id.get()).collect();
        MetadataRecord::Partition(PartitionRecord {
            partition_id: index,
            topic_id,
            replicas: replicas.iter().map(|id| id.get()).collect(),
            leader: isr.first().copied().unwrap_or(-1),
            isr,
            leader_epoch: 0,
            partition_epoch: 0,
            directories: replicas.iter().map(|id| self.directory(*id)).collect(),
            ..Default::default()
        })
    }

    /// A directory for a new replica: ours with the fewest partitions; another broker's only one, or unassigned.
    fn directory(&mut self, broker: NodeId) -> Uuid {
        if broker == self.view.node {
            let least = self.loads.iter_mut().min_by_key(|(_, load)| *load);
            return least.map_or(Uuid::ONE, |(directory, load)| {
                *load += 1;
                *directory
            });
        }
        match self.view.image.brokers.get(&broker).map(|broker| broker.log_dirs.as_slice()) {
            Some([only]) => *only,
            _ => Uuid::ONE,
        }
    }
}

/// The replication factor that further partitions of a topic get: that of its first.
pub(super) fn replication_factor(first: &PartitionImage) -> i16 {
    i16::try_from(first.replicas.len()).unwrap_or(i16::MAX)
}
