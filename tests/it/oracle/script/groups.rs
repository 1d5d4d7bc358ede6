//! Consumer groups by the classic protocol: every API of them in every version, asked well and badly.

use std::time::{Duration, Instant};

use bytes::Bytes;
use corelog::{
    protocol::messages::{
        delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse},
        describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse},
        find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse},
        heartbeat::{HeartbeatRequest, HeartbeatResponse},
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity},
        list_groups::{ListGroupsRequest, ListGroupsResponse},
        sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse},
    },
    types::Text,
};

use super::{Side, group_offsets, newest, some, text, versions};
use crate::oracle::answer::Answer;

impl Answer for DeleteGroupsResponse {}
impl Answer for DescribeGroupsResponse {}
impl Answer for FindCoordinatorResponse {}
impl Answer for HeartbeatResponse {}
impl Answer for JoinGroupResponse {}
impl Answer for LeaveGroupResponse {}
impl Answer for ListGroupsResponse {}
impl Answer for SyncGroupResponse {}

/// Error code of a member that the coordinator does not know.
const UNKNOWN_MEMBER_ID: i16 = 25;
/// Error code of a first join that must come again with an id.
const MEMBER_ID_REQUIRED: i16 = 79;
const SESSION_MS: i32 = 30_000;

pub(super) fn ask(side: &mut Side) {
    side.make_topic("grouped", 3, &[]);
    coordinators(side);
    for version in versions::<JoinGroupRequest>() {
        life(side, version);
    }
    bad_joins(side);
    strangers(side);
    two_members(side);
    silent_leader(side);
    statics(side);
    group_offsets::ask(side);
    administration(side);
}

