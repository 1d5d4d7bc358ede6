//! Consumer groups by KIP-848: heartbeats and descriptions in every version, asked well and badly, and groups of mixed types.

use corelog::{
    protocol::messages::{
        consumer_group_describe::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse},
        consumer_group_heartbeat::{
            ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ConsumerGroupHeartbeatTopicPartitions,
        },
        delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse},
        describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse},
        heartbeat::HeartbeatResponse,
        join_group::{JoinGroupRequest, JoinGroupResponse},
        list_groups::{ListGroupsRequest, ListGroupsResponse},
        offset_commit::OffsetCommitResponse,
        offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse},
        sync_group::SyncGroupResponse,
    },
    types::{Text, Uuid},
};

use super::{Side, group_offsets, groups, newest, some, text, versions};
use crate::oracle::answer::Answer;

impl Answer for ConsumerGroupDescribeResponse {}
impl Answer for ConsumerGroupHeartbeatResponse {}

pub(super) fn ask(side: &mut Side) {
    let topic = side.make_topic("modern", 4, &[]);
    for version in versions::<ConsumerGroupHeartbeatRequest>() {
        bad_joins(side, version);
        life(side, topic, version);
        pair(side, topic, version);
        statics(side, topic, version);
    }
    patterns(side);
    mixed(side, topic);
    descriptions(side);
}

/// A first heartbeat that must be let in.
fn join(group: &str, member: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: text(group),
        member_id: text(member),
        rebalance_timeout_ms: 60_000,
        subscribed_topic_names: Some(vec![text("modern")]),
        topic_partitions: Some(Vec::new()),
        ..ConsumerGroupHeartbeatRequest::default()
    }
}

/// A heartbeat that tells nothing new.
fn beat(group: &str, member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest { group_id: text(group), member_id: text(member), member_epoch: epoch, ..ConsumerGroupHeartbeatRequest::default() }
}

/// A heartbeat that tells what the member owns.
fn owning(group: &str, member: &str, epoch: i32, topic: Uuid, partitions: &[i32]) -> ConsumerGroupHeartbeatRequest {
    let owned = ConsumerGroupHeartbeatTopicPartitions { topic_id: topic, partitions: partitions.to_vec() };
    ConsumerGroupHeartbeatRequest {
        rebalance_timeout_ms: 60_000,
        subscribed_topic_names: Some(vec![text("modern")]),
        topic_partitions: Some(vec![owned]),
        ..beat(group, member, epoch)
    }
}

fn heartbeat(side: &mut Side, what: &str, request: &ConsumerGroupHeartbeatRequest, version: i16) -> ConsumerGroupHeartbeatResponse {
    side.ask(&format!("modern heartbeat, {what}"), request, version).unwrap_or_default()
}

fn describe(side: &mut Side, what: &str, groups: &[&str]) {
    for version in versions::<ConsumerGroupDescribeRequest>() {
        let request = ConsumerGroupDescribeRequest { group_ids: groups.iter().map(|group| text(group)).collect(), ..ConsumerGroupDescribeRequest::default() };
        side.ask::<_, ConsumerGroupDescribeResponse>(&format!("modern description, {what}"), &request, version);
    }
}

