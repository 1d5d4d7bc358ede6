//! Positions: who may commit them, how long they stay, and what administrators do with them.

use std::collections::BTreeSet;

use super::{Answer, Call, classic::tests::Bench};
use crate::{
    protocol::messages::{
        offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_delete::{OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
    },
    types::Text,
};

fn delete_group(bench: &mut Bench, id: &'static str) -> i16 {
    let ticket = bench.ask(Call::Delete(vec![Text::from_static(id)]));
    match bench.answer(ticket) {
        Some(Answer::Deleted(results)) => results[0].error_code,
        other => panic!("{other:?}"),
    }
}

fn list(bench: &mut Bench, states: &[&'static str], types: &[&'static str]) -> Vec<(String, String, String)> {
    let words = |words: &[&'static str]| words.iter().map(|word| Text::from_static(word)).collect();
    let ticket = bench.ask(Call::List { states: words(states), types: words(types) });
    match bench.answer(ticket) {
        Some(Answer::Listed(groups)) => {
            groups.iter().map(|group| (group.group_id.to_string(), group.group_state.to_string(), group.group_type.to_string())).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn whoever_manages_its_partitions_itself_needs_no_group() {
    let mut bench = Bench::new();
    assert_eq!(bench.position(), -1);
    assert_eq!((bench.commit("", 3, 1), bench.commit("m", 3, 1)), (69, 69));
    bench.version = 8;
    assert_eq!(bench.commit("m", 3, 1), 22);
    assert_eq!((bench.commit("", -1, 42), bench.position()), (0, 42));
    let simple = vec![("g".to_owned(), "Empty".to_owned(), "classic".to_owned())];
    assert_eq!(list(&mut bench, &[], &[]), simple);
    assert_eq!(list(&mut bench, &[" empty"], &["CLASSIC"]), simple);
    assert!(list(&mut bench, &["Stable"], &[]).is_empty() && list(&mut bench, &[], &["unheard-of"]).is_empty());
    bench.restart();
    assert_eq!(bench.position(), 42);
    assert_eq!((delete_group(&mut bench, "g"), delete_group(&mut bench, "g"), bench.position()), (0, 69, -1));
    bench.restart();
    assert_eq!((bench.position(), bench.coordinator.len()), (-1, 0));
}

#[test]
fn positions_expire_when_their_time_is_over_and_the_group_with_them() {
    let mut bench = Bench::new();
    bench.settings.offsets_retention_ms = 3_600_000;
    assert_eq!(bench.commit("", -1, 42), 0);
    bench.pass(3_000_000);
    assert_eq!(bench.position(), 42);
    bench.pass(1_300_000);
    assert_eq!((bench.position(), bench.coordinator.len()), (-1, 0));
    bench.restart();
    assert_eq!((bench.position(), bench.coordinator.len()), (-1, 0));
}

#[test]
fn an_old_client_may_say_how_long_its_position_stays() {
    let mut bench = Bench::new();
    bench.version = 2;
    let partition = OffsetCommitRequestPartition { committed_offset: 5, ..OffsetCommitRequestPartition::default() };
    let request = OffsetCommitRequest {
        group_id: Text::from_static("g"),
        retention_time_ms: 60_000,
        topics: vec![OffsetCommitRequestTopic { name: Text::from_static("t"), partitions: vec![partition], ..Default::default() }],
        ..OffsetCommitRequest::default()
    };
    bench.ask(Call::Commit(request));
    bench.restart();
    assert_eq!(bench.position(), 5);
    bench.pass(700_000);
    assert_eq!(bench.position(), -1);
}

#[test]
fn metadata_over_the_limit_is_refused_and_the_rest_stored() {
    let mut bench = Bench::new();
    bench.settings.offset_metadata_max_bytes = 3;
    let partition = |index, metadata: &'static str| OffsetCommitRequestPartition {
        partition_index: index,
        committed_offset: 1,
        committed_metadata: Some(Text::from_static(metadata)),
        ..OffsetCommitRequestPartition::default()
    };
    let partitions = vec![partition(0, "abc"), partition(1, "abcd")];
    let request = OffsetCommitRequest {
        group_id: Text::from_static("g"),
        topics: vec![OffsetCommitRequestTopic { name: Text::from_static("t"), partitions, ..Default::default() }],
        ..OffsetCommitRequest::default()
    };
    let ticket = bench.ask(Call::Commit(request));
    let Some(Answer::Commit(response)) = bench.answer(ticket) else { panic!("a commit is answered") };
    assert_eq!(response.topics[0].partitions.iter().map(|one| one.error_code).collect::<Vec<_>>(), [0, 12]);
    assert_eq!(bench.position(), 1);
}

#[test]
fn positions_go_with_their_topic_or_one_by_one() {
    let mut bench = Bench::new();
    assert_eq!(bench.commit("", -1, 42), 0);
    let effects = bench.coordinator.topics_deleted(&BTreeSet::from([Text::from_static("other")]));
    assert!(effects.is_empty());
    let effects = bench.coordinator.topics_deleted(&BTreeSet::from([Text::from_static("t")]));
    assert_eq!((effects.records.len(), bench.position()), (1, -1));
    assert_eq!(bench.commit("", -1, 43), 0);
    let request = OffsetDeleteRequest {
        group_id: Text::from_static("g"),
        topics: vec![OffsetDeleteRequestTopic {
            name: Text::from_static("t"),
            partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }, OffsetDeleteRequestPartition { partition_index: 1 }],
        }],
    };
    let ticket = bench.ask(Call::DeleteOffsets(request));
    let Some(Answer::DeletedOffsets(response)) = bench.answer(ticket) else { panic!("a deletion is answered") };
    assert_eq!(response.topics[0].partitions.iter().map(|one| one.error_code).collect::<Vec<_>>(), [0, 0]);
    assert_eq!(bench.position(), -1);
}
