//! What may be set, what it means, and what is told about it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::types::{ErrorCode, NodeId, Text, limits};

use super::{
    topic::{AcksAll, CleanupPolicy, Compression, TimestampType},
    *,
};

/// The file that Kafka 4.3 ships as config/server.properties, without its comments.
const STOCK: &str = "\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
";

fn load(text: &str) -> Result<(BrokerConfig, Vec<Notice>), ConfigError> {
    let mut layers = Layers::new();
    layers.add_file("server.properties", text);
    BrokerConfig::from_layers(layers)
}

fn broker(text: &str) -> BrokerConfig {
    load(text).unwrap().0
}

fn problems(text: &str) -> Vec<String> {
    load(text).unwrap_err().problems.iter().map(ToString::to_string).collect()
}

fn map(pairs: &[(&str, &str)]) -> Overrides {
    pairs.iter().map(|(name, value)| (Text::from(*name), Text::from(*value))).collect()
}

fn alteration(name: &str, op: AlterOp, value: Option<&str>) -> Alteration {
    Alteration { name: Text::from(name), op, value: value.map(Text::from) }
}

#[test]
fn every_row_of_the_tables_is_sound() {
    let mut names = BTreeSet::new();
    for key in keys::all_broker() {
        assert!(names.insert(key.name), "{} stands twice", key.name);
        check_row(key);
    }
    let mut topic_names = BTreeSet::new();
    for row in keys::TOPIC {
        assert!(topic_names.insert(row.key.name), "{} stands twice", row.key.name);
        check_row(&row.key);
        for synonym in row.synonyms {
            let key = keys::broker(synonym.name).unwrap_or_else(|| panic!("{} is no broker key", synonym.name));
            assert!(matches!(key.kind, Kind::Int | Kind::Long) || key.kind == row.key.kind, "{}", synonym.name);
        }
        let mut config = TopicConfig::default();
        let value = row.key.default_value().unwrap();
        assert!(config.set(row.key.name, &value), "{} has no field", row.key.name);
    }
}

fn check_row(key: &Key) {
    if let Some(default) = key.default {
        assert!(key.accept(default).is_ok(), "the default of {} is not accepted", key.name);
        assert_eq!(key.default_value().unwrap().to_string(), default, "{} is not in its printed form", key.name);
    }
    assert!(key.doc.ends_with('.'), "{}", key.name);
    if let Standing::Refused { also, .. } = key.standing {
        assert!(also.iter().all(|value| key.accept(value).is_ok()), "{}", key.name);
    }
}

#[test]
fn our_defaults_are_the_limits() {
    let config = BrokerConfig::embedded().unwrap();
    assert_eq!(config.socket_request_max_bytes, limits::FRAME_BYTES_MAX);
    assert_eq!(config.connection_inflight_max, limits::CONNECTION_INFLIGHT_MAX);
    assert_eq!(config.connection_inflight_bytes, limits::CONNECTION_INFLIGHT_BYTES);
    assert_eq!(config.connections_max_idle_ms, Some(limits::CONNECTION_IDLE_MS));
    assert_eq!(config.frame_deadline_ms, limits::FRAME_DEADLINE_MS);
    assert_eq!(config.response_deadline_ms, limits::RESPONSE_DEADLINE_MS);
    assert_eq!(config.memory_requests_bytes, limits::SHARD_REQUEST_BYTES);
    assert_eq!(config.memory_cache_bytes, limits::SHARD_CACHE_BYTES);
    assert_eq!(config.fetch_max_bytes, limits::FETCH_BYTES_MAX);
    assert_eq!(config.max_incremental_fetch_session_cache_slots, limits::FETCH_SESSIONS_MAX);
    assert_eq!(config.max_request_partition_size_limit, limits::DESCRIBE_PARTITIONS_MAX);
    assert_eq!(config.topics_max, limits::TOPICS_MAX);
    assert_eq!(config.partitions_max, limits::PARTITIONS_MAX);
    assert_eq!(config.decompressed_bytes_max, limits::DECOMPRESSED_BYTES_MAX);
    assert_eq!(config.producers_per_partition_max, limits::PRODUCERS_PER_PARTITION_MAX);
    assert_eq!(config.disk_reserve_bytes, limits::DISK_RESERVE_BYTES as u64);
    assert_eq!(config.live(Dynamic::default()).max_connections, limits::CONNECTIONS_MAX);
    let low = keys::topic("segment.bytes").unwrap().key.valid;
    assert_eq!(low, Valid::Min(limits::SEGMENT_BYTES_MIN as i64));
}

