//! Fetch (key 1): what is there from an offset on, at once or as soon as there is enough of it.
//!
//! One pass reads every partition concerned, here and on the other shards; if all of it is short of the client's min
//! bytes, the request waits (`shard/purgatory`) for progress or its deadline and reads once more. Records leave as slices of the
//! buffers that they were written from or read into.

use std::{collections::hash_map::Entry, rc::Rc};

use super::{
    Api,
    exchange::ResponseSlot,
    fetch_session::{Opened, SessionFields, Told, TopicKey, Wanted},
    request::Request,
};
use crate::{
    metadata::ClusterImage,
    partition::{FetchFrom, Fetched, Refusal},
    protocol::{
        messages::fetch::{
            EpochEndOffset, FetchPartition, FetchRequest, FetchResponse, FetchableTopicResponse, LeaderIdAndEpoch, PartitionData,
        },
        wire::Records,
    },
    runtime::{buffer::Slice, clock},
    shard::fetch::{FetchTask, Place},
    types::{ErrorCode, HashMap, PartitionId},
};

/// First version that names topics by id.
const VERSION_TOPIC_ID: i16 = 13;
/// First version whose answer names the leader to those who need another.
const VERSION_CURRENT_LEADER: i16 = 16;
/// Longest time in ms a fetch may wait, whatever the client asks: keeps a connection from sleeping for ever.
const MAX_WAIT_MS: i32 = 10 * 60 * 1000;

/// Answers one fetch. Waits up to the client's `max_wait_ms`.
pub(super) async fn fetch(api: Rc<Api>, request: Request, slot: ResponseSlot) {
    let body: FetchRequest = match request.decode() {
        Ok(body) => body,
        Err(error) => return slot.close(format!("malformed fetch request: {error}")),
    };
    if !matches!(body.isolation_level, 0 | 1) {
        return request.response_head().fill(slot, &refused(&body, request.version(), ErrorCode::UnknownServerError));
    }
    let named = named(&body, request.version());
    let forgotten = forgotten(&body, request.version());
    let fields = SessionFields {
        id: body.session_id,
        epoch: body.session_epoch,
        by_topic_id: request.version() >= VERSION_TOPIC_ID,
    };
    // Before version 7 there are no sessions.
    let opened = if request.version() < 7 {
        Ok(Opened::Sessionless)
    } else {
        api.fetch_sessions.borrow_mut().open(fields, &named, &forgotten, clock::monotonic_ns())
    };
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let response = FetchResponse { error_code: error.code(), ..FetchResponse::default() };
            return request.response_head().fill(slot, &response);
        }
    };
    let (session, wanted) = match opened {
        Opened::Sessionless => (0, named),
        Opened::Full(id) => (id, named),
        Opened::Incremental(id) => (id, api.fetch_sessions.borrow().wanted(id)),
    };
    let image = api.shard.image();
    let from_replica = body.replica_id >= 0 || body.replica_state.replica_id >= 0;
    let places = wanted.iter().map(|wanted| place(&api, &image, wanted, from_replica)).collect();
    let task = FetchTask {
        places,
        max_bytes: usize::try_from(body.max_bytes).unwrap_or(0).min(api.shard.config().fetch_max_bytes),
        min_bytes: usize::try_from(body.min_bytes).unwrap_or(0),
        max_wait_ms: u64::try_from(body.max_wait_ms.clamp(0, MAX_WAIT_MS)).unwrap_or(0),
    };
    let fetched = task.run(&api.shard).await;
    answer(&api, &request, slot, Answer { image: &image, session, opened: &opened, wanted: &wanted, isolated: body.isolation_level == 1 }, fetched);
}

/// The answer to a request that fails as a whole (FetchRequest.getErrorResponse).
fn refused(body: &FetchRequest, version: i16, error: ErrorCode) -> FetchResponse {
    let mut response = FetchResponse { error_code: error.code(), session_id: body.session_id, ..FetchResponse::default() };
    if version < VERSION_TOPIC_ID {
        let refused = |partition: &FetchPartition| PartitionData {
            partition_index: partition.partition,
            error_code: error.code(),
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            aborted_transactions: Some(Vec::new()),
            records: Some(Records::Empty),
            ..PartitionData::default()
        };
        let topics = body.topics.iter().map(|topic| FetchableTopicResponse {
            topic: topic.topic.clone(),
            partitions: topic.partitions.iter().map(refused).collect(),
            ..FetchableTopicResponse::default()
        });
        response.responses = topics.collect();
    }
    response
}

