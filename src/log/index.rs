//! Offsets to positions in a segment, one entry per `index.interval.bytes` (OffsetIndex.java).
//!
//! Pure, in memory; `encode` gives Kafka's `.index`: 8 bytes an entry, i32 offset relative to the base and i32 position,
//! big endian. As in Kafka an entry holds the *last* offset of a batch and the position where that batch starts.

use crate::types::Offset;

/// Bytes of an entry.
pub(super) const ENTRY_BYTES: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    relative: u32,
    position: u32,
}

/// The entries of one segment. Invariant: offsets and positions rise strictly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OffsetIndex {
    base: Offset,
    entries: Vec<Entry>,
}

impl OffsetIndex {
    pub(super) fn new(base: Offset) -> Self {
        Self { base, entries: Vec::new() }
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
        if self.entries.last().is_some_and(|entry| entry.relative >= relative || entry.position >= position) {
            return;
        }
        self.entries.push(Entry { relative, position });
    }

    /// Where a walk over batches must start to find the one that holds `offset`: the nearest entry at or before it.
    pub(super) fn position_of(&self, offset: Offset) -> u64 {
        let relative = u32::try_from(offset.since(self.base).max(0)).unwrap_or(u32::MAX);
        let after = self.entries.partition_point(|entry| entry.relative <= relative);
        after.checked_sub(1).map_or(0, |index| u64::from(self.entries[index].position))
    }

    /// The start of a batch that is the nearest known one at or before `position`.
    pub(super) fn batch_at_or_before(&self, position: u64) -> u64 {
        let after = self.entries.partition_point(|entry| u64::from(entry.position) <= position);
        after.checked_sub(1).map_or(0, |index| u64::from(self.entries[index].position))
    }

    /// The entries of batches that start before `position`, as the file holds them.
    pub(super) fn encode_below(&self, position: u64) -> Vec<u8> {
        let keep = self.entries.partition_point(|entry| u64::from(entry.position) < position);
        let mut bytes = Vec::with_capacity(keep * ENTRY_BYTES);
        for entry in &self.entries[..keep] {
            bytes.extend_from_slice(&entry.relative.to_be_bytes());
            bytes.extend_from_slice(&entry.position.to_be_bytes());
        }
        bytes
    }

    /// The whole file.
    pub(super) fn encode(&self) -> Vec<u8> {
        self.encode_below(u64::MAX)
    }

    /// Reads a file of a segment with `segment_bytes` bytes; `None` if it cannot be one: then it is rebuilt. Zeroes
    /// after the last entry are the space that Kafka allocates ahead.
    pub(super) fn decode(base: Offset, bytes: &[u8], segment_bytes: u64) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() {
            return None;
        }
        let mut index = Self { base, entries: Vec::with_capacity(chunks.len()) };
        for (number, chunk) in chunks.iter().enumerate() {
            let (relative, position) = chunk.split_at(4);
            let entry = Entry { relative: word(relative), position: word(position) };
            // An entry of zeroes is none: the first batch needs no entry.
            if entry == (Entry { relative: 0, position: 0 }) {
                return chunks[number..].as_flattened().iter().all(|byte| *byte == 0).then_some(index);
            }
            let rises = index.entries.last().is_none_or(|last| last.relative < entry.relative && last.position < entry.position);
            if !rises || entry.relative > i32::MAX as u32 || u64::from(entry.position) >= segment_bytes {
                return None;
            }
            index.entries.push(entry);
        }
        Some(index)
    }

    /// Bytes of memory it takes.
    pub(super) fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    /// Gives memory back that no further entry needs.
    pub(super) fn shrink(&mut self) {
        self.entries.shrink_to_fit();
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
        let mut bytes = index.encode();
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
            prop_assert_eq!(OffsetIndex::decode(offset(7), &index.encode(), position + 1), Some(index));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            OffsetIndex::decode(Offset::ZERO, &bytes, 1 << 20);
        }
    }
}
