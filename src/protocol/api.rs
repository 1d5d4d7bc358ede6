//! The APIs of Kafka's protocol, and which of them are served in which versions.
//!
//! One table, [`SERVED`], decides: the dispatcher refuses what is not in it and the ApiVersions answer is made from it, so that
//! nothing is advertised that has no decoder and the other way round.

use std::ops::RangeInclusive;

use super::{
    Message,
    messages::{
        alter_configs::{AlterConfigsRequest, AlterConfigsResponse},
        api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse},
        consumer_group_describe::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse},
        consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse},
        create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse},
        create_topics::{CreateTopicsRequest, CreateTopicsResponse},
        delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse},
        delete_records::{DeleteRecordsRequest, DeleteRecordsResponse},
        delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse},
        describe_cluster::{DescribeClusterRequest, DescribeClusterResponse},
        describe_configs::{DescribeConfigsRequest, DescribeConfigsResponse},
        describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse},
        describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse},
        describe_producers::{DescribeProducersRequest, DescribeProducersResponse},
        describe_topic_partitions::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse},
        fetch::{FetchRequest, FetchResponse},
        find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse},
        heartbeat::{HeartbeatRequest, HeartbeatResponse},
        incremental_alter_configs::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse},
        init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
        join_group::{JoinGroupRequest, JoinGroupResponse},
        leave_group::{LeaveGroupRequest, LeaveGroupResponse},
        list_config_resources::{ListConfigResourcesRequest, ListConfigResourcesResponse},
        list_groups::{ListGroupsRequest, ListGroupsResponse},
        list_offsets::{ListOffsetsRequest, ListOffsetsResponse},
        metadata::{MetadataRequest, MetadataResponse},
        offset_commit::{OffsetCommitRequest, OffsetCommitResponse},
        offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse},
        offset_fetch::{OffsetFetchRequest, OffsetFetchResponse},
        offset_for_leader_epoch::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse},
        produce::{ProduceRequest, ProduceResponse},
        sync_group::{SyncGroupRequest, SyncGroupResponse},
    },
    schema::Schema,
    wire::{Reader, WireError, Writer},
};

/// [`ApiKey::flexible_from`] of what has no flexible version.
const NEVER: i16 = i16::MAX;

macro_rules! api_keys {
    ($($name:ident = $key:literal, flexible $flexible:expr;)*) => {
        /// Every API that Kafka 4.4 knows, and the four that are gone but keep their number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        #[expect(missing_docs, reason = "the names are Kafka's and are documented in its protocol guide")]
        pub enum ApiKey {
            $($name = $key,)*
        }

        impl ApiKey {
            /// All of them, by number.
            pub const ALL: &'static [ApiKey] = &[$(ApiKey::$name,)*];

            /// The API of a number on the wire.
            #[must_use]
            pub const fn from_code(code: i16) -> Option<Self> {
                match code {
                    $($key => Some(ApiKey::$name),)*
                    _ => None,
                }
            }

            /// Kafka's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(ApiKey::$name => stringify!($name),)*
                }
            }

            /// First version with compact lengths, tagged fields and the longer headers; `i16::MAX` if there is none.
            #[must_use]
            pub const fn flexible_from(self) -> i16 {
                match self {
                    $(ApiKey::$name => $flexible,)*
                }
            }
        }
    };
}

