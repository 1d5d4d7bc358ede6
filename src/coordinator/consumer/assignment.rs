//! Sets of partitions: what a member is to own, and what it owns.
//!
//! Pure data, ordered, so that what is made of it is always the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::Uuid;

/// Partitions by topic id. No topic is empty.
pub(crate) type Partitions = BTreeMap<Uuid, BTreeSet<i32>>;

/// Partitions by topic id, each with the group epoch at which the member got it. No topic is empty.
pub(crate) type Owned = BTreeMap<Uuid, BTreeMap<i32, i32>>;

/// Every partition of `owned`.
pub(crate) fn each(owned: &Owned) -> impl Iterator<Item = (Uuid, i32)> {
    owned.iter().flat_map(|(topic, partitions)| partitions.keys().map(|partition| (*topic, *partition)))
}

/// True if `owned` has the partition.
pub(crate) fn has(owned: &Owned, topic: Uuid, partition: i32) -> bool {
    owned.get(&topic).is_some_and(|partitions| partitions.contains_key(&partition))
}

/// The partitions of `owned` without the epochs.
pub(crate) fn without_epochs(owned: &Owned) -> Partitions {
    owned.iter().map(|(topic, partitions)| (*topic, partitions.keys().copied().collect())).collect()
}

/// `partitions`, all got at `epoch`.
pub(crate) fn with_epoch(partitions: &Partitions, epoch: i32) -> Owned {
    partitions.iter().map(|(topic, partitions)| (*topic, partitions.iter().map(|partition| (*partition, epoch)).collect())).collect()
}