#[test]
fn without_a_file_it_is_one_node_on_this_machine() {
    let config = BrokerConfig::embedded().unwrap();
    assert_eq!(config.listeners, vec![Listener::parse("PLAINTEXT://127.0.0.1:9092").unwrap()]);
    assert_eq!(config.advertised_listeners, config.listeners);
    assert_eq!(config.log_dirs, vec![std::path::PathBuf::from("./corelog-data")]);
    assert_eq!(config.metadata_log_dir, config.log_dirs[0]);
    assert_eq!((config.node_id, config.cores), (NodeId(1), None));
    assert_eq!(TopicConfig::defaults(&config, Dynamic::default()), TopicConfig::default());
}

#[test]
fn kafkas_own_file_is_taken_as_it_is() {
    let (config, notices) = load(STOCK).unwrap();
    assert_eq!(config.listeners.len(), 1);
    assert_eq!(config.listeners[0].to_string(), "PLAINTEXT://:9092");
    assert_eq!(config.advertised_listeners[0].to_string(), "PLAINTEXT://localhost:9092");
    assert_eq!(config.socket_send_buffer_bytes, Some(102_400));
    let told: Vec<_> = notices.iter().map(|notice| notice.key.as_str()).collect();
    assert!(told.contains(&"listeners"), "the controller listener is not opened: {told:?}");
    assert!(told.contains(&"num.recovery.threads.per.data.dir"));
    assert!(!told.contains(&"num.io.threads"), "a default needs no notice");
}

#[test]
fn the_commented_example_is_valid() {
    let (config, notices) = load(include_str!("../../config/server.properties")).unwrap();
    assert_eq!(notices, vec![]);
    assert_eq!(config.node_id, NodeId(1));
    // What is commented out must be a key too, with a value that is accepted.
    for line in include_str!("../../config/server.properties").lines() {
        if let Some((name, value)) = line.strip_prefix('#').and_then(|line| line.split_once('='))
            && !name.contains(' ')
        {
            keys::broker(name).unwrap_or_else(|| panic!("{name}")).accept(value).unwrap();
        }
    }
}

#[test]
fn a_problem_names_file_line_key_value_and_what_is_allowed() {
    let found = problems("num.partitions=abc\n\nnum.partition=3\nlog.segment.bytes = 14\nzookeeper.connect=x:2181\n");
    assert_eq!(
        found,
        vec![
            "server.properties:1: num.partitions = abc: Not a number of type INT",
            "server.properties:3: num.partition: unknown key; did you mean num.partitions?",
            "server.properties:4: log.segment.bytes = 14: Value must be at least 1048576",
            "server.properties:5: zookeeper.connect: Kafka 4.0 removed ZooKeeper, and corelog never had it; remove the key",
        ]
    );
    assert_eq!(
        problems("a=\\u12\n")[0],
        "server.properties:1: malformed line: \\u must be followed by four hexadecimal digits"
    );
    let secret = problems("ssl.keystore.password=hunter2\n").remove(0);
    assert!(!secret.contains("hunter2") && secret.contains("ssl.keystore.password"), "{secret}");
    assert!(problems("retention.ms=1\n")[0].contains("log.retention.ms"));
}

