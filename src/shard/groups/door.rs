//! How requests reach the coordinator of their group, on whichever shard it is; and how coordinators come and go.

use std::{cell::Cell, collections::BTreeSet, rc::Rc, sync::Arc, time::Duration};

use super::actor::{CoordinatorHandle, Message};
use crate::{
    coordinator::{Answer, Question, partition_of},
    metadata::ClusterImage,
    partition::PartitionHandle,
    runtime::{clock, oneshot, timer},
    shard::{
        Shard,
        mailbox::{Reply, Request},
    },
    types::{ErrorCode, GROUP_OFFSETS_TOPIC, PartitionId, ShardId, Text},
};

/// How often it is looked whether something is due in a coordinator of this shard.
const TICK: Duration = Duration::from_millis(20);

impl Shard {
    /// The partition of the offsets topic that coordinates a group; `None` while the topic does not exist.
    pub fn coordinator_of(&self, group_id: &Text) -> Option<PartitionId> {
        let image = self.image();
        let topic = image.topic_by_name(GROUP_OFFSETS_TOPIC)?;
        let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        Some(PartitionId { topic_id: topic.id, partition: partition_of(group_id, partitions) })
    }

    /// Every partition of the offsets topic.
    pub fn coordinators(&self) -> Vec<PartitionId> {
        let image = self.image();
        let Some(topic) = image.topic_by_name(GROUP_OFFSETS_TOPIC) else { return Vec::new() };
        topic.partitions.iter().map(|(index, _)| PartitionId { topic_id: topic.id, partition: *index }).collect()
    }

    /// Asks the coordinator of `group_id`, wherever it is.
    pub async fn ask_group(self: &Rc<Self>, group_id: &Text, question: Question) -> Answer {
        match self.coordinator_of(group_id) {
            Some(id) => self.ask_coordinator(id, question).await,
            None => Answer::Refused(ErrorCode::NotCoordinator),
        }
    }

    /// Asks one coordinator, wherever it is.
    pub async fn ask_coordinator(self: &Rc<Self>, id: PartitionId, question: Question) -> Answer {
        let owner: Option<ShardId> = self.owner_in(&self.image(), id);
        let question = Box::new(question);
        match owner {
            Some(owner) if owner == self.id() => self.ask_coordinator_here(id, question).await,
            Some(owner) => match self.router().ask(owner, Request::Group { id, question }).await {
                Some(Reply::Group(answer)) => answer,
                _ => Answer::Refused(ErrorCode::NotCoordinator),
            },
            None => Answer::Refused(ErrorCode::NotCoordinator),
        }
    }

    /// Asks a coordinator of this shard.
    pub(in crate::shard) async fn ask_coordinator_here(self: &Rc<Self>, id: PartitionId, question: Box<Question>) -> Answer {
        let (reply, answer) = oneshot::channel();
        let asked = match self.coordinator(id) {
            Some(coordinator) => coordinator.ask(question, reply),
            None => return Answer::Refused(ErrorCode::NotCoordinator),
        };
        if asked.is_err()
            && let Some(partition) = self.partition(id)
        {
            // Its task has died, which is a defect; the log is still there.
            tracing::error!(partition = %partition.name(), "a group coordinator had died and is started again");
            self.start_coordinator(partition);
            return Answer::Refused(ErrorCode::CoordinatorLoadInProgress);
        }
        answer.recv().await.unwrap_or(Answer::Refused(ErrorCode::NotCoordinator))
    }

    /// Starts the coordinator of a partition of this shard.
    pub(in crate::shard) fn start_coordinator(self: &Rc<Self>, partition: PartitionHandle) {
        let id = partition.id();
        // Not owned: the coordinator must not keep its shard alive.
        let shard = Rc::downgrade(self);
        let image = move || shard.upgrade().map(|shard| shard.image());
        let handle = CoordinatorHandle::start(partition, Arc::clone(self.config()), Rc::new(image));
        self.add_coordinator(id, handle);
    }

    /// Ends the coordinator of a partition that is gone.
    pub(in crate::shard) fn stop_coordinator(&self, id: PartitionId) {
        if let Some(handle) = self.remove_coordinator(id) {
            handle.tell(Message::End);
        }
    }

    /// Ends all coordinators, because the broker stops: nobody waits for a rebalance any more.
    pub fn stop_coordinators(&self) {
        for handle in self.coordinators_here() {
            handle.tell(Message::Stop);
        }
    }

    /// Tells the coordinators of topics that were there in `before` and are not, or are others, in `now`.
    pub(in crate::shard) fn tell_deleted_topics(&self, before: &ClusterImage, now: &ClusterImage) {
        let gone = before.topics_by_name().filter(|topic| now.topic(topic.id).is_none()).map(|topic| topic.name.clone());
        let gone: BTreeSet<Text> = gone.collect();
        if gone.is_empty() {
            return;
        }
        let gone = Rc::new(gone);
        for handle in self.coordinators_here() {
            handle.tell(Message::TopicsDeleted(Rc::clone(&gone)));
        }
    }

    /// Lets time pass for the coordinators of this shard, all with one timer. Ends when `stop` is set.
    pub async fn tick_coordinators(self: Rc<Self>, stop: Rc<Cell<bool>>) {
        while !stop.get() {
            let now_ms = clock::monotonic_ns() / 1_000_000;
            self.each_coordinator(|handle| handle.tick(now_ms));
            timer::sleep(TICK).await;
        }
    }
}
