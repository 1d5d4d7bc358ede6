//! ConsumerGroupHeartbeat: members join, say what has changed, move on and leave.
//!
//! Pure. All that can be refused is checked before anything changes.

use std::collections::BTreeSet;

use super::{
    super::{call::Caller, seed::ClassicSeed},
    assignment::{self, Owned, Partitions},
    changes::Change,
    check::check_epoch,
    deadlines::Kind,
    group::ConsumerGroup,
    member::{EPOCH_AWAY, EPOCH_JOINING, EPOCH_LEAVING, Member},
    records::ConsumerGroupMemberMetadataValue,
    settings::{Refusal, Scene},
};
use crate::{
    protocol::messages::consumer_group_heartbeat::{
        ConsumerGroupHeartbeatAssignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
        ConsumerGroupHeartbeatTopicPartitions,
    },
    types::{ErrorCode, Text},
};

/// The answer, and what is left of the group if it is a consumer group no longer.
pub(crate) type Beaten = (ConsumerGroupHeartbeatResponse, Option<ClassicSeed>);

/// True if the request is to leave, for good or for a while: such a request does not make a group.
pub(crate) fn is_leaving(request: &ConsumerGroupHeartbeatRequest) -> bool {
    matches!(request.member_epoch, EPOCH_LEAVING | EPOCH_AWAY)
}

/// True if the request is to join, and may make the group.
pub(crate) fn is_joining(request: &ConsumerGroupHeartbeatRequest) -> bool {
    request.member_epoch == EPOCH_JOINING
}

impl ConsumerGroup {
    /// A heartbeat that has passed [`super::check_heartbeat`].
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, FENCED_MEMBER_EPOCH, FENCED_INSTANCE_ID, UNRELEASED_INSTANCE_ID, GROUP_MAX_SIZE_REACHED,
    /// INVALID_REGULAR_EXPRESSION.
    pub(crate) fn heartbeat(
        &mut self,
        caller: &Caller,
        request: &ConsumerGroupHeartbeatRequest,
        scene: &mut Scene<'_>,
    ) -> Result<Beaten, Refusal> {
        if is_leaving(request) {
            return self.leave(request, scene);
        }
        self.check_room(&request.member_id, scene)?;
        check_size(request, scene)?;
        // Clients of version 0 are given an id.
        let made_id = Text::from(caller.random.to_string());
        let id = if request.member_id.is_empty() { &made_id } else { &request.member_id };
        let replaced = self.identify(id, request, scene)?;
        self.check_regex(request.subscribed_topic_regex.as_ref())?;

        if let Some(old) = replaced {
            self.replace_member(&old, id, scene);
        }
        let before = self.members.get(id);
        let regex_before = before.and_then(|member| member.regex.clone());
        let subscription_changed = self.take_metadata(id, caller, request, scene);
        let topics_of_regexes_changed = self.follow_regexes(regex_before.as_ref(), scene);
        self.follow_topics(subscription_changed || topics_of_regexes_changed, scene);
        self.follow_epoch(scene);
        let owned = request.topic_partitions.as_deref().map(owned);
        let assignment_changed = self.reconcile(id, subscription_changed, owned.as_ref(), scene);
        self.deadlines.set(id, Kind::Session, scene.now.after(scene.settings.session_timeout_ms));
        let member = self.known(id, scene)?;
        let is_full = request.rebalance_timeout_ms != -1
            && (request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some())
            && request.topic_partitions.is_some();
        let tell = is_joining(request) || is_full || assignment_changed;
        let response = ConsumerGroupHeartbeatResponse {
            member_id: Some(id.clone()),
            member_epoch: member.epoch,
            heartbeat_interval_ms: scene.settings.heartbeat_interval_ms,
            assignment: tell.then(|| told(&member.assigned)),
            ..ConsumerGroupHeartbeatResponse::default()
        };
        Ok((response, None))
    }

    /// Finds out who it is. Gives the member that it replaces: the same instance under its old member id.
    fn identify(&self, id: &Text, request: &ConsumerGroupHeartbeatRequest, scene: &Scene<'_>) -> Result<Option<Text>, Refusal> {
        let joining = is_joining(request);
        let Some(instance) = &request.instance_id else {
            match self.members.get(id) {
                None if joining => tracing::info!(group = %scene.id, member = %id, "a member joins"),
                None => drop(self.known(id, scene)?),
                Some(member) => check_epoch(member, request)?,
            }
            return Ok(None);
        };
        if !joining {
            check_epoch(self.known_static(instance, id)?, request)?;
            return Ok(None);
        }
        let Some((old, member)) = self.static_member(instance) else {
            tracing::info!(group = %scene.id, member = %id, %instance, "a static member joins");
            return Ok(None);
        };
        if !member.is_classic() && member.epoch != EPOCH_AWAY {
            let message =
                format!("Static member {id} with instance id {instance} cannot join the group because the instance id is owned by {old} member.");
            return Err(Refusal::new(ErrorCode::UnreleasedInstanceId, message));
        }
        tracing::info!(group = %scene.id, member = %id, %instance, %old, "a static member is back");
        Ok(Some(old.clone()))
    }