/// What the request names, in its order. A partition that it names twice counts once, as it is named last.
fn named(body: &FetchRequest, version: i16) -> Vec<Wanted> {
    let named = all_named(body, version);
    if named.len() < 2 {
        return named;
    }
    let mut places: HashMap<(&TopicKey, i32), usize> = HashMap::new();
    let mut last: Vec<usize> = Vec::with_capacity(named.len());
    for (at, wanted) in named.iter().enumerate() {
        match places.entry((&wanted.topic, wanted.partition)) {
            Entry::Occupied(place) => last[*place.get()] = at,
            Entry::Vacant(place) => {
                place.insert(last.len());
                last.push(at);
            }
        }
    }
    if last.len() == named.len() {
        return named;
    }
    last.into_iter().map(|at| named[at].clone()).collect()
}

fn all_named(body: &FetchRequest, version: i16) -> Vec<Wanted> {
    let mut named = Vec::new();
    for topic in &body.topics {
        let key = if version >= VERSION_TOPIC_ID { TopicKey::Id(topic.topic_id) } else { TopicKey::Name(topic.topic.clone()) };
        for partition in &topic.partitions {
            named.push(Wanted {
                topic: key.clone(),
                partition: partition.partition,
                offset: partition.fetch_offset,
                max_bytes: partition.partition_max_bytes,
                leader_epoch: partition.current_leader_epoch,
                last_fetched_epoch: partition.last_fetched_epoch,
            });
        }
    }
    named
}

fn forgotten(body: &FetchRequest, version: i16) -> Vec<(TopicKey, i32)> {
    let mut forgotten = Vec::new();
    for topic in &body.forgotten_topics_data {
        let key = if version >= VERSION_TOPIC_ID { TopicKey::Id(topic.topic_id) } else { TopicKey::Name(topic.topic.clone()) };
        forgotten.extend(topic.partitions.iter().map(|partition| (key.clone(), *partition)));
    }
    forgotten
}

/// Where a wanted partition is, or why it cannot be read.
fn place(api: &Api, image: &ClusterImage, wanted: &Wanted, from_replica: bool) -> Place {
    let (topic, unknown) = match &wanted.topic {
        TopicKey::Id(id) => (image.topic(*id), ErrorCode::UnknownTopicId),
        TopicKey::Name(name) => (image.topic_by_name(name), ErrorCode::UnknownTopicOrPartition),
    };
    let Some(topic) = topic else { return Place::Refused(Refusal::of(unknown)) };
    let id = PartitionId { topic_id: topic.id, partition: wanted.partition };
    let Some(owner) = api.shard.owner_in(image, id) else {
        return Place::Refused(Refusal::of(ErrorCode::UnknownTopicOrPartition));
    };
    if from_replica {
        // No replica is assigned to anyone else (Partition.followerReplicaOrThrow).
        let code = if wanted.leader_epoch >= 0 { ErrorCode::UnknownLeaderEpoch } else { ErrorCode::NotLeaderOrFollower };
        return Place::Refused(Refusal::of(code));
    }
    let from = FetchFrom {
        id,
        offset: wanted.offset,
        max_bytes: usize::try_from(wanted.max_bytes).unwrap_or(0),
        current_leader_epoch: (wanted.leader_epoch >= 0).then_some(wanted.leader_epoch),
        last_fetched_epoch: (wanted.last_fetched_epoch >= 0).then_some(wanted.last_fetched_epoch),
    };
    Place::At(owner, from)
}

/// What the answer is about.
struct Answer<'a> {
    image: &'a ClusterImage,
    session: i32,
    opened: &'a Opened,
    wanted: &'a [Wanted],
    isolated: bool,
}

