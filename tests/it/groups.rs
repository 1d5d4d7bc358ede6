//! Consumer groups over the wire: the work is shared, positions are kept, and a killed broker forgets nothing that it
//! acknowledged.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bytes::Bytes;
use corelog::{
    protocol::messages::{
        delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse},
        describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse},
        list_groups::{ListGroupsRequest, ListGroupsResponse},
    },
    types::Text,
};

use crate::support::{
    Broker, Kafka, Wire, broker,
    group::{self, Member},
    kafka, talk, turn,
};

const TOPIC: &str = "orders";

/// What the broker is told so that a first rebalance does not take 3 s.
const QUICK: &str = "group.initial.rebalance.delay.ms=200";

fn listed(wire: &mut Wire) -> Vec<(String, String)> {
    let answer = group::insist(|| {
        let answer: ListGroupsResponse = wire.call(&ListGroupsRequest::default(), 5);
        (answer.error_code, answer)
    });
    assert_eq!(answer.error_code, 0);
    let mut groups: Vec<_> = answer.groups.iter().map(|group| (group.group_id.to_string(), group.group_state.to_string())).collect();
    groups.sort();
    groups
}

/// A broker with the topic, where group `g` has a coordinator; and a connection to it.
fn broker_of_groups(partitions: i32) -> (Broker, Wire) {
    let broker = Broker::start(&[QUICK]);
    let mut wire = broker.connect();
    talk::create_topic(&mut wire, TOPIC, partitions, &[]);
    group::find_coordinator(&mut wire, "g");
    (broker, wire)
}

/// Two members of group `g` in a stable generation, each with its connection.
fn two_members(broker: &Broker) -> Vec<(Wire, Member)> {
    let mut members: Vec<(Wire, Member)> = (0..2)
        .map(|_| {
            let mut wire = broker.connect();
            let member = Member::new(&mut wire, "g");
            (wire, member)
        })
        .collect();
    rebalance(&mut members);
    members
}

/// Everyone joins and syncs; everyone must get what the leader assigned to it.
fn rebalance(members: &mut [(Wire, Member)]) {
    for (wire, member) in members.iter_mut() {
        member.join(wire);
    }
    for (wire, member) in members.iter_mut() {
        member.joined(wire);
    }
    assert_eq!(members.iter().filter(|(_, member)| member.leads).count(), 1);
    for (wire, member) in members.iter_mut() {
        member.sync(wire);
    }
    for (wire, member) in members.iter_mut() {
        assert_eq!(member.synced(wire), Bytes::copy_from_slice(member.id.as_bytes()));
    }
}

#[test]
fn members_share_the_work_and_carry_on_when_the_broker_comes_back() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let (mut broker, mut wire) = broker_of_groups(2);
    let mut members = two_members(&broker);
    for (index, (wire, member)) in (0..).zip(&mut members) {
        assert_eq!(member.heartbeat(wire), 0);
        assert_eq!(member.commit(wire, TOPIC, index, 100 + i64::from(index)).unwrap(), 0);
    }
    assert_eq!(members[0].1.commit(&mut wire, "no-such-topic", 0, 1).unwrap(), 3);
    let described = |wire: &mut Wire| -> DescribeGroupsResponse {
        wire.call(&DescribeGroupsRequest { groups: vec![Text::from_static("g"), Text::from_static("none")], ..Default::default() }, 6)
    };
    let before = described(&mut wire);
    assert_eq!((before.groups[0].group_state.as_str(), before.groups[0].members.len(), before.groups[1].error_code), ("Stable", 2, 69));
    assert_eq!(before.groups[0].members[0].client_host, "/127.0.0.1");

    for kill in [true, false] {
        if kill {
            broker.kill();
        } else {
            broker.stop();
        }
        broker.restart();
        let mut wire = broker.connect();
        group::find_coordinator(&mut wire, "g");
        for (index, (connection, member)) in (0..).zip(&mut members) {
            *connection = broker.connect();
            // No rejoin: the generation still holds.
            assert_eq!(member.heartbeat(connection), 0);
            assert_eq!(group::position(connection, "g", TOPIC, index), (100 + i64::from(index), format!("at {}", 100 + index)));
        }
        assert_eq!(described(&mut wire).groups[0].members, before.groups[0].members);
        assert_eq!(listed(&mut wire), [("g".to_owned(), "Stable".to_owned())]);
    }

    let (mut leaver, stays) = {
        let mut members = members.into_iter();
        (members.next().unwrap(), members.next().unwrap())
    };
    assert_eq!(leaver.1.leave(&mut leaver.0), 0);
    let mut rest = [stays];
    assert_eq!(rest[0].1.heartbeat(&mut rest[0].0), 27);
    rebalance(&mut rest);
    let delete = |wire: &mut Wire| -> i16 {
        let answer: DeleteGroupsResponse = wire.call(&DeleteGroupsRequest { groups_names: vec![Text::from_static("g")] }, 2);
        answer.results[0].error_code
    };
    let mut wire = broker.connect();
    assert_eq!(delete(&mut wire), 68);
    assert_eq!(rest[0].1.leave(&mut rest[0].0), 0);
    assert_eq!((delete(&mut wire), delete(&mut wire)), (0, 69));
    assert_eq!((group::position(&mut wire, "g", TOPIC, 0).0, listed(&mut wire).len()), (-1, 0));
}