fn bad_joins(side: &mut Side, version: i16) {
    let group = format!("modern-bad-{version}");
    side.await_group(&group);
    let good = join(&group, "member");
    let owned = vec![ConsumerGroupHeartbeatTopicPartitions { topic_id: Uuid([1; 16]), partitions: vec![0] }];
    let cases: Vec<(&str, ConsumerGroupHeartbeatRequest)> = vec![
        ("no group", join("", "member")),
        ("a blank group", join("  ", "member")),
        ("no rebalance timeout", ConsumerGroupHeartbeatRequest { rebalance_timeout_ms: -1, ..good.clone() }),
        ("a rebalance timeout of 0", ConsumerGroupHeartbeatRequest { rebalance_timeout_ms: 0, ..good.clone() }),
        ("no subscription", ConsumerGroupHeartbeatRequest { subscribed_topic_names: None, ..good.clone() }),
        ("partitions told as null", ConsumerGroupHeartbeatRequest { topic_partitions: None, ..good.clone() }),
        ("partitions that it owns already", ConsumerGroupHeartbeatRequest { topic_partitions: Some(owned), ..good.clone() }),
        ("an unknown assignor", ConsumerGroupHeartbeatRequest { server_assignor: some("nonsense"), ..good.clone() }),
        ("an empty assignor", ConsumerGroupHeartbeatRequest { server_assignor: some(""), ..good.clone() }),
        ("an empty rack", ConsumerGroupHeartbeatRequest { rack_id: some(""), ..good.clone() }),
        ("an empty instance", ConsumerGroupHeartbeatRequest { instance_id: some(""), ..good.clone() }),
        ("an epoch of -3", ConsumerGroupHeartbeatRequest { member_epoch: -3, ..good.clone() }),
        ("an epoch of -2 without an instance", ConsumerGroupHeartbeatRequest { member_epoch: -2, ..good.clone() }),
        ("leaving a group that is not there", ConsumerGroupHeartbeatRequest { member_epoch: -1, ..good.clone() }),
        ("an epoch that nobody gave", ConsumerGroupHeartbeatRequest { member_epoch: 5, ..good.clone() }),
        ("an epoch without an id", ConsumerGroupHeartbeatRequest { member_epoch: 5, member_id: text(""), ..good }),
    ];
    for (what, request) in &cases {
        heartbeat(side, what, request, version);
    }
    if version >= 1 {
        heartbeat(side, "no id", &join(&group, ""), version);
        for regex in ["(", "", "a**", "[z-a]", "\\p{Nonsense}"] {
            let request = ConsumerGroupHeartbeatRequest { subscribed_topic_names: None, subscribed_topic_regex: some(regex), ..join(&group, "member") };
            heartbeat(side, &format!("the pattern {regex:?}"), &request, version);
        }
    }
    describe(side, "after bad heartbeats", &[&group]);
}

/// One member from its first word to its last.
fn life(side: &mut Side, topic: Uuid, version: i16) {
    let group = format!("modern-life-{version}");
    side.await_group(&group);
    let told = heartbeat(side, "a first member", &join(&group, if version == 0 { "" } else { "one" }), version);
    let member = told.member_id.clone().unwrap_or_default();
    let (member, epoch) = (member.as_str(), told.member_epoch);
    describe(side, "a member that was just assigned", &[&group]);
    heartbeat(side, "a member that says nothing", &beat(&group, member, epoch), version);
    heartbeat(side, "a member that owns a part", &owning(&group, member, epoch, topic, &[0, 1]), version);
    heartbeat(side, "a member that owns all", &owning(&group, member, epoch, topic, &[0, 1, 2, 3]), version);
    heartbeat(side, "a member that owns what it was not given", &owning(&group, member, epoch, topic, &[0, 1, 2, 3, 9]), version);
    for (what, epoch) in [("an older", epoch - 1), ("a newer", epoch + 7)] {
        heartbeat(side, &format!("a member of {what} epoch"), &beat(&group, member, epoch), version);
        heartbeat(side, &format!("a member of {what} epoch that owns all"), &owning(&group, member, epoch, topic, &[0, 1, 2, 3]), version);
    }
    heartbeat(side, "a stranger", &beat(&group, "nobody", epoch), version);
    heartbeat(side, "a stranger that leaves", &beat(&group, "nobody", -1), version);
    heartbeat(side, "an instance that is not there", &ConsumerGroupHeartbeatRequest { instance_id: some("other"), ..beat(&group, "nobody", epoch) }, version);
    describe(side, "a member that owns all", &[&group]);
    for commits in [2, 8, 9, newest::<OffsetFetchRequest>()] {
        for (what, who, epoch) in [
            ("a member", member, epoch),
            ("a member of an older epoch", member, epoch - 1),
            ("a member of a newer epoch", member, epoch + 1),
            ("a member without epoch", member, -1),
            ("a stranger", "nobody", epoch),
            ("nobody", "", -1),
        ] {
            let request = group_offsets::commit_as(&group, who, epoch, "modern", topic);
            side.ask::<_, OffsetCommitResponse>(&format!("modern commit of {what}"), &request, commits);
            if commits >= 9 {
                let asked = OffsetFetchRequestGroup { group_id: text(&group), member_id: some(who), member_epoch: epoch, topics: None };
                let request = OffsetFetchRequest { groups: vec![asked], ..OffsetFetchRequest::default() };
                side.ask::<_, OffsetFetchResponse>(&format!("modern offsets for {what}"), &request, commits);
            }
        }
    }
    let resubscribed = ConsumerGroupHeartbeatRequest { subscribed_topic_names: Some(vec![text("grouped")]), ..owning(&group, member, epoch, topic, &[0, 1, 2, 3]) };
    heartbeat(side, "a member that reads another topic", &resubscribed, version);
    let gone = ConsumerGroupHeartbeatRequest { topic_partitions: Some(Vec::new()), ..beat(&group, member, epoch) };
    let told = heartbeat(side, "a member that gave up the old topic", &gone, version);
    heartbeat(side, "a member that joins again", &join(&group, member), version);
    let unknown = ConsumerGroupHeartbeatRequest { subscribed_topic_names: Some(vec![text("unknown-topic")]), ..beat(&group, member, told.member_epoch) };
    heartbeat(side, "a member that reads what is not there", &unknown, version);
    heartbeat(side, "a member that leaves", &beat(&group, member, -1), version);
    heartbeat(side, "a member that has left", &beat(&group, member, epoch), version);
    describe(side, "an empty group", &[&group]);
}

