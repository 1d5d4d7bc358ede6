//! CreateTopics and DeleteTopics (ControllerApis.scala, ReplicationControlManager.java).
//!
//! Pure, but for the random ids of new topics.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    decision::{Decision, Refusal, View, check_name},
    placement::Placer,
};
use crate::{
    config::{Overrides, check_new_internal_topic, check_new_topic, describe_topic},
    metadata::{
        image::{ConfigResource, ResourceType, config_record},
        records::{MetadataRecord, RemoveTopicRecord, TopicRecord},
    },
    protocol::messages::{
        create_topics::{CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse},
        delete_topics::{DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse},
    },
    types::{ErrorCode, NodeId, Text, Uuid, is_internal_topic, limits::PARTITIONS_PER_REQUEST_MAX},
};

/// The topic of this very log; nobody makes or deletes it.
const CLUSTER_METADATA: &str = "__cluster_metadata";
/// What a request for too many partitions is told.
pub(super) const TOO_MANY_PARTITIONS: &str = "Excessively large number of partitions per request.";

/// Decides a CreateTopics request.
pub(super) fn create(view: View<'_>, request: &CreateTopicsRequest) -> Decision<CreateTopicsResponse> {
    let (mut duplicates, mut names) = (BTreeSet::new(), BTreeSet::new());
    for topic in &request.topics {
        if !names.insert(&topic.name) {
            duplicates.insert(&topic.name);
        }
    }
    let wanted: Vec<&CreatableTopic> =
        request.topics.iter().filter(|topic| !duplicates.contains(&topic.name) && topic.name != CLUSTER_METADATA).collect();
    let mut creation = Creation::new(view, &wanted);
    let mut answers = Vec::with_capacity(request.topics.len());
    for topic in &wanted {
        answers.push(creation.create(topic).unwrap_or_else(|refusal| refused(&topic.name, refusal)));
    }
    let refusal = || Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name.");
    answers.extend(duplicates.iter().map(|name| refused(name, refusal())));
    if names.contains(&Text::from_static(CLUSTER_METADATA)) && !duplicates.contains(&Text::from_static(CLUSTER_METADATA)) {
        let message = format!("Creation of internal topic {CLUSTER_METADATA} is prohibited.");
        answers.push(refused(&Text::from_static(CLUSTER_METADATA), Refusal::new(ErrorCode::InvalidRequest, message)));
    }
    let records = if request.validate_only { Vec::new() } else { creation.records };
    Decision { records, answer: CreateTopicsResponse { throttle_time_ms: 0, topics: answers } }
}

fn refused(name: &Text, refusal: Refusal) -> CreatableTopicResult {
    CreatableTopicResult {
        name: name.clone(),
        error_code: refusal.code as i16,
        error_message: refusal.message,
        configs: Some(Vec::new()),
        ..Default::default()
    }
}

/// The topics of one request that are being made.
struct Creation<'a> {
    view: View<'a>,
    placer: Placer<'a>,
    records: Vec<MetadataRecord>,
    topics: usize,
    partitions: usize,
    /// The request as a whole asks for too many partitions.
    excessive: bool,
    /// Existing names with `.` or `_`, both as `_`; made when the first such name is asked for.
    colliding: Option<BTreeMap<String, &'a Text>>,
}

impl<'a> Creation<'a> {
    fn new(view: View<'a>, wanted: &[&CreatableTopic]) -> Self {
        let asked = |topic: &&CreatableTopic| match (topic.assignments.len(), topic.num_partitions) {
            (0, -1) => usize::try_from(view.config.num_partitions).unwrap_or(0),
            (0, partitions) => usize::try_from(partitions).unwrap_or(0),
            (assigned, _) => assigned,
        };
        let sum = wanted.iter().map(asked).fold(0, usize::saturating_add);
        Self {
            view,
            placer: Placer::new(view),
            records: Vec::new(),
            topics: view.image.topics.len(),
            partitions: view.image.partition_count,
            excessive: sum > PARTITIONS_PER_REQUEST_MAX,
            colliding: None,
        }
    }

