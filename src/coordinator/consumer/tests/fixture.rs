//! A group with a cluster, a clock and a log around it. After every step the log is replayed and must give the same group.

use std::sync::Arc;

use super::super::{
    ConsumerGroup, ConsumerSettings, Refusal, Scene, Topics,
    assignor::Assignor,
    changes::Change,
    check_heartbeat,
};
use crate::{
    coordinator::{
        call::Caller,
        records::{LogRecord, decode_key},
        seed::ClassicSeed,
        settings::Now,
    },
    metadata::{
        ClusterImage,
        image::{PartitionImage, TopicImage},
        map::SharedMap,
    },
    protocol::messages::consumer_group_heartbeat::{
        ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, ConsumerGroupHeartbeatTopicPartitions,
    },
    types::{ErrorCode, NodeId, Offset, Text, Uuid},
};

pub(in crate::coordinator::consumer) const GROUP: Text = Text::from_static("g");

/// The id of a test's topic.
pub(in crate::coordinator::consumer) fn topic_id(name: &str) -> Uuid {
    let mut id = [0x40; 16];
    for (to, from) in id.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    Uuid(id)
}

/// A cluster with these topics.
pub(in crate::coordinator::consumer) fn image(topics: &[(&str, i32)]) -> ClusterImage {
    let mut image = ClusterImage::default();
    for (name, partitions) in topics {
        set_topic(&mut image, name, *partitions);
    }
    image
}

/// Makes a topic, or makes it larger.
pub(super) fn set_topic(image: &mut ClusterImage, name: &str, count: i32) {
    let partition = Arc::new(PartitionImage::alone_on(NodeId(1), Uuid::ONE));
    let mut partitions = SharedMap::default();
    for index in 0..count {
        partitions.insert(index, Arc::clone(&partition));
    }
    let topic = TopicImage { id: topic_id(name), name: Text::from(name), partitions };
    image.topic_ids.insert(topic.name.clone(), topic.id);
    image.topics.insert(topic.id, Arc::new(topic));
    image.end_offset = Offset::new(image.end_offset.get() + 1).unwrap();
}

/// Removes a topic.
pub(super) fn remove_topic(image: &mut ClusterImage, name: &str) {
    image.topic_ids.remove(name);
    image.topics.remove(&topic_id(name));
    image.end_offset = Offset::new(image.end_offset.get() + 1).unwrap();
}

/// A request as a consumer sends it when it joins.
pub(super) fn join(member: &str, topics: &[&str]) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: GROUP,
        member_id: Text::from(member),
        rebalance_timeout_ms: 300_000,
        subscribed_topic_names: Some(topics.iter().copied().map(Text::from).collect()),
        topic_partitions: Some(Vec::new()),
        ..ConsumerGroupHeartbeatRequest::default()
    }
}

/// A request with which nothing has changed.
pub(super) fn beat(member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: GROUP,
        member_id: Text::from(member),
        member_epoch: epoch,
        ..ConsumerGroupHeartbeatRequest::default()
    }
}

/// Partitions on the wire.
pub(super) fn partitions(topic: &str, partitions: &[i32]) -> ConsumerGroupHeartbeatTopicPartitions {
    ConsumerGroupHeartbeatTopicPartitions { topic_id: topic_id(topic), partitions: partitions.to_vec() }
}

pub(super) struct World {
    pub(super) image: ClusterImage,
    pub(super) group: ConsumerGroup,
    pub(super) log: Vec<LogRecord>,
    pub(super) now: Now,
    pub(super) settings: ConsumerSettings,
    pub(super) caller: Caller,
}

