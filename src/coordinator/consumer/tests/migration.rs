//! Members of both protocols in one group, and the ways from and to a classic group.

use bytes::Bytes;

use super::{
    super::{ConsumerGroup, Refusal},
    fixture::{GROUP, World, beat, join, partitions},
};
use crate::{
    coordinator::seed::{ClassicSeed, Profile},
    protocol::{
        embedded::{
            ConsumerProtocolAssignment, ConsumerProtocolSubscription, EmbeddedTopicPartitions, read_assignment, write_assignment,
            write_subscription,
        },
        messages::{
            consumer_group_heartbeat::ConsumerGroupHeartbeatRequest,
            heartbeat::HeartbeatRequest,
            join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse},
            leave_group::MemberIdentity,
            sync_group::SyncGroupRequest,
        },
    },
    types::{ErrorCode, Text},
};

fn subscription(topics: &[&str], owned: &[i32]) -> Bytes {
    let owned = EmbeddedTopicPartitions { topic: Text::from_static("t"), partitions: owned.to_vec() };
    let subscription = ConsumerProtocolSubscription {
        topics: topics.iter().copied().map(Text::from).collect(),
        owned_partitions: vec![owned],
        ..ConsumerProtocolSubscription::default()
    };
    write_subscription(&subscription, 3).unwrap()
}

fn classic(member: &str, owned: &[i32]) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: GROUP,
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        member_id: Text::from(member),
        protocol_type: Text::from_static("consumer"),
        protocols: vec![JoinGroupRequestProtocol { name: Text::from_static("range"), metadata: subscription(&["t"], owned) }],
        ..JoinGroupRequest::default()
    }
}

fn seed(assignment: Bytes) -> ClassicSeed {
    let member = Profile {
        client_id: Text::from_static("c"),
        client_host: Text::from_static("/h"),
        rebalance_timeout_ms: 60_000,
        session_timeout_ms: 10_000,
        protocols: vec![(Text::from_static("range"), subscription(&["t"], &[]))],
        assignment,
        ..Profile::default()
    };
    ClassicSeed { generation: 5, protocol: Some(Text::from_static("range")), members: vec![(Text::from_static("old"), member)], rebalance: false }
}

fn assignment(partitions: &[i32], user_data: Option<&'static [u8]>) -> Bytes {
    let assigned = EmbeddedTopicPartitions { topic: Text::from_static("t"), partitions: partitions.to_vec() };
    let assignment = ConsumerProtocolAssignment { assigned_partitions: vec![assigned], user_data: user_data.map(Bytes::from_static) };
    write_assignment(&assignment, 3).unwrap()
}

fn upgrade(world: &mut World, seed: &ClassicSeed) -> Result<(), Refusal> {
    world.step(|group, _, scene| ConsumerGroup::from_classic(seed, scene).map(|upgraded| *group = upgraded))
}

impl World {
    fn classic_join(&mut self, request: &JoinGroupRequest) -> Result<(JoinGroupResponse, Option<ClassicSeed>), Refusal> {
        self.caller.version = 9;
        self.step(|group, caller, scene| group.classic_join(caller, request, scene))
    }

    fn classic_beat(&mut self, member: &str, generation: i32) -> Result<(), ErrorCode> {
        let request = HeartbeatRequest { group_id: GROUP, generation_id: generation, member_id: Text::from(member), group_instance_id: None };
        self.step(|group, _, scene| group.classic_heartbeat(&request, scene))
    }

    fn classic_sync(&mut self, member: &str, generation: i32) -> Result<Vec<i32>, ErrorCode> {
        let request = SyncGroupRequest {
            group_id: GROUP,
            generation_id: generation,
            member_id: Text::from(member),
            protocol_type: Some(Text::from_static("consumer")),
            protocol_name: Some(Text::from_static("range")),
            ..SyncGroupRequest::default()
        };
        let response = self.step(|group, _, scene| group.classic_sync(&request, scene))?;
        let assigned = read_assignment(&response.assignment).unwrap().assigned_partitions;
        Ok(assigned.into_iter().next().map(|topic| topic.partitions).unwrap_or_default())
    }
}

