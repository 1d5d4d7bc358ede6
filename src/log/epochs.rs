//! Which leader epoch began at which offset (LeaderEpochFileCache.java): the basis of truncation by followers and of
//! position checks by consumers.
//!
//! Pure state. Invariant: epochs and start offsets both rise strictly.

use crate::types::{LeaderEpoch, Offset};

/// The first offset of a leader epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// Offset of the first record that its leader appended, or would have.
    pub start: Offset,
}

/// All epochs that the log holds records of, and the current one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochCache {
    entries: Vec<EpochStart>,
}

impl EpochCache {
    /// From a file; entries that contradict later ones are dropped, as in Kafka.
    pub(super) fn new(entries: Vec<EpochStart>) -> Self {
        let mut cache = Self::default();
        for entry in entries {
            cache.assign(entry.epoch, entry.start);
        }
        cache
    }

    /// Oldest first.
    pub fn entries(&self) -> &[EpochStart] {
        &self.entries
    }

    /// The newest epoch.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|entry| entry.epoch)
    }

    /// Notes that `epoch` begins at `start`; true if that changed anything. Older entries that contradict it go.
    pub(super) fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        if self.entries.last().is_some_and(|last| last.epoch == epoch && last.start <= start) {
            return false;
        }
        while self.entries.last().is_some_and(|last| last.epoch >= epoch || last.start >= start) {
            self.entries.pop();
        }
        self.entries.push(EpochStart { epoch, start });
        true
    }

    /// The newest epoch that is not above `epoch`, and the offset after its last record: the next epoch's start, or
    /// `log_end` for the newest. An epoch older than all gives itself and the first start. `None` if `epoch` is newer
    /// than all.
    pub fn end_offset_for(&self, epoch: LeaderEpoch, log_end: Offset) -> Option<(LeaderEpoch, Offset)> {
        if self.latest() == Some(epoch) {
            return Some((epoch, log_end));
        }
        let after = self.entries.partition_point(|entry| entry.epoch <= epoch);
        let end = self.entries.get(after)?.start;
        let found = after.checked_sub(1).map_or(epoch, |index| self.entries[index].epoch);
        Some((found, end))
    }

    /// The epoch of the record at `offset`.
    pub fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.start <= offset);
        after.checked_sub(1).map(|index| self.entries[index].epoch)
    }

    /// Forgets what begins at `end` or later; true if that changed anything.
    pub(super) fn truncate_end(&mut self, end: Offset) -> bool {
        let keep = self.entries.partition_point(|entry| entry.start < end);
        let changed = keep < self.entries.len();
        self.entries.truncate(keep);
        changed
    }

    /// Forgets epochs that end at or before `start`; the one that holds `start` begins there then.
    pub(super) fn truncate_start(&mut self, start: Offset) -> bool {
        let after = self.entries.partition_point(|entry| entry.start <= start);
        let Some(first) = after.checked_sub(1) else {
            return false;
        };
        let changed = first > 0 || self.entries[0].start < start;
        self.entries.drain(..first);
        self.entries[0].start = start;
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(value: i64) -> Offset {
        Offset::saturating(value)
    }

    fn cache(entries: &[(i32, i64)]) -> EpochCache {
        EpochCache::new(entries.iter().map(|(epoch, start)| EpochStart { epoch: LeaderEpoch(*epoch), start: offset(*start) }).collect())
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let cache = cache(&[(2, 10), (4, 20), (7, 30)]);
        let ask = |epoch| cache.end_offset_for(LeaderEpoch(epoch), offset(99)).map(|(epoch, end)| (epoch.get(), end.get()));
        assert_eq!(ask(1), Some((1, 10)), "older than all");
        assert_eq!(ask(2), Some((2, 20)));
        assert_eq!(ask(3), Some((2, 20)), "the newest below");
        assert_eq!(ask(6), Some((4, 30)));
        assert_eq!(ask(7), Some((7, 99)));
        assert_eq!(ask(8), None, "newer than all");
        assert_eq!(cache.epoch_of(offset(19)), Some(LeaderEpoch(2)));
        assert_eq!(cache.epoch_of(offset(9)), None);
    }

    #[test]
    fn an_epoch_without_records_gives_way_and_repeats_change_nothing() {
        let mut cache = cache(&[(0, 0), (1, 5)]);
        assert!(!cache.assign(LeaderEpoch(1), offset(8)));
        assert!(cache.assign(LeaderEpoch(2), offset(5)));
        assert_eq!(cache.entries().iter().map(|entry| (entry.epoch.get(), entry.start.get())).collect::<Vec<_>>(), [(0, 0), (2, 5)]);
    }

    #[test]
    fn both_ends_are_cut() {
        let mut entries = cache(&[(0, 0), (1, 5), (2, 9)]);
        assert!(entries.truncate_end(offset(9)));
        assert!(!entries.truncate_end(offset(9)));
        assert!(entries.truncate_start(offset(6)));
        assert_eq!(entries, cache(&[(1, 6)]));
        assert!(!entries.truncate_start(offset(6)));
    }
}
