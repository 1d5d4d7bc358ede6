//! The protocol, request by request; what is expected is what Kafka 4.3 does.

use super::fixture::{World, beat, join, partitions, remove_topic, set_topic, topic_id};
use crate::{
    protocol::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest,
    types::{ErrorCode, Text},
};

#[test]
fn a_partition_goes_to_another_member_only_after_it_was_given_back() {
    let mut world = World::new(&[("t", 4)]);
    let first = world.heartbeat(&join("a", &["t"])).unwrap();
    assert_eq!((first.member_epoch, first.heartbeat_interval_ms), (2, 5_000), "the first epoch of Kafka 4.3");
    assert_eq!(first.assignment.unwrap().topic_partitions, [partitions("t", &[0, 1, 2, 3])]);

    let second = world.heartbeat(&join("b", &["t"])).unwrap();
    assert_eq!((second.member_epoch, second.assignment.unwrap().topic_partitions), (3, vec![]));
    assert_eq!(world.group.state_name(), "Reconciling");

    // It is told to give two back, and says nothing: nothing moves.
    let told = world.heartbeat(&beat("a", 2)).unwrap();
    assert_eq!((told.member_epoch, told.assignment.unwrap().topic_partitions), (2, vec![partitions("t", &[0, 1])]));
    assert_eq!(world.heartbeat(&beat("a", 2)).unwrap().assignment, None);
    assert_eq!(world.heartbeat(&beat("b", 3)).unwrap().assignment, None);

    let given_back = ConsumerGroupHeartbeatRequest { topic_partitions: Some(vec![partitions("t", &[0, 1])]), ..beat("a", 2) };
    let moved = world.heartbeat(&given_back).unwrap();
    assert_eq!((moved.member_epoch, moved.assignment), (3, None));
    let got = world.heartbeat(&beat("b", 3)).unwrap();
    assert_eq!((got.member_epoch, got.assignment.unwrap().topic_partitions), (3, vec![partitions("t", &[2, 3])]));
    assert_eq!(world.group.state_name(), "Stable");
}

#[test]
fn epochs_are_checked() {
    let mut world = World::new(&[("t", 2)]);
    assert_eq!(world.refused(&beat("a", 1)), ErrorCode::UnknownMemberId);
    world.heartbeat(&join("a", &["t"])).unwrap();
    assert_eq!(world.refused(&beat("a", 3)), ErrorCode::FencedMemberEpoch);
    assert_eq!(world.refused(&beat("a", 1)), ErrorCode::FencedMemberEpoch);
    world.heartbeat(&join("b", &["t"])).unwrap();
    let given_back = ConsumerGroupHeartbeatRequest { topic_partitions: Some(vec![partitions("t", &[0])]), ..beat("a", 2) };
    world.heartbeat(&beat("a", 2)).unwrap();
    assert_eq!(world.heartbeat(&given_back).unwrap().member_epoch, 3);
    // The answer was lost: the epoch before is taken with what the member has had at most.
    assert_eq!(world.heartbeat(&given_back).unwrap().member_epoch, 3);
    let too_much = ConsumerGroupHeartbeatRequest { topic_partitions: Some(vec![partitions("t", &[0, 1])]), ..beat("a", 2) };
    assert_eq!(world.refused(&too_much), ErrorCode::FencedMemberEpoch);
    // A member that joins again is told everything.
    let again = world.heartbeat(&join("a", &["t"])).unwrap();
    assert_eq!((again.member_epoch, again.assignment.unwrap().topic_partitions), (3, vec![partitions("t", &[0])]));
}

