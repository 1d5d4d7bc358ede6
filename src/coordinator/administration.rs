//! What administrators ask of groups, and what becomes of positions that nobody needs any more.

use std::collections::BTreeSet;

use super::{
    call::Answer,
    classic::ClassicGroup,
    machine::Coordinator,
    effects::Effects,
    group::{Group, Membership, RetentionStart},
    offsets::Committed,
    settings::World,
};
use crate::{
    protocol::messages::{
        consumer_group_describe::DescribedConsumerGroup,
        delete_groups::DeletableGroupResult,
        describe_groups::DescribedGroup,
        list_groups::ListedGroup,
        offset_delete::{
            OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
        },
    },
    types::{ErrorCode, Text},
};

/// First version of DescribeGroups that says GROUP_ID_NOT_FOUND.
const VERSION_DESCRIBE_NOT_FOUND: i16 = 6;
/// What older versions are told of a group that is not there.
const DEAD: &str = "Dead";

impl Coordinator {
    /// DescribeGroups.
    pub(super) fn describe(&self, ids: &[Text], version: i16) -> Vec<DescribedGroup> {
        let describe = |id: &Text| match self.groups.get(id).map(|group| &group.membership) {
            Some(Membership::Classic(group)) => group.describe(id),
            Some(Membership::Consumer(_)) => not_found(id, version, &format!("Group {id} is not a classic group.")),
            None => not_found(id, version, &format!("Group {id} not found.")),
        };
        ids.iter().map(describe).collect()
    }

    /// ConsumerGroupDescribe.
    pub(super) fn describe_consumer(&self, ids: &[Text], world: World<'_>) -> Vec<DescribedConsumerGroup> {
        let describe = |id: &Text| {
            let refused = |error: ErrorCode, message: Option<String>| DescribedConsumerGroup {
                error_code: error.code(),
                error_message: message.map(Text::from),
                group_id: id.clone(),
                ..DescribedConsumerGroup::default()
            };
            if !world.speaks_consumer() {
                return refused(ErrorCode::UnsupportedVersion, None);
            }
            match self.groups.get(id).map(|group| &group.membership) {
                Some(Membership::Consumer(group)) => group.describe(id, &world.consumer_settings(id), world.topics()),
                Some(Membership::Classic(_)) => {
                    refused(ErrorCode::GroupIdNotFound, Some(format!("Group {id} is not a consumer group.")))
                }
                None => refused(ErrorCode::GroupIdNotFound, Some(format!("Group {id} not found."))),
            }
        };
        ids.iter().map(describe).collect()
    }

    /// ListGroups. Filters do not mind case; a type that does not exist matches nothing.
    pub(super) fn list(&self, states: &[Text], types: &[Text]) -> Vec<ListedGroup> {
        let lower = |filter: &[Text]| -> BTreeSet<String> { filter.iter().map(|word| word.trim().to_lowercase()).collect() };
        let (states, types) = (lower(states), lower(types));
        let is_asked = |group: &Group| {
            (states.is_empty() || states.contains(&group.state_name().to_lowercase()))
                && (types.is_empty() || types.contains(group.type_name()))
        };
        let groups = self.groups.iter().filter(|(_, group)| is_asked(group));
        let listed = groups.map(|(id, group)| ListedGroup {
            group_id: id.clone(),
            protocol_type: group.protocol_type(),
            group_state: Text::from_static(group.state_name()),
            group_type: Text::from_static(group.type_name()),
        });
        listed.collect()
    }

    /// DeleteGroups: each by itself.
    pub(super) fn delete(&mut self, ids: Vec<Text>, world: World<'_>, effects: &mut Effects) -> Vec<DeletableGroupResult> {
        let mut results = Vec::with_capacity(ids.len());
        effects.divisible = true;
        for id in ids {
            let checked = self.groups.get(&id).map_or(Err(ErrorCode::GroupIdNotFound), Group::check_delete);
            let error = match checked {
                Ok(()) => {
                    self.remove_group(&id, world, effects);
                    tracing::info!(group = %id, "deleted");
                    ErrorCode::None
                }
                Err(error) => error,
            };
            results.push(DeletableGroupResult { group_id: id, error_code: error.code() });
        }
        results
    }

    /// Removes a group and all that it has.
    fn remove_group(&mut self, id: &Text, world: World<'_>, effects: &mut Effects) {
        let Some(group) = self.groups.get(id) else { return };
        for (topic, partition, _) in group.offsets.iter() {
            effects.records.extend(Committed::tombstone(id, topic, partition).ok());
        }
        match &group.membership {
            Membership::Classic(_) => effects.records.extend(ClassicGroup::tombstone(id).ok()),
            Membership::Consumer(_) => {
                self.on_consumer(id, world, effects, |group, scene| group.remove(scene));
            }
        }
        self.forget(id);
    }

