//! Random lives of a cluster, and what must hold whatever they are.

use proptest::prelude::*;

use super::*;
use crate::{
    metadata::records::*,
    types::{LeaderEpoch, NodeId, Offset, PartitionId, Text, Uuid},
};

/// One thing that happens to the cluster; indexes wrap around what exists.
#[derive(Clone, Debug)]
enum Step {
    Register(u8),
    Fence(u8, i8),
    Topic(u8, u8),
    RemoveTopic(u8),
    Change(u8, u8, Option<Vec<i32>>, i32, bool),
    Config(i8, u8, u8, Option<u8>),
    Feature(u8, i16),
    Quota(u8, u8, bool),
    Acl(u8, bool),
    Scram(u8, bool),
    Token(u8, bool),
    ProducerIds(u16),
    ClearElr(Option<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => any::<u8>().prop_map(Step::Register),
        1 => (any::<u8>(), prop_oneof![Just(-1i8), Just(1)]).prop_map(|(broker, fenced)| Step::Fence(broker, fenced)),
        3 => (0u8..40, 1u8..5).prop_map(|(name, partitions)| Step::Topic(name, partitions)),
        1 => any::<u8>().prop_map(Step::RemoveTopic),
        3 => (any::<u8>(), any::<u8>(), prop::option::of(prop::collection::vec(0..4, 0..3)), -2..3, any::<bool>())
            .prop_map(|(topic, partition, isr, leader, elr)| Step::Change(topic, partition, isr, leader, elr)),
        1 => (prop_oneof![Just(2i8), Just(4), Just(16), Just(32), Just(99)], any::<u8>(), 0u8..4, any::<Option<u8>>())
            .prop_map(|(kind, name, key, value)| Step::Config(kind, name, key, value)),
        1 => (0u8..4, 0i16..3).prop_map(|(name, level)| Step::Feature(name, level)),
        1 => (0u8..4, 0u8..3, any::<bool>()).prop_map(|(entity, key, remove)| Step::Quota(entity, key, remove)),
        1 => (0u8..6, any::<bool>()).prop_map(|(id, remove)| Step::Acl(id, remove)),
        1 => (0u8..6, any::<bool>()).prop_map(|(user, remove)| Step::Scram(user, remove)),
        1 => (0u8..6, any::<bool>()).prop_map(|(id, remove)| Step::Token(id, remove)),
        1 => any::<u16>().prop_map(Step::ProducerIds),
        1 => any::<Option<u8>>().prop_map(Step::ClearElr),
    ]
}

fn text(prefix: &str, number: impl std::fmt::Display) -> Text {
    format!("{prefix}{number}").into()
}

/// The records of a step, given what there is; none if the step makes no sense then.
fn records(image: &ClusterImage, step: &Step, salt: u8) -> Vec<MetadataRecord> {
    let topic_at = |index: u8| {
        let count = image.topics.len();
        (count > 0).then(|| image.topics.values().nth(usize::from(index) % count)).flatten()
    };
    let broker_at = |index: u8| {
        let count = image.brokers.len();
        (count > 0).then(|| image.brokers.values().nth(usize::from(index) % count)).flatten()
    };
    match step.clone() {
        Step::Register(id) => vec![MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id: i32::from(id % 4),
            broker_epoch: i64::from(salt),
            end_points: vec![BrokerEndpoint { name: "PLAINTEXT".into(), host: "h".into(), port: 9092, security_protocol: 0 }],
            log_dirs: vec![Uuid([id | 0x80; 16])],
            cordoned_log_dirs: (id > 100).then(Vec::new),
            rack: (id > 50).then(|| text("rack", id)),
            ..Default::default()
        })],
        Step::Fence(broker, fenced) => broker_at(broker).map_or(vec![], |broker| {
            vec![MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
                broker_id: broker.id.get(),
                broker_epoch: broker.epoch.get(),
                fenced,
                in_controlled_shutdown: i8::from(fenced == 1),
                ..Default::default()
            })]
        }),
        Step::Topic(name, partitions) => topic_records(image, text("topic-", name), Uuid([salt; 16]), partitions),
        Step::RemoveTopic(topic) => {
            topic_at(topic).map_or(vec![], |topic| vec![MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: topic.id })])
        }
        Step::Change(topic, partition, isr, leader, elr) => topic_at(topic).map_or(vec![], |topic| {
            vec![MetadataRecord::PartitionChange(PartitionChangeRecord {
                partition_id: i32::from(partition) % topic.partitions.len() as i32,
                topic_id: topic.id,
                eligible_leader_replicas: elr.then(|| vec![2]),
                last_known_elr: elr.then(Vec::new),
                leader_recovery_state: i8::from(elr),
                isr,
                leader,
                ..Default::default()
            })]
        }),
        Step::Config(resource_type, name, key, value) => {
            let resource_name = if resource_type == 2 { topic_at(name).map(|topic| topic.name.clone()) } else { Some(text("", name % 3)) };
            resource_name.map_or(vec![], |resource_name| {
                let value = value.map(|value| text("v", value));
                vec![MetadataRecord::Config(ConfigRecord { resource_type, resource_name, name: text("key", key), value })]
            })
        }
        Step::Feature(name, feature_level) => {
            let name = if name == 0 { METADATA_VERSION.into() } else { text("feature", name) };
            vec![MetadataRecord::FeatureLevel(FeatureLevelRecord { name, feature_level })]
        }
        other => vec![security_record(image, &other)],
    }
}

