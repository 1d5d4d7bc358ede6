//! What a classic group allows with its positions and itself, and how it is described.

use bytes::Bytes;

use super::{
    super::{group::RetentionStart, settings::Now},
    group::ClassicGroup,
    state::State,
};
use crate::{
    protocol::messages::{
        describe_groups::{DescribedGroup, DescribedGroupMember},
        offset_commit::OffsetCommitRequest,
    },
    types::{ErrorCode, Text},
};

impl ClassicGroup {
    /// Whether a commit is taken. Commits of members keep their sessions alive.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS.
    pub(in crate::coordinator) fn check_commit(&mut self, request: &OffsetCommitRequest, now: Now) -> Result<(), ErrorCode> {
        let generation = request.generation_id_or_member_epoch;
        if generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        if generation >= 0 || !request.member_id.is_empty() || request.group_instance_id.is_some() {
            self.check_member(&request.member_id, request.group_instance_id.as_ref())?;
            if generation != self.generation {
                return Err(ErrorCode::IllegalGeneration);
            }
        } else if self.state != State::Empty {
            // A consumer that manages its partitions itself must not move those of a living group.
            return Err(ErrorCode::UnknownMemberId);
        }
        match self.state {
            State::CompletingRebalance => return Err(ErrorCode::RebalanceInProgress),
            State::Stable | State::PreparingRebalance => self.renew(&request.member_id, now),
            State::Empty => {}
        }
        Ok(())
    }

    pub(in crate::coordinator) fn check_delete(&self) -> Result<(), ErrorCode> {
        if self.is_empty() { Ok(()) } else { Err(ErrorCode::NonEmptyGroup) }
    }

    pub(in crate::coordinator) fn check_delete_offsets(&self) -> Result<(), ErrorCode> {
        if self.is_empty() || self.speaks_for_consumers() { Ok(()) } else { Err(ErrorCode::NonEmptyGroup) }
    }

    pub(in crate::coordinator) fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.subscribed {
            Some(topics) => topics.contains(topic),
            // Nobody knows what these consumers read: everything stays.
            None => self.speaks_for_consumers(),
        }
    }

    pub(in crate::coordinator) fn retention_start(&self) -> Option<RetentionStart> {
        match (&self.protocol_type, self.state) {
            (None, _) => Some(RetentionStart::Commit),
            (Some(_), State::Empty) => Some(self.state_since_ms.map_or(RetentionStart::Commit, RetentionStart::At)),
            (Some(_), State::Stable) if self.speaks_for_consumers() && self.subscribed.is_some() => Some(RetentionStart::Commit),
            _ => None,
        }
    }

    /// The group for DescribeGroups. Metadata is told only while it holds; an assignment until it is dropped, as Kafka does.
    pub(in crate::coordinator) fn describe(&self, group_id: &Text) -> DescribedGroup {
        let stable = self.state == State::Stable;
        let members = self.members.iter().map(|(member_id, member)| DescribedGroupMember {
            member_id: member_id.clone(),
            group_instance_id: member.profile.instance_id.clone(),
            client_id: member.profile.client_id.clone(),
            client_host: member.profile.client_host.clone(),
            member_metadata: if stable { member.metadata(self.protocol.as_ref()) } else { Bytes::new() },
            member_assignment: member.profile.assignment.clone(),
        });
        DescribedGroup {
            group_id: group_id.clone(),
            group_state: Text::from_static(self.state.name()),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol_data: if stable { self.protocol.clone().unwrap_or_default() } else { Text::default() },
            members: members.collect(),
            ..DescribedGroup::default()
        }
    }
}
