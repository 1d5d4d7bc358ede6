//! InitProducerId, sequence numbers and DescribeProducers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use corelog::{
    protocol::messages::{
        describe_producers::{DescribeProducersRequest, DescribeProducersResponse, TopicRequest},
        fetch::FetchResponse,
        init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
        produce::ProduceResponse,
    },
    record::BatchBuilder,
    types::{ProducerEpoch, ProducerId},
};

use super::{Side, fetch, filled, produce, text, versions};

pub(super) fn ask(side: &mut Side) {
    await_ids(side);
    let mut id = -1;
    for version in versions::<InitProducerIdRequest>() {
        let plain = InitProducerIdRequest { transaction_timeout_ms: 60_000, ..InitProducerIdRequest::default() };
        let answer = side.ask::<_, InitProducerIdResponse>("producer id", &plain, version);
        id = answer.map_or(-1, |answer| answer.producer_id);
        for timeout in [0, -1, i32::MAX] {
            let request = InitProducerIdRequest { transaction_timeout_ms: timeout, ..plain.clone() };
            side.ask::<_, InitProducerIdResponse>(&format!("producer id with timeout {timeout}"), &request, version);
        }
        if version >= 3 {
            let cases = [("its own", id, 0), ("its own", id, 5), ("another", 5_000_000, 0), ("none", -1, 3), ("its own", id, -1)];
            for (what, producer_id, producer_epoch) in cases {
                let request = InitProducerIdRequest { producer_id, producer_epoch, ..plain.clone() };
                side.ask::<_, InitProducerIdResponse>(&format!("producer id on {what} with epoch {producer_epoch}"), &request, version);
            }
        }
    }
    let empty = InitProducerIdRequest { transactional_id: Some(text("")), transaction_timeout_ms: 60_000, ..InitProducerIdRequest::default() };
    side.ask::<_, InitProducerIdResponse>("producer id for an empty transactional id", &empty, 4);
    sequences(side, id);
}

/// Kafka's broker asks its controller for ids when the first is wanted, and has none to give meanwhile.
fn await_ids(side: &mut Side) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let request = InitProducerIdRequest { transaction_timeout_ms: 60_000, ..InitProducerIdRequest::default() };
    while Instant::now() < deadline {
        let answer: InitProducerIdResponse = side.quietly(&request, 4).expect("an answer to InitProducerId");
        if answer.error_code == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{}: no producer id to be had", side.name);
}

fn sequences(side: &mut Side, id: i64) {
    side.make_topic("sequenced", 1, &[]);
    let past = side.now_ms - 3_600_000;
    let of = |producer: i64, epoch: i16, sequence: Option<i32>, count: i64| -> Bytes {
        filled(BatchBuilder::new().producer(ProducerId(producer), ProducerEpoch(epoch), sequence), past, count)
    };
    // Each line is sent in turn; what it gets depends on those before it.
    let steps: &[(&str, i16, i32, i64)] = &[
        ("the first batch", 0, 0, 3),
        ("the next batch", 0, 3, 2),
        ("the next batch again", 0, 3, 2),
        ("the first batch again", 0, 0, 3),
        ("part of the last batch", 0, 3, 1),
        ("a batch after a gap", 0, 7, 1),
        ("a batch that begins inside the last", 0, 4, 3),
        ("batch 3", 0, 5, 1),
        ("batch 4", 0, 6, 1),
        ("batch 5", 0, 7, 1),
        ("batch 6", 0, 8, 1),
        ("batch 7", 0, 9, 1),
        ("the first batch, long after", 0, 0, 3),
        ("the third batch, still known", 0, 5, 1),
        ("a new epoch that does not begin at 0", 1, 10, 1),
        ("a new epoch", 1, 0, 2),
        ("the old epoch", 0, 10, 1),
        ("the new epoch again", 1, 0, 2),
        ("a jump of epochs", 9, 0, 1),
        ("a negative epoch", -1, 0, 1),
        ("a negative sequence", 9, -1, 1),
    ];
    for (what, epoch, sequence, count) in steps {
        let request = produce("sequenced", 0, of(id, *epoch, Some(*sequence), *count));
        side.ask::<_, ProduceResponse>(&format!("produce {what}"), &request, 9);
    }
    let unknown = id + 100_000;
    side.ask::<_, ProduceResponse>("produce as an unknown producer from 5 on", &produce("sequenced", 0, of(unknown, 3, Some(5), 1)), 9);
    side.ask::<_, ProduceResponse>("produce as an unknown producer, next", &produce("sequenced", 0, of(unknown, 3, Some(6), 1)), 9);
    let two = [of(unknown + 1, 0, Some(0), 1), of(unknown + 1, 0, Some(1), 1)].concat();
    side.ask::<_, ProduceResponse>("produce two idempotent batches at once", &produce("sequenced", 0, Bytes::from(two)), 9);
    let wraps = unknown + 2;
    for (what, sequence, count) in [("near the end of sequences", i32::MAX - 1, 2), ("past the end of sequences", 0, 1), ("before it again", i32::MAX - 1, 2)] {
        side.ask::<_, ProduceResponse>(&format!("produce {what}"), &produce("sequenced", 0, of(wraps, 0, Some(sequence), count)), 9);
    }
    side.ask::<_, ProduceResponse>("produce over the end of sequences", &produce("sequenced", 0, of(unknown + 3, 0, Some(i32::MAX), 3)), 9);
    side.ask::<_, ProduceResponse>("produce after it", &produce("sequenced", 0, of(unknown + 3, 0, Some(2), 1)), 9);
    side.ask::<_, FetchResponse>("what was sequenced", &fetch::of("sequenced", 0, 0), 12);
    let topics = vec![TopicRequest { name: text("sequenced"), partition_indexes: vec![0] }];
    side.ask::<_, DescribeProducersResponse>("producers", &DescribeProducersRequest { topics }, 0);
}
