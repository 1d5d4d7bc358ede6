//! Fetch: offsets, limits, epochs and sessions.

use corelog::{
    protocol::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic, ForgottenTopic, ReplicaState},
    types::Uuid,
};

use super::{Side, batch, newest, some, text, versions};

/// A request for one partition of a topic by name, that waits for nothing.
pub(super) fn of(topic: &str, partition: i32, offset: i64) -> FetchRequest {
    let partition = FetchPartition { partition, fetch_offset: offset, partition_max_bytes: 1 << 20, ..FetchPartition::default() };
    let topics = vec![FetchTopic { topic: text(topic), partitions: vec![partition], ..FetchTopic::default() }];
    FetchRequest { max_wait_ms: 0, min_bytes: 1, max_bytes: 10 << 20, topics, ..FetchRequest::default() }
}

fn changed(request: FetchRequest, change: impl Fn(&mut FetchPartition)) -> FetchRequest {
    let mut request = request;
    request.topics.iter_mut().flat_map(|topic| &mut topic.partitions).for_each(change);
    request
}

pub(super) fn ask(side: &mut Side) {
    let id = side.make_topic("read", 2, &[]);
    let past = side.now_ms - 3_600_000;
    for at in 0..4 {
        side.write("read", 0, batch(past + at * 60_000, 5));
    }
    side.write("read", 1, batch(past, 1));
    for version in versions::<FetchRequest>() {
        // From version 13 on topics go by id.
        let by_id = |mut request: FetchRequest| {
            for topic in request.topics.iter_mut().filter(|_| version >= 13) {
                topic.topic_id = match topic.topic.as_str() {
                    "read" => id,
                    "" => Uuid::ZERO,
                    _ => Uuid([6; 16]),
                };
            }
            request
        };
        let mut ask = |what: &str, request: FetchRequest| {
            side.ask::<_, FetchResponse>(&format!("fetch {what}"), &by_id(request), version);
        };
        ask("from the beginning", of("read", 0, 0));
        ask("from the middle of a batch", of("read", 0, 7));
        ask("from the end", of("read", 0, 20));
        ask("from behind the end", of("read", 0, 21));
        ask("from a negative offset", of("read", 0, -1));
        ask("from a partition that is not there", of("read", 2, 0));
        ask("from a negative partition", of("read", -1, 0));
        ask("from a topic that is not there", of("nowhere", 0, 0));
        ask("from a topic without a name", of("", 0, 0));
        ask("a byte of the partition", changed(of("read", 0, 0), |partition| partition.partition_max_bytes = 1));
        ask("a byte of all", FetchRequest { max_bytes: 1, ..of("read", 0, 5) });
        ask("no byte of all", FetchRequest { max_bytes: 0, ..of("read", 0, 5) });
        ask("no byte of the partition", changed(of("read", 0, 0), |partition| partition.partition_max_bytes = 0));
        ask("a batch and a half", changed(of("read", 0, 0), |partition| partition.partition_max_bytes = 700));
        ask("committed records", FetchRequest { isolation_level: 1, ..of("read", 0, 15) });
        ask("at an unknown isolation level", FetchRequest { isolation_level: 7, ..of("read", 0, 15) });
        ask("nothing", FetchRequest { topics: vec![], ..of("read", 0, 0) });
        let mut both = of("read", 0, 15);
        both.topics.extend(of("read", 1, 0).topics);
        ask("two partitions, the topic twice", both.clone());
        both.topics.extend(of("nowhere", 1, 0).topics);
        ask("two partitions and a stranger", both);
        let mut twice = of("read", 0, 15);
        twice.topics[0].partitions.extend(of("read", 0, 10).topics.remove(0).partitions);
        ask("one partition twice", twice);
        if version >= 9 {
            for epoch in [0, 1, -1, -5] {
                ask(&format!("in leader epoch {epoch}"), changed(of("read", 0, 15), |partition| partition.current_leader_epoch = epoch));
            }
        }
        if version >= 11 {
            ask("with a rack", FetchRequest { rack_id: text("r1"), ..of("read", 0, 15) });
        }
        if version >= 12 {
            for (epoch, offset) in [(0, 15), (0, 20), (0, 25), (3, 15), (-1, 15)] {
                ask(&format!("at {offset} after epoch {epoch}"), changed(of("read", 0, offset), |partition| partition.last_fetched_epoch = epoch));
            }
            ask("from another cluster", FetchRequest { cluster_id: some("another"), ..of("read", 0, 15) });
        }
        let follower = if version < 15 {
            FetchRequest { replica_id: 7, ..of("read", 0, 15) }
        } else {
            FetchRequest { replica_state: ReplicaState { replica_id: 7, replica_epoch: -1 }, ..of("read", 0, 15) }
        };
        ask("as a follower that is none", follower);
        sessions(side, version, id);
    }
    let topics = vec![FetchTopic { topic_id: id, topic: text("another"), ..of("read", 0, 15).topics.remove(0) }];
    side.ask::<_, FetchResponse>("fetch by id under another name", &FetchRequest { topics, ..of("read", 0, 15) }, newest::<FetchRequest>());
}

/// Incremental fetch sessions (KIP-227), from version 7 on.
fn sessions(side: &mut Side, version: i16, id: Uuid) {
    if version < 7 {
        return;
    }
    let topic_id = if version >= 13 { id } else { Uuid::ZERO };
    let full = |mut request: FetchRequest, session_id, session_epoch| {
        request.topics.iter_mut().for_each(|topic| topic.topic_id = topic_id);
        FetchRequest { session_id, session_epoch, ..request }
    };
    let mut both = of("read", 0, 15);
    both.topics[0].partitions.extend(of("read", 1, 0).topics.remove(0).partitions);
    let Some(opened) = side.ask::<_, FetchResponse>("fetch: open a session", &full(both, 0, 0), version) else { return };
    let session = opened.session_id;
    let mut ask = |what: &str, request: FetchRequest| {
        side.ask::<_, FetchResponse>(&format!("fetch in a session: {what}"), &request, version);
    };
    let nothing = |epoch| FetchRequest { topics: vec![], ..full(of("read", 0, 0), session, epoch) };
    ask("nothing new", nothing(1));
    ask("a moved offset", full(of("read", 0, 20), session, 2));
    ask("again nothing new", nothing(3));
    ask("an epoch twice", nothing(3));
    ask("an epoch ahead", nothing(9));
    let forgotten = vec![ForgottenTopic { topic: text("read"), topic_id, partitions: vec![1] }];
    ask("a forgotten partition", FetchRequest { forgotten_topics_data: forgotten, ..nothing(4) });
    ask("only the other is left", nothing(5));
    ask("of an unknown id", FetchRequest { session_id: session.wrapping_add(17), ..nothing(6) });
    ask("id 0 and an epoch", FetchRequest { session_id: 0, ..nothing(6) });
    ask("closed", full(of("read", 0, 15), session, -1));
    ask("after it was closed", nothing(6));
}