impl World {
    pub(super) fn new(topics: &[(&str, i32)]) -> Self {
        Self {
            image: image(topics),
            group: ConsumerGroup::default(),
            log: Vec::new(),
            now: Now { wall_ms: 1_000_000, mono_ms: 1_000 },
            settings: ConsumerSettings {
                session_timeout_ms: 45_000,
                heartbeat_interval_ms: 5_000,
                assignment_interval_ms: 0,
                max_size: 100,
                classic_max_size: 100,
                assignors: vec![Assignor::Uniform, Assignor::Range],
                regex_refresh_ms: 600_000,
                upgrade: true,
                downgrade: true,
                record_bytes_max: 1_000_000,
            },
            caller: Caller {
                client_id: Text::from_static("c"),
                client_host: Text::from_static("/127.0.0.1"),
                version: 1,
                random: Uuid::ONE,
            },
        }
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now.mono_ms += ms;
        self.now.wall_ms += i64::try_from(ms).unwrap();
    }

    /// A step of the group, with the check of its log.
    pub(super) fn step<T>(&mut self, step: impl FnOnce(&mut ConsumerGroup, &Caller, &mut Scene<'_>) -> T) -> T {
        let group_before = self.log.len();
        let mut scene = Scene {
            id: &GROUP,
            now: self.now,
            settings: &self.settings,
            topics: Topics::new(&self.image),
            records: &mut self.log,
        };
        let outcome = step(&mut self.group, &self.caller, &mut scene);
        if self.log.len() > group_before {
            self.check_replay();
        }
        outcome
    }

    pub(super) fn heartbeat(&mut self, request: &ConsumerGroupHeartbeatRequest) -> Result<ConsumerGroupHeartbeatResponse, Refusal> {
        check_heartbeat(request, self.caller.version, &self.settings.assignors)?;
        self.step(|group, caller, scene| group.heartbeat(caller, request, scene)).map(|(response, _)| response)
    }

    /// The error of a heartbeat that is refused; it must not have changed anything.
    pub(super) fn refused(&mut self, request: &ConsumerGroupHeartbeatRequest) -> ErrorCode {
        let before = self.log.len();
        let error = self.heartbeat(request).unwrap_err().error;
        assert_eq!(self.log.len(), before, "a refused request was written down");
        error
    }

    /// A member's epoch and assignment after a heartbeat in which nothing has changed, again and again until it rests.
    pub(super) fn settle(&mut self, members: &[&str]) {
        for _ in 0..10 {
            for member in members {
                let (epoch, owned) = {
                    let member = &self.group.members[*member];
                    let owned = member.assigned.iter().map(|(topic_id, partitions)| ConsumerGroupHeartbeatTopicPartitions {
                        topic_id: *topic_id,
                        partitions: partitions.keys().copied().collect(),
                    });
                    (member.epoch, owned.collect())
                };
                let request = ConsumerGroupHeartbeatRequest { topic_partitions: Some(owned), ..beat(member, epoch) };
                self.heartbeat(&request).unwrap();
            }
        }
        assert_eq!(self.group.state_name(), "Stable");
    }

    pub(super) fn tick(&mut self) -> Option<ClassicSeed> {
        self.step(|group, _, scene| group.expire(scene))
    }

    /// The partitions of `topic` that a member has.
    pub(super) fn owned(&self, member: &str, topic: &str) -> Vec<i32> {
        self.group.members[member].assigned.get(&topic_id(topic)).map(|owned| owned.keys().copied().collect()).unwrap_or_default()
    }

    fn check_replay(&self) {
        let mut replayed = ConsumerGroup::default();
        for LogRecord { key, value } in &self.log {
            let (record_type, mut key) = decode_key(key.clone()).unwrap();
            let (group, change) = Change::read(record_type, &mut key, value.clone()).unwrap().unwrap();
            assert_eq!(group, GROUP);
            replayed.apply(change);
        }
        let live = &self.group;
        assert_eq!(replayed.members, live.members);
        assert_eq!(replayed.targets, live.targets);
        assert_eq!(replayed.owners, live.owners);
        assert_eq!(replayed.static_members, live.static_members);
        assert_eq!(replayed.resolved, live.resolved);
        assert_eq!((replayed.epoch, replayed.metadata_hash), (live.epoch, live.metadata_hash));
        assert_eq!((replayed.target_epoch, replayed.target_ms), (live.target_epoch, live.target_ms));
        assert_eq!(replayed.subscribed_names().collect::<Vec<_>>(), live.subscribed_names().collect::<Vec<_>>());
    }
}
