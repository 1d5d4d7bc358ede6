//! LeaveGroup.

use super::{
    Step,
    group::{ClassicGroup, refused_join},
    state::State,
};
use crate::{
    protocol::messages::leave_group::{LeaveGroupResponse, MemberIdentity, MemberResponse},
    types::{ErrorCode, Text},
};

impl ClassicGroup {
    /// Lets members go, each by its id, static ones also by their instance id alone (administrators do that).
    pub(in crate::coordinator) fn leave(&mut self, members: &[MemberIdentity], step: &mut Step<'_>) -> LeaveGroupResponse {
        let mut responses = Vec::with_capacity(members.len());
        let mut gone = false;
        for member in members {
            let result = self.leave_one(member, step);
            gone |= result.is_ok();
            responses.push(MemberResponse {
                member_id: member.member_id.clone(),
                group_instance_id: member.group_instance_id.clone(),
                error_code: result.err().unwrap_or(ErrorCode::None).code(),
            });
        }
        if gone {
            match self.state {
                State::Stable | State::CompletingRebalance => self.prepare_rebalance(step),
                State::PreparingRebalance => self.complete_if_all_joined(step),
                State::Empty => {}
            }
        }
        LeaveGroupResponse { members: responses, ..LeaveGroupResponse::default() }
    }

    fn leave_one(&mut self, member: &MemberIdentity, step: &mut Step<'_>) -> Result<(), ErrorCode> {
        let instance_id = member.group_instance_id.as_ref();
        let member_id: Text = if member.member_id.is_empty() {
            instance_id.and_then(|instance| self.static_members.get(instance)).cloned().ok_or(ErrorCode::UnknownMemberId)?
        } else if self.pending_joins.contains_key(&member.member_id) {
            self.remove(&member.member_id);
            return Ok(());
        } else {
            self.check_member(&member.member_id, instance_id)?;
            member.member_id.clone()
        };
        tracing::info!(group = %step.id, member = %member_id, reason = member.reason.as_deref(), "a member leaves");
        self.answer_join(&member_id, refused_join(Text::default(), ErrorCode::UnknownMemberId), step.effects);
        self.answer_sync(&member_id, super::group::refused_sync(ErrorCode::UnknownMemberId), step.effects);
        self.remove(&member_id);
        Ok(())
    }
}
