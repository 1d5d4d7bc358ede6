//! What must hold of every assignment, over random groups.

use std::collections::BTreeMap;

use proptest::{collection::{btree_set, vec}, prelude::*};

use super::*;

fn topic(number: u8) -> Uuid {
    let mut id = [number; 16];
    id[0] = 0x40;
    Uuid(id)
}

fn member(number: usize) -> Text {
    Text::from(format!("member-{number:03}"))
}

/// A group with nobody owning anything.
fn spec(topics: &[i32], subscriptions: &[BTreeSet<u8>]) -> GroupSpec {
    let count = u8::try_from(topics.len()).unwrap();
    let members = subscriptions.iter().enumerate().map(|(number, topics)| {
        let topics = topics.iter().filter(|_| count > 0).map(|number| topic(number % count)).collect();
        (member(number), MemberSpec { topics, ..MemberSpec::default() })
    });
    GroupSpec { members: members.collect(), topics: (0..count).map(|number| (topic(number), topics[usize::from(number)])).collect() }
}

fn size(partitions: &Partitions) -> usize {
    partitions.values().map(BTreeSet::len).sum()
}

/// Every partition of a subscribed topic once, nothing else, nobody outside its subscription.
fn check(spec: &GroupSpec, assigned: &Assigned) {
    let mut owners: BTreeMap<(Uuid, i32), &Text> = BTreeMap::new();
    for (id, partitions) in assigned {
        for (topic, partitions) in partitions {
            assert!(spec.members[id].topics.contains(topic), "{id} does not subscribe to it");
            assert!(!partitions.is_empty());
            for partition in partitions {
                assert!(owners.insert((*topic, *partition), id).is_none(), "owned twice");
            }
        }
    }
    let subscribed: BTreeSet<Uuid> = spec.members.values().flat_map(|member| member.topics.iter().copied()).collect();
    let all = subscribed.iter().flat_map(|topic| (0..spec.topics[topic]).map(|partition| (*topic, partition)));
    assert_eq!(owners.into_keys().collect::<Vec<_>>(), all.collect::<Vec<_>>());
}

/// The same group, with the members owning what was assigned.
fn owning(spec: &GroupSpec, assigned: &Assigned) -> GroupSpec {
    let mut spec = spec.clone();
    for (id, member) in &mut spec.members {
        member.assigned = assigned.get(id).cloned().unwrap_or_default();
    }
    spec
}

/// How many partitions members that stay have lost.
fn lost(before: &Assigned, after: &Assigned) -> usize {
    let lost = |(id, partitions): (&Text, &Partitions)| {
        let Some(now) = after.get(id) else { return 0 };
        partitions
            .iter()
            .map(|(topic, partitions)| partitions.iter().filter(|partition| !now.get(topic).is_some_and(|now| now.contains(partition))).count())
            .sum()
    };
    before.iter().map(lost).sum()
}

fn loads(assigned: &Assigned) -> Vec<usize> {
    let mut loads: Vec<usize> = assigned.values().map(size).collect();
    loads.sort_unstable();
    loads
}

