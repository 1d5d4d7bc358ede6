//! The assignor `range`: every topic is cut into consecutive ranges, one for each subscriber.
//!
//! Pure. Static members come first, by instance id, so that they keep their ranges when they come back under new member ids.

use std::collections::BTreeMap;

use super::{Assigned, GroupSpec, MemberSpec};
use crate::types::{Text, Uuid};

/// How a topic is cut.
#[derive(Debug)]
struct Cut {
    partitions: i32,
    /// What everyone gets.
    quota: i32,
    /// How many more members get one more.
    extra: i32,
    /// The first partition that nobody has got yet.
    next: i32,
}

pub(super) fn assign(spec: &GroupSpec) -> Assigned {
    let mut members: Vec<(&Text, &MemberSpec)> = spec.members.iter().collect();
    members.sort_by(|(left_id, left), (right_id, right)| match (&left.instance_id, &right.instance_id) {
        (Some(left), Some(right)) => left.cmp(right),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => left_id.cmp(right_id),
    });
    let mut cuts = cuts(spec);
    let mut assigned = Assigned::new();
    for (id, member) in members {
        let own = assigned.entry(id.clone()).or_default();
        for topic in &member.topics {
            let Some(cut) = cuts.get_mut(topic) else { continue };
            let mut count = cut.quota;
            if cut.extra > 0 {
                cut.extra -= 1;
                count += 1;
            }
            let end = cut.next.saturating_add(count).min(cut.partitions);
            if cut.next < end {
                own.insert(*topic, (cut.next..end).collect());
            }
            cut.next = end;
        }
    }
    assigned
}

fn cuts(spec: &GroupSpec) -> BTreeMap<Uuid, Cut> {
    let mut subscribers: BTreeMap<Uuid, i32> = BTreeMap::new();
    for topic in spec.members.values().flat_map(|member| &member.topics) {
        *subscribers.entry(*topic).or_default() += 1;
    }
    let cut = |(topic, subscribers): (Uuid, i32)| {
        let partitions = spec.partitions_of(topic);
        (topic, Cut { partitions, quota: partitions / subscribers, extra: partitions % subscribers, next: 0 })
    };
    subscribers.into_iter().map(cut).collect()
}
