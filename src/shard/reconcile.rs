//! Makes the shard's partitions what the cluster's image says they are.
//!
//! Runs on the shard, once for each published image, one image at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

use super::state::{LogDirectory, Shard, owner};
use crate::{
    config::{Dynamic, TopicConfig},
    metadata::{
        ClusterImage,
        image::{PartitionImage, ResourceType, TopicImage},
    },
    partition::{self, Fate, Known, Message, PartitionHandle, Start},
    runtime::task,
    types::{GROUP_OFFSETS_TOPIC, PartitionId, TopicPartition, Uuid},
};

/// What the checkpoints of the log directories say about the partitions before the start.
#[derive(Debug, Default)]
pub struct Opening {
    /// By partition.
    pub known: BTreeMap<TopicPartition, Known>,
    /// The log directories that were stopped cleanly.
    pub clean: BTreeSet<Uuid>,
}

impl Shard {
    /// Opens, closes and reconfigures partitions as `image` wants it. Returns when every log it opened can be used or
    /// has failed; the shard serves meanwhile.
    pub async fn reconcile(self: &Rc<Self>, image: Arc<ClusterImage>, opening: &Opening) {
        let before = self.image();
        let mut opened = Vec::new();
        let defaults_changed = self.defaults_changed(&before, &image);
        self.close_gone(&image);
        for topic in image.topics_by_name() {
            let known = before.topic(topic.id);
            let config_changed = defaults_changed || changed_config(&before, &image, topic);
            // The first image is compared with itself: then nothing is open yet and everything is looked at.
            let same = known.is_some_and(|known| Arc::ptr_eq(known, topic)) && !Arc::ptr_eq(&before, &image);
            if same && !config_changed {
                continue;
            }
            let config = Rc::new(self.topic_config(&image, &topic.name));
            for (index, partition) in topic.partitions.iter() {
                let id = PartitionId { topic_id: topic.id, partition: *index };
                if owner(id, self.count()) != self.id() {
                    continue;
                }
                match self.partition(id) {
                    Some(handle) => self.update(&handle, partition, config_changed.then_some(&config)),
                    None => opened.extend(self.open(topic, id, partition, &config, opening)),
                }
            }
        }
        self.set_image(Arc::clone(&image));
        self.tell_deleted_topics(&before, &image);
        for handle in &opened {
            if handle.name().topic == GROUP_OFFSETS_TOPIC {
                self.start_coordinator(handle.clone());
            }
        }
        for handle in opened {
            // The outcome is the partition's standing.
            drop(handle.view().await);
        }
    }

    /// The topic's configuration: its own settings over the broker's.
    pub fn topic_config(&self, image: &ClusterImage, topic: &str) -> TopicConfig {
        let own = image.configs(ResourceType::TOPIC, topic);
        let broker = image.configs(ResourceType::BROKER, &self.node_id().to_string());
        let cluster = image.configs(ResourceType::BROKER, "");
        let dynamic = Dynamic { broker: broker.map(|configs| &**configs), cluster: cluster.map(|configs| &**configs) };
        let defaults = TopicConfig::defaults(self.config(), dynamic);
        own.map_or_else(|| defaults.clone(), |own| defaults.with(own))
    }

    fn defaults_changed(&self, before: &ClusterImage, now: &ClusterImage) -> bool {
        let node = self.node_id().to_string();
        ["", node.as_str()].iter().any(|name| before.configs(ResourceType::BROKER, name) != now.configs(ResourceType::BROKER, name))
    }

    fn close_gone(self: &Rc<Self>, image: &ClusterImage) {
        for handle in self.partitions() {
            if image.partition(handle.id()).is_some() {
                continue;
            }
            self.remove_partition(handle.id());
            self.stop_coordinator(handle.id());
            task::spawn("delete partition", async move {
                match handle.ask(|reply| Message::Close { fate: Fate::Delete, reply }).await {
                    Some(Ok(())) => tracing::info!(partition = %handle.name(), "deleted"),
                    Some(Err(error)) => tracing::error!(partition = %handle.name(), %error, "cannot delete the files"),
                    None => {}
                }
            });
        }
    }

    fn update(&self, handle: &PartitionHandle, partition: &PartitionImage, config: Option<&Rc<TopicConfig>>) {
        if partition.leader == Some(self.node_id()) && partition.leader_epoch != handle.marks().leader_epoch() {
            handle.tell(Message::Lead(partition.leader_epoch));
        }
        if let Some(config) = config {
            handle.tell(Message::Reconfigure(Rc::clone(config)));
        }
    }

    fn open(
        &self,
        topic: &TopicImage,
        id: PartitionId,
        partition: &PartitionImage,
        config: &Rc<TopicConfig>,
        opening: &Opening,
    ) -> Option<PartitionHandle> {
        let directory = partition.directory_of(self.node_id())?;
        let name = TopicPartition { topic: topic.name.clone(), partition: id.partition };
        let Some(LogDirectory { path, env, .. }) = self.directories().iter().find(|known| known.id == directory) else {
            tracing::error!(partition = %name, directory = %directory, "its log directory is not here: the partition stays offline");
            return None;
        };
        let start = Start {
            id,
            log_dir: path.clone(),
            leader_epoch: partition.leader_epoch,
            config: Rc::clone(config),
            known: Known { clean: opening.clean.contains(&directory), ..opening.known.get(&name).copied().unwrap_or_default() },
            name,
        };
        let handle = partition::start(start, env.clone());
        self.add_partition(handle.clone());
        Some(handle)
    }
}

fn changed_config(before: &ClusterImage, now: &ClusterImage, topic: &TopicImage) -> bool {
    before.configs(ResourceType::TOPIC, &topic.name) != now.configs(ResourceType::TOPIC, &topic.name)
}
