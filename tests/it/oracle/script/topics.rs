//! CreateTopics, CreatePartitions, Metadata, DescribeTopicPartitions and DeleteTopics.

use corelog::{
    protocol::messages::{
        create_partitions::{CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic},
        create_topics::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse},
        delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse},
        describe_topic_partitions::{Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicRequest},
        metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse},
    },
    types::Uuid,
};

use super::{Side, newest, some, text, versions};

pub(super) fn ask(side: &mut Side) {
    create(side);
    create_badly(side);
    metadata(side);
    metadata_of_what_is_not_there(side);
    add_partitions(side);
    describe_partitions(side);
}

fn topic(name: &str, partitions: i32, replicas: i16) -> CreatableTopic {
    CreatableTopic { name: text(name), num_partitions: partitions, replication_factor: replicas, ..CreatableTopic::default() }
}

fn config(key: &str, value: Option<&str>) -> CreatableTopicConfig {
    CreatableTopicConfig { name: text(key), value: value.and_then(some) }
}

fn create_all(side: &mut Side, question: &str, topics: Vec<CreatableTopic>, version: i16) {
    let request = CreateTopicsRequest { topics, ..CreateTopicsRequest::default() };
    side.ask::<_, CreateTopicsResponse>(question, &request, version);
}

fn create(side: &mut Side) {
    for version in versions::<CreateTopicsRequest>() {
        create_all(side, "create", vec![topic(&format!("made-{version}"), 3, 1)], version);
        let configs = vec![config("retention.ms", Some("1000000")), config("compression.type", Some("zstd"))];
        create_all(side, "create with configs", vec![CreatableTopic { configs, ..topic(&format!("set-{version}"), 1, 1) }], version);
        let validate_only = CreateTopicsRequest { topics: vec![topic("only", 2, 1)], validate_only: true, ..CreateTopicsRequest::default() };
        side.ask::<_, CreateTopicsResponse>("create, validate only", &validate_only, version);
        create_all(side, "create with the broker's defaults", vec![topic(&format!("default-{version}"), -1, -1)], version);
    }
    let assignment = |partition, brokers: &[i32]| CreatableReplicaAssignment { partition_index: partition, broker_ids: brokers.to_vec() };
    let assigned = |name: &str, assignments| CreatableTopic { assignments, ..topic(name, -1, -1) };
    let newest = newest::<CreateTopicsRequest>();
    create_all(side, "create by assignment", vec![assigned("assigned", vec![assignment(0, &[1]), assignment(1, &[1])])], newest);
    for (what, assignments) in [
        ("to a broker that is not there", vec![assignment(0, &[7])]),
        ("to nobody", vec![assignment(0, &[])]),
        ("twice to one broker", vec![assignment(0, &[1, 1])]),
        ("with a gap", vec![assignment(0, &[1]), assignment(2, &[1])]),
        ("of one partition twice", vec![assignment(0, &[1]), assignment(0, &[1])]),
        ("of different sizes", vec![assignment(0, &[1]), assignment(1, &[1, 2])]),
        ("of a negative partition", vec![assignment(-1, &[1])]),
    ] {
        create_all(side, &format!("create by assignment {what}"), vec![assigned("badly-assigned", assignments)], newest);
    }
    let both = CreatableTopic { assignments: vec![assignment(0, &[1])], ..topic("both", 1, 1) };
    create_all(side, "create by assignment and by number", vec![both], newest);
}

