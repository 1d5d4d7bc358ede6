//! Committed offsets: OffsetCommit, OffsetFetch and OffsetDelete in every version, asked well and badly.

use corelog::{
    protocol::messages::{
        offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse},
        offset_delete::{OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic, OffsetDeleteResponse},
        offset_fetch::{
            OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics, OffsetFetchResponse,
        },
    },
    types::{Text, Uuid},
};

use super::{Side, newest, some, text, versions};
use crate::oracle::answer::Answer;

impl Answer for OffsetCommitResponse {}
impl Answer for OffsetDeleteResponse {}
impl Answer for OffsetFetchResponse {}

/// The first version of commits and fetches that goes by ids of topics.
const IDS_FROM: i16 = 10;

pub(super) fn ask(side: &mut Side) {
    let ids = Ids { grouped: side.topic_id("grouped"), other: side.make_topic("offsets-only", 2, &[]) };
    for version in versions::<OffsetCommitRequest>() {
        outside_of_groups(side, &ids, version);
    }
    fetches(side, &ids);
    deletes(side);
}

/// Ids of the topics that are committed.
struct Ids {
    grouped: Uuid,
    other: Uuid,
}

fn partition(index: i32, offset: i64, metadata: Option<&str>) -> OffsetCommitRequestPartition {
    OffsetCommitRequestPartition {
        partition_index: index,
        committed_offset: offset,
        committed_metadata: metadata.map(Text::from),
        ..OffsetCommitRequestPartition::default()
    }
}

fn commit_request(group: &str, topic: &str, id: Uuid, partitions: Vec<OffsetCommitRequestPartition>) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: text(group),
        topics: vec![OffsetCommitRequestTopic { name: text(topic), topic_id: id, partitions }],
        ..OffsetCommitRequest::default()
    }
}

/// A commit of one offset by whoever it is, with the topic by name and id.
pub(super) fn commit_as(group: &str, member: &str, generation: i32, topic: &str, id: Uuid) -> OffsetCommitRequest {
    OffsetCommitRequest {
        generation_id_or_member_epoch: generation,
        member_id: text(member),
        ..commit_request(group, topic, id, vec![partition(0, 5, Some("by one"))])
    }
}

/// What a live member may commit, and what others may not in its group.
pub(super) fn commits_of_a_member(side: &mut Side, group: &str, member: &str, generation: i32, version: i16) {
    let version = (version + 1).clamp(*versions::<OffsetCommitRequest>().start(), IDS_FROM - 1);
    let by = |member: &str, generation: i32| OffsetCommitRequest {
        generation_id_or_member_epoch: generation,
        member_id: text(member),
        ..commit_request(group, "grouped", Uuid::ZERO, vec![partition(0, 5, Some("of a member"))])
    };
    side.ask::<_, OffsetCommitResponse>("commit of a member", &by(member, generation), version);
    side.ask::<_, OffsetCommitResponse>("commit of an old generation", &by(member, generation - 1), version);
    side.ask::<_, OffsetCommitResponse>("commit of a stranger", &by("nobody", generation), version);
    side.ask::<_, OffsetCommitResponse>("commit from outside into a live group", &by("", -1), version);
    side.ask::<_, OffsetCommitResponse>("commit of a member without generation", &by(member, -1), version);
}

/// A commit of a static member's id.
pub(super) fn commit_of_an_instance(side: &mut Side, group: &str, member: &str, generation: i32, instance: &str) {
    let request = OffsetCommitRequest {
        generation_id_or_member_epoch: generation,
        member_id: text(member),
        group_instance_id: some(instance),
        ..commit_request(group, "grouped", Uuid::ZERO, vec![partition(0, 5, None)])
    };
    side.ask::<_, OffsetCommitResponse>("commit of a fenced id", &request, 9);
    side.ask::<_, OffsetCommitResponse>("commit of an unknown instance", &OffsetCommitRequest { group_instance_id: some("two"), ..request }, 9);
}

fn outside_of_groups(side: &mut Side, ids: &Ids, version: i16) {
    let group = format!("outside-{version}");
    side.await_group(&group);
    let long = "m".repeat(4096);
    let too_long = "m".repeat(4097);
    let cases: Vec<(&str, OffsetCommitRequest)> = vec![
        ("from outside", commit_request(&group, "grouped", ids.grouped, vec![partition(0, 7, Some("hello")), partition(1, 0, None)])),
        ("of nothing", OffsetCommitRequest { topics: Vec::new(), ..commit_request(&group, "grouped", ids.grouped, Vec::new()) }),
        ("of no partitions", commit_request(&group, "grouped", ids.grouped, Vec::new())),
        ("of unknown partitions", commit_request(&group, "grouped", ids.grouped, vec![partition(9, 7, None), partition(-1, 7, None), partition(2, 1, None)])),
        ("of an unknown topic", commit_request(&group, "unknown-topic", Uuid([7; 16]), vec![partition(0, 7, None)])),
        ("of a topic of a bad name", commit_request(&group, "a b", Uuid([8; 16]), vec![partition(0, 7, None)])),
        ("with metadata at the limit", commit_request(&group, "offsets-only", ids.other, vec![partition(0, 7, Some(&long))])),
        ("with metadata over the limit", commit_request(&group, "offsets-only", ids.other, vec![partition(0, 9, Some(&too_long)), partition(1, 9, Some("ok"))])),
        ("of a negative offset", commit_request(&group, "offsets-only", ids.other, vec![partition(1, -1, None)])),
        ("of the largest offset", commit_request(&group, "offsets-only", ids.other, vec![partition(1, i64::MAX, None)])),
        ("of one partition twice", commit_request(&group, "offsets-only", ids.other, vec![partition(1, 3, Some("first")), partition(1, 4, Some("second"))])),
        ("with a generation into no group", OffsetCommitRequest { generation_id_or_member_epoch: 3, ..commit_request(&group, "grouped", ids.grouped, vec![partition(0, 8, None)]) }),
        ("with a member into no group", OffsetCommitRequest { member_id: text("nobody"), ..commit_request(&group, "grouped", ids.grouped, vec![partition(0, 8, None)]) }),
        ("without a group", commit_request("", "grouped", ids.grouped, vec![partition(0, 7, None)])),
    ];
    for (what, request) in &cases {
        side.ask::<_, OffsetCommitResponse>(&format!("commit {what}"), request, version);
    }
    let epoch = OffsetCommitRequestPartition { committed_leader_epoch: 0, ..partition(2, 2, Some("")) };
    side.ask::<_, OffsetCommitResponse>("commit with an epoch", &commit_request(&group, "grouped", ids.grouped, vec![epoch]), version);
    if version <= 4 {
        let request = OffsetCommitRequest { retention_time_ms: 3_600_000, ..commit_request(&group, "grouped", ids.grouped, vec![partition(0, 7, None)]) };
        side.ask::<_, OffsetCommitResponse>("commit with a retention", &request, version);
    }
}

