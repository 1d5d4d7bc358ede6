//! A classic group from outside: requests and time go in, answers and records come out.

use bytes::Bytes;

use super::super::{Answer, Call, Caller, Coordinator, Effects, GroupSettings, Now, Question, Ticket, World};
use crate::{
    config::BrokerConfig,
    metadata::ClusterImage,
    protocol::messages::{
        heartbeat::HeartbeatRequest,
        join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, MemberIdentity},
        offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
        sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse},
    },
    types::{Text, Uuid},
};

const SESSION_MS: i32 = 10_000;
const REBALANCE_MS: i32 = 60_000;

/// A coordinator with a clock and a log.
pub(in crate::coordinator) struct Bench {
    pub(in crate::coordinator) coordinator: Coordinator,
    pub(in crate::coordinator) settings: GroupSettings,
    pub(in crate::coordinator) now: Now,
    pub(in crate::coordinator) image: ClusterImage,
    log: Vec<super::super::LogRecord>,
    tickets: u64,
    answers: Vec<(Ticket, Answer)>,
    pub(in crate::coordinator) version: i16,
}

impl Bench {
    pub(in crate::coordinator) fn new() -> Self {
        let settings = BrokerConfig::embedded().unwrap().groups;
        let now = Now { wall_ms: 1_000_000, mono_ms: 1_000 };
        let mut coordinator = Coordinator::default();
        let image = ClusterImage::default();
        coordinator.start(World { now, settings: &settings, image: &image });
        Self { coordinator, settings, now, image, log: Vec::new(), tickets: 0, answers: Vec::new(), version: 9 }
    }

    fn keep(&mut self, effects: Effects) {
        self.log.extend(effects.records);
        self.answers.extend(effects.answers);
    }

    /// Asks; the answer may come later.
    pub(in crate::coordinator) fn ask(&mut self, call: Call) -> Ticket {
        self.tickets += 1;
        let mut random = Uuid::ZERO;
        random.0[..8].copy_from_slice(&self.tickets.to_be_bytes());
        let caller = Caller {
            client_id: Text::from_static("client"),
            client_host: Text::from_static("/127.0.0.1"),
            version: self.version,
            random,
        };
        let ticket = Ticket(self.tickets);
        let effects = self.coordinator.handle(ticket, Question { caller, call }, World { now: self.now, settings: &self.settings, image: &self.image });
        self.keep(effects);
        ticket
    }

    /// The answer, if it has come.
    pub(in crate::coordinator) fn answer(&mut self, ticket: Ticket) -> Option<Answer> {
        let at = self.answers.iter().position(|(known, _)| *known == ticket)?;
        Some(self.answers.remove(at).1)
    }

    /// Lets time pass, doing what is due when it is due.
    pub(in crate::coordinator) fn pass(&mut self, ms: u64) {
        let end_ms = self.now.mono_ms + ms;
        loop {
            let next_ms = self.coordinator.next_tick_ms().min(end_ms).max(self.now.mono_ms);
            self.now.wall_ms += i64::try_from(next_ms - self.now.mono_ms).unwrap();
            self.now.mono_ms = next_ms;
            let effects = self.coordinator.tick(World { now: self.now, settings: &self.settings, image: &self.image });
            self.keep(effects);
            if next_ms == end_ms {
                return;
            }
        }
    }

    /// A new coordinator that has read the log.
    pub(in crate::coordinator) fn restart(&mut self) {
        let mut coordinator = Coordinator::default();
        for record in &self.log {
            coordinator.replay(Some(record.key.clone()), record.value.clone()).unwrap();
        }
        let effects = coordinator.start(World { now: self.now, settings: &self.settings, image: &self.image });
        self.coordinator = coordinator;
        self.keep(effects);
    }

    fn join(&mut self, member: &str, instance: Option<&str>) -> Ticket {
        self.ask(Call::Join(join_request(member, instance, &[("range", b"m")])))
    }

    fn joined(&mut self, ticket: Ticket) -> JoinGroupResponse {
        match self.answer(ticket) {
            Some(Answer::Join(response)) => response,
            other => panic!("{ticket:?}: {other:?}"),
        }
    }