proptest! {
    #[test]
    fn all_is_assigned_once(topics in vec(0..20i32, 1..6), subscriptions in vec(btree_set(0u8..6, 0..5), 1..12)) {
        let spec = spec(&topics, &subscriptions);
        for assignor in [Assignor::Uniform, Assignor::Range] {
            let assigned = assignor.assign(&spec);
            check(&spec, &assigned);
            prop_assert_eq!(assignor.assign(&owning(&spec, &assigned)), assigned, "{} is not at rest", assignor.name());
        }
    }

    #[test]
    fn uniform_is_balanced_and_moves_only_what_it_must(
        topics in vec(0..20i32, 1..6), before in 1..12usize, gone in btree_set(0..12usize, 0..6), new in 0..6usize
    ) {
        let all: BTreeSet<u8> = (0..6).collect();
        let first = spec(&topics, &vec![all.clone(); before]);
        let assigned = Assignor::Uniform.assign(&first);
        check(&first, &assigned);
        let first_loads = loads(&assigned);
        prop_assert!(first_loads.last().unwrap() - first_loads[0] <= 1);

        let mut second = owning(&spec(&topics, &vec![all; before + new]), &assigned);
        second.members.retain(|id, _| !gone.iter().any(|number| member(*number) == *id));
        if second.members.is_empty() {
            return Ok(());
        }
        let after = Assignor::Uniform.assign(&second);
        check(&second, &after);
        let loads = loads(&after);
        prop_assert!(loads.last().unwrap() - loads[0] <= 1);
        // Nobody loses more than what is above the new share.
        let quota = loads[0];
        let above: usize = second.members.values().map(|member| size(&member.assigned).saturating_sub(quota)).sum();
        prop_assert!(lost(&assigned, &after) <= above);
        if new == 0 {
            prop_assert_eq!(lost(&assigned, &after), 0, "a member left, and another one that stays lost a partition");
        }
    }

    #[test]
    fn uniform_with_different_subscriptions_is_as_balanced_as_single_moves_can_make_it(
        topics in vec(0..20i32, 1..6), subscriptions in vec(btree_set(0u8..6, 0..5), 1..12), changed in btree_set(0u8..6, 0..5)
    ) {
        let first = spec(&topics, &subscriptions);
        let assigned = Assignor::Uniform.assign(&first);
        let mut subscriptions = subscriptions;
        subscriptions[0] = changed;
        let second = owning(&spec(&topics, &subscriptions), &assigned);
        let after = Assignor::Uniform.assign(&second);
        check(&second, &after);
        for (id, partitions) in &after {
            for topic in partitions.keys() {
                for (other_id, other) in second.members.iter().filter(|(_, other)| other.topics.contains(topic)) {
                    let theirs = after.get(other_id).map_or(0, size);
                    prop_assert!(size(partitions) <= theirs + 1, "{id} could give {other_id} a partition; {other:?}");
                }
            }
        }
    }

    #[test]
    fn range_gives_equal_numbers_in_topics_of_equal_size(partitions in 1..30i32, members in 1..12usize) {
        let spec = spec(&[partitions, partitions], &vec![(0..2).collect(); members]);
        let assigned = Assignor::Range.assign(&spec);
        check(&spec, &assigned);
        for own in assigned.values() {
            prop_assert_eq!(own.get(&topic(0)), own.get(&topic(1)));
        }
    }
}

#[test]
fn a_share_that_is_not_filled_leaves_the_extra_partition_to_who_has_it() {
    // 3 partitions: the second member has two and keeps both, because the first has fewer.
    let mut spec = spec(&[3], &[BTreeSet::from([0]), BTreeSet::from([0])]);
    spec.members.get_mut("member-001").unwrap().assigned = Partitions::from([(topic(0), BTreeSet::from([1, 2]))]);
    let assigned = Assignor::Uniform.assign(&spec);
    assert_eq!(assigned["member-001"], Partitions::from([(topic(0), BTreeSet::from([1, 2]))]));
    assert_eq!(assigned["member-000"], Partitions::from([(topic(0), BTreeSet::from([0]))]));
}

#[test]
fn static_members_keep_their_ranges_under_new_ids() {
    let mut spec = spec(&[4], &[BTreeSet::from([0]), BTreeSet::from([0])]);
    spec.members.get_mut("member-000").unwrap().instance_id = Some(Text::from_static("b"));
    spec.members.get_mut("member-001").unwrap().instance_id = Some(Text::from_static("a"));
    let assigned = Assignor::Range.assign(&spec);
    assert_eq!(assigned["member-001"], Partitions::from([(topic(0), BTreeSet::from([0, 1]))]));
    assert_eq!(Assignor::from_name("range"), Some(Assignor::Range));
    assert_eq!(Assignor::from_name("sticky"), None);
}
