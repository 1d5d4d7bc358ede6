//! The configs of one group (ConfigResource GROUP; GroupConfig.java of Kafka 4.3).
//!
//! Those of the consumer protocol are acted upon; those of share and streams groups are refused, because there are no such
//! groups yet.

use super::{
    Alteration, BrokerConfig, ConfigChange, ConfigRefusal, Described, Dynamic, Key, Kind, Overrides, Source, Synonym,
    alter::{applied, invalid, plan, plan_replacement},
    groups::Bounded,
    resolve,
};
use crate::types::Text;

const NO_SHARE: &str = "share groups are not supported yet";
const NO_STREAMS: &str = "streams groups are not supported yet";
const SYNCHRONOUS: &str = "assignments are always computed in the coordinator's own turn";

/// Every config of a group, by name.
pub(super) const KEYS: &[Key] = &[
    Key::int("consumer.assignment.interval.ms", "1000", "Milliseconds between two assignments of the group, at least.").min(0),
    Key::bool("consumer.assignor.offload.enable", "false", "Compute assignments in the background.").refused(SYNCHRONOUS),
    Key::int("consumer.heartbeat.interval.ms", "5000", "Milliseconds between heartbeats that the members are told.").min(1),
    Key::int("consumer.session.timeout.ms", "45000", "Milliseconds of silence after which a member is gone.").min(1),
    Key::int("share.assignment.interval.ms", "1000", "Tunes a share group.").refused(NO_SHARE),
    Key::bool("share.assignor.offload.enable", "false", "Tunes a share group.").refused(NO_SHARE),
    Key::text("share.auto.offset.reset", "latest", "Tunes a share group.").refused(NO_SHARE),
    Key::int("share.delivery.count.limit", "5", "Tunes a share group.").refused(NO_SHARE),
    Key::int("share.heartbeat.interval.ms", "5000", "Tunes a share group.").refused(NO_SHARE),
    Key::text("share.isolation.level", "read_uncommitted", "Tunes a share group.").refused(NO_SHARE),
    Key::int("share.partition.max.record.locks", "2000", "Tunes a share group.").refused(NO_SHARE),
    Key::int("share.record.lock.duration.ms", "30000", "Tunes a share group.").refused(NO_SHARE),
    Key::bool("share.renew.acknowledge.enable", "true", "Tunes a share group.").refused(NO_SHARE),
    Key::int("share.session.timeout.ms", "45000", "Tunes a share group.").refused(NO_SHARE),
    Key::int("streams.assignment.interval.ms", "1000", "Tunes a streams group.").refused(NO_STREAMS),
    Key::bool("streams.assignor.offload.enable", "false", "Tunes a streams group.").refused(NO_STREAMS),
    Key::int("streams.heartbeat.interval.ms", "5000", "Tunes a streams group.").refused(NO_STREAMS),
    Key::int("streams.initial.rebalance.delay.ms", "3000", "Tunes a streams group.").refused(NO_STREAMS),
    Key::int("streams.num.standby.replicas", "0", "Tunes a streams group.").refused(NO_STREAMS),
    Key::int("streams.session.timeout.ms", "45000", "Tunes a streams group.").refused(NO_STREAMS),
];

