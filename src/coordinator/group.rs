//! One group: its positions, and its members if it has any.

use super::{classic::ClassicGroup, consumer::ConsumerGroup, offsets::Offsets};
use crate::types::{ErrorCode, Text};

/// A group. Whoever only commits positions, without joining, has a classic group without a protocol type ("simple").
#[derive(Clone, Debug)]
pub struct Group {
    /// The positions.
    pub offsets: Offsets,
    /// The members.
    pub membership: Membership,
    /// When the group wants to be looked at, as far as the timers know.
    pub(super) registered_ms: Option<u64>,
}

/// By which protocol the members of a group agree.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "most groups are classic: a box would only add to what they take")]
pub enum Membership {
    /// JoinGroup and SyncGroup; the leader assigns. Also groups without members.
    Classic(ClassicGroup),
    /// ConsumerGroupHeartbeat (KIP-848); the coordinator assigns.
    Consumer(Box<ConsumerGroup>),
}

impl Default for Group {
    fn default() -> Self {
        Self::classic(ClassicGroup::default())
    }
}

impl Group {
    /// A classic group without positions.
    pub fn classic(group: ClassicGroup) -> Self {
        Self { offsets: Offsets::default(), membership: Membership::Classic(group), registered_ms: None }
    }

    /// Kafka's name of the type.
    pub fn type_name(&self) -> &'static str {
        match self.membership {
            Membership::Classic(_) => "classic",
            Membership::Consumer(_) => "consumer",
        }
    }

    /// Kafka's name of the state.
    pub fn state_name(&self) -> &'static str {
        match &self.membership {
            Membership::Classic(group) => group.state().name(),
            Membership::Consumer(group) => group.state_name(),
        }
    }

    /// True without members.
    pub fn is_empty(&self) -> bool {
        match &self.membership {
            Membership::Classic(group) => group.is_empty(),
            Membership::Consumer(group) => group.is_empty(),
        }
    }

    /// When something is to be done next, on the monotonic clock.
    pub(super) fn next_deadline_ms(&self) -> Option<u64> {
        match &self.membership {
            Membership::Classic(group) => group.next_deadline_ms(),
            Membership::Consumer(group) => group.next_deadline_ms(),
        }
    }

    /// Whether a member consumes the topic, so that its positions must stay.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        match &self.membership {
            Membership::Classic(group) => group.is_subscribed_to(topic),
            Membership::Consumer(group) => group.is_subscribed_to(topic),
        }
    }

    /// Whether the group may be deleted.
    ///
    /// # Errors
    /// NON_EMPTY_GROUP.
    pub fn check_delete(&self) -> Result<(), ErrorCode> {
        match &self.membership {
            Membership::Classic(group) => group.check_delete(),
            Membership::Consumer(group) if group.is_empty() => Ok(()),
            Membership::Consumer(_) => Err(ErrorCode::NonEmptyGroup),
        }
    }

    /// Whether single positions may be deleted.
    ///
    /// # Errors
    /// NON_EMPTY_GROUP.
    pub fn check_delete_offsets(&self) -> Result<(), ErrorCode> {
        match &self.membership {
            Membership::Classic(group) => group.check_delete_offsets(),
            Membership::Consumer(_) => Ok(()),
        }
    }

    /// From when on a position's retention counts: `None` if it is not to expire now.
    pub(super) fn retention_start(&self) -> Option<RetentionStart> {
        match &self.membership {
            Membership::Classic(group) => group.retention_start(),
            Membership::Consumer(_) => Some(RetentionStart::Commit),
        }
    }
}

/// From when on the retention time of a group's positions counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetentionStart {
    /// From each commit.
    Commit,
    /// From this moment, in milliseconds since 1970.
    At(i64),
}

/// The partition of `__consumer_offsets` that a group belongs to: Java's hash of the name, without its sign.
pub fn partition_of(group_id: &Text, partitions: i32) -> i32 {
    let hash = group_id.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // Math.abs of the smallest number is negative; Utils.abs makes it zero.
    hash.checked_abs().unwrap_or(0) % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_go_where_java_puts_them() {
        assert_eq!(partition_of(&Text::from_static(""), 50), 0);
        assert_eq!(partition_of(&Text::from_static("a"), 50), 47);
        assert_eq!(partition_of(&Text::from_static("console-consumer-1"), 50), java("console-consumer-1") % 50);
        // "polygenelubricants".hashCode() is the smallest int.
        assert_eq!(partition_of(&Text::from_static("polygenelubricants"), 50), 0);
        // Two UTF-16 units outside the basic plane.
        assert_eq!(partition_of(&Text::from_static("\u{1f600}"), 7), (0xd83d * 31 + 0xde00) % 7);
    }

    fn java(text: &str) -> i32 {
        let mut hash: i64 = 0;
        for byte in text.bytes() {
            hash = (hash * 31 + i64::from(byte)) & 0xffff_ffff;
        }
        i32::try_from(if hash > i64::from(i32::MAX) { (1 << 32) - hash } else { hash }).unwrap()
    }
}
