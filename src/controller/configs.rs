//! IncrementalAlterConfigs and AlterConfigs (ConfigAdminManager.scala, ConfigurationControlManager.java).
//!
//! Pure; what a key may be is decided by `config/`. Configs of topics, brokers and groups are changed. Those of
//! client metrics subscriptions, which nothing acts on yet, are kept from what Kafka wrote, may be deleted, and are refused
//! otherwise. Log levels (BROKER_LOGGER) are no metadata and are refused here.

use std::collections::BTreeMap;

use super::decision::{Decision, NO_CONFIGS, Refusal, View, check_name};
use crate::{
    config::{AlterOp, Alteration, ConfigChange, Overrides, alter_broker, alter_group, alter_topic, replace_broker, replace_group, replace_topic},
    metadata::{
        image::{ConfigResource, ResourceType, config_record},
        records::{ClearElrRecord, MetadataRecord},
    },
    protocol::messages::{
        alter_configs::{self, AlterConfigsRequest, AlterConfigsResponse},
        incremental_alter_configs::{self, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse},
    },
    types::{ErrorCode, Text},
};

/// A config that decides who is an eligible leader.
const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// What a request wants of one resource.
enum Wish<'a> {
    /// Steps.
    Alter(&'a [incremental_alter_configs::AlterableConfig]),
    /// All configs anew.
    Replace(&'a [alter_configs::AlterableConfig]),
}

/// Decides an IncrementalAlterConfigs request.
pub(super) fn alter(view: View<'_>, request: &IncrementalAlterConfigsRequest) -> Decision<IncrementalAlterConfigsResponse> {
    let wishes = request.resources.iter();
    let wishes = wishes.map(|resource| (resource.resource_type, &resource.resource_name, Wish::Alter(&resource.configs)));
    let (records, answers) = decide(view, wishes.collect());
    let responses = answers.into_iter().map(|(resource_type, resource_name, error_code, error_message)| {
        incremental_alter_configs::AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
    });
    let answer = IncrementalAlterConfigsResponse { throttle_time_ms: 0, responses: responses.collect() };
    Decision { records: if request.validate_only { Vec::new() } else { records }, answer }
}

/// Decides an AlterConfigs request.
pub(super) fn replace(view: View<'_>, request: &AlterConfigsRequest) -> Decision<AlterConfigsResponse> {
    let wishes = request.resources.iter();
    let wishes = wishes.map(|resource| (resource.resource_type, &resource.resource_name, Wish::Replace(&resource.configs)));
    let (records, answers) = decide(view, wishes.collect());
    let responses = answers.into_iter().map(|(resource_type, resource_name, error_code, error_message)| {
        alter_configs::AlterConfigsResourceResponse { error_code, error_message, resource_type, resource_name }
    });
    let answer = AlterConfigsResponse { throttle_time_ms: 0, responses: responses.collect() };
    Decision { records: if request.validate_only { Vec::new() } else { records }, answer }
}

/// Resource type, resource name, error code, error message.
type Answer = (i8, Text, i16, Option<Text>);

/// Decides about each resource by itself: one that is refused does not keep the others from changing.
fn decide(view: View<'_>, wishes: Vec<(i8, &Text, Wish<'_>)>) -> (Vec<MetadataRecord>, Vec<Answer>) {
    let mut times: BTreeMap<(i8, &Text), usize> = BTreeMap::new();
    for (resource_type, name, _) in &wishes {
        *times.entry((*resource_type, *name)).or_default() += 1;
    }
    let mut records = Vec::new();
    let mut answers = Vec::with_capacity(wishes.len());
    for (resource_type, name, wish) in wishes {
        let result = if times.get(&(resource_type, name)).is_some_and(|times| *times > 1) {
            Err(Refusal::new(ErrorCode::InvalidRequest, "Each resource must appear at most once."))
        } else {
            let resource = ConfigResource { resource_type: ResourceType(resource_type), name: name.detached() };
            changes(view, &resource, &wish).map(|changes| records.extend(records_of(view, &resource, changes)))
        };
        let (error_code, error_message) = Refusal::fields(result);
        answers.push((resource_type, name.clone(), error_code, error_message));
    }
    (records, answers)
}

fn changes(view: View<'_>, resource: &ConfigResource, wish: &Wish<'_>) -> Result<Vec<ConfigChange>, Refusal> {
    let current = view.configs(resource.resource_type, &resource.name).unwrap_or(&NO_CONFIGS);
    match (resource.resource_type, wish) {
        (ResourceType::TOPIC, _) => topic_changes(view, &resource.name, current, wish),
        (ResourceType::BROKER, _) => broker_changes(view, &resource.name, current, wish),
        (ResourceType::GROUP, _) => group_changes(view, &resource.name, current, wish),
        (ResourceType::CLIENT_METRICS, _) => carried_changes("client metrics", current, wish),
        (ResourceType::BROKER_LOGGER, Wish::Alter(_)) => {
            Err(Refusal::new(ErrorCode::InvalidRequest, "Log levels cannot be changed at run time; set them at the start."))
        }
        (ResourceType(other), _) => Err(Refusal::new(ErrorCode::InvalidRequest, format!("Unknown resource type {other}"))),
    }
}

