//! Subscriptions by regular expression.

use super::fixture::{World, beat, join, partitions, set_topic};
use crate::{protocol::messages::consumer_group_heartbeat::ConsumerGroupHeartbeatRequest, types::Text};

fn matching(member: &str, regex: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest { subscribed_topic_regex: Some(Text::from(regex)), subscribed_topic_names: None, ..join(member, &[]) }
}

#[test]
fn what_matches_is_assigned_at_once_and_new_topics_follow() {
    let mut world = World::new(&[("a-1", 1), ("a-2", 1), ("b-1", 1), ("__consumer_offsets", 1)]);
    let joined = world.heartbeat(&matching("m", "a-.*")).unwrap();
    assert_eq!(joined.assignment.unwrap().topic_partitions, [partitions("a-1", &[0]), partitions("a-2", &[0])]);
    assert!(world.group.is_subscribed_to("a-1") && !world.group.is_subscribed_to("b-1"));
    let epoch = joined.member_epoch;

    set_topic(&mut world.image, "a-3", 1);
    assert_eq!(world.heartbeat(&beat("m", epoch)).unwrap().assignment, None, "not more often than every ten seconds");
    world.pass(10_001);
    let followed = world.heartbeat(&beat("m", epoch)).unwrap();
    assert_eq!(followed.assignment.unwrap().topic_partitions.len(), 3);
    let records = world.log.len();
    world.pass(700_000);
    world.heartbeat(&beat("m", epoch + 1)).unwrap();
    assert_eq!(world.log.len(), records, "nothing has changed, nothing is written");
}

#[test]
fn an_expression_that_nobody_has_any_more_is_forgotten() {
    let mut world = World::new(&[("a", 1), ("b", 1)]);
    world.heartbeat(&matching("m", "a.*")).unwrap();
    world.heartbeat(&matching("n", "a.*")).unwrap();
    assert_eq!(world.group.resolved.len(), 1);
    let epoch = world.group.members["m"].epoch;
    let change = ConsumerGroupHeartbeatRequest { subscribed_topic_regex: Some(Text::from_static("b|a")), ..beat("m", epoch) };
    world.heartbeat(&change).unwrap();
    assert_eq!(world.group.resolved.len(), 2);
    world.heartbeat(&beat("n", -1)).unwrap();
    assert_eq!(world.group.resolved.keys().collect::<Vec<_>>(), [&Text::from_static("b|a")]);
    let epoch = world.group.members["m"].epoch;
    let change = ConsumerGroupHeartbeatRequest {
        subscribed_topic_regex: Some(Text::default()),
        subscribed_topic_names: Some(vec![Text::from_static("b")]),
        ..beat("m", epoch)
    };
    world.heartbeat(&change).unwrap();
    assert!(world.group.resolved.is_empty() && world.group.regex_members.is_empty() && world.group.patterns.is_empty());
    assert!(!world.group.is_subscribed_to("a"));
}
