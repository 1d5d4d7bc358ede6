//! What is refused: requests that make no sense, members that are not who they say, and commits that come too late.
//!
//! Pure; nothing here changes anything.

use super::{
    assignment::{self, Owned},
    assignor::Assignor,
    group::ConsumerGroup,
    member::{EPOCH_AWAY, EPOCH_JOINING, EPOCH_LEAVING, Member, MemberState},
    settings::{Refusal, Scene},
};
use crate::{
    protocol::messages::consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatTopicPartitions},
    types::{ErrorCode, Text, Uuid},
};

/// First version whose members make their ids themselves.
const VERSION_OWN_MEMBER_ID: i16 = 1;
/// First version of OffsetCommit that members of the consumer protocol may use.
const VERSION_COMMIT_CONSUMER: i16 = 9;

/// Checks a heartbeat for itself, whatever the group (GroupCoordinatorService.java).
///
/// # Errors
/// INVALID_REQUEST, UNSUPPORTED_ASSIGNOR.
pub(crate) fn check_heartbeat(request: &ConsumerGroupHeartbeatRequest, version: i16, assignors: &[Assignor]) -> Result<(), Refusal> {
    let invalid = |message: &'static str| Err(Refusal::new(ErrorCode::InvalidRequest, Text::from_static(message)));
    let blank = |text: &Text| text.trim().is_empty();
    let epoch = request.member_epoch;
    if (version >= VERSION_OWN_MEMBER_ID || epoch > EPOCH_JOINING || epoch == EPOCH_LEAVING) && blank(&request.member_id) {
        return invalid("MemberId can't be empty.");
    }
    if blank(&request.group_id) {
        return invalid("GroupId can't be empty.");
    }
    if request.instance_id.as_ref().is_some_and(blank) {
        return invalid("InstanceId can't be empty.");
    }
    if request.rack_id.as_ref().is_some_and(blank) {
        return invalid("RackId can't be empty.");
    }
    match epoch {
        EPOCH_JOINING if request.rebalance_timeout_ms == -1 => return invalid("RebalanceTimeoutMs must be provided in first request."),
        EPOCH_JOINING if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) => {
            return invalid("TopicPartitions must be empty when (re-)joining.");
        }
        EPOCH_JOINING if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() => {
            return invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.");
        }
        EPOCH_AWAY if request.instance_id.is_none() => return invalid("InstanceId can't be null."),
        epoch if epoch < EPOCH_AWAY => return invalid("MemberEpoch is invalid."),
        _ => {}
    }
    match &request.server_assignor {
        Some(name) if !assignors.iter().any(|assignor| *name == assignor.name()) => {
            let supported: Vec<&str> = assignors.iter().map(|assignor| assignor.name()).collect();
            let message = format!("ServerAssignor {name} is not supported. Supported assignors: {}.", supported.join(", "));
            Err(Refusal::new(ErrorCode::UnsupportedAssignor, message))
        }
        _ => Ok(()),
    }
}

/// Checks the epoch of a member's heartbeat. The epoch before is taken too, if the member only has what it was given: the last
/// answer may have been lost.
///
/// # Errors
/// FENCED_MEMBER_EPOCH.
pub(super) fn check_epoch(member: &Member, request: &ConsumerGroupHeartbeatRequest) -> Result<(), Refusal> {
    let (received, known) = (request.member_epoch, member.epoch);
    let fenced = |relation: &str| {
        let message = format!(
            "The consumer group member has a {relation} member epoch ({received}) than the one known by the group coordinator ({known}). \
             The member must abandon all its partitions and rejoin."
        );
        Err(Refusal::new(ErrorCode::FencedMemberEpoch, message))
    };
    if member.state == MemberState::Unknown && request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) {
        let message = "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.";
        return Err(Refusal::new(ErrorCode::FencedMemberEpoch, Text::from_static(message)));
    }
    if received == EPOCH_JOINING || received == known {
        return Ok(());
    }
    if received > known {
        return fenced("greater");
    }
    if received == member.previous_epoch && owns_only(request.topic_partitions.as_deref(), &member.assigned) {
        return Ok(());
    }
    fenced("smaller")
}

fn owns_only(owned: Option<&[ConsumerGroupHeartbeatTopicPartitions]>, assigned: &Owned) -> bool {
    let within = |topic: &ConsumerGroupHeartbeatTopicPartitions| {
        let has_topic = assigned.contains_key(&topic.topic_id);
        has_topic && topic.partitions.iter().all(|partition| assignment::has(assigned, topic.topic_id, *partition))
    };
    owned.is_some_and(|owned| owned.iter().all(within))
}