fn topic_changes(view: View<'_>, name: &Text, current: &Overrides, wish: &Wish<'_>) -> Result<Vec<ConfigChange>, Refusal> {
    if name.is_empty() {
        return Err(Refusal::new(ErrorCode::InvalidRequest, "Default topic resources are not allowed."));
    }
    check_name(name)?;
    let changes = match wish {
        Wish::Alter(configs) => alter_topic(view.config, view.dynamic(), current, &alterations(configs)?),
        Wish::Replace(configs) => replace_topic(view.config, view.dynamic(), current, &pairs(configs)),
    }?;
    // Kafka looks at the configs first.
    if !view.image.topic_ids.contains_key(name) {
        return Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, format!("The topic '{name}' does not exist.")));
    }
    Ok(changes)
}

fn broker_changes(view: View<'_>, name: &Text, current: &Overrides, wish: &Wish<'_>) -> Result<Vec<ConfigChange>, Refusal> {
    if !name.is_empty() {
        let refuse = |message: String| Err(Refusal::new(ErrorCode::InvalidRequest, message));
        match name.parse::<i32>() {
            Err(_) => return refuse(format!("Node id must be an integer, but it is: {name}")),
            Ok(id) if id != view.node.get() => {
                return refuse(format!("Unexpected broker id, expected {}, but received {name}", view.node));
            }
            Ok(_) => {}
        }
    }
    let changes = match wish {
        Wish::Alter(configs) => alter_broker(current, &alterations(configs)?),
        Wish::Replace(configs) => replace_broker(current, &pairs(configs)),
    }?;
    let of_one_broker = !name.is_empty() && view.image.keeps_eligible_leaders();
    if of_one_broker && changes.iter().any(|change| change.name == MIN_INSYNC_REPLICAS) {
        let message = "Broker-level min.insync.replicas cannot be altered while ELR is enabled.";
        return Err(Refusal::new(ErrorCode::InvalidConfig, message));
    }
    Ok(changes)
}

fn group_changes(view: View<'_>, name: &Text, current: &Overrides, wish: &Wish<'_>) -> Result<Vec<ConfigChange>, Refusal> {
    if name.is_empty() {
        return Err(Refusal::new(ErrorCode::InvalidRequest, "Default group resources are not allowed."));
    }
    let changes = match wish {
        Wish::Alter(configs) => alter_group(view.config, current, &alterations(configs)?),
        Wish::Replace(configs) => replace_group(view.config, current, &pairs(configs)),
    }?;
    Ok(changes)
}

/// Configs of a kind that is kept but not acted on: they may go, none may come.
fn carried_changes(kind: &str, current: &Overrides, wish: &Wish<'_>) -> Result<Vec<ConfigChange>, Refusal> {
    let gone = |name: &Text| ConfigChange { name: name.detached(), value: None };
    match wish {
        Wish::Alter(configs) if configs.iter().all(|config| config.config_operation == AlterOp::Delete as i8) => {
            Ok(configs.iter().filter(|config| current.contains_key(&config.name)).map(|config| gone(&config.name)).collect())
        }
        Wish::Replace([]) => Ok(current.keys().map(gone).collect()),
        _ => Err(Refusal::new(ErrorCode::InvalidRequest, format!("Configs of kind {kind} are not supported by this version."))),
    }
}

fn alterations(configs: &[incremental_alter_configs::AlterableConfig]) -> Result<Vec<Alteration>, Refusal> {
    let alterations = configs.iter().map(|config| {
        let op = AlterOp::from_id(config.config_operation).ok_or_else(|| {
            let message = format!("Unknown operations type {}", config.config_operation);
            Refusal::new(ErrorCode::InvalidRequest, message)
        })?;
        Ok(Alteration { name: config.name.clone(), op, value: config.value.clone() })
    });
    alterations.collect()
}

fn pairs(configs: &[alter_configs::AlterableConfig]) -> Vec<(Text, Option<Text>)> {
    configs.iter().map(|config| (config.name.clone(), config.value.clone())).collect()
}

fn records_of(view: View<'_>, resource: &ConfigResource, changes: Vec<ConfigChange>) -> Vec<MetadataRecord> {
    let mut records = Vec::with_capacity(changes.len());
    for ConfigChange { name, value } in changes {
        // With another minimum, who was eligible before need not be any more.
        if name == MIN_INSYNC_REPLICAS && view.image.keeps_eligible_leaders() {
            let topic_name = if resource.resource_type == ResourceType::TOPIC { resource.name.clone() } else { Text::default() };
            records.push(MetadataRecord::ClearElr(ClearElrRecord { topic_name }));
        }
        records.push(config_record(resource, name, value));
    }
    records
}
