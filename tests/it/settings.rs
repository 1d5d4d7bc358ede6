//! Settings do what they say, from the first connection on or from the moment they are changed.

use std::{
    thread,
    time::{Duration, Instant},
};

use corelog::{
    protocol::messages::{
        describe_producers::{DescribeProducersRequest, DescribeProducersResponse, TopicRequest},
        incremental_alter_configs::{AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse},
    },
    types::Text,
};

use crate::support::{Broker, Wire, broker, talk, turn};

fn producers(wire: &mut Wire, topic: &str) -> Vec<i64> {
    let topics = vec![TopicRequest { name: Text::from(topic), partition_indexes: vec![0] }];
    let answer: DescribeProducersResponse = wire.call(&DescribeProducersRequest { topics }, 0);
    let partition = &answer.topics[0].partitions[0];
    assert_eq!(partition.error_code, 0, "{answer:?}");
    partition.active_producers.iter().map(|producer| producer.producer_id).collect()
}

#[test]
fn a_partition_remembers_only_so_many_producers() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let mut broker = Broker::start(&["corelog.producers.per.partition.max=3"]);
    let mut wire = broker.connect();
    talk::create_topic(&mut wire, "known", 1, &[]);
    let mut last = 0;
    for _ in 0..8 {
        let producer = talk::producer_id(&mut wire);
        talk::produce(&mut wire, "known", 0, talk::idempotent_batch(producer, 0, &[b"x".to_vec()])).unwrap();
        last = producer.0;
        // The longest silent one is forgotten, by a clock of milliseconds.
        thread::sleep(Duration::from_millis(2));
    }
    let known = producers(&mut wire, "known");
    assert!(known.len() <= 3 && known.contains(&last), "{known:?}, the last is {last}");
    broker.stop();
    broker.restart();
    let known = producers(&mut broker.connect(), "known");
    assert!(known.len() <= 3 && known.contains(&last), "{known:?} after a restart, the last is {last}");
}

/// How many of `wires` the broker keeps open.
fn open(wires: &mut [Wire]) -> usize {
    let stands = |wire: &mut Wire| {
        wire.set_patience(Duration::from_millis(50));
        !wire.is_closed()
    };
    wires.iter_mut().map(stands).filter(|stands| *stands).count()
}

#[test]
fn connections_of_an_address_are_limited_as_its_override_says_now() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let broker = Broker::start(&["max.connections.per.ip=4", "max.connections.per.ip.overrides=127.0.0.1:30"]);
    let mut wire = broker.connect();
    let mut first: Vec<Wire> = (0..20).map(|_| broker.connect()).collect();
    assert_eq!(open(&mut first), 20, "the override counts, not max.connections.per.ip");
    let config = AlterableConfig {
        name: Text::from("max.connections.per.ip.overrides"),
        config_operation: 0,
        value: Some(Text::from("127.0.0.1:22,10.0.0.1:1")),
    };
    let resources = vec![AlterConfigsResource { resource_type: 4, resource_name: Text::from(""), configs: vec![config] }];
    let request = IncrementalAlterConfigsRequest { resources, validate_only: false };
    let answer: IncrementalAlterConfigsResponse = wire.call(&request, 1);
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let mut more: Vec<Wire> = (0..5).filter_map(|_| Wire::connect(broker.port()).ok()).collect();
        thread::sleep(Duration::from_millis(50));
        let stand = open(&mut more);
        // 21 are open; one more may come, and none that was refused may count.
        if stand <= 1 {
            break;
        }
        assert!(Instant::now() < deadline, "{stand} more connections stand after the limit was lowered");
    }
    let log = broker.log();
    assert!(log.contains("max.connections.per.ip.overrides = 22"), "the log names the setting:\n{log}");
}