#[test]
fn what_cannot_be_honoured_is_refused_with_the_reason() {
    for (text, reason) in [
        ("log.cleanup.policy=compact", "compaction"),
        ("default.replication.factor=3", "one replica"),
        ("process.roles=broker", "single node"),
        ("controller.quorum.voters=1@a:9093,2@b:9093", "several controllers"),
        ("controller.quorum.voters=2@b:9093", "several controllers"),
        ("listeners=SSL://:9093\nadvertised.listeners=SSL://a:9093", "PLAINTEXT"),
        ("listeners=EXTERNAL://127.0.0.1:9092", "no security protocol"),
        ("listeners=PLAINTEXT://0.0.0.0:9092", "advertised.listeners"),
        ("advertised.listeners=PLAINTEXT://0.0.0.0:9092", "cannot be connected to"),
        ("listeners=CONTROLLER://:9093\nlistener.security.protocol.map=CONTROLLER:PLAINTEXT", "for clients"),
        ("listeners=PLAINTEXT://a:9092,PLAINTEXT://a:9093", "twice"),
        ("listeners=PLAINTEXT://a:99999", "65535"),
        ("listeners=nonsense", "name://host:port"),
        ("advertised.listeners=OTHER://a:9092", "not in listeners"),
        ("inter.broker.listener.name=OTHER", "one of listeners"),
        ("authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer", "not supported yet"),
        ("remote.log.storage.system.enable=true", "tiered storage"),
        ("node.id=1\nbroker.id=2", "old name"),
        ("log.dirs=/a,/a", "twice"),
        ("log.dirs=", "at least one"),
        ("corelog.memory.requests.bytes=2000000", "corelog.memory.requests.bytes"),
        ("max.connections.per.ip.overrides=host:1", "IP address"),
        ("log.cleaner.min.compaction.lag.ms=2\nlog.cleaner.max.compaction.lag.ms=1", "conflict"),
        ("compression.lz4.level=3", "single level"),
        ("log.retention.hours=0", "equal to -1"),
    ] {
        let found = problems(text).join("\n");
        assert!(found.contains(reason), "{text}: {found}");
    }
}

#[test]
fn layers_count_in_their_order() {
    let mut layers = Layers::new();
    layers.add_file("a.properties", "num.partitions=3\nnum.partitions=4\nlog.retention.hours=1\n");
    layers.add_override("num.partitions=5");
    layers.add_override("corelog.cores = 2");
    let (config, notices) = BrokerConfig::from_layers(layers).unwrap();
    assert_eq!((config.num_partitions, config.cores), (5, Some(2)));
    assert_eq!(config.layers().get("num.partitions").unwrap().origin, Origin::Override);
    assert!(notices.iter().any(|notice| notice.text.contains("a.properties:1 and again at a.properties:2")));
    let mut layers = Layers::new();
    layers.add_override("nonsense");
    assert!(BrokerConfig::from_layers(layers).unwrap_err().to_string().contains("key=value"));
}

#[test]
fn listeners_are_read_with_and_without_brackets() {
    let config = broker(
        "listeners=PLAINTEXT://[::1]:9092,other://127.0.0.1:0\nlistener.security.protocol.map=PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT",
    );
    assert_eq!(config.listeners[0].host, "::1");
    assert_eq!(config.listeners[1].to_string(), "OTHER://127.0.0.1:0");
    assert!(Listener::parse("PLAINTEXT://::1:9092").is_err());
    assert!(Listener::parse("PLAINTEXT://[::1:9092").is_err());
}

#[test]
fn the_controller_s_listener_needs_no_protocol_of_its_own() {
    let config =
        broker("listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://:9093\ncontroller.listener.names=CONTROLLER");
    assert_eq!(config.listeners.len(), 1);
}

#[test]
fn retention_is_taken_from_the_finest_unit_that_is_set() {
    let retention = |text: &str, dynamic: Dynamic<'_>| TopicConfig::defaults(&broker(text), dynamic).retention_ms;
    let none = Dynamic::default();
    assert_eq!(retention("", none), Some(604_800_000));
    assert_eq!(retention("log.retention.hours=2", none), Some(7_200_000));
    assert_eq!(retention("log.retention.hours=2\nlog.retention.minutes=3", none), Some(180_000));
    assert_eq!(retention("log.retention.minutes=3\nlog.retention.ms=4", none), Some(4));
    assert_eq!(retention("log.retention.hours=-1", none), None);
    assert_eq!(retention("log.retention.ms=-1", none), None);
    let cluster = map(&[("log.retention.ms", "7"), ("log.retention.hours", "9")]);
    let here = map(&[("log.retention.ms", "8")]);
    assert_eq!(retention("log.retention.minutes=3", Dynamic { broker: None, cluster: Some(&cluster) }), Some(7));
    assert_eq!(retention("", Dynamic { broker: Some(&here), cluster: Some(&cluster) }), Some(8));
}

