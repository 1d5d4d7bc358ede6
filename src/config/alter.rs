//! Whether configs may be changed, and into what (ConfigurationControlManager, ConfigAdminManager, LogConfig.validate).
//!
//! Pure decisions over what is set now; the caller writes the changes into the metadata log.

use std::collections::BTreeSet;

use crate::types::{ErrorCode, Text};

use super::{BrokerConfig, Change, Dynamic, Key, Kind, Overrides, TopicConfig, broker, keys};

/// What to do with one key (AlterConfigOp.OpType).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum AlterOp {
    /// Set it.
    Set = 0,
    /// Fall back to the default.
    Delete = 1,
    /// Add to a list.
    Append = 2,
    /// Remove from a list.
    Subtract = 3,
}

impl AlterOp {
    /// The operation of a number on the wire; `None` where Kafka defines none.
    pub fn from_id(id: i8) -> Option<Self> {
        [Self::Set, Self::Delete, Self::Append, Self::Subtract].into_iter().find(|op| *op as i8 == id)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Set => "SET",
            Self::Delete => "DELETE",
            Self::Append => "APPEND",
            Self::Subtract => "SUBTRACT",
        }
    }
}

/// One step of IncrementalAlterConfigs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alteration {
    /// The key.
    pub name: Text,
    /// What to do with it.
    pub op: AlterOp,
    /// The value, or the entries to add or remove; absent for `Delete`.
    pub value: Option<Text>,
}

/// A change for the metadata log (ConfigRecord): a new value, or none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigChange {
    /// The key.
    pub name: Text,
    /// Its new value; `None` removes it.
    pub value: Option<Text>,
}

/// Why nothing is changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ConfigRefusal {
    /// Kafka's code.
    pub code: ErrorCode,
    /// For `ErrorMessage`.
    pub message: String,
}

impl ConfigRefusal {
    pub(super) fn config(message: impl Into<String>) -> Self {
        Self { code: ErrorCode::InvalidConfig, message: message.into() }
    }

    fn request(message: impl Into<String>) -> Self {
        Self { code: ErrorCode::InvalidRequest, message: message.into() }
    }
}

/// IncrementalAlterConfigs of a topic that has `current` set.
///
/// # Errors
/// INVALID_REQUEST for duplicate keys and missing values, INVALID_CONFIG for all else.
pub fn alter_topic(
    broker: &BrokerConfig,
    dynamic: Dynamic<'_>,
    current: &Overrides,
    alterations: &[Alteration],
) -> Result<Vec<ConfigChange>, ConfigRefusal> {
    let changes = plan(current, alterations, |name| keys::topic(name).map(|row| &row.key))?;
    check_topic(broker, dynamic, current, &changes)?;
    Ok(changes)
}

/// AlterConfigs of a topic: `configs` replaces everything that is set in `current`.
///
/// # Errors
/// As [`alter_topic`].
pub fn replace_topic(
    broker: &BrokerConfig,
    dynamic: Dynamic<'_>,
    current: &Overrides,
    configs: &[(Text, Option<Text>)],
) -> Result<Vec<ConfigChange>, ConfigRefusal> {
    let changes = plan_replacement(current, configs)?;
    check_topic(broker, dynamic, current, &changes)?;
    Ok(changes)
}

/// The configs of a topic that is about to be created (CreateTopics).
///
/// # Errors
/// INVALID_CONFIG.
pub fn check_new_topic(
    broker: &BrokerConfig,
    dynamic: Dynamic<'_>,
    configs: &[(Text, Option<Text>)],
) -> Result<Overrides, ConfigRefusal> {
    let mut changes = Vec::with_capacity(configs.len());
    for (name, value) in configs {
        let Some(value) = value else {
            return Err(ConfigRefusal::config(format!("Null value not supported for topic configs: {name}")));
        };
        changes.push(ConfigChange { name: name.detached(), value: Some(value.detached()) });
    }
    let none = Overrides::new();
    check_topic(broker, dynamic, &none, &changes)?;
    Ok(applied(&none, &changes))
}

/// The configs of one of the broker's own topics, which the broker is about to create: valid values suffice, also those
/// that clients may not set (`cleanup.policy=compact`).
///
/// # Errors
/// INVALID_CONFIG.
pub fn check_new_internal_topic(configs: &[(Text, Option<Text>)]) -> Result<Overrides, ConfigRefusal> {
    let mut overrides = Overrides::new();
    for (name, value) in configs {
        let (Some(row), Some(value)) = (keys::topic(name), value) else {
            return Err(ConfigRefusal::config(unknown_topic(name)));
        };
        row.key.parse(value).map_err(|why| ConfigRefusal::config(invalid(name, value, &why)))?;
        overrides.insert(name.detached(), value.detached());
    }
    Ok(overrides)
}

/// IncrementalAlterConfigs of this broker or of all brokers, whichever has `current` set.
///
/// # Errors
/// INVALID_REQUEST, which Kafka answers here for wrong values too (KAFKA-13609), or INVALID_CONFIG for list operations
/// on what is no list.
pub fn alter_broker(current: &Overrides, alterations: &[Alteration]) -> Result<Vec<ConfigChange>, ConfigRefusal> {
    let changes = plan(current, alterations, keys::broker)?;
    check_broker(&changes)?;
    Ok(changes)
}

/// AlterConfigs of this broker or of all brokers: `configs` replaces everything that is set in `current`.
///
/// # Errors
/// As [`alter_broker`].
pub fn replace_broker(
    current: &Overrides,
    configs: &[(Text, Option<Text>)],
) -> Result<Vec<ConfigChange>, ConfigRefusal> {
    let changes = plan_replacement(current, configs)?;
    check_broker(&changes)?;
    Ok(changes)
}

