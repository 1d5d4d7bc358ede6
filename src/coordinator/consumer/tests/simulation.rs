//! Random lives of a group: members of both protocols join, leave, crash, lose answers and come back, topics grow. Whatever
//! happens, no partition has two owners, nobody has to stop with what it is to keep, and when it is quiet the group gets to
//! its target.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*, test_runner::FileFailurePersistence};

use super::fixture::{GROUP, World, beat, join, set_topic, topic_id};
use crate::{
    protocol::{
        embedded::{ConsumerProtocolSubscription, EmbeddedTopicPartitions, read_assignment, write_subscription},
        messages::{
            consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatTopicPartitions},
            heartbeat::HeartbeatRequest,
            join_group::{JoinGroupRequest, JoinGroupRequestProtocol},
            sync_group::SyncGroupRequest,
        },
    },
    types::{ErrorCode, Text, Uuid},
};

const TOPICS: [&str; 3] = ["t", "u", "v"];

#[derive(Clone, Debug)]
enum Event {
    /// A consumer appears; with or without an instance id, classic or not, subscribed to these topics.
    Join { is_static: bool, is_classic: bool, topics: u8 },
    /// One does what is next.
    Act(u8),
    /// One sends a heartbeat whose answer is lost.
    Lost(u8),
    /// One changes its subscription.
    Subscribe(u8, u8),
    /// One leaves, for good or (static) for a while.
    Leave(u8),
    /// One is gone without a word.
    Crash(u8),
    /// A static one comes back under a new id.
    Return(u8),
    /// A topic gets larger.
    Grow(u8),
    /// Time passes.
    Pass(u16),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (any::<bool>(), prop::bool::weighted(0.3), 1..8u8)
            .prop_map(|(is_static, is_classic, topics)| Event::Join { is_static, is_classic, topics }),
        20 => any::<u8>().prop_map(Event::Act),
        2 => any::<u8>().prop_map(Event::Lost),
        1 => (any::<u8>(), 1..8u8).prop_map(|(who, topics)| Event::Subscribe(who, topics)),
        1 => any::<u8>().prop_map(Event::Leave),
        1 => any::<u8>().prop_map(Event::Crash),
        1 => any::<u8>().prop_map(Event::Return),
        1 => any::<u8>().prop_map(Event::Grow),
        3 => (0..20_000u16).prop_map(Event::Pass),
    ]
}

fn subscribed(topics: u8) -> Vec<&'static str> {
    TOPICS.iter().enumerate().filter(|(bit, _)| topics & (1 << bit) != 0).map(|(_, topic)| *topic).collect()
}

/// A consumer, as it sees itself.
#[derive(Clone, Debug)]
struct Client {
    id: String,
    instance: Option<Text>,
    is_classic: bool,
    epoch: i32,
    topics: u8,
    owned: BTreeSet<(Uuid, i32)>,
    /// It has to tell what it owns, or what it subscribes to.
    has_news: bool,
    /// An answer was lost: it says everything again.
    has_lost: bool,
    /// A classic one has joined and not yet synced.
    is_joined: bool,
    /// A classic one was fenced, does not know, and has joined again: what it has it has lost, which it hears when it syncs.
    is_stale: bool,
}

struct Life {
    world: World,
    clients: Vec<Client>,
    /// Static ones that are away, with their topics.
    away: Vec<(Text, bool, u8)>,
    sizes: BTreeMap<&'static str, i32>,
    born: u32,
}

impl Life {
    fn new() -> Self {
        let mut world = World::new(&[("t", 3), ("u", 2), ("v", 1)]);
        world.settings.downgrade = false;
        world.settings.assignment_interval_ms = 1_000;
        Self { world, clients: Vec::new(), away: Vec::new(), sizes: [("t", 3), ("u", 2), ("v", 1)].into(), born: 0 }
    }

    fn pick(&self, who: u8) -> Option<usize> {
        (!self.clients.is_empty()).then(|| usize::from(who) % self.clients.len())
    }