fn create_badly(side: &mut Side) {
    let newest = newest::<CreateTopicsRequest>();
    for version in versions::<CreateTopicsRequest>() {
        create_all(side, "create again", vec![topic("made-2", 3, 1)], version);
        create_all(side, "create twice in one request", vec![topic("twice", 1, 1), topic("twice", 1, 1), topic("beside-twice", 1, 1)], version);
        create_all(side, "create nothing", vec![], version);
    }
    for (what, name) in [
        ("an empty name", String::new()),
        ("a dot", ".".to_owned()),
        ("two dots", "..".to_owned()),
        ("a space", "a b".to_owned()),
        ("a slash", "a/b".to_owned()),
        ("an umlaut", "ä".to_owned()),
        ("a colon", "a:b".to_owned()),
        ("249 letters", "n".repeat(249)),
        ("250 letters", "n".repeat(250)),
        ("the name of the metadata topic", "__cluster_metadata".to_owned()),
    ] {
        create_all(side, &format!("create {what}"), vec![topic(&name, 1, 1)], newest);
    }
    create_all(side, "create with dots", vec![topic("made.of.dots", 1, 1)], newest);
    side.await_topic("made.of.dots", 1);
    create_all(side, "create what collides with dots", vec![topic("made_of.dots", 1, 1)], newest);
    create_all(side, "create two that collide", vec![topic("two.collide", 1, 1), topic("two_collide", 1, 1)], newest);
    for (partitions, replicas) in [(0, 1), (-2, 1), (1, 0), (1, -2), (1, 2), (1, 3), (10_001, 1), (i32::MAX, 1), (1, i16::MAX)] {
        create_all(side, &format!("create {partitions} x {replicas}"), vec![topic("badly-sized", partitions, replicas)], newest);
    }
    for (key, value) in [
        ("retention.ms", Some("x")),
        ("retention.ms", Some("-2")),
        ("retention.ms", Some("")),
        ("retention.ms", None),
        ("no.such.key", Some("1")),
        ("cleanup.policy", Some("shred")),
        ("cleanup.policy", Some("")),
        ("segment.bytes", Some("14")),
        ("min.insync.replicas", Some("0")),
        ("compression.type", Some("brotli")),
        ("message.timestamp.type", Some("Never")),
        ("max.message.bytes", Some("99999999999")),
        ("message.format.version", Some("3.0")),
        ("unclean.leader.election.enable", Some("perhaps")),
        ("preallocate", Some("TRUE")),
    ] {
        let bad = CreatableTopic { configs: vec![config(key, value)], ..topic(&format!("config-{key}"), 1, 1) };
        create_all(side, &format!("create with {key}={value:?}"), vec![bad], newest);
    }
    let twice = CreatableTopic { configs: vec![config("retention.ms", Some("5")), config("retention.ms", Some("6"))], ..topic("config-twice", 1, 1) };
    create_all(side, "create with a config twice", vec![twice], newest);
    create_all(side, "create good and bad ones", vec![topic("good-one", 1, 1), topic("bad one", 1, 1), topic("good-two", 1, 9)], newest);
    side.settle();
}

fn named(name: &str) -> MetadataRequestTopic {
    MetadataRequestTopic { name: some(name), ..MetadataRequestTopic::default() }
}

fn metadata(side: &mut Side) {
    let id = side.make_topic("known", 2, &[]);
    for version in versions::<MetadataRequest>() {
        let of = |topics| MetadataRequest { topics, allow_auto_topic_creation: version < 4, ..MetadataRequest::default() };
        side.ask::<_, MetadataResponse>("metadata of one", &of(Some(vec![named("known")])), version);
        side.ask::<_, MetadataResponse>("metadata of two", &of(Some(vec![named("known"), named("made-7")])), version);
        side.ask::<_, MetadataResponse>("metadata of one twice", &of(Some(vec![named("known"), named("known")])), version);
        // Version 0 says "all" by an empty list.
        let all = if version == 0 { Some(vec![]) } else { None };
        side.ask::<_, MetadataResponse>("metadata of all", &of(all), version);
        if version > 0 {
            side.ask::<_, MetadataResponse>("metadata of none", &of(Some(vec![])), version);
        }
        if version >= 8 {
            let operations = MetadataRequest {
                include_topic_authorized_operations: true,
                include_cluster_authorized_operations: version <= 10,
                ..of(Some(vec![named("known")]))
            };
            side.ask::<_, MetadataResponse>("metadata with operations", &operations, version);
        }
        if version >= 10 {
            let by_id = |topic_id| of(Some(vec![MetadataRequestTopic { topic_id, name: None }]));
            side.ask::<_, MetadataResponse>("metadata by id", &by_id(id), version);
            side.ask::<_, MetadataResponse>("metadata by an unknown id", &by_id(Uuid([9; 16])), version);
            side.ask::<_, MetadataResponse>("metadata by the zero id", &by_id(Uuid::ZERO), version);
            let both = of(Some(vec![MetadataRequestTopic { topic_id: id, name: some("known") }]));
            side.ask::<_, MetadataResponse>("metadata by id and name", &both, version);
            let mixed = of(Some(vec![MetadataRequestTopic { topic_id: id, name: None }, named("made-7")]));
            side.ask::<_, MetadataResponse>("metadata by id of one and name of another", &mixed, version);
        }
    }
}

