//! Subscriptions by regular expression, and the epoch of the group that follows what is subscribed to.
//!
//! Pure. Expressions are matched within the step that needs it: those that are new at once, all of them when the metadata has
//! changed or they are old, but not more often than every [`REFRESH_MS_MIN`].

use std::collections::BTreeSet;

use super::{
    changes::Change,
    group::ConsumerGroup,
    pattern::Pattern,
    records::{ConsumerGroupMetadataValue, ConsumerGroupRegularExpressionValue},
    settings::{Refusal, Scene},
};
use crate::types::{ErrorCode, Text};

/// Milliseconds between two searches through all topics, at least.
const REFRESH_MS_MIN: i64 = 10_000;

impl ConsumerGroup {
    /// Checks an expression that a member wants to subscribe to; one that others have is fine.
    ///
    /// # Errors
    /// INVALID_REGULAR_EXPRESSION.
    pub(super) fn check_regex(&self, regex: Option<&Text>) -> Result<(), Refusal> {
        let Some(regex) = regex.filter(|regex| !regex.is_empty() && !self.regex_members.contains_key(*regex)) else { return Ok(()) };
        Pattern::new(regex).map(|_| ()).map_err(|reason| {
            let message = format!("SubscribedTopicRegex `{regex}` is not a valid regular expression: {reason}.");
            Refusal::new(ErrorCode::InvalidRegularExpression, message)
        })
    }

    /// Follows the expressions that members have now: forgets one that nobody has any more, and matches what is to be matched.
    /// True if the topics of one have changed.
    pub(super) fn follow_regexes(&mut self, before: Option<&Text>, scene: &mut Scene<'_>) -> bool {
        if let Some(before) = before.filter(|before| !self.regex_members.contains_key(*before) && self.resolved.contains_key(*before)) {
            self.change(Change::Regex(before.clone(), None), scene);
        }
        if self.regex_members.is_empty() {
            return false;
        }
        let now_ms = scene.now.wall_ms;
        let (matched_ms, matched_version) = self.matched.unwrap_or_else(|| self.matched_in_the_log());
        let is_old = scene.topics.version() != matched_version || now_ms > matched_ms.saturating_add(scene.settings.regex_refresh_ms);
        let all = is_old && now_ms > matched_ms.saturating_add(REFRESH_MS_MIN);
        if all {
            self.matched = Some((now_ms, scene.topics.version()));
        }
        let wanted: Vec<Text> =
            self.regex_members.keys().filter(|regex| all || !self.resolved.contains_key(*regex)).cloned().collect();
        let mut changed = false;
        for regex in wanted {
            changed |= self.resolve_now(regex, scene);
        }
        changed
    }

    /// When the expressions were last matched, as far as the log knows.
    fn matched_in_the_log(&self) -> (i64, i64) {
        let oldest = self.resolved.values().min_by_key(|resolved| resolved.at_ms);
        oldest.map_or((i64::MIN / 2, -1), |resolved| (resolved.at_ms, resolved.version))
    }

    fn resolve_now(&mut self, regex: Text, scene: &mut Scene<'_>) -> bool {
        let topics = self.matching(&regex, scene);
        let before = self.resolved.get(&regex);
        if before.is_some_and(|before| before.topics == topics) {
            return false;
        }
        let differs = before.is_some() || !topics.is_empty();
        let value = ConsumerGroupRegularExpressionValue {
            topics: topics.into_iter().collect(),
            version: scene.topics.version(),
            timestamp: scene.now.wall_ms,
        };
        self.change(Change::Regex(regex, Some(value)), scene);
        differs
    }

    /// The topics whose whole names match, internal ones too, as Kafka does it.
    fn matching(&mut self, regex: &Text, scene: &Scene<'_>) -> BTreeSet<Text> {
        if !self.patterns.contains_key(regex) {
            match Pattern::new(regex) {
                Ok(pattern) => {
                    self.patterns.insert(regex.clone(), pattern);
                }
                // Written down by another broker.
                Err(reason) => tracing::warn!(group = %scene.id, %regex, reason, "a regular expression cannot be read and matches nothing"),
            }
        }
        let Some(pattern) = self.patterns.get(regex) else { return BTreeSet::new() };
        scene.topics.names().filter(|name| pattern.matches(name)).cloned().collect()
    }

    /// Raises the group's epoch if a subscription has changed, or if the topics behind them have.
    pub(super) fn follow_topics(&mut self, subscriptions_changed: bool, scene: &mut Scene<'_>) {
        let version = scene.topics.version();
        if !subscriptions_changed && self.hashed_version == Some(version) {
            return;
        }
        let hash = scene.topics.hash(self.subscribed_names());
        if subscriptions_changed || hash != self.metadata_hash {
            self.raise_epoch(hash, scene);
        }
        self.hashed_version = Some(version);
        if self.has_partition_metadata {
            self.change(Change::PartitionMetadata(false), scene);
        }
    }

    /// The group's next epoch.
    pub(super) fn raise_epoch(&mut self, metadata_hash: i64, scene: &mut Scene<'_>) {
        // A log that says the largest number was not written by a broker: the group starts over.
        let epoch = self.epoch.checked_add(1).unwrap_or(1);
        self.change(Change::Epoch(Some(ConsumerGroupMetadataValue { epoch, metadata_hash })), scene);
        tracing::debug!(group = %scene.id, epoch, metadata_hash, "the group's epoch was raised");
    }
}
