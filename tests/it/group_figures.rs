//! What consumer groups cost a broker: the figures of `docs/performance.md`, printed. One behaviour is asserted on the way: nothing
//! that was committed is missing after the restart.
//!
//! `cargo test --release --test it -- --ignored --nocapture ten_thousand`, on a machine that does nothing else.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use corelog::{
    protocol::messages::{
        consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse},
        heartbeat::{HeartbeatRequest, HeartbeatResponse},
        list_groups::{ListGroupsRequest, ListGroupsResponse},
    },
    types::Text,
};

use crate::support::{
    Broker, Wire, broker,
    group::{self, Member},
    talk, turn,
};

const TOPIC: &str = "orders";
const COUNT: i32 = 10_000;
/// Members whose heartbeats come at once, each with a connection of its own.
const AT_ONCE: usize = 100;
/// Nobody is late while all the others join.
const SETTINGS: &[&str] = &[
    "group.initial.rebalance.delay.ms=0",
    "group.max.session.timeout.ms=1800000",
    "group.consumer.session.timeout.ms=600000",
    "group.consumer.max.session.timeout.ms=600000",
];

fn broker_with(partitions: i32) -> (Broker, Wire) {
    let broker = Broker::start(SETTINGS);
    let mut wire = broker.connect();
    talk::create_topic(&mut wire, TOPIC, partitions, &[]);
    talk::list_offset(&mut wire, TOPIC, partitions - 1, -1);
    group::find_coordinator(&mut wire, "g");
    (broker, wire)
}

fn commit(wire: &mut Wire, name: &str, positions: &[(i32, i64)]) {
    let error = group::insist(|| {
        let error = group::commit(wire, name, ("", -1), TOPIC, positions).unwrap();
        (error, error)
    });
    assert_eq!(error, 0);
}

/// Stops and starts the broker; its resident memory once all partitions of `__consumer_offsets` have been read, in KiB, and how
/// long after its ports were open that was.
fn restart(broker: &mut Broker, groups: usize) -> (u64, Duration) {
    broker.stop();
    broker.restart();
    let started = Instant::now();
    let mut wire = broker.connect();
    let listed = group::insist(|| {
        let answer: ListGroupsResponse = wire.call(&ListGroupsRequest::default(), 5);
        (answer.error_code, answer.groups.len())
    });
    let after = started.elapsed();
    assert_eq!(listed, groups);
    (broker.process().resident_bytes() / 1024, after)
}

/// The time and the CPU of the broker that `COUNT` calls of `happen` take.
fn measure(what: &str, broker: &Broker, mut happen: impl FnMut(usize)) {
    let (started, cpu) = (Instant::now(), broker.process().cpu_time());
    (0..usize::try_from(COUNT).unwrap()).for_each(&mut happen);
    eprintln!("{COUNT} {what}: {:?}, {:?} of CPU", started.elapsed(), broker.process().cpu_time() - cpu);
}

#[test]
#[ignore = "takes minutes in a debug build; it prints figures"]
fn ten_thousand_groups() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::alone();
    let (mut broker, _) = broker_with(1);
    let (none_kib, _) = restart(&mut broker, 0);
    let mut wire = broker.connect();
    measure("groups with one committed position each", &broker, |index| {
        commit(&mut wire, &format!("group-{index}"), &[(0, i64::try_from(index).unwrap())]);
    });
    let (all_kib, listed) = restart(&mut broker, 10_000);
    eprintln!("restart: ports open after {:?}, all groups listed {listed:?} later", broker.start_up);
    eprintln!("memory: {all_kib} KiB after the restart, {none_kib} KiB after one without groups");
    assert_eq!(group::position(&mut broker.connect(), "group-9999", TOPIC, 0).0, 9_999);
}

#[test]
#[ignore = "takes minutes in a debug build; it prints figures"]
fn ten_thousand_commits_of_a_hundred_positions_are_read_again() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::alone();
    let (mut broker, mut wire) = broker_with(100);
    measure("commits of 100 positions", &broker, |index| {
        let positions: Vec<(i32, i64)> = (0..100).map(|partition| (partition, i64::try_from(index).unwrap())).collect();
        commit(&mut wire, "g", &positions);
    });
    let (_, read) = restart(&mut broker, 1);
    eprintln!("restart: ports open after {:?}, all records read {read:?} later", broker.start_up);
    for line in broker.log().lines().filter(|line| line.contains("the groups are loaded")) {
        eprintln!("{line}");
    }
    assert_eq!(group::position(&mut broker.connect(), "g", TOPIC, 99).0, 9_999);
}

