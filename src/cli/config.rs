//! `corelog config`: what keys there are, what they mean, and whether a configuration is right.

use std::fmt::Write;

use super::{
    args::{ConfigCommand, Configuration},
    output,
    run::Failure,
};
use crate::config::{BrokerConfig, Change, Key, Layers, Notice, Standing, Valid, keys};

pub(super) fn run(command: &ConfigCommand) -> Result<(), Failure> {
    let text = match command {
        ConfigCommand::Explain { key } => explain(key)?,
        ConfigCommand::List => list(),
        ConfigCommand::Validate(configuration) => {
            let (config, notices) = load(configuration)?;
            let mut text = String::new();
            for Notice { key, text: notice } in &notices {
                put(&mut text, format_args!("note: {key} {notice}"));
            }
            put(&mut text, format_args!("valid: node {}, {} keys set", config.node_id, config.layers().iter().count()));
            text
        }
    };
    output::answer(&text).map_err(|error| Failure::Failed(format!("standard output: {error}")))
}

/// The configuration of a file and overrides, read before any thread is started.
pub(super) fn load(configuration: &Configuration) -> Result<(BrokerConfig, Vec<Notice>), Failure> {
    let mut layers = Layers::new();
    if let Some(path) = &configuration.file {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| Failure::Usage(format!("{shown}: {error}")))?;
        layers.add_file(&shown, &text);
    }
    for assignment in &configuration.overrides {
        layers.add_override(assignment);
    }
    BrokerConfig::from_layers(layers).map_err(|error| {
        let problems: Vec<_> = error.problems.iter().map(|problem| format!("\n  {problem}")).collect();
        Failure::Usage(format!("the configuration cannot be used:{}", problems.concat()))
    })
}

fn explain(name: &str) -> Result<String, Failure> {
    let mut text = String::new();
    if let Some(key) = keys::broker(name) {
        describe(&mut text, key, "broker config");
        let change = match key.change {
            Change::ReadOnly => "only in the properties file or by --override; takes effect at the next start",
            Change::Dynamic => "at any time, also through kafka-configs --alter --entity-type brokers",
        };
        put(&mut text, format_args!("  set:      {change}"));
    }
    if let Some(row) = keys::topic(name) {
        describe(&mut text, &row.key, "topic config");
        let names: Vec<_> = row.synonyms.iter().map(|synonym| synonym.name).collect();
        if !names.is_empty() {
            put(&mut text, format_args!("  default of all topics: {}", names.join(", then ")));
        }
    }
    if !text.is_empty() {
        return Ok(text);
    }
    if let Some(reason) = keys::gone(name) {
        return Err(Failure::Failed(format!("{name}: {reason}")));
    }
    let nearest = keys::nearest_broker(name).or_else(|| keys::nearest_topic(name));
    let hint = nearest.map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"));
    Err(Failure::Failed(format!("{name} is no key{hint}")))
}

fn describe(text: &mut String, key: &Key, what: &str) {
    put(text, format_args!("{} ({what})", key.name));
    put(text, format_args!("  {}", key.doc));
    put(text, format_args!("  type:     {}", key.kind.name()));
    put(text, format_args!("  default:  {}", shown(key)));
    if key.valid != Valid::Any {
        put(text, format_args!("  valid:    {}", key.valid.allowed()));
    }
    match key.standing {
        Standing::Honoured => put(text, format_args!("  standing: honoured")),
        Standing::NoEffect(reason) => put(text, format_args!("  standing: no effect; {reason}")),
        Standing::Refused { also: &[], reason } => {
            put(text, format_args!("  standing: only the default is taken; {reason}"));
        }
        Standing::Refused { also, reason } => {
            let also: Vec<_> = also.iter().map(|value| if value.is_empty() { "(empty)" } else { value }).collect();
            put(text, format_args!("  standing: only the default and {} are taken; {reason}", also.join(", ")));
        }
    }
}

fn list() -> String {
    let mut text = String::new();
    let mut broker: Vec<_> = keys::all_broker().collect();
    broker.sort_by_key(|key| key.name);
    put(&mut text, format_args!("broker configs"));
    rows(&mut text, broker.into_iter());
    put(&mut text, format_args!("\ntopic configs"));
    rows(&mut text, keys::TOPIC.iter().map(|row| &row.key));
    text
}

fn rows<'a>(text: &mut String, keys: impl Iterator<Item = &'a Key>) {
    for key in keys {
        let standing = match key.standing {
            Standing::Honoured => "honoured",
            Standing::NoEffect(_) => "no effect",
            Standing::Refused { .. } => "default only",
        };
        put(text, format_args!("  {:<55} {:<8} {standing:<12} {}", key.name, key.kind.name(), shown(key)));
    }
}

fn shown(key: &Key) -> &str {
    match key.default {
        None => "(unset)",
        Some("") => "(empty)",
        Some(default) => default,
    }
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _infallible = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_explained_and_listed() {
        let list = list();
        for key in keys::all_broker().chain(keys::TOPIC.iter().map(|row| &row.key)) {
            assert!(explain(key.name).unwrap().contains(key.doc), "{}", key.name);
            assert!(list.contains(&format!("  {} ", key.name)), "{}", key.name);
        }
        let both = explain("compression.type").unwrap();
        assert!(both.contains("(broker config)") && both.contains("(topic config)"));
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest() {
        match explain("log.retention.hour") {
            Err(Failure::Failed(text)) => assert!(text.ends_with("did you mean log.retention.hours?"), "{text}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_missing_file_and_wrong_values_are_usage_errors() {
        let missing = Configuration { file: Some("/nonexistent/server.properties".into()), overrides: Vec::new() };
        assert!(matches!(load(&missing), Err(Failure::Usage(text)) if text.contains("/nonexistent")));
        let wrong = Configuration { file: None, overrides: vec!["num.partitions=x".into(), "y".into()] };
        match load(&wrong) {
            Err(Failure::Usage(text)) => assert_eq!(text.lines().count(), 3, "{text}"),
            other => panic!("{other:?}"),
        }
    }
}
