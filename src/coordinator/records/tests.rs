//! Bytes as Kafka writes them, and what does not belong there.

use bytes::Bytes;

use super::*;
use crate::{
    protocol::{Message, wire::WireError},
    types::{Text, Uuid},
};

#[test]
fn a_committed_offset_stands_as_kafka_writes_it() {
    let key = OffsetCommitKey { group: Text::from_static("g"), topic: Text::from_static("t"), partition: 7 };
    let value = OffsetCommitValue { offset: 42, leader_epoch: 3, metadata: Text::from_static("m"), commit_timestamp: 5, ..Default::default() };
    let record = encode(&key, Some((&value, 4))).unwrap();
    assert_eq!(&record.key[..], b"\0\x01\0\x01g\0\x01t\0\0\0\x07");
    assert_eq!(&record.value.unwrap()[..], b"\0\x04\0\0\0\0\0\0\0\x2a\0\0\0\x03\x02m\0\0\0\0\0\0\0\x05\0");
    let expiring = OffsetCommitValue { expire_timestamp: 9, ..value.clone() };
    let record = encode(&key, Some((&expiring, 1))).unwrap();
    assert_eq!(&record.value.clone().unwrap()[..], b"\0\x01\0\0\0\0\0\0\0\x2a\0\x01m\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x09");
    let read: OffsetCommitValue = decode_value(record.value.unwrap()).unwrap();
    assert_eq!(read, OffsetCommitValue { leader_epoch: -1, ..expiring });
    let with_id = OffsetCommitValue { topic_id: Uuid::ONE, ..value };
    let record = encode(&key, Some((&with_id, 4))).unwrap();
    assert_eq!(decode_value::<OffsetCommitValue>(record.value.unwrap()), Ok(with_id));
}

#[test]
fn a_group_round_trips_in_every_version_that_was_ever_written() {
    let member = MemberMetadata {
        member_id: Text::from_static("a-1"),
        client_id: Text::from_static("a"),
        client_host: Text::from_static("/127.0.0.1"),
        session_timeout: 10_000,
        subscription: Bytes::from_static(b"s"),
        assignment: Bytes::from_static(b"x"),
        ..MemberMetadata::default()
    };
    let group = GroupMetadataValue {
        protocol_type: Text::from_static("consumer"),
        generation: 2,
        protocol: Some(Text::from_static("range")),
        leader: Some(Text::from_static("a-1")),
        members: vec![member],
        ..GroupMetadataValue::default()
    };
    let key = GroupMetadataKey { group: Text::from_static("g") };
    for version in GroupMetadataValue::VERSIONS {
        let record = encode(&key, Some((&group, version))).unwrap();
        assert_eq!(decode_value::<GroupMetadataValue>(record.value.unwrap()), Ok(group.clone()), "version {version}");
        assert_eq!(decode_key(record.key).unwrap().0, 2);
    }
}

#[test]
fn tombstones_unknown_types_and_damage_are_told_apart() {
    let tombstone = encode::<_, GroupMetadataValue>(&GroupMetadataKey { group: Text::from_static("g") }, None).unwrap();
    assert_eq!((&tombstone.key[..], tombstone.value), (&b"\0\x02\0\x01g"[..], None));
    assert_eq!(decode_key(Bytes::from_static(b"\x7f\xff??")).unwrap().0, 32767);
    assert_eq!(decode_key(Bytes::from_static(b"\0")).unwrap_err(), RecordError::Wire(WireError::Truncated));
    let newer = decode_value::<OffsetCommitValue>(Bytes::from_static(b"\0\x63rest"));
    assert_eq!(newer, Err(RecordError::Wire(WireError::UnsupportedVersion(99))));
}
