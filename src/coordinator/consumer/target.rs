//! Where the members are to get: the target assignment of the group's epoch.
//!
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    assignor::{Assignor, GroupSpec, MemberSpec},
    changes::Change,
    group::ConsumerGroup,
    records::ConsumerGroupTargetAssignmentMetadataValue,
    settings::{ConsumerSettings, Scene},
};
use crate::types::{Text, Uuid};

impl ConsumerGroup {
    /// Computes the target if the group's epoch has been raised since the last, but not before the interval between two is over:
    /// then a later heartbeat does it.
    pub(super) fn follow_epoch(&mut self, scene: &mut Scene<'_>) {
        if self.target_epoch >= self.epoch || !self.may_compute(scene) {
            return;
        }
        let spec = self.spec(scene);
        let assignor = self.assignor(scene.settings);
        let mut assigned = assignor.assign(&spec);
        let changes: Vec<Change> = spec
            .members
            .keys()
            .filter_map(|id| {
                let target = assigned.remove(id).unwrap_or_default();
                (self.targets.get(id) != Some(&target)).then(|| Change::Target(id.clone(), Some(target)))
            })
            .collect();
        tracing::debug!(group = %scene.id, epoch = self.epoch, assignor = assignor.name(), members = spec.members.len(), changed = changes.len(), "computed the target");
        for change in changes {
            self.change(change, scene);
        }
        let value = ConsumerGroupTargetAssignmentMetadataValue { assignment_epoch: self.epoch, assignment_timestamp: scene.now.wall_ms };
        self.change(Change::TargetEpoch(Some(value)), scene);
    }

    fn may_compute(&self, scene: &Scene<'_>) -> bool {
        let interval_ms = scene.settings.assignment_interval_ms;
        // A clock that was set back must not keep the group waiting.
        let since_ms = scene.now.wall_ms.saturating_sub(self.target_ms);
        self.target_ms == 0 || interval_ms == 0 || since_ms >= interval_ms || since_ms < 0
    }

    /// The assignor that most members want, or the default.
    pub(super) fn assignor(&self, settings: &ConsumerSettings) -> Assignor {
        let mut votes: BTreeMap<&Text, usize> = BTreeMap::new();
        for name in self.members.values().filter_map(|member| member.server_assignor.as_ref()) {
            *votes.entry(name).or_default() += 1;
        }
        let best = votes.values().max().copied();
        let wanted = votes.into_iter().find(|(_, count)| Some(*count) == best).and_then(|(name, _)| Assignor::from_name(name));
        wanted.or_else(|| settings.assignors.first().copied()).unwrap_or(Assignor::Uniform)
    }

    fn spec(&self, scene: &Scene<'_>) -> GroupSpec {
        let spec = self.members.iter().map(|(id, member)| {
            let spec = MemberSpec {
                instance_id: member.instance_id.clone(),
                topics: self.topics_of(member, scene.topics),
                assigned: self.targets.get(id).cloned().unwrap_or_default(),
            };
            (id.clone(), spec)
        });
        let members: BTreeMap<Text, MemberSpec> = spec.collect();
        let topics: BTreeSet<Uuid> = members.values().flat_map(|member| member.topics.iter().copied()).collect();
        GroupSpec { members, topics: topics.into_iter().map(|topic| (topic, scene.topics.partitions(topic))).collect() }
    }
}
