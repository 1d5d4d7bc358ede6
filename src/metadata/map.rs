//! A sorted map that many readers hold while one writer changes it: cheap to clone, cheap to change.
//!
//! Owns nothing but its entries; pure and single-writer. The control thread changes its copy, shards read theirs. Every
//! table of the cluster image is one, so that an image with 100,000 topics is published by cloning a few pointers and a
//! change copies one chunk, never the table.

use std::{borrow::Borrow, cmp::Ordering, sync::Arc};

/// Entries of a full chunk; it is split in two when one more arrives. A change of a shared map copies one chunk.
const CHUNK_ENTRIES_MAX: usize = 256;

/// A run of entries in key order, never empty, never longer than [`CHUNK_ENTRIES_MAX`].
type Chunk<K, V> = Arc<Vec<(K, V)>>;

/// A sorted map of shared chunks. Clones share everything until one of them is changed.
#[derive(Clone)]
pub struct SharedMap<K, V> {
    /// In key order: the last key of a chunk is below the first of the next.
    #[expect(clippy::rc_buffer, reason = "the sole owner grows it in place")]
    chunks: Arc<Vec<Chunk<K, V>>>,
    len: usize,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self { chunks: Arc::default(), len: 0 }
    }
}

impl<K, V> SharedMap<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries in key order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + Clone {
        self.chunks.iter().flat_map(|chunk| chunk.iter().map(|(key, value)| (key, value)))
    }

    /// All keys in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// All values in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.iter().map(|(_, value)| value)
    }
}

impl<K: Ord, V> SharedMap<K, V> {
    /// The value at `key`.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (chunk, position) = self.find(key).ok()?;
        Some(&self.chunks[chunk][position].1)
    }

    /// True if `key` has a value.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// The entries from `start` (inclusive) on, in key order.
    pub fn range_from<Q: Ord + ?Sized>(&self, start: &Q) -> impl Iterator<Item = (&K, &V)> + Clone
    where
        K: Borrow<Q>,
    {
        let (chunk, position) = self.find(start).unwrap_or_else(|place| place);
        let rest = self.chunks.get(chunk).map_or(&[] as &[(K, V)], |entries| &entries[position..]);
        let further = self.chunks.get(chunk + 1..).unwrap_or_default();
        rest.iter().chain(further.iter().flat_map(|entries| entries.iter())).map(|(key, value)| (key, value))
    }

    /// Where `key` is (`Ok`), or where it would be put (`Err`): chunk and position in it.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<(usize, usize), (usize, usize)>
    where
        K: Borrow<Q>,
    {
        // The last chunk that starts at or before the key; keys below all others belong into the first.
        let after = self.chunks.partition_point(|chunk| chunk[0].0.borrow() <= key);
        let Some(chunk) = after.checked_sub(1) else { return Err((0, 0)) };
        match self.chunks[chunk].binary_search_by(|(other, _)| other.borrow().cmp(key)) {
            Ok(position) => Ok((chunk, position)),
            Err(position) => Err((chunk, position)),
        }
    }
}

