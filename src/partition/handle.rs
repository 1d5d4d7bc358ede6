//! The door to a partition: what everyone else on its shard holds.
//!
//! Errands go into the actor's inbox; reads look at the marks and the log's view directly, without disturbing it. A
//! handle never gives out a guard and never waits while something is borrowed.

use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
};

use super::{
    at_once::AtOnce,
    marks::Watermarks,
    message::{Append, Message},
    refusal::Refusal,
};
use crate::{
    log::{EpochCache, LogView},
    runtime::{channel::Sender, notify::Notify, oneshot},
    types::{ErrorCode, LeaderEpoch, Offset, PartitionId, TopicPartition},
};

/// Whether a partition can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The log is being opened; errands wait in the inbox.
    Opening,
    /// In use.
    Leading,
    /// The log or its directory failed: every errand is refused with KAFKA_STORAGE_ERROR.
    Failed,
    /// Stopped for good.
    Closed,
}

/// What the actor and the handles of one partition share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) id: PartitionId,
    pub(super) name: TopicPartition,
    pub(super) marks: Watermarks,
    pub(super) view: OnceCell<Rc<LogView>>,
    /// Which leader epoch began where; the actor puts a new one here when it changes, which is rare.
    pub(super) epochs: RefCell<EpochCache>,
    pub(super) standing: Cell<Standing>,
    pub(super) at_once: AtOnce,
    /// Tells those who wait for the log to be opened.
    pub(super) opened: Notify,
    /// Why the partition failed, for people.
    pub(super) failure: RefCell<Option<String>>,
}

/// A partition of this shard. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PartitionHandle {
    pub(super) shared: Rc<Shared>,
    pub(super) inbox: Sender<Message>,
}

impl PartitionHandle {
    /// Topic id and index.
    pub fn id(&self) -> PartitionId {
        self.shared.id
    }

    /// Topic name and index.
    pub fn name(&self) -> &TopicPartition {
        &self.shared.name
    }

    /// How far the partition is.
    pub fn marks(&self) -> &Watermarks {
        &self.shared.marks
    }

    /// Whether it can be used.
    pub fn standing(&self) -> Standing {
        self.shared.standing.get()
    }

    /// Hands a batch to the partition. Its sink is answered in every case. True if its write should reach
    /// the device before more is received (`at_once.rs`).
    pub fn append(&self, append: Append) -> bool {
        let begins = self.shared.at_once.begins(append.records.len());
        if let Err(Message::Append(append)) = self.inbox.try_send(Message::Append(append)) {
            append.sink.appended(append.index, Err(Refusal::of(ErrorCode::NotLeaderOrFollower)));
        }
        begins
    }

    /// Tells the actor something that has no answer. A stopped actor no longer cares.
    pub fn tell(&self, message: Message) {
        drop(self.inbox.try_send(message));
    }

    /// Sends an errand that answers through a oneshot and waits for it; `None` if the partition stopped meanwhile.
    ///
    /// # Cancel safety
    /// Dropped early, the errand is still done and its answer is lost.
    pub async fn ask<T>(&self, errand: impl FnOnce(oneshot::Sender<T>) -> Message) -> Option<T> {
        let (sender, receiver) = oneshot::channel();
        self.inbox.try_send(errand(sender)).ok()?;
        receiver.recv().await
    }

    /// The log's readers' side, once the log is open.
    ///
    /// # Errors
    /// The partition failed or stopped.
    pub async fn view(&self) -> Result<&Rc<LogView>, Refusal> {
        while self.standing() == Standing::Opening {
            self.shared.opened.notified().await;
        }
        self.view_now()
    }

    /// As [`PartitionHandle::view`], without waiting for an opening log.
    ///
    /// # Errors
    /// The partition is not open yet, failed, or stopped.
    pub fn view_now(&self) -> Result<&Rc<LogView>, Refusal> {
        match (self.standing(), self.shared.view.get()) {
            (Standing::Leading, Some(view)) => Ok(view),
            (Standing::Failed, _) => Err(self.storage_error()),
            _ => Err(Refusal::of(ErrorCode::NotLeaderOrFollower)),
        }
    }

    /// Checks the epoch that a client believes in against ours (`Partition.checkCurrentLeaderEpoch`).
    ///
    /// # Errors
    /// FENCED_LEADER_EPOCH if the client is behind, UNKNOWN_LEADER_EPOCH if it is ahead.
    pub fn check_epoch(&self, current: Option<i32>) -> Result<(), Refusal> {
        let ours = self.marks().leader_epoch().get();
        match current {
            Some(theirs) if theirs < ours => Err(Refusal::of(ErrorCode::FencedLeaderEpoch)),
            Some(theirs) if theirs > ours => Err(Refusal::of(ErrorCode::UnknownLeaderEpoch)),
            _ => Ok(()),
        }
    }

    /// The largest epoch up to `epoch` that the log knows, and where it ends (OffsetForLeaderEpoch). The leader's own epoch
    /// is known also before it has a record. -1 asks for none.
    pub fn end_of_epoch(&self, epoch: i32) -> Option<(i32, Offset)> {
        if epoch == -1 {
            return None;
        }
        if epoch == self.marks().leader_epoch().get() {
            return Some((epoch, self.marks().log_end()));
        }
        let (epochs, log_end) = (self.shared.epochs.borrow(), self.marks().log_end());
        if epochs.latest().is_none_or(|latest| latest < LeaderEpoch(epoch)) && epoch < self.marks().leader_epoch().get() {
            // The leader's epoch begins where the log ends, until it has its first record.
            return Some((epochs.latest().map_or(epoch, LeaderEpoch::get), log_end));
        }
        let end = epochs.end_offset_for(LeaderEpoch(epoch), log_end);
        end.map(|(epoch, end)| (epoch.get(), end))
    }

    /// The leader epoch in which the record at `offset` was appended.
    pub fn epoch_of(&self, offset: Offset) -> Option<i32> {
        self.shared.epochs.borrow().epoch_of(offset).map(LeaderEpoch::get)
    }

    pub(super) fn storage_error(&self) -> Refusal {
        storage_error(&self.shared)
    }
}

pub(super) fn storage_error(shared: &Shared) -> Refusal {
    let why = shared.failure.borrow().clone().unwrap_or_else(|| "its log directory failed".to_owned());
    Refusal::because(ErrorCode::KafkaStorageError, format!("partition {} is offline: {why}", shared.name))
}
