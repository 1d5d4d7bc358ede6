//! The ways from and to a consumer group while members are in the group.

use super::{
    super::{seed::ClassicSeed, settings::Now},
    Step,
    group::{ClassicGroup, refused_join, refused_sync},
    member::Member,
    state::State,
    subscription,
};
use crate::types::{ErrorCode, Text};

impl ClassicGroup {
    /// What a consumer group in the place of this one needs; `None` if the members are no consumers.
    pub(in crate::coordinator) fn seed(&self) -> Option<ClassicSeed> {
        self.speaks_for_consumers().then(|| ClassicSeed {
            generation: self.generation,
            protocol: self.protocol.clone(),
            members: self.members.iter().map(|(member_id, member)| (member_id.clone(), member.profile.clone())).collect(),
            rebalance: false,
        })
    }

    /// The group is a consumer group from now on: who waits is to join again.
    pub(in crate::coordinator) fn give_way(&mut self, step: &mut Step<'_>) {
        let everyone: Vec<Text> = self.members.keys().cloned().collect();
        for member_id in everyone {
            let error = ErrorCode::RebalanceInProgress;
            self.answer_join(&member_id, refused_join(member_id.clone(), error), step.effects);
            self.answer_sync(&member_id, refused_sync(error), step.effects);
        }
    }

    /// The classic group that a consumer group becomes.
    pub(in crate::coordinator) fn from_seed(seed: &ClassicSeed, now: Now) -> Self {
        let mut group = Self {
            state: State::Stable,
            previous_state: State::Empty,
            state_since_ms: Some(now.wall_ms),
            protocol_type: Some(Text::from_static(subscription::CONSUMER)),
            generation: seed.generation,
            ..Self::default()
        };
        for (member_id, profile) in &seed.members {
            group.insert(member_id.clone(), Member::known(profile.clone()));
        }
        group.protocol = seed.protocol.clone().or_else(|| group.select_protocol());
        group.compute_subscribed();
        group
    }

    /// Stores the group and begins the sessions; rebalances at once if what the members own is not what they are to own.
    pub(in crate::coordinator) fn start_from_seed(&mut self, rebalance: bool, step: &mut Step<'_>) {
        step.effects.records.extend(self.record(step.id).ok());
        let everyone: Vec<Text> = self.members.keys().cloned().collect();
        for member_id in &everyone {
            self.renew(member_id, step.now);
        }
        if rebalance {
            self.prepare_rebalance(step);
        }
    }
}
