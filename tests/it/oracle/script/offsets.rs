//! ListOffsets, OffsetForLeaderEpoch and DeleteRecords.

use corelog::protocol::messages::{
    delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic},
    fetch::FetchResponse,
    list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic},
    offset_for_leader_epoch::{
        OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition, OffsetForLeaderTopic,
    },
};

use super::{Side, batch, fetch, text, versions};

pub(super) fn ask(side: &mut Side) {
    side.make_topic("listed", 2, &[("segment.bytes", "1048576")]);
    let past = side.now_ms - 7_200_000;
    // Timestamps rise over batches, fall once, and rise again.
    for start in [0, 600, 300, 900] {
        side.write("listed", 0, batch(past + start * 1000, 10));
    }
    list(side, past, "listed");
    epochs(side);
    delete(side);
    list(side, past, "listed");
}

fn list(side: &mut Side, past: i64, topic: &str) {
    for version in versions::<ListOffsetsRequest>() {
        let of = |topic: &str, partition_index, timestamp| ListOffsetsRequest {
            replica_id: -1,
            topics: vec![ListOffsetsTopic {
                name: text(topic),
                partitions: vec![ListOffsetsPartition { partition_index, timestamp, ..ListOffsetsPartition::default() }],
            }],
            ..ListOffsetsRequest::default()
        };
        let mut ask = |what: &str, request: ListOffsetsRequest| {
            side.ask::<_, ListOffsetsResponse>(&format!("list offsets {what}"), &request, version);
        };
        for partition in [0, 1] {
            for special in [-1, -2, -3, -4, -5, -6, -7, i64::MIN] {
                ask(&format!("of {special} in {partition}"), of(topic, partition, special));
            }
        }
        for seconds in [-1, 0, 1, 5, 9, 10, 305, 600, 605, 610, 905, 909, 910] {
            ask(&format!("of second {seconds}"), of(topic, 0, past + seconds * 1000));
        }
        ask("of time 0", of(topic, 0, 0));
        ask("of the largest time", of(topic, 0, i64::MAX));
        ask("of an unknown partition", of(topic, 9, -1));
        ask("of a negative partition", of(topic, -1, -1));
        ask("of an unknown topic", of("nowhere", 0, -1));
        let mut twice = of(topic, 0, -1);
        twice.topics[0].partitions.extend(of(topic, 0, -2).topics.remove(0).partitions);
        ask("of one partition twice", twice);
        ask("as a follower that is none", ListOffsetsRequest { replica_id: 7, ..of(topic, 0, -1) });
        ask("as a debugger", ListOffsetsRequest { replica_id: -2, ..of(topic, 0, -1) });
        if version >= 2 {
            for special in [-1, -3] {
                ask(&format!("of committed {special}"), ListOffsetsRequest { isolation_level: 1, ..of(topic, 0, special) });
            }
        }
        if version >= 4 {
            for epoch in [0, 1, -3] {
                let mut request = of(topic, 0, -1);
                request.topics[0].partitions[0].current_leader_epoch = epoch;
                ask(&format!("in leader epoch {epoch}"), request);
            }
        }
    }
}

fn epochs(side: &mut Side) {
    for version in versions::<OffsetForLeaderEpochRequest>() {
        let of = |topic: &str, partition, current_leader_epoch, leader_epoch| OffsetForLeaderEpochRequest {
            replica_id: -1,
            topics: vec![OffsetForLeaderTopic {
                topic: text(topic),
                partitions: vec![OffsetForLeaderPartition { partition, current_leader_epoch, leader_epoch }],
            }],
        };
        for (current, asked) in [(-1, 0), (0, 0), (-1, 1), (-1, -1), (-1, -2), (1, 0), (-5, 0)] {
            for partition in [0, 1] {
                let what = format!("end of epoch {asked} in {current} of {partition}");
                side.ask::<_, OffsetForLeaderEpochResponse>(&what, &of("listed", partition, current, asked), version);
            }
        }
        side.ask::<_, OffsetForLeaderEpochResponse>("end of an epoch of an unknown partition", &of("listed", 7, -1, 0), version);
        side.ask::<_, OffsetForLeaderEpochResponse>("end of an epoch of an unknown topic", &of("nowhere", 0, -1, 0), version);
        side.ask::<_, OffsetForLeaderEpochResponse>("end of no epoch", &OffsetForLeaderEpochRequest::default(), version);
    }
}

fn delete(side: &mut Side) {
    for version in versions::<DeleteRecordsRequest>() {
        let of = |topic: &str, partition_index, offset| DeleteRecordsRequest {
            topics: vec![DeleteRecordsTopic { name: text(topic), partitions: vec![DeleteRecordsPartition { partition_index, offset }] }],
            timeout_ms: 10_000,
        };
        let mut ask = |what: &str, request: &DeleteRecordsRequest| {
            side.ask::<_, DeleteRecordsResponse>(&format!("delete records {what}"), request, version);
        };
        let before = i64::from(version) * 4 + 3;
        ask("before an offset", &of("listed", 0, before));
        ask("before it again", &of("listed", 0, before));
        ask("before a smaller one", &of("listed", 0, 1));
        ask("behind the end", &of("listed", 0, 100));
        ask("before a negative one", &of("listed", 0, -2));
        ask("of an empty partition", &of("listed", 1, -1));
        ask("of an unknown partition", &of("listed", 7, 1));
        ask("of an unknown topic", &of("nowhere", 0, 1));
        ask("of nothing", &DeleteRecordsRequest::default());
        side.ask::<_, FetchResponse>(&format!("fetch after delete v{version}"), &fetch::of("listed", 0, before), 12);
        side.ask::<_, FetchResponse>(&format!("fetch what was deleted v{version}"), &fetch::of("listed", 0, before - 1), 12);
    }
    side.make_topic("emptied", 1, &[]);
    side.write("emptied", 0, batch(side.now_ms - 3_600_000, 5));
    let all = DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic { name: text("emptied"), partitions: vec![DeleteRecordsPartition { partition_index: 0, offset: -1 }] }],
        timeout_ms: 10_000,
    };
    side.ask::<_, DeleteRecordsResponse>("delete all records", &all, 2);
    side.ask::<_, FetchResponse>("fetch after deleting all", &fetch::of("emptied", 0, 5), 12);
    for (what, timestamp) in [("start", -2), ("end", -1), ("largest time", -3)] {
        let partitions = vec![ListOffsetsPartition { timestamp, ..ListOffsetsPartition::default() }];
        let request = ListOffsetsRequest { replica_id: -1, topics: vec![ListOffsetsTopic { name: text("emptied"), partitions }], ..ListOffsetsRequest::default() };
        side.ask::<_, ListOffsetsResponse>(&format!("list the {what} after deleting all"), &request, 7);
    }
}