impl<K: Ord + Clone, V: Clone> SharedMap<K, V> {
    /// Puts `value` at `key` and gives back what was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let place = self.find(&key);
        let chunks = Arc::make_mut(&mut self.chunks);
        let (chunk, position) = match place {
            Ok((chunk, position)) => {
                let entries = Arc::make_mut(&mut chunks[chunk]);
                return Some(std::mem::replace(&mut entries[position].1, value));
            }
            Err(place) => place,
        };
        self.len += 1;
        if chunks.is_empty() {
            chunks.push(Arc::new(vec![(key, value)]));
            return None;
        }
        let last = chunk + 1 == chunks.len();
        let entries = Arc::make_mut(&mut chunks[chunk]);
        entries.insert(position, (key, value));
        if entries.len() > CHUNK_ENTRIES_MAX {
            // Keys that only grow (partitions, offsets) would leave half-full chunks behind: cut near the end for them.
            let appended = last && position + 1 == entries.len();
            let cut = if appended { CHUNK_ENTRIES_MAX } else { CHUNK_ENTRIES_MAX / 2 };
            let upper = entries.split_off(cut);
            chunks.insert(chunk + 1, Arc::new(upper));
        }
        None
    }

    /// Takes `key` out and gives back its value.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (chunk, position) = self.find(key).ok()?;
        self.len -= 1;
        let chunks = Arc::make_mut(&mut self.chunks);
        let entries = Arc::make_mut(&mut chunks[chunk]);
        let (_, value) = entries.remove(position);
        if entries.is_empty() {
            chunks.remove(chunk);
        }
        Some(value)
    }

    /// The value at `key`, to be changed in place; copies its chunk if others share it.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (chunk, position) = self.find(key).ok()?;
        let chunks = Arc::make_mut(&mut self.chunks);
        Some(&mut Arc::make_mut(&mut chunks[chunk])[position].1)
    }

    /// What differs from `old`, in key order. Chunks that both share are skipped, so the cost follows the changes.
    pub fn changes_since<'a>(&'a self, old: &'a Self) -> Vec<Change<'a, K, V>>
    where
        V: PartialEq,
    {
        let mut changes = Vec::new();
        if Arc::ptr_eq(&self.chunks, &old.chunks) {
            return changes;
        }
        let mut before = unshared(old, self);
        let mut after = unshared(self, old);
        let (mut left, mut right) = (before.next(), after.next());
        loop {
            match (left, right) {
                (None, None) => return changes,
                (Some((key, value)), None) => {
                    changes.push(Change { key, before: Some(value), after: None });
                    left = before.next();
                }
                (None, Some((key, value))) => {
                    changes.push(Change { key, before: None, after: Some(value) });
                    right = after.next();
                }
                (Some((key, value)), Some((other, new))) => match key.cmp(other) {
                    Ordering::Less => {
                        changes.push(Change { key, before: Some(value), after: None });
                        left = before.next();
                    }
                    Ordering::Greater => {
                        changes.push(Change { key: other, before: None, after: Some(new) });
                        right = after.next();
                    }
                    Ordering::Equal => {
                        if value != new {
                            changes.push(Change { key, before: Some(value), after: Some(new) });
                        }
                        left = before.next();
                        right = after.next();
                    }
                },
            }
        }
    }
}

/// The entries of the chunks of `map` that `other` does not hold as the very same chunk.
fn unshared<'a, K: Ord, V>(map: &'a SharedMap<K, V>, other: &SharedMap<K, V>) -> impl Iterator<Item = (&'a K, &'a V)> + use<'a, K, V> {
    let mut position = 0;
    let mut chunks = Vec::new();
    for chunk in map.chunks.iter() {
        // Both lists are sorted, so a shared chunk starts at the same key in both.
        while other.chunks.get(position).is_some_and(|candidate| candidate[0].0 < chunk[0].0) {
            position += 1;
        }
        if !other.chunks.get(position).is_some_and(|candidate| Arc::ptr_eq(candidate, chunk)) {
            chunks.push(chunk);
        }
    }
    chunks.into_iter().flat_map(|chunk| chunk.iter().map(|(key, value)| (key, value)))
}

/// One difference between two maps: put (`before` absent), removed (`after` absent) or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a, K, V> {
    /// The key that differs.
    pub key: &'a K,
    /// Its value in the old map.
    pub before: Option<&'a V>,
    /// Its value in the new map.
    pub after: Option<&'a V>,
}

impl<K: PartialEq, V: PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chunks, &other.chunks) || (self.len == other.len && self.iter().eq(other.iter()))
    }
}

impl<K: Eq, V: Eq> Eq for SharedMap<K, V> {}

impl<K: std::fmt::Debug, V: std::fmt::Debug> std::fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for SharedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn it_is_a_sorted_map(steps in prop::collection::vec((0u16..2000, any::<Option<u8>>()), 0..1500)) {
            let mut map = SharedMap::default();
            let mut model = BTreeMap::new();
            let mut kept = (map.clone(), model.clone());
            for (turn, (key, value)) in steps.into_iter().enumerate() {
                match value {
                    Some(value) => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                    None => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                }
                if turn % 200 == 0 {
                    kept = (map.clone(), model.clone());
                }
            }
            prop_assert_eq!(map.len(), model.len());
            prop_assert!(map.iter().eq(model.iter()));
            prop_assert!(kept.0.iter().eq(kept.1.iter()), "a clone does not see later changes");
            prop_assert!(map.range_from(&700).eq(model.range(700..)));
            let changed: Vec<u16> = map.changes_since(&kept.0).iter().map(|change| *change.key).collect();
            let mut expected: Vec<u16> = model.keys().chain(kept.1.keys()).copied()
                .filter(|key| model.get(key) != kept.1.get(key)).collect();
            expected.sort_unstable();
            expected.dedup();
            prop_assert_eq!(changed, expected);
        }
    }

    #[test]
    fn growing_keys_fill_their_chunks() {
        let map: SharedMap<i32, i32> = (0..10_000).map(|key| (key, key)).collect();
        assert_eq!(map.chunks.len(), 10_000_usize.div_ceil(CHUNK_ENTRIES_MAX));
        assert_eq!(map.get(&9_999), Some(&9_999));
    }
}