/// The same for a call of each member over a connection of its own, `AT_ONCE` of them at a time, as members that know nothing of each
/// other send them.
fn measure_at_once(what: &str, broker: &Broker, mut send: impl FnMut(usize, &mut Wire), mut receive: impl FnMut(usize, &mut Wire)) {
    let mut wires: Vec<Wire> = (0..AT_ONCE).map(|_| broker.connect()).collect();
    let members: Vec<usize> = (0..usize::try_from(COUNT).unwrap()).collect();
    let (started, cpu) = (Instant::now(), broker.process().cpu_time());
    for members in members.chunks(AT_ONCE) {
        members.iter().zip(&mut wires).for_each(|(member, wire)| send(*member, wire));
        members.iter().zip(&mut wires).for_each(|(member, wire)| receive(*member, wire));
    }
    eprintln!("{COUNT} {what}, {AT_ONCE} at a time: {:?}, {:?} of CPU", started.elapsed(), broker.process().cpu_time() - cpu);
}

/// Each member is alone in its group: nobody waits for anybody.
#[test]
#[ignore = "takes minutes in a debug build; it prints figures"]
fn ten_thousand_members_beat() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::alone();
    let (broker, mut wire) = broker_with(1);
    let mut classic = Vec::new();
    measure("ids of classic members", &broker, |index| {
        let mut member = Member::new(&mut wire, &format!("classic-{index}"));
        member.session_timeout_ms = 1_800_000;
        classic.push(member);
    });
    let classic = RefCell::new(classic);
    measure_at_once(
        "joins of classic members",
        &broker,
        |index, wire| classic.borrow()[index].join(wire),
        |index, wire| classic.borrow_mut()[index].joined(wire),
    );
    measure_at_once(
        "syncs of classic members",
        &broker,
        |index, wire| classic.borrow()[index].sync(wire),
        |index, wire| _ = classic.borrow()[index].synced(wire),
    );
    let classic = classic.into_inner();
    measure("heartbeats of classic members, one by one", &broker, |index| assert_eq!(classic[index].heartbeat(&mut wire), 0));
    let request = |index: usize| HeartbeatRequest {
        group_id: classic[index].group.clone(),
        generation_id: classic[index].generation,
        member_id: classic[index].id.clone(),
        group_instance_id: None,
    };
    measure_at_once(
        "heartbeats of classic members",
        &broker,
        |index, wire| wire.send(&request(index), 4).unwrap(),
        |_, wire| assert_eq!(wire.receive::<HeartbeatResponse>(4).unwrap().error_code, 0),
    );

    let request = |index: usize| ConsumerGroupHeartbeatRequest {
        group_id: Text::from(format!("modern-{index}")),
        member_id: Text::from(format!("member-{index}")),
        ..ConsumerGroupHeartbeatRequest::default()
    };
    let mut epochs = Vec::new();
    measure("members of the consumer protocol join", &broker, |index| {
        let request = ConsumerGroupHeartbeatRequest {
            rebalance_timeout_ms: 60_000,
            subscribed_topic_names: Some(vec![Text::from(TOPIC)]),
            topic_partitions: Some(Vec::new()),
            ..request(index)
        };
        let answer = group::insist(|| {
            let answer: ConsumerGroupHeartbeatResponse = wire.call(&request, 1);
            (answer.error_code, answer)
        });
        assert_eq!((answer.error_code, answer.assignment.map(|assignment| assignment.topic_partitions.len())), (0, Some(1)));
        epochs.push(answer.member_epoch);
    });
    let request = |index: usize| ConsumerGroupHeartbeatRequest { member_epoch: epochs[index], ..request(index) };
    let check = |index: usize, answer: ConsumerGroupHeartbeatResponse| assert_eq!((answer.error_code, answer.member_epoch), (0, epochs[index]));
    measure("heartbeats of the consumer protocol, one by one", &broker, |index| check(index, wire.call(&request(index), 1)));
    measure_at_once(
        "heartbeats of the consumer protocol",
        &broker,
        |index, wire| wire.send(&request(index), 1).unwrap(),
        |index, wire| check(index, wire.receive(1).unwrap()),
    );
}