#[test]
fn what_makes_no_sense_is_refused_in_kafkas_words() {
    let mut world = World::new(&[("t", 2)]);
    let message = |world: &mut World, request: ConsumerGroupHeartbeatRequest| {
        let refusal = world.heartbeat(&request).unwrap_err();
        (refusal.error.code(), refusal.message.unwrap().to_string())
    };
    let base = join("a", &["t"]);
    let cases = [
        (ConsumerGroupHeartbeatRequest { member_id: Text::default(), ..base.clone() }, 42, "MemberId can't be empty."),
        (ConsumerGroupHeartbeatRequest { group_id: Text::from_static(" "), ..base.clone() }, 42, "GroupId can't be empty."),
        (ConsumerGroupHeartbeatRequest { instance_id: Some(Text::default()), ..base.clone() }, 42, "InstanceId can't be empty."),
        (ConsumerGroupHeartbeatRequest { rack_id: Some(Text::default()), ..base.clone() }, 42, "RackId can't be empty."),
        (ConsumerGroupHeartbeatRequest { rebalance_timeout_ms: -1, ..base.clone() }, 42, "RebalanceTimeoutMs must be provided in first request."),
        (ConsumerGroupHeartbeatRequest { topic_partitions: None, ..base.clone() }, 42, "TopicPartitions must be empty when (re-)joining."),
        (
            ConsumerGroupHeartbeatRequest { subscribed_topic_names: None, ..base.clone() },
            42,
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        ),
        (ConsumerGroupHeartbeatRequest { member_epoch: -2, ..base.clone() }, 42, "InstanceId can't be null."),
        (ConsumerGroupHeartbeatRequest { member_epoch: -3, ..base.clone() }, 42, "MemberEpoch is invalid."),
        (
            ConsumerGroupHeartbeatRequest { server_assignor: Some(Text::from_static("x")), ..base.clone() },
            112,
            "ServerAssignor x is not supported. Supported assignors: uniform, range.",
        ),
        (
            ConsumerGroupHeartbeatRequest { subscribed_topic_regex: Some(Text::from_static("(")), ..base.clone() },
            128,
            "SubscribedTopicRegex `(` is not a valid regular expression: unclosed group.",
        ),
    ];
    for (request, error, expected) in cases {
        assert_eq!(message(&mut world, request), (error, expected.to_owned()));
    }
    world.settings.max_size = 0;
    assert_eq!(message(&mut world, base), (81, "The consumer group has reached its maximum capacity of 0 members.".to_owned()));
    assert!(world.log.is_empty());
}

#[test]
fn an_old_client_is_given_its_id() {
    let mut world = World::new(&[("t", 2)]);
    world.caller.version = 0;
    let response = world.heartbeat(&join("", &["t"])).unwrap();
    assert_eq!(response.member_id.as_deref(), Some("AAAAAAAAAAAAAAAAAAAAAQ"));
    assert_eq!(world.heartbeat(&beat("AAAAAAAAAAAAAAAAAAAAAQ", 2)).unwrap().member_epoch, 2);
}

#[test]
fn a_static_member_keeps_its_place_while_it_is_away() {
    let mut world = World::new(&[("t", 4)]);
    let named = |id: &str| ConsumerGroupHeartbeatRequest { instance_id: Some(Text::from_static("i")), ..join(id, &["t"]) };
    world.heartbeat(&named("a")).unwrap();
    world.heartbeat(&join("b", &["t"])).unwrap();
    world.settle(&["a", "b"]);
    let had = world.owned("a", "t");
    let epoch = world.group.epoch;

    assert_eq!(world.refused(&named("a2")), ErrorCode::UnreleasedInstanceId);
    let fenced = ConsumerGroupHeartbeatRequest { instance_id: Some(Text::from_static("i")), ..beat("a2", epoch) };
    assert_eq!(world.refused(&fenced), ErrorCode::FencedInstanceId);
    let unknown = ConsumerGroupHeartbeatRequest { instance_id: Some(Text::from_static("x")), ..beat("a", epoch) };
    assert_eq!(world.refused(&unknown), ErrorCode::UnknownMemberId);

    let away = ConsumerGroupHeartbeatRequest { instance_id: Some(Text::from_static("i")), ..beat("a", -2) };
    assert_eq!(world.heartbeat(&away).unwrap().member_epoch, -2);
    assert_eq!(world.heartbeat(&beat("b", epoch)).unwrap().assignment, None, "nobody else gets its partitions");
    let back = world.heartbeat(&named("a2")).unwrap();
    assert_eq!((back.member_epoch, world.group.epoch), (epoch, epoch), "no rebalance");
    assert_eq!(back.assignment.unwrap().topic_partitions, [partitions("t", &had)]);
    assert_eq!(world.refused(&beat("a", epoch)), ErrorCode::UnknownMemberId);

    // Away for too long, it is gone.
    let away = ConsumerGroupHeartbeatRequest { instance_id: Some(Text::from_static("i")), ..beat("a2", -2) };
    world.heartbeat(&away).unwrap();
    world.pass(40_000);
    world.heartbeat(&beat("b", epoch)).unwrap();
    world.pass(6_000);
    assert_eq!(world.tick(), None);
    world.heartbeat(&beat("b", epoch)).unwrap();
    assert_eq!(world.owned("b", "t"), [0, 1, 2, 3]);
}

