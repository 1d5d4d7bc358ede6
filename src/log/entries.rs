//! The entries of an index as its file holds them, in chunks of one size: a list that grows for a gigabyte without ever being moved,
//! and that is written to a file without being copied.
//!
//! Pure, in memory. A list in one piece is copied whenever it doubles, and a copy for the file takes as much again: for the
//! megabytes of a large segment the shard stood still for milliseconds, and for sixteen logs that grow alike at once sixteen
//! times as long. Full chunks never change, so that whoever writes them shares them, on any thread.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Write},
    path::Path,
};

use bytes::Bytes;

/// Entries of a chunk.
const CHUNK: usize = if cfg!(test) { 8 } else { 2048 };

/// Entries of so many bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entries<const BYTES: usize> {
    /// Chunks, each full.
    full: Vec<Bytes>,
    /// Those behind them; fewer than a chunk.
    last: Vec<[u8; BYTES]>,
}

impl<const BYTES: usize> Entries<BYTES> {
    pub(super) fn len(&self) -> usize {
        self.full.len() * CHUNK + self.last.len()
    }

    pub(super) fn push(&mut self, entry: [u8; BYTES]) {
        self.last.push(entry);
        if self.last.len() == CHUNK {
            // Who has filled one chunk fills others.
            let chunk = std::mem::replace(&mut self.last, Vec::with_capacity(CHUNK));
            self.full.push(Bytes::from(chunk.into_flattened()));
        }
    }

    /// The entry at `index`; `None` behind the end.
    pub(super) fn get(&self, index: usize) -> Option<&[u8; BYTES]> {
        let at = index % CHUNK;
        match self.full.get(index / CHUNK) {
            Some(chunk) => chunk.as_chunks().0.get(at),
            None => self.last.get(index.checked_sub(self.full.len() * CHUNK)?),
        }
    }

    /// The entry before the one at `index`; `None` before the first.
    pub(super) fn before(&self, index: usize) -> Option<&[u8; BYTES]> {
        self.get(index.checked_sub(1)?)
    }

    pub(super) fn last(&self) -> Option<&[u8; BYTES]> {
        self.before(self.len())
    }

    /// How many entries at the beginning satisfy `is_before`, which holds for none behind the first that does not.
    pub(super) fn partition_point(&self, is_before: impl Fn(&[u8; BYTES]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.get(middle) {
                Some(entry) if is_before(entry) => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }

    /// The first `count` entries for a file.
    pub(super) fn first(&self, count: usize) -> Parts {
        let mut parts: Vec<Bytes> = self.full.iter().take(count / CHUNK).cloned().collect();
        let rest = count.min(self.len()) - parts.len() * CHUNK;
        match self.full.get(parts.len()) {
            Some(chunk) => parts.push(chunk.slice(..rest * BYTES)),
            None => parts.push(Bytes::copy_from_slice(self.last[..rest].as_flattened())),
        }
        Parts(parts)
    }

    /// Bytes of memory it takes.
    pub(super) fn memory(&self) -> usize {
        (self.full.len() * CHUNK + self.last.capacity()) * BYTES
    }

    /// Gives memory back that no further entry needs.
    pub(super) fn shrink(&mut self) {
        self.last.shrink_to_fit();
    }
}

/// The content of a file, or a part of it, one behind the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts(Vec<Bytes>);

impl From<Vec<u8>> for Parts {
    fn from(bytes: Vec<u8>) -> Self {
        Self(vec![bytes.into()])
    }
}

impl PartialEq for Parts {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().flatten().eq(other.0.iter().flatten())
    }
}

impl Eq for Parts {}

impl Parts {
    /// Bytes of all parts.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Adds others behind them.
    pub(super) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// CRC-32C over all bytes.
    pub(super) fn crc32c(&self) -> u32 {
        self.0.iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part))
    }

    /// All bytes in one piece; copied if they are in several.
    pub(super) fn joined(&self) -> Cow<'_, [u8]> {
        match &self.0[..] {
            [] => Cow::Borrowed(&[]),
            [part] => Cow::Borrowed(part),
            parts => Cow::Owned(parts.concat()),
        }
    }

    /// Makes a file of them, or gives them to the one that is there; waits for the disk, so for a thread that may.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn write_as(&self, path: &Path) -> io::Result<()> {
        self.write_to(File::create(path)?)
    }

    /// Writes all of them to a file; as [`Parts::write_as`].
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn write_to(&self, mut file: impl Write) -> io::Result<()> {
        self.0.iter().try_for_each(|part| file.write_all(part))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn chunks_are_one_list(count in 0_u32..60, keep in 0_usize..60, sought in 0_u32..120) {
            let all: Vec<[u8; 4]> = (0..count).map(|number| (2 * number).to_be_bytes()).collect();
            let mut entries = Entries::default();
            all.iter().for_each(|entry| entries.push(*entry));
            prop_assert_eq!(entries.len(), all.len());
            prop_assert_eq!(entries.last(), all.last());
            prop_assert_eq!((0..all.len() + 10).map_while(|index| entries.get(index)).collect::<Vec<_>>(), all.iter().collect::<Vec<_>>());
            prop_assert!(entries.get(all.len()).is_none());
            let before = |entry: &[u8; 4]| u32::from_be_bytes(*entry) < sought;
            prop_assert_eq!(entries.partition_point(before), all.partition_point(before));
            let kept = entries.first(keep);
            let expected = all[..keep.min(all.len())].as_flattened();
            prop_assert_eq!(&*kept.joined(), expected);
            prop_assert_eq!((kept.len(), kept.crc32c()), (expected.len(), crc32c::crc32c(expected)));
            let mut written = Vec::new();
            kept.write_to(&mut written).unwrap();
            prop_assert_eq!(&written, expected);
            prop_assert_eq!(Parts::from(written), kept);
            prop_assert!(entries.memory() >= all.len() * 4);
        }
    }
}
