//! Requests of members: each goes to the group of whichever type it is, and may make the one out of the other.

use super::{
    call::{Answer, Caller},
    classic::{ClassicGroup, Joining},
    consumer::{self, ConsumerGroup, Refusal, Scene, check_heartbeat},
    machine::Coordinator,
    effects::{Effects, Ticket},
    group::Membership,
    settings::World,
};
use crate::{
    protocol::messages::{
        consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse},
        heartbeat::{HeartbeatRequest, HeartbeatResponse},
        join_group::{JoinGroupRequest, JoinGroupResponse},
        leave_group::LeaveGroupRequest,
        sync_group::{SyncGroupRequest, SyncGroupResponse},
    },
    types::{ErrorCode, Text},
};

/// What is known of a group before a request is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Missing,
    Classic { empty: bool },
    Consumer { empty: bool },
}

impl Coordinator {
    fn kind(&self, id: &Text) -> Kind {
        match self.groups.get(id).map(|group| (&group.membership, group.is_empty())) {
            None => Kind::Missing,
            Some((Membership::Classic(_), empty)) => Kind::Classic { empty },
            Some((Membership::Consumer(_), empty)) => Kind::Consumer { empty },
        }
    }

    /// JoinGroup; the answer of a classic group may come later.
    pub(super) fn join(
        &mut self,
        ticket: Ticket,
        caller: &Caller,
        request: &JoinGroupRequest,
        world: World<'_>,
        effects: &mut Effects,
    ) -> Option<Answer> {
        let id = &request.group_id;
        let refused = |error: ErrorCode, member_id: &Text| {
            Some(Answer::Join(JoinGroupResponse { error_code: error.code(), member_id: member_id.clone(), ..JoinGroupResponse::default() }))
        };
        let kind = self.kind(id);
        if kind == (Kind::Consumer { empty: false }) {
            let joined = self.on_consumer(id, world, effects, |group, scene| group.classic_join(caller, request, scene))?;
            return match joined {
                Ok((response, seed)) => {
                    if let Some(seed) = seed {
                        self.become_classic(id, &seed, world, effects);
                    }
                    Some(Answer::Join(response))
                }
                Err(refusal) => refused(refusal.error, &Text::default()),
            };
        }
        let is_new = !matches!(kind, Kind::Classic { .. });
        if is_new && !request.member_id.is_empty() {
            return refused(ErrorCode::UnknownMemberId, &request.member_id);
        }
        if is_new {
            // An empty consumer group gives way; its positions stay.
            self.on_consumer(id, world, effects, |group, scene| group.remove(scene));
            self.group_or_new(id).membership = Membership::Classic(ClassicGroup::default());
        }
        let written = effects.records.len();
        let joining = Joining { caller, request, ticket };
        self.on_classic(id, world, effects, |group, step| group.join(joining, step));
        if is_new && effects.records.len() == written {
            // The group is to be known after a restart too.
            let record = self.on_classic(id, world, effects, |group, step| group.empty_record(step.id, step.now));
            effects.records.extend(record.and_then(Result::ok));
        }
        None
    }

    /// SyncGroup; the answer of a classic group may come later.
    pub(super) fn sync(
        &mut self,
        ticket: Ticket,
        request: &SyncGroupRequest,
        world: World<'_>,
        effects: &mut Effects,
    ) -> Option<Answer> {
        let id = &request.group_id;
        if self.on_classic(id, world, effects, |group, step| group.sync(request, ticket, step)).is_some() {
            return None;
        }
        let synced = self.on_consumer(id, world, effects, |group, scene| group.classic_sync(request, scene));
        let response = synced.unwrap_or(Err(ErrorCode::UnknownMemberId));
        let refused = |error: ErrorCode| SyncGroupResponse { error_code: error.code(), ..SyncGroupResponse::default() };
        Some(Answer::Sync(response.unwrap_or_else(refused)))
    }

    /// Heartbeat.
    pub(super) fn heartbeat(&mut self, request: &HeartbeatRequest, world: World<'_>, effects: &mut Effects) -> Answer {
        let id = &request.group_id;
        let result = match self.on_classic(id, world, effects, |group, step| group.heartbeat(request, step)) {
            Some(result) => Some(result),
            None => self.on_consumer(id, world, effects, |group, scene| group.classic_heartbeat(request, scene)),
        };
        let error = result.unwrap_or(Err(ErrorCode::UnknownMemberId)).err().unwrap_or(ErrorCode::None);
        Answer::Heartbeat(HeartbeatResponse { error_code: error.code(), ..HeartbeatResponse::default() })
    }