    fn create(&mut self, topic: &CreatableTopic) -> Result<CreatableTopicResult, Refusal> {
        if self.excessive {
            return Err(Refusal::new(ErrorCode::PolicyViolation, TOO_MANY_PARTITIONS));
        }
        self.check_name(&topic.name)?;
        let overrides = self.check_configs(topic)?;
        let replicas = if topic.assignments.is_empty() { self.placed(topic)? } else { self.assigned(topic)? };
        self.check_limits(replicas.len())?;
        let topic_id = Uuid::random().map_err(|_| Refusal::bare(ErrorCode::UnknownServerError))?;
        let name = topic.name.detached();
        self.records.push(MetadataRecord::Topic(TopicRecord { name: name.clone(), topic_id }));
        let resource = ConfigResource { resource_type: ResourceType::TOPIC, name: name.clone() };
        self.records.extend(overrides.iter().map(|(key, value)| config_record(&resource, key.clone(), Some(value.clone()))));
        for (index, replicas) in (0..).zip(&replicas) {
            self.records.push(self.placer.partition(topic_id, index, replicas));
        }
        self.topics += 1;
        self.partitions += replicas.len();
        Ok(CreatableTopicResult {
            name,
            topic_id,
            num_partitions: i32::try_from(replicas.len()).unwrap_or(i32::MAX),
            replication_factor: replicas.first().map_or(-1, |first| i16::try_from(first.len()).unwrap_or(i16::MAX)),
            configs: Some(self.described(&overrides)),
            ..Default::default()
        })
    }

    fn check_name(&mut self, name: &Text) -> Result<(), Refusal> {
        check_name(name)?;
        if self.view.image.topic_ids.contains_key(name) {
            return Err(Refusal::new(ErrorCode::TopicAlreadyExists, format!("Topic '{name}' already exists.")));
        }
        // Metrics write '.' as '_', so two names that differ only in these would be one.
        if !name.contains(['.', '_']) {
            return Ok(());
        }
        let colliding = self.colliding.get_or_insert_with(|| {
            let names = self.view.image.topic_ids.keys().filter(|name| name.contains(['.', '_']));
            names.map(|name| (name.replace('.', "_"), name)).collect()
        });
        match colliding.get(&name.replace('.', "_")) {
            None => Ok(()),
            Some(other) => {
                let message = format!("Topic '{name}' collides with existing topic: {other}");
                Err(Refusal::new(ErrorCode::InvalidTopicException, message))
            }
        }
    }

    fn check_configs(&self, topic: &CreatableTopic) -> Result<Overrides, Refusal> {
        let nulls: Vec<&str> = topic.configs.iter().filter(|config| config.value.is_none()).map(|config| config.name.as_str()).collect();
        if !nulls.is_empty() {
            let message = format!("Null value not supported for topic configs: {}", nulls.join(","));
            return Err(Refusal::new(ErrorCode::InvalidConfig, message));
        }
        let configs: Vec<_> = topic.configs.iter().map(|config| (config.name.clone(), config.value.clone())).collect();
        if is_internal_topic(&topic.name) {
            return check_new_internal_topic(&configs).map_err(Refusal::from);
        }
        check_new_topic(self.view.config, self.view.dynamic(), &configs).map_err(Refusal::from)
    }

    /// The replicas of all partitions, chosen here.
    fn placed(&self, topic: &CreatableTopic) -> Result<Vec<Vec<NodeId>>, Refusal> {
        if topic.replication_factor < -1 || topic.replication_factor == 0 {
            let message = "Replication factor must be larger than 0, or -1 to use the default value.";
            return Err(Refusal::new(ErrorCode::InvalidReplicationFactor, message));
        }
        if topic.num_partitions < -1 || topic.num_partitions == 0 {
            let message = "Number of partitions was set to an invalid non-positive value.";
            return Err(Refusal::new(ErrorCode::InvalidPartitions, message));
        }
        let partitions = if topic.num_partitions == -1 { self.view.config.num_partitions } else { topic.num_partitions };
        let factor = match topic.replication_factor {
            -1 => self.view.config.default_replication_factor,
            factor => factor,
        };
        (0..partitions).map(|_| self.placer.place(factor)).collect()
    }