#[test]
fn a_topic_has_its_own_over_the_brokers() {
    let config = broker("compression.type=zstd\ncorelog.acks.all=written\nlog.segment.bytes=2000000");
    let own = map(&[
        ("cleanup.policy", "compact,delete"),
        ("message.timestamp.type", "LogAppendTime"),
        ("compression.zstd.level", "9"),
        ("retention.bytes", "5"),
        ("segment.bytes", "nonsense"),
        ("a.key.of.the.future", "1"),
    ]);
    let topic = TopicConfig::resolve(&config, Dynamic::default(), &own);
    assert_eq!(topic.cleanup_policy, CleanupPolicy { delete: true, compact: true }, "another broker may have set it");
    assert_eq!(topic.message_timestamp_type, TimestampType::LogAppendTime);
    assert_eq!(topic.compression, Compression::Broker { codec_id: 4, level: Some(9) });
    assert_eq!(topic.acks_all, AcksAll::Written);
    assert_eq!((topic.retention_bytes, topic.segment_bytes), (Some(5), 2_000_000));
    let kafka = TopicConfig::default();
    assert_eq!(kafka.compression, Compression::Producer);
    assert_eq!((kafka.max_message_bytes, kafka.min_insync_replicas, kafka.flush_ms), (1_048_588, 1, i64::MAX));
    assert_eq!((kafka.retention_bytes, kafka.segment_ms), (None, 604_800_000));
}

#[test]
fn a_topic_is_described_with_sources_and_synonyms() {
    let config = broker("log.segment.bytes=2000000\nlog.retention.hours=2");
    let cluster = map(&[("message.max.bytes", "5000")]);
    let dynamic = Dynamic { broker: None, cluster: Some(&cluster) };
    let own = map(&[("flush.messages", "10"), ("min.cleanable.dirty.ratio", "0.50"), ("of.the.future", "1")]);
    let all = describe_topic(&config, dynamic, &own, None);
    assert_eq!(all.len(), keys::TOPIC.len() + 1);
    assert!(all.is_sorted_by(|left, right| left.name < right.name));
    let of = |name: &str| all.iter().find(|entry| entry.name == *name).unwrap();
    let told = |name: &str| (of(name).value.as_deref().unwrap(), of(name).source);
    assert_eq!(told("flush.messages"), ("10", Source::Topic));
    assert_eq!(told("segment.bytes"), ("2000000", Source::StaticBroker));
    assert_eq!(told("max.message.bytes"), ("5000", Source::DynamicDefaultBroker));
    assert_eq!(told("retention.ms"), ("7200000", Source::StaticBroker));
    assert_eq!(told("segment.ms"), ("604800000", Source::Default));
    assert_eq!(told("min.cleanable.dirty.ratio"), ("0.5", Source::Topic));
    assert_eq!(told("follower.replication.throttled.replicas"), ("", Source::Default));
    assert_eq!(told("of.the.future"), ("1", Source::Topic));
    let synonyms: Vec<_> = of("max.message.bytes")
        .synonyms
        .iter()
        .map(|one| (one.name.as_str(), one.value.as_deref(), one.source.id()))
        .collect();
    assert_eq!(synonyms, vec![("message.max.bytes", Some("5000"), 3), ("message.max.bytes", Some("1048588"), 5)]);
    assert_eq!(of("segment.ms").synonyms, vec![], "as Kafka: the default stands under another name");
    assert!(all.iter().all(|entry| !entry.read_only && !entry.is_sensitive));
    let asked = describe_topic(&config, dynamic, &own, Some(&[Text::from("retention.ms"), Text::from("nonsense")]));
    assert_eq!(asked.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), vec!["retention.ms"]);
    assert_eq!(describe_topic(&config, dynamic, &own, Some(&[])).len(), all.len(), "no names are all names");
}

#[test]
fn a_broker_is_described_with_what_may_change() {
    let config = broker(STOCK);
    let here = map(&[("log.retention.ms", "99"), ("node.id", "7")]);
    let dynamic = Dynamic { broker: Some(&here), cluster: None };
    let all = describe_broker(&config, dynamic, None);
    let of = |name: &str| all.iter().find(|entry| entry.name == *name).unwrap();
    assert_eq!((of("node.id").value.as_deref(), of("node.id").read_only), (Some("1"), true), "not dynamic");
    assert_eq!(of("node.id").source, Source::StaticBroker);
    let retention = of("log.retention.ms");
    assert_eq!((retention.value.as_deref(), retention.source), (Some("99"), Source::DynamicBroker));
    let names: Vec<_> = retention.synonyms.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, vec!["log.retention.ms", "log.retention.hours", "log.retention.hours"]);
    assert!(!retention.read_only);
    assert_eq!(
        (of("log.retention.minutes").value.clone(), of("log.retention.minutes").source),
        (None, Source::Default)
    );
    assert_eq!(of("authorizer.class.name").value.as_deref(), Some(""));
    assert_eq!((of("ssl.key.password").is_sensitive, of("ssl.key.password").value.clone()), (true, None));
    assert!(!all.iter().any(|entry| entry.name.starts_with("internal.")));
    let cluster = map(&[("log.retention.ms", "5"), ("of.the.future", "x")]);
    let told = describe_cluster_default(&cluster, None);
    assert_eq!(told.iter().map(|entry| entry.value.as_deref().unwrap()).collect::<Vec<_>>(), vec!["5", "x"]);
    assert!(told.iter().all(|entry| entry.source == Source::DynamicDefaultBroker));
}

