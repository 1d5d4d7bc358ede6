//! FindCoordinator (key 10), versions 0-6: which broker coordinates a group.
//!
//! Behaviour: the leader of the group's partition of `__consumer_offsets`. The topic is made when somebody asks for the
//! first time. Transactions and share groups have no coordinator here: their keys are refused with INVALID_REQUEST, which
//! clients take as final, and a message that says so.
//! Version notes: 1 has key types, 4 takes many keys, 6 knows share groups.

use std::{rc::Rc, time::Duration};

use super::{
    Api,
    dispatch::Caller,
    view::{self, View},
};
use crate::{
    protocol::messages::{
        create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest},
        find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse},
    },
    runtime::timer,
    types::{ErrorCode, GROUP_OFFSETS_TOPIC, PartitionId, Text},
};

/// First version that takes many keys.
const VERSION_BATCHED: i16 = 4;
/// Key types (FindCoordinatorRequest.CoordinatorType).
const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;
/// What Kafka says of any request that makes no sense.
const INVALID_REQUEST: &str = "This most likely occurs because of a request being malformed by the client library or the message \
    was sent to an incompatible broker. See the broker logs for more details.";
/// How long in ms the controller may take to make the topic.
const CREATION_TIMEOUT_MS: i32 = 30_000;
/// How long the new topic may take to be led here.
const LEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// A coordinator: node id, host and port.
type Place = (i32, Text, i32);
/// Why there is none: the code, and what people read.
type Refused = (ErrorCode, String);

/// Answers from the image; waits for the controller only when the topic has to be made.
pub(super) async fn handle(api: &Rc<Api>, caller: &Caller, body: FindCoordinatorRequest) -> FindCoordinatorResponse {
    if caller.version >= VERSION_BATCHED {
        let mut coordinators = Vec::with_capacity(body.coordinator_keys.len());
        for key in body.coordinator_keys {
            let found = find(api, caller, body.key_type, &key).await;
            coordinators.push(coordinator(key, found));
        }
        return FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() };
    }
    let Coordinator { node_id, host, port, error_code, mut error_message, .. } =
        coordinator(Text::default(), find(api, caller, body.key_type, &body.key).await);
    if error_code == ErrorCode::None.code() {
        // So does Kafka.
        error_message = Some(Text::from_static("NONE"));
    }
    FindCoordinatorResponse { node_id, host, port, error_code, error_message, ..FindCoordinatorResponse::default() }
}

fn coordinator(key: Text, found: Result<Place, Refused>) -> Coordinator {
    match found {
        Ok((node_id, host, port)) => {
            Coordinator { key, node_id, host, port, error_code: ErrorCode::None.code(), error_message: Some(Text::default()) }
        }
        Err((error, message)) => Coordinator {
            key,
            node_id: -1,
            host: Text::default(),
            port: -1,
            error_code: error.code(),
            error_message: Some(Text::from(message)),
        },
    }
}

async fn find(api: &Rc<Api>, caller: &Caller, key_type: i8, key: &Text) -> Result<Place, Refused> {
    match key_type {
        GROUP => {}
        TRANSACTION => return Err((ErrorCode::InvalidRequest, "Transactions are not supported by this version.".to_owned())),
        SHARE => return Err((ErrorCode::InvalidRequest, "Share groups are not supported by this version.".to_owned())),
        // The words of Kafka, which tells no more either.
        _ => return Err((ErrorCode::InvalidRequest, INVALID_REQUEST.to_owned())),
    }
    let id = match api.shard.coordinator_of(key) {
        Some(id) => id,
        None => {
            create_topic(api).await;
            api.shard.coordinator_of(key).ok_or_else(unavailable)?
        }
    };
    place(api, caller, id).ok_or_else(unavailable)
}

fn unavailable() -> Refused {
    (ErrorCode::CoordinatorNotAvailable, "The coordinator is not available.".to_owned())
}

fn place(api: &Rc<Api>, caller: &Caller, id: PartitionId) -> Option<Place> {
    let image = api.shard.image();
    let view = View { image: &image, listener: view::listener_name(api, caller) };
    let leader = view.leader(image.partition(id)?).ok()?;
    let listener = image.brokers.get(&leader)?.listener(view.listener)?;
    Some((leader.get(), listener.host.clone(), i32::from(listener.port)))
}

/// Makes the topic of committed offsets, and waits until all its partitions are led. If that fails, clients ask again.
async fn create_topic(api: &Rc<Api>) {
    let groups = &api.shard.config().groups;
    let config = |name: &'static str, value: String| CreatableTopicConfig { name: Text::from_static(name), value: Some(Text::from(value)) };
    let topic = CreatableTopic {
        name: Text::from_static(GROUP_OFFSETS_TOPIC),
        num_partitions: groups.offsets_topic_partitions,
        replication_factor: 1,
        configs: vec![
            config("cleanup.policy", "compact".to_owned()),
            config("compression.type", "producer".to_owned()),
            config("segment.bytes", groups.offsets_topic_segment_bytes.to_string()),
        ],
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: CREATION_TIMEOUT_MS, validate_only: false };
    let Ok(response) = api.shard.controller().create_topics(request).await else { return };
    for result in &response.topics {
        match ErrorCode::from_code(result.error_code) {
            Some(ErrorCode::None | ErrorCode::TopicAlreadyExists) => {}
            error => {
                let why = result.error_message.as_deref();
                tracing::error!(?error, why, "cannot make the topic {GROUP_OFFSETS_TOPIC}");
                return;
            }
        }
    }
    timer::wait_until(|| is_led(api), LEADER_TIMEOUT).await;
}

fn is_led(api: &Rc<Api>) -> bool {
    let image = api.shard.image();
    let topic = image.topic_by_name(GROUP_OFFSETS_TOPIC);
    topic.is_some_and(|topic| topic.partitions.iter().all(|(_, partition)| partition.leader.is_some()))
}
