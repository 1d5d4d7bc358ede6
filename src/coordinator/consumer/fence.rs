//! Members go: they leave, or nothing has been heard of them.
//!
//! Pure.

use std::collections::BTreeSet;

use super::{
    super::seed::ClassicSeed,
    changes::Change,
    deadlines::Kind,
    group::ConsumerGroup,
    member::MemberState,
    settings::Scene,
};
use crate::types::Text;

impl ConsumerGroup {
    /// Removes members. What is left may be a classic group: then all of this group is removed and what the other needs
    /// is given back.
    pub(super) fn fence(&mut self, ids: &[Text], scene: &mut Scene<'_>) -> Option<ClassicSeed> {
        let gone: BTreeSet<&Text> = ids.iter().filter(|id| self.members.contains_key(*id)).collect();
        if gone.is_empty() {
            return None;
        }
        if self.may_downgrade(&gone, scene) {
            return Some(self.downgrade(&gone, scene));
        }
        let mut regexes: BTreeSet<Text> = BTreeSet::new();
        for id in gone {
            regexes.extend(self.members.get(id).and_then(|member| member.regex.clone()));
            self.change(Change::Current(id.clone(), None), scene);
            self.change(Change::Target(id.clone(), None), scene);
            self.change(Change::Member(id.clone(), None), scene);
        }
        for regex in regexes {
            if !self.regex_members.contains_key(&regex) && self.resolved.contains_key(&regex) {
                self.change(Change::Regex(regex, None), scene);
            }
        }
        let hash = scene.topics.hash(self.subscribed_names());
        self.raise_epoch(hash, scene);
        self.hashed_version = Some(scene.topics.version());
        None
    }

    /// The log has been read: sessions begin now.
    pub(crate) fn start(&mut self, scene: &Scene<'_>) {
        let session_ms = scene.now.after(scene.settings.session_timeout_ms);
        for (id, member) in &self.members {
            self.deadlines.set(id, Kind::Session, session_ms);
            if member.state == MemberState::UnrevokedPartitions {
                self.deadlines.set(id, Kind::Rebalance, scene.now.after(member.rebalance_timeout_ms));
            }
        }
    }

    /// Fences those who are late.
    pub(crate) fn expire(&mut self, scene: &mut Scene<'_>) -> Option<ClassicSeed> {
        let late = self.deadlines.late(scene.now.mono_ms);
        for (id, kind) in &late {
            tracing::info!(group = %scene.id, member = %id, reason = kind.reason(), "a member is fenced");
        }
        let ids: Vec<Text> = late.into_iter().map(|(id, _)| id).collect();
        self.fence(&ids, scene)
    }
}
