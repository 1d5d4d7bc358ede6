//! DescribeTopicPartitions (key 75), version 0: topics with their partitions, page by page (KIP-966).
//!
//! Behaviour: topics come in the order of their names, each once; no topic named means all. A page ends after
//! `max.request.partition.size.limit` partitions, or fewer if the client asks for fewer, with a cursor to the first
//! partition that is left out. Topics that do not exist do not count, and stand only in the answer to who named them.

use std::{collections::BTreeSet, rc::Rc};

use super::{
    Api,
    dispatch::Caller,
    view::{self, TOPIC_OPERATIONS, View},
};
use crate::{
    metadata::image::{PartitionImage, TopicImage},
    protocol::messages::describe_topic_partitions::{
        Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
        DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
    },
    types::{ErrorCode, NodeId, Text, is_internal_topic},
};

/// Answers at once; the page bounds the work.
pub(super) fn handle(
    api: &Rc<Api>,
    caller: &Caller,
    body: &DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let image = api.shard.image();
    let view = View { image: &image, listener: view::listener_name(api, caller) };
    let asked = usize::try_from(body.response_partition_limit).unwrap_or(0);
    let limit = asked.min(api.shard.config().max_request_partition_size_limit).max(1);
    describe(view, body, limit).unwrap_or_else(|error| refusal(body, error))
}

fn describe(
    view: View<'_>,
    body: &DescribeTopicPartitionsRequest,
    limit: usize,
) -> Result<DescribeTopicPartitionsResponse, ErrorCode> {
    let cursor = body.cursor.as_ref();
    let start = cursor.map_or("", |cursor| &cursor.topic_name);
    let mut page = Page { view, cursor, left: limit, topics: Vec::new(), next: None };
    if body.topics.is_empty() {
        check_cursor(cursor)?;
        for name in view.image.topic_ids.range_from(start).map(|(name, _)| name) {
            if !page.add(name, false) {
                break;
            }
        }
    } else {
        let names: BTreeSet<&Text> = body.topics.iter().map(|topic| &topic.name).filter(|name| &***name >= start).collect();
        if cursor.is_some_and(|cursor| !names.contains(&cursor.topic_name)) {
            return Err(ErrorCode::InvalidRequest);
        }
        check_cursor(cursor)?;
        for name in names {
            if !page.add(name, true) {
                break;
            }
        }
    }
    Ok(DescribeTopicPartitionsResponse { throttle_time_ms: 0, topics: page.topics, next_cursor: page.next })
}

fn check_cursor(cursor: Option<&Cursor>) -> Result<(), ErrorCode> {
    if cursor.is_some_and(|cursor| cursor.partition_index < 0) { Err(ErrorCode::InvalidRequest) } else { Ok(()) }
}

/// The answer as it fills up.
struct Page<'a> {
    view: View<'a>,
    cursor: Option<&'a Cursor>,
    /// Partitions that still fit.
    left: usize,
    topics: Vec<DescribeTopicPartitionsResponseTopic>,
    next: Option<Cursor>,
}

impl Page<'_> {
    /// Adds a topic, from the cursor's partition on if it is the cursor's. False once the page is full.
    fn add(&mut self, name: &Text, tell_missing: bool) -> bool {
        if self.left == 0 {
            self.next = Some(Cursor { topic_name: name.clone(), partition_index: 0 });
            return false;
        }
        let Some(topic) = self.view.image.topic_by_name(name) else {
            if tell_missing {
                self.topics.push(missing(name));
            }
            return true;
        };
        let first = self.cursor.filter(|cursor| cursor.topic_name == *name).map_or(0, |cursor| cursor.partition_index);
        let mut partitions = Vec::new();
        for (index, partition) in topic.partitions.range_from(&first) {
            if partitions.len() == self.left {
                self.next = Some(Cursor { topic_name: name.clone(), partition_index: *index });
                break;
            }
            partitions.push(self.partition(*index, partition));
        }
        self.left -= partitions.len();
        self.topics.push(described(topic, partitions));
        self.next.is_none()
    }

    fn partition(&self, partition_index: i32, partition: &PartitionImage) -> DescribeTopicPartitionsResponsePartition {
        DescribeTopicPartitionsResponsePartition {
            error_code: ErrorCode::None.code(),
            partition_index,
            leader_id: self.view.leader(partition).map_or(-1, NodeId::get),
            leader_epoch: partition.leader_epoch.get(),
            replica_nodes: view::numbers(&partition.replicas),
            isr_nodes: view::numbers(&partition.isr),
            eligible_leader_replicas: Some(view::numbers(&partition.eligible_leader_replicas)),
            last_known_elr: Some(view::numbers(&partition.last_known_elr)),
            offline_replicas: self.view.offline_replicas(partition),
        }
    }
}

fn described(
    topic: &TopicImage,
    partitions: Vec<DescribeTopicPartitionsResponsePartition>,
) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::None.code(),
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        is_internal: is_internal_topic(&topic.name),
        partitions,
        topic_authorized_operations: TOPIC_OPERATIONS,
    }
}

fn missing(name: &Text) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: view::missing_topic_error(name).code(),
        name: Some(name.clone()),
        is_internal: is_internal_topic(name),
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

