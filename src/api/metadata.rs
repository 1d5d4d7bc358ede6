//! Metadata (key 3), versions 0-13: brokers, and topics with their partitions and leaders.
//!
//! Behaviour: answered from the image of this shard. Topics that are asked for by name and do not exist are made, if the
//! client and `auto.create.topics.enable` allow it, and stand in the same answer; Kafka answers
//! UNKNOWN_TOPIC_OR_PARTITION first and lets the client ask again. Internal topics are never made here: they need settings
//! of their own. A topic named twice is answered once.
//! Version notes: null asks for all topics, in version 0 the empty list does; 8 adds authorized operations; 12 looks up
//! by id; 13 has an error for the whole.

use std::{
    collections::{BTreeMap, HashSet},
    rc::Rc,
    sync::Arc,
};

use super::{
    Api,
    dispatch::Caller,
    view::{self, CLUSTER_OPERATIONS, TOPIC_OPERATIONS, View},
};
use crate::{
    metadata::image::{ClusterImage, PartitionImage, TopicImage},
    protocol::messages::{
        create_topics::{CreatableTopic, CreateTopicsRequest, CreateTopicsResponse},
        metadata::{
            MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
            MetadataResponseTopic,
        },
    },
    runtime::task,
    types::{
        ErrorCode, NodeId, Text, Uuid, check_topic_name, is_internal_topic, limits::PARTITIONS_PER_REQUEST_MAX,
    },
};

/// First version that looks topics up by id.
const VERSION_TOPIC_ID: i16 = 12;
/// First version that tells a missing listener from a missing leader.
const VERSION_LISTENER_NOT_FOUND: i16 = 6;
/// How long in ms the controller may take to make topics.
const CREATION_TIMEOUT_MS: i32 = 30_000;

/// What the client wants to know.
#[derive(Debug, PartialEq)]
enum Asked {
    All,
    /// Each once, in the order of the request.
    Names(Vec<Text>),
    /// Each once, in the order of the request.
    Ids(Vec<Uuid>),
}

/// Answers from the image of this shard; waits for the controller only to make topics.
pub(super) async fn handle(api: &Rc<Api>, caller: &Caller, body: MetadataRequest) -> MetadataResponse {
    let asked = match asked(&body, caller.version) {
        Ok(asked) => asked,
        Err(error) => return refusal(&body, error),
    };
    let mut refused = BTreeMap::new();
    if let Asked::Names(names) = &asked
        && body.allow_auto_topic_creation
        && api.shard.config().auto_create_topics_enable
    {
        refused = create_missing(api, names).await;
    }
    let image = api.shard.image();
    let view = View { image: &image, listener: view::listener_name(api, caller) };
    let answering = Answering { view, version: caller.version, operations: body.include_topic_authorized_operations };
    let topics = answering.topics(&asked, &refused).await;
    let brokers = view.brokers(false).map(|(broker, listener)| MetadataResponseBroker {
        node_id: broker.id.get(),
        host: listener.host.clone(),
        port: i32::from(listener.port),
        rack: broker.rack.clone(),
    });
    MetadataResponse {
        throttle_time_ms: 0,
        brokers: brokers.collect(),
        cluster_id: Some(api.shard.cluster_id().clone()),
        controller_id: view.controller_id(api.shard.node_id()),
        topics,
        cluster_authorized_operations: if body.include_cluster_authorized_operations { CLUSTER_OPERATIONS } else { i32::MIN },
        error_code: ErrorCode::None.code(),
    }
}

fn asked(body: &MetadataRequest, version: i16) -> Result<Asked, ErrorCode> {
    let Some(topics) = &body.topics else { return Ok(Asked::All) };
    if version == 0 && topics.is_empty() {
        return Ok(Asked::All);
    }
    if version < VERSION_TOPIC_ID && topics.iter().any(|topic| topic.name.is_none() || !topic.topic_id.is_zero()) {
        return Err(ErrorCode::InvalidRequest);
    }
    let mut seen_ids = HashSet::new();
    let ids: Vec<Uuid> =
        topics.iter().map(|topic| topic.topic_id).filter(|id| !id.is_zero() && seen_ids.insert(*id)).collect();
    if !ids.is_empty() {
        // One id makes it a request by ids: names beside them are not looked at.
        return Ok(Asked::Ids(ids));
    }
    let mut seen = HashSet::new();
    let mut names = Vec::new();
    for topic in topics {
        // Neither a name nor an id: Kafka stumbles over it and says this.
        let name = topic.name.as_ref().ok_or(ErrorCode::UnknownServerError)?;
        if seen.insert(name) {
            names.push(name.clone());
        }
    }
    Ok(Asked::Names(names))
}

