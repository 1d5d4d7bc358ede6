//! The controller from outside: through its client, on real directories. Expected codes and messages are what a real
//! Kafka 4.3.0 answered to the same requests.

use std::{path::Path, sync::Arc};

use super::*;
use crate::{
    config::{BrokerConfig, Layers},
    metadata::{
        ClusterImage,
        directory::{Identity, LogDirs},
        image::{Listener, ResourceType},
    },
    protocol::messages::{
        alter_configs::{self, AlterConfigsRequest},
        create_partitions::{CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic},
        create_topics::{
            CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicResult, CreateTopicsRequest,
        },
        delete_topics::{DeleteTopicState, DeleteTopicsRequest},
        incremental_alter_configs::{self, IncrementalAlterConfigsRequest},
    },
    types::{BrokerEpoch, LeaderEpoch, NodeId, PartitionId, ProducerId, Text, Uuid},
};

/// Runs a test as the control thread would.
fn control_thread(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
}

/// A broker's controller role for the length of a test.
struct Node {
    dirs: LogDirs,
    client: ControllerClient,
    images: flume::Receiver<Arc<ClusterImage>>,
    task: tokio::task::JoinHandle<Result<(), ControllerError>>,
    broker_epoch: BrokerEpoch,
}

fn config(root: &Path, log_dirs: usize, overrides: &[&str]) -> Arc<BrokerConfig> {
    let mut layers = Layers::new();
    let paths: Vec<String> = (0..log_dirs).map(|index| root.join(format!("d{index}")).display().to_string()).collect();
    layers.add_override(&format!("log.dirs={}", paths.join(",")));
    layers.add_override("node.id=1");
    for assignment in overrides {
        layers.add_override(assignment);
    }
    Arc::new(BrokerConfig::from_layers(layers).unwrap().0)
}

impl Node {
    fn start(config: &Arc<BrokerConfig>) -> Result<(LogDirs, Started), ControllerError> {
        let identity = Identity { node_id: NodeId(1), cluster_id: None };
        let dirs = LogDirs::open(&config.log_dirs, &config.metadata_log_dir, &identity).unwrap();
        let listener = Listener { name: "PLAINTEXT".into(), host: "localhost".into(), port: 9092, security_protocol: 0 };
        let started = start(&dirs, Arc::clone(config), vec![listener], 1_700_000_000_000)?;
        Ok((dirs, started))
    }

    /// Started, and ready to lead.
    async fn run(config: &Arc<BrokerConfig>) -> Self {
        let (dirs, started) = Self::start(config).unwrap();
        let (sender, images) = flume::unbounded();
        let task = tokio::spawn(started.task.run(vec![sender], Arc::new(Spread::new(0))));
        started.client.unfence().await.unwrap();
        Self { dirs, client: started.client, images, task, broker_epoch: started.broker_epoch }
    }

    /// The newest image that was published.
    fn image(&self) -> Arc<ClusterImage> {
        self.images.try_iter().last().expect("an image is published before its answer")
    }

    async fn create(&self, topic: CreatableTopic) -> CreatableTopicResult {
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        self.client.create_topics(request).await.unwrap().topics.pop().unwrap()
    }

    async fn stop_in_order(self) {
        let epoch = self.client.shutdown().await.unwrap();
        assert_eq!(epoch, self.broker_epoch);
        self.task.await.unwrap().unwrap();
        self.dirs.mark_clean(epoch, &[]).unwrap();
    }