impl ConsumerGroup {
    /// # Errors
    /// GROUP_MAX_SIZE_REACHED.
    pub(super) fn check_room(&self, member_id: &Text, scene: &Scene<'_>) -> Result<(), Refusal> {
        let max = scene.settings.max_size;
        if self.len() >= max && (member_id.is_empty() || !self.members.contains_key(member_id)) {
            let message = format!("The consumer group has reached its maximum capacity of {max} members.");
            return Err(Refusal::new(ErrorCode::GroupMaxSizeReached, message));
        }
        Ok(())
    }

    /// # Errors
    /// UNKNOWN_MEMBER_ID.
    pub(super) fn known(&self, member_id: &Text, scene: &Scene<'_>) -> Result<&Member, Refusal> {
        self.members.get(member_id).ok_or_else(|| unknown(member_id, scene.id))
    }

    /// The static member of an instance, if it is the one that asks.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID.
    pub(super) fn known_static(&self, instance: &Text, member_id: &Text) -> Result<&Member, Refusal> {
        let Some((id, member)) = self.static_member(instance) else {
            return Err(Refusal::new(ErrorCode::UnknownMemberId, format!("Instance id {instance} is unknown.")));
        };
        if id != member_id {
            let message = format!("Static member {member_id} with instance id {instance} was fenced by member {id}.");
            return Err(Refusal::new(ErrorCode::FencedInstanceId, message));
        }
        Ok(member)
    }

    /// Whether positions may be committed: for all partitions, or for each by itself ([`CommitCheck`]).
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH, ILLEGAL_GENERATION, UNSUPPORTED_VERSION.
    pub(crate) fn check_commit(&self, member_id: &Text, epoch: i32, version: i16) -> Result<CommitCheck<'_>, ErrorCode> {
        if epoch < 0 && self.is_empty() {
            return Ok(CommitCheck::All);
        }
        let member = self.members.get(member_id).ok_or(ErrorCode::UnknownMemberId)?;
        if !member.is_classic() && version < VERSION_COMMIT_CONSUMER {
            return Err(ErrorCode::UnsupportedVersion);
        }
        match epoch.cmp(&member.epoch) {
            std::cmp::Ordering::Equal => Ok(CommitCheck::All),
            std::cmp::Ordering::Greater => Err(stale(member)),
            // An older epoch still counts for what the member has had since then.
            std::cmp::Ordering::Less => Ok(CommitCheck::Each { member, epoch }),
        }
    }

    /// Whether a member may read positions. Without a member id and epoch everybody may.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH, ILLEGAL_GENERATION.
    pub(crate) fn check_fetch(&self, member_id: Option<&Text>, epoch: i32) -> Result<(), ErrorCode> {
        let Some(member_id) = member_id else {
            return if epoch < 0 { Ok(()) } else { Err(ErrorCode::UnknownMemberId) };
        };
        let member = self.members.get(member_id).ok_or(ErrorCode::UnknownMemberId)?;
        if member.epoch == epoch { Ok(()) } else { Err(stale(member)) }
    }
}

/// Which partitions positions may be committed for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CommitCheck<'a> {
    /// All.
    All,
    /// Those that the member has had since an older epoch.
    Each {
        /// Who commits.
        member: &'a Member,
        /// The epoch that it says.
        epoch: i32,
    },
}

impl CommitCheck<'_> {
    /// Whether a position in this partition is taken.
    ///
    /// # Errors
    /// STALE_MEMBER_EPOCH, ILLEGAL_GENERATION.
    pub(crate) fn partition(&self, topic: Uuid, partition: i32) -> Result<(), ErrorCode> {
        let CommitCheck::Each { member, epoch } = self else { return Ok(()) };
        let since = |owned: &Owned| owned.get(&topic).and_then(|partitions| partitions.get(&partition)).copied();
        match since(&member.assigned).or_else(|| since(&member.revoking)) {
            Some(since) if *epoch >= since => Ok(()),
            _ => Err(stale(member)),
        }
    }
}

fn stale(member: &Member) -> ErrorCode {
    if member.is_classic() { ErrorCode::IllegalGeneration } else { ErrorCode::StaleMemberEpoch }
}

fn unknown(member_id: &Text, group: &Text) -> Refusal {
    Refusal::new(ErrorCode::UnknownMemberId, format!("Member {member_id} is not a member of group {group}."))
}
