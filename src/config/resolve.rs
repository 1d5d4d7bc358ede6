//! Which of several settings counts, in the precedence that DynamicBrokerConfig documents.

use std::collections::BTreeMap;

use crate::types::Text;

use super::{
    Change, Key, Layers, Value, keys,
    keys::{Scale, Synonym},
};

/// The configs set on one resource in the metadata log: value by key.
pub type Overrides = BTreeMap<Text, Text>;

/// The dynamic broker configs of the cluster image; `None` is none at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dynamic<'a> {
    /// Those of this broker (resource name: its node id).
    pub broker: Option<&'a Overrides>,
    /// Those of all brokers (resource name: empty).
    pub cluster: Option<&'a Overrides>,
}

/// Where a value comes from, by the number of DescribeConfigs (ConfigSource).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum Source {
    /// Set on the topic.
    Topic = 1,
    /// Set on this broker at run time.
    DynamicBroker = 2,
    /// Set on all brokers at run time.
    DynamicDefaultBroker = 3,
    /// Set in the properties file or on the command line.
    StaticBroker = 4,
    /// Nowhere.
    Default = 5,
    /// Set on the group.
    Group = 8,
}

impl Source {
    /// The number on the wire.
    pub const fn id(self) -> i8 {
        self as i8
    }
}

/// One of the places where a broker value is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) name: &'static str,
    pub(super) scale: Scale,
    pub(super) source: Source,
    pub(super) text: &'a str,
}

impl Candidate<'_> {
    /// The value in the unit of the key that it is for.
    pub(super) fn value(&self) -> Option<Value> {
        match keys::broker(self.name)?.parse(self.text).ok()? {
            Value::Int(number) => Some(Value::Int(self.scale.apply(number))),
            value => Some(value),
        }
    }
}

/// All places where one of the broker keys `names` is set, the one that counts first (ConfigHelper.configSynonyms).
pub(super) fn candidates<'a>(layers: &'a Layers, dynamic: Dynamic<'a>, names: &[Synonym]) -> Vec<Candidate<'a>> {
    let mut found = Vec::new();
    for (overrides, source) in
        [(dynamic.broker, Source::DynamicBroker), (dynamic.cluster, Source::DynamicDefaultBroker)]
    {
        for synonym in names {
            let is_dynamic = keys::broker(synonym.name).is_some_and(|key| key.change == Change::Dynamic);
            if let Some(text) = overrides.and_then(|overrides| overrides.get(synonym.name)).filter(|_| is_dynamic) {
                found.push(Candidate { name: synonym.name, scale: synonym.scale, source, text: text.as_str() });
            }
        }
    }
    for synonym in names {
        if let Some(setting) = layers.get(synonym.name) {
            let (name, scale) = (synonym.name, synonym.scale);
            found.push(Candidate { name, scale, source: Source::StaticBroker, text: &setting.value });
        }
    }
    for synonym in names {
        if let Some(text) = keys::broker(synonym.name).and_then(|key| key.default) {
            found.push(Candidate { name: synonym.name, scale: synonym.scale, source: Source::Default, text });
        }
    }
    found
}

/// The value of a broker key that counts; `None` if it is unset and has no default. Values that do not parse, as
/// another broker may have stored them, are passed over.
pub(super) fn broker_value(layers: &Layers, dynamic: Dynamic<'_>, key: &Key) -> Option<Value> {
    let name = [Synonym { name: key.name, scale: Scale::Same }];
    candidates(layers, dynamic, &name).iter().find_map(Candidate::value)
}