fn topic_records(image: &ClusterImage, name: Text, topic_id: Uuid, partitions: u8) -> Vec<MetadataRecord> {
    if image.topic_ids.contains_key(&name) || image.topics.contains_key(&topic_id) {
        return vec![];
    }
    let mut records = vec![MetadataRecord::Topic(TopicRecord { name, topic_id })];
    records.extend((0..i32::from(partitions)).map(|partition_id| {
        MetadataRecord::Partition(PartitionRecord {
            partition_id,
            topic_id,
            replicas: vec![1, 2],
            isr: vec![1],
            leader: 1,
            leader_epoch: 0,
            partition_epoch: 0,
            directories: vec![Uuid([9; 16]), Uuid([8; 16])],
            ..Default::default()
        })
    }));
    records
}

fn security_record(image: &ClusterImage, step: &Step) -> MetadataRecord {
    match *step {
        Step::Quota(entity, key, remove) => MetadataRecord::ClientQuota(ClientQuotaRecord {
            entity: vec![
                EntityData { entity_type: "user".into(), entity_name: (entity > 1).then(|| text("u", entity)) },
                EntityData { entity_type: "client-id".into(), entity_name: None },
            ],
            key: text("rate", key),
            value: f64::from(entity) + 0.5,
            remove,
        }),
        Step::Acl(id, true) => MetadataRecord::RemoveAccessControlEntry(RemoveAccessControlEntryRecord { id: Uuid([id; 16]) }),
        Step::Acl(id, false) => MetadataRecord::AccessControlEntry(AccessControlEntryRecord {
            id: Uuid([id; 16]),
            resource_name: text("r", id),
            principal: "User:a".into(),
            host: "*".into(),
            operation: 3,
            ..Default::default()
        }),
        Step::Scram(user, true) => {
            MetadataRecord::RemoveUserScramCredential(RemoveUserScramCredentialRecord { name: text("u", user), mechanism: 1 })
        }
        Step::Scram(user, false) => MetadataRecord::UserScramCredential(UserScramCredentialRecord {
            name: text("u", user),
            mechanism: 1,
            salt: vec![user].into(),
            iterations: 4096,
            ..Default::default()
        }),
        Step::Token(id, true) => MetadataRecord::RemoveDelegationToken(RemoveDelegationTokenRecord { token_id: text("t", id) }),
        Step::Token(id, false) => MetadataRecord::DelegationToken(DelegationTokenRecord {
            owner: "User:a".into(),
            renewers: vec!["User:b".into()],
            max_timestamp: 7,
            token_id: text("t", id),
            ..Default::default()
        }),
        Step::ClearElr(topic) => {
            let count = image.topics.len().max(1);
            let topic = topic.and_then(|topic| image.topics.values().nth(usize::from(topic) % count));
            MetadataRecord::ClearElr(ClearElrRecord { topic_name: topic.map(|topic| topic.name.clone()).unwrap_or_default() })
        }
        Step::ProducerIds(next) => {
            MetadataRecord::ProducerIds(ProducerIdsRecord { broker_id: 1, broker_epoch: 2, next_producer_id: next.into() })
        }
        ref other => unreachable!("{other:?} is no record of this kind"),
    }
}

