//! Partition records into image: creation, change, and the counting of epochs (PartitionRegistration.java).
//!
//! Pure.

use std::sync::Arc;

use crate::{
    metadata::{
        image::{ClusterImage, PartitionImage, TopicImage},
        records as record,
    },
    types::{LeaderEpoch, NodeId, Uuid},
};

/// `Leader` of a change record that leaves the leader as it is.
const LEADER_UNCHANGED: i32 = -2;
/// `Leader` where there is none.
const NO_LEADER: i32 = -1;

type Applied = Result<(), String>;

impl ClusterImage {
    pub(super) fn add_partition(&mut self, record: &record::PartitionRecord) -> Applied {
        let partition = created(record)?;
        let index = record.partition_id;
        if index < 0 {
            return Err(format!("makes partition {index}"));
        }
        let topic = self.topic_mut(record.topic_id)?;
        if topic.partitions.insert(index, Arc::new(partition)).is_some() {
            return Err(format!("makes partition {}-{index}, which exists", topic.name));
        }
        self.partition_count += 1;
        Ok(())
    }

    pub(super) fn change_partition(&mut self, record: &record::PartitionChangeRecord) -> Applied {
        let topic = self.topic_mut(record.topic_id)?;
        let Some(partition) = topic.partitions.get_mut(&record.partition_id) else {
            return Err(format!("changes partition {}-{}, which does not exist", topic.name, record.partition_id));
        };
        change(Arc::make_mut(partition), record)
    }

    /// Forgets the eligible leaders of one topic, or of all if the name is empty.
    pub(super) fn clear_elr(&mut self, record: &record::ClearElrRecord) -> Applied {
        if !record.topic_name.is_empty() {
            let id = self.topic_ids.get(&*record.topic_name).copied();
            let id = id.ok_or_else(|| format!("clears the ELR of topic {}, which does not exist", record.topic_name))?;
            return self.topic_mut(id).map(clear_topic_elr);
        }
        let ids: Vec<Uuid> = self.topics.iter().filter(|(_, topic)| has_elr(topic)).map(|(id, _)| *id).collect();
        ids.into_iter().try_for_each(|id| self.topic_mut(id).map(clear_topic_elr))
    }

    fn topic_mut(&mut self, id: Uuid) -> Result<&mut TopicImage, String> {
        let topic = self.topics.get_mut(&id).ok_or_else(|| format!("names topic id {id}, which does not exist"))?;
        Ok(Arc::make_mut(topic))
    }
}

fn node_ids(ids: &[i32]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

fn created(record: &record::PartitionRecord) -> Result<PartitionImage, String> {
    let directories = match record.directories.len() {
        // Records from before directory assignment: "migrating", which is the zero id.
        0 => vec![Uuid::ZERO; record.replicas.len()],
        _ => record.directories.clone(),
    };
    parallel(&record.replicas, &directories)?;
    Ok(PartitionImage {
        replicas: node_ids(&record.replicas),
        directories,
        isr: node_ids(&record.isr),
        removing_replicas: node_ids(&record.removing_replicas),
        adding_replicas: node_ids(&record.adding_replicas),
        eligible_leader_replicas: node_ids(record.eligible_leader_replicas.as_deref().unwrap_or_default()),
        last_known_elr: node_ids(record.last_known_elr.as_deref().unwrap_or_default()),
        leader: leader(record.leader),
        leader_epoch: LeaderEpoch(record.leader_epoch),
        partition_epoch: record.partition_epoch,
        leader_recovering: recovering(record.leader_recovery_state)?,
    })
}

fn change(partition: &mut PartitionImage, record: &record::PartitionChangeRecord) -> Applied {
    if let Some(replicas) = &record.replicas {
        let directories = replicas.iter().map(|replica| partition.directory_of(NodeId(*replica)).unwrap_or(Uuid::ONE)).collect();
        partition.replicas = node_ids(replicas);
        partition.directories = directories;
    }
    if let Some(directories) = record.directories.as_ref().filter(|directories| !directories.is_empty()) {
        partition.directories.clone_from(directories);
    }
    if partition.replicas.len() != partition.directories.len() {
        return Err(format!("has {} directories for {} replicas", partition.directories.len(), partition.replicas.len()));
    }
    let lists = [
        (&record.isr, &mut partition.isr),
        (&record.removing_replicas, &mut partition.removing_replicas),
        (&record.adding_replicas, &mut partition.adding_replicas),
        (&record.eligible_leader_replicas, &mut partition.eligible_leader_replicas),
        (&record.last_known_elr, &mut partition.last_known_elr),
    ];
    for (change, list) in lists {
        if let Some(ids) = change {
            *list = node_ids(ids);
        }
    }
    if record.leader != LEADER_UNCHANGED {
        // Naming a leader starts a new epoch, even if it is the old one.
        partition.leader = leader(record.leader);
        partition.leader_epoch = LeaderEpoch(next_epoch(partition.leader_epoch.get())?);
    }
    if record.leader_recovery_state != -1 {
        partition.leader_recovering = recovering(record.leader_recovery_state)?;
    }
    partition.partition_epoch = next_epoch(partition.partition_epoch)?;
    Ok(())
}

fn next_epoch(epoch: i32) -> Result<i32, String> {
    epoch.checked_add(1).ok_or_else(|| format!("counts an epoch past {epoch}"))
}

fn parallel(replicas: &[i32], directories: &[Uuid]) -> Applied {
    if replicas.len() == directories.len() {
        return Ok(());
    }
    Err(format!("has {} directories for {} replicas", directories.len(), replicas.len()))
}

fn leader(id: i32) -> Option<NodeId> {
    (id > NO_LEADER).then_some(NodeId(id))
}

fn recovering(state: i8) -> Result<bool, String> {
    match state {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(format!("has LeaderRecoveryState={other}")),
    }
}

fn has_elr(topic: &TopicImage) -> bool {
    topic.partitions.values().any(|partition| partition_has_elr(partition))
}

fn partition_has_elr(partition: &PartitionImage) -> bool {
    !partition.eligible_leader_replicas.is_empty() || !partition.last_known_elr.is_empty()
}

fn clear_topic_elr(topic: &mut TopicImage) {
    let indexes: Vec<i32> =
        topic.partitions.iter().filter(|(_, partition)| partition_has_elr(partition)).map(|(index, _)| *index).collect();
    for index in indexes {
        if let Some(partition) = topic.partitions.get_mut(&index) {
            let partition = Arc::make_mut(partition);
            partition.eligible_leader_replicas.clear();
            partition.last_known_elr.clear();
            partition.partition_epoch = partition.partition_epoch.saturating_add(1);
        }
    }
}