    /// A static member is back, under a new id: it takes the place and the partitions of its old self.
    pub(super) fn replace_member(&mut self, old: &Text, new: &Text, scene: &mut Scene<'_>) {
        let Some(member) = self.members.get(old) else { return };
        let member = Member { epoch: EPOCH_JOINING, previous_epoch: EPOCH_JOINING, ..member.clone() };
        let target = self.targets.get(old).cloned().unwrap_or_default();
        self.change(Change::Current(old.clone(), None), scene);
        self.change(Change::Target(old.clone(), None), scene);
        self.change(Change::Member(old.clone(), None), scene);
        self.change(Change::Member(new.clone(), Some(member.metadata())), scene);
        self.change(Change::Target(new.clone(), Some(target)), scene);
        self.change(Change::Current(new.clone(), Some(member.current())), scene);
    }

    /// Takes over what the member says about itself; what it does not say stays. True if its subscription has changed.
    fn take_metadata(&mut self, id: &Text, caller: &Caller, request: &ConsumerGroupHeartbeatRequest, scene: &mut Scene<'_>) -> bool {
        let new = Member::default();
        let known = self.members.get(id);
        let member = known.unwrap_or(&new);
        let topics_changed = request.subscribed_topic_names.as_ref().is_some_and(|names| {
            let names: BTreeSet<&Text> = names.iter().collect();
            names.len() != member.topics.len() || names.into_iter().zip(&member.topics).any(|(said, known)| said != known)
        });
        let regex_changed =
            request.subscribed_topic_regex.as_ref().is_some_and(|regex| **regex != *member.regex.as_deref().unwrap_or_default());
        let differs = |said: &Option<Text>, known: &Option<Text>| said.is_some() && said != known;
        let changed = known.is_none()
            || topics_changed
            || regex_changed
            || differs(&request.instance_id, &member.instance_id)
            || differs(&request.rack_id, &member.rack_id)
            || differs(&request.server_assignor, &member.server_assignor)
            || (request.rebalance_timeout_ms != -1 && request.rebalance_timeout_ms != member.rebalance_timeout_ms)
            || caller.client_id != member.client_id
            || caller.client_host != member.client_host
            || member.is_classic();
        if changed {
            let value = said(member, caller, request);
            self.change(Change::Member(id.clone(), Some(value)), scene);
        }
        topics_changed || regex_changed
    }

    fn leave(&mut self, request: &ConsumerGroupHeartbeatRequest, scene: &mut Scene<'_>) -> Result<Beaten, Refusal> {
        let id = &request.member_id;
        let member = match &request.instance_id {
            None => self.known(id, scene)?,
            Some(instance) => self.known_static(instance, id)?,
        };
        let response = ConsumerGroupHeartbeatResponse {
            member_id: Some(id.clone()),
            member_epoch: request.member_epoch,
            ..ConsumerGroupHeartbeatResponse::default()
        };
        if request.instance_id.is_some() && request.member_epoch == EPOCH_AWAY {
            tracing::info!(group = %scene.id, member = %id, "a static member leaves for a while");
            let mut away = member.clone();
            away.epoch = EPOCH_AWAY;
            away.revoking.clear();
            away.assigned = assignment::with_epoch(&assignment::without_epochs(&away.assigned), 0);
            self.change(Change::Current(id.clone(), Some(away.current())), scene);
            self.deadlines.clear(id, Kind::Rebalance);
            return Ok((response, None));
        }
        tracing::info!(group = %scene.id, member = %id, "a member leaves");
        let seed = self.fence(std::slice::from_ref(id), scene);
        Ok((response, seed))
    }
}

/// # Errors
/// UNKNOWN_SERVER_ERROR, as Kafka says where a record is too large for its log.
fn check_size(request: &ConsumerGroupHeartbeatRequest, scene: &Scene<'_>) -> Result<(), Refusal> {
    let names: usize = request.subscribed_topic_names.iter().flatten().map(|name| name.len() + 4).sum();
    if names > scene.settings.record_bytes_max / 2 {
        let message = "The subscription is too large for a record of the group's log (message.max.bytes).";
        return Err(Refusal::new(ErrorCode::UnknownServerError, Text::from_static(message)));
    }
    Ok(())
}

fn said(member: &Member, caller: &Caller, request: &ConsumerGroupHeartbeatRequest) -> ConsumerGroupMemberMetadataValue {
    let mut value = member.metadata();
    let take = |said: &Option<Text>, into: &mut Option<Text>| {
        if said.is_some() {
            into.clone_from(said);
        }
    };
    take(&request.instance_id, &mut value.instance_id);
    take(&request.rack_id, &mut value.rack_id);
    take(&request.server_assignor, &mut value.server_assignor);
    take(&request.subscribed_topic_regex, &mut value.subscribed_topic_regex);
    if request.rebalance_timeout_ms != -1 {
        value.rebalance_timeout_ms = request.rebalance_timeout_ms;
    }
    if let Some(names) = &request.subscribed_topic_names {
        let sorted: BTreeSet<&Text> = names.iter().collect();
        value.subscribed_topic_names = sorted.into_iter().cloned().collect();
    }
    value.client_id = caller.client_id.clone();
    value.client_host = caller.client_host.clone();
    value.classic_member_metadata = None;
    value
}

fn owned(topics: &[ConsumerGroupHeartbeatTopicPartitions]) -> Partitions {
    let mut owned = Partitions::new();
    for topic in topics {
        owned.entry(topic.topic_id).or_default().extend(&topic.partitions);
    }
    owned
}

fn told(assigned: &Owned) -> ConsumerGroupHeartbeatAssignment {
    let topic_partitions = assigned.iter().map(|(topic_id, partitions)| ConsumerGroupHeartbeatTopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.keys().copied().collect(),
    });
    ConsumerGroupHeartbeatAssignment { topic_partitions: topic_partitions.collect() }
}
