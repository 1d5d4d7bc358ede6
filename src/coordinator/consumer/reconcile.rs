//! A member's next step towards its target: first it gives back what it is not to keep, then it gets what is free.
//!
//! Pure. A partition goes from one member to another only after the first has said that it no longer owns it, or is gone; what a
//! member keeps it consumes without a break.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    assignment::{Owned, Partitions},
    changes::Change,
    deadlines::Kind,
    group::ConsumerGroup,
    member::{Member, MemberState},
    settings::Scene,
};
use crate::types::{Text, Uuid};

impl ConsumerGroup {
    /// Takes the next step of a member. `owned` is what the member says that it owns, if it says so; `subscription_changed`
    /// tells that topics may have gone out of its subscription. True if what it may consume has changed.
    pub(super) fn reconcile(&mut self, id: &Text, subscription_changed: bool, owned: Option<&Partitions>, scene: &mut Scene<'_>) -> bool {
        let Some(member) = self.members.get(id) else { return false };
        if !subscription_changed && member.is_reconciled_to(self.target_epoch) {
            return false;
        }
        let next = self.next(id, member, subscription_changed, owned, scene);
        if next == *member {
            return false;
        }
        let assignment_changed = next.assigned != member.assigned;
        let (state, is_classic, timeout_ms) = (next.state, next.is_classic(), next.rebalance_timeout_ms);
        self.change(Change::Current(id.clone(), Some(next.current())), scene);
        // Members of the classic protocol have other deadlines: to join and to sync.
        if !is_classic {
            if state == MemberState::UnrevokedPartitions {
                self.deadlines.set(id, Kind::Rebalance, scene.now.after(timeout_ms));
            } else {
                self.deadlines.clear(id, Kind::Rebalance);
            }
        }
        assignment_changed
    }

    fn next(&self, id: &Text, member: &Member, subscription_changed: bool, owned: Option<&Partitions>, scene: &Scene<'_>) -> Member {
        let step = Step { group: self, id, member, owned, subscribed: self.topics_of(member, scene.topics) };
        match member.state {
            MemberState::Stable if member.epoch != self.target_epoch => step.advance(member.epoch),
            MemberState::UnrevokedPartitions if !step.still_owns(&member.revoking) => step.advance(member.epoch),
            MemberState::UnreleasedPartitions => step.advance(member.epoch),
            // Checked when the request came: it owns nothing.
            MemberState::Unknown => step.advance(self.target_epoch),
            MemberState::Stable | MemberState::UnrevokedPartitions if subscription_changed => step.drop_unsubscribed(),
            MemberState::Stable | MemberState::UnrevokedPartitions => member.clone(),
        }
    }
}

struct Step<'a> {
    group: &'a ConsumerGroup,
    id: &'a Text,
    member: &'a Member,
    owned: Option<&'a Partitions>,
    /// Topics that the member subscribes to.
    subscribed: BTreeSet<Uuid>,
}

impl Step<'_> {
    /// Whether the member has not yet given all of these back; as long as it says nothing, it has not.
    fn still_owns(&self, revoked: &Owned) -> bool {
        let Some(owned) = self.owned else { return true };
        let still = |(topic, partitions): (&Uuid, &BTreeSet<i32>)| {
            revoked.get(topic).is_some_and(|revoked| partitions.iter().any(|partition| revoked.contains_key(partition)))
        };
        owned.iter().any(still)
    }

    /// From what it has to what it is to have, as far as that is possible now.
    fn advance(&self, epoch: i32) -> Member {
        let nothing = Partitions::new();
        let target = self.group.targets.get(self.id).unwrap_or(&nothing);
        let (mut assigned, mut revoking) = (Owned::new(), Owned::new());
        for (topic, partitions) in &self.member.assigned {
            let wanted = target.get(topic).filter(|_| self.subscribed.contains(topic));
            for (partition, since) in partitions {
                let keeps = wanted.is_some_and(|wanted| wanted.contains(partition));
                let into = if keeps { &mut assigned } else { &mut revoking };
                into.entry(*topic).or_default().insert(*partition, *since);
            }
        }
        let (mut pending, mut unreleased) = (BTreeMap::<Uuid, Vec<i32>>::new(), false);
        for (topic, partitions) in target.iter().filter(|(topic, _)| self.subscribed.contains(*topic)) {
            for partition in partitions.iter().filter(|partition| !super::assignment::has(&assigned, *topic, **partition)) {
                match self.group.owners.get(&(*topic, *partition)) {
                    Some(owner) if owner != self.id => unreleased = true,
                    _ => pending.entry(*topic).or_default().push(*partition),
                }
            }
        }
        let mut next = self.member.clone();
        if !revoking.is_empty() && self.still_owns(&revoking) {
            next.state = MemberState::UnrevokedPartitions;
            next.move_to(epoch);
            next.assigned = assigned;
            next.revoking = revoking;
            return next;
        }
        let target_epoch = self.group.target_epoch;
        for (topic, partitions) in pending {
            assigned.entry(topic).or_default().extend(partitions.into_iter().map(|partition| (partition, target_epoch)));
        }
        next.state = if unreleased { MemberState::UnreleasedPartitions } else { MemberState::Stable };
        next.move_to(target_epoch);
        next.assigned = assigned;
        next.revoking = Owned::new();
        next
    }

    /// Gives back what it no longer subscribes to, without waiting for a target.
    fn drop_unsubscribed(&self) -> Member {
        let (kept, dropped): (Owned, Owned) =
            self.member.assigned.clone().into_iter().partition(|(topic, _)| self.subscribed.contains(topic));
        let mut next = self.member.clone();
        if dropped.is_empty() {
            return next;
        }
        let mut revoking = self.member.revoking.clone();
        for (topic, partitions) in dropped {
            revoking.entry(topic).or_default().extend(partitions);
        }
        next.move_to(self.member.epoch);
        next.assigned = kept;
        if self.still_owns(&revoking) {
            next.state = MemberState::UnrevokedPartitions;
            next.revoking = revoking;
        }
        next
    }
}