#[test]
fn positions_end_with_their_topic() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let (mut broker, mut wire) = broker_of_groups(1);
    group::insist(|| (group::commit(&mut wire, "simple", ("", -1), TOPIC, &[(0, 7)]).unwrap(), ()));
    assert_eq!(group::position(&mut wire, "simple", TOPIC, 0).0, 7);
    talk::delete_topic(&mut wire, TOPIC);
    let deadline = Instant::now() + Duration::from_secs(10);
    while group::position(&mut wire, "simple", TOPIC, 0).0 != -1 {
        assert!(Instant::now() < deadline, "the position outlives its topic");
        thread::sleep(Duration::from_millis(20));
    }
    talk::create_topic(&mut wire, TOPIC, 1, &[]);
    broker.kill();
    broker.restart();
    let mut wire = broker.connect();
    assert_eq!(group::position(&mut wire, "simple", TOPIC, 0).0, -1);
}

#[test]
fn kafka_carries_on_the_groups_that_we_wrote() {
    if !broker::serves() || !kafka::installed() {
        return;
    }
    let (_machine, _jvm) = (turn::shared(), turn::jvm());
    let (mut broker, mut wire) = broker_of_groups(2);
    let mut members = two_members(&broker);
    let (connection, member) = &mut members[0];
    assert_eq!(member.commit(connection, TOPIC, 1, 41).unwrap(), 0);
    group::insist(|| (group::commit(&mut wire, "simple", ("", -1), TOPIC, &[(0, 7)]).unwrap(), ()));
    broker.stop();
    let mut shown = String::new();
    for partition in 0..50 {
        let log = broker.data().join(format!("__consumer_offsets-{partition}")).join("00000000000000000000.log");
        if std::fs::metadata(&log).unwrap().len() > 0 {
            let output = kafka::tool("org.apache.kafka.tools.DumpLogSegments", &["--offsets-decoder", "--files", log.to_str().unwrap()]);
            assert!(output.status.success());
            shown += &String::from_utf8_lossy(&output.stdout);
        }
    }
    for part in ["\"group\":\"g\"", "\"group\":\"simple\"", "\"protocol\":\"range\"", "\"offset\":41", &format!("\"memberId\":\"{}\"", members[0].1.id)] {
        assert!(shown.contains(part), "the tool does not show {part}:\n{shown}");
    }
    let mut kafka = Kafka::start_on(&broker.data(), &[]);
    let mut wire = Wire::connect(kafka.port()).unwrap();
    let started = Instant::now();
    while talk::leaders(&mut wire, "__consumer_offsets") < 50 {
        assert!(started.elapsed().as_secs() < 30, "Kafka does not lead all partitions:\n{}", kafka.log());
        thread::sleep(Duration::from_millis(50));
    }
    group::find_coordinator(&mut wire, "g");
    assert_eq!(group::position(&mut wire, "g", TOPIC, 1), (41, "at 41".to_owned()));
    assert_eq!(group::position(&mut wire, "simple", TOPIC, 0).0, 7);
    for (connection, member) in &mut members {
        *connection = Wire::connect(kafka.port()).unwrap();
        assert_eq!(member.heartbeat(connection), 0, "the generation holds for Kafka too");
    }
    kafka.stop();
}

/// A client that commits ever higher positions and remembers the last one that was acknowledged.
fn committer(port: u16, name: String, stop: Arc<AtomicBool>, acknowledged: Arc<AtomicI64>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut position = 0;
        while !stop.load(Ordering::Relaxed) {
            let Ok(mut wire) = Wire::connect(port) else {
                thread::sleep(Duration::from_millis(5));
                continue;
            };
            wire.set_patience(Duration::from_secs(10));
            while !stop.load(Ordering::Relaxed) {
                position += 1;
                match group::commit(&mut wire, &name, ("", -1), TOPIC, &[(0, position), (1, position)]) {
                    Ok(0) => acknowledged.store(position, Ordering::Relaxed),
                    // Loads, or has just begun.
                    Ok(3 | 14 | 15 | 16) => thread::sleep(Duration::from_millis(5)),
                    Ok(error) => panic!("{name}: error {error}"),
                    Err(_) => break,
                }
            }
        }
    })
}

#[test]
fn no_acknowledged_position_is_lost_when_the_broker_is_killed() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let rounds = std::env::var("CORELOG_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let (mut broker, _) = broker_of_groups(2);
    let stop = Arc::new(AtomicBool::new(false));
    // As long as nothing was acknowledged, there may be no position.
    let groups: Vec<(String, Arc<AtomicI64>)> = (0..8).map(|index| (format!("group-{index}"), Arc::new(AtomicI64::new(-1)))).collect();
    let committers: Vec<_> =
        groups.iter().map(|(name, acknowledged)| committer(broker.port(), name.clone(), Arc::clone(&stop), Arc::clone(acknowledged))).collect();
    for round in 0..rounds {
        thread::sleep(Duration::from_millis(100 + (round * 173) % 500));
        broker.kill();
        let floor: Vec<i64> = groups.iter().map(|(_, acknowledged)| acknowledged.load(Ordering::Relaxed)).collect();
        broker.restart();
        let mut wire = broker.connect();
        for ((name, _), floor) in groups.iter().zip(floor) {
            for partition in 0..2 {
                let (position, _) = group::position(&mut wire, name, TOPIC, partition);
                assert!(position >= floor, "{name}: {position} after the restart, {floor} was acknowledged");
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    for committer in committers {
        committer.join().expect("a committer found a fault");
    }
    let mut wire = broker.connect();
    let mut commits = 0;
    for (name, acknowledged) in &groups {
        let acknowledged = acknowledged.load(Ordering::Relaxed);
        assert!(acknowledged > 0, "{name} never got through");
        assert!(group::position(&mut wire, name, TOPIC, 0).0 >= acknowledged);
        commits += acknowledged;
    }
    eprintln!("{rounds} kills, about {commits} commits");
}
