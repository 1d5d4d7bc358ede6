//! Frames that real clients and Kafka itself sent: they decode, mean what they meant, and encode to the same bytes.

use bytes::{Bytes, BytesMut};

use crate::{
    protocol::{
        Message,
        api::{ApiInfo, SERVED},
        header::{RequestHeader, ResponseHeader},
        messages::{
            api_versions::ApiVersionsResponse, create_topics::CreateTopicsResponse, fetch::FetchResponse,
            list_offsets::ListOffsetsRequest, produce::ProduceRequest,
        },
        wire::{Reader, Records, Writer},
    },
    types::{Text, Uuid},
};

struct Frame {
    api: &'static ApiInfo,
    version: i16,
    is_request: bool,
    bytes: Bytes,
}

fn frames() -> Vec<Frame> {
    let lines = include_str!("golden.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let [name, version, direction, hex] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("bad line {line}") };
            Frame {
                api: SERVED.iter().find(|api| api.key.name() == name).unwrap(),
                version: version.parse().unwrap(),
                is_request: direction == "request",
                bytes: (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect(),
            }
        })
        .collect()
}

/// The body of the frame of an API, version and direction.
fn body<M: Message>(version: i16, is_request: bool) -> M {
    let frame = frames()
        .into_iter()
        .find(|frame| frame.api.key.code() == M::API_KEY && frame.version == version && frame.is_request == is_request)
        .unwrap();
    let mut reader = Reader::new(frame.bytes);
    if is_request {
        RequestHeader::decode(&mut reader).unwrap();
    } else {
        ResponseHeader::decode(&mut reader, frame.api, version).unwrap();
    }
    M::decode(&mut reader, version).unwrap()
}

#[test]
fn every_frame_encodes_to_the_bytes_it_came_from() {
    let frames = frames();
    assert!(frames.len() > 40);
    for Frame { api, version, is_request, bytes } in frames {
        let mut reader = Reader::new(bytes.clone());
        let mut writer = Writer::new(BytesMut::new());
        let codec = if is_request {
            let header = RequestHeader::decode(&mut reader).unwrap();
            assert_eq!((header.request_api_key, header.request_api_version), (api.key.code(), version));
            header.encode(&mut writer).unwrap();
            api.request
        } else {
            ResponseHeader::decode(&mut reader, api, version).unwrap().encode(&mut writer, api, version);
            api.response
        };
        (codec.transcode)(&mut reader, &mut writer, version).unwrap();
        assert_eq!((reader.remaining(), writer.finish().0.freeze()), (0, bytes), "{} v{version}", codec.schema.name);
    }
}

#[test]
fn the_fields_are_where_they_belong() {
    let id = Uuid::parse("etrhxt-5SgKhSXp7YCnZ0Q").unwrap();
    let produce = body::<ProduceRequest>(13, true);
    assert_eq!((produce.transactional_id, produce.acks, produce.timeout_ms), (None, -1, 1500));
    assert_eq!((produce.topic_data[0].topic_id, produce.topic_data[0].partition_data[0].index), (id, 1));
    let produce = body::<ProduceRequest>(7, true);
    assert_eq!((produce.acks, produce.timeout_ms, &produce.topic_data[0].name), (-1, 30_000, &Text::from_static("golden")));
    // A batch starts with its base offset, 0 from a producer.
    assert!(produce.topic_data[0].partition_data[0].records.as_ref().unwrap().starts_with(&[0; 8]));

    let fetched = body::<FetchResponse>(12, false);
    let partition = &fetched.responses[0].partitions[0];
    assert_eq!((partition.high_watermark, partition.last_stable_offset, partition.log_start_offset), (2, 2, 1));
    assert_eq!((partition.preferred_read_replica, &partition.aborted_transactions), (-1, &None));
    assert!(matches!(&partition.records, Some(Records::Bytes(batch)) if batch[7] == 1));
    assert_ne!(fetched.session_id, 0);

    let created = body::<CreateTopicsResponse>(7, false);
    let topic = &created.topics[0];
    assert_eq!((topic.topic_id, topic.num_partitions, topic.replication_factor), (id, 2, 1));
    let configs = topic.configs.as_ref().unwrap();
    let retention = configs.iter().find(|config| config.name == "retention.ms").unwrap();
    assert_eq!((retention.value.as_deref(), retention.config_source), (Some("1000"), 1));

    let offsets = body::<ListOffsetsRequest>(11, true);
    let timestamps = offsets.topics[0].partitions.iter().map(|partition| partition.timestamp);
    assert!(timestamps.eq([-1, -1, -1]) && offsets.replica_id == -1);

    let versions = body::<ApiVersionsResponse>(4, false);
    let produce = versions.api_keys.iter().find(|api| api.api_key == 0).unwrap();
    assert_eq!((produce.min_version, produce.max_version), (0, 13), "Kafka claims the versions it refuses as well");
    assert!(versions.finalized_features_epoch >= 0);
    assert!(versions.finalized_features.iter().any(|feature| feature.name == "metadata.version"));
}
