//! What a client was told stays true after a clean stop and after kill -9.

use corelog::{
    protocol::messages::{
        delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic},
        describe_configs::{DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse},
        incremental_alter_configs::{AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse},
    },
    types::Text,
};

use crate::support::{Broker, Wire, broker, talk, turn};

fn values(first: u32, count: u32) -> Vec<Vec<u8>> {
    (first..first + count).map(|at| format!("value {at}").into_bytes()).collect()
}

fn retention_ms(wire: &mut Wire, topic: &str) -> String {
    let resource = DescribeConfigsResource {
        resource_type: 2,
        resource_name: Text::from(topic),
        configuration_keys: Some(vec![Text::from("retention.ms")]),
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..DescribeConfigsRequest::default() };
    let answer: DescribeConfigsResponse = wire.call(&request, 4);
    answer.results[0].configs[0].value.clone().unwrap().to_string()
}

fn prepare(wire: &mut Wire) -> (i64, i16) {
    talk::create_topic(wire, "kept", 3, &[("retention.ms", "3600000000")]);
    talk::create_topic(wire, "gone", 1, &[]);
    let producer = talk::producer_id(wire);
    for batch in 0..20 {
        let values = values(batch * 5, 5);
        let base = talk::produce(wire, "kept", 1, talk::idempotent_batch(producer, batch as i32 * 5, &values)).unwrap();
        assert_eq!(base, i64::from(batch) * 5);
    }
    let configs = vec![AlterableConfig { name: Text::from("retention.ms"), config_operation: 0, value: Some(Text::from("7200000000")) }];
    let resources = vec![AlterConfigsResource { resource_type: 2, resource_name: Text::from("kept"), configs }];
    let answer: IncrementalAlterConfigsResponse = wire.call(&IncrementalAlterConfigsRequest { resources, validate_only: false }, 1);
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
    let partitions = vec![DeleteRecordsPartition { partition_index: 1, offset: 33 }];
    let topics = vec![DeleteRecordsTopic { name: Text::from("kept"), partitions }];
    let answer: DeleteRecordsResponse = wire.call(&DeleteRecordsRequest { topics, timeout_ms: 10_000 }, 2);
    assert_eq!(answer.topics[0].partitions[0].low_watermark, 33, "{answer:?}");
    talk::delete_topic(wire, "gone");
    producer
}

/// `written` records are in partition 1, all by `producer`.
fn check(wire: &mut Wire, producer: (i64, i16), written: u32) {
    assert_eq!(talk::topics(wire), [("kept".to_owned(), 3)], "the topics that were made and not deleted");
    assert_eq!(retention_ms(wire, "kept"), "7200000000", "the altered configuration");
    assert_eq!(talk::list_offset(wire, "kept", 1, -2), 33, "the start after deleting records");
    assert_eq!(talk::list_offset(wire, "kept", 1, -1), i64::from(written), "the end");
    let found: Vec<_> = talk::read(wire, "kept", 1, 33, i64::from(written)).into_iter().map(|record| record.value.unwrap()).collect();
    assert_eq!(found, values(33, written - 33));
    // A batch that comes again gets the offset it has.
    let last = written - 5;
    let again = talk::produce(wire, "kept", 1, talk::idempotent_batch(producer, last as i32, &values(last, 5)));
    assert_eq!(again.unwrap(), i64::from(last), "the offset of a batch sent twice");
    // One after a gap is refused.
    let ahead = talk::produce(wire, "kept", 1, talk::idempotent_batch(producer, written as i32 + 5, &values(0, 5)));
    assert_eq!(ahead.unwrap_err().error_code, 45, "a batch after a gap is out of order");
}

/// Restarts in both ways, writing on between them.
fn survives(killed: bool) {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let mut broker = Broker::start(&[]);
    let mut wire = broker.connect();
    let producer = prepare(&mut wire);
    let id = talk::describe_topic(&mut wire, "kept").topic_id;
    check(&mut wire, producer, 100);
    for round in 0..3 {
        if killed {
            broker.kill();
        } else {
            broker.stop();
        }
        broker.restart();
        let mut wire = broker.connect();
        let written = 100 + round * 5;
        check(&mut wire, producer, written);
        assert_eq!(talk::describe_topic(&mut wire, "kept").topic_id, id, "the id of a topic never changes");
        let next = talk::idempotent_batch(producer, written as i32, &values(written, 5));
        assert_eq!(talk::produce(&mut wire, "kept", 1, next).unwrap(), i64::from(written));
        let other = talk::producer_id(&mut wire);
        assert!(other.0 > producer.0, "ids of producers are never given twice: {other:?} after {producer:?}");
    }
}

#[test]
fn a_clean_stop_keeps_everything() {
    survives(false);
}

#[test]
fn a_kill_keeps_what_was_acknowledged() {
    survives(true);
}