api_keys! {
    Produce = 0, flexible 9;
    Fetch = 1, flexible 12;
    ListOffsets = 2, flexible 6;
    Metadata = 3, flexible 9;
    LeaderAndIsr = 4, flexible NEVER;
    StopReplica = 5, flexible NEVER;
    UpdateMetadata = 6, flexible NEVER;
    ControlledShutdown = 7, flexible NEVER;
    OffsetCommit = 8, flexible 8;
    OffsetFetch = 9, flexible 6;
    FindCoordinator = 10, flexible 3;
    JoinGroup = 11, flexible 6;
    Heartbeat = 12, flexible 4;
    LeaveGroup = 13, flexible 4;
    SyncGroup = 14, flexible 4;
    DescribeGroups = 15, flexible 5;
    ListGroups = 16, flexible 3;
    SaslHandshake = 17, flexible NEVER;
    ApiVersions = 18, flexible 3;
    CreateTopics = 19, flexible 5;
    DeleteTopics = 20, flexible 4;
    DeleteRecords = 21, flexible 2;
    InitProducerId = 22, flexible 2;
    OffsetForLeaderEpoch = 23, flexible 4;
    AddPartitionsToTxn = 24, flexible 3;
    AddOffsetsToTxn = 25, flexible 3;
    EndTxn = 26, flexible 3;
    WriteTxnMarkers = 27, flexible 1;
    TxnOffsetCommit = 28, flexible 3;
    DescribeAcls = 29, flexible 2;
    CreateAcls = 30, flexible 2;
    DeleteAcls = 31, flexible 2;
    DescribeConfigs = 32, flexible 4;
    AlterConfigs = 33, flexible 2;
    AlterReplicaLogDirs = 34, flexible 2;
    DescribeLogDirs = 35, flexible 2;
    SaslAuthenticate = 36, flexible 2;
    CreatePartitions = 37, flexible 2;
    CreateDelegationToken = 38, flexible 2;
    RenewDelegationToken = 39, flexible 2;
    ExpireDelegationToken = 40, flexible 2;
    DescribeDelegationToken = 41, flexible 2;
    DeleteGroups = 42, flexible 2;
    ElectLeaders = 43, flexible 2;
    IncrementalAlterConfigs = 44, flexible 1;
    AlterPartitionReassignments = 45, flexible 0;
    ListPartitionReassignments = 46, flexible 0;
    OffsetDelete = 47, flexible NEVER;
    DescribeClientQuotas = 48, flexible 1;
    AlterClientQuotas = 49, flexible 1;
    DescribeUserScramCredentials = 50, flexible 0;
    AlterUserScramCredentials = 51, flexible 0;
    Vote = 52, flexible 0;
    BeginQuorumEpoch = 53, flexible 1;
    EndQuorumEpoch = 54, flexible 1;
    DescribeQuorum = 55, flexible 0;
    AlterPartition = 56, flexible 0;
    UpdateFeatures = 57, flexible 0;
    Envelope = 58, flexible 0;
    FetchSnapshot = 59, flexible 0;
    DescribeCluster = 60, flexible 0;
    DescribeProducers = 61, flexible 0;
    BrokerRegistration = 62, flexible 0;
    BrokerHeartbeat = 63, flexible 0;
    UnregisterBroker = 64, flexible 0;
    DescribeTransactions = 65, flexible 0;
    ListTransactions = 66, flexible 0;
    AllocateProducerIds = 67, flexible 0;
    ConsumerGroupHeartbeat = 68, flexible 0;
    ConsumerGroupDescribe = 69, flexible 0;
    ControllerRegistration = 70, flexible 0;
    GetTelemetrySubscriptions = 71, flexible 0;
    PushTelemetry = 72, flexible 0;
    AssignReplicasToDirs = 73, flexible 0;
    ListConfigResources = 74, flexible 0;
    DescribeTopicPartitions = 75, flexible 0;
    ShareGroupHeartbeat = 76, flexible 0;
    ShareGroupDescribe = 77, flexible 0;
    ShareFetch = 78, flexible 0;
    ShareAcknowledge = 79, flexible 0;
    AddRaftVoter = 80, flexible 0;
    RemoveRaftVoter = 81, flexible 0;
    UpdateRaftVoter = 82, flexible 0;
    InitializeShareGroupState = 83, flexible 0;
    ReadShareGroupState = 84, flexible 0;
    WriteShareGroupState = 85, flexible 0;
    DeleteShareGroupState = 86, flexible 0;
    ReadShareGroupStateSummary = 87, flexible 0;
    StreamsGroupHeartbeat = 88, flexible 0;
    StreamsGroupDescribe = 89, flexible 0;
    DescribeShareGroupOffsets = 90, flexible 0;
    AlterShareGroupOffsets = 91, flexible 0;
    DeleteShareGroupOffsets = 92, flexible 0;
    StreamsGroupTopologyDescriptionUpdate = 93, flexible 0;
    UnregisterController = 94, flexible 0;
}

impl ApiKey {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> i16 {
        self as i16
    }
}

impl std::fmt::Display for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One direction of an API, without its types.
#[derive(Clone, Copy, Debug)]
pub struct Codec {
    /// The table.
    pub schema: &'static Schema,
    /// Decodes a message in a version and encodes it again: for fuzzing and tests of every API alike.
    pub transcode: fn(&mut Reader, &mut Writer, i16) -> Result<(), WireError>,
}