    /// The replicas of all partitions, as the request says.
    fn assigned(&self, topic: &CreatableTopic) -> Result<Vec<Vec<NodeId>>, Refusal> {
        let refuse = |what: &str| {
            let message = format!("A manual partition assignment was specified, but {what} was not set to -1.");
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        };
        if topic.replication_factor != -1 {
            return refuse("replication factor");
        }
        if topic.num_partitions != -1 {
            return refuse("numPartitions");
        }
        let mut partitions = BTreeMap::new();
        let mut factor = None;
        for assignment in &topic.assignments {
            let index = assignment.partition_index;
            if partitions.contains_key(&index) {
                let message = format!("Found multiple manual partition assignments for partition {index}");
                return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
            }
            let replicas = self.placer.check_manual(index, &assignment.broker_ids, factor)?;
            factor = Some(replicas.len());
            partitions.insert(index, replicas);
        }
        if !partitions.keys().copied().eq(0..i32::try_from(partitions.len()).unwrap_or(i32::MAX)) {
            let message = "partitions should be a consecutive 0-based integer sequence";
            return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
        }
        Ok(partitions.into_values().collect())
    }

    fn check_limits(&self, more: usize) -> Result<(), Refusal> {
        if self.topics >= self.view.config.topics_max {
            let (topics, max) = (self.topics, self.view.config.topics_max);
            let message = format!("The cluster has {topics} topics already; corelog.topics.max allows {max}.");
            return Err(Refusal::new(ErrorCode::PolicyViolation, message));
        }
        check_partition_limit(self.view, self.partitions, more)
    }

    fn described(&self, overrides: &Overrides) -> Vec<CreatableTopicConfigs> {
        let described = describe_topic(self.view.config, self.view.dynamic(), overrides, None);
        let configs = described.into_iter().map(|config| CreatableTopicConfigs {
            // What was given is told as it was given (ReplicationControlManager), spaces and capitals included.
            value: overrides.get(&config.name).filter(|_| !config.is_sensitive).cloned().or(config.value),
            name: config.name,
            read_only: config.read_only,
            config_source: config.source.id(),
            is_sensitive: config.is_sensitive,
        });
        configs.collect()
    }
}

/// Refuses `more` partitions if the cluster then had too many.
pub(super) fn check_partition_limit(view: View<'_>, partitions: usize, more: usize) -> Result<(), Refusal> {
    let max = view.config.partitions_max;
    if partitions.saturating_add(more) <= max {
        return Ok(());
    }
    let message = format!("The cluster has {partitions} partitions; {more} more would pass corelog.partitions.max, which is {max}.");
    Err(Refusal::new(ErrorCode::PolicyViolation, message))
}

/// Decides a DeleteTopics request of the given version. Internal topics may be deleted, as in Kafka.
pub(super) fn delete(view: View<'_>, request: &DeleteTopicsRequest, version: i16) -> Decision<DeleteTopicsResponse> {
    let by_name = request.topic_names.iter().map(|name| (Some(name.clone()), Uuid::ZERO));
    let by_either = request.topics.iter().map(|topic| (topic.name.clone(), topic.topic_id));
    let asked: Vec<(Option<Text>, Uuid)> = by_name.chain(by_either).collect();
    let mut deletion = Deletion::new(view, &asked);
    let mut responses = Vec::with_capacity(asked.len());
    for (name, topic_id) in &asked {
        if !view.config.delete_topic_enable {
            let code = if version < 3 { ErrorCode::InvalidRequest } else { ErrorCode::TopicDeletionDisabled };
            responses.push(deletable(name.clone(), *topic_id, Err(Refusal::new(code, "Topic deletion is disabled."))));
        } else if let Some(response) = deletion.delete(name.as_ref(), *topic_id) {
            responses.push(response);
        }
    }
    Decision { records: deletion.records, answer: DeleteTopicsResponse { throttle_time_ms: 0, responses } }
}