#[test]
fn silence_and_stubbornness_end_a_membership() {
    let mut world = World::new(&[("t", 4)]);
    world.heartbeat(&join("a", &["t"])).unwrap();
    world.pass(30_000);
    world.heartbeat(&ConsumerGroupHeartbeatRequest { rebalance_timeout_ms: 60_000, ..join("b", &["t"]) }).unwrap();
    world.heartbeat(&beat("a", 2)).unwrap();
    assert_eq!(world.group.next_deadline_ms(), Some(46_000), "a bound, not the deadline");
    world.pass(44_999);
    assert_eq!(world.tick(), None);
    assert_eq!(world.group.len(), 2);
    world.pass(1);
    world.tick();
    assert_eq!(world.group.len(), 0);
    assert_eq!((world.group.state_name(), world.group.epoch), ("Empty", 4));

    world.heartbeat(&ConsumerGroupHeartbeatRequest { rebalance_timeout_ms: 10_000, ..join("c", &["t"]) }).unwrap();
    world.heartbeat(&join("d", &["t"])).unwrap();
    let epoch = world.group.members["c"].epoch;
    for _ in 0..3 {
        // It lives, and gives nothing back.
        world.heartbeat(&beat("c", epoch)).unwrap();
        world.pass(3_000);
        world.tick();
    }
    assert_eq!(world.group.len(), 2);
    world.pass(1_000);
    world.tick();
    assert_eq!(world.refused(&beat("c", epoch)), ErrorCode::UnknownMemberId);
}

#[test]
fn the_group_follows_its_topics() {
    let mut world = World::new(&[]);
    let joined = world.heartbeat(&join("a", &["t"])).unwrap();
    assert_eq!((joined.member_epoch, joined.assignment.unwrap().topic_partitions), (2, vec![]));
    set_topic(&mut world.image, "other", 3);
    assert_eq!(world.heartbeat(&beat("a", 2)).unwrap().member_epoch, 2);
    set_topic(&mut world.image, "t", 1);
    let grown = world.heartbeat(&beat("a", 2)).unwrap();
    assert_eq!((grown.member_epoch, grown.assignment.unwrap().topic_partitions), (3, vec![partitions("t", &[0])]));
    set_topic(&mut world.image, "t", 2);
    assert_eq!(world.heartbeat(&beat("a", 3)).unwrap().assignment.unwrap().topic_partitions, [partitions("t", &[0, 1])]);
    remove_topic(&mut world.image, "t");
    let told = world.heartbeat(&beat("a", 4)).unwrap();
    assert_eq!(told.assignment.unwrap().topic_partitions, []);
    assert!(world.group.is_subscribed_to("t"));
    world.heartbeat(&ConsumerGroupHeartbeatRequest { topic_partitions: Some(Vec::new()), ..beat("a", 4) }).unwrap();
    assert_eq!(world.group.state_name(), "Stable");
    assert!(world.group.owners.is_empty());
}

