//! A member by KIP-848: the broker assigns, and the member gives up only what is taken from it.

use corelog::{
    protocol::messages::consumer_group_heartbeat::{
        ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatTopicPartitions, ConsumerGroupHeartbeatResponse,
    },
    types::{Text, Uuid},
};

use super::{Committer, Partitions};
use crate::support::{Wire, wire::NoAnswer};

/// One member.
#[derive(Debug)]
pub(crate) struct Modern {
    pub(crate) wire: Wire,
    pub(crate) group: String,
    pub(crate) topic: String,
    topic_id: Uuid,
    pub(crate) member_id: Text,
    /// 0 until the broker gave one.
    pub(crate) epoch: i32,
    /// What this member owns, as it last told.
    pub(crate) owned: Partitions,
    /// What the broker wants it to own.
    target: Partitions,
}

/// What a heartbeat asks of the member.
#[derive(Debug, PartialEq)]
pub(crate) enum Beat {
    /// Go on.
    Steady,
    /// Give up these, then say so by [`Modern::owns`]; the second are to be taken.
    Change { revoke: Partitions, add: Partitions },
    /// The broker does not know this member or its epoch: it must give up everything and join anew.
    Fenced(i16),
}

impl Modern {
    /// A member that has not joined yet, with an id of its own.
    pub(crate) fn new(wire: Wire, group: &str, topic: &str, topic_id: Uuid) -> Self {
        let member_id = Text::from(Uuid::random().unwrap().to_string());
        let (group, topic) = (group.to_owned(), topic.to_owned());
        Self { wire, group, topic, topic_id, member_id, epoch: 0, owned: Partitions::new(), target: Partitions::new() }
    }

    /// The same with an id that the test chooses.
    pub(crate) fn called(mut self, member_id: &str) -> Self {
        self.member_id = Text::from(member_id);
        self
    }

    /// Who commits now.
    pub(crate) fn committer(&self) -> Committer {
        Committer { member_id: self.member_id.clone(), generation: self.epoch }
    }

    /// A heartbeat that tells everything, as the first and one after a change must; or one that tells nothing new.
    fn request(&self, whole: bool) -> ConsumerGroupHeartbeatRequest {
        let partitions = ConsumerGroupHeartbeatTopicPartitions {
            topic_id: self.topic_id,
            partitions: self.owned.iter().copied().collect(),
        };
        ConsumerGroupHeartbeatRequest {
            group_id: Text::from(self.group.as_str()),
            member_id: self.member_id.clone(),
            member_epoch: self.epoch,
            rebalance_timeout_ms: if whole { 10_000 } else { -1 },
            subscribed_topic_names: whole.then(|| vec![Text::from(self.topic.as_str())]),
            topic_partitions: whole.then(|| if self.owned.is_empty() { Vec::new() } else { vec![partitions] }),
            ..ConsumerGroupHeartbeatRequest::default()
        }
    }

    /// Sends a heartbeat; the error if it is none that a member acts on.
    pub(crate) fn heartbeat(&mut self, whole: bool) -> Result<Result<Beat, i16>, NoAnswer> {
        let request = self.request(whole || self.epoch == 0);
        let answer: ConsumerGroupHeartbeatResponse = self.wire.try_call(&request, 1)?;
        Ok(match answer.error_code {
            0 => Ok(self.take_in(&answer)),
            error @ (super::code::UNKNOWN_MEMBER_ID | super::code::FENCED_MEMBER_EPOCH) => {
                self.epoch = 0;
                self.owned.clear();
                self.target.clear();
                Ok(Beat::Fenced(error))
            }
            error => Err(error),
        })
    }

    fn take_in(&mut self, answer: &ConsumerGroupHeartbeatResponse) -> Beat {
        self.epoch = answer.member_epoch;
        if let Some(assignment) = &answer.assignment {
            self.target = assignment.topic_partitions.iter().flat_map(|topic| topic.partitions.iter().copied()).collect();
        }
        if self.target == self.owned {
            return Beat::Steady;
        }
        let [revoke, add] = [(&self.owned, &self.target), (&self.target, &self.owned)].map(|(left, right)| left - right);
        Beat::Change { revoke, add }
    }

    /// Notes what the member owns now; the next whole heartbeat tells it.
    pub(crate) fn owns(&mut self, partitions: Partitions) {
        self.owned = partitions;
    }

    /// Leaves the group.
    pub(crate) fn leave(&mut self) -> Result<(), NoAnswer> {
        self.epoch = -1;
        let answer: ConsumerGroupHeartbeatResponse = self.wire.try_call(&self.request(false), 1)?;
        assert!(matches!(answer.error_code, 0 | super::code::UNKNOWN_MEMBER_ID), "{answer:?}");
        Ok(())
    }
}