fn fetches(side: &mut Side, ids: &Ids) {
    for version in versions::<OffsetFetchRequest>() {
        for group in ["outside-9", "outside-4", "never-seen", "", "life-9"] {
            if version <= 7 {
                fetch_one(side, group, version);
            } else {
                fetch_group(side, ids, group, version);
            }
        }
        if version >= 8 {
            let group = |name: &str| OffsetFetchRequestGroup { group_id: text(name), ..OffsetFetchRequestGroup::default() };
            let groups = ["outside-9", "never-seen", "outside-9", ""].into_iter().map(group).collect();
            let request = OffsetFetchRequest { groups, ..OffsetFetchRequest::default() };
            side.ask::<_, OffsetFetchResponse>("offsets of several groups", &request, version);
            side.ask::<_, OffsetFetchResponse>("offsets of no groups", &OffsetFetchRequest::default(), version);
        }
    }
}

fn fetch_one(side: &mut Side, group: &str, version: i16) {
    let topic = |name: &str, partition_indexes: &[i32]| OffsetFetchRequestTopic { name: text(name), partition_indexes: partition_indexes.to_vec() };
    let named = vec![topic("grouped", &[0, 1, 2, 9, -1]), topic("offsets-only", &[0]), topic("unknown-topic", &[0])];
    let mut wanted = vec![("named", Some(named)), ("none", Some(Vec::new()))];
    if version >= 2 {
        wanted.push(("all", None));
    }
    for (what, topics) in wanted {
        let request = OffsetFetchRequest { group_id: text(group), topics, require_stable: version >= 7, ..OffsetFetchRequest::default() };
        side.ask::<_, OffsetFetchResponse>(&format!("{what} offsets of '{group}'"), &request, version);
    }
}

fn fetch_group(side: &mut Side, ids: &Ids, group: &str, version: i16) {
    let topic = |name: &str, topic_id: Uuid, partition_indexes: &[i32]| OffsetFetchRequestTopics {
        name: text(name),
        topic_id,
        partition_indexes: partition_indexes.to_vec(),
    };
    let named = vec![
        topic("grouped", ids.grouped, &[0, 1, 2, 9, -1]),
        topic("offsets-only", ids.other, &[0]),
        topic("unknown-topic", Uuid([7; 16]), &[0]),
    ];
    let mut members = vec![("nobody", None, -1)];
    if version >= 9 {
        members.extend([("a stranger", some("nobody"), 3), ("an empty member", some(""), -1), ("an epoch", None, 3)]);
    }
    for (who, member_id, member_epoch) in members {
        for (what, topics) in [("named", Some(named.clone())), ("no", Some(Vec::new())), ("all", None)] {
            let asked = OffsetFetchRequestGroup { group_id: text(group), member_id: member_id.clone(), member_epoch, topics };
            let request = OffsetFetchRequest { groups: vec![asked], require_stable: true, ..OffsetFetchRequest::default() };
            side.ask::<_, OffsetFetchResponse>(&format!("{what} offsets of '{group}' for {who}"), &request, version);
        }
    }
}

fn deletes(side: &mut Side) {
    let topic = |name: &str, partitions: &[i32]| OffsetDeleteRequestTopic {
        name: text(name),
        partitions: partitions.iter().map(|index| OffsetDeleteRequestPartition { partition_index: *index }).collect(),
    };
    for version in versions::<OffsetDeleteRequest>() {
        for (group, topics) in [
            ("outside-9", vec![topic("grouped", &[0, 9, -1]), topic("unknown-topic", &[0])]),
            ("outside-9", vec![topic("grouped", &[0])]),
            ("outside-9", Vec::new()),
            ("never-seen", vec![topic("grouped", &[0])]),
            ("", vec![topic("grouped", &[0])]),
            // A live group that reads the topic.
            ("pair", vec![topic("grouped", &[0]), topic("offsets-only", &[0])]),
        ] {
            let question = format!("delete offsets of '{group}' in {} topics", topics.len());
            let request = OffsetDeleteRequest { group_id: text(group), topics };
            side.ask::<_, OffsetDeleteResponse>(&question, &request, version);
        }
    }
    let newest = newest::<OffsetFetchRequest>();
    let group = OffsetFetchRequestGroup { group_id: text("outside-9"), ..OffsetFetchRequestGroup::default() };
    let request = OffsetFetchRequest { groups: vec![group], ..OffsetFetchRequest::default() };
    side.ask::<_, OffsetFetchResponse>("offsets after some were deleted", &request, newest);
}
