//! A thousand partitions on two shards: one client writes to all and reads all, before and after a clean restart.

use std::time::{Duration, Instant};

use corelog::protocol::messages::produce::ProduceResponse;

use crate::support::{Broker, Wire, broker, talk, turn};

const TOPIC: &str = "wide";
const PARTITIONS: i32 = 1000;
/// How long the restart may take after a clean stop, until the first answer.
const RESTART_MAX: Duration = Duration::from_secs(2);

fn value(partition: i32, record: i32) -> Vec<u8> {
    format!("record {record} of partition {partition}").into_bytes()
}

fn write(wire: &mut Wire, first: i32) {
    let all: Vec<i32> = (0..PARTITIONS).collect();
    for some in all.chunks(250) {
        let batch = |partition| talk::batch_of(&[&value(partition, first), &value(partition, first + 1)]);
        let mut left = some.to_vec();
        talk::insist(|| {
            let request = talk::produce_request(TOPIC, -1, left.iter().map(|partition| (*partition, batch(*partition))).collect());
            let answer: ProduceResponse = wire.call(&request, talk::PRODUCE_VERSION);
            let mut error = 0;
            for partition in &answer.responses[0].partition_responses {
                if partition.error_code == 0 {
                    assert_eq!(partition.base_offset, i64::from(first), "{partition:?}");
                    left.retain(|index| *index != partition.index);
                } else {
                    error = partition.error_code;
                }
            }
            (error, ())
        });
        assert!(left.is_empty(), "partitions take no records: {left:?}");
    }
}

fn check(wire: &mut Wire, records: i32) {
    for partition in 0..PARTITIONS {
        let values: Vec<_> = talk::read(wire, TOPIC, partition, 0, i64::from(records)).into_iter().map(|record| record.value.unwrap()).collect();
        let expected: Vec<_> = (0..records).map(|record| value(partition, record)).collect();
        assert_eq!(values, expected, "partition {partition}");
    }
}

#[test]
fn a_thousand_partitions_are_written_read_and_restarted_quickly() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::alone();
    let mut broker = Broker::start(&[]);
    let mut wire = broker.connect();
    let started = Instant::now();
    talk::create_topic(&mut wire, TOPIC, PARTITIONS, &[]);
    let created = started.elapsed();
    write(&mut wire, 0);
    check(&mut wire, 2);
    let used = started.elapsed();
    let stopped = broker.stop();
    broker.restart();
    let mut wire = broker.connect();
    // The broker answers before all leaders are known; it is up when they are.
    let waiting = Instant::now();
    while talk::leaders(&mut wire, TOPIC) < PARTITIONS as usize {
        assert!(waiting.elapsed() < Duration::from_secs(30), "leaders are missing");
        std::thread::sleep(Duration::from_millis(5));
    }
    let restarted = broker.start_up + waiting.elapsed();
    check(&mut wire, 2);
    write(&mut wire, 2);
    check(&mut wire, 4);
    eprintln!("created in {created:?}, written and read in {used:?}, stopped in {stopped:?}, restarted in {restarted:?}, {} MB resident", broker.process().resident_bytes() >> 20);
    assert!(restarted < RESTART_MAX, "the restart took {restarted:?}");
    broker.must_answer();
}
