//! What becomes of a partition when a broker comes, goes or loses a disk (PartitionChangeBuilder.java).
//!
//! Pure. With eligible leader replicas (KIP-966) an ISR may become empty and the ELR remembers who has everything; without
//! them the last member stays in the ISR while there is no leader.

use crate::{
    metadata::{
        image::{PartitionImage, numbers},
        records::{MetadataRecord, PartitionChangeRecord},
    },
    types::{NodeId, Uuid},
};

/// `Leader` of a change record where there is none.
const NO_LEADER: i32 = -1;

/// By what rules a partition gets its leader.
pub(super) struct Rules<'a> {
    /// Eligible leader replicas are kept.
    pub(super) keeps_eligible_leaders: bool,
    /// `min.insync.replicas` of the topic.
    pub(super) min_insync_replicas: usize,
    /// `unclean.leader.election.enable` of the topic.
    pub(super) unclean: bool,
    /// A broker that lost data: it leaves the ELR as well.
    pub(super) lost_data: Option<NodeId>,
    /// Whether a replica can lead: its broker is active and its directory works.
    pub(super) can_lead: &'a dyn Fn(NodeId, Uuid) -> bool,
}

/// Finds the leader and the lists of a partition whose ISR is to be `isr`; `None` if nothing changes.
pub(super) fn change(
    topic_id: Uuid,
    index: i32,
    partition: &PartitionImage,
    isr: Vec<NodeId>,
    rules: &Rules<'_>,
) -> Option<MetadataRecord> {
    let mut plan = Plan { partition, rules, elr: eligible(partition, &isr, rules), isr };
    let mut record = PartitionChangeRecord { partition_id: index, topic_id, ..Default::default() };
    let unchanged = record.clone();
    plan.elect(&mut record);
    plan.set_lists(&mut record);
    (record != unchanged).then_some(MetadataRecord::PartitionChange(record))
}

struct Plan<'a> {
    partition: &'a PartitionImage,
    rules: &'a Rules<'a>,
    isr: Vec<NodeId>,
    elr: Vec<NodeId>,
}

/// Who is out of the ISR but has every committed record: kept only while the ISR is too small to answer for them.
fn eligible(partition: &PartitionImage, isr: &[NodeId], rules: &Rules<'_>) -> Vec<NodeId> {
    if !rules.keeps_eligible_leaders || isr.len() >= rules.min_insync_replicas.min(partition.replicas.len()) {
        return Vec::new();
    }
    let mut elr: Vec<NodeId> = Vec::new();
    for candidate in partition.eligible_leader_replicas.iter().chain(&partition.isr) {
        if !isr.contains(candidate) && Some(*candidate) != rules.lost_data && !elr.contains(candidate) {
            elr.push(*candidate);
        }
    }
    elr
}

impl Plan<'_> {
    fn can_lead(&self, replica: NodeId) -> bool {
        self.partition.directory_of(replica).is_some_and(|directory| (self.rules.can_lead)(replica, directory))
    }

    fn is_clean_leader(&self, replica: NodeId) -> bool {
        let entitled = self.isr.contains(&replica) || (self.isr.is_empty() && self.elr.contains(&replica));
        entitled && self.can_lead(replica)
    }

    /// The leader, and whether data may be lost by electing it.
    fn leader(&self) -> (Option<NodeId>, bool) {
        let clean = |replica: &NodeId| self.is_clean_leader(*replica);
        let current = self.partition.leader.filter(clean);
        if let Some(leader) = current.or_else(|| self.partition.replicas.iter().copied().find(|replica| clean(replica))) {
            return (Some(leader), false);
        }
        if let Some(leader) = self.last_known_leader() {
            return (Some(leader), true);
        }
        if !self.rules.unclean {
            return (None, false);
        }
        (self.partition.replicas.iter().copied().find(|replica| self.can_lead(*replica)), true)
    }

    /// With nobody left who surely has everything, the last leader is the best there is.
    fn last_known_leader(&self) -> Option<NodeId> {
        let nobody = self.rules.keeps_eligible_leaders && self.elr.is_empty() && self.isr.is_empty();
        match self.partition.last_known_elr[..] {
            [last] if nobody && self.can_lead(last) => Some(last),
            _ => None,
        }
    }

    fn elect(&mut self, record: &mut PartitionChangeRecord) {
        let (leader, unclean) = self.leader();
        if leader == self.partition.leader {
            return;
        }
        record.leader = leader.map_or(NO_LEADER, NodeId::get);
        let Some(leader) = leader else { return };
        if self.elr.contains(&leader) {
            self.elr.retain(|replica| *replica != leader);
            self.isr = vec![leader];
        }
        if unclean {
            record.isr = Some(vec![leader.get()]);
            if !self.partition.leader_recovering {
                record.leader_recovery_state = 1;
            }
        }
    }

    fn set_lists(&mut self, record: &mut PartitionChangeRecord) {
        let partition = self.partition;
        if record.isr.is_some() {
            self.elr.clear();
        }
        if self.elr != partition.eligible_leader_replicas {
            record.eligible_leader_replicas = Some(numbers(&self.elr));
        }
        let may_be_written = !self.isr.is_empty() || self.rules.keeps_eligible_leaders;
        if record.isr.is_none() && may_be_written && self.isr != partition.isr {
            record.isr = Some(numbers(&self.isr));
        }
        if !self.rules.keeps_eligible_leaders {
            return;
        }
        let emptied = record.isr.as_ref().is_some_and(Vec::is_empty);
        let will_have_leader = record.leader >= 0 || (partition.leader.is_some() && record.leader != NO_LEADER);
        match partition.leader {
            Some(leader) if emptied && partition.last_known_elr != [leader] => record.last_known_elr = Some(vec![leader.get()]),
            _ if will_have_leader && !partition.last_known_elr.is_empty() => record.last_known_elr = Some(Vec::new()),
            _ => {}
        }
    }
}