fn metadata_of_what_is_not_there(side: &mut Side) {
    for version in versions::<MetadataRequest>().filter(|version| *version >= 4) {
        for name in ["nowhere", "", "bad name", "."] {
            let request = MetadataRequest { topics: Some(vec![named(name)]), allow_auto_topic_creation: false, ..MetadataRequest::default() };
            side.ask::<_, MetadataResponse>(&format!("metadata of {name:?}"), &request, version);
        }
    }
    for version in versions::<MetadataRequest>() {
        let name = format!("auto-{version}");
        let request = MetadataRequest { topics: Some(vec![named(&name), named("known")]), ..MetadataRequest::default() };
        side.ask::<_, MetadataResponse>("metadata that makes a topic", &request, version);
        side.await_topic(&name, 2);
        side.ask::<_, MetadataResponse>("metadata of a topic that metadata made", &request, version);
    }
    let bad = MetadataRequest { topics: Some(vec![named("bad name"), named("bad.auto"), named("bad_auto")]), ..MetadataRequest::default() };
    side.ask::<_, MetadataResponse>("metadata that makes colliding topics", &bad, newest::<MetadataRequest>());
    side.settle();
}

fn add_partitions(side: &mut Side) {
    side.make_topic("grows", 1, &[]);
    let grow = |name: &str, count| CreatePartitionsTopic { name: text(name), count, assignments: None };
    let mut count = 1;
    for version in versions::<CreatePartitionsRequest>() {
        count += 1;
        let request = |topics| CreatePartitionsRequest { topics, timeout_ms: 10_000, validate_only: false };
        let mut ask = |what: &str, topics| side.ask::<_, CreatePartitionsResponse>(&format!("partitions: {what}"), &request(topics), version);
        ask("one more", vec![grow("grows", count)]);
        ask("as many", vec![grow("grows", count)]);
        ask("fewer", vec![grow("grows", 1)]);
        ask("none", vec![grow("grows", 0)]);
        ask("less than none", vec![grow("grows", -1)]);
        ask("of an unknown topic", vec![grow("nowhere", 3)]);
        ask("of a bad name", vec![grow("bad name", 3)]);
        ask("twice", vec![grow("grows", 50), grow("grows", 51)]);
        ask("of nothing", vec![]);
        let to = |brokers: &[&[i32]]| Some(brokers.iter().map(|ids| CreatePartitionsAssignment { broker_ids: ids.to_vec() }).collect::<Vec<_>>());
        for (what, brokers) in [("a stranger", &[&[9][..]][..]), ("nobody", &[&[]]), ("too many", &[&[1], &[1]]), ("two", &[&[1, 1]])] {
            ask(&format!("assigned to {what}"), vec![CreatePartitionsTopic { assignments: to(brokers), ..grow("grows", count + 1) }]);
        }
        let validate_only = CreatePartitionsRequest { validate_only: true, ..request(vec![grow("grows", count + 1)]) };
        side.ask::<_, CreatePartitionsResponse>("partitions: validate only", &validate_only, version);
        side.await_topic("grows", count);
    }
}

