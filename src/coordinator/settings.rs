//! What coordinators go by: the broker's settings for groups, and the time.

use crate::config::GroupConfig;

/// The broker's settings for groups.
pub type GroupSettings = GroupConfig;

/// The time of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970, for what is written into records.
    pub wall_ms: i64,
    /// Milliseconds on the monotonic clock, for timeouts.
    pub mono_ms: u64,
}

impl Now {
    /// The point `timeout_ms` from now on the monotonic clock; a negative timeout is over at once.
    pub fn after(self, timeout_ms: i32) -> u64 {
        self.mono_ms.saturating_add(u64::try_from(timeout_ms).unwrap_or(0))
    }
}
