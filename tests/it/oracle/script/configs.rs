//! DescribeConfigs, IncrementalAlterConfigs and AlterConfigs.

use corelog::protocol::messages::{
    alter_configs, describe_configs,
    incremental_alter_configs::{AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse},
};
use describe_configs::{DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse};

use super::{Side, newest, some, text, versions};

/// Types of resources.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

pub(super) fn ask(side: &mut Side) {
    side.make_topic("configured", 1, &[("retention.ms", "1234567"), ("segment.bytes", "2097152")]);
    for version in versions::<DescribeConfigsRequest>() {
        describe(side, version);
    }
    for version in versions::<IncrementalAlterConfigsRequest>() {
        alter(side, version);
    }
    alter_badly(side);
    for version in versions::<alter_configs::AlterConfigsRequest>() {
        replace(side, version);
    }
}

fn resource(resource_type: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsResource {
    let configuration_keys = keys.map(|keys| keys.iter().map(|key| text(key)).collect());
    DescribeConfigsResource { resource_type, resource_name: text(name), configuration_keys }
}

fn describe(side: &mut Side, version: i16) {
    let mut ask = |what: &str, resources, synonyms, documentation| {
        let request = DescribeConfigsRequest { resources, include_synonyms: synonyms, include_documentation: documentation };
        side.ask::<_, DescribeConfigsResponse>(&format!("configs {what}"), &request, version);
    };
    ask("of a topic", vec![resource(TOPIC, "configured", None)], false, false);
    ask("of a topic with synonyms", vec![resource(TOPIC, "configured", None)], true, version >= 3);
    ask("by key", vec![resource(TOPIC, "configured", Some(&["retention.ms", "segment.bytes", "no.such.key"]))], true, false);
    ask("by no key", vec![resource(TOPIC, "configured", Some(&[]))], false, false);
    ask("of an unknown topic", vec![resource(TOPIC, "nowhere", None)], false, false);
    ask("of a bad name", vec![resource(TOPIC, "bad name", None)], false, false);
    ask("of an empty name", vec![resource(TOPIC, "", None)], false, false);
    ask("of one topic twice", vec![resource(TOPIC, "configured", Some(&["retention.ms"])), resource(TOPIC, "configured", Some(&["segment.bytes"]))], false, false);
    let keys = &["auto.create.topics.enable", "num.partitions", "message.max.bytes", "delete.topic.enable", "log.retention.hours", "node.id"];
    ask("of the broker", vec![resource(BROKER, "1", Some(keys))], true, false);
    ask("of all brokers", vec![resource(BROKER, "", Some(keys))], true, false);
    ask("of another broker", vec![resource(BROKER, "7", Some(keys))], false, false);
    ask("of a broker without a number", vec![resource(BROKER, "one", Some(keys))], false, false);
    for resource_type in [0, 1, 3, 99, -1] {
        ask(&format!("of resource type {resource_type}"), vec![resource(resource_type, "x", None)], false, false);
    }
    ask("of nothing", vec![], false, false);
}

fn change(key: &str, operation: i8, value: Option<&str>) -> AlterableConfig {
    AlterableConfig { name: text(key), config_operation: operation, value: value.and_then(some) }
}

/// Operations.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

fn altered(side: &mut Side, what: &str, name: &str, configs: Vec<AlterableConfig>, version: i16) {
    let resources = vec![AlterConfigsResource { resource_type: TOPIC, resource_name: text(name), configs }];
    let request = IncrementalAlterConfigsRequest { resources, validate_only: false };
    side.ask::<_, IncrementalAlterConfigsResponse>(&format!("alter: {what}"), &request, version);
    side.settle();
    let request = DescribeConfigsRequest { resources: vec![resource(TOPIC, "configured", None)], ..DescribeConfigsRequest::default() };
    side.ask::<_, DescribeConfigsResponse>(&format!("configs after alter: {what}"), &request, newest::<DescribeConfigsRequest>());
}

fn alter(side: &mut Side, version: i16) {
    let one = |key: &str, operation, value| vec![change(key, operation, value)];
    altered(side, "set", "configured", one("retention.ms", SET, Some("7654321")), version);
    altered(side, "delete", "configured", one("retention.ms", DELETE, None), version);
    altered(side, "delete what is not set", "configured", one("retention.ms", DELETE, None), version);
    altered(side, "set to the default", "configured", one("max.message.bytes", SET, Some("1048588")), version);
    altered(side, "several", "configured", vec![change("retention.bytes", SET, Some("99")), change("max.message.bytes", DELETE, None)], version);
    altered(side, "append to a list that has it", "configured", one("cleanup.policy", APPEND, Some("delete")), version);
    altered(side, "set to null", "configured", one("retention.bytes", SET, None), version);
    altered(side, "append to a number", "configured", one("retention.bytes", APPEND, Some("1")), version);
    altered(side, "subtract from a list that lacks it", "configured", one("cleanup.policy", SUBTRACT, Some("compact")), version);
    altered(side, "an unknown operation", "configured", one("retention.bytes", 9, Some("1")), version);
    altered(side, "an unknown key", "configured", one("no.such.key", SET, Some("1")), version);
    altered(side, "delete of an unknown key", "configured", one("no.such.key", DELETE, None), version);
    altered(side, "a bad value", "configured", one("retention.bytes", SET, Some("many")), version);
    altered(side, "a good and a bad value", "configured", vec![change("flush.ms", SET, Some("5000")), change("retention.ms", SET, Some("-9"))], version);
    altered(side, "one key twice", "configured", vec![change("flush.ms", SET, Some("1")), change("flush.ms", SET, Some("2"))], version);
    altered(side, "nothing", "configured", vec![], version);
    altered(side, "an unknown topic", "nowhere", one("retention.ms", SET, Some("1")), version);
    altered(side, "a bad name", "bad name", one("retention.ms", SET, Some("1")), version);
    let all = vec!["retention.ms", "retention.bytes", "max.message.bytes", "cleanup.policy", "flush.ms"];
    altered(side, "back to the start", "configured", all.into_iter().map(|key| change(key, DELETE, None)).collect(), version);
    altered(side, "with spaces", "configured", one("retention.ms", SET, Some(" 77 ")), version);
}

fn alter_badly(side: &mut Side) {
    let version = newest::<IncrementalAlterConfigsRequest>();
    let of = |resource_type, name: &str, key: &str, value: &str| AlterConfigsResource {
        resource_type,
        resource_name: text(name),
        configs: vec![change(key, SET, Some(value))],
    };
    let mut ask = |what: &str, resources, validate_only| {
        let request = IncrementalAlterConfigsRequest { resources, validate_only };
        side.ask::<_, IncrementalAlterConfigsResponse>(&format!("alter {what}"), &request, version);
    };
    ask("one topic twice", vec![of(TOPIC, "configured", "flush.ms", "1"), of(TOPIC, "configured", "flush.ms", "2")], false);
    ask("two topics", vec![of(TOPIC, "configured", "flush.ms", "1000"), of(TOPIC, "nowhere", "flush.ms", "2")], false);
    ask("to see whether it could", vec![of(TOPIC, "configured", "flush.ms", "2000"), of(TOPIC, "configured-not", "flush.ms", "2")], true);
    ask("to see whether it could not", vec![of(TOPIC, "configured", "flush.ms", "x")], true);
    ask("nothing at all", vec![], false);
    ask("a resource of type 99", vec![of(99, "configured", "flush.ms", "1")], false);
    ask("a resource of type 1", vec![of(1, "configured", "flush.ms", "1")], false);
    ask("a read-only key of the broker", vec![of(BROKER, "1", "node.id", "2")], false);
    ask("another broker", vec![of(BROKER, "7", "log.retention.ms", "100000")], false);
    ask("a broker without a number", vec![of(BROKER, "one", "log.retention.ms", "100000")], false);
    ask("an unknown key of the broker", vec![of(BROKER, "1", "no.such.key", "1")], false);
}

fn replace(side: &mut Side, version: i16) {
    let entry = |key: &str, value: Option<&str>| alter_configs::AlterableConfig { name: text(key), value: value.and_then(some) };
    for (what, name, configs) in [
        ("two keys", "configured", vec![entry("retention.ms", Some("42")), entry("flush.ms", Some("43"))]),
        ("one key", "configured", vec![entry("flush.ms", Some("44"))]),
        ("a bad value", "configured", vec![entry("flush.ms", Some("x")), entry("retention.ms", Some("1"))]),
        ("a null value", "configured", vec![entry("flush.ms", None)]),
        ("an unknown key", "configured", vec![entry("no.such.key", Some("1"))]),
        ("one key twice", "configured", vec![entry("flush.ms", Some("1")), entry("flush.ms", Some("2"))]),
        ("an unknown topic", "nowhere", vec![entry("flush.ms", Some("1"))]),
        ("nothing", "configured", vec![]),
    ] {
        for validate_only in [true, false] {
            let resources = vec![alter_configs::AlterConfigsResource { resource_type: TOPIC, resource_name: text(name), configs: configs.clone() }];
            let request = alter_configs::AlterConfigsRequest { resources, validate_only };
            side.ask::<_, alter_configs::AlterConfigsResponse>(&format!("replace by {what}, validate only {validate_only}"), &request, version);
            side.settle();
            let request = DescribeConfigsRequest { resources: vec![resource(TOPIC, "configured", None)], ..DescribeConfigsRequest::default() };
            side.ask::<_, DescribeConfigsResponse>(&format!("configs after replace by {what}, {validate_only}, v{version}"), &request, newest::<DescribeConfigsRequest>());
        }
    }
}
