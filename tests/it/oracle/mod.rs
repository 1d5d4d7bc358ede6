//! The oracle: a real Kafka 4.3 and corelog are asked the same things, and their answers are compared field by field.
//!
//! `script/` asks, once each broker; `transcript` keeps what came back; `tree` makes an answer comparable (names of topics,
//! ids, ports and times that may differ are replaced by what they stand for); `differences` lists what is meant to differ. A
//! difference that is not listed fails, and so does a listed one that no longer occurs.

mod answer;
mod compare;
mod differences;
mod script;
mod transcript;
mod tree;

use transcript::Side;

use crate::support::{Broker, Kafka, broker, kafka, turn};

/// What both brokers are told, so that they start from the same place.
const SETTINGS: &[&str] = &[
    "auto.create.topics.enable=true",
    "num.partitions=2",
    "log.segment.delete.delay.ms=500",
    // A first member need not wait for others.
    "group.initial.rebalance.delay.ms=0",
    // Assignments come with the heartbeat that makes them necessary.
    "group.consumer.min.assignment.interval.ms=0",
    "group.consumer.assignment.interval.ms=0",
];

#[test]
fn corelog_answers_as_kafka_does() {
    if !broker::serves() || !kafka::installed() {
        return;
    }
    let (_machine, _jvm) = (turn::shared(), turn::jvm());
    let now_ms = transcript::now_ms();
    let kafka = Kafka::start(SETTINGS);
    let broker = Broker::start(SETTINGS);
    let expected = script::run(Side::new("kafka", kafka.port(), now_ms));
    let got = script::run(Side::new("corelog", broker.port(), now_ms));
    compare::report(&expected, &got, &differences::intended());
}

/// The comparison itself must neither see differences where there are none nor depend on what a broker chooses at random.
#[test]
#[ignore = "says something only after the script was changed, and takes two minutes"]
fn kafka_answers_as_kafka_does() {
    if !kafka::installed() {
        return;
    }
    let (_machine, _jvm) = (turn::shared(), turn::jvm());
    let now_ms = transcript::now_ms();
    let [one, two] = [(); 2].map(|()| Kafka::start(SETTINGS));
    let expected = script::run(Side::new("kafka", one.port(), now_ms));
    let got = script::run(Side::new("another kafka", two.port(), now_ms));
    compare::report(&expected, &got, &[]);
}