impl Codec {
    const fn of<M: Message>() -> Self {
        Self { schema: <M as Message>::SCHEMA, transcode: transcode::<M> }
    }
}

fn transcode<M: Message>(reader: &mut Reader, writer: &mut Writer, version: i16) -> Result<(), WireError> {
    M::decode(reader, version)?.encode(writer, version)
}

/// An API that is served.
#[derive(Debug)]
pub struct ApiInfo {
    /// Which.
    pub key: ApiKey,
    /// Versions that are decoded and answered.
    pub versions: RangeInclusive<i16>,
    /// Versions that the ApiVersions answer names: the same, but for Produce.
    pub advertised: RangeInclusive<i16>,
    /// The request.
    pub request: Codec,
    /// The response.
    pub response: Codec,
}

impl ApiInfo {
    /// True if `version` has compact lengths, tagged fields and the longer headers.
    #[must_use]
    pub const fn is_flexible(&self, version: i16) -> bool {
        version >= self.key.flexible_from()
    }

    /// Its line in the ApiVersions answer.
    #[must_use]
    pub fn api_version(&self) -> ApiVersion {
        ApiVersion { api_key: self.key.code(), min_version: *self.advertised.start(), max_version: *self.advertised.end() }
    }

    const fn of<Q: Message, R: Message>(key: ApiKey) -> Self {
        Self::advertising::<Q, R>(key, Q::VERSIONS)
    }

    const fn advertising<Q: Message, R: Message>(key: ApiKey, advertised: RangeInclusive<i16>) -> Self {
        assert!(key.code() == Q::API_KEY && Q::API_KEY == R::API_KEY, "the tables have the key they are filed under");
        assert!(key.flexible_from() == Q::FLEXIBLE_FROM && Q::FLEXIBLE_FROM == R::FLEXIBLE_FROM, "headers and bodies agree");
        Self { key, versions: Q::VERSIONS, advertised, request: Codec::of::<Q>(), response: Codec::of::<R>() }
    }
}

/// Every API that is served, the frequent ones first.
pub static SERVED: &[ApiInfo] = &[
    // KAFKA-18659: librdkafka before 2.11.1 sends uncompressed batches if versions 0 to 2 are not claimed.
    ApiInfo::advertising::<ProduceRequest, ProduceResponse>(ApiKey::Produce, 0..=13),
    ApiInfo::of::<FetchRequest, FetchResponse>(ApiKey::Fetch),
    ApiInfo::of::<ListOffsetsRequest, ListOffsetsResponse>(ApiKey::ListOffsets),
    ApiInfo::of::<MetadataRequest, MetadataResponse>(ApiKey::Metadata),
    ApiInfo::of::<ApiVersionsRequest, ApiVersionsResponse>(ApiKey::ApiVersions),
    ApiInfo::of::<CreateTopicsRequest, CreateTopicsResponse>(ApiKey::CreateTopics),
    ApiInfo::of::<DeleteTopicsRequest, DeleteTopicsResponse>(ApiKey::DeleteTopics),
    ApiInfo::of::<DeleteRecordsRequest, DeleteRecordsResponse>(ApiKey::DeleteRecords),
    ApiInfo::of::<InitProducerIdRequest, InitProducerIdResponse>(ApiKey::InitProducerId),
    ApiInfo::of::<OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse>(ApiKey::OffsetForLeaderEpoch),
    ApiInfo::of::<DescribeConfigsRequest, DescribeConfigsResponse>(ApiKey::DescribeConfigs),
    ApiInfo::of::<AlterConfigsRequest, AlterConfigsResponse>(ApiKey::AlterConfigs),
    ApiInfo::of::<DescribeLogDirsRequest, DescribeLogDirsResponse>(ApiKey::DescribeLogDirs),
    ApiInfo::of::<CreatePartitionsRequest, CreatePartitionsResponse>(ApiKey::CreatePartitions),
    ApiInfo::of::<IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse>(ApiKey::IncrementalAlterConfigs),
    ApiInfo::of::<DescribeClusterRequest, DescribeClusterResponse>(ApiKey::DescribeCluster),
    ApiInfo::of::<DescribeProducersRequest, DescribeProducersResponse>(ApiKey::DescribeProducers),
    ApiInfo::of::<ListConfigResourcesRequest, ListConfigResourcesResponse>(ApiKey::ListConfigResources),
    ApiInfo::of::<DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse>(ApiKey::DescribeTopicPartitions),
    ApiInfo::of::<OffsetCommitRequest, OffsetCommitResponse>(ApiKey::OffsetCommit),
    ApiInfo::of::<OffsetFetchRequest, OffsetFetchResponse>(ApiKey::OffsetFetch),
    ApiInfo::of::<FindCoordinatorRequest, FindCoordinatorResponse>(ApiKey::FindCoordinator),
    ApiInfo::of::<JoinGroupRequest, JoinGroupResponse>(ApiKey::JoinGroup),
    ApiInfo::of::<HeartbeatRequest, HeartbeatResponse>(ApiKey::Heartbeat),
    ApiInfo::of::<LeaveGroupRequest, LeaveGroupResponse>(ApiKey::LeaveGroup),
    ApiInfo::of::<SyncGroupRequest, SyncGroupResponse>(ApiKey::SyncGroup),
    ApiInfo::of::<DescribeGroupsRequest, DescribeGroupsResponse>(ApiKey::DescribeGroups),
    ApiInfo::of::<ListGroupsRequest, ListGroupsResponse>(ApiKey::ListGroups),
    ApiInfo::of::<DeleteGroupsRequest, DeleteGroupsResponse>(ApiKey::DeleteGroups),
    ApiInfo::of::<OffsetDeleteRequest, OffsetDeleteResponse>(ApiKey::OffsetDelete),
    ApiInfo::of::<ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse>(ApiKey::ConsumerGroupHeartbeat),
    ApiInfo::of::<ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse>(ApiKey::ConsumerGroupDescribe),
];