/// What the operations make of the values; unchanged values are left out.
pub(super) fn plan(
    current: &Overrides,
    alterations: &[Alteration],
    key_of: impl Fn(&str) -> Option<&'static Key>,
) -> Result<Vec<ConfigChange>, ConfigRefusal> {
    check_names(alterations.iter().map(|alteration| &alteration.name))?;
    let missing = |alteration: &&Alteration| alteration.op != AlterOp::Delete && alteration.value.is_none();
    check_values(alterations.iter().filter(missing).map(|alteration| &alteration.name))?;
    let mut changes = Vec::with_capacity(alterations.len());
    for Alteration { name, op, value } in alterations {
        let old = current.get(name);
        let new = match op {
            AlterOp::Set => value.as_ref().map(Text::detached),
            AlterOp::Delete => None,
            AlterOp::Append | AlterOp::Subtract => {
                let key = key_of(name).filter(|key| key.kind == Kind::List).ok_or_else(|| {
                    let op = op.name();
                    ConfigRefusal::config(format!("Can't {op} to key {name} because its type is not LIST."))
                })?;
                let old = old.map_or(key.default.unwrap_or_default(), |text| text.as_str());
                Some(edited_list(old, value.as_deref().unwrap_or_default(), *op))
            }
        };
        if new.as_ref() != old {
            changes.push(ConfigChange { name: name.detached(), value: new });
        }
    }
    Ok(changes)
}

fn edited_list(old: &str, entries: &str, op: AlterOp) -> Text {
    let split = |text: &str| -> Vec<String> {
        text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
    };
    let mut list = split(old);
    for entry in split(entries) {
        let known = list.iter().position(|known| *known == entry);
        match (op, known) {
            (AlterOp::Append, None) => list.push(entry),
            (AlterOp::Subtract, Some(at)) => {
                list.remove(at);
            }
            _ => {}
        }
    }
    Text::from(list.join(","))
}

pub(super) fn plan_replacement(current: &Overrides, configs: &[(Text, Option<Text>)]) -> Result<Vec<ConfigChange>, ConfigRefusal> {
    check_names(configs.iter().map(|(name, _)| name))?;
    check_values(configs.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name))?;
    let set = configs
        .iter()
        .filter(|(name, value)| current.get(name) != value.as_ref())
        .map(|(name, value)| ConfigChange { name: name.detached(), value: value.as_ref().map(Text::detached) });
    let kept: BTreeSet<_> = configs.iter().map(|(name, _)| name).collect();
    let removed =
        current.keys().filter(|name| !kept.contains(name)).map(|name| ConfigChange { name: name.clone(), value: None });
    Ok(set.chain(removed).collect())
}

fn check_names<'a>(names: impl Iterator<Item = &'a Text>) -> Result<(), ConfigRefusal> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(ConfigRefusal::request("Error due to duplicate config keys"));
        }
    }
    Ok(())
}

fn check_values<'a>(missing: impl Iterator<Item = &'a Text>) -> Result<(), ConfigRefusal> {
    let missing: Vec<_> = missing.map(Text::as_str).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(ConfigRefusal::request(format!("Null value not supported for : {}", missing.join(", "))))
}

/// Every changed key must be known, valid and supported, and all configs together consistent. What was stored before,
/// perhaps by another broker, stays as it is.
fn check_topic(
    broker: &BrokerConfig,
    dynamic: Dynamic<'_>,
    current: &Overrides,
    changes: &[ConfigChange],
) -> Result<(), ConfigRefusal> {
    for ConfigChange { name, value } in changes {
        let Some(value) = value else { continue };
        let Some(row) = keys::topic(name) else {
            return Err(ConfigRefusal::config(unknown_topic(name)));
        };
        row.key.accept(value).map_err(|why| ConfigRefusal::config(invalid(name, value, &why)))?;
    }
    let whole = applied(current, changes);
    TopicConfig::resolve(broker, dynamic, &whole).check().map_err(ConfigRefusal::config)
}

fn check_broker(changes: &[ConfigChange]) -> Result<(), ConfigRefusal> {
    for ConfigChange { name, value } in changes {
        let Some(value) = value else { continue };
        let Some(key) = keys::broker(name) else {
            let nearest = keys::nearest_broker(name).map_or_else(String::new, |key| format!("; did you mean {key}?"));
            return Err(ConfigRefusal::request(format!("Unknown broker config name: {name}{nearest}")));
        };
        if key.change == Change::ReadOnly {
            return Err(ConfigRefusal::request(format!("Cannot update these configs dynamically: [{name}]")));
        }
        key.accept(value)
            .and_then(|value| broker::check_dynamic(name, &value))
            .map_err(|why| ConfigRefusal::request(invalid(name, value, &why)))?;
    }
    Ok(())
}

pub(super) fn applied(current: &Overrides, changes: &[ConfigChange]) -> Overrides {
    let mut whole = current.clone();
    for ConfigChange { name, value } in changes {
        match value {
            Some(value) => whole.insert(name.clone(), value.clone()),
            None => whole.remove(name),
        };
    }
    whole
}

pub(super) fn invalid(name: &str, value: &str, why: &str) -> String {
    format!("Invalid value {value} for configuration {name}: {why}")
}

fn unknown_topic(name: &str) -> String {
    if let Some(reason) = keys::gone(name) {
        return format!("Unknown topic config name: {name}; {reason}");
    }
    match keys::nearest_topic(name) {
        Some(nearest) => format!("Unknown topic config name: {name}; did you mean {nearest}?"),
        None => format!("Unknown topic config name: {name}"),
    }
}
