//! Members of the classic protocol in a consumer group: JoinGroup, SyncGroup, Heartbeat and LeaveGroup.
//!
//! Pure. To such a member a generation is its epoch, and a rebalance is that it has to take its next step: it joins, is told its
//! epoch at once, and syncs to hear its assignment. It never waits for others and nobody is leader.

use super::{
    super::{call::Caller, seed::ClassicSeed},
    assignment::Partitions,
    changes::Change,
    deadlines::Kind,
    group::ConsumerGroup,
    member::{Member, MemberState},
    records::{ClassicMemberMetadata, ClassicProtocol},
    settings::{Refusal, Scene},
    topics::Topics,
};
use crate::{
    protocol::{
        embedded::{self, ConsumerProtocolAssignment, ConsumerProtocolSubscription, EmbeddedTopicPartitions},
        messages::{
            heartbeat::HeartbeatRequest,
            join_group::{JoinGroupRequest, JoinGroupResponse},
            leave_group::{LeaveGroupResponse, MemberIdentity, MemberResponse},
            sync_group::{SyncGroupRequest, SyncGroupResponse},
        },
    },
    types::{ErrorCode, Text},
};

/// Protocol type of consumers.
const CONSUMER: &str = "consumer";
/// First version of JoinGroup whose clients come back with the id they are given.
const VERSION_MEMBER_ID_REQUIRED: i16 = 4;

/// The answer, and what is left of the group if it is a consumer group no longer.
pub(crate) type Joined = (JoinGroupResponse, Option<ClassicSeed>);
/// The answer, and what is left of the group if it is a consumer group no longer.
pub(crate) type Left = (LeaveGroupResponse, Option<ClassicSeed>);

impl ConsumerGroup {
    /// JoinGroup, answered at once. The group is not empty: a classic member that joins an empty group makes it a classic group.
    ///
    /// # Errors
    /// INCONSISTENT_GROUP_PROTOCOL, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, GROUP_MAX_SIZE_REACHED, UNKNOWN_SERVER_ERROR.
    pub(crate) fn classic_join(&mut self, caller: &Caller, request: &JoinGroupRequest, scene: &mut Scene<'_>) -> Result<Joined, Refusal> {
        let is_unknown = request.member_id.is_empty();
        let made_id = Text::from(caller.random.to_string());
        let id = if is_unknown { &made_id } else { &request.member_id };
        self.check_room(id, scene)?;
        if !self.supports(request) {
            return Err(Refusal::new(ErrorCode::InconsistentGroupProtocol, format!("Member {id}'s protocols are not supported.")));
        }
        if is_unknown && request.group_instance_id.is_none() && caller.version >= VERSION_MEMBER_ID_REQUIRED {
            let error_code = ErrorCode::MemberIdRequired.code();
            return Ok((JoinGroupResponse { error_code, member_id: id.clone(), ..JoinGroupResponse::default() }, None));
        }
        let subscription = check_protocols(request, scene)?;
        let replaced = self.identify_classic(id, is_unknown, request)?;
        let downgrade = request.group_instance_id.as_ref().is_some_and(|instance| self.may_downgrade_with(instance, scene));

        if let Some(old) = replaced {
            self.replace_member(&old, id, scene);
        }
        let regex_before = self.members.get(id).and_then(|member| member.regex.clone());
        let subscription_changed = self.take_subscription(id, caller, request, &subscription, scene) || regex_before.is_some();
        let topics_of_regexes_changed = self.follow_regexes(regex_before.as_ref(), scene);
        self.follow_topics(subscription_changed || topics_of_regexes_changed, scene);
        let is_target_stale = self.target_epoch < self.epoch;
        if !downgrade {
            self.follow_epoch(scene);
        }
        if !downgrade || !is_target_stale {
            let owned = owned(&subscription, scene.topics);
            self.reconcile(id, subscription_changed, Some(&owned), scene);
        }
        let response = JoinGroupResponse {
            generation_id: self.known(id, scene)?.epoch,
            protocol_type: Some(Text::from_static(CONSUMER)),
            protocol_name: request.protocols.first().map(|protocol| protocol.name.clone()),
            member_id: id.clone(),
            ..JoinGroupResponse::default()
        };
        if downgrade {
            let seed = self.downgrade(&std::collections::BTreeSet::new(), scene);
            return Ok((response, Some(ClassicSeed { rebalance: is_target_stale, ..seed })));
        }
        self.deadlines.clear(id, Kind::Join);
        self.deadlines.set(id, Kind::Session, scene.now.after(request.session_timeout_ms));
        self.deadlines.set(id, Kind::Sync, scene.now.after(request.rebalance_timeout_ms));
        Ok((response, None))
    }