    fn appear(&mut self, instance: Option<Text>, is_classic: bool, topics: u8) {
        self.born += 1;
        // A classic member cannot be the first: that would be a classic group.
        let is_classic = is_classic && !self.world.group.is_empty();
        let id = format!("m{:04}", self.born);
        self.clients.push(Client { id, instance, is_classic, epoch: 0, topics, owned: BTreeSet::new(), has_news: false, has_lost: false, is_joined: false, is_stale: false });
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Join { is_static, is_classic, topics } => {
                // Classic static members are named by the id they are given, which this client does not follow.
                let instance = (is_static && !is_classic).then(|| Text::from(format!("i{}", self.born)));
                self.appear(instance, is_classic, topics);
            }
            Event::Act(who) => self.pick(who).map_or((), |index| self.act(index, true)),
            Event::Lost(who) => self.pick(who).map_or((), |index| self.act(index, false)),
            Event::Subscribe(who, topics) => {
                if let Some(index) = self.pick(who) {
                    let client = &mut self.clients[index];
                    client.topics = topics;
                    client.has_news = true;
                    if client.is_classic {
                        // It would join again; what it may not have any more it stops with.
                        let ids: BTreeSet<Uuid> = subscribed(topics).into_iter().map(topic_id).collect();
                        client.owned.retain(|(topic, _)| ids.contains(topic));
                    }
                }
            }
            Event::Leave(who) => self.leave(who),
            Event::Crash(who) => {
                if let Some(index) = self.pick(who) {
                    self.clients.remove(index);
                }
            }
            Event::Return(who) => {
                if !self.away.is_empty() {
                    let (instance, is_classic, topics) = self.away.remove(usize::from(who) % self.away.len());
                    self.appear(Some(instance), is_classic, topics);
                }
            }
            Event::Grow(which) => {
                let topic = TOPICS[usize::from(which) % TOPICS.len()];
                let size = self.sizes.get_mut(topic).unwrap();
                *size += 1;
                set_topic(&mut self.world.image, topic, *size);
            }
            Event::Pass(ms) => {
                self.world.pass(u64::from(ms));
                self.world.tick();
            }
        }
        self.check();
    }

    fn leave(&mut self, who: u8) {
        let Some(index) = self.pick(who) else { return };
        let client = self.clients.remove(index);
        if client.is_classic || client.epoch == 0 {
            return;
        }
        let epoch = if client.instance.is_some() { -2 } else { -1 };
        let request = ConsumerGroupHeartbeatRequest { instance_id: client.instance.clone(), ..beat(&client.id, epoch) };
        if self.world.heartbeat(&request).is_ok()
            && let Some(instance) = client.instance
        {
            self.away.push((instance, false, client.topics));
        }
    }

    fn act(&mut self, index: usize, is_heard: bool) {
        if self.clients[index].is_classic {
            self.act_classic(index);
            return;
        }
        let client = self.clients[index].clone();
        let mut request = if client.epoch == 0 { join(&client.id, &subscribed(client.topics)) } else { beat(&client.id, client.epoch) };
        request.instance_id.clone_from(&client.instance);
        if client.has_lost {
            request.rebalance_timeout_ms = 300_000;
        }
        if (client.has_news || client.has_lost) && client.epoch != 0 {
            request.topic_partitions = Some(on_the_wire(&client.owned));
            request.subscribed_topic_names = Some(subscribed(client.topics).into_iter().map(Text::from).collect());
        }
        self.world.caller.version = 1;
        match self.world.heartbeat(&request) {
            Err(refusal) => {
                // It has to stop with all it has; who has its instance id now is another.
                let client = &mut self.clients[index];
                client.owned.clear();
                client.epoch = 0;
                client.has_lost = false;
                assert!(
                    matches!(
                        refusal.error,
                        ErrorCode::UnknownMemberId | ErrorCode::FencedMemberEpoch | ErrorCode::UnreleasedInstanceId | ErrorCode::FencedInstanceId
                    ),
                    "{refusal:?}"
                );
                if matches!(refusal.error, ErrorCode::UnreleasedInstanceId | ErrorCode::FencedInstanceId) {
                    self.clients.remove(index);
                }
            }
            Ok(response) if is_heard => {
                let assignment = response.assignment.map(|assignment| off_the_wire(&assignment.topic_partitions));
                self.take(index, response.member_epoch, assignment);
            }
            Ok(_) => self.clients[index].has_lost = true,
        }
    }

    /// What a member is told: what it is to keep it keeps.
    fn take(&mut self, index: usize, epoch: i32, assignment: Option<BTreeSet<(Uuid, i32)>>) {
        let client = &mut self.clients[index];
        let is_new = client.epoch == 0;
        client.epoch = epoch;
        client.has_news = false;
        let has_lost = std::mem::take(&mut client.has_lost);
        let Some(assignment) = assignment else { return };
        let target = self.world.group.targets.get(client.id.as_str());
        // What it has not heard that it is to give back it gives back even if it is to have it again by now; and so does a
        // classic one, which hears of it when it syncs.
        for (topic, partition) in client.owned.iter().filter(|_| !has_lost && !client.is_classic) {
            let is_kept = target.and_then(|target| target.get(topic)).is_some_and(|kept| kept.contains(partition));
            let is_subscribed = subscribed(client.topics).into_iter().any(|name| topic_id(name) == *topic);
            assert!(!(is_kept && is_subscribed) || assignment.contains(&(*topic, *partition)), "it has to stop with what it is to keep");
        }
        client.has_news = !is_new && client.owned != assignment;
        client.owned = assignment;
    }

    fn act_classic(&mut self, index: usize) {
        self.world.caller.version = 9;
        let client = self.clients[index].clone();
        let id = Text::from(client.id.as_str());
        if client.is_joined {
            let request = SyncGroupRequest { group_id: GROUP, generation_id: client.epoch, member_id: id, ..SyncGroupRequest::default() };
            let outcome = self.world.step(|group, _, scene| group.classic_sync(&request, scene));
            self.clients[index].is_joined = false;
            match outcome {
                Ok(response) => {
                    let assigned = read_assignment(&response.assignment).unwrap().assigned_partitions;
                    let assigned = assigned.iter().flat_map(|topic| topic.partitions.iter().map(|partition| (topic_id(&topic.topic), *partition)));
                    let assigned: BTreeSet<(Uuid, i32)> = assigned.collect();
                    self.take(index, client.epoch, Some(assigned));
                    self.clients[index].is_stale = false;
                }
                Err(error) => self.refuse_classic(index, error),
            }
            return;
        }
        if client.epoch != 0 && !client.has_news {
            let request = HeartbeatRequest { group_id: GROUP, generation_id: client.epoch, member_id: id, group_instance_id: None };
            let outcome = self.world.step(|group, _, scene| group.classic_heartbeat(&request, scene));
            if let Err(error) = outcome {
                self.refuse_classic(index, error);
                self.clients[index].has_news = true;
            }
            return;
        }
        if self.world.group.is_empty() {
            // It would found a classic group.
            self.clients.remove(index);
            return;
        }
        let request = joining(&client);
        if client.epoch != 0 && !self.world.group.members.contains_key(&id) {
            self.clients[index].is_stale = true;
        }
        match self.world.step(|group, caller, scene| group.classic_join(caller, &request, scene)) {
            Ok((response, seed)) => {
                assert_eq!(seed, None);
                let client = &mut self.clients[index];
                (client.epoch, client.is_joined, client.has_news) = (response.generation_id, true, false);
            }
            Err(refusal) => self.refuse_classic(index, refusal.error),
        }
    }

    fn refuse_classic(&mut self, index: usize, error: ErrorCode) {
        let client = &mut self.clients[index];
        match error {
            ErrorCode::RebalanceInProgress => client.has_news = true,
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => {
                client.owned.clear();
                client.epoch = 0;
                client.is_stale = false;
            }
            error => panic!("{error}"),
        }
    }

    /// A member that the group does not know any more has lost its partitions; it just has not heard of it. Everybody else
    /// owns what nobody else does.
    fn check(&self) {
        let mut owners: BTreeMap<(Uuid, i32), &str> = BTreeMap::new();
        let members = &self.world.group.members;
        for client in self.clients.iter().filter(|client| !client.is_stale && members.contains_key(client.id.as_str())) {
            for partition in &client.owned {
                let before = owners.insert(*partition, &client.id);
                assert_eq!(before, None, "{partition:?} is owned by {} too", client.id);
            }
        }
        for (partition, owner) in &self.world.group.owners {
            assert!(members.get(owner).is_some_and(|member| member.owned().any(|owned| owned == *partition)));
        }
        assert!(self.world.group.next_deadline_ms().is_some() || members.is_empty());
    }

    /// Nothing happens any more but heartbeats.
    fn settle(&mut self) {
        // Members of the classic protocol alone would have become a classic group, if this group might. Static members may give
        // up yet, because their instance id is taken by themselves: they did not hear that they had joined.
        if self.clients.iter().all(|client| client.is_classic || client.instance.is_some()) {
            self.appear(None, false, 7);
        }
        for _ in 0..30 {
            self.world.pass(5_000);
            self.world.tick();
            for index in (0..self.clients.len()).rev() {
                for _ in 0..3 {
                    if index < self.clients.len() {
                        self.act(index, true);
                        self.check();
                    }
                }
            }
        }
        let group = &self.world.group;
        let state = if self.clients.is_empty() { "Empty" } else { "Stable" };
        assert_eq!((group.state_name(), group.len()), (state, self.clients.len()));
        let mut expected: BTreeSet<(Uuid, i32)> = BTreeSet::new();
        for topic in self.clients.iter().flat_map(|client| subscribed(client.topics)) {
            expected.extend((0..self.sizes[topic]).map(|partition| (topic_id(topic), partition)));
        }
        let owned: BTreeSet<(Uuid, i32)> = self.clients.iter().flat_map(|client| client.owned.iter().copied()).collect();
        assert_eq!(owned, expected, "every partition is consumed");
    }
}

