//! CreatePartitions (ControllerApis.scala, ReplicationControlManager.java).
//!
//! Pure.

use std::collections::BTreeSet;

use super::{
    decision::{Decision, Refusal, View},
    placement::{Placer, replication_factor},
    topics::{TOO_MANY_PARTITIONS, check_partition_limit},
};
use crate::{
    metadata::records::MetadataRecord,
    protocol::messages::create_partitions::{
        CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
    },
    types::{ErrorCode, limits::PARTITIONS_PER_REQUEST_MAX},
};

/// Decides a CreatePartitions request.
pub(super) fn create(view: View<'_>, request: &CreatePartitionsRequest) -> Decision<CreatePartitionsResponse> {
    let (mut seen, mut duplicates) = (BTreeSet::new(), BTreeSet::new());
    for topic in &request.topics {
        if !seen.insert(&topic.name) {
            duplicates.insert(&topic.name);
        }
    }
    let mut results = Vec::with_capacity(seen.len());
    for name in &duplicates {
        let refusal = Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name.");
        let (error_code, error_message) = Refusal::fields(Err(refusal));
        results.push(CreatePartitionsTopicResult { name: (*name).clone(), error_code, error_message });
    }
    let mut growth = Growth { view, placer: Placer::new(view), records: Vec::new(), partitions: view.image.partition_count, asked: 0 };
    for topic in request.topics.iter().filter(|topic| !duplicates.contains(&topic.name)) {
        let (error_code, error_message) = Refusal::fields(growth.grow(topic));
        results.push(CreatePartitionsTopicResult { name: topic.name.clone(), error_code, error_message });
    }
    let records = if request.validate_only { Vec::new() } else { growth.records };
    Decision { records, answer: CreatePartitionsResponse { throttle_time_ms: 0, results } }
}

struct Growth<'a> {
    view: View<'a>,
    placer: Placer<'a>,
    records: Vec<MetadataRecord>,
    partitions: usize,
    /// New partitions of this request so far.
    asked: usize,
}

impl Growth<'_> {
    fn grow(&mut self, topic: &CreatePartitionsTopic) -> Result<(), Refusal> {
        let name = &topic.name;
        let existing = self.view.image.topic_by_name(name).ok_or(Refusal::bare(ErrorCode::UnknownTopicOrPartition))?;
        let now = existing.partitions.len();
        let wanted = usize::try_from(topic.count).unwrap_or(0);
        let refuse = |code, message: String| Err(Refusal::new(code, message));
        if wanted == now {
            return refuse(ErrorCode::InvalidPartitions, format!("Topic already has {now} partition(s)."));
        }
        let Some(more) = wanted.checked_sub(now) else {
            let message = format!("The topic {name} currently has {now} partition(s); {} would not be an increase.", topic.count);
            return refuse(ErrorCode::InvalidPartitions, message);
        };
        if let Some(given) = topic.assignments.as_ref().map(Vec::len).filter(|given| *given != more) {
            let message = format!("Attempted to add {more} additional partition(s), but only {given} assignment(s) were specified.");
            return refuse(ErrorCode::InvalidReplicaAssignment, message);
        }
        if self.asked.saturating_add(more) > PARTITIONS_PER_REQUEST_MAX {
            return refuse(ErrorCode::PolicyViolation, TOO_MANY_PARTITIONS.to_owned());
        }
        check_partition_limit(self.view, self.partitions, more)?;
        let Some((_, first)) = existing.partitions.iter().next() else {
            return refuse(ErrorCode::UnknownServerError, format!("Invalid state: topic {name} appears to have no partitions."));
        };
        let factor = replication_factor(first);
        let indexes = i32::try_from(now).unwrap_or(i32::MAX)..topic.count;
        let replicas = match &topic.assignments {
            Some(assignments) => {
                let expected = Some(first.replicas.len());
                let assigned = indexes.clone().zip(assignments);
                assigned.map(|(index, given)| self.placer.check_manual(index, &given.broker_ids, expected)).collect::<Result<Vec<_>, _>>()?
            }
            None => indexes.clone().map(|_| self.placer.place(factor)).collect::<Result<Vec<_>, _>>()?,
        };
        for (index, replicas) in indexes.zip(&replicas) {
            self.records.push(self.placer.partition(existing.id, index, replicas));
        }
        self.asked += more;
        self.partitions += more;
        Ok(())
    }
}