    /// LeaveGroup.
    pub(super) fn leave(&mut self, request: &LeaveGroupRequest, world: World<'_>, effects: &mut Effects) -> Answer {
        let id = &request.group_id;
        if let Some(response) = self.on_classic(id, world, effects, |group, step| group.leave(&request.members, step)) {
            return Answer::Leave(response);
        }
        match self.on_consumer(id, world, effects, |group, scene| group.classic_leave(&request.members, scene)) {
            Some((response, seed)) => {
                if let Some(seed) = seed {
                    self.become_classic(id, &seed, world, effects);
                }
                Answer::Leave(response)
            }
            None => Answer::Refused(ErrorCode::UnknownMemberId),
        }
    }

    /// ConsumerGroupHeartbeat.
    pub(super) fn consumer_heartbeat(
        &mut self,
        caller: &Caller,
        request: &ConsumerGroupHeartbeatRequest,
        world: World<'_>,
        effects: &mut Effects,
    ) -> Answer {
        let checked = if world.speaks_consumer() {
            check_heartbeat(request, caller.version, &world.assignors())
        } else {
            Err(Refusal { error: ErrorCode::UnsupportedVersion, message: None })
        };
        let response = checked.and_then(|()| self.consumer_step(caller, request, world, effects));
        Answer::ConsumerHeartbeat(response.unwrap_or_else(|refusal| ConsumerGroupHeartbeatResponse {
            error_code: refusal.error.code(),
            error_message: refusal.message,
            ..ConsumerGroupHeartbeatResponse::default()
        }))
    }

    fn consumer_step(
        &mut self,
        caller: &Caller,
        request: &ConsumerGroupHeartbeatRequest,
        world: World<'_>,
        effects: &mut Effects,
    ) -> Result<ConsumerGroupHeartbeatResponse, Refusal> {
        let id = &request.group_id;
        if let Some(beaten) = self.on_consumer(id, world, effects, |group, scene| group.heartbeat(caller, request, scene)) {
            let (response, seed) = beaten?;
            if let Some(seed) = seed {
                self.become_classic(id, &seed, world, effects);
            }
            return Ok(response);
        }
        if !consumer::is_joining(request) {
            let message = match self.kind(id) {
                Kind::Missing => format!("Consumer group {id} not found."),
                _ => format!("Group {id} is not a consumer group."),
            };
            return Err(Refusal { error: ErrorCode::GroupIdNotFound, message: Some(Text::from(message)) });
        }
        let settings = world.consumer_settings(id);
        let mut records = Vec::new();
        // Until the member is in, nothing has changed.
        let scene = &mut Scene { id, now: world.now, settings: &settings, topics: world.topics(), records: &mut records };
        let (mut group, tombstone) = self.consumer_group_for(id, scene)?;
        let (response, _) = group.heartbeat(caller, request, scene)?;
        self.on_classic(id, world, effects, |group, step| group.give_way(step));
        effects.records.extend(tombstone);
        effects.records.append(&mut records);
        self.group_or_new(id).membership = Membership::Consumer(Box::new(group));
        self.note(id);
        Ok(response)
    }

    /// The consumer group that a member joins where there is none yet, and the record that ends the classic group in its place.
    fn consumer_group_for(
        &self,
        id: &Text,
        scene: &mut Scene<'_>,
    ) -> Result<(ConsumerGroup, Option<super::records::LogRecord>), Refusal> {
        let Some(Membership::Classic(classic)) = self.groups.get(id).map(|group| &group.membership) else {
            return Ok((ConsumerGroup::default(), None));
        };
        // A group that only ever had positions has no record of its own.
        let tombstone = ClassicGroup::tombstone(id).ok();
        if classic.is_empty() {
            return Ok((ConsumerGroup::default(), tombstone));
        }
        let seed = classic.seed().ok_or_else(|| Refusal {
            error: ErrorCode::GroupIdNotFound,
            message: Some(Text::from(format!(
                "Cannot upgrade classic group {id} to consumer group because the group does not use the consumer embedded protocol."
            ))),
        })?;
        Ok((ConsumerGroup::from_classic(&seed, scene)?, tombstone))
    }
}
