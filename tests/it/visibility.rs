//! What was answered shows at once, whatever connection asks, on whatever shard it ended up.

use corelog::{
    protocol::messages::{
        create_topics::{CreatableTopic, CreateTopicsRequest, CreateTopicsResponse},
        delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse},
    },
    types::Text,
};

use crate::support::{Broker, Wire, broker, talk, turn};

const ROUNDS: usize = 50;
const PARTITIONS: i32 = 8;

#[test]
fn a_topic_shows_on_every_connection_when_it_was_made_and_on_none_when_it_was_deleted() {
    if !broker::serves() {
        return;
    }
    let _machine = turn::shared();
    let broker = Broker::start(&[]);
    // As many on every shard: connections go round.
    let mut wires: Vec<Wire> = (0..4).map(|_| broker.connect()).collect();
    for round in 0..ROUNDS {
        let name = format!("topic-{round}");
        let asked = round % wires.len();
        create(&mut wires[asked], &name);
        for wire in &mut wires {
            assert_eq!(talk::leaders(wire, &name), PARTITIONS as usize, "round {round}");
        }
        delete(&mut wires[asked], &name);
        for wire in &mut wires {
            assert!(talk::topics(wire).is_empty(), "round {round}");
        }
    }
}

fn create(wire: &mut Wire, name: &str) {
    let topic = CreatableTopic { name: Text::from(name), num_partitions: PARTITIONS, replication_factor: 1, ..CreatableTopic::default() };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false };
    let answer: CreateTopicsResponse = wire.call(&request, 7);
    assert_eq!(answer.topics[0].error_code, 0, "{answer:?}");
}

fn delete(wire: &mut Wire, name: &str) {
    let topics = vec![DeleteTopicState { name: Some(Text::from(name)), ..DeleteTopicState::default() }];
    let request = DeleteTopicsRequest { topics, timeout_ms: 10_000, ..DeleteTopicsRequest::default() };
    let answer: DeleteTopicsResponse = wire.call(&request, 6);
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
}