fn answer(api: &Api, request: &Request, slot: ResponseSlot, answer: Answer<'_>, fetched: Vec<Fetched<Slice>>) {
    let mut response = FetchResponse { session_id: answer.session, ..FetchResponse::default() };
    let mut records = Vec::new();
    for (wanted, fetched) in answer.wanted.iter().zip(fetched) {
        let has_records = !fetched.records.is_empty();
        if answer.session != 0 {
            let told = fetched.result.as_ref().ok().filter(|marks| marks.diverging.is_none());
            let told = told.map(|marks| Told { high_watermark: marks.high_watermark.get(), log_start: marks.log_start.get() });
            let name_it = api.fetch_sessions.borrow_mut().tell(answer.session, wanted, has_records, told);
            if !name_it && matches!(answer.opened, Opened::Incremental(_)) {
                continue;
            }
        }
        let bytes = fetched.records.iter().map(|slice| slice.len()).sum::<usize>();
        let mut partition = partition_data(wanted, &fetched, bytes, answer.isolated);
        if request.version() >= VERSION_CURRENT_LEADER && let Err(refusal) = &fetched.result {
            partition.current_leader = current_leader(answer.image, wanted, refusal.code).unwrap_or_default();
        }
        if bytes > 0 {
            records.push(fetched.records);
        }
        push(&mut response.responses, wanted, partition, answer.image);
    }
    request.response_head().fill_gathered(slot, &response, records);
}

fn partition_data(wanted: &Wanted, fetched: &Fetched<Slice>, bytes: usize, isolated: bool) -> PartitionData {
    let mut data = PartitionData { partition_index: wanted.partition, ..PartitionData::default() };
    // Never null: librdkafka breaks on it (KAFKA-18646).
    data.records = Some(if bytes > 0 { Records::Spliced(bytes) } else { Records::Empty });
    data.aborted_transactions = isolated.then(Vec::new);
    match &fetched.result {
        Ok(marks) => {
            data.high_watermark = marks.high_watermark.get();
            data.last_stable_offset = marks.high_watermark.get();
            data.log_start_offset = marks.log_start.get();
            if let Some((epoch, end)) = marks.diverging {
                data.diverging_epoch = EpochEndOffset { epoch, end_offset: end.get() };
            }
        }
        Err(refusal) => {
            data.error_code = refusal.code.code();
            data.high_watermark = -1;
            data.last_stable_offset = -1;
            data.log_start_offset = -1;
            // What is not there is told with an empty list, what cannot be read with none, as Kafka does.
            let is_unknown = matches!(refusal.code, ErrorCode::UnknownTopicId | ErrorCode::UnknownTopicOrPartition);
            data.aborted_transactions = is_unknown.then(Vec::new);
        }
    }
    data
}

/// Who leads, for clients that asked the wrong broker or in an old epoch (KIP-951).
fn current_leader(image: &ClusterImage, wanted: &Wanted, error: ErrorCode) -> Option<LeaderIdAndEpoch> {
    if !matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch) {
        return None;
    }
    let topic = match &wanted.topic {
        TopicKey::Id(id) => image.topic(*id),
        TopicKey::Name(name) => image.topic_by_name(name),
    };
    let partition = image.partition(PartitionId { topic_id: topic?.id, partition: wanted.partition })?;
    let leader_id = partition.leader?.get();
    Some(LeaderIdAndEpoch { leader_id, leader_epoch: partition.leader_epoch.get() })
}

/// Appends to the topic's part of the answer; partitions of one topic that follow each other share one part.
fn push(responses: &mut Vec<FetchableTopicResponse>, wanted: &Wanted, partition: PartitionData, image: &ClusterImage) {
    let same = |topic: &FetchableTopicResponse| match &wanted.topic {
        TopicKey::Id(id) => topic.topic_id == *id,
        TopicKey::Name(name) => topic.topic == *name,
    };
    if !responses.last().is_some_and(same) {
        let mut topic = FetchableTopicResponse::default();
        match &wanted.topic {
            TopicKey::Id(id) => {
                topic.topic_id = *id;
                topic.topic = image.topic(*id).map(|topic| topic.name.clone()).unwrap_or_default();
            }
            TopicKey::Name(name) => topic.topic = name.clone(),
        }
        responses.push(topic);
    }
    if let Some(topic) = responses.last_mut() {
        topic.partitions.push(partition);
    }
}