/// Two members: what the second gets waits until the first gives it up.
fn pair(side: &mut Side, topic: Uuid, version: i16) {
    let group = format!("modern-pair-{version}");
    side.await_group(&group);
    let range = |member: &str| ConsumerGroupHeartbeatRequest { server_assignor: some("range"), ..join(&group, member) };
    let first = heartbeat(side, "the first of two", &range("one"), version);
    heartbeat(side, "the first of two owns all", &owning(&group, "one", first.member_epoch, topic, &[0, 1, 2, 3]), version);
    let second = heartbeat(side, "the second of two", &range("two"), version);
    describe(side, "two members before anything is given up", &[&group]);
    let told = heartbeat(side, "the first of two is to give up", &beat(&group, "one", first.member_epoch), version);
    heartbeat(side, "the first of two has not yet given up", &owning(&group, "one", told.member_epoch, topic, &[0, 1, 2, 3]), version);
    heartbeat(side, "the second of two waits", &beat(&group, "two", second.member_epoch), version);
    let told = heartbeat(side, "the first of two has given up", &owning(&group, "one", told.member_epoch, topic, &[0, 1]), version);
    heartbeat(side, "the first of two goes on", &beat(&group, "one", told.member_epoch), version);
    let told = heartbeat(side, "the second of two gets its part", &beat(&group, "two", second.member_epoch), version);
    heartbeat(side, "the second of two owns its part", &owning(&group, "two", told.member_epoch, topic, &[2, 3]), version);
    describe(side, "two members with their parts", &[&group]);
    heartbeat(side, "the first of two leaves", &beat(&group, "one", -1), version);
    heartbeat(side, "the second of two is left", &beat(&group, "two", told.member_epoch), version);
    describe(side, "the second of two is left", &[&group]);
}

fn statics(side: &mut Side, topic: Uuid, version: i16) {
    let group = format!("modern-static-{version}");
    side.await_group(&group);
    let named = |member: &str, request: ConsumerGroupHeartbeatRequest| ConsumerGroupHeartbeatRequest {
        instance_id: some("seat"),
        member_id: text(member),
        ..request
    };
    let first = heartbeat(side, "a static member", &named("one", join(&group, "one")), version);
    heartbeat(side, "another on the same seat", &named("two", join(&group, "two")), version);
    heartbeat(side, "a static member owns all", &named("one", owning(&group, "one", first.member_epoch, topic, &[0, 1, 2, 3])), version);
    heartbeat(side, "a static member without its seat", &beat(&group, "one", first.member_epoch), version);
    heartbeat(side, "another id with its epoch", &named("two", beat(&group, "two", first.member_epoch)), version);
    heartbeat(side, "a static member goes for a while", &named("one", beat(&group, "one", -2)), version);
    describe(side, "a static member that is away", &[&group]);
    let second = heartbeat(side, "another takes the seat", &named("two", join(&group, "two")), version);
    heartbeat(side, "the one before it", &named("one", beat(&group, "one", first.member_epoch)), version);
    describe(side, "a static member that was replaced", &[&group]);
    heartbeat(side, "a static member goes on", &named("two", beat(&group, "two", second.member_epoch)), version);
    heartbeat(side, "a static member leaves for good", &named("two", beat(&group, "two", -1)), version);
    describe(side, "a static member that left", &[&group]);
}