/// The answer to a request that is wrong as a whole (MetadataRequest.getErrorResponse).
fn refusal(body: &MetadataRequest, error: ErrorCode) -> MetadataResponse {
    let refuse = |topic: &MetadataRequestTopic| MetadataResponseTopic {
        error_code: error.code(),
        name: Some(topic.name.clone().unwrap_or_default()),
        topic_id: topic.topic_id,
        ..MetadataResponseTopic::default()
    };
    MetadataResponse {
        topics: body.topics.iter().flatten().map(refuse).collect(),
        error_code: error.code(),
        ..MetadataResponse::default()
    }
}

/// Makes those of `names` that may be made and do not exist, and waits until every shard shows them. Gives back
/// the names that are refused for good, with the error for the client.
async fn create_missing(api: &Rc<Api>, names: &[Text]) -> BTreeMap<Text, ErrorCode> {
    let config = api.shard.config();
    // More than that the controller refuses as a whole; clients ask again for the rest.
    let most = PARTITIONS_PER_REQUEST_MAX / usize::try_from(config.num_partitions).unwrap_or(1).max(1);
    let topics: Vec<CreatableTopic> = missing(&api.shard.image(), names)
        .take(most)
        .map(|name| CreatableTopic {
            name: name.clone(),
            num_partitions: config.num_partitions,
            replication_factor: config.default_replication_factor,
            ..CreatableTopic::default()
        })
        .collect();
    if topics.is_empty() {
        return BTreeMap::new();
    }
    let request = CreateTopicsRequest { topics, timeout_ms: CREATION_TIMEOUT_MS, validate_only: false };
    let creation = api.shard.controller().create_topics(request);
    let Ok(response) = api.shard.everywhere(creation).await else { return BTreeMap::new() };
    refusals(response)
}

/// The names of topics that may be made and do not exist.
fn missing<'a>(image: &ClusterImage, names: &'a [Text]) -> impl Iterator<Item = &'a Text> {
    names.iter().filter(|name| {
        image.topic_by_name(name).is_none() && check_topic_name(name).is_ok() && !is_internal_topic(name)
    })
}

/// The topics that cannot be made.
fn refusals(response: CreateTopicsResponse) -> BTreeMap<Text, ErrorCode> {
    let mut refused = BTreeMap::new();
    let mut failures = 0;
    for result in response.topics {
        match ErrorCode::from_code(result.error_code) {
            // Someone else may have been faster.
            Some(ErrorCode::None | ErrorCode::TopicAlreadyExists) => {}
            // The name is valid but collides with another one.
            Some(ErrorCode::InvalidTopicException) => {
                refused.insert(result.name, ErrorCode::InvalidTopicException);
            }
            error => {
                // The client is told that the topic is unknown, so the reason stands here only: once, not for each name.
                if failures == 0 {
                    let why = result.error_message.unwrap_or_default();
                    tracing::warn!(topic = %result.name, ?error, %why, "cannot make a topic that a client asked for");
                }
                failures += 1;
            }
        }
    }
    if failures > 1 {
        tracing::warn!(topics = failures, "cannot make topics that a client asked for");
    }
    refused
}

/// What the description of a topic depends on.
#[derive(Clone, Copy, Debug)]
struct Answering<'a> {
    view: View<'a>,
    version: i16,
    operations: bool,
}