    /// True if the member speaks a protocol that all members of the classic kind speak.
    fn supports(&self, request: &JoinGroupRequest) -> bool {
        if request.protocol_type != CONSUMER {
            return false;
        }
        let everyone: Vec<&ClassicMemberMetadata> = self.members.values().filter_map(|member| member.classic.as_ref()).collect();
        let speaks = |classic: &ClassicMemberMetadata, name: &Text| classic.supported_protocols.iter().any(|protocol| protocol.name == *name);
        request.protocols.iter().any(|protocol| everyone.iter().all(|classic| speaks(classic, &protocol.name)))
    }

    /// Finds out who it is. Gives the member that it replaces.
    fn identify_classic(&self, id: &Text, is_unknown: bool, request: &JoinGroupRequest) -> Result<Option<Text>, Refusal> {
        match &request.group_instance_id {
            None => Ok(None),
            Some(instance) if is_unknown => Ok(self.static_member(instance).map(|(old, _)| old.clone())),
            Some(instance) => self.known_static(instance, id).map(|_| None),
        }
    }

    /// Takes over what the member says. True if the topics that it names have changed.
    fn take_subscription(
        &mut self,
        id: &Text,
        caller: &Caller,
        request: &JoinGroupRequest,
        subscription: &ConsumerProtocolSubscription,
        scene: &mut Scene<'_>,
    ) -> bool {
        let known = self.members.get(id);
        let mut member = known.cloned().unwrap_or_default();
        let topics_changed = {
            let before = std::mem::replace(&mut member.topics, subscription.topics.iter().cloned().collect());
            before != member.topics
        };
        member.regex = None;
        member.instance_id = request.group_instance_id.clone().or(member.instance_id);
        member.rack_id = subscription.rack_id.clone().filter(|rack| !rack.is_empty()).or(member.rack_id);
        if request.rebalance_timeout_ms != -1 {
            member.rebalance_timeout_ms = request.rebalance_timeout_ms;
        }
        member.client_id = caller.client_id.clone();
        member.client_host = caller.client_host.clone();
        let protocols = request.protocols.iter().map(|protocol| ClassicProtocol { name: protocol.name.clone(), metadata: protocol.metadata.clone() });
        member.classic =
            Some(ClassicMemberMetadata { session_timeout_ms: request.session_timeout_ms, supported_protocols: protocols.collect() });
        if known != Some(&member) {
            self.change(Change::Member(id.clone(), Some(member.metadata())), scene);
        }
        topics_changed
    }

    /// SyncGroup.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, INCONSISTENT_GROUP_PROTOCOL, REBALANCE_IN_PROGRESS.
    pub(crate) fn classic_sync(&mut self, request: &SyncGroupRequest, scene: &Scene<'_>) -> Result<SyncGroupResponse, ErrorCode> {
        let id = &request.member_id;
        let (member, classic) = self.classic_member(id, request.group_instance_id.as_ref())?;
        if member.epoch != request.generation_id {
            return Err(ErrorCode::IllegalGeneration);
        }
        let protocol = classic.supported_protocols.first();
        if request.protocol_type.as_ref().is_some_and(|kind| *kind != CONSUMER)
            || request.protocol_name.as_ref().is_some_and(|name| protocol.is_none_or(|protocol| protocol.name != *name))
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        if self.target_epoch > member.epoch && member.state != MemberState::UnrevokedPartitions {
            let due_ms = scene.now.after(member.rebalance_timeout_ms);
            self.deadlines.set_if_absent(id, Kind::Join, due_ms);
            return Err(ErrorCode::RebalanceInProgress);
        }
        let version = protocol.and_then(|protocol| embedded::version(&protocol.metadata).ok()).unwrap_or(0);
        let assignment = named(&super::assignment::without_epochs(&member.assigned), scene.topics);
        let assignment = embedded::write_assignment(&assignment, version).map_err(|_| ErrorCode::UnknownServerError)?;
        let session_ms = scene.now.after(classic.session_timeout_ms);
        self.deadlines.clear(id, Kind::Sync);
        self.deadlines.set(id, Kind::Session, session_ms);
        Ok(SyncGroupResponse {
            protocol_type: request.protocol_type.clone(),
            protocol_name: request.protocol_name.clone(),
            assignment,
            ..SyncGroupResponse::default()
        })
    }

