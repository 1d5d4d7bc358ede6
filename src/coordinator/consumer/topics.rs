//! The topics of the cluster as a consumer group sees them, and the hash that tells whether they have changed.
//!
//! Pure; reads the cluster's image.

use std::collections::{BTreeMap, BTreeSet};

use twox_hash::XxHash3_64;

use super::assignment::Partitions;
use crate::{
    metadata::{ClusterImage, image::TopicImage},
    types::{Text, Uuid},
};

/// First byte of what is hashed of a topic: the version of the recipe.
const TOPIC_HASH_MAGIC: u8 = 0;

/// The topics of one image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Topics<'a>(&'a ClusterImage);

impl<'a> Topics<'a> {
    /// The topics of `image`.
    pub(crate) fn new(image: &'a ClusterImage) -> Self {
        Self(image)
    }

    /// Grows with every change of the metadata.
    pub(crate) fn version(self) -> i64 {
        self.0.end_offset.get()
    }

    /// The id of a topic.
    pub(crate) fn id(self, name: &str) -> Option<Uuid> {
        self.0.topic_ids.get(name).copied()
    }

    /// The name of a topic.
    pub(crate) fn name(self, id: Uuid) -> Option<&'a Text> {
        self.0.topic(id).map(|topic| &topic.name)
    }

    /// The number of partitions of a topic; none if it does not exist.
    pub(crate) fn partitions(self, id: Uuid) -> i32 {
        self.0.topic(id).map_or(0, |topic| i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX))
    }

    /// The names of all topics, internal ones included.
    pub(crate) fn names(self) -> impl Iterator<Item = &'a Text> {
        self.0.topic_ids.keys()
    }

    /// The ids of those of `names` that exist.
    pub(crate) fn ids<'n>(self, names: impl Iterator<Item = &'n Text>) -> BTreeSet<Uuid> {
        names.filter_map(|name| self.id(name)).collect()
    }

    /// Partitions by name as partitions by id; topics that do not exist are left out.
    pub(crate) fn by_id<'n>(self, named: impl Iterator<Item = (&'n Text, &'n [i32])>) -> Partitions {
        let mut found: BTreeMap<Uuid, BTreeSet<i32>> = BTreeMap::new();
        for (name, partitions) in named {
            if let Some(id) = self.id(name).filter(|_| !partitions.is_empty()) {
                found.entry(id).or_default().extend(partitions);
            }
        }
        found
    }

    /// The hash of the topics called `names`, as Kafka 4.3 makes it: it differs if one of them is made, removed or grown, or if
    /// replicas are on other racks. Names of topics that do not exist do not count.
    pub(crate) fn hash<'n>(self, names: impl Iterator<Item = &'n Text>) -> i64 {
        let mut bytes = Vec::new();
        for topic in names.filter_map(|name| self.0.topic_by_name(name)) {
            bytes.extend_from_slice(&self.topic_hash(topic).to_le_bytes());
        }
        if bytes.is_empty() { 0 } else { XxHash3_64::oneshot(&bytes).cast_signed() }
    }

    fn topic_hash(self, topic: &TopicImage) -> i64 {
        let mut bytes = vec![TOPIC_HASH_MAGIC];
        // Java's halves of an id are numbers; everything is hashed with the low byte first.
        let (high, low) = topic.id.0.split_at(8);
        bytes.extend(high.iter().rev());
        bytes.extend(low.iter().rev());
        put_text(&mut bytes, &topic.name);
        bytes.extend_from_slice(&i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX).to_le_bytes());
        for (index, partition) in topic.partitions.iter() {
            bytes.extend_from_slice(&index.to_le_bytes());
            let replicas = partition.replicas.iter().filter_map(|replica| self.0.brokers.get(replica)?.rack.as_ref());
            let mut racks: Vec<&Text> = replicas.collect();
            racks.sort_unstable();
            for rack in racks {
                bytes.extend_from_slice(&length(rack).to_le_bytes());
                put_text(&mut bytes, rack);
            }
        }
        XxHash3_64::oneshot(&bytes).cast_signed()
    }
}

/// As hash4j does: UTF-16 units, then how many.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    for unit in text.encode_utf16() {
        bytes.extend_from_slice(&unit.to_le_bytes());
    }
    bytes.extend_from_slice(&length(text).to_le_bytes());
}

/// Length as Java counts it.
fn length(text: &str) -> i32 {
    i32::try_from(text.encode_utf16().count()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        metadata::image::BrokerImage,
        types::{BrokerEpoch, NodeId},
    };

    fn broker(id: i32, rack: &'static str) -> BrokerImage {
        BrokerImage {
            id: NodeId(id),
            epoch: BrokerEpoch(0),
            incarnation_id: Uuid::ZERO,
            listeners: Vec::new(),
            features: Vec::new(),
            rack: Some(Text::from_static(rack)).filter(|rack| !rack.is_empty()),
            fenced: false,
            in_controlled_shutdown: false,
            is_migrating_zk_broker: false,
            log_dirs: Vec::new(),
            cordoned_log_dirs: None,
        }
    }

    /// The numbers come from Kafka's library (hash4j 0.29).
    #[test]
    fn hashes_are_kafkas() {
        let mut image = super::super::tests::image(&[("orders", 2), ("a", 300)]);
        let mut orders = TopicImage::clone(image.topic_by_name("orders").unwrap());
        image.topics.remove(&orders.id);
        orders.id = Uuid([1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18]);
        image.topics.insert(orders.id, Arc::new(orders.clone()));
        image.topic_ids.insert(orders.name.clone(), orders.id);
        image.brokers.insert(NodeId(1), Arc::new(broker(1, "r1")));
        let topics = Topics::new(&image);
        assert_eq!(topics.topic_hash(&orders), -2_196_120_253_811_344_555);

        let mut many = TopicImage::clone(image.topic_by_name("a").unwrap());
        many.id = Uuid([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]);
        image.brokers.insert(NodeId(1), Arc::new(broker(1, "")));
        assert_eq!(Topics::new(&image).topic_hash(&many), 9_187_213_837_029_379_650);

        let mut bytes = Vec::new();
        bytes.extend_from_slice(&5i64.to_le_bytes());
        bytes.extend_from_slice(&(-6i64).to_le_bytes());
        assert_eq!(XxHash3_64::oneshot(&bytes).cast_signed(), -8_035_532_103_161_863_932);
        assert_eq!(Topics::new(&image).hash([Text::from_static("gone")].iter()), 0);
    }
}
