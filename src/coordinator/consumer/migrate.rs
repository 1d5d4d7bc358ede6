//! The ways between a classic group and a consumer group while members are in it.
//!
//! Pure. What goes from one to the other is a [`ClassicSeed`]; who runs the coordinator puts the one in the place of the other.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::seed::{ClassicSeed, Profile},
    assignment::{self, Partitions},
    changes::Change,
    classic_members::named,
    deadlines::Kind,
    group::ConsumerGroup,
    member::{Member, MemberState, detached_classic},
    records::{
        ClassicMemberMetadata, ClassicProtocol, ConsumerGroupMetadataValue, ConsumerGroupTargetAssignmentMetadataValue,
    },
    settings::{Refusal, Scene},
};
use crate::{
    protocol::embedded,
    types::{ErrorCode, Text},
};

impl ConsumerGroup {
    /// The consumer group that a classic group of consumers becomes when the first member of the consumer protocol joins. Its
    /// records come after those that remove the classic group, which are the caller's; the caller also answers who waits.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND: the policy is against it, or what the members say to each other cannot be read or would be lost.
    pub(crate) fn from_classic(seed: &ClassicSeed, scene: &mut Scene<'_>) -> Result<Self, Refusal> {
        let refuse = |reason: &str| {
            let message = format!("Cannot upgrade classic group {} to consumer group because {reason}.", scene.id);
            Refusal::new(ErrorCode::GroupIdNotFound, message)
        };
        if !scene.settings.upgrade {
            return Err(refuse("online upgrade is disabled"));
        }
        if seed.members.len() > scene.settings.max_size {
            return Err(refuse("the group size exceeds the consumer group maximum size"));
        }
        let mut members: Vec<(Text, Member)> = Vec::with_capacity(seed.members.len());
        for (id, old) in &seed.members {
            members.push((id.clone(), upgraded(old, seed, scene).map_err(refuse)?));
        }
        let mut group = Self::default();
        for (id, member) in &members {
            group.change(Change::Member(id.clone(), Some(member.metadata())), scene);
        }
        let metadata_hash = scene.topics.hash(group.subscribed_names());
        group.change(Change::Epoch(Some(ConsumerGroupMetadataValue { epoch: seed.generation, metadata_hash })), scene);
        for (id, member) in &members {
            group.change(Change::Target(id.clone(), Some(assignment::without_epochs(&member.assigned))), scene);
        }
        let target = ConsumerGroupTargetAssignmentMetadataValue { assignment_epoch: seed.generation, assignment_timestamp: 0 };
        group.change(Change::TargetEpoch(Some(target)), scene);
        for (id, member) in &members {
            group.change(Change::Current(id.clone(), Some(member.current())), scene);
        }
        for (id, old) in &seed.members {
            group.deadlines.set(id, Kind::Session, scene.now.after(old.session_timeout_ms));
        }
        tracing::info!(group = %scene.id, members = members.len(), "a classic group has become a consumer group");
        Ok(group)
    }

    /// True if all members but those that go speak the classic protocol, and the policy allows that it shows.
    pub(super) fn may_downgrade(&self, gone: &BTreeSet<&Text>, scene: &Scene<'_>) -> bool {
        let stay = self.len() - gone.len();
        scene.settings.downgrade
            && stay > 0
            && stay <= scene.settings.classic_max_size
            && self.members.iter().all(|(id, member)| member.is_classic() || gone.contains(id))
    }

    /// True if the static member of an instance is the last that speaks the consumer protocol, so that the group becomes a
    /// classic one when it comes back speaking the classic protocol.
    pub(super) fn may_downgrade_with(&self, instance: &Text, scene: &Scene<'_>) -> bool {
        let Some((_, member)) = self.static_member(instance) else { return false };
        scene.settings.downgrade
            && self.len() <= scene.settings.classic_max_size
            && !member.is_classic()
            && self.classic_members() + 1 == self.len()
    }