impl Answering<'_> {
    async fn topics(self, asked: &Asked, refused: &BTreeMap<Text, ErrorCode>) -> Vec<MetadataResponseTopic> {
        let image = self.view.image;
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        match asked {
            Asked::All => known.extend(image.topics_by_name()),
            Asked::Names(names) => {
                for name in names {
                    match image.topic_by_name(name) {
                        Some(topic) => known.push(topic),
                        None => unknown.push(self.missing(name, refused)),
                    }
                }
            }
            Asked::Ids(ids) => {
                for id in ids {
                    match image.topic(*id) {
                        Some(topic) => known.push(topic),
                        None => unknown.push(unknown_id(*id)),
                    }
                }
            }
        }
        let mut topics = Vec::with_capacity(known.len() + unknown.len());
        for topic in known {
            topics.push(self.topic(topic));
            // A cluster may have very many; others of this shard want to go on.
            task::yield_if_needed().await;
        }
        topics.append(&mut unknown);
        topics
    }

    fn operations(self) -> i32 {
        if self.operations { TOPIC_OPERATIONS } else { i32::MIN }
    }

    fn topic(self, topic: &Arc<TopicImage>) -> MetadataResponseTopic {
        let partitions = topic.partitions.iter().map(|(index, partition)| self.partition(*index, partition));
        MetadataResponseTopic {
            error_code: ErrorCode::None.code(),
            name: Some(topic.name.clone()),
            topic_id: topic.id,
            is_internal: is_internal_topic(&topic.name),
            partitions: partitions.collect(),
            topic_authorized_operations: self.operations(),
        }
    }

    fn missing(self, name: &Text, refused: &BTreeMap<Text, ErrorCode>) -> MetadataResponseTopic {
        let error = refused.get(name).copied().unwrap_or_else(|| view::missing_topic_error(name));
        MetadataResponseTopic {
            error_code: error.code(),
            name: Some(name.clone()),
            is_internal: is_internal_topic(name),
            topic_authorized_operations: self.operations(),
            ..MetadataResponseTopic::default()
        }
    }

    fn partition(self, index: i32, partition: &PartitionImage) -> MetadataResponsePartition {
        // Clients of version 0 are told only of brokers that they can reach, and of an error if one is missing.
        let nodes = |nodes: &[NodeId]| if self.version == 0 { self.view.reachable(nodes) } else { view::numbers(nodes) };
        let (replica_nodes, isr_nodes) = (nodes(&partition.replicas), nodes(&partition.isr));
        let leader = self.view.leader(partition);
        let error = match leader {
            Err(ErrorCode::ListenerNotFound) if self.version < VERSION_LISTENER_NOT_FOUND => ErrorCode::LeaderNotAvailable,
            Err(error) => error,
            Ok(_) if replica_nodes.len() < partition.replicas.len() || isr_nodes.len() < partition.isr.len() => {
                ErrorCode::ReplicaNotAvailable
            }
            Ok(_) => ErrorCode::None,
        };
        MetadataResponsePartition {
            error_code: error.code(),
            partition_index: index,
            leader_id: leader.map_or(-1, NodeId::get),
            leader_epoch: partition.leader_epoch.get(),
            replica_nodes,
            isr_nodes,
            offline_replicas: self.view.offline_replicas(partition),
        }
    }
}