fn position(base: i64, count: usize) -> BatchPosition {
    BatchPosition {
        base_offset: Offset::saturating(base),
        end_offset: Offset::saturating(base + count as i64),
        epoch: 1,
        timestamp_ms: base,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn an_image_is_its_snapshot(steps in prop::collection::vec(step(), 0..120)) {
        let mut builder = ImageBuilder::default();
        let mut offset = 0;
        for (turn, step) in steps.iter().enumerate() {
            let records = records(builder.working(), step, turn as u8);
            builder.apply(position(offset, records.len()), &records).unwrap();
            offset += records.len() as i64;
        }
        let image = builder.image();
        let mut copy = ClusterImage::default();
        // Through bytes, as a snapshot file would.
        let records: Vec<_> = image.records().map(|record| MetadataRecord::decode(record.encode().unwrap()).unwrap()).collect();
        copy.apply_snapshot(Offset::ZERO, &records).unwrap();
        copy.end_offset = image.end_offset;
        copy.epoch = image.epoch;
        copy.timestamp_ms = image.timestamp_ms;
        prop_assert_eq!(&copy, image);
        prop_assert_eq!(image.partition_count, image.topics.values().map(|topic| topic.partitions.len()).sum::<usize>());
        prop_assert_eq!(image.topics.len(), image.topic_ids.len());
    }

    #[test]
    fn readers_see_a_transaction_whole_or_not_at_all(
        before in prop::collection::vec(step(), 0..30),
        inside in prop::collection::vec(step(), 0..30),
        abort in any::<bool>(),
    ) {
        let mut builder = ImageBuilder::default();
        let mut offset = 0;
        let mut apply = |builder: &mut ImageBuilder, records: &[MetadataRecord]| {
            builder.apply(position(offset, records.len()), records).unwrap();
            offset += records.len() as i64;
        };
        for (turn, step) in before.iter().enumerate() {
            let records = records(builder.working(), step, turn as u8);
            apply(&mut builder, &records);
        }
        let seen = builder.image().clone();
        apply(&mut builder, &[MetadataRecord::BeginTransaction(BeginTransactionRecord::default())]);
        for (turn, step) in inside.iter().enumerate() {
            let records = records(builder.working(), step, 128 + turn as u8);
            apply(&mut builder, &records);
            prop_assert_eq!(builder.image(), &seen);
            prop_assert!(builder.in_transaction());
        }
        let mut working = builder.working().clone();
        let end = if abort {
            MetadataRecord::AbortTransaction(AbortTransactionRecord::default())
        } else {
            MetadataRecord::EndTransaction(EndTransactionRecord {})
        };
        apply(&mut builder, &[end]);
        let mut after = builder.image().clone();
        prop_assert_eq!(after.end_offset, Offset::saturating(offset));
        after.end_offset = Offset::ZERO;
        working.end_offset = Offset::ZERO;
        after.timestamp_ms = 0;
        working.timestamp_ms = 0;
        let mut seen = seen;
        (seen.end_offset, seen.timestamp_ms, seen.epoch) = (Offset::ZERO, 0, after.epoch);
        prop_assert_eq!(after, if abort { seen } else { working });
    }
}

fn one_topic() -> ImageBuilder {
    let mut builder = ImageBuilder::default();
    let step = Step::Topic(1, 1);
    let records = records(builder.working(), &step, 5);
    builder.apply(position(0, records.len()), &records).unwrap();
    builder
}

fn change(builder: &mut ImageBuilder, record: PartitionChangeRecord) -> PartitionImage {
    let record = PartitionChangeRecord { partition_id: 0, topic_id: Uuid([5; 16]), ..record };
    builder.apply(position(9, 1), &[MetadataRecord::PartitionChange(record)]).unwrap();
    let partition = PartitionId { topic_id: Uuid([5; 16]), partition: 0 };
    builder.image().partition(partition).unwrap().as_ref().clone()
}

#[test]
fn epochs_count_leaders_and_changes() {
    let mut builder = one_topic();
    let partition = change(&mut builder, PartitionChangeRecord { isr: Some(vec![1, 2]), ..Default::default() });
    assert_eq!((partition.leader_epoch, partition.partition_epoch), (LeaderEpoch(0), 1), "another ISR is no other leader");
    let partition = change(&mut builder, PartitionChangeRecord { leader: 1, ..Default::default() });
    assert_eq!((partition.leader_epoch, partition.partition_epoch), (LeaderEpoch(1), 2), "naming the same leader is");
    let partition = change(&mut builder, PartitionChangeRecord { leader: -1, ..Default::default() });
    assert_eq!((partition.leader, partition.leader_epoch), (None, LeaderEpoch(2)));
}

#[test]
fn directories_stay_parallel_to_replicas() {
    let mut builder = one_topic();
    let partition = change(&mut builder, PartitionChangeRecord { replicas: Some(vec![3, 1]), ..Default::default() });
    assert_eq!(partition.directories, [Uuid::ONE, Uuid([9; 16])], "a new replica's is unassigned");
    assert_eq!(partition.directory_of(NodeId(1)), Some(Uuid([9; 16])));
    let record = PartitionChangeRecord { topic_id: Uuid([5; 16]), partition_id: 0, directories: Some(vec![Uuid::ONE]), ..Default::default() };
    let error = builder.apply(position(7, 1), &[MetadataRecord::PartitionChange(record)]).unwrap_err();
    assert_eq!(error.to_string(), "metadata record at offset 7: has 1 directories for 2 replicas");
}

#[test]
fn a_record_that_contradicts_the_image_is_an_error() {
    let id = Uuid([5; 16]);
    let partition = |topic_id, partition_id| {
        MetadataRecord::Partition(PartitionRecord { topic_id, partition_id, leader_epoch: 0, partition_epoch: 0, ..Default::default() })
    };
    let wrong = [
        MetadataRecord::Topic(TopicRecord { name: "topic-1".into(), topic_id: Uuid([6; 16]) }),
        MetadataRecord::Topic(TopicRecord { name: "other".into(), topic_id: id }),
        MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: Uuid([7; 16]) }),
        partition(Uuid([7; 16]), 0),
        partition(id, 0),
        partition(id, -1),
        MetadataRecord::PartitionChange(PartitionChangeRecord { topic_id: id, partition_id: 9, ..Default::default() }),
        MetadataRecord::UnregisterBroker(UnregisterBrokerRecord { broker_id: 1, broker_epoch: 3 }),
        MetadataRecord::EndTransaction(EndTransactionRecord {}),
        MetadataRecord::AbortTransaction(AbortTransactionRecord::default()),
    ];
    for record in wrong {
        assert!(one_topic().apply(position(3, 1), std::slice::from_ref(&record)).is_err(), "{record:?}");
    }
    let begin = || MetadataRecord::BeginTransaction(BeginTransactionRecord::default());
    assert!(one_topic().apply(position(3, 2), &[begin(), begin()]).is_err());
}

#[test]
fn a_change_of_an_older_incarnation_is_an_error() {
    let mut builder = ImageBuilder::default();
    let register = RegisterBrokerRecord { broker_id: 1, broker_epoch: 5, ..Default::default() };
    builder.apply(position(0, 1), &[MetadataRecord::RegisterBroker(register)]).unwrap();
    assert!(!builder.image().is_active(NodeId(1)));
    let unfence = |broker_epoch| {
        MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord { broker_id: 1, broker_epoch, fenced: -1, ..Default::default() })
    };
    builder.apply(position(1, 1), &[unfence(5)]).unwrap();
    assert!(builder.image().is_active(NodeId(1)));
    assert!(builder.apply(position(2, 1), &[unfence(4)]).is_err());
}
