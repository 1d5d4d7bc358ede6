//! An independent codec, the crate kafka-protocol, reads what ours writes and writes what ours reads.
//!
//! It is only given bytes that our encoder made, because it aborts on announced counts that are too large.

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    messages as theirs,
    protocol::{Decodable, Encodable, Message as TheirMessage},
};
use proptest::{collection::vec, prelude::*};

use crate::protocol::{
    Message, messages,
    sample::{Choices, Tags, sample},
    wire::{Reader, Writer},
};

fn encode<M: Message>(message: &M, version: i16) -> Bytes {
    let mut writer = Writer::new(BytesMut::new());
    message.encode(&mut writer, version).unwrap();
    writer.finish().0.freeze()
}

fn decode<M: Message>(bytes: &Bytes, version: i16) -> M {
    let mut reader = Reader::new(bytes.clone());
    let message = M::decode(&mut reader, version).unwrap();
    reader.expect_end().unwrap();
    message
}

/// One message of `Ours`: sampled, through our codec, through theirs, and back.
fn agree<Ours, Theirs>(choices: &[u8], tags: Tags)
where
    Ours: Message + PartialEq + std::fmt::Debug,
    Theirs: TheirMessage + Decodable + Encodable,
{
    for version in Ours::VERSIONS {
        let context = Ours::context(version).unwrap();
        let sampled = sample(<Ours as Message>::SCHEMA, context, &mut Choices::new(choices), tags).unwrap().freeze();
        let ours: Ours = decode(&sampled, version);
        let encoded = encode(&ours, version);
        let name = <Ours as Message>::SCHEMA.name;
        if tags == Tags::Without {
            assert_eq!(encoded, sampled, "{name} v{version} does not encode what it decoded");
        }
        if !(Theirs::VERSIONS.min..=Theirs::VERSIONS.max).contains(&version) {
            assert_eq!(decode::<Ours>(&encoded, version), ours, "{name} v{version}");
            continue;
        }
        let mut rest = encoded.clone();
        let theirs = Theirs::decode(&mut rest, version).unwrap();
        assert!(rest.is_empty(), "{name} v{version}: they left {} bytes", rest.len());
        let mut theirs_encoded = BytesMut::new();
        theirs.encode(&mut theirs_encoded, version).unwrap();
        assert_eq!(theirs_encoded, encoded, "{name} v{version}: they encode it otherwise");
        assert_eq!(decode::<Ours>(&theirs_encoded.freeze(), version), ours, "{name} v{version}");
    }
}

macro_rules! apis {
    ($($module:ident: $($name:ident),*;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(48))]
            $(
                #[test]
                fn $module(choices in vec(any::<u8>(), 0..300), with_tags: bool) {
                    let tags = if with_tags { Tags::With } else { Tags::Without };
                    $(agree::<messages::$module::$name, theirs::$name>(&choices, tags);)*
                }
            )*
        }

        #[test]
        fn every_served_api_has_its_test() {
            let tested = [$($(stringify!($name)),*),*];
            for api in crate::protocol::api::SERVED {
                assert!(tested.contains(&api.request.schema.name) && tested.contains(&api.response.schema.name), "{}", api.key);
            }
        }
    };
}

apis! {
    produce: ProduceRequest, ProduceResponse;
    fetch: FetchRequest, FetchResponse;
    list_offsets: ListOffsetsRequest, ListOffsetsResponse;
    metadata: MetadataRequest, MetadataResponse;
    api_versions: ApiVersionsRequest, ApiVersionsResponse;
    create_topics: CreateTopicsRequest, CreateTopicsResponse;
    delete_topics: DeleteTopicsRequest, DeleteTopicsResponse;
    delete_records: DeleteRecordsRequest, DeleteRecordsResponse;
    init_producer_id: InitProducerIdRequest, InitProducerIdResponse;
    offset_for_leader_epoch: OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse;
    describe_configs: DescribeConfigsRequest, DescribeConfigsResponse;
    alter_configs: AlterConfigsRequest, AlterConfigsResponse;
    describe_log_dirs: DescribeLogDirsRequest, DescribeLogDirsResponse;
    create_partitions: CreatePartitionsRequest, CreatePartitionsResponse;
    incremental_alter_configs: IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse;
    describe_cluster: DescribeClusterRequest, DescribeClusterResponse;
    describe_producers: DescribeProducersRequest, DescribeProducersResponse;
    list_config_resources: ListConfigResourcesRequest, ListConfigResourcesResponse;
    describe_topic_partitions: DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse;
    offset_commit: OffsetCommitRequest, OffsetCommitResponse;
    offset_fetch: OffsetFetchRequest, OffsetFetchResponse;
    find_coordinator: FindCoordinatorRequest, FindCoordinatorResponse;
    join_group: JoinGroupRequest, JoinGroupResponse;
    heartbeat: HeartbeatRequest, HeartbeatResponse;
    leave_group: LeaveGroupRequest, LeaveGroupResponse;
    sync_group: SyncGroupRequest, SyncGroupResponse;
    describe_groups: DescribeGroupsRequest, DescribeGroupsResponse;
    list_groups: ListGroupsRequest, ListGroupsResponse;
    delete_groups: DeleteGroupsRequest, DeleteGroupsResponse;
    offset_delete: OffsetDeleteRequest, OffsetDeleteResponse;
    consumer_group_heartbeat: ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse;
    consumer_group_describe: ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse;
}
