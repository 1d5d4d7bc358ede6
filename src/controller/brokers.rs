//! Brokers coming and going: registration, fencing, shutdown, failed directories (ClusterControlManager.java,
//! ReplicationControlManager.java).
//!
//! Pure. Each function gives the records of one event.

use std::sync::Arc;

use super::{
    decision::View,
    election::{self, Rules},
};
use crate::{
    metadata::{
        image::{BrokerImage, PartitionImage},
        records::{BrokerRegistrationChangeRecord, MetadataRecord, PartitionChangeRecord},
    },
    types::{NodeId, Uuid},
};

/// Whom an event concerns, as far as elections go.
#[derive(Clone, Copy, Debug, Default)]
struct Event {
    /// Leaves every ISR and leads nothing from now on.
    leaving: Option<NodeId>,
    /// May lead from now on, although the image still shows it fenced.
    joining: Option<NodeId>,
    /// Leaves every ISR and ELR because it may have lost data.
    lost_data: Option<NodeId>,
    /// The replicas in this directory are gone, the others of that broker are not.
    failed_dir: Option<(NodeId, Uuid)>,
}

/// A broker is fenced: it leads nothing and leaves every ISR.
pub(super) fn fence(view: View<'_>, broker: &BrokerImage) -> Vec<MetadataRecord> {
    let event = Event { leaving: Some(broker.id), ..Event::default() };
    let mut records = elections(view, event, |partition| partition.isr.contains(&broker.id));
    records.push(fencing(broker, 1));
    records
}

/// A broker comes back without having shut down in order: what it had not flushed is lost, so it must not count as in
/// sync (KIP-966). Without eligible leader replicas Kafka takes no note of it.
pub(super) fn unclean_restart(view: View<'_>, broker: NodeId) -> Vec<MetadataRecord> {
    if !view.image.keeps_eligible_leaders() {
        return Vec::new();
    }
    let event = Event { lost_data: Some(broker), ..Event::default() };
    elections(view, event, |partition| partition.isr.contains(&broker) || partition.eligible_leader_replicas.contains(&broker))
}

/// A broker is ready: partitions without a leader get one, and it says which directories take no new partitions (none).
pub(super) fn unfence(view: View<'_>, broker: &BrokerImage) -> Vec<MetadataRecord> {
    let event = Event { joining: Some(broker.id), ..Event::default() };
    let mut records = vec![fencing(broker, -1)];
    // Leaders whose directory did not come back with them are looked at again as well.
    let offline = |partition: &PartitionImage| {
        partition.leader == Some(broker.id) && partition.directory_of(broker.id).is_none_or(|dir| !is_online(broker, dir))
    };
    records.extend(elections(view, event, |partition| partition.leader.is_none() || offline(partition)));
    if broker.cordoned_log_dirs.is_none() {
        records.push(MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
            cordoned_log_dirs: Some(Vec::new()),
            ..change_of(broker)
        }));
    }
    records
}

/// The leader of partitions that an unclean election gave to `node` has read its logs and goes on from there.
pub(super) fn recovered(view: View<'_>, node: NodeId) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    for topic in view.image.topics.values() {
        for (index, partition) in topic.partitions.iter() {
            if partition.leader == Some(node) && partition.leader_recovering {
                records.push(MetadataRecord::PartitionChange(PartitionChangeRecord {
                    partition_id: *index,
                    topic_id: topic.id,
                    leader_recovery_state: 0,
                    ..Default::default()
                }));
            }
        }
    }
    records
}

/// A broker begins to shut down in order: its partitions go to others, or have no leader until it is back.
pub(super) fn controlled_shutdown(view: View<'_>, broker: &BrokerImage) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    if !broker.in_controlled_shutdown {
        records.push(MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
            in_controlled_shutdown: 1,
            ..change_of(broker)
        }));
    }
    let event = Event { leaving: Some(broker.id), ..Event::default() };
    records.extend(elections(view, event, |partition| partition.isr.contains(&broker.id)));
    records
}

/// The record that fences (1) or unfences (-1) a broker.
pub(super) fn fencing(broker: &BrokerImage, fenced: i8) -> MetadataRecord {
    MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord { fenced, ..change_of(broker) })
}

/// A directory of a broker failed: its partitions lose this replica. Nothing if the broker does not have the directory.
pub(super) fn directory_failed(view: View<'_>, broker: &BrokerImage, directory: Uuid) -> Vec<MetadataRecord> {
    if !broker.has_online_dir(directory) {
        return Vec::new();
    }
    let id = broker.id;
    let event = Event { failed_dir: Some((id, directory)), ..Event::default() };
    let mut records = elections(view, event, |partition| {
        partition.directory_of(id) == Some(directory) && (partition.isr.contains(&id) || partition.leader == Some(id))
    });
    // An empty list cannot be said, so the last directory stays in the registration; its broker stops anyway.
    let log_dirs: Vec<Uuid> = broker.log_dirs.iter().copied().filter(|other| *other != directory).collect();
    if !log_dirs.is_empty() {
        let change = BrokerRegistrationChangeRecord { log_dirs, ..change_of(broker) };
        records.push(MetadataRecord::BrokerRegistrationChange(change));
    }
    records
}

fn change_of(broker: &BrokerImage) -> BrokerRegistrationChangeRecord {
    BrokerRegistrationChangeRecord { broker_id: broker.id.get(), broker_epoch: broker.epoch.get(), ..Default::default() }
}

/// True unless the replica's directory is known to have failed (DirectoryId.java: unassigned and migrating count as working).
fn is_online(broker: &BrokerImage, directory: Uuid) -> bool {
    directory == Uuid::ZERO || directory == Uuid::ONE || broker.has_online_dir(directory)
}

/// Looks again at every partition that `concerned` picks.
fn elections(view: View<'_>, event: Event, concerned: impl Fn(&PartitionImage) -> bool) -> Vec<MetadataRecord> {
    let defaults = view.topic_defaults();
    let can_lead = |replica: NodeId, directory: Uuid| {
        let gone = [event.leaving, event.lost_data].contains(&Some(replica)) || event.failed_dir == Some((replica, directory));
        let active = event.joining == Some(replica) || view.image.is_active(replica);
        let online = || view.image.brokers.get(&replica).is_some_and(|broker: &Arc<BrokerImage>| is_online(broker, directory));
        !gone && active && online()
    };
    let mut records = Vec::new();
    for topic in view.image.topics.values() {
        let config = view.topic_config(&defaults, &topic.name);
        let rules = Rules {
            keeps_eligible_leaders: view.image.keeps_eligible_leaders(),
            min_insync_replicas: usize::try_from(config.min_insync_replicas).unwrap_or(1),
            unclean: config.unclean_leader_election_enable,
            lost_data: event.lost_data,
            can_lead: &can_lead,
        };
        for (index, partition) in topic.partitions.iter().filter(|(_, partition)| concerned(partition)) {
            let failed = event.failed_dir.filter(|(broker, dir)| partition.directory_of(*broker) == Some(*dir));
            let removed = [event.leaving, event.lost_data, failed.map(|(broker, _)| broker)];
            let isr = partition.isr.iter().copied().filter(|replica| !removed.contains(&Some(*replica))).collect();
            records.extend(election::change(topic.id, *index, partition, isr, &rules));
        }
    }
    records
}