#[test]
fn what_a_member_no_longer_subscribes_to_it_gives_back_before_the_next_target() {
    let mut world = World::new(&[("t", 1), ("u", 1)]);
    world.settings.assignment_interval_ms = 1_000;
    world.heartbeat(&join("a", &["t", "u"])).unwrap();
    world.pass(10);
    let change = ConsumerGroupHeartbeatRequest { subscribed_topic_names: Some(vec![Text::from_static("u")]), ..beat("a", 2) };
    let told = world.heartbeat(&change).unwrap();
    assert_eq!(told.assignment.unwrap().topic_partitions, [partitions("u", &[0])]);
    assert_eq!((world.group.epoch, world.group.target_epoch, world.group.state_name()), (3, 2, "Assigning"));
    world.pass(1_000);
    let given_back = ConsumerGroupHeartbeatRequest { topic_partitions: Some(vec![partitions("u", &[0])]), ..beat("a", 2) };
    assert_eq!(world.heartbeat(&given_back).unwrap().member_epoch, 3);
    assert_eq!(world.group.state_name(), "Stable");
}

#[test]
fn most_votes_choose_the_assignor() {
    let mut world = World::new(&[("t", 2), ("u", 2)]);
    let wanting = |id: &str, assignor| ConsumerGroupHeartbeatRequest { server_assignor: Some(Text::from_static(assignor)), ..join(id, &["t", "u"]) };
    world.heartbeat(&wanting("a", "range")).unwrap();
    world.heartbeat(&wanting("b", "range")).unwrap();
    world.heartbeat(&wanting("c", "uniform")).unwrap();
    world.settle(&["a", "b", "c"]);
    assert_eq!((world.owned("a", "t"), world.owned("a", "u")), (vec![0], vec![0]));
    assert!(world.owned("c", "t").is_empty());
}

#[test]
fn commits_and_fetches_are_for_members_at_their_epoch() {
    let mut world = World::new(&[("t", 2)]);
    let (a, b) = (Text::from_static("a"), Text::from_static("b"));
    assert!(world.group.check_commit(&Text::default(), -1, 2).is_ok(), "an empty group takes anybody's");
    world.heartbeat(&join("a", &["t"])).unwrap();
    let commit = |world: &World, epoch, version, partition| {
        world.group.check_commit(&a, epoch, version).and_then(|check| check.partition(topic_id("t"), partition))
    };
    assert_eq!(world.group.check_commit(&b, 1, 9).unwrap_err(), ErrorCode::UnknownMemberId);
    assert_eq!(world.group.check_commit(&Text::default(), -1, 9).unwrap_err(), ErrorCode::UnknownMemberId);
    assert_eq!(commit(&world, 2, 8, 0), Err(ErrorCode::UnsupportedVersion));
    assert_eq!(commit(&world, 2, 9, 7), Ok(()), "at its epoch a member may commit what it likes");
    assert_eq!(commit(&world, 3, 9, 0), Err(ErrorCode::StaleMemberEpoch));
    world.heartbeat(&join("b", &["t"])).unwrap();
    world.settle(&["a", "b"]);
    let mine = world.owned("a", "t")[0];
    assert_eq!(commit(&world, 2, 9, mine), Ok(()), "an older epoch counts for what the member has had since then");
    assert_eq!(commit(&world, 1, 9, mine), Err(ErrorCode::StaleMemberEpoch));
    assert_eq!(commit(&world, 2, 9, 1 - mine), Err(ErrorCode::StaleMemberEpoch));

    assert_eq!(world.group.check_fetch(None, -1), Ok(()));
    assert_eq!(world.group.check_fetch(Some(&a), 3), Ok(()));
    assert_eq!(world.group.check_fetch(Some(&a), 2), Err(ErrorCode::StaleMemberEpoch));
    assert_eq!(world.group.check_fetch(Some(&Text::from_static("x")), 2), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn a_group_is_removed_without_a_trace() {
    let mut world = World::new(&[("t", 2)]);
    world.heartbeat(&ConsumerGroupHeartbeatRequest { subscribed_topic_regex: Some(Text::from_static("t.*")), ..join("a", &[]) }).unwrap();
    world.step(|group, _, scene| group.remove(scene));
    let mut left = std::collections::BTreeMap::new();
    for record in &world.log {
        left.insert(record.key.clone(), record.value.is_some());
    }
    assert!(left.values().all(|has_value| !has_value));
}