#[test]
fn topics_are_altered_step_by_step() {
    let config = BrokerConfig::embedded().unwrap();
    let current = map(&[("retention.ms", "5"), ("leader.replication.throttled.replicas", "0:1")]);
    let alter = |alterations: &[Alteration]| alter_topic(&config, Dynamic::default(), &current, alterations);
    let changes = alter(&[
        alteration("retention.ms", AlterOp::Set, Some("6")),
        alteration("flush.ms", AlterOp::Delete, None),
        alteration("leader.replication.throttled.replicas", AlterOp::Append, Some("1:1,0:1")),
    ])
    .unwrap();
    let told: Vec<_> = changes.iter().map(|change| (change.name.as_str(), change.value.as_deref())).collect();
    let expected = vec![("retention.ms", Some("6")), ("leader.replication.throttled.replicas", Some("0:1,1:1"))];
    assert_eq!(told, expected, "deleting what is not set changes nothing");
    assert_eq!(alter(&[alteration("retention.ms", AlterOp::Set, Some("5"))]).unwrap(), vec![]);
    let twice = alter(&[alteration("cleanup.policy", AlterOp::Set, Some("delete, delete"))]);
    assert!(twice.is_ok(), "as Kafka: a set names the same only once");
    let removed = alter(&[alteration("cleanup.policy", AlterOp::Subtract, Some("delete"))]).unwrap();
    assert_eq!(removed[0].value.as_deref(), Some(""), "the default is what is subtracted from");
    let refused = |name: &str, op, value: Option<&str>| alter(&[alteration(name, op, value)]).unwrap_err();
    for (name, op, value, code, message) in [
        ("retention.ms", AlterOp::Append, Some("1"), ErrorCode::InvalidConfig, "not LIST"),
        (
            "retention.ms",
            AlterOp::Set,
            Some("x"),
            ErrorCode::InvalidConfig,
            "Invalid value x for configuration retention.ms: Not a number of type LONG",
        ),
        ("retention.ms", AlterOp::Set, Some("-2"), ErrorCode::InvalidConfig, "at least -1"),
        ("retention.m", AlterOp::Set, Some("1"), ErrorCode::InvalidConfig, "did you mean retention.ms?"),
        ("message.format.version", AlterOp::Set, Some("1"), ErrorCode::InvalidConfig, "Kafka 4.0"),
        ("cleanup.policy", AlterOp::Append, Some("compact"), ErrorCode::InvalidConfig, "compaction is not supported"),
        (
            "cleanup.policy",
            AlterOp::Set,
            Some("nope"),
            ErrorCode::InvalidConfig,
            "String must be one of: compact, delete",
        ),
        ("min.cleanable.dirty.ratio", AlterOp::Set, Some("2"), ErrorCode::InvalidConfig, "no more than 1"),
        ("compression.gzip.level", AlterOp::Set, Some("0"), ErrorCode::InvalidConfig, "between 1 and 9 or equal to -1"),
        ("remote.storage.enable", AlterOp::Set, Some("true"), ErrorCode::InvalidConfig, "tiered storage"),
        ("segment.bytes", AlterOp::Set, Some("1024"), ErrorCode::InvalidConfig, "1048576"),
        ("min.compaction.lag.ms", AlterOp::Set, Some("9"), ErrorCode::InvalidConfig, "conflict"),
        ("retention.ms", AlterOp::Set, None, ErrorCode::InvalidRequest, "Null value"),
    ] {
        let current_lag = map(&[("max.compaction.lag.ms", "8")]);
        let refusal = if name == "min.compaction.lag.ms" {
            alter_topic(&config, Dynamic::default(), &current_lag, &[alteration(name, op, value)]).unwrap_err()
        } else {
            refused(name, op, value)
        };
        assert_eq!(refusal.code, code, "{name}");
        assert!(refusal.message.contains(message), "{refusal}");
    }
    let twice = [alteration("flush.ms", AlterOp::Delete, None), alteration("flush.ms", AlterOp::Delete, None)];
    assert_eq!(alter(&twice).unwrap_err().code, ErrorCode::InvalidRequest);
    assert_eq!(AlterOp::from_id(3), Some(AlterOp::Subtract));
    assert_eq!(AlterOp::from_id(4), None);
}