/// The served API of a number on the wire.
#[must_use]
pub fn served(key: i16) -> Option<&'static ApiInfo> {
    SERVED.iter().find(|info| info.key.code() == key)
}

#[cfg(test)]
mod tests {
    use super::{ApiKey, SERVED, served};
    use crate::protocol::schema::{Kind, Schema};

    #[test]
    fn numbers_and_keys_map_both_ways() {
        for (number, key) in ApiKey::ALL.iter().enumerate() {
            assert_eq!(usize::try_from(key.code()), Ok(number));
            assert_eq!(ApiKey::from_code(key.code()), Some(*key));
        }
        assert_eq!((ApiKey::from_code(-1), ApiKey::from_code(95)), (None, None));
    }

    #[test]
    fn an_api_is_served_once_and_its_ranges_are_not_empty() {
        for info in SERVED {
            assert!(std::ptr::eq(served(info.key.code()).unwrap(), info), "{} is listed twice", info.key);
            assert!(!info.versions.is_empty() && !info.advertised.is_empty());
            assert_eq!(info.advertised.end(), info.versions.end());
            assert!(info.advertised.start() <= info.versions.start());
        }
        let differs = |key| served(key).is_some_and(|info| info.advertised != info.versions);
        assert!(differs(0) && (1..95).all(|key| !differs(key)));
        assert!(served(4).is_none() && served(1000).is_none());
    }

    #[test]
    fn tables_are_well_formed() {
        for info in SERVED {
            for schema in [info.request.schema, info.response.schema] {
                check(schema, info.key.flexible_from());
            }
        }
    }

    fn check(schema: &Schema, flexible_from: i16) {
        let mut last_tag = None;
        for field in schema.fields {
            let name = format!("{}.{}", schema.name, field.name);
            assert!(field.since <= field.until, "{name} exists in no version");
            if let Some(tag) = field.tag {
                assert!(last_tag < Some(tag), "{name}: tags must ascend");
                assert!(field.since >= flexible_from || flexible_from == 0, "{name}: tagged in a version without tags");
                last_tag = Some(tag);
            }
            check_kind(&field.kind, &name, flexible_from);
        }
    }

    fn check_kind(kind: &Kind, name: &str, flexible_from: i16) {
        match kind {
            Kind::Array(element) => {
                assert!(element.min_bytes() > 0, "{name}: a count could mean anything");
                check_kind(element, name, flexible_from);
            }
            Kind::Nullable(inner) => check_kind(inner, name, flexible_from),
            Kind::Struct(schema) => check(schema, flexible_from),
            _ => {}
        }
    }
}
