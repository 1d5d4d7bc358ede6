//! Produce (key 0): batches of many partitions in, one answer when all of them are as safe as `acks` asks.
//!
//! Stage one ([`start`]) runs without waiting: decode, resolve, split by owner, hand over. From then on the connection
//! may read its next request, and order is kept because every partition's inbox keeps it. Stage two is the sink: the
//! last partition's result encodes the answer.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use bytes::Bytes;

use super::{
    Api,
    exchange::{Disposition, ResponseSlot},
    request::{Request, ResponseHead},
};
use crate::{
    metadata::ClusterImage,
    partition::{Acks, Append, AppendSink, Appended, Refusal},
    protocol::messages::produce::{
        BatchIndexAndErrorMessage, PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceData, TopicProduceResponse,
    },
    record::claims_transaction,
    types::{ErrorCode, HashMap, PartitionId, ShardId, Text, Uuid, is_internal_topic},
};

/// First version that names topics by id only.
const VERSION_TOPIC_ID: i16 = 13;
/// Records of one topic that make a request a large one.
const LARGE_BYTES: usize = 12 << 10;

/// Hands every batch of the request to its partition. The slot is filled later.
pub(super) fn start(api: &Rc<Api>, request: &Request, slot: ResponseSlot) -> Disposition {
    let mut body: ProduceRequest = match request.decode() {
        Ok(body) => body,
        Err(error) => return Disposition::Close(format!("malformed produce request: {error}")),
    };
    let acks = match body.acks {
        0 => Ok(Acks::None),
        1 => Ok(Acks::Leader),
        -1 => Ok(Acks::All),
        other => Err(Refusal::because(
            ErrorCode::InvalidRequiredAcks,
            format!("acks is {other}; it must be 0, 1 or -1 (all)"),
        )),
    };
    body.topic_data = each_once(body.topic_data);
    let transactional = body.topic_data.iter().flat_map(|topic| &topic.partition_data).any(is_transactional);
    let barred = match (&acks, &body.transactional_id) {
        (Err(refusal), _) => Some(refusal.clone()),
        // As if the client had no right to the transactional id that it does not name (KafkaApis.handleProduceRequest).
        (Ok(_), None) if transactional => Some(Refusal::of(ErrorCode::TransactionalIdAuthorizationFailed)),
        (Ok(_), Some(_)) if transactional => {
            Some(Refusal::because(ErrorCode::InvalidTxnState, "transactions are not supported by this broker yet"))
        }
        _ => None,
    };
    let image = api.shard.image();
    let answer = PendingProduce::new(&body, request, acks.as_ref().ok().copied(), slot);
    let mut elsewhere: Vec<Batches> = Vec::new();
    let (mut congested, mut at_once) = (false, false);
    let mut index = 0;
    for topic in body.topic_data {
        let topic_id = match &barred {
            Some(refusal) => Err(refusal.clone()),
            None => resolve(&image, &topic, request),
        };
        for partition in topic.partition_data {
            let place = index;
            index += 1;
            let placed = topic_id.clone().and_then(|topic_id| {
                let id = PartitionId { topic_id, partition: partition.index };
                let records = partition.records.filter(|records| !records.is_empty()).ok_or_else(no_records)?;
                Ok((api.shard.owner_in(&image, id).ok_or_else(|| Refusal::of(ErrorCode::UnknownTopicOrPartition))?, id, records))
            });
            let (owner, id, records) = match placed {
                Ok(placed) => placed,
                Err(refusal) => {
                    answer.appended(place, Err(refusal));
                    continue;
                }
            };
            if owner == api.shard.id() {
                let sink = Rc::<PendingProduce>::clone(&answer);
                let acks = answer.acks;
                at_once |= api.shard.append(id, Append { records, produce_version: request.version(), acks, sink, index: place });
            } else {
                congested |= api.shard.router().congested(owner);
                Batches::of(&mut elsewhere, owner).push(id, records, place);
            }
        }
    }
    for Batches { owner, batches, indexes } in elsewhere {
        let sink: Rc<dyn AppendSink> = Rc::<PendingProduce>::clone(&answer);
        api.shard.router().produce(owner, answer.acks, request.version(), batches, (sink, indexes));
    }
    answer.all_named();
    // A shard that does not keep up holds back the clients that feed it.
    match (congested, at_once) {
        (true, _) => Disposition::Serial,
        (false, true) => Disposition::Begin,
        (false, false) => Disposition::Continue,
    }
}