fn joining(client: &Client) -> JoinGroupRequest {
    let mut owned: BTreeMap<Text, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in &client.owned {
        let name = TOPICS.iter().find(|name| topic_id(name) == *topic).unwrap();
        owned.entry(Text::from_static(name)).or_default().push(*partition);
    }
    let subscription = ConsumerProtocolSubscription {
        topics: subscribed(client.topics).into_iter().map(Text::from).collect(),
        owned_partitions: owned.into_iter().map(|(topic, partitions)| EmbeddedTopicPartitions { topic, partitions }).collect(),
        ..ConsumerProtocolSubscription::default()
    };
    JoinGroupRequest {
        group_id: GROUP,
        session_timeout_ms: 45_000,
        rebalance_timeout_ms: 60_000,
        member_id: Text::from(client.id.as_str()),
        protocol_type: Text::from_static("consumer"),
        protocols: vec![JoinGroupRequestProtocol {
            name: Text::from_static("cooperative-sticky"),
            metadata: write_subscription(&subscription, 3).unwrap(),
        }],
        ..JoinGroupRequest::default()
    }
}

fn on_the_wire(owned: &BTreeSet<(Uuid, i32)>) -> Vec<ConsumerGroupHeartbeatTopicPartitions> {
    let mut topics: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in owned {
        topics.entry(*topic).or_default().push(*partition);
    }
    topics.into_iter().map(|(topic_id, partitions)| ConsumerGroupHeartbeatTopicPartitions { topic_id, partitions }).collect()
}

fn off_the_wire(topics: &[ConsumerGroupHeartbeatTopicPartitions]) -> BTreeSet<(Uuid, i32)> {
    topics.iter().flat_map(|topic| topic.partitions.iter().map(|partition| (topic.topic_id, *partition))).collect()
}

/// A few lives, or as many as `PROPTEST_CASES` says.
fn lives() -> ProptestConfig {
    let config = std::env::var_os("PROPTEST_CASES").map_or_else(|| ProptestConfig::with_cases(96), |_| ProptestConfig::default());
    // What has failed once is run first ever after.
    let seeds = FileFailurePersistence::Direct("tests/seeds/consumer-groups.txt");
    ProptestConfig { failure_persistence: Some(Box::new(seeds)), ..config }
}

proptest! {
    #![proptest_config(lives())]
    #[test]
    fn no_partition_has_two_owners_and_quiet_groups_reach_their_target(events in vec(event(), 1..120)) {
        let mut life = Life::new();
        for event in events {
            life.happen(event);
        }
        life.settle();
    }
}
