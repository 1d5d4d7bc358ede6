//! Unmodified clients do their whole journey against corelog: `tests/clients/` says what that is.

use crate::support::{Broker, broker, client_program, turn};

/// Runs one program against a broker of its own.
fn journey(name: &str) {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let mut broker = Broker::start(&[]);
    client_program::run(name, &broker.address());
    broker.must_answer();
}

/// The same for programs in Java, one at a time.
fn journey_in_java(name: &str) {
    let _jvm = turn::jvm();
    journey(name);
}

#[test]
fn kafka_python_2() {
    journey("kafka-python-2");
}

#[test]
fn kafka_python_3() {
    journey("kafka-python-3");
}

#[test]
fn aiokafka() {
    journey("aiokafka");
}

#[test]
fn confluent_kafka() {
    journey("confluent-kafka");
}

#[test]
fn kafkajs() {
    journey("kafkajs");
}

#[test]
fn kcat() {
    journey("kcat");
}

#[test]
fn franz_go() {
    journey("franz-go");
}

#[test]
fn java() {
    journey_in_java("java");
}

#[test]
fn java_tools() {
    journey_in_java("java-tools");
}