fn deletable(name: Option<Text>, topic_id: Uuid, result: Result<(), Refusal>) -> DeletableTopicResult {
    let (error_code, error_message) = Refusal::fields(result);
    DeletableTopicResult { name, topic_id, error_code, error_message }
}

/// The topics of one request that are being deleted.
struct Deletion<'a> {
    view: View<'a>,
    records: Vec<MetadataRecord>,
    /// How often each name, and each id, is asked for; set to zero once it has been answered as a duplicate.
    names: BTreeMap<Text, usize>,
    ids: BTreeMap<Uuid, usize>,
    /// Ids that are asked for both by themselves and by their topic's name: neither deletes anything, and one answer tells.
    twice: BTreeSet<Uuid>,
}

impl<'a> Deletion<'a> {
    fn new(view: View<'a>, asked: &[(Option<Text>, Uuid)]) -> Self {
        let (mut names, mut ids): (BTreeMap<Text, usize>, BTreeMap<Uuid, usize>) = (BTreeMap::new(), BTreeMap::new());
        for (name, id) in asked {
            match name {
                Some(name) if id.is_zero() => *names.entry(name.clone()).or_default() += 1,
                None if !id.is_zero() => *ids.entry(*id).or_default() += 1,
                _ => {}
            }
        }
        let named = names.keys().filter_map(|name| view.image.topic_by_name(name)).map(|topic| topic.id);
        let twice = named.filter(|id| ids.contains_key(id)).collect();
        Self { view, records: Vec::new(), names, ids, twice }
    }

    /// Answers one entry; `None` for the further ones of a duplicate, which is answered once.
    fn delete(&mut self, name: Option<&Text>, id: Uuid) -> Option<DeletableTopicResult> {
        let invalid = |message: &str| Err(Refusal::new(ErrorCode::InvalidRequest, message));
        match name {
            None if id.is_zero() => return Some(deletable(None, id, invalid("Neither topic name nor id were specified."))),
            Some(name) if !id.is_zero() => {
                return Some(deletable(Some(name.clone()), id, invalid("You may not specify both topic name and topic id.")));
            }
            None => match take_count(self.ids.get_mut(&id)) {
                0 => return None,
                1 if self.twice.contains(&id) => return None,
                1 => {}
                _ => return Some(deletable(None, id, invalid("Duplicate topic id."))),
            },
            Some(name) => match take_count(self.names.get_mut(name)) {
                0 => return None,
                1 => {}
                _ => return Some(deletable(Some(name.clone()), id, invalid("Duplicate topic name."))),
            },
        }
        let found = match name {
            Some(name) => self.view.image.topic_by_name(name),
            None => self.view.image.topic(id),
        };
        let Some(topic) = found else {
            // Kafka's words for these codes.
            let refusal = match name {
                Some(_) => Refusal::new(ErrorCode::UnknownTopicOrPartition, "This server does not host this topic-partition."),
                None => Refusal::new(ErrorCode::UnknownTopicId, "This server does not host this topic ID."),
            };
            return Some(deletable(name.cloned(), id, Err(refusal)));
        };
        if self.twice.contains(&topic.id) {
            let result = invalid("The provided topic name maps to an ID that was already supplied.");
            return Some(deletable(Some(topic.name.clone()), topic.id, result));
        }
        self.records.push(MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: topic.id }));
        Some(deletable(Some(topic.name.clone()), topic.id, Ok(())))
    }
}

/// How often something is asked for; zero from the second time on if that is more than once.
fn take_count(count: Option<&mut usize>) -> usize {
    let Some(count) = count else { return 0 };
    if *count > 1 { std::mem::take(count) } else { *count }
}
