//! Offsets to positions in a segment, one entry per `index.interval.bytes` (OffsetIndex.java).
//!
//! Pure, in memory; `encode` gives Kafka's `.index`: 8 bytes an entry, i32 offset relative to the base and i32 position,
//! big endian. As in Kafka an entry holds the *last* offset of a batch and the position where that batch starts.

use crate::types::Offset;

use super::entries::{Entries, Parts};

/// Bytes of an entry.
pub(super) const ENTRY_BYTES: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    relative: u32,
    position: u32,
}

impl Entry {
    fn of(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let (relative, position) = bytes.split_at(4);
        Self { relative: word(relative), position: word(position) }
    }

    fn bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..4].copy_from_slice(&self.relative.to_be_bytes());
        bytes[4..].copy_from_slice(&self.position.to_be_bytes());
        bytes
    }
}

/// The entries of one segment. Invariant: offsets and positions rise strictly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OffsetIndex {
    base: Offset,
    entries: Entries<ENTRY_BYTES>,
}

impl OffsetIndex {
    pub(super) fn new(base: Offset) -> Self {
        Self { base, entries: Entries::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Notes that the batch with the last offset `last` starts at `position`. What does not rise, or does not fit the
    /// format, is left out: an index may always be sparser.
    pub(super) fn push(&mut self, last: Offset, position: u64) {
        let Ok(relative) = u32::try_from(last.since(self.base)) else {
            return;
        };
        let Ok(position) = u32::try_from(position) else {
            return;
        };
        if relative > i32::MAX as u32 || position > i32::MAX as u32 {
            return;
        }
        if self.last().is_some_and(|entry| entry.relative >= relative || entry.position >= position) {
            return;
        }
        self.entries.push(Entry { relative, position }.bytes());
    }

    /// Where a walk over batches must start to find the one that holds `offset`: the nearest entry at or before it.
    pub(super) fn position_of(&self, offset: Offset) -> u64 {
        let relative = u32::try_from(offset.since(self.base).max(0)).unwrap_or(u32::MAX);
        self.position_before(self.entries.partition_point(|entry| Entry::of(entry).relative <= relative))
    }

    /// The start of a batch that is the nearest known one at or before `position`.
    pub(super) fn batch_at_or_before(&self, position: u64) -> u64 {
        self.position_before(self.entries.partition_point(|entry| u64::from(Entry::of(entry).position) <= position))
    }

    /// The entries of batches that start before `position`, as the file holds them.
    pub(super) fn encode_below(&self, position: u64) -> Parts {
        self.entries.first(self.entries.partition_point(|entry| u64::from(Entry::of(entry).position) < position))
    }

    /// The whole file.
    pub(super) fn encode(&self) -> Parts {
        self.entries.first(self.entries.len())
    }

    /// Reads a file of a segment with `segment_bytes` bytes; `None` if it cannot be one: then it is rebuilt. Zeroes
    /// after the last entry are the space that Kafka allocates ahead.
    pub(super) fn decode(base: Offset, bytes: &[u8], segment_bytes: u64) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() {
            return None;
        }
        let mut index = Self::new(base);
        for (number, chunk) in chunks.iter().enumerate() {
            let entry = Entry::of(chunk);
            // An entry of zeroes is none: the first batch needs no entry.
            if entry == (Entry { relative: 0, position: 0 }) {
                return chunks[number..].as_flattened().iter().all(|byte| *byte == 0).then_some(index);
            }
            let rises = index.last().is_none_or(|last| last.relative < entry.relative && last.position < entry.position);
            if !rises || entry.relative > i32::MAX as u32 || u64::from(entry.position) >= segment_bytes {
                return None;
            }
            index.entries.push(*chunk);
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

    fn last(&self) -> Option<Entry> {
        self.entries.last().map(Entry::of)
    }

    /// Where the batch of the entry before the one at `index` starts; the segment's beginning before the first.
    fn position_before(&self, index: usize) -> u64 {
        self.entries.before(index).map_or(0, |entry| u64::from(Entry::of(entry).position))
    }
}

fn word(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offset(value: i64) -> Offset {
        Offset::saturating(value)
    }

    #[test]
    fn the_nearest_batch_before_an_offset_is_found() {
        let mut index = OffsetIndex::new(offset(100));
        index.push(offset(104), 5000);
        index.push(offset(109), 10_000);
        assert_eq!(index.position_of(offset(100)), 0);
        assert_eq!(index.position_of(offset(103)), 0);
        assert_eq!(index.position_of(offset(104)), 5000);
        assert_eq!(index.position_of(offset(108)), 5000);
        assert_eq!(index.position_of(offset(1_000_000)), 10_000);
        assert_eq!(index.batch_at_or_before(9999), 5000);
    }

    #[test]
    fn what_the_format_cannot_hold_is_left_out() {
        let mut index = OffsetIndex::new(Offset::ZERO);
        index.push(offset(i64::from(i32::MAX) + 1), 1);
        index.push(offset(1), u64::from(u32::MAX));
        assert_eq!(index.len(), 0);
    }

    #[test]
    fn space_allocated_ahead_is_not_read_as_entries() {
        let mut index = OffsetIndex::new(Offset::ZERO);
        index.push(offset(3), 4096);
        let mut bytes = index.encode().joined().into_owned();
        bytes.resize(64, 0);
        assert_eq!(OffsetIndex::decode(Offset::ZERO, &bytes, 1 << 20), Some(index));
        bytes[63] = 1;
        assert_eq!(OffsetIndex::decode(Offset::ZERO, &bytes, 1 << 20), None);
        assert_eq!(OffsetIndex::decode(Offset::ZERO, &bytes[..7], 1 << 20), None);
        assert_eq!(OffsetIndex::decode(Offset::ZERO, &[0; 4096], 1 << 20).map(|index| index.len()), Some(0));
    }

    proptest! {
        #[test]
        fn entries_read_back(steps in proptest::collection::vec((1u32..1000, 1u32..1000), 0..50)) {
            let mut index = OffsetIndex::new(offset(7));
            let (mut last, mut position) = (7, 0);
            for (records, bytes) in steps {
                last += i64::from(records);
                position += u64::from(bytes);
                index.push(offset(last), position);
            }
            prop_assert_eq!(OffsetIndex::decode(offset(7), &index.encode().joined(), position + 1), Some(index));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            OffsetIndex::decode(Offset::ZERO, &bytes, 1 << 20);
        }
    }
}