    /// OffsetDelete.
    pub(super) fn delete_offsets(&mut self, request: &OffsetDeleteRequest, effects: &mut Effects) -> Answer {
        let id = &request.group_id;
        let Some(group) = self.groups.get_mut(id) else { return Answer::Refused(ErrorCode::GroupIdNotFound) };
        if let Err(error) = group.check_delete_offsets() {
            return Answer::Refused(error);
        }
        effects.divisible = true;
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let subscribed = group.is_subscribed_to(&topic.name);
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let index = partition.partition_index;
                let error = if subscribed { ErrorCode::GroupSubscribedToTopic } else { ErrorCode::None };
                if !subscribed && group.offsets.get(&topic.name, index).is_some() {
                    effects.records.extend(Committed::tombstone(id, &topic.name, index).ok());
                    group.offsets.remove(&topic.name, index);
                }
                partitions.push(OffsetDeleteResponsePartition { partition_index: index, error_code: error.code() });
            }
            topics.push(OffsetDeleteResponseTopic { name: topic.name.clone(), partitions });
        }
        Answer::DeletedOffsets(OffsetDeleteResponse { topics, ..OffsetDeleteResponse::default() })
    }

    /// Topics have been deleted: nobody has positions in them any more.
    pub fn topics_deleted(&mut self, names: &BTreeSet<Text>) -> Effects {
        let mut effects = Effects { divisible: true, ..Effects::none() };
        for (id, group) in &mut self.groups {
            let gone: Vec<(Text, i32)> = group
                .offsets
                .iter()
                .filter(|(topic, _, _)| names.contains(*topic))
                .map(|(topic, partition, _)| (topic.clone(), partition))
                .collect();
            for (topic, partition) in gone {
                effects.records.extend(Committed::tombstone(id, &topic, partition).ok());
                group.offsets.remove(&topic, partition);
            }
        }
        effects
    }

    /// Removes positions whose retention time is over, and groups that are left with nothing.
    pub(super) fn expire_offsets(&mut self, world: World<'_>, effects: &mut Effects) {
        let World { now, settings, .. } = world;
        effects.divisible |= effects.records.is_empty();
        let mut empty = Vec::new();
        for (id, group) in &mut self.groups {
            let Some(start) = group.retention_start() else { continue };
            let is_over = |topic: &Text, committed: &Committed| {
                let since_ms = match start {
                    RetentionStart::Commit => committed.committed_ms,
                    RetentionStart::At(ms) => ms,
                };
                !group.is_subscribed_to(topic)
                    && committed.expires_ms.map_or_else(
                        || now.wall_ms.saturating_sub(since_ms) >= settings.offsets_retention_ms,
                        |expires_ms| now.wall_ms >= expires_ms,
                    )
            };
            let over: Vec<(Text, i32)> = group
                .offsets
                .iter()
                .filter(|(topic, _, committed)| is_over(topic, committed))
                .map(|(topic, partition, _)| (topic.clone(), partition))
                .collect();
            for (topic, partition) in over {
                effects.records.extend(Committed::tombstone(id, &topic, partition).ok());
                group.offsets.remove(&topic, partition);
            }
            if group.offsets.is_empty() && group.is_empty() {
                empty.push(id.clone());
            }
        }
        if !effects.records.is_empty() || !empty.is_empty() {
            tracing::info!(records = effects.records.len(), groups = empty.len(), "positions and groups have expired");
        }
        for id in empty {
            self.remove_group(&id, world, effects);
        }
    }
}

impl Group {
    fn protocol_type(&self) -> Text {
        match &self.membership {
            Membership::Classic(group) => group.protocol_type().cloned().unwrap_or_default(),
            Membership::Consumer(_) => Text::from_static("consumer"),
        }
    }
}

fn not_found(id: &Text, version: i16, message: &str) -> DescribedGroup {
    if version >= VERSION_DESCRIBE_NOT_FOUND {
        return DescribedGroup {
            error_code: ErrorCode::GroupIdNotFound.code(),
            error_message: Some(Text::from(message)),
            group_id: id.clone(),
            group_state: Text::from_static(DEAD),
            ..DescribedGroup::default()
        };
    }
    DescribedGroup { group_id: id.clone(), group_state: Text::from_static(DEAD), ..DescribedGroup::default() }
}