    /// Removes the group and gives what the classic group that it becomes needs.
    pub(super) fn downgrade(&mut self, gone: &BTreeSet<&Text>, scene: &mut Scene<'_>) -> ClassicSeed {
        let staying: Vec<(&Text, &Member)> = self.members.iter().filter(|(id, _)| !gone.contains(id)).collect();
        let protocol = chosen(staying.iter().filter_map(|(_, member)| member.classic.as_ref()));
        let nothing = Partitions::new();
        let members = staying.into_iter().filter_map(|(id, member)| {
            let classic = member.classic.as_ref()?;
            let spoken = classic.supported_protocols.iter().find(|spoken| Some(&spoken.name) == protocol.as_ref());
            let version = spoken.and_then(|spoken| embedded::version(&spoken.metadata).ok()).unwrap_or(0);
            let target = named(self.targets.get(id).unwrap_or(&nothing), scene.topics);
            let profile = Profile {
                instance_id: member.instance_id.clone(),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                session_timeout_ms: classic.session_timeout_ms,
                protocols: classic.supported_protocols.iter().map(|spoken| (spoken.name.clone(), spoken.metadata.clone())).collect(),
                // Names of topics that exist are never too long.
                assignment: embedded::write_assignment(&target, version).unwrap_or_default(),
            };
            Some((id.clone(), profile))
        });
        let seed = ClassicSeed { generation: self.epoch, members: members.collect(), protocol, rebalance: true };
        self.remove(scene);
        tracing::info!(group = %scene.id, members = seed.members.len(), "a consumer group has become a classic group");
        seed
    }
}

/// The protocol that most members like best among those that all speak (ClassicGroup.selectProtocol).
fn chosen<'a>(members: impl Iterator<Item = &'a ClassicMemberMetadata> + Clone) -> Option<Text> {
    let everyone = members.clone().count();
    let mut spoken: BTreeMap<&Text, usize> = BTreeMap::new();
    for protocol in members.clone().flat_map(|member| &member.supported_protocols) {
        *spoken.entry(&protocol.name).or_default() += 1;
    }
    let mut votes: BTreeMap<&Text, usize> = BTreeMap::new();
    for member in members {
        let favourite = member.supported_protocols.iter().find(|protocol| spoken.get(&protocol.name) == Some(&everyone));
        if let Some(favourite) = favourite {
            *votes.entry(&favourite.name).or_default() += 1;
        }
    }
    let best = votes.values().max().copied()?;
    votes.into_iter().find(|(_, count)| *count == best).map(|(name, _)| name.clone())
}

fn upgraded(old: &Profile, seed: &ClassicSeed, scene: &Scene<'_>) -> Result<Member, &'static str> {
    const MALFORMED: &str = "the embedded consumer protocol is malformed";
    let mut assigned = Partitions::new();
    if !old.assignment.is_empty() {
        let assignment = embedded::read_assignment(&old.assignment).map_err(|_| MALFORMED)?;
        if assignment.user_data.is_some_and(|data| !data.is_empty()) {
            return Err("an unsupported custom assignor is in use. Please refer to the documentation or switch to a default assignor \
                        before re-attempting the upgrade");
        }
        assigned = scene.topics.by_id(assignment.assigned_partitions.iter().map(|topic| (&topic.topic, topic.partitions.as_slice())));
    }
    // Before the first generation no protocol is chosen: then the member's favourite tells its topics.
    let spoken = old.protocols.iter().find(|(name, _)| Some(name) == seed.protocol.as_ref()).or_else(|| old.protocols.first());
    let subscription = embedded::read_subscription(&spoken.ok_or(MALFORMED)?.1).map_err(|_| MALFORMED)?;
    let protocols = old.protocols.iter().map(|(name, metadata)| ClassicProtocol { name: name.clone(), metadata: metadata.clone() });
    let classic = ClassicMemberMetadata { session_timeout_ms: old.session_timeout_ms, supported_protocols: protocols.collect() };
    Ok(Member {
        epoch: seed.generation,
        previous_epoch: seed.generation,
        state: MemberState::Stable,
        instance_id: old.instance_id.clone(),
        rack_id: subscription.rack_id.filter(|rack| !rack.is_empty()),
        rebalance_timeout_ms: old.rebalance_timeout_ms,
        client_id: old.client_id.clone(),
        client_host: old.client_host.clone(),
        topics: subscription.topics.into_iter().collect(),
        assigned: assignment::with_epoch(&assigned, seed.generation),
        classic: Some(detached_classic(classic)),
        ..Member::default()
    })
}
