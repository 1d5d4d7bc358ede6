//! What a coordinator can be asked, and what it answers: Kafka's requests and responses, and who asks.
//!
//! All of it is `Send` and owns its data: it crosses shards.

use super::lag::GroupPosition;
use crate::{
    protocol::messages::{
        consumer_group_describe::DescribedConsumerGroup,
        consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse},
        delete_groups::DeletableGroupResult,
        describe_groups::DescribedGroup,
        heartbeat::{HeartbeatRequest, HeartbeatResponse},
        join_group::{JoinGroupRequest, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, LeaveGroupResponse},
        list_groups::ListedGroup,
        offset_commit::{OffsetCommitRequest, OffsetCommitResponse},
        offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse},
        offset_fetch::{OffsetFetchRequestGroup, OffsetFetchResponseGroup},
        sync_group::{SyncGroupRequest, SyncGroupResponse},
    },
    types::{ErrorCode, Text, Uuid},
};

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// Client id of the request; empty if it has none.
    pub client_id: Text,
    /// The client's address as Kafka writes it: `/127.0.0.1`.
    pub client_host: Text,
    /// Version of the request.
    pub version: i16,
    /// A random id, which becomes part of a member id if one has to be made.
    pub random: Uuid,
}

/// A request with its caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Who asks.
    pub caller: Caller,
    /// What.
    pub call: Call,
}

/// A request to the coordinator of a partition of `__consumer_offsets`. What concerns a group has to be sent to the
/// partition of that group ([`super::partition_of`]).
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// JoinGroup; waits for the others.
    Join(JoinGroupRequest),
    /// SyncGroup; waits for the leader.
    Sync(SyncGroupRequest),
    /// Heartbeat.
    Heartbeat(HeartbeatRequest),
    /// LeaveGroup, in the form of version 3: the members are in the list, whatever the version.
    Leave(LeaveGroupRequest),
    /// OffsetCommit, of topics that exist, each with its name.
    Commit(OffsetCommitRequest),
    /// OffsetFetch, one group; topics have names.
    Fetch {
        /// The group and its partitions; no list means all.
        group: OffsetFetchRequestGroup,
        /// Insist on offsets that no transaction is about to change.
        require_stable: bool,
    },
    /// DescribeGroups.
    Describe(Vec<Text>),
    /// ListGroups.
    List {
        /// States to list; all if empty.
        states: Vec<Text>,
        /// Types to list; all if empty.
        types: Vec<Text>,
    },
    /// DeleteGroups.
    Delete(Vec<Text>),
    /// OffsetDelete.
    DeleteOffsets(OffsetDeleteRequest),
    /// ConsumerGroupHeartbeat.
    ConsumerHeartbeat(ConsumerGroupHeartbeatRequest),
    /// ConsumerGroupDescribe.
    ConsumerDescribe(Vec<Text>),
    /// Every position of every group, for lag.
    Positions,
}

/// An answer to a [`Call`].
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To a join.
    Join(JoinGroupResponse),
    /// To a sync.
    Sync(SyncGroupResponse),
    /// To a heartbeat.
    Heartbeat(HeartbeatResponse),
    /// To a leave.
    Leave(LeaveGroupResponse),
    /// To a commit.
    Commit(OffsetCommitResponse),
    /// To a fetch.
    Fetch(OffsetFetchResponseGroup),
    /// To a description, in the order of the request.
    Described(Vec<DescribedGroup>),
    /// To a list.
    Listed(ListedGroups),
    /// To a deletion, in the order of the request.
    Deleted(Vec<DeletableGroupResult>),
    /// To a deletion of offsets.
    DeletedOffsets(OffsetDeleteResponse),
    /// To a heartbeat of the consumer protocol.
    ConsumerHeartbeat(ConsumerGroupHeartbeatResponse),
    /// To a description of consumer groups, in the order of the request.
    ConsumerDescribed(Vec<DescribedConsumerGroup>),
    /// To a question for positions.
    Positions(Vec<GroupPosition>),
    /// The request as a whole is refused: the API makes an answer of its kind out of the error.
    Refused(ErrorCode),
}

/// Groups of one coordinator.
pub type ListedGroups = Vec<ListedGroup>;
