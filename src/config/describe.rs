//! What DescribeConfigs tells (ConfigHelper.scala): every config with its value, where that comes from, and its synonyms.
//!
//! One difference: where an explicitly set synonym of another name decides (`log.retention.hours` for `retention.ms`),
//! Kafka reports the source as default and leaves the synonym out; here it is told.

use crate::types::Text;

use super::{
    BrokerConfig, Change, Dynamic, Key, Kind, Overrides, Source, Value, keys,
    keys::{Scale, Synonym as Name},
    resolve::{self, Candidate},
    topic,
};

/// One config of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: Text,
    /// The value that counts; absent if unset or sensitive.
    pub value: Option<Text>,
    /// Where that value comes from.
    pub source: Source,
    /// True if it cannot be changed while the broker runs.
    pub read_only: bool,
    /// True for passwords.
    pub is_sensitive: bool,
    /// Every place where it is set, the one that counts first.
    pub synonyms: Vec<Synonym>,
    /// Its type; unknown keys, which a newer broker may have stored, count as text.
    pub kind: Kind,
    /// What it means.
    pub doc: &'static str,
}

/// One place where a config is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// Name of the key there.
    pub name: Text,
    /// Its value there; absent if sensitive.
    pub value: Option<Text>,
    /// Which place.
    pub source: Source,
}

/// The configs of a topic, by name; all of them, or those that `names` asks for.
pub fn describe_topic(
    broker: &BrokerConfig,
    dynamic: Dynamic<'_>,
    overrides: &Overrides,
    names: Option<&[Text]>,
) -> Vec<Described> {
    let known = keys::TOPIC.iter().filter(|row| is_asked(names, row.key.name));
    let mut found: Vec<_> = known
        .map(|row| {
            let key = &row.key;
            let own = overrides.get(key.name).and_then(|text| key.parse(text).ok());
            let value = own.clone().or_else(|| topic::default_of(broker, dynamic, row));
            let mut synonyms = Vec::new();
            if let Some(own) = &own {
                let value = Some(Text::from(own.to_string()));
                synonyms.push(Synonym { name: Text::from_static(key.name), value, source: Source::Topic });
            }
            let primary = row.synonyms.first().map_or("", |name| name.name);
            let candidates = resolve::candidates(broker.layers(), dynamic, row.synonyms);
            let is_mere_default = |one: &Candidate<'_>| one.name != primary && one.source == Source::Default;
            synonyms.extend(synonyms_of(&candidates, is_mere_default, false));
            entry(key, value, synonyms, false)
        })
        .collect();
    found.extend(overrides.iter().filter(|(name, _)| keys::topic(name).is_none() && is_asked(names, name)).map(
        |(name, text)| {
            let here = Synonym { name: name.clone(), value: Some(text.clone()), source: Source::Topic };
            unknown(name, text, Source::Topic, vec![here])
        },
    ));
    found.sort_by(|left, right| left.name.cmp(&right.name));
    found
}

/// The configs of this broker, by name; all of them but Kafka's internal ones that are unset, or those that `names`
/// asks for.
pub fn describe_broker(broker: &BrokerConfig, dynamic: Dynamic<'_>, names: Option<&[Text]>) -> Vec<Described> {
    let layers = broker.layers();
    let is_shown = |key: &&Key| !keys::is_internal(key.name) || layers.get(key.name).is_some();
    let mut found: Vec<_> = keys::all_broker()
        .filter(is_shown)
        .filter(|key| is_asked(names, key.name))
        .map(|key| {
            let alone = [Name { name: key.name, scale: Scale::Same }];
            let names = names_of(key.name).unwrap_or(&alone);
            let candidates = resolve::candidates(layers, dynamic, names);
            let synonyms = synonyms_of(&candidates, |one| one.name != key.name, key.is_sensitive());
            let value = resolve::broker_value(layers, dynamic, key);
            entry(key, value, synonyms, key.change == Change::ReadOnly)
        })
        .collect();
    found.sort_by(|left, right| left.name.cmp(&right.name));
    found
}

/// The dynamic configs of all brokers (the resource with the empty name): only what is set there.
pub fn describe_cluster_default(cluster: &Overrides, names: Option<&[Text]>) -> Vec<Described> {
    let source = Source::DynamicDefaultBroker;
    let asked = cluster.iter().filter(|(name, _)| is_asked(names, name));
    asked
        .map(|(name, text)| {
            let Some(key) = keys::broker(name) else {
                let here = Synonym { name: name.clone(), value: Some(text.clone()), source };
                return unknown(name, text, source, vec![here]);
            };
            let value = (!key.is_sensitive()).then(|| text.clone());
            let synonyms = vec![Synonym { name: name.clone(), value, source }];
            let value = key.parse(text).ok().or_else(|| Some(Value::Text(text.to_string())));
            entry(key, value, synonyms, key.change == Change::ReadOnly)
        })
        .collect()
}

fn is_asked(names: Option<&[Text]>, name: &str) -> bool {
    // An empty list means all, as does its absence.
    names.is_none_or(|names| names.is_empty() || names.iter().any(|asked| asked == name))
}

/// The broker keys that say the same as `name` in other units, itself included, if there are any
/// (DynamicBrokerConfig.brokerConfigSynonyms).
fn names_of(name: &str) -> Option<&'static [Name]> {
    keys::TOPIC.iter().map(|row| row.synonyms).find(|names| names.iter().any(|known| known.name == name))
}

/// The candidates as synonyms, without the leading ones that `is_dropped` (of other names, in some way).
fn synonyms_of(
    candidates: &[Candidate<'_>],
    is_dropped: impl Fn(&Candidate<'_>) -> bool,
    is_sensitive: bool,
) -> Vec<Synonym> {
    candidates
        .iter()
        .skip_while(|candidate| is_dropped(candidate))
        .map(|candidate| Synonym {
            name: Text::from_static(candidate.name),
            value: (!is_sensitive).then(|| Text::from(candidate.text)),
            source: candidate.source,
        })
        .collect()
}

fn entry(key: &Key, value: Option<Value>, synonyms: Vec<Synonym>, read_only: bool) -> Described {
    let is_sensitive = key.is_sensitive();
    Described {
        name: Text::from_static(key.name),
        value: value.filter(|_| !is_sensitive).map(|value| Text::from(value.to_string())),
        source: synonyms.first().map_or(Source::Default, |first| first.source),
        read_only,
        is_sensitive,
        synonyms,
        kind: key.kind,
        doc: key.doc,
    }
}

fn unknown(name: &Text, text: &Text, source: Source, synonyms: Vec<Synonym>) -> Described {
    Described {
        name: name.clone(),
        value: Some(text.clone()),
        source,
        read_only: false,
        is_sensitive: false,
        synonyms,
        kind: Kind::Text,
        doc: "",
    }
}
