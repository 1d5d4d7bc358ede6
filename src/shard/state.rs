//! The state of one shard: its partitions, its copy of the cluster's image, and its ways out.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::PathBuf,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use super::{
    groups::CoordinatorHandle,
    mailbox::{Reply, Request},
    router::Router,
    watches::Watches,
};
use crate::{
    config::{BrokerConfig, Dynamic, LiveConfig},
    controller::{ControllerClient, ControllerGone, Spread},
    metadata::{ClusterImage, image::ResourceType},
    partition::{Append, LookUp, LookedUp, PartitionEnv, PartitionHandle, Refusal, look_up},
    runtime::timer,
    types::{ErrorCode, HashMap, NodeId, Offset, PartitionId, ShardId, Text, TopicPartition, Uuid},
};

/// How long a shard may take to show a change before it is answered all the same: it opens logs first.
const SPREAD_TIMEOUT: Duration = Duration::from_secs(2);

/// A log directory as a shard uses it.
#[derive(Clone, Debug)]
pub struct LogDirectory {
    /// `directory.id` of its meta.properties.
    pub id: Uuid,
    /// Where it is.
    pub path: PathBuf,
    /// What its partitions need.
    pub env: PartitionEnv,
}

/// What a partition's checkpoints say (the files of that name in the log directory).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log directory.
    pub directory: Uuid,
    /// The partition.
    pub partition: TopicPartition,
    /// First offset of the log.
    pub log_start: Offset,
    /// Everything below is flushed.
    pub recovery_point: Offset,
    /// High watermark.
    pub high_watermark: Offset,
}

/// What a shard is made of at its start.
#[derive(Debug)]
pub struct ShardParts {
    /// Which shard this is.
    pub id: ShardId,
    /// How many there are.
    pub count: u16,
    /// The node's id.
    pub node_id: NodeId,
    /// The cluster's id.
    pub cluster_id: Text,
    /// The node's configuration.
    pub config: Arc<BrokerConfig>,
    /// The way to the controller.
    pub controller: ControllerClient,
    /// The image to start from.
    pub image: Arc<ClusterImage>,
    /// Where the images have come to.
    pub spread: Arc<Spread>,
    /// The log directories that work.
    pub directories: Vec<LogDirectory>,
    /// The way to the other shards.
    pub router: Rc<Router>,
}

/// One core's share of the broker.
#[derive(Debug)]
pub struct Shard {
    parts: ShardParts,
    image: RefCell<Arc<ClusterImage>>,
    partitions: RefCell<HashMap<PartitionId, PartitionHandle>>,
    /// What other shards wait for here.
    pub(super) watches: Watches,
    /// By partition of the offsets topic.
    coordinators: RefCell<BTreeMap<PartitionId, CoordinatorHandle>>,
}

/// The shard that owns a partition: the same for everyone and after every restart with as many cores.
pub fn owner(id: PartitionId, shards: u16) -> ShardId {
    let [a, b, c, d, ..] = id.topic_id.0;
    // Consecutive partitions of a topic go to consecutive shards, from a start that differs by topic.
    let start = u64::from(u32::from_le_bytes([a, b, c, d]));
    let partition = u64::from(id.partition.unsigned_abs());
    let shard = (start + partition) % u64::from(shards.max(1));
    ShardId(u16::try_from(shard).unwrap_or(0))
}

impl Shard {
    /// A shard without partitions: [`Shard::reconcile`] opens those that the image gives it.
    pub fn new(parts: ShardParts) -> Rc<Self> {
        let image = RefCell::new(Arc::clone(&parts.image));
        let (partitions, coordinators) = (RefCell::default(), RefCell::default());
        Rc::new(Self { parts, image, partitions, watches: Watches::default(), coordinators })
    }

    /// Which shard this is.
    pub fn id(&self) -> ShardId {
        self.parts.id
    }

    /// How many shards there are.
    pub fn count(&self) -> u16 {
        self.parts.count
    }

    /// The node's id.
    pub fn node_id(&self) -> NodeId {
        self.parts.node_id
    }

    /// The cluster's id, as clients are told it.
    pub fn cluster_id(&self) -> &Text {
        &self.parts.cluster_id
    }

    /// The node's configuration.
    pub fn config(&self) -> &Arc<BrokerConfig> {
        &self.parts.config
    }

    /// The way to the controller.
    pub fn controller(&self) -> &ControllerClient {
        &self.parts.controller
    }

    /// The way to the other shards.
    pub fn router(&self) -> &Rc<Router> {
        &self.parts.router
    }

    /// The log directories.
    pub fn directories(&self) -> &[LogDirectory] {
        &self.parts.directories
    }

    /// The newest image of the cluster that this shard has taken over.
    pub fn image(&self) -> Arc<ClusterImage> {
        Arc::clone(&self.image.borrow())
    }

    /// Waits for what the controller answers to a change of the cluster, and until every shard shows the change: whatever
    /// connection the client asks by next, it finds what it was told. A shard that is busy for longer than
    /// [`SPREAD_TIMEOUT`] is not waited for.
    ///
    /// # Errors
    /// Those of the controller.
    pub async fn everywhere<T>(&self, change: impl Future<Output = Result<T, ControllerGone>>) -> Result<T, ControllerGone> {
        let answer = change.await?;
        let published = self.parts.spread.published();
        timer::wait_until(|| self.parts.spread.is_everywhere(published), SPREAD_TIMEOUT).await;
        Ok(answer)
    }