#[test]
fn what_another_broker_stored_does_not_block_other_changes() {
    let config = BrokerConfig::embedded().unwrap();
    let current = map(&[("cleanup.policy", "compact"), ("of.the.future", "1")]);
    let set = [alteration("retention.ms", AlterOp::Set, Some("6"))];
    assert_eq!(alter_topic(&config, Dynamic::default(), &current, &set).unwrap().len(), 1);
}

#[test]
fn all_configs_of_a_topic_are_replaced() {
    let config = BrokerConfig::embedded().unwrap();
    let current = map(&[("retention.ms", "5"), ("flush.ms", "1")]);
    let new = [(Text::from("retention.ms"), Some(Text::from("5"))), (Text::from("segment.ms"), Some(Text::from("9")))];
    let changes = replace_topic(&config, Dynamic::default(), &current, &new).unwrap();
    let told: Vec<_> = changes.iter().map(|change| (change.name.as_str(), change.value.as_deref())).collect();
    assert_eq!(told, vec![("segment.ms", Some("9")), ("flush.ms", None)]);
    let made = check_new_topic(&config, Dynamic::default(), &new).unwrap();
    assert_eq!(made, map(&[("retention.ms", "5"), ("segment.ms", "9")]));
    let null = [(Text::from("retention.ms"), None)];
    assert_eq!(check_new_topic(&config, Dynamic::default(), &null).unwrap_err().code, ErrorCode::InvalidConfig);
    assert_eq!(
        replace_topic(&config, Dynamic::default(), &current, &null).unwrap_err().code,
        ErrorCode::InvalidRequest
    );
}

#[test]
fn brokers_are_altered_only_where_they_can_follow() {
    let none = Overrides::new();
    let alter = |name: &str, value: &str| alter_broker(&none, &[alteration(name, AlterOp::Set, Some(value))]);
    assert_eq!(alter("log.retention.ms", "7").unwrap().len(), 1);
    assert_eq!(alter("max.connections", "7").unwrap().len(), 1);
    assert_eq!(alter("max.connections.per.ip.overrides", "127.0.0.1:5").unwrap().len(), 1);
    for (name, value, message) in [
        ("node.id", "2", "Cannot update these configs dynamically: [node.id]"),
        ("log.retention.hours", "2", "dynamically"),
        ("log.retention.msx", "2", "did you mean log.retention.ms?"),
        ("log.retention.ms", "x", "Not a number"),
        ("log.cleanup.policy", "compact", "compaction"),
        ("max.connections.per.ip.overrides", "x:y", "IP address"),
    ] {
        let refusal = alter(name, value).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::InvalidRequest, "{name}");
        assert!(refusal.message.contains(message), "{refusal}");
    }
    let current = map(&[("max.connections", "7"), ("log.retention.ms", "5")]);
    let new = [(Text::from("max.connections"), Some(Text::from("8")))];
    assert_eq!(replace_broker(&current, &new).unwrap().len(), 2);
    let config = BrokerConfig::embedded().unwrap();
    let live = config.live(Dynamic { broker: None, cluster: Some(&current) });
    assert_eq!(live.max_connections, 7);
}

proptest! {
    #[test]
    fn any_value_is_refused_or_printed_so_that_it_reads_the_same(index in 0usize..400, text in "[-a-z0-9.,:* ]{0,12}") {
        let all: Vec<_> = keys::all_broker().chain(keys::TOPIC.iter().map(|row| &row.key)).collect();
        let key = all[index % all.len()];
        if let Ok(value) = key.parse(&text) {
            prop_assert_eq!(key.parse(&value.to_string()), Ok(value));
        }
    }
}
