//! ConsumerGroupDescribe.
//!
//! Pure.

use std::collections::BTreeMap;

use super::{
    assignment::Partitions,
    group::ConsumerGroup,
    member::Member,
    settings::ConsumerSettings,
    topics::Topics,
};
use crate::{
    protocol::messages::consumer_group_describe::{
        ConsumerGroupDescribeAssignment, ConsumerGroupDescribeTopicPartitions, DescribedConsumerGroup, DescribedConsumerGroupMember,
    },
    types::{Text, Uuid},
};

/// Member types on the wire.
const TYPE_CLASSIC: i8 = 0;
const TYPE_CONSUMER: i8 = 1;

impl ConsumerGroup {
    /// The group with its members.
    pub(crate) fn describe(&self, id: &Text, settings: &ConsumerSettings, topics: Topics<'_>) -> DescribedConsumerGroup {
        DescribedConsumerGroup {
            group_id: id.clone(),
            group_state: Text::from_static(self.state_name()),
            group_epoch: self.epoch,
            assignment_epoch: self.target_epoch,
            assignor_name: Text::from_static(self.assignor(settings).name()),
            members: self.members.iter().map(|(id, member)| self.describe_member(id, member, topics)).collect(),
            ..DescribedConsumerGroup::default()
        }
    }

    fn describe_member(&self, id: &Text, member: &Member, topics: Topics<'_>) -> DescribedConsumerGroupMember {
        let mut owned: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
        for (topic, partition) in member.owned() {
            owned.entry(topic).or_default().push(partition);
        }
        let target = self.targets.get(id).map(plain).unwrap_or_default();
        DescribedConsumerGroupMember {
            member_id: id.clone(),
            instance_id: member.instance_id.clone(),
            rack_id: member.rack_id.clone(),
            member_epoch: member.epoch,
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            subscribed_topic_names: member.topics.iter().cloned().collect(),
            subscribed_topic_regex: Some(member.regex.clone().unwrap_or_default()),
            assignment: described(owned, topics),
            target_assignment: described(target, topics),
            member_type: if member.is_classic() { TYPE_CLASSIC } else { TYPE_CONSUMER },
        }
    }
}

fn plain(partitions: &Partitions) -> BTreeMap<Uuid, Vec<i32>> {
    partitions.iter().map(|(topic, partitions)| (*topic, partitions.iter().copied().collect())).collect()
}

/// Topics that do not exist any more are left out.
fn described(partitions: BTreeMap<Uuid, Vec<i32>>, topics: Topics<'_>) -> ConsumerGroupDescribeAssignment {
    let topic_partitions = partitions.into_iter().filter_map(|(topic_id, partitions)| {
        Some(ConsumerGroupDescribeTopicPartitions { topic_id, topic_name: topics.name(topic_id)?.clone(), partitions })
    });
    ConsumerGroupDescribeAssignment { topic_partitions: topic_partitions.collect() }
}
