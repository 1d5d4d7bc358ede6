//! What group coordination costs without a log: `cargo bench --bench groups`.
//!
//! Prints how many records of `__consumer_offsets` are replayed in a second, how much memory the groups take, and what a
//! heartbeat and a commit cost among 10,000 members of either protocol, 100 in a group.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark prints, and measures by the real clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use bytes::Bytes;
use corelog::{
    config::BrokerConfig,
    coordinator::{Answer, Call, Caller, Committed, Coordinator, GroupSettings, Now, Question, Ticket, World},
    metadata::{
        ClusterImage,
        image::{PartitionImage, TopicImage},
        map::SharedMap,
    },
    protocol::messages::{
        consumer_group_heartbeat::{
            ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ConsumerGroupHeartbeatTopicPartitions,
        },
        heartbeat::HeartbeatRequest,
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol},
        offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        sync_group::SyncGroupRequest,
    },
    types::{NodeId, Offset, Text, Uuid},
};

const GROUPS: usize = 10_000;
const MEMBERS: usize = 10_000;
const MEMBERS_PER_GROUP: usize = 100;
const REPLAYED: usize = 1_000_000;

struct Bench {
    coordinator: Coordinator,
    settings: GroupSettings,
    image: ClusterImage,
    now: Now,
    tickets: u64,
}

impl Bench {
    fn new() -> Self {
        let mut settings = BrokerConfig::embedded().unwrap().groups;
        settings.initial_rebalance_delay_ms = 0;
        Self { coordinator: Coordinator::default(), settings, image: image(), now: Now { wall_ms: 1, mono_ms: 1 }, tickets: 0 }
    }

    /// Asks in a version that every request of this file has.
    fn ask(&mut self, call: Call) -> Vec<(Ticket, Answer)> {
        self.tickets += 1;
        let caller = Caller { client_id: Text::from_static("bench"), version: 1, random: Uuid(u128::from(self.tickets).to_be_bytes()), ..Caller::default() };
        let world = World { now: self.now, settings: &self.settings, image: &self.image };
        self.coordinator.handle(Ticket(self.tickets), Question { caller, call }, world).answers
    }
}

/// A cluster that speaks the consumer protocol, with a partition of the topic for each member of a group.
fn image() -> ClusterImage {
    let partition = Arc::new(PartitionImage::alone_on(NodeId(1), Uuid::ONE));
    let mut partitions = SharedMap::default();
    for index in 0..i32::try_from(MEMBERS_PER_GROUP).unwrap() {
        partitions.insert(index, Arc::clone(&partition));
    }
    let topic = TopicImage { id: Uuid::ONE, name: Text::from_static("orders"), partitions };
    let mut image = ClusterImage { end_offset: Offset::new(1).unwrap(), ..ClusterImage::default() };
    image.features.insert(Text::from_static("group.version"), 1);
    image.topic_ids.insert(topic.name.clone(), topic.id);
    image.topics.insert(topic.id, Arc::new(topic));
    image
}

/// The names of the groups of the members.
fn group_ids() -> impl Iterator<Item = Text> {
    (0..MEMBERS / MEMBERS_PER_GROUP).map(|group| Text::from(format!("group-{group}")))
}

/// Does something with each member and prints what that took.
fn measure<M>(what: &str, members: &[M], mut happen: impl FnMut(&M)) {
    let started = Instant::now();
    members.iter().for_each(&mut happen);
    let elapsed = started.elapsed();
    println!("{} {what}: {:.2} ms in all, {} ns each", members.len(), elapsed.as_secs_f64() * 1e3, elapsed.as_nanos() / members.len() as u128);
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}

fn replay() {
    let committed = Committed { position: 7, leader_epoch: None, metadata: Text::default(), committed_ms: 1, expires_ms: None, topic_id: Some(Uuid::ONE) };
    let topic = Text::from_static("orders");
    let records: Vec<(Bytes, Option<Bytes>)> = (0..GROUPS)
        .map(|index| committed.record(&Text::from(format!("group-{index}")), &topic, 0).unwrap())
        .map(|record| (record.key, record.value))
        .collect();
    let mut coordinator = Coordinator::default();
    let mut replay = |count: usize| {
        for (key, value) in records.iter().cycle().take(count) {
            coordinator.replay(Some(Bytes::copy_from_slice(key)), value.as_deref().map(Bytes::copy_from_slice)).unwrap();
        }
    };
    let before = resident_kib();
    replay(GROUPS);
    println!("{GROUPS} groups with one committed position each: {} KiB of memory", resident_kib() - before);
    let started = Instant::now();
    replay(REPLAYED);
    let seconds = started.elapsed().as_secs_f64();
    println!("replay of commits of {} groups: {:.2} million records/s", coordinator.len(), REPLAYED as f64 / seconds / 1e6);
}