    fn sync(&mut self, member: &Text, generation: i32, assignments: &[(&Text, &'static [u8])]) -> Ticket {
        let assignments = assignments.iter().map(|(member, bytes)| SyncGroupRequestAssignment {
            member_id: (*member).clone(),
            assignment: Bytes::from_static(bytes),
        });
        self.ask(Call::Sync(SyncGroupRequest {
            group_id: Text::from_static("g"),
            generation_id: generation,
            member_id: member.clone(),
            assignments: assignments.collect(),
            ..SyncGroupRequest::default()
        }))
    }

    fn synced(&mut self, ticket: Ticket) -> SyncGroupResponse {
        match self.answer(ticket) {
            Some(Answer::Sync(response)) => response,
            other => panic!("{ticket:?}: {other:?}"),
        }
    }

    fn heartbeat(&mut self, member: &Text, generation: i32) -> i16 {
        let request = HeartbeatRequest {
            group_id: Text::from_static("g"),
            generation_id: generation,
            member_id: member.clone(),
            ..HeartbeatRequest::default()
        };
        let ticket = self.ask(Call::Heartbeat(request));
        match self.answer(ticket) {
            Some(Answer::Heartbeat(response)) => response.error_code,
            other => panic!("{other:?}"),
        }
    }

    fn leave(&mut self, member: &Text, instance: Option<&str>) -> i16 {
        let members = vec![MemberIdentity { member_id: member.clone(), group_instance_id: instance.map(Text::from), reason: None }];
        let ticket = self.ask(Call::Leave(LeaveGroupRequest { group_id: Text::from_static("g"), members, ..LeaveGroupRequest::default() }));
        match self.answer(ticket) {
            Some(Answer::Leave(response)) => response.members[0].error_code,
            Some(Answer::Refused(error)) => error.code(),
            other => panic!("{other:?}"),
        }
    }

    pub(in crate::coordinator) fn commit(&mut self, member: &str, generation: i32, position: i64) -> i16 {
        let ticket = self.ask(Call::Commit(commit_request(member, generation, position)));
        match self.answer(ticket) {
            Some(Answer::Commit(response)) => response.topics[0].partitions[0].error_code,
            Some(Answer::Refused(error)) => error.code(),
            other => panic!("{other:?}"),
        }
    }

    pub(in crate::coordinator) fn position(&mut self) -> i64 {
        let topics = vec![OffsetFetchRequestTopics { name: Text::from_static("t"), partition_indexes: vec![0], ..Default::default() }];
        let group = OffsetFetchRequestGroup { group_id: Text::from_static("g"), topics: Some(topics), ..Default::default() };
        let ticket = self.ask(Call::Fetch { group, require_stable: false });
        match self.answer(ticket) {
            Some(Answer::Fetch(response)) => response.topics[0].partitions[0].committed_offset,
            other => panic!("{other:?}"),
        }
    }

    fn state(&self) -> &'static str {
        self.coordinator.groups.get("g").map_or("none", |group| group.state_name())
    }

    /// Two dynamic members in a stable group: their ids, the leader first, and the generation.
    fn two_members(&mut self) -> (Text, Text, i32) {
        let ids: Vec<Text> = (0..2)
            .map(|_| {
                let ticket = self.join("", None);
                let required = self.joined(ticket);
                assert_eq!(required.error_code, 79);
                required.member_id
            })
            .collect();
        let tickets: Vec<Ticket> = ids.iter().map(|id| self.join(id, None)).collect();
        self.pass(10_000);
        let responses: Vec<JoinGroupResponse> = tickets.into_iter().map(|ticket| self.joined(ticket)).collect();
        let leader = responses[0].leader.clone();
        let follower = ids.iter().find(|id| **id != leader).unwrap().clone();
        let generation = responses[0].generation_id;
        let leads = responses.iter().find(|response| response.member_id == leader).unwrap();
        assert_eq!((leads.members.len(), responses.iter().map(|response| response.members.len()).sum::<usize>()), (2, 2));
        let waits = self.sync(&follower, generation, &[]);
        assert!(self.answer(waits).is_none());
        let brings = self.sync(&leader, generation, &[(&leader, b"L"), (&follower, b"F")]);
        assert_eq!((&self.synced(brings).assignment[..], &self.synced(waits).assignment[..]), (&b"L"[..], &b"F"[..]));
        assert_eq!(self.state(), "Stable");
        (leader, follower, generation)
    }
}

fn join_request(member: &str, instance: Option<&str>, protocols: &[(&'static str, &'static [u8])]) -> JoinGroupRequest {
    let protocols = protocols.iter().map(|(name, metadata)| JoinGroupRequestProtocol {
        name: Text::from_static(name),
        metadata: Bytes::from_static(metadata),
    });
    JoinGroupRequest {
        group_id: Text::from_static("g"),
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        member_id: Text::from(member),
        group_instance_id: instance.map(Text::from),
        protocol_type: Text::from_static("consumer"),
        protocols: protocols.collect(),
        reason: None,
    }
}

fn commit_request(member: &str, generation: i32, position: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition { committed_offset: position, ..OffsetCommitRequestPartition::default() };
    OffsetCommitRequest {
        group_id: Text::from_static("g"),
        generation_id_or_member_epoch: generation,
        member_id: Text::from(member),
        topics: vec![OffsetCommitRequestTopic { name: Text::from_static("t"), partitions: vec![partition], ..Default::default() }],
        ..OffsetCommitRequest::default()
    }
}

#[test]
fn members_join_share_the_work_and_carry_on_after_a_restart() {
    let mut bench = Bench::new();
    let (leader, follower, generation) = bench.two_members();
    assert_eq!(bench.commit(&leader, generation, 7), 0);
    bench.restart();
    assert_eq!((bench.state(), bench.position()), ("Stable", 7));
    assert_eq!((bench.heartbeat(&leader, generation), bench.heartbeat(&follower, generation)), (0, 0));
    let again = bench.sync(&follower, generation, &[]);
    assert_eq!(&bench.synced(again).assignment[..], b"F");
    // Nothing is heard of anybody: both sessions end and nobody is left.
    bench.pass(u64::try_from(SESSION_MS).unwrap() + 1);
    assert_eq!(bench.state(), "Empty");
    bench.restart();
    assert_eq!((bench.state(), bench.heartbeat(&leader, generation)), ("Empty", 25));
}

#[test]
fn the_first_rebalance_waits_for_more_but_not_for_ever() {
    let mut bench = Bench::new();
    bench.version = 3;
    let first = bench.join("", None);
    bench.pass(2_900);
    let second = bench.join("", None);
    bench.pass(200);
    // 3 s are over, but someone came.
    assert!(bench.answer(first).is_none());
    bench.pass(3_000);
    let (first, second) = (bench.joined(first), bench.joined(second));
    assert_eq!((first.generation_id, second.generation_id, first.members.len() + second.members.len()), (1, 1, 2));
}

#[test]
fn stale_generations_strangers_and_rebalances_are_told_apart() {
    let mut bench = Bench::new();
    let (leader, follower, generation) = bench.two_members();
    let stranger = Text::from_static("stranger");
    assert_eq!((bench.heartbeat(&stranger, generation), bench.heartbeat(&leader, generation - 1)), (25, 22));
    assert_eq!((bench.commit("stranger", generation, 1), bench.commit(&leader, generation + 1, 1)), (25, 22));
    // Whoever manages its partitions itself must keep away from a living group.
    assert_eq!(bench.commit("", -1, 1), 25);
    let rejoins = bench.join(&leader, None);
    assert_eq!((bench.state(), bench.heartbeat(&follower, generation)), ("PreparingRebalance", 27));
    let early = bench.sync(&follower, generation, &[]);
    assert_eq!(bench.synced(early).error_code, 27);
    assert_eq!(bench.commit(&follower, generation, 2), 0, "what was read before the rebalance may be committed");
    let follows = bench.join(&follower, None);
    let (leads, follows) = (bench.joined(rejoins), bench.joined(follows));
    assert_eq!((leads.generation_id, follows.generation_id), (generation + 1, generation + 1));
    assert_eq!(bench.commit(&follower, generation + 1, 3), 27, "not before the assignment");
}

#[test]
fn who_does_not_come_back_in_time_is_out() {
    let mut bench = Bench::new();
    let (leader, follower, _) = bench.two_members();
    let rejoins = bench.join(&leader, None);
    // The follower sends heartbeats, so its session lives, but it does not join.
    for _ in 0..8 {
        bench.pass(8_000);
        bench.heartbeat(&follower, 1);
    }
    let response = bench.joined(rejoins);
    assert_eq!((response.error_code, response.generation_id, response.members.len()), (0, 2, 1));
    assert_eq!(bench.heartbeat(&follower, 2), 25);
}

#[test]
fn who_joins_and_never_syncs_is_out() {
    let mut bench = Bench::new();
    let (leader, follower, _) = bench.two_members();
    let (leads, follows) = (bench.join(&leader, None), bench.join(&follower, None));
    let generation = bench.joined(leads).generation_id;
    bench.joined(follows);
    let brings = bench.sync(&leader, generation, &[]);
    assert_eq!(bench.synced(brings).error_code, 0);
    for _ in 0..8 {
        bench.pass(8_000);
        bench.heartbeat(&leader, generation);
        bench.heartbeat(&follower, generation);
    }
    assert_eq!((bench.state(), bench.heartbeat(&follower, generation)), ("PreparingRebalance", 25));
    assert_eq!(bench.heartbeat(&leader, generation), 27);
}

#[test]
fn leaving_is_a_rebalance_for_the_others() {
    let mut bench = Bench::new();
    let (leader, follower, generation) = bench.two_members();
    assert_eq!(bench.leave(&follower, None), 0);
    assert_eq!(bench.leave(&follower, None), 25);
    assert_eq!(bench.heartbeat(&leader, generation), 27);
    let rejoins = bench.join(&leader, None);
    assert_eq!(bench.joined(rejoins).generation_id, generation + 1);
    assert_eq!(bench.leave(&leader, None), 0);
    assert_eq!(bench.state(), "Empty");
    bench.restart();
    assert_eq!(bench.state(), "Empty");
}

#[test]
fn a_static_member_comes_back_without_a_rebalance_and_its_old_self_is_fenced() {
    let mut bench = Bench::new();
    let first = bench.join("", Some("one"));
    bench.pass(4_000);
    let first = bench.joined(first);
    let id = first.member_id.clone();
    assert!(id.starts_with("one-") && first.leader == id);
    let brings = bench.sync(&id, 1, &[(&id, b"A")]);
    bench.synced(brings);
    let back = bench.join("", Some("one"));
    let back = bench.joined(back);
    assert_eq!((back.error_code, back.generation_id, back.skip_assignment, bench.state()), (0, 1, true, "Stable"));
    assert_ne!(back.member_id, id);
    let again = bench.sync(&back.member_id, 1, &[]);
    assert_eq!(&bench.synced(again).assignment[..], b"A");
    bench.restart();
    let mut fenced = HeartbeatRequest { group_id: Text::from_static("g"), generation_id: 1, member_id: id, group_instance_id: Some(Text::from_static("one")) };
    let ticket = bench.ask(Call::Heartbeat(fenced.clone()));
    assert!(matches!(bench.answer(ticket), Some(Answer::Heartbeat(response)) if response.error_code == 82));
    fenced.member_id = back.member_id;
    let ticket = bench.ask(Call::Heartbeat(fenced));
    assert!(matches!(bench.answer(ticket), Some(Answer::Heartbeat(response)) if response.error_code == 0));
    // Administrators remove static members by their instance id alone.
    assert_eq!((bench.leave(&Text::default(), Some("one")), bench.state()), (0, "Empty"));
}

#[test]
fn an_old_client_that_leads_and_comes_back_is_told_that_its_old_self_leads() {
    let mut bench = Bench::new();
    bench.version = 8;
    let first = bench.join("", Some("one"));
    bench.pass(4_000);
    let id = bench.joined(first).member_id;
    let brings = bench.sync(&id, 1, &[(&id, b"A")]);
    bench.synced(brings);
    let back = bench.join("", Some("one"));
    let back = bench.joined(back);
    assert_eq!((back.leader, back.skip_assignment, back.members.len()), (id, false, 0));
}

#[test]
fn the_protocol_is_one_that_all_speak_and_most_like_best() {
    let mut bench = Bench::new();
    bench.version = 3;
    let both: [(&str, &[u8]); 2] = [("sticky", b"s"), ("range", b"r")];
    let tickets = [
        bench.ask(Call::Join(join_request("", None, &both))),
        bench.ask(Call::Join(join_request("", None, &both))),
        bench.ask(Call::Join(join_request("", None, &[("range", b"r"), ("roundrobin", b"o")]))),
    ];
    let stranger = bench.ask(Call::Join(join_request("", None, &[("other", b"")])));
    assert_eq!(bench.joined(stranger).error_code, 23);
    let other_type = JoinGroupRequest { protocol_type: Text::from_static("connect"), ..join_request("", None, &both) };
    let other_type = bench.ask(Call::Join(other_type));
    assert_eq!(bench.joined(other_type).error_code, 23);
    bench.pass(60_000);
    for ticket in tickets {
        assert_eq!(bench.joined(ticket).protocol_name.as_deref(), Some("range"));
    }
}

#[test]
fn a_full_group_takes_nobody_and_a_pending_member_is_waited_for_until_its_session_ends() {
    let mut bench = Bench::new();
    let (leader, follower, generation) = bench.two_members();
    bench.settings.max_size = 2;
    let third = bench.join("", None);
    assert_eq!(bench.joined(third).error_code, 81);
    bench.settings.max_size = 3;
    let third = bench.join("", None);
    assert_eq!(bench.joined(third).error_code, 79);
    let (leads, follows) = (bench.join(&leader, None), bench.join(&follower, None));
    assert!(bench.answer(leads).is_none(), "one was given an id and has not come back");
    bench.pass(u64::try_from(SESSION_MS).unwrap());
    assert_eq!((bench.joined(leads).generation_id, bench.joined(follows).generation_id), (generation + 1, generation + 1));
}

#[test]
fn a_group_that_does_not_fit_into_a_record_is_not_stored() {
    let mut bench = Bench::new();
    let (leader, follower, _) = bench.two_members();
    let (leads, follows) = (bench.join(&leader, None), bench.join(&follower, None));
    let generation = bench.joined(leads).generation_id;
    bench.joined(follows);
    bench.settings.record_bytes_max = 300;
    static LARGE: [u8; 400] = [0; 400];
    let waits = bench.sync(&follower, generation, &[]);
    let brings = bench.sync(&leader, generation, &[(&leader, &LARGE)]);
    assert_eq!((bench.synced(brings).error_code, bench.synced(waits).error_code), (-1, -1));
    assert_eq!(bench.state(), "PreparingRebalance");
}
