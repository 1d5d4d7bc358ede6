//! Single partitions through what can happen to their brokers. What a real Kafka 4.3 wrote in the same situation is said
//! beside each case.

use super::election::*;
use crate::{
    metadata::{
        image::PartitionImage,
        records::{MetadataRecord, PartitionChangeRecord},
    },
    types::{LeaderEpoch, NodeId, Uuid},
};

const DIR: Uuid = Uuid([7; 16]);

fn ids(ids: &[i32]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

/// A partition of these replicas, with this ISR and leader.
fn partition(replicas: &[i32], isr: &[i32], leader: Option<i32>) -> PartitionImage {
    PartitionImage {
        replicas: ids(replicas),
        directories: vec![DIR; replicas.len()],
        isr: ids(isr),
        removing_replicas: vec![],
        adding_replicas: vec![],
        eligible_leader_replicas: vec![],
        last_known_elr: vec![],
        leader: leader.map(NodeId),
        leader_epoch: LeaderEpoch(3),
        partition_epoch: 5,
        leader_recovering: false,
    }
}

/// What changes if the ISR is to be `isr` and `able` can lead.
fn changed(partition: &PartitionImage, isr: &[i32], able: &[i32], rules: impl FnOnce(&mut Rules<'_>)) -> Option<PartitionChangeRecord> {
    let able = ids(able);
    let can_lead = |replica: NodeId, directory: Uuid| directory == DIR && able.contains(&replica);
    let mut all =
        Rules { keeps_eligible_leaders: false, min_insync_replicas: 1, unclean: false, lost_data: None, can_lead: &can_lead };
    rules(&mut all);
    match change(Uuid::ONE, 0, partition, ids(isr), &all)? {
        MetadataRecord::PartitionChange(record) => Some(record),
        other => panic!("{other:?}"),
    }
}

fn record() -> PartitionChangeRecord {
    PartitionChangeRecord { partition_id: 0, topic_id: Uuid::ONE, ..Default::default() }
}

fn elr(rules: &mut Rules<'_>) {
    rules.keeps_eligible_leaders = true;
}

#[test]
fn the_only_replica_goes_and_comes() {
    let led = partition(&[1], &[1], Some(1));
    // {"leader":-1}: the ISR keeps its last member.
    assert_eq!(changed(&led, &[], &[], |_| {}), Some(PartitionChangeRecord { leader: -1, ..record() }));
    let left = partition(&[1], &[1], None);
    // {"leader":1}
    assert_eq!(changed(&left, &[1], &[1], |_| {}), Some(PartitionChangeRecord { leader: 1, ..record() }));
    assert_eq!(changed(&led, &[1], &[1], |_| {}), None, "nothing to change");
    assert_eq!(changed(&left, &[1], &[], |_| {}), None, "still nobody");
}

#[test]
fn with_eligible_leaders_the_only_replica_is_remembered() {
    let led = partition(&[1], &[1], Some(1));
    // {"isr":[],"leader":-1,"eligibleLeaderReplicas":[1],"lastKnownElr":[1]}
    let gone = PartitionChangeRecord {
        isr: Some(vec![]),
        leader: -1,
        eligible_leader_replicas: Some(vec![1]),
        last_known_elr: Some(vec![1]),
        ..record()
    };
    assert_eq!(changed(&led, &[], &[], elr), Some(gone));
    let left = PartitionImage { eligible_leader_replicas: ids(&[1]), last_known_elr: ids(&[1]), ..partition(&[1], &[], None) };
    // {"isr":[1],"leader":1,"eligibleLeaderReplicas":[],"lastKnownElr":[]}
    let back = PartitionChangeRecord {
        isr: Some(vec![1]),
        leader: 1,
        eligible_leader_replicas: Some(vec![]),
        last_known_elr: Some(vec![]),
        ..record()
    };
    assert_eq!(changed(&left, &[], &[1], elr), Some(back));

    // It comes back without its data: {"eligibleLeaderReplicas":[]}, and then an unclean election is all there is:
    // {"isr":[1],"leader":1,"leaderRecoveryState":1,"lastKnownElr":[]}.
    let lost = changed(&left, &[], &[], |rules| {
        elr(rules);
        rules.lost_data = Some(NodeId(1));
    });
    assert_eq!(lost, Some(PartitionChangeRecord { eligible_leader_replicas: Some(vec![]), ..record() }));
    let unknown = PartitionImage { eligible_leader_replicas: vec![], ..left };
    let recovering =
        PartitionChangeRecord { isr: Some(vec![1]), leader: 1, leader_recovery_state: 1, last_known_elr: Some(vec![]), ..record() };
    assert_eq!(changed(&unknown, &[], &[1], elr), Some(recovering));
}

#[test]
fn another_member_of_the_isr_takes_over() {
    let led = partition(&[1, 2, 3], &[1, 3], Some(1));
    let expected = PartitionChangeRecord { isr: Some(vec![3]), leader: 3, ..record() };
    assert_eq!(changed(&led, &[3], &[2, 3], |_| {}), Some(expected));
    // Who is not in sync leads only if unclean elections are allowed, and then alone.
    let expected = PartitionChangeRecord { isr: Some(vec![2]), leader: 2, leader_recovery_state: 1, ..record() };
    assert_eq!(changed(&led, &[], &[2], |rules| rules.unclean = true), Some(expected));
    assert_eq!(changed(&led, &[], &[2], |_| {}), Some(PartitionChangeRecord { leader: -1, ..record() }));
}

#[test]
fn a_replica_in_a_failed_directory_cannot_lead() {
    let mut led = partition(&[1, 2], &[1, 2], Some(1));
    led.directories[1] = Uuid([9; 16]);
    let expected = PartitionChangeRecord { isr: Some(vec![2]), leader: -1, ..record() };
    assert_eq!(changed(&led, &[2], &[1, 2], |_| {}), Some(expected));
}

#[test]
fn an_isr_below_the_minimum_is_backed_by_eligible_leaders() {
    let led = partition(&[1, 2, 3], &[1, 2, 3], Some(1));
    let two = |rules: &mut Rules<'_>| {
        elr(rules);
        rules.min_insync_replicas = 2;
    };
    let expected = PartitionChangeRecord { isr: Some(vec![1]), eligible_leader_replicas: Some(vec![2, 3]), ..record() };
    assert_eq!(changed(&led, &[1], &[1], two), Some(expected));
    assert_eq!(changed(&led, &[1, 2], &[1, 2], two), Some(PartitionChangeRecord { isr: Some(vec![1, 2]), ..record() }));
}
