//! Timestamps to offsets in a segment (TimeIndex.java).
//!
//! Pure, in memory; `encode` gives Kafka's `.timeindex`: 12 bytes an entry, i64 timestamp and i32 offset relative to the
//! base, big endian. An entry says: no record up to that offset is later than that timestamp, and that offset is the last
//! one of the batch that has it.

use crate::{record::Timestamped, types::Offset};

use super::entries::{Entries, Parts};

/// Bytes of an entry.
pub(super) const ENTRY_BYTES: usize = 12;

/// As the file holds it.
type Entry = [u8; ENTRY_BYTES];

/// The entries of one segment. Invariant: timestamps rise strictly, offsets never fall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TimeIndex {
    base: Offset,
    entries: Entries<ENTRY_BYTES>,
}

impl TimeIndex {
    pub(super) fn new(base: Offset) -> Self {
        Self { base, entries: Entries::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Notes the largest timestamp so far; nothing if it is not larger than the last noted.
    pub(super) fn push(&mut self, largest: Timestamped) {
        let Ok(relative) = i32::try_from(largest.offset.since(self.base)) else {
            return;
        };
        if relative < 0 || self.last().is_some_and(|last| last.timestamp >= largest.timestamp || last.offset > largest.offset) {
            return;
        }
        let mut entry = [0; ENTRY_BYTES];
        entry[..8].copy_from_slice(&largest.timestamp.to_be_bytes());
        entry[8..].copy_from_slice(&relative.to_be_bytes());
        self.entries.push(entry);
    }

    /// The largest timestamp noted.
    pub(super) fn last(&self) -> Option<Timestamped> {
        self.entries.last().map(|entry| self.read(entry))
    }

    /// The largest timestamp noted for an offset below `end`.
    pub(super) fn last_below(&self, end: Offset) -> Option<Timestamped> {
        let keep = self.entries.partition_point(|entry| self.read(entry).offset < end);
        self.before(keep)
    }

    /// Where a search for `timestamp` or later may start: no record before the batch that ends at this offset is as late.
    pub(super) fn offset_before(&self, timestamp: i64) -> Offset {
        let after = self.entries.partition_point(|entry| time_of(entry) < timestamp);
        self.before(after).map_or(self.base, |entry| entry.offset)
    }

    /// The entries for offsets below `end`, as the file holds them.
    pub(super) fn encode_below(&self, end: Offset) -> Parts {
        self.entries.first(self.entries.partition_point(|entry| self.read(entry).offset < end))
    }

    /// The whole file.
    pub(super) fn encode(&self) -> Parts {
        self.entries.first(self.entries.len())
    }

    /// Reads a file; `None` if it cannot be one: then it is rebuilt. Zeroes after the last entry are the space that Kafka
    /// allocates ahead.
    pub(super) fn decode(base: Offset, bytes: &[u8]) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() {
            return None;
        }
        let mut index = Self::new(base);
        for (number, entry) in chunks.iter().enumerate() {
            // An entry of zeroes is none: no record is from 1970.
            if *entry == [0; ENTRY_BYTES] {
                return chunks[number..].as_flattened().iter().all(|byte| *byte == 0).then_some(index);
            }
            let rises = index.entries.last().is_none_or(|last| time_of(last) < time_of(entry) && offset_of(last) <= offset_of(entry));
            if !rises || offset_of(entry) < 0 {
                return None;
            }
            index.entries.push(*entry);
        }
        Some(index)
    }

    /// Bytes of memory it takes.
    pub(super) fn memory(&self) -> usize {
        self.entries.memory()
    }

    /// Gives memory back that no further entry needs.
    pub(super) fn shrink(&mut self) {
        self.entries.shrink();
    }

    /// The entry before the one at `index`.
    fn before(&self, index: usize) -> Option<Timestamped> {
        self.entries.before(index).map(|entry| self.read(entry))
    }

    fn read(&self, entry: &Entry) -> Timestamped {
        Timestamped { timestamp: time_of(entry), offset: self.base.plus(i64::from(offset_of(entry))) }
    }
}

fn time_of(entry: &Entry) -> i64 {
    i64::from_be_bytes([entry[0], entry[1], entry[2], entry[3], entry[4], entry[5], entry[6], entry[7]])
}

fn offset_of(entry: &Entry) -> i32 {
    i32::from_be_bytes([entry[8], entry[9], entry[10], entry[11]])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(timestamp: i64, offset: i64) -> Timestamped {
        Timestamped { timestamp, offset: Offset::saturating(offset) }
    }

    #[test]
    fn a_search_starts_at_the_last_entry_that_is_earlier() {
        let mut index = TimeIndex::new(Offset::saturating(10));
        index.push(at(100, 14));
        index.push(at(100, 15));
        index.push(at(200, 20));
        assert_eq!(index.len(), 2, "an equal timestamp adds nothing");
        assert_eq!(index.offset_before(50), Offset::saturating(10));
        assert_eq!(index.offset_before(100), Offset::saturating(10));
        assert_eq!(index.offset_before(101), Offset::saturating(14));
        assert_eq!(index.offset_before(500), Offset::saturating(20));
        assert_eq!(index.last_below(Offset::saturating(20)), Some(at(100, 14)));
    }

    proptest! {
        #[test]
        fn entries_read_back(steps in proptest::collection::vec((1i64..1000, 0i64..1000), 0..50), ahead in 0usize..5) {
            let mut index = TimeIndex::new(Offset::saturating(7));
            let mut last = at(5, 7);
            for (time, records) in steps {
                last = at(last.timestamp + time, last.offset.get() + records);
                index.push(last);
            }
            let mut bytes = index.encode().joined().into_owned();
            bytes.resize(bytes.len() + ahead * ENTRY_BYTES, 0);
            prop_assert_eq!(TimeIndex::decode(Offset::saturating(7), &bytes), Some(index));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            TimeIndex::decode(Offset::ZERO, &bytes);
        }
    }
}