#[test]
fn a_classic_group_is_taken_over_and_given_back() {
    let mut world = World::new(&[("t", 4)]);
    upgrade(&mut world, &seed(assignment(&[0, 1, 2, 3], None))).unwrap();
    assert_eq!((world.group.epoch, world.group.target_epoch), (5, 5));
    assert_eq!(world.classic_beat("old", 5), Ok(()));

    let joined = world.heartbeat(&join("new", &["t"])).unwrap();
    assert_eq!((joined.member_epoch, joined.assignment.unwrap().topic_partitions), (6, vec![]));
    assert_eq!(world.classic_beat("old", 5), Err(ErrorCode::RebalanceInProgress));
    // It joins with all it has, is told to give two back, and joins again without them.
    let (first, _) = world.classic_join(&classic("old", &[0, 1, 2, 3])).unwrap();
    assert_eq!((first.error_code, first.generation_id, first.protocol_name.as_deref()), (0, 5, Some("range")));
    assert_eq!(world.classic_sync("old", 5), Ok(vec![0, 1]));
    assert_eq!(world.classic_beat("old", 5), Err(ErrorCode::RebalanceInProgress));
    let (second, _) = world.classic_join(&classic("old", &[0, 1])).unwrap();
    assert_eq!(second.generation_id, 6);
    assert_eq!(world.classic_sync("old", 6), Ok(vec![0, 1]));
    assert_eq!(world.classic_beat("old", 6), Ok(()));
    world.caller.version = 1;
    assert_eq!(world.heartbeat(&beat("new", 6)).unwrap().assignment.unwrap().topic_partitions, [partitions("t", &[2, 3])]);
    assert_eq!(world.group.state_name(), "Stable");

    // The last consumer member leaves: a classic group is left.
    let (_, left) = world.step(|group, caller, scene| group.heartbeat(caller, &beat("new", -1), scene)).unwrap();
    let left = left.unwrap();
    assert!(left.rebalance);
    assert_eq!((left.generation, left.protocol.as_deref(), left.members.len()), (6, Some("range"), 1));
    let (id, member) = &left.members[0];
    assert_eq!((id.as_str(), member.session_timeout_ms), ("old", 10_000));
    assert_eq!(read_assignment(&member.assignment).unwrap().assigned_partitions[0].partitions, [0, 1]);
    assert!(world.group.is_empty());
}

#[test]
fn what_would_be_lost_is_not_taken_over() {
    let mut world = World::new(&[("t", 4)]);
    let error = |world: &mut World, seed: &ClassicSeed| upgrade(world, seed).unwrap_err().error;
    assert_eq!(error(&mut world, &seed(assignment(&[0], Some(b"mine")))), ErrorCode::GroupIdNotFound);
    assert_eq!(error(&mut world, &seed(Bytes::from_static(b"\0"))), ErrorCode::GroupIdNotFound);
    world.settings.upgrade = false;
    assert_eq!(error(&mut world, &seed(Bytes::new())), ErrorCode::GroupIdNotFound);
    world.settings.upgrade = true;
    world.settings.max_size = 0;
    assert_eq!(error(&mut world, &seed(Bytes::new())), ErrorCode::GroupIdNotFound);
    assert!(world.log.is_empty());
}