fn key_of(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// IncrementalAlterConfigs of a group.
///
/// # Errors
/// INVALID_CONFIG, or INVALID_REQUEST for a request that makes no sense.
pub fn alter_group(broker: &BrokerConfig, current: &Overrides, alterations: &[Alteration]) -> Result<Vec<ConfigChange>, ConfigRefusal> {
    let changes = plan(current, alterations, key_of)?;
    check(broker, current, &changes)?;
    Ok(changes)
}

/// AlterConfigs of a group: `configs` replaces everything that is set in `current`.
///
/// # Errors
/// As [`alter_group`].
pub fn replace_group(
    broker: &BrokerConfig,
    current: &Overrides,
    configs: &[(Text, Option<Text>)],
) -> Result<Vec<ConfigChange>, ConfigRefusal> {
    let changes = plan_replacement(current, configs)?;
    check(broker, current, &changes)?;
    Ok(changes)
}

fn check(broker: &BrokerConfig, current: &Overrides, changes: &[ConfigChange]) -> Result<(), ConfigRefusal> {
    let bounded = broker.groups.consumer.bounded();
    for ConfigChange { name, value } in changes {
        let Some(value) = value else { continue };
        let Some(key) = key_of(name) else {
            return Err(ConfigRefusal::config(format!("Unknown group config name: {name}")));
        };
        let parsed = key.accept(value).map_err(|why| ConfigRefusal::config(invalid(name, value, &why)))?;
        if let Some(bounds) = bounded.iter().find(|bounds| bounds.group_key == key.name) {
            check_bounds(bounds, parsed.int()).map_err(ConfigRefusal::config)?;
        }
    }
    let whole = applied(current, changes);
    let consumer = &broker.groups.consumer;
    if consumer.session_timeout_ms.with(Some(&whole)) <= consumer.heartbeat_interval_ms.with(Some(&whole)) {
        let (session, heartbeat) = (consumer.session_timeout_ms.group_key, consumer.heartbeat_interval_ms.group_key);
        return Err(ConfigRefusal::config(format!("{session} must be greater than {heartbeat}")));
    }
    Ok(())
}

fn check_bounds(bounds: &Bounded, value: i64) -> Result<(), String> {
    let (min_key, max_key) = bounds.bound_keys;
    if value < i64::from(bounds.min) {
        return Err(format!("{} must be greater than or equal to {min_key}", bounds.group_key));
    }
    if value > i64::from(bounds.max) {
        return Err(format!("{} must be less than or equal to {max_key}", bounds.group_key));
    }
    Ok(())
}

/// The configs of a group, by name: those that `names` asks for, or all.
pub fn describe_group(broker: &BrokerConfig, dynamic: Dynamic<'_>, set: &Overrides, names: Option<&[Text]>) -> Vec<Described> {
    let is_asked = |name: &str| names.is_none_or(|names| names.is_empty() || names.iter().any(|asked| asked == name));
    let known = KEYS.iter().filter(|key| is_asked(key.name)).map(|key| {
        let bounds = broker.groups.consumer.bounded().into_iter().find(|bounds| bounds.group_key == key.name);
        let mut synonyms = Vec::new();
        if let Some(own) = set.get(key.name) {
            synonyms.push(Synonym { name: Text::from_static(key.name), value: Some(own.clone()), source: Source::Group });
        }
        let mut value = set.get(key.name).cloned();
        if let Some(bounds) = bounds {
            let broker_key = super::keys::Synonym { name: bounds.broker_key, scale: super::keys::Scale::Same };
            synonyms.extend(resolve::candidates(broker.layers(), dynamic, &[broker_key]).iter().map(|candidate| Synonym {
                name: Text::from_static(candidate.name),
                value: Some(Text::from(candidate.text)),
                source: candidate.source,
            }));
            value = Some(Text::from(bounds.with(Some(set)).to_string()));
        }
        Described {
            name: Text::from_static(key.name),
            value: value.or_else(|| key.default.map(Text::from_static)),
            source: synonyms.first().map_or(Source::Default, |first| first.source),
            read_only: false,
            is_sensitive: false,
            synonyms,
            kind: key.kind,
            doc: key.doc,
        }
    });
    let mut found: Vec<Described> = known.collect();
    // What a newer broker may have stored.
    found.extend(set.iter().filter(|(name, _)| key_of(name).is_none() && is_asked(name)).map(|(name, text)| Described {
        name: name.clone(),
        value: Some(text.clone()),
        source: Source::Group,
        read_only: false,
        is_sensitive: false,
        synonyms: vec![Synonym { name: name.clone(), value: Some(text.clone()), source: Source::Group }],
        kind: Kind::Text,
        doc: "",
    }));
    found.sort_by(|left, right| left.name.cmp(&right.name));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AlterOp, Standing};

    fn set(name: &'static str, value: &'static str) -> Result<Vec<ConfigChange>, String> {
        let alteration = Alteration { name: Text::from_static(name), op: AlterOp::Set, value: Some(Text::from_static(value)) };
        alter_group(&BrokerConfig::embedded().unwrap(), &Overrides::new(), &[alteration]).map_err(|refusal| refusal.message)
    }

    #[test]
    fn what_is_acted_upon_is_taken_within_the_bounds_and_the_rest_refused() {
        assert_eq!(set("consumer.session.timeout.ms", "50000").map(|changes| changes.len()), Ok(1));
        for (name, value, message) in [
            ("consumer.session.timeout.ms", "1000", "must be greater than or equal to group.consumer.min.session.timeout.ms"),
            ("consumer.session.timeout.ms", "90000", "must be less than or equal to group.consumer.max.session.timeout.ms"),
            ("consumer.heartbeat.interval.ms", "x", "Not a number"),
            ("share.session.timeout.ms", "50000", "share groups are not supported yet"),
            ("streams.num.standby.replicas", "1", "streams groups are not supported yet"),
            ("unheard.of", "1", "Unknown group config name"),
        ] {
            let refused = set(name, value).unwrap_err();
            assert!(refused.contains(message), "{name}={value}: {refused}");
        }
    }

    #[test]
    fn every_default_is_valid_and_the_brokers_settings_are_synonyms() {
        for key in KEYS {
            assert!(key.default_value().is_some(), "{}", key.name);
            assert!(!matches!(key.standing, Standing::NoEffect(_)), "{}", key.name);
        }
        let broker = BrokerConfig::embedded().unwrap();
        let overrides = Overrides::from([(Text::from_static("consumer.session.timeout.ms"), Text::from_static("50000"))]);
        let all = describe_group(&broker, Dynamic::default(), &overrides, None);
        assert_eq!(all.len(), KEYS.len());
        let names = [Text::from_static("consumer.session.timeout.ms")];
        let one = describe_group(&broker, Dynamic::default(), &overrides, Some(&names));
        assert_eq!((one.len(), one[0].value.as_deref(), one[0].source), (1, Some("50000"), Source::Group));
        assert_eq!(one[0].synonyms.last().map(|synonym| synonym.name.as_str()), Some("group.consumer.session.timeout.ms"));
    }
}