    /// The settings that may change while the broker runs, as they are now.
    pub fn live_config(&self) -> LiveConfig {
        let image = self.image();
        let node = self.node_id().to_string();
        let broker = image.configs(ResourceType::BROKER, &node).map(|configs| &**configs);
        let cluster = image.configs(ResourceType::BROKER, "").map(|configs| &**configs);
        self.config().live(Dynamic { broker, cluster })
    }

    pub(super) fn set_image(&self, image: Arc<ClusterImage>) {
        *self.image.borrow_mut() = Arc::clone(&image);
        self.parts.spread.take_over(self.id(), &image);
    }

    /// The shard that owns a partition that exists.
    pub fn owner_in(&self, image: &ClusterImage, id: PartitionId) -> Option<ShardId> {
        image.partition(id).map(|_| owner(id, self.count()))
    }

    /// A partition of this shard.
    pub fn partition(&self, id: PartitionId) -> Option<PartitionHandle> {
        self.partitions.borrow().get(&id).cloned()
    }

    /// All partitions of this shard, in the order of their ids.
    pub fn partitions(&self) -> Vec<PartitionHandle> {
        let mut handles: Vec<PartitionHandle> = self.partitions.borrow().values().cloned().collect();
        handles.sort_by_key(PartitionHandle::id);
        handles
    }

    pub(super) fn add_partition(&self, handle: PartitionHandle) {
        self.partitions.borrow_mut().insert(handle.id(), handle);
    }

    pub(super) fn remove_partition(&self, id: PartitionId) -> Option<PartitionHandle> {
        self.partitions.borrow_mut().remove(&id)
    }

    pub(super) fn coordinator(&self, id: PartitionId) -> Option<CoordinatorHandle> {
        self.coordinators.borrow().get(&id).cloned()
    }

    pub(super) fn coordinators_here(&self) -> Vec<CoordinatorHandle> {
        self.coordinators.borrow().values().cloned().collect()
    }

    pub(super) fn each_coordinator(&self, look: impl Fn(&CoordinatorHandle)) {
        self.coordinators.borrow().values().for_each(look);
    }

    pub(super) fn add_coordinator(&self, id: PartitionId, handle: CoordinatorHandle) {
        self.coordinators.borrow_mut().insert(id, handle);
    }

    pub(super) fn remove_coordinator(&self, id: PartitionId) -> Option<CoordinatorHandle> {
        self.coordinators.borrow_mut().remove(&id)
    }

    /// Hands a batch to a partition of this shard. Its sink is answered in every case. True as of [`PartitionHandle::append`].
    pub fn append(&self, id: PartitionId, append: Append) -> bool {
        if let Some(handle) = self.partitions.borrow().get(&id) {
            return handle.append(append);
        }
        append.sink.appended(append.index, Err(Refusal::of(ErrorCode::NotLeaderOrFollower)));
        false
    }

    /// Asks questions of partitions wherever they are. Answers in the order of the questions; a partition that does not
    /// exist answers UNKNOWN_TOPIC_OR_PARTITION.
    pub async fn look_up(self: &Rc<Self>, questions: Vec<(PartitionId, LookUp)>) -> Vec<Result<LookedUp, Refusal>> {
        let image = self.image();
        let mut answers: Vec<_> = questions.iter().map(|_| Err(Refusal::of(ErrorCode::UnknownTopicOrPartition))).collect();
        let mut shares: Vec<Share> = (0..self.count()).map(|_| Share::default()).collect();
        for (index, (id, question)) in questions.into_iter().enumerate() {
            if let Some((indexes, share)) = self.owner_in(&image, id).and_then(|owner| shares.get_mut(owner.index())) {
                indexes.push(index);
                share.push((id, question));
            }
        }
        let mut asked = Vec::new();
        for (owner, (indexes, share)) in (0u16..).map(ShardId).zip(shares) {
            if share.is_empty() {
                continue;
            }
            let shard = Rc::clone(self);
            let task = crate::runtime::task::spawn("look up", async move {
                if owner == shard.id() {
                    return shard.look_up_here(share).await;
                }
                match shard.router().ask(owner, Request::LookUp(share)).await {
                    Some(Reply::LookedUp(answers)) => answers,
                    _ => Vec::new(),
                }
            });
            asked.push((indexes, task));
        }
        for (indexes, task) in asked {
            for (index, answer) in indexes.into_iter().zip(task.await.unwrap_or_default()) {
                if let Some(place) = answers.get_mut(index) {
                    *place = answer;
                }
            }
        }
        answers
    }

    pub(super) async fn look_up_here(&self, questions: Vec<(PartitionId, LookUp)>) -> Vec<Result<LookedUp, Refusal>> {
        let mut answers = Vec::with_capacity(questions.len());
        for (id, question) in questions {
            answers.push(match self.partition(id) {
                Some(handle) => look_up(&handle, question).await,
                None => Err(Refusal::of(ErrorCode::NotLeaderOrFollower)),
            });
        }
        answers
    }
}

/// Questions for one shard, each with its place in the answer.
type Share = (Vec<usize>, Vec<(PartitionId, LookUp)>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_of_a_topic_are_spread_evenly() {
        let topic_id = Uuid([7; 16]);
        let mut per_shard = [0; 3];
        for partition in 0..9 {
            per_shard[owner(PartitionId { topic_id, partition }, 3).index()] += 1;
        }
        assert_eq!(per_shard, [3, 3, 3]);
    }
}
