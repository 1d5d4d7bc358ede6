//! The assignor `uniform` where members subscribe to different topics: as balanced as the subscriptions allow, and sticky.
//!
//! Pure. Members keep what they own; free partitions go to the least loaded subscriber, topics with the most partitions per
//! subscriber first; then partitions move from the most to the least loaded subscriber of a topic, topic by topic, until a
//! whole round changes nothing. The rounds are bounded: where subscriptions overlap in odd ways, the last bit of balance is not
//! worth the time.

use std::{cmp::Ordering, collections::BTreeMap};

use super::{Assigned, GroupSpec};
use crate::types::{Text, Uuid};

/// How often all topics are looked at; each round moves the whole towards balance, and almost always two are enough.
const ROUNDS_MAX: usize = 16;

pub(super) fn assign(spec: &GroupSpec) -> Assigned {
    let mut balance = Balance::new(spec);
    balance.keep_what_is_owned(spec);
    let topics = balance.sorted_topics();
    balance.assign_free(&topics);
    balance.even_out(&topics);
    balance.finish(spec)
}

/// A topic with those who may own its partitions.
#[derive(Debug)]
struct Topic {
    /// Indexes of members, ascending.
    subscribers: Vec<usize>,
    /// Index of the owner of each partition.
    owners: Vec<Option<usize>>,
}

#[derive(Debug)]
struct Balance {
    members: Vec<Text>,
    /// How many partitions each member has.
    loads: Vec<usize>,
    topics: BTreeMap<Uuid, Topic>,
}

impl Balance {
    fn new(spec: &GroupSpec) -> Self {
        let mut topics: BTreeMap<Uuid, Topic> = BTreeMap::new();
        for (index, member) in spec.members.values().enumerate() {
            for topic in &member.topics {
                let partitions = usize::try_from(spec.partitions_of(*topic)).unwrap_or(0);
                let topic = topics.entry(*topic).or_insert_with(|| Topic { subscribers: Vec::new(), owners: vec![None; partitions] });
                topic.subscribers.push(index);
            }
        }
        Self { members: spec.members.keys().cloned().collect(), loads: vec![0; spec.members.len()], topics }
    }

    fn keep_what_is_owned(&mut self, spec: &GroupSpec) {
        for (index, member) in spec.members.values().enumerate() {
            for (topic, partitions) in member.assigned.iter().filter(|(topic, _)| member.topics.contains(topic)) {
                let Some(topic) = self.topics.get_mut(topic) else { continue };
                for partition in partitions {
                    let slot = usize::try_from(*partition).ok().and_then(|partition| topic.owners.get_mut(partition));
                    if let Some(owner @ None) = slot {
                        *owner = Some(index);
                        self.loads[index] += 1;
                    }
                }
            }
        }
    }

    /// Most partitions per subscriber first, then fewest subscribers.
    fn sorted_topics(&self) -> Vec<Uuid> {
        let mut topics: Vec<(Uuid, usize, usize)> =
            self.topics.iter().map(|(id, topic)| (*id, topic.owners.len(), topic.subscribers.len())).collect();
        topics.sort_by(|(left_id, left, left_subscribers), (right_id, right, right_subscribers)| {
            // a/b > c/d, without division.
            let density: Ordering = (right * left_subscribers).cmp(&(left * right_subscribers));
            density.then(left_subscribers.cmp(right_subscribers)).then(left_id.cmp(right_id))
        });
        topics.into_iter().map(|(id, _, _)| id).collect()
    }

    fn assign_free(&mut self, topics: &[Uuid]) {
        for id in topics {
            let Some(topic) = self.topics.get_mut(id) else { continue };
            let mut queue: std::collections::BTreeSet<(usize, usize)> =
                topic.subscribers.iter().map(|member| (self.loads[*member], *member)).collect();
            for owner in topic.owners.iter_mut().filter(|owner| owner.is_none()) {
                let Some((load, member)) = queue.pop_first() else { break };
                *owner = Some(member);
                self.loads[member] = load + 1;
                queue.insert((load + 1, member));
            }
        }
    }

    fn even_out(&mut self, topics: &[Uuid]) {
        // Topics of one subscriber cannot move.
        let movable: Vec<Uuid> =
            topics.iter().copied().filter(|id| self.topics.get(id).is_some_and(|topic| topic.subscribers.len() > 1)).collect();
        // Once round without a change, wherever the round began, and it is over.
        let mut unchanged = 0;
        for id in std::iter::repeat_n(&movable, ROUNDS_MAX).flatten() {
            unchanged = if self.even_out_topic(*id) { 0 } else { unchanged + 1 };
            if unchanged >= movable.len() {
                return;
            }
        }
    }

    /// Moves partitions of a topic until no two of its subscribers differ by more than one, or nothing is left to move.
    fn even_out_topic(&mut self, id: Uuid) -> bool {
        let Some(topic) = self.topics.get_mut(&id) else { return false };
        let mut owned: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (partition, owner) in topic.owners.iter().enumerate() {
            if let Some(owner) = owner {
                owned.entry(*owner).or_default().push(partition);
            }
        }
        let mut takers: std::collections::BTreeSet<(usize, usize)> =
            topic.subscribers.iter().map(|member| (self.loads[*member], *member)).collect();
        let mut givers = takers.clone();
        let mut changed = false;
        while let (Some((least, taker)), Some((most, giver))) = (takers.first().copied(), givers.last().copied()) {
            if most <= least + 1 {
                break;
            }
            let Some(partition) = owned.get_mut(&giver).and_then(Vec::pop) else {
                // It is loaded with other topics.
                givers.remove(&(most, giver));
                continue;
            };
            topic.owners[partition] = Some(taker);
            owned.entry(taker).or_default().push(partition);
            for (member, from, to) in [(giver, most, most - 1), (taker, least, least + 1)] {
                takers.remove(&(from, member));
                takers.insert((to, member));
                if givers.remove(&(from, member)) {
                    givers.insert((to, member));
                }
                self.loads[member] = to;
            }
            changed = true;
        }
        changed
    }

    fn finish(self, spec: &GroupSpec) -> Assigned {
        let mut assigned: Assigned = spec.members.keys().map(|id| (id.clone(), super::Partitions::new())).collect();
        for (id, topic) in &self.topics {
            for (partition, owner) in (0..).zip(&topic.owners) {
                let member = owner.and_then(|owner| self.members.get(owner)).and_then(|member| assigned.get_mut(member));
                if let Some(own) = member {
                    own.entry(*id).or_default().insert(partition);
                }
            }
        }
        assigned
    }
}