/// Every partition once, as it is named last, at the place where it is named first; topics without partitions are left out.
/// Kafka keeps a request's partitions in a map.
fn each_once(mut topics: Vec<TopicProduceData>) -> Vec<TopicProduceData> {
    topics.retain(|topic| !topic.partition_data.is_empty());
    if let [topic] = &topics[..]
        && topic.partition_data.len() == 1
    {
        return topics;
    }
    let mut merged: Vec<TopicProduceData> = Vec::with_capacity(topics.len());
    let mut topics_at: HashMap<(Text, Uuid), usize> = HashMap::new();
    let mut partitions_at: HashMap<(usize, i32), usize> = HashMap::new();
    for topic in topics {
        let TopicProduceData { name, topic_id, partition_data } = topic;
        let at = *topics_at.entry((name.clone(), topic_id)).or_insert(merged.len());
        if at == merged.len() {
            merged.push(TopicProduceData { name, topic_id, partition_data: Vec::with_capacity(partition_data.len()) });
        }
        let into = &mut merged[at].partition_data;
        for partition in partition_data {
            let place = *partitions_at.entry((at, partition.index)).or_insert(into.len());
            match into.get_mut(place) {
                Some(known) => *known = partition,
                None => into.push(partition),
            }
        }
    }
    merged
}

/// True if the header of the batch says so; what it says is checked later.
fn is_transactional(partition: &PartitionProduceData) -> bool {
    partition.records.as_ref().is_some_and(|records| claims_transaction(records))
}

/// The id of the topic that a part of the request means, or why nothing can be written there.
fn resolve(image: &ClusterImage, topic: &TopicProduceData, request: &Request) -> Result<Uuid, Refusal> {
    let found = if request.version() >= VERSION_TOPIC_ID {
        image.topic(topic.topic_id).ok_or(ErrorCode::UnknownTopicId)
    } else {
        image.topic_by_name(&topic.name).ok_or(ErrorCode::UnknownTopicOrPartition)
    };
    let found = found.map_err(Refusal::of)?;
    if is_internal_topic(&found.name) {
        return Err(Refusal::because(ErrorCode::InvalidTopicException, format!("{} is an internal topic", found.name)));
    }
    Ok(found.id)
}

/// The topic's name, which keeps the request's frame as long as the answer is awaited. Of a large one the memory is wanted
/// before: for the next, while it is still in the caches.
fn name_for_the_answer(topic: &TopicProduceData) -> Text {
    let records = topic.partition_data.iter().filter_map(|partition| partition.records.as_ref());
    if records.map(Bytes::len).sum::<usize>() < LARGE_BYTES { topic.name.clone() } else { topic.name.detached() }
}

fn no_records() -> Refusal {
    Refusal::because(ErrorCode::InvalidRecord, "a produce request must hold exactly one record batch for each partition")
}

/// The batches of one request that belong to one other shard.
struct Batches {
    owner: ShardId,
    batches: Vec<(PartitionId, Bytes)>,
    indexes: Vec<u32>,
}

impl Batches {
    fn of(all: &mut Vec<Batches>, owner: ShardId) -> &mut Batches {
        let at = all.iter().position(|batches| batches.owner == owner).unwrap_or_else(|| {
            all.push(Batches { owner, batches: Vec::new(), indexes: Vec::new() });
            all.len() - 1
        });
        &mut all[at]
    }

    fn push(&mut self, id: PartitionId, records: Bytes, index: u32) {
        self.batches.push((id, records));
        self.indexes.push(index);
    }
}

/// The answer of a produce request while its partitions work.
struct PendingProduce {
    acks: Acks,
    /// Each partition's place says that it failed until its result is there.
    response: RefCell<ProduceResponse>,
    /// Results still missing, plus one until all partitions are named.
    missing: Cell<usize>,
    /// Why a request without an answer failed.
    failed: RefCell<Option<String>>,
    head: ResponseHead,
    slot: RefCell<Option<ResponseSlot>>,
}