/// The same error for every topic that was named.
fn refusal(body: &DescribeTopicPartitionsRequest, error: ErrorCode) -> DescribeTopicPartitionsResponse {
    let topics = body.topics.iter().map(|topic| DescribeTopicPartitionsResponseTopic {
        error_code: error.code(),
        name: Some(topic.name.clone()),
        ..DescribeTopicPartitionsResponseTopic::default()
    });
    DescribeTopicPartitionsResponse { throttle_time_ms: 0, topics: topics.collect(), next_cursor: None }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        metadata::ClusterImage,
        protocol::messages::describe_topic_partitions::TopicRequest,
        types::{LeaderEpoch, Uuid},
    };

    fn image(topics: &[(&'static str, i32)]) -> ClusterImage {
        let mut image = ClusterImage::default();
        for (number, (name, count)) in (1..).zip(topics) {
            let id = Uuid([number; 16]);
            let mut topic = TopicImage { id, name: Text::from_static(name), partitions: Default::default() };
            for index in 0..*count {
                let partition =
                    PartitionImage { leader: None, leader_epoch: LeaderEpoch(4), ..PartitionImage::alone_on(NodeId(1), Uuid::ONE) };
                topic.partitions.insert(index, Arc::new(partition));
            }
            image.topics.insert(id, Arc::new(topic));
            image.topic_ids.insert(Text::from_static(name), id);
        }
        image
    }

    /// Topics as name, error and partitions; and the cursor.
    type Told = (Vec<(String, i16, Vec<i32>)>, Option<(String, i32)>);

    fn ask(image: &ClusterImage, names: &[&'static str], limit: usize, cursor: Option<(&'static str, i32)>) -> Result<Told, i16> {
        let body = DescribeTopicPartitionsRequest {
            topics: names.iter().map(|name| TopicRequest { name: Text::from_static(name) }).collect(),
            response_partition_limit: 0,
            cursor: cursor
                .map(|(name, partition_index)| Cursor { topic_name: Text::from_static(name), partition_index }),
        };
        let response = describe(View { image, listener: "PLAINTEXT" }, &body, limit).map_err(ErrorCode::code)?;
        let topics = response.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| partition.partition_index);
            (topic.name.as_deref().unwrap().to_owned(), topic.error_code, partitions.collect())
        });
        let next = response.next_cursor.map(|cursor| (cursor.topic_name.to_string(), cursor.partition_index));
        Ok((topics.collect(), next))
    }

    fn told(topics: &[(&str, i16, &[i32])], next: Option<(&str, i32)>) -> Result<Told, i16> {
        let topics = topics.iter().map(|(name, error, partitions)| ((*name).to_owned(), *error, partitions.to_vec()));
        Ok((topics.collect(), next.map(|(name, index)| (name.to_owned(), index))))
    }

    // The expectations are what Kafka 4.3 answered.
    #[test]
    fn pages_end_where_kafkas_do() {
        let image = image(&[("tp1", 3), ("tp2", 1), ("tp3", 2)]);
        let one: &[i32] = &[0];
        let (two, three): (&[i32], &[i32]) = (&[0, 1], &[0, 1, 2]);
        let named = |limit| ask(&image, &["tp3", "tp1"], limit, None);
        assert_eq!(named(1), told(&[("tp1", 0, one)], Some(("tp1", 1))));
        assert_eq!(named(3), told(&[("tp1", 0, three)], Some(("tp3", 0))));
        assert_eq!(named(5), told(&[("tp1", 0, three), ("tp3", 0, two)], None));
        let next = ask(&image, &["tp3", "tp1"], 2, Some(("tp1", 2)));
        assert_eq!(next, told(&[("tp1", 0, &[2]), ("tp3", 0, one)], Some(("tp3", 1))));
        let all = ask(&image, &[], 2, Some(("tp2", 0)));
        assert_eq!(all, told(&[("tp2", 0, one), ("tp3", 0, one)], Some(("tp3", 1))));
        assert_eq!(ask(&image, &[], 2, Some(("tp2x", 0))), told(&[("tp3", 0, two)], None));
        assert_eq!(ask(&image, &["tp1", "tp1"], 2, None), told(&[("tp1", 0, two)], Some(("tp1", 2))));
    }

    #[test]
    fn topics_that_do_not_exist_are_told_but_not_counted() {
        let image = image(&[("tp1", 3)]);
        let asked = ask(&image, &["tp1", "ab", "a/"], 1, None);
        assert_eq!(asked, told(&[("a/", 17, &[]), ("ab", 3, &[]), ("tp1", 0, &[0])], Some(("tp1", 1))));
        assert_eq!(ask(&image, &["tp1", "zz"], 3, None), told(&[("tp1", 0, &[0, 1, 2])], Some(("zz", 0))));
        assert_eq!(ask(&image, &["tp1"], 3, Some(("tp1", 7))), told(&[("tp1", 0, &[])], None));
    }

    #[test]
    fn a_cursor_must_point_to_a_topic_of_the_request() {
        let image = image(&[("tp1", 3), ("tp3", 1)]);
        assert_eq!(ask(&image, &["tp1", "tp3"], 3, Some(("tp2", 0))), Err(42));
        assert_eq!(ask(&image, &["tp1", "tp3"], 3, Some(("tp1", -1))), Err(42));
        assert_eq!(ask(&image, &[], 3, Some(("tp1", -1))), Err(42));
    }
}
