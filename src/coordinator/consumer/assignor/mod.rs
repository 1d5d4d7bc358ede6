//! Server-side assignors: which member is to own which partition.
//!
//! Pure. A [`GroupSpec`] goes in, an assignment comes out; nothing else is looked at, so the same group always gets the same
//! assignment. Every partition of a subscribed topic goes to exactly one subscriber, and nobody gets what it does not subscribe
//! to. Like Kafka 4.3's, the assignors do not look at racks: the racks of partitions only count in the metadata hash.

mod range;
mod uniform;
mod heterogeneous;

use std::collections::{BTreeMap, BTreeSet};

use super::assignment::Partitions;
use crate::types::{Text, Uuid};

/// What an assignor is told of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemberSpec {
    /// Its instance id, if it is static.
    pub(crate) instance_id: Option<Text>,
    /// The topics that it subscribes to and that exist.
    pub(crate) topics: BTreeSet<Uuid>,
    /// What it was to own so far.
    pub(crate) assigned: Partitions,
}

/// What an assignor is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupSpec {
    /// Members by id.
    pub(crate) members: BTreeMap<Text, MemberSpec>,
    /// Number of partitions of every subscribed topic.
    pub(crate) topics: BTreeMap<Uuid, i32>,
}

impl GroupSpec {
    /// True if all members subscribe to the same topics.
    fn is_homogeneous(&self) -> bool {
        let mut members = self.members.values();
        let Some(first) = members.next() else { return true };
        members.all(|member| member.topics == first.topics)
    }

    fn partitions_of(&self, topic: Uuid) -> i32 {
        self.topics.get(&topic).copied().unwrap_or(0)
    }
}

/// The new assignment: what each member is to own. A member without an entry is to own nothing.
pub(crate) type Assigned = BTreeMap<Text, Partitions>;

/// An assignor, by Kafka's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Assignor {
    /// Balanced over all topics together, and sticky.
    Uniform,
    /// Consecutive partitions, topic by topic: members own the same numbers in topics with equally many partitions.
    Range,
}

impl Assignor {
    /// The assignor called `name`.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Assignor::Uniform, Assignor::Range].into_iter().find(|assignor| assignor.name() == name)
    }

    /// Kafka's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// Assigns anew.
    pub(crate) fn assign(self, spec: &GroupSpec) -> Assigned {
        match self {
            _ if spec.members.is_empty() => Assigned::new(),
            Assignor::Range => range::assign(spec),
            Assignor::Uniform if spec.is_homogeneous() => uniform::assign(spec),
            Assignor::Uniform => heterogeneous::assign(spec),
        }
    }
}

#[cfg(test)]
mod tests;