impl PendingProduce {
    fn new(body: &ProduceRequest, request: &Request, acks: Option<Acks>, slot: ResponseSlot) -> Rc<Self> {
        let place = |partition: &PartitionProduceData| PartitionProduceResponse {
            index: partition.index,
            error_code: ErrorCode::UnknownServerError.code(),
            ..PartitionProduceResponse::default()
        };
        let answer = |topic: &TopicProduceData| TopicProduceResponse {
            name: name_for_the_answer(topic),
            topic_id: topic.topic_id,
            partition_responses: topic.partition_data.iter().map(place).collect(),
        };
        let responses: Vec<TopicProduceResponse> = body.topic_data.iter().map(answer).collect();
        let results: usize = responses.iter().map(|topic| topic.partition_responses.len()).sum();
        Rc::new(Self {
            // With bad acks every partition is refused, and the client hears of it.
            acks: acks.unwrap_or(Acks::Leader),
            response: RefCell::new(ProduceResponse { responses, ..ProduceResponse::default() }),
            missing: Cell::new(results + 1),
            failed: RefCell::new(None),
            head: request.response_head(),
            slot: RefCell::new(Some(slot)),
        })
    }

    fn all_named(&self) {
        self.one_less();
    }

    fn one_less(&self) {
        let missing = self.missing.get() - 1;
        self.missing.set(missing);
        if missing > 0 {
            return;
        }
        let Some(slot) = self.slot.take() else { return };
        match (self.acks, self.failed.take()) {
            (Acks::None, None) => slot.skip(),
            // Without an answer, a closed connection is the only way to tell (KafkaApis.handleProduceRequest).
            (Acks::None, Some(refusal)) => slot.close(format!("a produce request with acks=0 failed: {refusal}")),
            _ => self.head.fill(slot, &self.response.take()),
        }
    }
}

impl AppendSink for PendingProduce {
    fn appended(&self, index: u32, result: Result<Appended, Refusal>) {
        if self.acks == Acks::None && let Err(refusal) = &result {
            self.failed.borrow_mut().get_or_insert_with(|| refusal.to_string());
        }
        let mut index = index as usize;
        for topic in &mut self.response.borrow_mut().responses {
            match topic.partition_responses.get_mut(index) {
                Some(place) => {
                    fill(place, result);
                    break;
                }
                None => index -= topic.partition_responses.len(),
            }
        }
        self.one_less();
    }
}

fn fill(place: &mut PartitionProduceResponse, result: Result<Appended, Refusal>) {
    match result {
        Ok(appended) => {
            place.error_code = ErrorCode::None.code();
            place.base_offset = appended.base_offset.get();
            place.log_append_time_ms = appended.log_append_time_ms.unwrap_or(-1);
            place.log_start_offset = appended.log_start.get();
        }
        Err(refusal) => {
            place.error_code = refusal.code.code();
            place.base_offset = -1;
            place.log_append_time_ms = -1;
            place.log_start_offset = refusal.log_start.map_or(-1, crate::types::Offset::get);
            place.error_message = refusal.message.map(Into::into);
            place.record_errors = refusal
                .record_errors
                .into_iter()
                .map(|(batch_index, message)| BatchIndexAndErrorMessage {
                    batch_index,
                    batch_index_error_message: message.map(Into::into),
                })
                .collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_twice_counts_as_it_is_named_last() {
        let topic = |name: &str, partitions: &[(i32, &'static [u8])]| TopicProduceData {
            name: Text::from(name),
            partition_data: partitions
                .iter()
                .map(|(index, records)| PartitionProduceData { index: *index, records: Some(Bytes::from_static(records)) })
                .collect(),
            ..TopicProduceData::default()
        };
        let asked = vec![
            topic("a", &[(1, b"first"), (0, b"zero")]),
            topic("nothing", &[]),
            topic("b", &[(1, b"b")]),
            topic("a", &[(1, b"last"), (2, b"two")]),
        ];
        assert_eq!(each_once(asked), [topic("a", &[(1, b"last"), (0, b"zero"), (2, b"two")]), topic("b", &[(1, b"b")])]);
        assert_eq!(each_once(vec![topic("a", &[(3, b"x")])]), [topic("a", &[(3, b"x")])]);
    }
}