    /// As if the process had been killed.
    async fn crash(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

fn topic(name: &str, num_partitions: i32, replication_factor: i16) -> CreatableTopic {
    CreatableTopic { name: name.into(), num_partitions, replication_factor, ..Default::default() }
}

fn with_config(mut topic: CreatableTopic, name: &str, value: Option<&str>) -> CreatableTopic {
    topic.configs.push(CreatableTopicConfig { name: name.into(), value: value.map(Text::from) });
    topic
}

fn assigned(name: &str, partitions: &[(i32, &[i32])]) -> CreatableTopic {
    let assignments = partitions.iter();
    let assignments = assignments.map(|(partition_index, brokers)| CreatableReplicaAssignment { partition_index: *partition_index, broker_ids: brokers.to_vec() });
    CreatableTopic { assignments: assignments.collect(), ..topic(name, -1, -1) }
}

fn leader_epochs(image: &ClusterImage, topic: &str) -> Vec<(Option<NodeId>, LeaderEpoch)> {
    image.topic_by_name(topic).unwrap().partitions.values().map(|partition| (partition.leader, partition.leader_epoch)).collect()
}

#[test]
fn a_topic_is_made_and_survives() {
    control_thread(async {
        let root = tempfile::tempdir().unwrap();
        let config = config(root.path(), 1, &[]);
        let node = Node::run(&config).await;
        let made = node.create(with_config(topic("orders", 2, 1), "retention.ms", Some("1000"))).await;
        assert_eq!((made.error_code, made.error_message), (0, None));
        assert_eq!((made.num_partitions, made.replication_factor, made.topic_config_error_code), (2, 1, 0));
        let configs = made.configs.unwrap();
        assert!(configs.is_sorted_by_key(|config| config.name.clone()));
        let retention = configs.iter().find(|config| config.name == "retention.ms").unwrap();
        assert_eq!((retention.value.as_deref(), retention.config_source), (Some("1000"), 1));

        let image = node.image();
        let orders = image.topic_by_name("orders").unwrap();
        assert_eq!((orders.id, orders.partitions.len()), (made.topic_id, 2));
        let partition = image.partition(PartitionId { topic_id: orders.id, partition: 1 }).unwrap();
        assert_eq!((partition.leader, partition.isr.as_slice()), (Some(NodeId(1)), &[NodeId(1)][..]));
        assert_eq!(partition.directories, node.dirs.ids());
        node.crash().await;

        let node = Node::run(&config).await;
        let image = node.image();
        assert_eq!(image.topic_by_name("orders").unwrap().id, made.topic_id);
        assert_eq!(image.config(ResourceType::TOPIC, "orders", "retention.ms").map(Text::as_str), Some("1000"));
    });
}

#[test]
fn each_start_is_a_new_registration_and_each_absence_a_new_leader_epoch() {
    control_thread(async {
        let root = tempfile::tempdir().unwrap();
        let config = config(root.path(), 1, &[]);
        let node = Node::run(&config).await;
        node.create(topic("t", 1, 1)).await;
        assert_eq!(leader_epochs(&node.image(), "t"), [(Some(NodeId(1)), LeaderEpoch(0))]);
        let first = node.broker_epoch;
        assert_eq!(first, BrokerEpoch(6), "LeaderChange, four of bootstrap, RegisterController, then this");
        node.stop_in_order().await;

        // As Kafka does it: leadership is given up at the stop and taken back when the logs are loaded.
        let (dirs, started) = Node::start(&config).unwrap();
        assert_eq!(dirs.previous_broker_epoch(), Some(first));
        assert_eq!(leader_epochs(&started.image, "t"), [(None, LeaderEpoch(1))]);
        assert!(started.image.brokers.get(&NodeId(1)).unwrap().fenced);
        assert!(started.broker_epoch > first);
        drop((dirs, started));

        let node = Node::run(&config).await;
        let image = node.image();
        assert_eq!(leader_epochs(&image, "t"), [(Some(NodeId(1)), LeaderEpoch(2))]);
        assert!(image.is_active(NodeId(1)));
        assert_eq!(image.epoch, 3, "three starts, three raft epochs");
        node.crash().await;

        let node = Node::run(&config).await;
        assert_eq!(leader_epochs(&node.image(), "t"), [(Some(NodeId(1)), LeaderEpoch(4))], "a crash is an absence, too");
    });
}

#[test]
fn what_cannot_be_made_is_refused_in_kafkas_words() {
    control_thread(async {
        let root = tempfile::tempdir().unwrap();
        let config = config(root.path(), 1, &[]);
        let node = Node::run(&config).await;
        assert_eq!(node.create(topic("full", 2, 1)).await.error_code, 0);
        assert_eq!(node.create(topic("a.b", 1, 1)).await.error_code, 0);
        let long = "x".repeat(250);
        let cases = [
            (topic("full", 1, 1), 36, "Topic 'full' already exists.".to_owned()),
            (topic("x", 1, 2), 38, "Unable to replicate the partition 2 time(s): The target replication factor of 2 cannot be reached because only 1 broker(s) are registered or some brokers have all their log directories cordoned.".into()),
            (topic("x", 1, 0), 38, "Replication factor must be larger than 0, or -1 to use the default value.".into()),
            (topic("x", 0, -2), 38, "Replication factor must be larger than 0, or -1 to use the default value.".into()),
            (topic("x", -5, 1), 37, "Number of partitions was set to an invalid non-positive value.".into()),
            (topic("x", 0, 1), 37, "Number of partitions was set to an invalid non-positive value.".into()),
            (topic("", 1, 1), 17, "Topic name is invalid: the empty string is not allowed".into()),
            (topic("..", 1, 1), 17, "Topic name is invalid: '..' is not allowed".into()),
            (topic("a b", 1, 1), 17, "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'".into()),
            (topic(&long, 1, 1), 17, format!("Topic name is invalid: the length of '{long}' is longer than the max allowed length 249")),
            (topic("a_b", 1, 1), 17, "Topic 'a_b' collides with existing topic: a.b".into()),
            (topic("__cluster_metadata", 1, 1), 42, "Creation of internal topic __cluster_metadata is prohibited.".into()),
            (topic("x", 10_001, 1), 44, "Excessively large number of partitions per request.".into()),
            (topic("x", i32::MAX, 1), 44, "Excessively large number of partitions per request.".into()),
            (with_config(topic("x", 1, 1), "retention.ms", Some("abc")), 40, "Invalid value abc for configuration retention.ms: Not a number of type LONG".into()),
            (with_config(topic("x", 1, 1), "retention.ms", None), 40, "Null value not supported for topic configs: retention.ms".into()),
            (with_config(topic("x", 1, 9), "segment.bytes", Some("10")), 40, "Invalid value 10 for configuration segment.bytes: Value must be at least 1048576".into()),
            (CreatableTopic { replication_factor: 1, ..assigned("x", &[(0, &[1])]) }, 42, "A manual partition assignment was specified, but replication factor was not set to -1.".into()),
            (CreatableTopic { num_partitions: 1, ..assigned("x", &[(0, &[1])]) }, 42, "A manual partition assignment was specified, but numPartitions was not set to -1.".into()),
            (assigned("x", &[(0, &[1]), (2, &[1])]), 39, "partitions should be a consecutive 0-based integer sequence".into()),
            (assigned("x", &[(-1, &[1])]), 39, "partitions should be a consecutive 0-based integer sequence".into()),
            (assigned("x", &[(0, &[7])]), 39, "The manual partition assignment includes broker 7, but no such broker is registered.".into()),
            (assigned("x", &[(0, &[1, 1])]), 39, "The manual partition assignment includes the broker 1 more than once.".into()),
            (assigned("x", &[(0, &[])]), 39, "The manual partition assignment includes an empty replica list.".into()),
            (assigned("x", &[(0, &[1]), (0, &[1])]), 39, "Found multiple manual partition assignments for partition 0".into()),
        ];
        let end = node.image().end_offset;
        for (topic, code, message) in cases {
            let name = topic.name.clone();
            let result = node.create(topic).await;
            assert_eq!((result.error_code, result.error_message.as_deref()), (code, Some(message.as_str())), "{name}");
            assert_eq!((result.topic_id, result.num_partitions, result.replication_factor), (Uuid::ZERO, -1, -1));
            assert_eq!(result.configs, Some(vec![]));
        }
        assert!(node.images.is_empty(), "what is refused changes nothing");
        assert_eq!(node.create(assigned("manual", &[(1, &[1]), (0, &[1])])).await.num_partitions, 2);
        assert!(node.image().end_offset > end);
    });
}

#[test]
fn one_request_makes_some_topics_and_refuses_others() {
    control_thread(async {
        let root = tempfile::tempdir().unwrap();
        let node = Node::run(&config(root.path(), 1, &["num.partitions=3"])).await;
        let topics = vec![topic("d", 1, 1), topic("d", 1, 1), topic("ok", -1, -1), topic("c.d", 1, 1), topic("c_d", 1, 1)];
        let answer = node.client.create_topics(CreateTopicsRequest { topics, ..Default::default() }).await.unwrap();
        let codes: Vec<_> = answer.topics.iter().map(|topic| (topic.name.as_str(), topic.error_code, topic.num_partitions)).collect();
        assert_eq!(codes, [("ok", 0, 3), ("c.d", 0, 1), ("c_d", 0, 1), ("d", 42, -1)]);
        assert_eq!(answer.topics[3].error_message.as_deref(), Some("Duplicate topic name."));
        assert_eq!(node.image().topics.len(), 3);

        let request = CreateTopicsRequest { topics: vec![topic("only-asked", 5, 1)], validate_only: true, ..Default::default() };
        let answer = node.client.create_topics(request).await.unwrap();
        assert_eq!((answer.topics[0].error_code, answer.topics[0].num_partitions), (0, 5));
        assert!(node.images.is_empty());
        let answer = node.client.create_topics(CreateTopicsRequest::default()).await.unwrap();
        assert_eq!(answer.topics, []);
    });
}

#[test]
fn the_cluster_has_limits() {
    control_thread(async {
        let root = tempfile::tempdir().unwrap();
        let node = Node::run(&config(root.path(), 1, &["corelog.topics.max=2", "corelog.partitions.max=5"])).await;
        assert_eq!(node.create(topic("a", 3, 1)).await.error_code, 0);
        let result = node.create(topic("b", 3, 1)).await;
        assert_eq!((result.error_code, result.error_message.as_deref()), (44, Some("The cluster has 3 partitions; 3 more would pass corelog.partitions.max, which is 5.")));
        assert_eq!(node.create(topic("b", 1, 1)).await.error_code, 0);
        let result = node.create(topic("c", 1, 1)).await;
        assert_eq!((result.error_code, result.error_message.as_deref()), (44, Some("The cluster has 2 topics already; corelog.topics.max allows 2.")));
        let (code, _) = grow(&node, "a", 5, None).await;
        assert_eq!(code, 44);
    });
}

/// Topic, count, assignments, error code, error message.
type Refused<'a> = (&'a str, i32, Option<&'a [&'a [i32]]>, i16, Option<&'a str>);

async fn grow(node: &Node, name: &str, count: i32, assignments: Option<&[&[i32]]>) -> (i16, Option<String>) {
    let assignments = assignments.map(|all| all.iter().map(|ids| CreatePartitionsAssignment { broker_ids: ids.to_vec() }).collect());
    let topics = vec![CreatePartitionsTopic { name: name.into(), count, assignments }];
    let answer = node.client.create_partitions(CreatePartitionsRequest { topics, ..Default::default() }).await.unwrap();
    let result = answer.results[0].clone();
    (result.error_code, result.error_message.map(|message| message.to_string()))
}

#[test]
fn topics_grow() {
    control_thread(async {
        let root = tempfile::tempdir().unwrap();
        let node = Node::run(&config(root.path(), 1, &[])).await;
        node.create(topic("full", 2, 1)).await;
        let refusals: [Refused<'_>; 9] = [
            ("full", 2, None, 37, Some("Topic already has 2 partition(s).")),
            ("full", 1, None, 37, Some("The topic full currently has 2 partition(s); 1 would not be an increase.")),
            ("full", -1, None, 37, Some("The topic full currently has 2 partition(s); -1 would not be an increase.")),
            ("nope", 3, None, 3, None),
            ("full", 4, Some(&[&[1]]), 39, Some("Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.")),
            ("full", 3, Some(&[]), 39, Some("Attempted to add 1 additional partition(s), but only 0 assignment(s) were specified.")),
            ("full", 3, Some(&[&[7]]), 39, Some("The manual partition assignment includes broker 7, but no such broker is registered.")),
            ("full", 3, Some(&[&[]]), 39, Some("The manual partition assignment includes an empty replica list.")),
            ("full", i32::MAX, None, 44, Some("Excessively large number of partitions per request.")),
        ];
        for (name, count, assignments, code, message) in refusals {
            assert_eq!(grow(&node, name, count, assignments).await, (code, message.map(str::to_owned)));
        }
        assert_eq!(grow(&node, "full", 3, None).await, (0, None));
        assert_eq!(grow(&node, "full", 4, Some(&[&[1]])).await, (0, None));
        assert_eq!(leader_epochs(&node.image(), "full").len(), 4);
        let topics = vec![
            CreatePartitionsTopic { name: "full".into(), count: 9, assignments: None },
            CreatePartitionsTopic { name: "full".into(), count: 9, assignments: None },
        ];
        let answer = node.client.create_partitions(CreatePartitionsRequest { topics, ..Default::default() }).await.unwrap();
        assert_eq!((answer.results.len(), answer.results[0].error_code), (1, 42));
        let topics = vec![CreatePartitionsTopic { name: "full".into(), count: 9, assignments: None }];
        let answer = node.client.create_partitions(CreatePartitionsRequest { topics, validate_only: true, ..Default::default() }).await.unwrap();
        assert_eq!(answer.results[0].error_code, 0);
        assert!(node.images.is_empty());
    });
}

async fn delete(node: &Node, version: i16, topics: &[(Option<&str>, Uuid)]) -> Vec<(Option<String>, Uuid, i16, Option<String>)> {
    let mut request = DeleteTopicsRequest::default();
    for (name, topic_id) in topics {
        match name {
            Some(name) if version < 6 => request.topic_names.push((*name).into()),
            _ => request.topics.push(DeleteTopicState { name: name.map(Text::from), topic_id: *topic_id }),
        }
    }
    let answer = node.client.delete_topics(request, version).await.unwrap();
    let responses = answer.responses.into_iter();
    responses.map(|one| (one.name.map(|name| name.to_string()), one.topic_id, one.error_code, one.error_message.map(|text| text.to_string()))).collect()
}

#[test]
fn topics_are_deleted_by_name_and_by_id() {
    control_thread(async {
        let root = tempfile::tempdir().unwrap();
        let node = Node::run(&config(root.path(), 1, &[])).await;
        let mut ids = Vec::new();
        for name in ["a", "b", "c"] {
            ids.push(node.create(with_config(topic(name, 2, 1), "retention.ms", Some("5"))).await.topic_id);
        }
        let some = |text: &str| Some(text.to_owned());
        let stranger = Uuid([9; 16]);
        assert_eq!(delete(&node, 6, &[(Some("nope"), Uuid::ZERO)]).await, [(some("nope"), Uuid::ZERO, 3, some("This server does not host this topic-partition."))]);
        assert_eq!(delete(&node, 6, &[(None, stranger)]).await, [(None, stranger, 100, some("This server does not host this topic ID."))]);
        assert_eq!(delete(&node, 6, &[(None, Uuid::ZERO)]).await, [(None, Uuid::ZERO, 42, some("Neither topic name nor id were specified."))]);
        assert_eq!(delete(&node, 6, &[(Some("a"), stranger)]).await, [(some("a"), stranger, 42, some("You may not specify both topic name and topic id."))]);
        assert_eq!(delete(&node, 5, &[(Some("a"), Uuid::ZERO); 3]).await, [(some("a"), Uuid::ZERO, 42, some("Duplicate topic name."))]);
        assert_eq!(delete(&node, 6, &[(None, stranger); 2]).await, [(None, stranger, 42, some("Duplicate topic id."))]);
        assert_eq!(delete(&node, 6, &[(Some("__cluster_metadata"), Uuid::ZERO)]).await[0].2, 3);
        assert_eq!(node.image().topics.len(), 3);
        let both = delete(&node, 6, &[(Some("a"), Uuid::ZERO), (None, ids[0])]).await;
        assert_eq!(both, [(some("a"), ids[0], 42, some("The provided topic name maps to an ID that was already supplied."))]);
        assert_eq!(delete(&node, 6, &[(Some("a"), Uuid::ZERO)]).await, [(some("a"), ids[0], 0, None)]);
        assert_eq!(delete(&node, 6, &[(None, ids[1])]).await, [(some("b"), ids[1], 0, None)]);
        assert_eq!(delete(&node, 1, &[(Some("c"), Uuid::ZERO)]).await, [(some("c"), ids[2], 0, None)]);
        let image = node.image();
        assert_eq!((image.topics.len(), image.topic_ids.len(), image.partition_count, image.configs.len()), (0, 0, 0, 0));
    });
}

#[test]
fn deletion_can_be_disabled() {
    control_thread(async {
        let root = tempfile::tempdir().unwrap();
        let node = Node::run(&config(root.path(), 1, &["delete.topic.enable=false"])).await;
        node.create(topic("a", 1, 1)).await;
        assert_eq!(delete(&node, 6, &[(Some("a"), Uuid::ZERO)]).await[0].2, 73);
        assert_eq!(delete(&node, 2, &[(Some("a"), Uuid::ZERO)]).await[0].2, 42);
        assert_eq!(node.image().topics.len(), 1);
    });
}

type Steps<'a> = &'a [(&'a str, i8, Option<&'a str>)];

async fn alter(node: &Node, resource_type: i8, name: &str, steps: Steps<'_>) -> (i16, Option<String>) {
    let configs = steps.iter().map(|(key, op, value)| incremental_alter_configs::AlterableConfig {
        name: (*key).into(),
        config_operation: *op,
        value: value.map(Text::from),
    });
    let resource = incremental_alter_configs::AlterConfigsResource { resource_type, resource_name: name.into(), configs: configs.collect() };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let answer = node.client.incremental_alter_configs(request).await.unwrap();
    let response = answer.responses[0].clone();
    assert_eq!((response.resource_type, response.resource_name.as_str()), (resource_type, name));
    (response.error_code, response.error_message.map(|message| message.to_string()))
}

#[test]
fn configs_are_altered_step_by_step() {
    control_thread(async {
        let root = tempfile::tempdir().unwrap();
        let node = Node::run(&config(root.path(), 1, &[])).await;
        node.create(topic("full", 1, 1)).await;
        let good: [(i8, &str, Steps<'_>); 8] = [
            (2, "full", &[("retention.ms", 0, Some("5")), ("retention.bytes", 0, Some("6"))]),
            (2, "full", &[("retention.bytes", 1, None), ("segment.ms", 1, None)]),
            (2, "full", &[("foo.bar", 1, None)]),
            (2, "full", &[("cleanup.policy", 2, Some("delete"))]),
            (2, "full", &[("cleanup.policy", 3, Some("delete"))]),
            (4, "", &[("log.retention.ms", 0, Some("100000"))]),
            (4, "1", &[("message.max.bytes", 0, Some("2000000"))]),
            (32, "g", &[("consumer.session.timeout.ms", 1, None)]),
        ];
        for (resource_type, name, steps) in good {
            assert_eq!(alter(&node, resource_type, name, steps).await, (0, None), "{steps:?}");
        }
        let image = node.image();
        let configs = image.configs(ResourceType::TOPIC, "full").unwrap();
        let configs: Vec<_> = configs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(configs, [("cleanup.policy", ""), ("retention.ms", "5")]);
        assert_eq!(image.config(ResourceType::BROKER, "", "log.retention.ms").map(Text::as_str), Some("100000"));
        assert_eq!(image.config(ResourceType::BROKER, "1", "message.max.bytes").map(Text::as_str), Some("2000000"));

        let bad: [(i8, &str, Steps<'_>, i16, &str); 12] = [
            (2, "nope", &[("retention.ms", 0, Some("5"))], 3, "The topic 'nope' does not exist."),
            (2, "nope", &[("retention.ms", 0, Some("x"))], 40, "Invalid value x for configuration retention.ms: Not a number of type LONG"),
            (2, "full", &[("retention.ms", 2, Some("7"))], 40, "Can't APPEND to key retention.ms because its type is not LIST."),
            (2, "full", &[("retention.ms", 0, None), ("retention.bytes", 0, None)], 42, "Null value not supported for : retention.ms, retention.bytes"),
            (2, "full", &[("retention.ms", 0, Some("1")), ("retention.ms", 1, None)], 42, "Error due to duplicate config keys"),
            (2, "", &[("retention.ms", 0, Some("1"))], 42, "Default topic resources are not allowed."),
            (2, "a b", &[("retention.ms", 0, Some("1"))], 17, "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"),
            (77, "x", &[("a", 0, Some("1"))], 42, "Unknown resource type 77"),
            (4, "2", &[("message.max.bytes", 0, Some("2"))], 42, "Unexpected broker id, expected 1, but received 2"),
            (4, "x", &[("message.max.bytes", 0, Some("2"))], 42, "Node id must be an integer, but it is: x"),
            (4, "1", &[("log.dirs", 0, Some("/x"))], 42, "Cannot update these configs dynamically: [log.dirs]"),
            (32, "g", &[("consumer.session.timeout.ms", 0, Some("1"))], 40, "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms"),
        ];
        for (resource_type, name, steps, code, message) in bad {
            assert_eq!(alter(&node, resource_type, name, steps).await, (code, Some(message.to_owned())), "{steps:?}");
        }
        assert!(node.images.is_empty());
    });
}

#[test]
fn a_resource_named_twice_is_refused_and_others_are_not() {
    control_thread(async {
        let root = tempfile::tempdir().unwrap();
        let node = Node::run(&config(root.path(), 1, &[])).await;
        node.create(topic("a", 1, 1)).await;
        node.create(topic("b", 1, 1)).await;
        let resource = |name: &str| alter_configs::AlterConfigsResource {
            resource_type: 2,
            resource_name: name.into(),
            configs: vec![alter_configs::AlterableConfig { name: "retention.ms".into(), value: Some("7".into()) }],
        };
        let request = AlterConfigsRequest { resources: vec![resource("a"), resource("b"), resource("a")], validate_only: false };
        let answer = node.client.alter_configs(request).await.unwrap();
        let codes: Vec<_> = answer.responses.iter().map(|response| response.error_code).collect();
        assert_eq!(codes, [42, 0, 42]);
        assert_eq!(answer.responses[0].error_message.as_deref(), Some("Each resource must appear at most once."));
        assert!(node.image().configs(ResourceType::TOPIC, "a").is_none());
        // What AlterConfigs does not name is removed; validate_only changes nothing.
        let empty = alter_configs::AlterConfigsResource { configs: vec![], ..resource("b") };
        let request = AlterConfigsRequest { resources: vec![empty.clone()], validate_only: true };
        assert_eq!(node.client.alter_configs(request).await.unwrap().responses[0].error_code, 0);
        assert!(node.images.is_empty());
        node.client.alter_configs(AlterConfigsRequest { resources: vec![empty], validate_only: false }).await.unwrap();
        assert!(node.image().configs(ResourceType::TOPIC, "b").is_none());
    });
}

#[test]
fn producer_ids_are_never_given_twice() {
    control_thread(async {
        let root = tempfile::tempdir().unwrap();
        let config = config(root.path(), 1, &[]);
        let node = Node::run(&config).await;
        let mut block = node.client.allocate_producer_ids().await.unwrap().unwrap();
        assert_eq!((block.start, block.len), (ProducerId(0), 1000));
        assert_eq!((block.take(), block.take()), (Some(ProducerId(0)), Some(ProducerId(1))));
        node.crash().await;
        let node = Node::run(&config).await;
        assert_eq!(node.client.allocate_producer_ids().await.unwrap().unwrap().start, ProducerId(1000));
    });
}

#[test]
fn partitions_are_spread_over_directories_and_leave_a_failed_one() {
    control_thread(async {
        let root = tempfile::tempdir().unwrap();
        let config = config(root.path(), 3, &[]);
        let node = Node::run(&config).await;
        node.create(topic("a", 4, 1)).await;
        node.create(topic("b", 5, 1)).await;
        let dirs = node.dirs.ids();
        let image = node.image();
        let in_dir = |image: &ClusterImage, dir: Uuid| {
            let partitions = image.topics.values().flat_map(|topic| topic.partitions.values());
            partitions.filter(|partition| partition.directories == [dir]).map(|partition| partition.leader).collect::<Vec<_>>()
        };
        assert!(dirs.iter().all(|dir| in_dir(&image, *dir) == [Some(NodeId(1)); 3]));
        node.client.report_failed_dir(dirs[1]).await.unwrap();
        let image = node.image();
        assert_eq!(in_dir(&image, dirs[1]), [None; 3]);
        assert_eq!(in_dir(&image, dirs[0]), [Some(NodeId(1)); 3]);
        assert_eq!(image.brokers.get(&NodeId(1)).unwrap().log_dirs, [dirs[0], dirs[2]]);
        node.client.report_failed_dir(dirs[1]).await.unwrap();
        assert!(node.images.is_empty(), "it is known");
        node.create(topic("c", 2, 1)).await;
        assert_eq!(in_dir(&node.image(), dirs[1]), [None; 3]);
        node.crash().await;
        // It is back after the repair.
        let node = Node::run(&config).await;
        let image = node.image();
        assert_eq!(in_dir(&image, dirs[1]), [Some(NodeId(1)); 3]);
        assert_eq!(image.brokers.get(&NodeId(1)).unwrap().log_dirs, dirs);
        node.stop_in_order().await;
        // And gone for good: what was in it stays without a leader.
        std::fs::remove_dir_all(root.path().join("d1")).unwrap();
        let node = Node::run(&config).await;
        assert_eq!(in_dir(&node.image(), dirs[1]), [None; 3]);
    });
}

#[test]
fn what_waits_together_is_flushed_together_and_answered_in_order() {
    control_thread(async {
        let root = tempfile::tempdir().unwrap();
        let node = Node::run(&config(root.path(), 1, &[])).await;
        node.images.drain();
        let names: Vec<String> = (0..40).map(|index| format!("t{index}")).collect();
        let mut asked = tokio::task::JoinSet::new();
        for name in &names {
            let client = node.client.clone();
            let request = CreateTopicsRequest { topics: vec![topic(name, 1, 1)], ..Default::default() };
            asked.spawn(async move { client.create_topics(request).await.unwrap().topics[0].error_code });
        }
        assert_eq!(asked.join_all().await, [0; 40]);
        let images: Vec<_> = node.images.drain().collect();
        assert!(images.len() < 40, "{} flushes", images.len());
        assert_eq!(images.last().unwrap().topics.len(), 40);
    });
}

#[test]
fn after_the_shutdown_nobody_is_answered() {
    control_thread(async {
        let root = tempfile::tempdir().unwrap();
        let node = Node::run(&config(root.path(), 1, &[])).await;
        let client = node.client.clone();
        node.stop_in_order().await;
        assert_eq!(client.unfence().await, Err(ControllerGone));
    });
}

/// What Kafka's own tool reads in a file of the metadata log; `None` without Java or Kafka's jars.
fn dumped(path: &Path) -> Option<String> {
    let home = std::env::var_os("KAFKA_HOME").map(std::path::PathBuf::from);
    let home = home.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache/kafka-4.3.0")))?;
    if !home.join("libs/kafka-tools-4.3.0.jar").exists() {
        return None;
    }
    let mut java = std::process::Command::new("java");
    java.args(["-Xmx256M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]).arg(home.join("libs/*"));
    java.args(["org.apache.kafka.tools.DumpLogSegments", "--cluster-metadata-decoder", "--files"]).arg(path);
    let output = java.output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn kafkas_own_tool_reads_the_log_and_a_snapshot() {
    control_thread(async {
        let root = tempfile::tempdir().unwrap();
        let config = config(root.path(), 1, &["metadata.log.max.record.bytes.between.snapshots=1024"]);
        let node = Node::run(&config).await;
        for index in 0..8 {
            node.create(with_config(topic(&format!("t{index}"), 2, 1), "retention.ms", Some("1000"))).await;
        }
        node.stop_in_order().await;
        let folder = root.path().join("d0/__cluster_metadata-0");
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        let of_kind = |kind: &str| files.iter().filter(|path| path.extension().is_some_and(|extension| extension == kind)).max().unwrap();
        let Some(snapshot) = dumped(of_kind("checkpoint")) else {
            println!("skipped: java or the jars of Kafka 4.3.0 are missing");
            return;
        };
        for part in ["SnapshotHeader", "SnapshotFooter", "\"name\":\"metadata.version\",\"featureLevel\":30", "\"name\":\"t0\"", "PARTITION_RECORD"] {
            assert!(snapshot.contains(part), "{part} is not in {snapshot}");
        }
        let log = dumped(of_kind("log")).unwrap();
        for part in ["isvalid: true", "\"inControlledShutdown\":1", "\"leader\":-1", "\"fenced\":1"] {
            assert!(log.contains(part), "{part} is not in {log}");
        }
        assert!(!log.contains("isvalid: false") && !snapshot.contains("isvalid: false"));
    });
}

#[test]
fn snapshots_are_taken_while_requests_go_on() {
    control_thread(async {
        let root = tempfile::tempdir().unwrap();
        let config = config(root.path(), 1, &["metadata.log.max.record.bytes.between.snapshots=4096"]);
        let node = Node::run(&config).await;
        for index in 0..60 {
            node.create(topic(&format!("t{index}"), 3, 1)).await;
        }
        let image = node.image();
        node.stop_in_order().await;
        let folder = root.path().join("d0/__cluster_metadata-0");
        let snapshots = std::fs::read_dir(folder).unwrap().filter(|entry| {
            entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".checkpoint")
        });
        assert!((1..=2).contains(&snapshots.count()));
        let node = Node::run(&config).await;
        assert_eq!(node.image().topic_ids, image.topic_ids);
    });
}