/// Subscriptions by regular expression. Kafka matches them in the background, so the first answers are not compared.
fn patterns(side: &mut Side) {
    side.await_group("modern-pattern");
    let joining = ConsumerGroupHeartbeatRequest { subscribed_topic_names: None, subscribed_topic_regex: some("mod.*n"), ..join("modern-pattern", "one") };
    let mut request = joining;
    for _ in 0..100 {
        let told: ConsumerGroupHeartbeatResponse = side.quietly(&request, 1).expect("an answer to ConsumerGroupHeartbeat");
        if told.assignment.is_some_and(|assignment| !assignment.topic_partitions.is_empty()) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
        request = beat("modern-pattern", "one", told.member_epoch);
    }
    describe(side, "a member with a pattern", &["modern-pattern"]);
}

/// Requests of one protocol to a group of the other.
fn mixed(side: &mut Side, topic: Uuid) {
    for group in ["modern-pair-1", "modern-life-1"] {
        let (member, generation) = side.join(&format!("the classic way into {group}"), &JoinGroupRequest { protocol_type: text("connect"), ..groups::join_request(group) }, 9);
        side.ask::<_, SyncGroupResponse>(&format!("sync with {group}"), &groups::sync_request(group, &member, generation), 5);
        side.ask::<_, HeartbeatResponse>(&format!("classic heartbeat to {group}"), &groups::heartbeat_request(group, "two", 1), 4);
        side.ask::<_, SyncGroupResponse>(&format!("sync of a modern member of {group}"), &groups::sync_request(group, &Text::from("two"), 1), 5);
        let request = DescribeGroupsRequest { groups: vec![text(group)], ..DescribeGroupsRequest::default() };
        for version in [0, 5, 6] {
            side.ask::<_, DescribeGroupsResponse>(&format!("classic description of {group}"), &request, version);
        }
    }
    // A classic group of another type, and one of consumers that a modern member may join.
    side.await_group("modern-or-connect");
    let connect = JoinGroupRequest { protocol_type: text("connect"), ..groups::join_request("modern-or-connect") };
    side.ask::<_, JoinGroupResponse>("join as a worker", &connect, 0);
    heartbeat(side, "into a group of workers", &join("modern-or-connect", "one"), 1);
    describe(side, "a group of workers", &["modern-or-connect"]);
    heartbeat(side, "into a classic group without members", &join("life-5", "one"), 1);
    describe(side, "a classic group that became modern", &["life-5"]);
    let request = group_offsets::commit_as("life-5", "", -1, "modern", topic);
    side.ask::<_, OffsetCommitResponse>("commit from outside into a modern group", &request, 9);
}

fn descriptions(side: &mut Side) {
    describe(side, "no groups", &[]);
    describe(side, "unknown groups", &["unknown", "", "pair"]);
    let rights = ConsumerGroupDescribeRequest { group_ids: vec![text("modern-pair-1")], include_authorized_operations: true };
    side.ask::<_, ConsumerGroupDescribeResponse>("modern description with rights", &rights, 1);
    for (states, types) in [(&[][..], &["consumer"][..]), (&["Stable"], &["consumer"]), (&["Reconciling", "Assigning"], &[]), (&["Empty"], &["consumer"])] {
        let list = ListGroupsRequest {
            states_filter: states.iter().map(|state| text(state)).collect(),
            types_filter: types.iter().map(|kind| text(kind)).collect(),
        };
        side.ask::<_, ListGroupsResponse>(&format!("list modern groups in {states:?} of {types:?}"), &list, 5);
    }
    let request = DeleteGroupsRequest { groups_names: vec![text("modern-pair-1"), text("modern-life-1"), text("modern-pattern")] };
    side.ask::<_, DeleteGroupsResponse>("delete modern groups", &request, 2);
    describe(side, "after deletion", &["modern-pair-1", "modern-life-1"]);
}