    /// Heartbeat.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION; REBALANCE_IN_PROGRESS, which also keeps the session alive.
    pub(crate) fn classic_heartbeat(&mut self, request: &HeartbeatRequest, scene: &Scene<'_>) -> Result<(), ErrorCode> {
        let id = &request.member_id;
        let (member, classic) = self.classic_member(id, request.group_instance_id.as_ref())?;
        if member.epoch != request.generation_id {
            return Err(ErrorCode::IllegalGeneration);
        }
        let must_join = member.epoch < self.target_epoch
            || member.state == MemberState::UnrevokedPartitions
            || (member.state == MemberState::UnreleasedPartitions && !self.waits_for_others(id, member));
        let (session_ms, join_ms) = (scene.now.after(classic.session_timeout_ms), scene.now.after(member.rebalance_timeout_ms));
        self.deadlines.set(id, Kind::Session, session_ms);
        if must_join {
            self.deadlines.set_if_absent(id, Kind::Join, join_ms);
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }

    /// True if a partition that the member is to own is still someone's.
    fn waits_for_others(&self, id: &Text, member: &Member) -> bool {
        let targets = self.targets.get(id).into_iter().flatten();
        let mut missing = targets.flat_map(|(topic, partitions)| partitions.iter().map(|partition| (*topic, *partition)));
        missing.any(|(topic, partition)| {
            !super::assignment::has(&member.assigned, topic, partition) && self.owners.contains_key(&(topic, partition))
        })
    }

    fn classic_member(&self, id: &Text, instance: Option<&Text>) -> Result<(&Member, &ClassicMemberMetadata), ErrorCode> {
        let member = match instance {
            None => self.members.get(id).ok_or(ErrorCode::UnknownMemberId)?,
            Some(instance) => self.known_static(instance, id).map_err(|refusal| refusal.error)?,
        };
        let classic = member.classic.as_ref().ok_or(ErrorCode::UnknownMemberId)?;
        Ok((member, classic))
    }

    /// LeaveGroup, of members of either kind: administrators remove them so.
    pub(crate) fn classic_leave(&mut self, members: &[MemberIdentity], scene: &mut Scene<'_>) -> Left {
        let mut gone = Vec::new();
        let mut responses = Vec::with_capacity(members.len());
        for identity in members {
            let found = self.leaving(identity);
            responses.push(MemberResponse {
                member_id: identity.member_id.clone(),
                group_instance_id: identity.group_instance_id.clone(),
                error_code: found.as_ref().err().copied().unwrap_or(ErrorCode::None).code(),
            });
            if let Ok(id) = found {
                tracing::info!(group = %scene.id, member = %id, reason = identity.reason.as_deref(), "a member leaves");
                gone.push(id);
            }
        }
        let seed = self.fence(&gone, scene);
        (LeaveGroupResponse { members: responses, ..LeaveGroupResponse::default() }, seed)
    }

    fn leaving(&self, identity: &MemberIdentity) -> Result<Text, ErrorCode> {
        let id = &identity.member_id;
        let Some(instance) = &identity.group_instance_id else {
            return self.members.get(id).map(|_| id.clone()).ok_or(ErrorCode::UnknownMemberId);
        };
        match self.static_member(instance) {
            None => Err(ErrorCode::UnknownMemberId),
            Some((known, _)) if !id.is_empty() && known != id => Err(ErrorCode::FencedInstanceId),
            Some((known, _)) => Ok(known.clone()),
        }
    }
}

/// The subscription that a member brings. Kafka fails in the same way where there is none.
fn check_protocols(request: &JoinGroupRequest, scene: &Scene<'_>) -> Result<ConsumerProtocolSubscription, Refusal> {
    let refuse = |message| Refusal::new(ErrorCode::UnknownServerError, Text::from_static(message));
    let bytes: usize = request.protocols.iter().map(|protocol| protocol.name.len() + protocol.metadata.len()).sum();
    if bytes > scene.settings.record_bytes_max / 2 {
        return Err(refuse("The member's metadata is too large for a record of the group's log (message.max.bytes)."));
    }
    let metadata = request.protocols.first().map(|protocol| &protocol.metadata);
    let subscription = metadata.and_then(|metadata| embedded::read_subscription(metadata).ok());
    subscription.ok_or_else(|| refuse("Malformed embedded consumer protocol in subscription deserialization."))
}

fn owned(subscription: &ConsumerProtocolSubscription, topics: Topics<'_>) -> Partitions {
    topics.by_id(subscription.owned_partitions.iter().map(|topic| (&topic.topic, topic.partitions.as_slice())))
}

/// Partitions with the names of their topics; topics that do not exist any more are left out.
pub(super) fn named(partitions: &Partitions, topics: Topics<'_>) -> ConsumerProtocolAssignment {
    let named = partitions.iter().filter_map(|(id, partitions)| {
        let topic = topics.name(*id)?.clone();
        Some(EmbeddedTopicPartitions { topic, partitions: partitions.iter().copied().collect() })
    });
    ConsumerProtocolAssignment { assigned_partitions: named.collect(), user_data: None }
}
