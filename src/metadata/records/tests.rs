//! Against what a real Kafka 4.3 wrote, and against random bytes.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{
    protocol::wire::WireError,
    record::{Batches, Records},
};

/// `__cluster_metadata-0` of a Kafka 4.3.0 that was formatted, changed by every admin tool, and stopped.
const KAFKAS_LOG: &[u8] = include_bytes!("../testdata/kafka-4.3.log");
/// A snapshot that it took on the way.
const KAFKAS_SNAPSHOT: &[u8] = include_bytes!("../testdata/kafka-4.3-25-1.checkpoint");

#[test]
fn what_kafka_wrote_is_written_back_byte_by_byte() {
    let mut types = std::collections::BTreeSet::new();
    for batch in Batches::new(KAFKAS_LOG).chain(Batches::new(KAFKAS_SNAPSHOT)) {
        let batch = batch.unwrap();
        batch.verify().unwrap();
        for record in Records::open(batch.bytes, 0).unwrap().iter() {
            let record = record.unwrap();
            if batch.header.is_control() {
                let control = ControlRecord::decode(record.key, record.value).unwrap();
                let (key, value) = control.encode().unwrap();
                assert_eq!((Some(&key[..]), Some(&value[..])), (record.key, record.value), "{control:?}");
            } else {
                let value = record.value.unwrap();
                let decoded = MetadataRecord::decode(Bytes::copy_from_slice(value)).unwrap();
                types.insert(decoded.record_type());
                assert_eq!(decoded.encode().unwrap(), value, "{decoded:?}");
            }
        }
    }
    assert_eq!(types.into_iter().collect::<Vec<_>>(), [0, 2, 3, 4, 5, 9, 11, 12, 14, 15, 17, 18, 19, 22, 23, 24, 27]);
}

#[test]
fn what_is_not_known_is_refused() {
    let decode = |bytes: &[u8]| MetadataRecord::decode(Bytes::copy_from_slice(bytes));
    assert_eq!(decode(&[0, 20, 0, 0]), Err(FrameError::FrameVersion(0)));
    assert_eq!(decode(&[1, 29, 0, 0]), Err(FrameError::RecordType(29)));
    assert_eq!(decode(&[1, 6, 0, 0]), Err(FrameError::RecordType(6)));
    assert_eq!(decode(&[1, 3, 3, 0]), Err(FrameError::RecordVersion { record_type: 3, version: 3 }));
    assert_eq!(decode(&[1, 20, 0, 0, 7]), Err(FrameError::Wire(WireError::TrailingBytes(1))));
    assert_eq!(decode(&[1, 20, 0]), Err(FrameError::Wire(WireError::Truncated)));
    assert!(matches!(decode(&[1, 2, 0, 0]), Err(FrameError::Wire(_))), "a name that is null");
    assert!(decode(&[1, 20, 0, 1, 77, 2, 8, 9]).is_ok(), "tagged fields of a newer Kafka are skipped");
    // An array of four thousand million partitions in a few bytes.
    assert_eq!(decode(&[1, 10, 0, 2, b'a', 2, b'b', 0xff, 0xff, 0xff, 0xff, 0x0f]), Err(FrameError::Wire(WireError::Truncated)));
    assert_eq!(ControlRecord::decode(Some(&[0, 0, 0, 7]), Some(&[0, 0, 0])), Err(FrameError::RecordType(7)));
    assert_eq!(ControlRecord::decode(Some(&[0, 0, 0, 3]), Some(&[0, 1, 0])), Err(FrameError::RecordVersion { record_type: 3, version: 1 }));
    assert_eq!(ControlRecord::decode(None, Some(&[0, 0, 0])), Err(FrameError::Control));
}

#[test]
fn old_versions_are_read() {
    // PartitionRecord v0 knows no directories, RegisterBrokerRecord v0 neither shutdown nor directories.
    let partition = PartitionRecord { partition_id: 3, replicas: vec![1, 2], isr: vec![1], leader: 1, ..Default::default() };
    let value = MetadataRecord::Partition(partition.clone()).encode_as(0).unwrap();
    assert_eq!(MetadataRecord::decode(value), Ok(MetadataRecord::Partition(partition)));
    let broker = RegisterBrokerRecord { broker_id: 4, broker_epoch: 9, rack: Some("r".into()), ..Default::default() };
    let value = MetadataRecord::RegisterBroker(broker.clone()).encode_as(0).unwrap();
    assert_eq!(MetadataRecord::decode(value), Ok(MetadataRecord::RegisterBroker(broker)));
}

#[test]
fn a_registration_change_has_the_lowest_version_that_fits() {
    let change = BrokerRegistrationChangeRecord { broker_id: 1, broker_epoch: 5, ..Default::default() };
    let version = |record| MetadataRecord::BrokerRegistrationChange(record).version();
    assert_eq!(version(BrokerRegistrationChangeRecord { fenced: -1, ..change.clone() }), 0);
    assert_eq!(version(BrokerRegistrationChangeRecord { in_controlled_shutdown: 1, ..change.clone() }), 1);
    assert_eq!(version(BrokerRegistrationChangeRecord { log_dirs: vec![Default::default()], ..change.clone() }), 2);
    assert_eq!(version(BrokerRegistrationChangeRecord { cordoned_log_dirs: Some(vec![]), ..change }), 3);
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(record_type in 0u8..30, version in 0u8..5, body in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut value = vec![1, record_type, version];
        value.extend_from_slice(&body);
        if let Ok(record) = MetadataRecord::decode(value.into()) {
            prop_assert_eq!(MetadataRecord::decode(record.encode().unwrap()).unwrap().encode(), record.encode());
        }
        let _ = ControlRecord::decode(Some(&[0, 0, 0, record_type]), Some(&body));
    }

    #[test]
    fn partition_changes_survive_the_journey(
        ids in prop::collection::vec(any::<Option<Vec<i32>>>(), 6),
        leader in -2i32..5,
        recovery in -1i8..2,
        directories in any::<Option<Vec<[u8; 16]>>>(),
    ) {
        let record = MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: 7,
            topic_id: crate::types::Uuid([3; 16]),
            isr: ids[0].clone(),
            leader,
            replicas: ids[1].clone(),
            removing_replicas: ids[2].clone(),
            adding_replicas: ids[3].clone(),
            leader_recovery_state: recovery,
            eligible_leader_replicas: ids[4].clone(),
            last_known_elr: ids[5].clone(),
            directories: directories.map(|ids| ids.into_iter().map(crate::types::Uuid).collect()),
        });
        prop_assert_eq!(MetadataRecord::decode(record.encode().unwrap()), Ok(record));
    }
}
