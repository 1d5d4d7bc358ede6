//! What coordinators go by: the broker's settings for groups, the time, and the cluster.

use super::consumer::{Assignor, ConsumerSettings, Topics};
use crate::{
    config::{GroupConfig, Overrides},
    metadata::{ClusterImage, image::ResourceType},
    types::Text,
};

/// The broker's settings for groups.
pub type GroupSettings = GroupConfig;

/// Feature that the consumer protocol needs, and the level from which on it is there.
const GROUP_VERSION: &str = "group.version";
const GROUP_VERSION_CONSUMER: i16 = 1;

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

/// All that a step depends on besides the state.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// The time.
    pub now: Now,
    /// The broker's settings.
    pub settings: &'a GroupSettings,
    /// The cluster.
    pub image: &'a ClusterImage,
}

impl<'a> World<'a> {
    /// The cluster's topics.
    pub(super) fn topics(self) -> Topics<'a> {
        Topics::new(self.image)
    }

    /// True if the consumer protocol is spoken here.
    pub(super) fn speaks_consumer(self) -> bool {
        self.settings.consumer_enabled && self.image.feature_level(GROUP_VERSION) >= GROUP_VERSION_CONSUMER
    }

    /// The assignors that members may ask for.
    pub(super) fn assignors(self) -> Vec<Assignor> {
        self.settings.consumer.assignors.iter().filter_map(|name| Assignor::from_name(name)).collect()
    }

    /// The settings of one group: what is set on it, within the broker's bounds, or else the broker's.
    pub(super) fn consumer_settings(self, group: &Text) -> ConsumerSettings {
        let ours = &self.settings.consumer;
        let set: Option<&Overrides> = self.image.configs(ResourceType::GROUP, group).map(|configs| &**configs);
        ConsumerSettings {
            session_timeout_ms: ours.session_timeout_ms.with(set),
            heartbeat_interval_ms: ours.heartbeat_interval_ms.with(set),
            assignment_interval_ms: i64::from(ours.assignment_interval_ms.with(set)),
            max_size: ours.max_size,
            classic_max_size: self.settings.max_size,
            assignors: self.assignors(),
            regex_refresh_ms: ours.regex_refresh_ms,
            upgrade: ours.upgrade,
            downgrade: ours.downgrade,
            record_bytes_max: self.settings.record_bytes_max,
        }
    }
}