fn describe_partitions(side: &mut Side) {
    let request = |names: &[&str], limit, cursor| DescribeTopicPartitionsRequest {
        topics: names.iter().map(|name| TopicRequest { name: text(name) }).collect(),
        response_partition_limit: limit,
        cursor,
    };
    let cursor = |name: &str, partition_index| Some(Cursor { topic_name: text(name), partition_index });
    let mut ask = |what: &str, request| side.ask::<_, DescribeTopicPartitionsResponse>(&format!("describe partitions {what}"), &request, 0);
    ask("of two", request(&["known", "made-7"], 100, None));
    ask("of one twice", request(&["known", "known"], 100, None));
    ask("of all", request(&[], 2000, None));
    ask("that do not fit", request(&["made-7", "known"], 2, None));
    ask("that fit exactly", request(&["known"], 2, None));
    ask("from a cursor on", request(&["known", "made-7"], 100, cursor("made-7", 1)));
    ask("from the last one on", request(&["made-7"], 100, cursor("made-7", 2)));
    ask("from behind the end", request(&["made-7"], 100, cursor("made-7", 9)));
    ask("from a negative one", request(&["made-7"], 100, cursor("made-7", -1)));
    ask("from an unknown topic on", request(&["made-7"], 100, cursor("m", 0)));
    ask("of an unknown topic", request(&["nowhere"], 100, None));
    ask("of a bad name", request(&["bad name"], 100, None));
    ask("with limit 0", request(&["known"], 0, None));
    ask("with limit -1", request(&["known"], -1, None));
}

pub(super) fn ask_removal(side: &mut Side) {
    for version in versions::<DeleteTopicsRequest>() {
        let id = side.make_topic(&format!("goes-{version}"), 1, &[]);
        let other = side.make_topic(&format!("goes-too-{version}"), 1, &[]);
        let names: Vec<String> = [format!("goes-{version}"), "nowhere".to_owned(), String::new()].to_vec();
        let mut ask = |what: &str, names: &[String], states: Vec<DeleteTopicState>| {
            let request = if version < 6 {
                DeleteTopicsRequest { topic_names: names.iter().map(|name| text(name)).collect(), timeout_ms: 10_000, ..DeleteTopicsRequest::default() }
            } else {
                DeleteTopicsRequest { topics: states, timeout_ms: 10_000, ..DeleteTopicsRequest::default() }
            };
            side.ask::<_, DeleteTopicsResponse>(&format!("delete {what}"), &request, version);
        };
        let by_name = |name: &str| DeleteTopicState { name: some(name), topic_id: Uuid::ZERO };
        let by_id = |topic_id| DeleteTopicState { name: None, topic_id };
        ask("nothing", &[], vec![]);
        ask("one and two that are not there", &names, names.iter().map(|name| by_name(name)).collect());
        ask("it again", &names[..1], vec![by_name(&names[0])]);
        let twice = vec![format!("goes-too-{version}"); 2];
        ask("one twice", &twice, twice.iter().map(|name| by_name(name)).collect());
        if version >= 6 {
            ask("by an id that is gone", &[], vec![by_id(id)]);
            ask("by an unknown id", &[], vec![by_id(Uuid([8; 16]))]);
            ask("by the zero id", &[], vec![by_id(Uuid::ZERO)]);
            ask("by id and name", &[], vec![DeleteTopicState { name: twice.first().map(|name| text(name)), topic_id: other }]);
            ask("by id twice", &[], vec![by_id(other), by_id(other)]);
            let last = side.make_topic("goes-last", 1, &[]);
            let by_id = DeleteTopicsRequest { topics: vec![by_id(last)], timeout_ms: 10_000, ..DeleteTopicsRequest::default() };
            side.ask::<_, DeleteTopicsResponse>("delete by id", &by_id, version);
        }
    }
    side.settle();
    let request = MetadataRequest { topics: Some(vec![named("goes-1"), named("goes-last")]), allow_auto_topic_creation: false, ..MetadataRequest::default() };
    side.ask::<_, MetadataResponse>("metadata of deleted topics", &request, newest::<MetadataRequest>());
}