#[test]
fn a_classic_member_joins_a_consumer_group() {
    let mut world = World::new(&[("t", 2)]);
    world.heartbeat(&join("a", &["t"])).unwrap();
    let (asked, _) = world.classic_join(&classic("", &[])).unwrap();
    assert_eq!(asked.error_code, ErrorCode::MemberIdRequired.code());
    let id = asked.member_id.to_string();
    let other = JoinGroupRequest { protocol_type: Text::from_static("connect"), ..classic(&id, &[]) };
    assert_eq!(world.classic_join(&other).unwrap_err().error, ErrorCode::InconsistentGroupProtocol);
    let mut garbage = classic(&id, &[]);
    garbage.protocols[0].metadata = Bytes::from_static(b"garbage");
    assert_eq!(world.classic_join(&garbage).unwrap_err().error, ErrorCode::UnknownServerError);
    let (joined, _) = world.classic_join(&classic(&id, &[])).unwrap();
    assert_eq!((joined.error_code, joined.generation_id, joined.leader.as_str()), (0, 3, ""));
    assert_eq!(world.classic_sync(&id, 3), Ok(vec![]));
    assert_eq!(world.classic_beat(&id, 3), Ok(()), "it waits for the other, which is no reason to join again");
    assert_eq!(world.classic_beat(&id, 2), Err(ErrorCode::IllegalGeneration));
    assert_eq!(world.classic_beat("a", 2), Err(ErrorCode::UnknownMemberId), "it does not speak the classic protocol");

    world.caller.version = 1;
    world.heartbeat(&beat("a", 2)).unwrap();
    let given_back = ConsumerGroupHeartbeatRequest { topic_partitions: Some(vec![partitions("t", &[0])]), ..beat("a", 2) };
    world.heartbeat(&given_back).unwrap();
    assert_eq!(world.classic_beat(&id, 3), Err(ErrorCode::RebalanceInProgress));
    world.classic_join(&classic(&id, &[])).unwrap();
    assert_eq!(world.classic_sync(&id, 3), Ok(vec![1]));

    // It does not come back to join: gone after its rebalance timeout, though it lives.
    world.caller.version = 1;
    world.heartbeat(&join("b", &["t"])).unwrap();
    for _ in 0..12 {
        assert_eq!(world.classic_beat(&id, 3), Err(ErrorCode::RebalanceInProgress));
        let epoch = world.group.members["a"].epoch;
        world.heartbeat(&beat("a", epoch)).unwrap();
        world.pass(5_000);
        world.tick();
    }
    assert_eq!(world.classic_beat(&id, 3), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn a_static_member_changes_its_protocol() {
    let mut world = World::new(&[("t", 2)]);
    let named = ConsumerGroupHeartbeatRequest { instance_id: Some(Text::from_static("i")), ..join("a", &["t"]) };
    world.heartbeat(&named).unwrap();
    world.heartbeat(&join("b", &["t"])).unwrap();
    let back = JoinGroupRequest { group_instance_id: Some(Text::from_static("i")), ..classic("", &[]) };
    let (joined, downgraded) = world.classic_join(&back).unwrap();
    assert_eq!((joined.error_code, downgraded), (0, None));
    assert!(world.group.members[&joined.member_id].is_classic() && !world.group.members.contains_key("a"));
    // And back to the consumer protocol, under a new id again, without having left.
    world.caller.version = 1;
    let again = ConsumerGroupHeartbeatRequest { member_id: Text::from_static("a2"), ..named.clone() };
    world.heartbeat(&again).unwrap();
    assert!(!world.group.members["a2"].is_classic());

    // The last consumer member comes back as a classic one: the group goes with it.
    world.heartbeat(&beat("b", -1)).unwrap();
    let (joined, downgraded) = world.classic_join(&back).unwrap();
    let seed = downgraded.unwrap();
    assert_eq!((seed.members.len(), seed.members[0].0 == joined.member_id), (1, true));
    assert!(world.group.is_empty());
}

#[test]
fn members_of_either_kind_are_removed_by_leave_group() {
    let mut world = World::new(&[("t", 2)]);
    let named = ConsumerGroupHeartbeatRequest { instance_id: Some(Text::from_static("i")), ..join("a", &["t"]) };
    world.heartbeat(&named).unwrap();
    world.heartbeat(&join("b", &["t"])).unwrap();
    world.heartbeat(&join("c", &["t"])).unwrap();
    let leave = |member: &str, instance: Option<&'static str>| MemberIdentity {
        member_id: Text::from(member),
        group_instance_id: instance.map(Text::from_static),
        reason: None,
    };
    let asked = [leave("", Some("i")), leave("b", None), leave("x", None), leave("", Some("x")), leave("b", Some("i"))];
    let (response, seed) = world.step(|group, _, scene| group.classic_leave(&asked, scene));
    let errors: Vec<i16> = response.members.iter().map(|member| member.error_code).collect();
    assert_eq!(errors, [0, 0, 25, 25, 82]);
    assert_eq!((seed, world.group.len()), (None, 1));
}
