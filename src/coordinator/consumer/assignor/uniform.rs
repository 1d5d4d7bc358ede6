//! The assignor `uniform` where all members subscribe to the same topics: everyone gets equally many partitions, give or take
//! one, and keeps as many of its own as that allows.
//!
//! Pure.

use std::collections::BTreeSet;

use super::{Assigned, GroupSpec};
use crate::{coordinator::consumer::assignment::Partitions, types::{Text, Uuid}};

pub(super) fn assign(spec: &GroupSpec) -> Assigned {
    let topics: BTreeSet<Uuid> = spec.members.values().next().map(|member| member.topics.clone()).unwrap_or_default();
    if topics.is_empty() {
        return Assigned::new();
    }
    let total: usize = topics.iter().map(|topic| usize::try_from(spec.partitions_of(*topic)).unwrap_or(0)).sum();
    let mut shares = Shares { quota: total / spec.members.len(), extra: total % spec.members.len() };
    let mut free = unassigned(spec, &topics);
    let mut assigned = Assigned::new();
    let mut hungry: Vec<(Text, usize)> = Vec::new();
    let mut waiting = spec.members.len();
    for (id, member) in &spec.members {
        let (mut quota, mut has_extra) = shares.offer();
        let kept = keep(spec, &topics, &member.assigned, &mut quota, &mut free);
        // One that does not fill its share leaves the extra partition to a later one that owns more, if there are enough.
        if quota > 0 && has_extra && waiting > shares.extra {
            quota -= 1;
            has_extra = false;
        }
        waiting -= 1;
        if quota > 0 {
            hungry.push((id.clone(), quota));
        }
        shares.extra -= usize::from(has_extra);
        assigned.insert(id.clone(), kept);
    }
    let mut free = free.into_iter();
    for (id, quota) in hungry {
        let own = assigned.entry(id).or_default();
        for (topic, partition) in free.by_ref().take(quota) {
            own.entry(topic).or_default().insert(partition);
        }
    }
    assigned
}

/// What everyone gets, and how many get one more.
struct Shares {
    quota: usize,
    extra: usize,
}

impl Shares {
    fn offer(&self) -> (usize, bool) {
        (self.quota + usize::from(self.extra > 0), self.extra > 0)
    }
}

/// The partitions that nobody was to own so far.
fn unassigned(spec: &GroupSpec, topics: &BTreeSet<Uuid>) -> Vec<(Uuid, i32)> {
    let owned: BTreeSet<(Uuid, i32)> = spec
        .members
        .values()
        .flat_map(|member| member.assigned.iter().flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition))))
        .collect();
    topics
        .iter()
        .flat_map(|topic| (0..spec.partitions_of(*topic)).map(|partition| (*topic, partition)))
        .filter(|partition| !owned.contains(partition))
        .collect()
}

/// What a member keeps within `quota`, which is counted down; what is over becomes free.
fn keep(spec: &GroupSpec, topics: &BTreeSet<Uuid>, own: &Partitions, quota: &mut usize, free: &mut Vec<(Uuid, i32)>) -> Partitions {
    let mut kept = Partitions::new();
    for (topic, partitions) in own.iter().filter(|(topic, _)| topics.contains(topic)) {
        let exists = 0..spec.partitions_of(*topic);
        for partition in partitions.iter().filter(|partition| exists.contains(partition)) {
            if *quota > 0 {
                *quota -= 1;
                kept.entry(*topic).or_default().insert(*partition);
            } else {
                free.push((*topic, *partition));
            }
        }
    }
    kept
}
