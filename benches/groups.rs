//! What group coordination costs without a log: `cargo bench --bench groups`.
//!
//! Prints how many records of `__consumer_offsets` are replayed in a second, and what a heartbeat and a commit cost among
//! 10,000 members.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark prints, and measures by the real clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::time::Instant;

use bytes::Bytes;
use corelog::{
    config::BrokerConfig,
    coordinator::{Answer, Call, Caller, Committed, Coordinator, GroupSettings, Now, Question, Ticket, World},
    metadata::ClusterImage,
    protocol::messages::{
        heartbeat::HeartbeatRequest,
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol},
        offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        sync_group::SyncGroupRequest,
    },
    types::{Text, Uuid},
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
        Self { coordinator: Coordinator::default(), settings, image: ClusterImage::default(), now: Now { wall_ms: 1, mono_ms: 1 }, tickets: 0 }
    }

    fn ask(&mut self, call: Call) -> Vec<(Ticket, Answer)> {
        self.tickets += 1;
        let caller = Caller { client_id: Text::from_static("bench"), version: 3, random: Uuid(u128::from(self.tickets).to_be_bytes()), ..Caller::default() };
        let world = World { now: self.now, settings: &self.settings, image: &self.image };
        self.coordinator.handle(Ticket(self.tickets), Question { caller, call }, world).answers
    }
}

fn replay() {
    let committed = Committed { position: 7, leader_epoch: None, metadata: Text::default(), committed_ms: 1, expires_ms: None, topic_id: Some(Uuid::ONE) };
    let topic = Text::from_static("orders");
    let records: Vec<(Bytes, Option<Bytes>)> = (0..GROUPS)
        .map(|index| committed.record(&Text::from(format!("group-{index}")), &topic, 0).unwrap())
        .map(|record| (record.key, record.value))
        .collect();
    let mut coordinator = Coordinator::default();
    let started = Instant::now();
    for (key, value) in records.iter().cycle().take(REPLAYED) {
        coordinator.replay(Some(Bytes::copy_from_slice(key)), value.as_deref().map(Bytes::copy_from_slice)).unwrap();
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("replay of commits of {} groups: {:.2} million records/s", coordinator.len(), REPLAYED as f64 / seconds / 1e6);
}

fn members() {
    let mut bench = Bench::new();
    let mut members = Vec::new();
    for group in 0..MEMBERS / MEMBERS_PER_GROUP {
        let group_id = Text::from(format!("group-{group}"));
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
    let mut names: Vec<Text> = (0..MEMBERS / MEMBERS_PER_GROUP).map(|group| Text::from(format!("group-{group}"))).collect();
    names.sort();
    for (group_id, leads) in names.iter().zip(joined.iter().filter(|joined| !joined.members.is_empty())) {
        members.extend(leads.members.iter().map(|member| (group_id.clone(), member.member_id.clone())));
        let request =
            SyncGroupRequest { group_id: group_id.clone(), generation_id: 1, member_id: leads.member_id.clone(), ..SyncGroupRequest::default() };
        bench.ask(Call::Sync(request));
    }
    let started = Instant::now();
    for (group_id, member_id) in &members {
        let request = HeartbeatRequest { group_id: group_id.clone(), generation_id: 1, member_id: member_id.clone(), group_instance_id: None };
        let answers = bench.ask(Call::Heartbeat(request));
        assert!(matches!(&answers[..], [(_, Answer::Heartbeat(response))] if response.error_code == 0));
    }
    let elapsed = started.elapsed();
    println!("{MEMBERS} heartbeats, one of each member: {:.2} ms in all, {} ns each", elapsed.as_secs_f64() * 1e3, elapsed.as_nanos() / MEMBERS as u128);
    let started = Instant::now();
    for (group_id, member_id) in &members {
        let partitions = vec![OffsetCommitRequestPartition { committed_offset: 1, ..OffsetCommitRequestPartition::default() }];
        let request = OffsetCommitRequest {
            group_id: group_id.clone(),
            generation_id_or_member_epoch: 1,
            member_id: member_id.clone(),
            topics: vec![OffsetCommitRequestTopic { name: Text::from_static("orders"), topic_id: Uuid::ONE, partitions }],
            ..OffsetCommitRequest::default()
        };
        let answers = bench.ask(Call::Commit(request));
        assert!(matches!(&answers[..], [(_, Answer::Commit(_))]));
    }
    println!("{MEMBERS} commits of one position: {} ns each, without the log", started.elapsed().as_nanos() / MEMBERS as u128);
}

fn main() {
    replay();
    members();
}