fn unknown_id(id: Uuid) -> MetadataResponseTopic {
    MetadataResponseTopic { error_code: ErrorCode::UnknownTopicId.code(), topic_id: id, ..MetadataResponseTopic::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        metadata::image::{BrokerImage, Listener},
        protocol::messages::create_topics::CreatableTopicResult,
        types::{BrokerEpoch, LeaderEpoch},
    };

    fn request(topics: Option<Vec<(Option<&'static str>, Uuid)>>) -> MetadataRequest {
        let topic = |(name, topic_id): (Option<&'static str>, Uuid)| MetadataRequestTopic { topic_id, name: name.map(Text::from_static) };
        MetadataRequest { topics: topics.map(|topics| topics.into_iter().map(topic).collect()), ..MetadataRequest::default() }
    }

    #[test]
    fn the_empty_list_means_all_only_in_version_0() {
        assert_eq!(asked(&request(Some(vec![])), 0), Ok(Asked::All));
        assert_eq!(asked(&request(Some(vec![])), 1), Ok(Asked::Names(vec![])));
        assert_eq!(asked(&request(None), 1), Ok(Asked::All));
    }

    #[test]
    fn ids_are_looked_up_from_version_12_on_and_win_over_names() {
        let id = Uuid([7; 16]);
        let by_id = request(Some(vec![(None, id), (Some("a"), Uuid::ZERO), (None, id)]));
        assert_eq!(asked(&by_id, 12), Ok(Asked::Ids(vec![id])));
        assert_eq!(asked(&by_id, 11), Err(ErrorCode::InvalidRequest));
        assert_eq!(asked(&request(Some(vec![(None, Uuid::ZERO)])), 12), Err(ErrorCode::UnknownServerError));
        let names = request(Some(vec![(Some("b"), Uuid::ZERO), (Some("a"), Uuid::ZERO), (Some("b"), Uuid::ZERO)]));
        assert_eq!(asked(&names, 9), Ok(Asked::Names(vec![Text::from_static("b"), Text::from_static("a")])));
    }

    #[test]
    fn a_request_that_is_wrong_as_a_whole_names_no_broker() {
        let response = refusal(&request(Some(vec![(None, Uuid::ONE)])), ErrorCode::InvalidRequest);
        assert!(response.brokers.is_empty() && response.cluster_id.is_none() && response.controller_id == -1);
        assert_eq!((response.topics[0].error_code, response.topics[0].name.as_deref()), (42, Some("")));
    }

    #[test]
    fn internal_and_invalid_names_are_not_made() {
        let names = ["orders", "__consumer_offsets", "a/b", ""].map(Text::from_static);
        let missing: Vec<&Text> = missing(&ClusterImage::default(), &names).collect();
        assert_eq!(missing, [&names[0]]);
    }

    #[test]
    fn a_topic_that_another_client_made_meanwhile_is_not_refused() {
        let result = |name, error: ErrorCode| CreatableTopicResult {
            name: Text::from_static(name),
            error_code: error.code(),
            ..CreatableTopicResult::default()
        };
        let topics = vec![
            result("made", ErrorCode::None),
            result("there", ErrorCode::TopicAlreadyExists),
            result("a_b", ErrorCode::InvalidTopicException),
            result("full", ErrorCode::PolicyViolation),
        ];
        let refused = refusals(CreateTopicsResponse { throttle_time_ms: 0, topics });
        assert_eq!(refused, BTreeMap::from([(Text::from_static("a_b"), ErrorCode::InvalidTopicException)]));
    }

    fn image(leader: Option<i32>, listener: &'static str) -> ClusterImage {
        let mut image = ClusterImage::default();
        let listener = Listener { name: Text::from_static(listener), host: Text::from_static("h"), port: 9092, security_protocol: 0 };
        let broker = BrokerImage {
            id: NodeId(1),
            epoch: BrokerEpoch(3),
            incarnation_id: Uuid::ONE,
            listeners: vec![listener],
            features: Vec::new(),
            rack: None,
            fenced: false,
            in_controlled_shutdown: false,
            is_migrating_zk_broker: false,
            log_dirs: vec![Uuid([9; 16])],
            cordoned_log_dirs: None,
        };
        image.brokers.insert(NodeId(1), Arc::new(broker));
        let partition = PartitionImage {
            replicas: vec![NodeId(1), NodeId(2)],
            directories: vec![Uuid([9; 16]), Uuid([8; 16])],
            leader: leader.map(NodeId),
            leader_epoch: LeaderEpoch(4),
            ..PartitionImage::alone_on(NodeId(1), Uuid([9; 16]))
        };
        let mut topic = TopicImage { id: Uuid::ONE, name: Text::from_static("t"), partitions: Default::default() };
        topic.partitions.insert(0, Arc::new(partition));
        image.topics.insert(Uuid::ONE, Arc::new(topic));
        image
    }

    #[test]
    fn leaders_that_cannot_be_reached_are_told_as_the_version_knows_it() {
        let ask = |image: &ClusterImage, version| {
            let view = View { image, listener: "PLAINTEXT" };
            let answering = Answering { view, version, operations: false };
            let topic = answering.topic(image.topic(Uuid::ONE).unwrap());
            let [partition] = &topic.partitions[..] else { panic!("one partition") };
            (partition.error_code, partition.leader_id, partition.replica_nodes.clone(), partition.offline_replicas.clone())
        };
        assert_eq!(ask(&image(Some(1), "PLAINTEXT"), 13), (0, 1, vec![1, 2], vec![2]));
        assert_eq!(ask(&image(Some(1), "PLAINTEXT"), 0), (9, 1, vec![1], vec![2]));
        assert_eq!(ask(&image(None, "PLAINTEXT"), 13), (5, -1, vec![1, 2], vec![2]));
        assert_eq!(ask(&image(Some(2), "PLAINTEXT"), 13), (5, -1, vec![1, 2], vec![2]));
        assert_eq!(ask(&image(Some(1), "OTHER"), 13), (72, -1, vec![1, 2], vec![1, 2]));
        assert_eq!(ask(&image(Some(1), "OTHER"), 5), (5, -1, vec![1, 2], vec![1, 2]));
    }
}