impl Side {
    /// Waits until the coordinator of a group serves; the first group of a broker makes the topic of offsets.
    pub(super) fn await_group(&mut self, group: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let find = FindCoordinatorRequest { coordinator_keys: vec![text(group)], ..FindCoordinatorRequest::default() };
        let probe = HeartbeatRequest { group_id: text(group), member_id: text("nobody"), ..HeartbeatRequest::default() };
        loop {
            let found: FindCoordinatorResponse = self.quietly(&find, 4).expect("an answer to FindCoordinator");
            let beat: HeartbeatResponse = self.quietly(&probe, 4).expect("an answer to Heartbeat");
            // While the coordinator loads, a heartbeat is answered as if all were well.
            if found.coordinators[0].error_code == 0 && beat.error_code == UNKNOWN_MEMBER_ID {
                return;
            }
            assert!(Instant::now() < deadline, "{}: no coordinator for {group}: {found:?} {beat:?}", self.name);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Joins as the first member, with all answers kept; its id and generation.
    pub(super) fn join(&mut self, what: &str, request: &JoinGroupRequest, version: i16) -> (Text, i32) {
        let mut request = request.clone();
        let mut answer: JoinGroupResponse = self.ask(&format!("join, {what}"), &request, version).unwrap_or_default();
        if answer.error_code == MEMBER_ID_REQUIRED {
            request.member_id = answer.member_id;
            answer = self.ask(&format!("join with an id, {what}"), &request, version).unwrap_or_default();
        }
        (answer.member_id, answer.generation_id)
    }
}

/// A request to join with one protocol.
pub(super) fn join_request(group: &str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: text(group),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: 5000,
        protocol_type: text("consumer"),
        protocols: vec![protocol("range")],
        ..JoinGroupRequest::default()
    }
}

fn protocol(name: &str) -> JoinGroupRequestProtocol {
    JoinGroupRequestProtocol { name: text(name), metadata: crate::support::members::subscription("grouped") }
}

/// A request of a leader that assigns everything to itself.
pub(super) fn sync_request(group: &str, member: &Text, generation: i32) -> SyncGroupRequest {
    let assignment = crate::support::members::assignment("grouped", &[0, 1, 2]);
    SyncGroupRequest {
        group_id: text(group),
        generation_id: generation,
        member_id: member.clone(),
        protocol_type: some("consumer"),
        protocol_name: some("range"),
        assignments: vec![SyncGroupRequestAssignment { member_id: member.clone(), assignment }],
        ..SyncGroupRequest::default()
    }
}

pub(super) fn heartbeat_request(group: &str, member: &str, generation: i32) -> HeartbeatRequest {
    HeartbeatRequest { group_id: text(group), generation_id: generation, member_id: text(member), ..HeartbeatRequest::default() }
}

/// A request to leave, in the form of the version.
fn leave_request(group: &str, member: &str, version: i16) -> LeaveGroupRequest {
    let alone = if version <= 2 { text(member) } else { text("") };
    let members = if version <= 2 { Vec::new() } else { vec![MemberIdentity { member_id: text(member), ..MemberIdentity::default() }] };
    LeaveGroupRequest { group_id: text(group), member_id: alone, members }
}

fn describe_request(groups: &[&str]) -> DescribeGroupsRequest {
    DescribeGroupsRequest { groups: groups.iter().map(|group| text(group)).collect(), ..DescribeGroupsRequest::default() }
}

/// The version of one API that goes with the version of another: as many below the newest, or the oldest.
fn beside<M: corelog::protocol::Message>(version: i16, of: i16) -> i16 {
    (newest::<M>() - (of - version)).max(*versions::<M>().start())
}

fn coordinators(side: &mut Side) {
    side.await_group("grouped-0");
    for version in versions::<FindCoordinatorRequest>() {
        // Types: group, transaction, share, and none that there is.
        for key_type in [0, 9, -1].into_iter().filter(|key_type| version >= 1 || *key_type == 0) {
            for key in ["grouped-0", ""] {
                let one = FindCoordinatorRequest { key: text(key), key_type, ..FindCoordinatorRequest::default() };
                let many = FindCoordinatorRequest { key_type, coordinator_keys: vec![text(key), text("another")], ..FindCoordinatorRequest::default() };
                let request = if version >= 4 { many } else { one };
                side.ask::<_, FindCoordinatorResponse>(&format!("coordinator of type {key_type} for '{key}'"), &request, version);
            }
        }
        if version >= 4 {
            side.ask::<_, FindCoordinatorResponse>("coordinators of nothing", &FindCoordinatorRequest::default(), version);
        }
    }
}

/// One member from its first word to its last, in one version of every API.
fn life(side: &mut Side, version: i16) {
    let of = newest::<JoinGroupRequest>();
    let group = format!("life-{version}");
    side.await_group(&group);
    let (member, generation) = side.join("a life", &join_request(&group), version);
    let describe = |side: &mut Side, what: &str| {
        let version = beside::<DescribeGroupsRequest>(version, of);
        side.ask::<_, DescribeGroupsResponse>(&format!("describe {what}"), &describe_request(&[&group]), version);
    };
    let heartbeats = |side: &mut Side, what: &str| {
        let version = beside::<HeartbeatRequest>(version, of);
        side.ask::<_, HeartbeatResponse>(&format!("heartbeat {what}"), &heartbeat_request(&group, member.as_str(), generation), version);
        side.ask::<_, HeartbeatResponse>(&format!("heartbeat of another generation {what}"), &heartbeat_request(&group, member.as_str(), 77), version);
    };
    heartbeats(side, "before the assignment");
    describe(side, "before the assignment");
    let sync = sync_request(&group, &member, generation);
    let syncs = beside::<SyncGroupRequest>(version, of);
    side.ask::<_, SyncGroupResponse>("sync", &sync, syncs);
    side.ask::<_, SyncGroupResponse>("sync again", &sync, syncs);
    side.ask::<_, SyncGroupResponse>("sync another generation", &SyncGroupRequest { generation_id: generation + 1, ..sync.clone() }, syncs);
    if syncs >= 5 {
        side.ask::<_, SyncGroupResponse>("sync another protocol", &SyncGroupRequest { protocol_name: some("other"), ..sync.clone() }, syncs);
        side.ask::<_, SyncGroupResponse>("sync another type", &SyncGroupRequest { protocol_type: some("other"), ..sync }, syncs);
    }
    heartbeats(side, "after the assignment");
    describe(side, "after the assignment");
    group_offsets::commits_of_a_member(side, &group, member.as_str(), generation, version);
    let again = JoinGroupRequest { member_id: member.clone(), ..join_request(&group) };
    side.ask::<_, JoinGroupResponse>("join again as the leader", &again, version);
    side.ask::<_, SyncGroupResponse>("sync the next generation", &sync_request(&group, &member, generation + 1), syncs);
    let leaves = beside::<LeaveGroupRequest>(version, of);
    side.ask::<_, LeaveGroupResponse>("leave", &leave_request(&group, member.as_str(), leaves), leaves);
    side.ask::<_, LeaveGroupResponse>("leave again", &leave_request(&group, member.as_str(), leaves), leaves);
    heartbeats(side, "after leaving");
    side.ask::<_, JoinGroupResponse>("join after leaving", &again, version);
    describe(side, "after leaving");
}

fn bad_joins(side: &mut Side) {
    side.await_group("bad-joins");
    let good = join_request("bad-joins");
    let cases: Vec<(&str, JoinGroupRequest)> = vec![
        ("no group", join_request("")),
        ("no protocols", JoinGroupRequest { protocols: Vec::new(), ..good.clone() }),
        ("no protocol type", JoinGroupRequest { protocol_type: text(""), ..good.clone() }),
        ("a session too short", JoinGroupRequest { session_timeout_ms: 5999, ..good.clone() }),
        ("a session too long", JoinGroupRequest { session_timeout_ms: 1_800_001, ..good.clone() }),
        ("a negative session", JoinGroupRequest { session_timeout_ms: -1, ..good.clone() }),
        ("an id that nobody gave", JoinGroupRequest { member_id: text("made-up"), ..good.clone() }),
        ("an empty instance", JoinGroupRequest { group_instance_id: some(""), ..good.clone() }),
        ("an instance of a bad name", JoinGroupRequest { group_instance_id: some("a b"), ..good.clone() }),
        ("an instance that is unknown, with an id", JoinGroupRequest { group_instance_id: some("one"), member_id: text("made-up"), ..good.clone() }),
        ("no metadata", JoinGroupRequest { protocols: vec![JoinGroupRequestProtocol { name: text(""), metadata: Bytes::new() }], ..good }),
    ];
    for version in [0, 3, 5, newest::<JoinGroupRequest>()] {
        for (what, request) in &cases {
            let usable = version >= 5 || request.group_instance_id.is_none();
            if usable {
                let answer: JoinGroupResponse = side.ask(&format!("join with {what}"), request, version).unwrap_or_default();
                // Where it was let in, it must not stay for the next.
                if answer.error_code == 0 {
                    let leave = leave_request("bad-joins", answer.member_id.as_str(), 2);
                    side.ask::<_, LeaveGroupResponse>(&format!("leave after {what}"), &leave, 2);
                    // An id that was given out and not used holds the empty group up until a timer of 0 ms rings.
                    side.settle();
                }
            }
        }
    }
}

/// Members of groups that do not exist or do not know them.
fn strangers(side: &mut Side) {
    side.await_group("stranger");
    for group in ["stranger", "life-9", ""] {
        for version in versions::<HeartbeatRequest>() {
            side.ask::<_, HeartbeatResponse>(&format!("heartbeat of a stranger to '{group}'"), &heartbeat_request(group, "nobody", 1), version);
            side.ask::<_, HeartbeatResponse>(&format!("heartbeat without an id to '{group}'"), &heartbeat_request(group, "", -1), version);
        }
        for version in versions::<SyncGroupRequest>() {
            side.ask::<_, SyncGroupResponse>(&format!("sync of a stranger with '{group}'"), &sync_request(group, &text("nobody"), 1), version);
        }
        for version in versions::<LeaveGroupRequest>() {
            side.ask::<_, LeaveGroupResponse>(&format!("leaving of a stranger from '{group}'"), &leave_request(group, "nobody", version), version);
        }
        let member = |id: &str, instance: Option<&str>| MemberIdentity { member_id: text(id), group_instance_id: instance.map(Text::from), ..MemberIdentity::default() };
        let members = vec![member("a", None), member("", Some("i")), member("b", Some("j")), member("", None)];
        for version in 3..=newest::<LeaveGroupRequest>() {
            let request = LeaveGroupRequest { group_id: text(group), members: members.clone(), ..LeaveGroupRequest::default() };
            side.ask::<_, LeaveGroupResponse>(&format!("leaving of four strangers from '{group}'"), &request, version);
            let request = LeaveGroupRequest { group_id: text(group), ..LeaveGroupRequest::default() };
            side.ask::<_, LeaveGroupResponse>(&format!("leaving of nobody from '{group}'"), &request, version);
        }
    }
    let static_beat = HeartbeatRequest { group_instance_id: some("one"), ..heartbeat_request("stranger", "nobody", 1) };
    side.ask::<_, HeartbeatResponse>("heartbeat of an unknown instance", &static_beat, 4);
}

/// A second member, which lets the first join again; protocols that do not fit; and a first that does not come back.
fn two_members(side: &mut Side) {
    let newest = newest::<JoinGroupRequest>();
    side.await_group("pair");
    let (first, generation) = side.join("the first of a pair", &join_request("pair"), newest);
    side.ask::<_, SyncGroupResponse>("sync the first of a pair", &sync_request("pair", &first, generation), 5);
    let misfits = [
        ("another type", JoinGroupRequest { protocol_type: text("connect"), ..join_request("pair") }),
        ("another protocol", JoinGroupRequest { protocols: vec![protocol("sticky")], ..join_request("pair") }),
    ];
    for (what, request) in misfits {
        for version in [3, newest] {
            side.ask::<_, JoinGroupResponse>(&format!("join a pair with {what}"), &request, version);
        }
    }
    let both = JoinGroupRequest { protocols: vec![protocol("sticky"), protocol("range")], ..join_request("pair") };
    let told: JoinGroupResponse = side.ask("the second of a pair asks for an id", &both, newest).unwrap_or_default();
    side.ask::<_, DescribeGroupsResponse>("describe with a member that is pending", &describe_request(&["pair"]), 6);
    let mut second = side.another();
    second.send(&JoinGroupRequest { member_id: told.member_id, ..both.clone() }, newest).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    side.ask::<_, HeartbeatResponse>("heartbeat while another joins", &heartbeat_request("pair", first.as_str(), generation), 4);
    side.ask::<_, SyncGroupResponse>("sync while another joins", &sync_request("pair", &first, generation), 5);
    side.ask::<_, DescribeGroupsResponse>("describe while another joins", &describe_request(&["pair"]), 6);
    side.ask::<_, JoinGroupResponse>("the first joins again", &JoinGroupRequest { member_id: first.clone(), ..join_request("pair") }, newest);
    let joined = second.receive::<JoinGroupResponse>(newest);
    let other = joined.as_ref().map(|answer| answer.member_id.clone()).unwrap_or_default();
    side.keep_from("the second of a pair joins", newest, joined);
    side.ask::<_, HeartbeatResponse>("heartbeat before the pair is assigned", &heartbeat_request("pair", first.as_str(), generation + 1), 4);
    second.send(&SyncGroupRequest { assignments: Vec::new(), ..sync_request("pair", &other, generation + 1) }, 5).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    side.ask::<_, SyncGroupResponse>("the leader of a pair assigns to itself alone", &sync_request("pair", &first, generation + 1), 5);
    let synced = second.receive::<SyncGroupResponse>(5);
    side.keep_from("the second of a pair is assigned nothing", 5, synced);
    side.ask::<_, DescribeGroupsResponse>("describe a pair", &describe_request(&["pair"]), 6);
    side.ask::<_, JoinGroupResponse>("the second joins again with the same", &JoinGroupRequest { member_id: other, ..both }, newest);
    side.ask::<_, LeaveGroupResponse>("the leader of a pair leaves", &leave_request("pair", first.as_str(), 5), 5);
    side.ask::<_, DescribeGroupsResponse>("describe what is left of a pair", &describe_request(&["pair"]), 6);
}

/// A leader that joins and never assigns: it is thrown out when the rebalance has taken too long.
fn silent_leader(side: &mut Side) {
    let newest = newest::<JoinGroupRequest>();
    side.await_group("silent");
    let request = JoinGroupRequest { rebalance_timeout_ms: 1000, ..join_request("silent") };
    let (member, generation) = side.join("a leader that will be silent", &request, newest);
    side.ask::<_, DescribeGroupsResponse>("describe a silent leader", &describe_request(&["silent"]), 6);
    std::thread::sleep(Duration::from_millis(1800));
    side.ask::<_, DescribeGroupsResponse>("describe after a silent leader", &describe_request(&["silent"]), 6);
    side.ask::<_, SyncGroupResponse>("a silent leader speaks at last", &sync_request("silent", &member, generation), 5);
    side.ask::<_, HeartbeatResponse>("heartbeat of a silent leader", &heartbeat_request("silent", member.as_str(), generation), 4);
}

/// Static members: the same instance with another id, fenced ids, and leaving by instance.
fn statics(side: &mut Side) {
    let newest = newest::<JoinGroupRequest>();
    side.await_group("static");
    let request = JoinGroupRequest { group_instance_id: some("one"), ..join_request("static") };
    let (first, generation) = side.join("a static member", &request, newest);
    let by = |member: &Text| SyncGroupRequest { group_instance_id: some("one"), ..sync_request("static", member, generation) };
    side.ask::<_, SyncGroupResponse>("sync a static member", &by(&first), 5);
    side.ask::<_, DescribeGroupsResponse>("describe a static member", &describe_request(&["static"]), 6);
    for version in [5, newest] {
        // The same instance comes back without its id: no rebalance, a new id, and the old one is fenced.
        let (next, next_generation) = side.join("the static member again", &request, version);
        side.ask::<_, SyncGroupResponse>("sync the static member again", &SyncGroupRequest { generation_id: next_generation, ..by(&next) }, 5);
        let beat = |member: &Text, instance: &str| HeartbeatRequest {
            group_instance_id: some(instance),
            ..heartbeat_request("static", member.as_str(), next_generation)
        };
        side.ask::<_, HeartbeatResponse>("heartbeat of the new id", &beat(&next, "one"), 4);
        side.ask::<_, HeartbeatResponse>("heartbeat of the fenced id", &beat(&first, "one"), 4);
        side.ask::<_, HeartbeatResponse>("heartbeat of an instance that is not there", &beat(&next, "two"), 4);
        side.ask::<_, SyncGroupResponse>("sync of the fenced id", &by(&first), 5);
        side.ask::<_, JoinGroupResponse>("join of the fenced id", &JoinGroupRequest { member_id: first.clone(), ..request.clone() }, version);
        group_offsets::commit_of_an_instance(side, "static", first.as_str(), next_generation, "one");
    }
    side.ask::<_, DescribeGroupsResponse>("describe the static member again", &describe_request(&["static"]), 6);
    let leave = |id: &str, instance: &str| {
        let members = vec![MemberIdentity { member_id: text(id), group_instance_id: some(instance), ..MemberIdentity::default() }];
        LeaveGroupRequest { group_id: text("static"), members, ..LeaveGroupRequest::default() }
    };
    side.ask::<_, LeaveGroupResponse>("the fenced id leaves", &leave(first.as_str(), "one"), 5);
    side.ask::<_, LeaveGroupResponse>("an instance that is not there leaves", &leave("", "two"), 5);
    side.ask::<_, LeaveGroupResponse>("the instance is removed", &leave("", "one"), 5);
    side.ask::<_, DescribeGroupsResponse>("describe after the instance was removed", &describe_request(&["static"]), 6);
}

fn administration(side: &mut Side) {
    for version in versions::<DescribeGroupsRequest>() {
        side.ask::<_, DescribeGroupsResponse>("describe unknown groups", &describe_request(&["unknown", "", "life-9"]), version);
        side.ask::<_, DescribeGroupsResponse>("describe no groups", &describe_request(&[]), version);
    }
    let rights = DescribeGroupsRequest { include_authorized_operations: true, ..describe_request(&["life-9"]) };
    side.ask::<_, DescribeGroupsResponse>("describe with rights", &rights, 6);
    for version in versions::<ListGroupsRequest>() {
        side.ask::<_, ListGroupsResponse>("list groups", &ListGroupsRequest::default(), version);
        let list = |states: &[&str], types: &[&str]| ListGroupsRequest {
            states_filter: states.iter().map(|state| text(state)).collect(),
            types_filter: types.iter().map(|kind| text(kind)).collect(),
        };
        if version >= 4 {
            for states in [&["Empty"][..], &["stable", "EMPTY"], &["Dead"], &["nonsense"], &["", "PreparingRebalance", "CompletingRebalance"]] {
                side.ask::<_, ListGroupsResponse>(&format!("list groups in {states:?}"), &list(states, &[]), version);
            }
        }
        if version >= 5 {
            for types in [&["classic"][..], &["Classic", "CONSUMER"], &["nonsense"]] {
                side.ask::<_, ListGroupsResponse>(&format!("list groups of {types:?}"), &list(&[], types), version);
            }
        }
    }
    for version in versions::<DeleteGroupsRequest>() {
        let group = format!("life-{version}");
        let request = DeleteGroupsRequest { groups_names: ["pair", "unknown", "", &group, &group].into_iter().map(text).collect() };
        side.ask::<_, DeleteGroupsResponse>("delete groups", &request, version);
        side.ask::<_, DeleteGroupsResponse>("delete no groups", &DeleteGroupsRequest::default(), version);
        side.ask::<_, DescribeGroupsResponse>("describe a deleted group", &describe_request(&[&group]), 5);
    }
}
