//! When members of a group are gone if nothing is heard of them.
//!
//! Pure. Heartbeats move deadlines further away all the time, so only a lower bound of the earliest is kept: when it comes, the
//! deadlines are looked at and the bound is computed anew. A heartbeat therefore costs one look-up, whatever the size of
//! the group.

use std::collections::BTreeMap;

use crate::types::Text;

/// What a member may be late with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any sign of life.
    Session,
    /// Giving partitions back.
    Rebalance,
    /// Joining again, of a member that speaks the classic protocol.
    Join,
    /// Syncing, of such a member.
    Sync,
}

impl Kind {
    /// Why the member is fenced.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Kind::Session => "the member session expired",
            Kind::Rebalance => "it failed to give up partitions within the rebalance timeout",
            Kind::Join => "the classic member failed to join within the rebalance timeout",
            Kind::Sync => "the member failed to sync within timeout",
        }
    }
}

/// The deadlines of one member, by [`Kind`].
type Due = [Option<u64>; 4];

/// The deadlines of a group, on the monotonic clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    members: BTreeMap<Text, Due>,
    /// Nothing is due before; absent if nothing is due at all.
    bound_ms: Option<u64>,
}

impl Deadlines {
    /// Sets a deadline, in place of the one before.
    pub(super) fn set(&mut self, member_id: &Text, kind: Kind, due_ms: u64) {
        match self.members.get_mut(member_id) {
            Some(due) => due[kind as usize] = Some(due_ms),
            None => self.members.entry(member_id.clone()).or_default()[kind as usize] = Some(due_ms),
        }
        self.bound_ms = Some(self.bound_ms.map_or(due_ms, |bound| bound.min(due_ms)));
    }

    /// Sets a deadline unless there is one already.
    pub(super) fn set_if_absent(&mut self, member_id: &Text, kind: Kind, due_ms: u64) {
        if self.members.get(member_id).is_none_or(|due| due[kind as usize].is_none()) {
            self.set(member_id, kind, due_ms);
        }
    }

    /// Takes a deadline back.
    pub(super) fn clear(&mut self, member_id: &Text, kind: Kind) {
        if let Some(due) = self.members.get_mut(member_id) {
            due[kind as usize] = None;
        }
    }

    /// Forgets a member.
    pub(super) fn forget(&mut self, member_id: &Text) {
        self.members.remove(member_id);
    }

    /// Nothing is due before this time.
    pub(super) fn bound_ms(&self) -> Option<u64> {
        self.bound_ms
    }

    /// The members that are late, with what. Their deadlines stay until they are forgotten.
    pub(super) fn late(&mut self, now_ms: u64) -> Vec<(Text, Kind)> {
        if self.bound_ms.is_none_or(|bound| bound > now_ms) {
            return Vec::new();
        }
        let mut late = Vec::new();
        let mut bound: Option<u64> = None;
        for (member_id, due) in &self.members {
            let kinds = [Kind::Session, Kind::Rebalance, Kind::Join, Kind::Sync].into_iter();
            match kinds.zip(due).find(|(_, due)| due.is_some_and(|due| due <= now_ms)) {
                Some((kind, _)) => late.push((member_id.clone(), kind)),
                None => bound = due.iter().copied().flatten().chain(bound).min(),
            }
        }
        self.bound_ms = bound;
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_never_late() {
        let mut deadlines = Deadlines::default();
        let (a, b) = (Text::from_static("a"), Text::from_static("b"));
        deadlines.set(&a, Kind::Session, 100);
        deadlines.set(&b, Kind::Session, 200);
        deadlines.set(&a, Kind::Session, 300);
        assert_eq!(deadlines.bound_ms(), Some(100), "a lower bound");
        assert_eq!(deadlines.late(100), Vec::new());
        assert_eq!(deadlines.bound_ms(), Some(200));
        deadlines.set_if_absent(&a, Kind::Join, 250);
        deadlines.set_if_absent(&a, Kind::Join, 120);
        assert_eq!(deadlines.late(250), vec![(a.clone(), Kind::Join), (b.clone(), Kind::Session)]);
        deadlines.forget(&b);
        deadlines.clear(&a, Kind::Join);
        assert_eq!(deadlines.late(299), Vec::new());
        deadlines.forget(&a);
        assert_eq!(deadlines.late(1000), Vec::new());
        assert_eq!(deadlines.bound_ms(), None);
    }
}
