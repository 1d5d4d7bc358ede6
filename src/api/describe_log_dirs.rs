//! DescribeLogDirs (key 35), versions 1-5: the log directories of this broker and the size of what is in them.
//!
//! Behaviour: null asks for all partitions, an empty list for none; a partition named twice or not here is left out. A
//! directory that failed has KAFKA_STORAGE_ERROR and nothing else. Sizes are bytes on disk of the log's segments; there
//! are no followers, so nothing lags.
//! Version notes: 3 has an error for the whole, 4 the size of the volume (KIP-827), 5 whether new partitions are kept out
//! (KIP-1066).

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    rc::Rc,
};

use super::{Api, dispatch::Caller};
use crate::{
    metadata::ClusterImage,
    partition::{LookUp, LookedUp},
    protocol::messages::describe_log_dirs::{
        DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult,
        DescribeLogDirsTopic,
    },
    runtime::{fs, task},
    types::{ErrorCode, NodeId, PartitionId, Text, Uuid},
};

/// Sizes of partitions: by directory, topic name and index.
type Sizes = HashMap<Uuid, BTreeMap<Text, BTreeMap<i32, i64>>>;

/// Waits for the partitions of all shards and for the file systems.
pub(super) async fn handle(api: &Rc<Api>, _caller: &Caller, body: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let node_id = api.shard.node_id();
    let image = api.shard.image();
    let wanted = wanted(&image, &body, node_id).await;
    let questions = wanted.iter().map(|(id, _)| (*id, LookUp::Size)).collect();
    let answers = api.shard.look_up(questions).await;
    let mut sizes = Sizes::new();
    for ((id, directory), answer) in wanted.into_iter().zip(answers) {
        if let (Ok(LookedUp::Size(bytes)), Some(topic)) = (answer, image.topic(id.topic_id)) {
            let topics = sizes.entry(directory).or_default();
            let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            topics.entry(topic.name.clone()).or_default().insert(id.partition, bytes);
        }
        task::yield_if_needed().await;
    }
    let broker = image.brokers.get(&node_id);
    let cordoned = broker.and_then(|broker| broker.cordoned_log_dirs.as_deref()).unwrap_or_default();
    let mut results = Vec::new();
    for directory in api.shard.directories() {
        if broker.is_some_and(|broker| !broker.has_online_dir(directory.id)) {
            // It worked at the start and failed since.
            results.push(storage_error(absolute(&directory.path)));
            continue;
        }
        let mut result = describe(&directory.path, sizes.remove(&directory.id).unwrap_or_default()).await;
        result.is_cordoned = cordoned.contains(&directory.id);
        results.push(result);
    }
    results.extend(failed(api));
    DescribeLogDirsResponse { throttle_time_ms: 0, error_code: ErrorCode::None.code(), results }
}

/// The partitions that are asked for and have a replica here, each once, with its directory.
async fn wanted(image: &ClusterImage, body: &DescribeLogDirsRequest, this: NodeId) -> Vec<(PartitionId, Uuid)> {
    let mut ids = BTreeSet::new();
    match &body.topics {
        None => {
            for topic in image.topics.values() {
                ids.extend(topic.partitions.keys().map(|index| PartitionId { topic_id: topic.id, partition: *index }));
                task::yield_if_needed().await;
            }
        }
        Some(topics) => {
            for topic in topics {
                let Some(known) = image.topic_by_name(&topic.topic) else { continue };
                ids.extend(topic.partitions.iter().map(|index| PartitionId { topic_id: known.id, partition: *index }));
            }
        }
    }
    let here = |id: PartitionId| Some((id, image.partition(id)?.directory_of(this)?));
    ids.into_iter().filter_map(here).collect()
}

async fn describe(path: &Path, topics: BTreeMap<Text, BTreeMap<i32, i64>>) -> DescribeLogDirsResult {
    let log_dir = absolute(path);
    let space = match fs::space(path).await {
        Ok(space) => space,
        Err(error) => {
            tracing::warn!(directory = %path.display(), %error, "cannot ask for the space of a log directory");
            return storage_error(log_dir);
        }
    };
    let partition = |(partition_index, partition_size)| DescribeLogDirsPartition {
        partition_index,
        partition_size,
        offset_lag: 0,
        is_future_key: false,
    };
    let topic = |(name, partitions): (Text, BTreeMap<i32, i64>)| DescribeLogDirsTopic {
        name,
        partitions: partitions.into_iter().map(partition).collect(),
    };
    DescribeLogDirsResult {
        error_code: ErrorCode::None.code(),
        log_dir,
        topics: topics.into_iter().map(topic).collect(),
        total_bytes: i64::try_from(space.total_bytes).unwrap_or(i64::MAX),
        usable_bytes: i64::try_from(space.free_bytes).unwrap_or(i64::MAX),
        is_cordoned: false,
    }
}

fn storage_error(log_dir: Text) -> DescribeLogDirsResult {
    DescribeLogDirsResult { error_code: ErrorCode::KafkaStorageError.code(), log_dir, ..DescribeLogDirsResult::default() }
}

/// The directories of the configuration that were not usable at the start.
fn failed(api: &Api) -> Vec<DescribeLogDirsResult> {
    let working: BTreeSet<Text> = api.shard.directories().iter().map(|directory| absolute(&directory.path)).collect();
    let configured = api.shard.config().log_dirs.iter().map(|path| absolute(path));
    configured.filter(|path| !working.contains(path)).map(storage_error).collect()
}

/// The path as it is told: from the root on, and with what is no UTF-8 replaced.
fn absolute(path: &Path) -> Text {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Text::from(path.to_string_lossy().into_owned())
}