fn classic_members() {
    let mut bench = Bench::new();
    let mut members = Vec::new();
    for group_id in group_ids() {
        for _ in 0..MEMBERS_PER_GROUP {
            let request = JoinGroupRequest {
                group_id: group_id.clone(),
                session_timeout_ms: 45_000,
                rebalance_timeout_ms: 300_000,
                protocol_type: Text::from_static("consumer"),
                protocols: vec![JoinGroupRequestProtocol { name: Text::from_static("range"), metadata: Bytes::from_static(&[0; 64]) }],
                ..JoinGroupRequest::default()
            };
            bench.ask(Call::Join(request));
        }
    }
    bench.now.mono_ms += 10_000;
    let world = World { now: bench.now, settings: &bench.settings, image: &bench.image };
    let answers = bench.coordinator.tick(world).answers;
    let joined: Vec<_> = answers.into_iter().filter_map(|(_, answer)| if let Answer::Join(joined) = answer { Some(joined) } else { None }).collect();
    assert_eq!(joined.len(), MEMBERS);
    // Groups come in the order of their names, and each group's leader is told of all its members.
    let mut names: Vec<Text> = group_ids().collect();
    names.sort();
    for (group_id, leads) in names.iter().zip(joined.iter().filter(|joined| !joined.members.is_empty())) {
        members.extend(leads.members.iter().map(|member| (group_id.clone(), member.member_id.clone())));
        let request =
            SyncGroupRequest { group_id: group_id.clone(), generation_id: 1, member_id: leads.member_id.clone(), ..SyncGroupRequest::default() };
        bench.ask(Call::Sync(request));
    }
    measure("heartbeats, one of each member", &members, |(group_id, member_id)| {
        let request = HeartbeatRequest { group_id: group_id.clone(), generation_id: 1, member_id: member_id.clone(), group_instance_id: None };
        let answers = bench.ask(Call::Heartbeat(request));
        assert!(matches!(&answers[..], [(_, Answer::Heartbeat(response))] if response.error_code == 0));
    });
    measure("commits of one position, without the log", &members, |(group_id, member_id)| {
        let partitions = vec![OffsetCommitRequestPartition { committed_offset: 1, ..OffsetCommitRequestPartition::default() }];
        let request = OffsetCommitRequest {
            group_id: group_id.clone(),
            generation_id_or_member_epoch: 1,
            member_id: member_id.clone(),
            topics: vec![OffsetCommitRequestTopic { name: Text::from_static("orders"), topic_id: Uuid::ONE, partitions }],
            ..OffsetCommitRequest::default()
        };
        let answers = bench.ask(Call::Commit(request));
        assert!(matches!(&answers[..], [(_, Answer::Commit(commit))] if commit.topics[0].partitions[0].error_code == 0));
    });
}

/// What a member of the consumer protocol knows: its epoch, and what it owns.
type Standing = (i32, Vec<ConsumerGroupHeartbeatTopicPartitions>);

fn modern_members() {
    let mut bench = Bench::new();
    let members: Vec<(Text, Text)> =
        group_ids().flat_map(|group| (0..MEMBERS_PER_GROUP).map(move |member| (group.clone(), Text::from(format!("member-{member}"))))).collect();
    let mut standings: BTreeMap<(Text, Text), Standing> = BTreeMap::new();
    let beat = |bench: &mut Bench, (group_id, member_id): &(Text, Text), standing: Option<&Standing>, is_whole: bool| {
        let (member_epoch, owned) = standing.cloned().unwrap_or_default();
        let request = ConsumerGroupHeartbeatRequest {
            group_id: group_id.clone(),
            member_id: member_id.clone(),
            member_epoch,
            rebalance_timeout_ms: if is_whole { 300_000 } else { -1 },
            subscribed_topic_names: is_whole.then(|| vec![Text::from_static("orders")]),
            topic_partitions: is_whole.then_some(owned),
            ..ConsumerGroupHeartbeatRequest::default()
        };
        match bench.ask(Call::ConsumerHeartbeat(request)).pop() {
            Some((_, Answer::ConsumerHeartbeat(response))) if response.error_code == 0 => response,
            other => panic!("{other:?}"),
        }
    };
    // All join, the first give up what they have too much of, the last take it.
    for _ in 0..8 {
        bench.now = Now { wall_ms: bench.now.wall_ms + 5_000, mono_ms: bench.now.mono_ms + 5_000 };
        for member in &members {
            let response: ConsumerGroupHeartbeatResponse = beat(&mut bench, member, standings.get(member), true);
            let standing = standings.entry(member.clone()).or_default();
            standing.0 = response.member_epoch;
            if let Some(assignment) = response.assignment {
                standing.1 = assignment.topic_partitions;
            }
        }
    }
    assert!(standings.values().all(|(_, owned)| matches!(&owned[..], [topic] if topic.partitions.len() == 1)), "everyone owns one partition");
    for is_whole in [true, false] {
        // The first round confirms what each owns; the second has nothing to say any more, as nearly all heartbeats.
        let what = if is_whole { "heartbeats of the consumer protocol that tell everything" } else { "heartbeats of the consumer protocol that tell nothing new" };
        measure(what, &members, |member| {
            let response = beat(&mut bench, member, standings.get(member), is_whole);
            assert_eq!(response.member_epoch, standings[member].0);
        });
    }
}

fn main() {
    replay();
    classic_members();
    modern_members();
}
