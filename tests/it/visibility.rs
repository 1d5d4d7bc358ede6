//! What was answered shows at once, whatever connection asks, on whatever shard it ended up.

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
        talk::make_topic(&mut wires[asked], &name, PARTITIONS, &[]);
        for wire in &mut wires {
            assert_eq!(talk::leaders(wire, &name), PARTITIONS as usize, "round {round}");
        }
        talk::delete_topic(&mut wires[asked], &name);
        for wire in &mut wires {
            assert!(talk::topics(wire).is_empty(), "round {round}");
        }
    }
}
