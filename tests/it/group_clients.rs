//! Consumer groups of unmodified clients live their whole life against corelog: `tests/clients/groups/` says what that is.
//!
//! The broker is restarted in the middle of it, under members that stay. The two programs of the README run here too.

use crate::support::{Broker, broker, client_program, turn};

/// With the consumer protocol the broker chooses these; by default a member that died would be missed after 45 s.
const SETTINGS: &[&str] = &[
    "group.consumer.session.timeout.ms=6000",
    "group.consumer.min.session.timeout.ms=6000",
    "group.consumer.heartbeat.interval.ms=500",
    "group.consumer.min.heartbeat.interval.ms=500",
];

/// Stops the broker as an operator does.
fn stop(broker: &mut Broker) {
    broker.stop();
}

/// Kills it.
fn kill(broker: &mut Broker) {
    broker.kill();
}

/// Takes a group of one client through its life, with a broker of its own that ends as `end` says in the middle.
fn journey(client: &str, end: fn(&mut Broker)) {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let mut broker = Broker::start(SETTINGS);
    client_program::run_with_restart(&format!("group-{client}"), &mut broker, end);
    broker.must_answer();
}

/// The same for members in Java, one test at a time.
fn journey_in_java(client: &str, end: fn(&mut Broker)) {
    let _jvm = turn::jvm();
    journey(client, end);
}

#[test]
fn kafka_python_2() {
    journey("kafka-python-2", stop);
}

#[test]
fn kafka_python_3() {
    journey("kafka-python-3", kill);
}

#[test]
fn aiokafka() {
    journey("aiokafka", stop);
}

#[test]
fn confluent_kafka() {
    journey("confluent-kafka", kill);
}

#[test]
fn confluent_kafka_by_the_consumer_protocol() {
    journey("confluent-kafka-consumer", stop);
}

#[test]
fn kafkajs() {
    journey("kafkajs", stop);
}

#[test]
fn kcat() {
    journey("kcat", stop);
}

#[test]
fn franz_go() {
    journey("franz-go", kill);
}

#[test]
fn franz_go_by_the_consumer_protocol() {
    journey("franz-go-consumer", kill);
}

#[test]
fn sarama() {
    journey("sarama", stop);
}

#[test]
fn java() {
    journey_in_java("java", stop);
}

#[test]
fn java_by_the_consumer_protocol() {
    journey_in_java("java-consumer", kill);
}

#[test]
fn the_programs_of_the_readme() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    for client in ["readme-kafka-python-2", "readme-kafka-python-3"] {
        let mut broker = Broker::start(&[]);
        client_program::run(client, &broker.address());
        broker.must_answer();
    }
}
