//! Our batches against those of the crate kafka-protocol, uncompressed, in both directions.
//!
//! Left out where that crate is known to be wrong: repeated header keys, timestamps that overflow, LogAppendTime.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    protocol::StrBytes,
    records::{self as theirs, Compression, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions},
};
use proptest::prelude::*;

use super::*;
use crate::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

/// One record without its place: timestamp, key, value, headers.
type Plain = (i64, Option<Vec<u8>>, Option<Vec<u8>>, BTreeMap<String, Option<Vec<u8>>>);

fn plain_records() -> impl Strategy<Value = Vec<Plain>> {
    let blob = || proptest::option::of(proptest::collection::vec(any::<u8>(), 0..80));
    let headers = proptest::collection::btree_map("[a-z]{0,5}", blob(), 0..3);
    proptest::collection::vec((0i64..2_000_000_000_000, blob(), blob(), headers), 1..40)
}

fn borrowed(headers: &BTreeMap<String, Option<Vec<u8>>>) -> Vec<(&[u8], Option<&[u8]>)> {
    headers.iter().map(|(key, value)| (key.as_bytes(), value.as_deref())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn they_read_what_we_write(records in plain_records(), base in 0i64..1 << 50) {
        let mut builder = BatchBuilder::new()
            .at(Offset::saturating(base), LeaderEpoch(3))
            .producer(ProducerId(5), ProducerEpoch(1), Some(70));
        for (timestamp, key, value, headers) in &records {
            builder.push(*timestamp, key.as_deref(), value.as_deref(), &borrowed(headers));
        }
        let mut bytes = builder.build().unwrap();
        let found = RecordBatchDecoder::decode_all(&mut bytes).unwrap().remove(0).records;
        prop_assert_eq!(found.len(), records.len());
        for (index, (record, (timestamp, key, value, headers))) in found.iter().zip(&records).enumerate() {
            prop_assert_eq!(record.offset, base + index as i64);
            prop_assert_eq!(record.sequence, 70 + index as i32);
            prop_assert_eq!((record.producer_id, record.producer_epoch, record.partition_leader_epoch), (5, 1, 3));
            prop_assert_eq!(record.timestamp, *timestamp);
            prop_assert_eq!(record.key.as_deref(), key.as_deref());
            prop_assert_eq!(record.value.as_deref(), value.as_deref());
            prop_assert_eq!(record.headers.len(), headers.len());
            for (key, value) in headers {
                let found = record.headers.get(&StrBytes::from_string(key.clone()));
                prop_assert_eq!(found.unwrap().as_deref(), value.as_deref());
            }
        }
    }

    #[test]
    fn we_take_what_they_write(records in plain_records()) {
        let theirs: Vec<_> = records.iter().enumerate().map(|(index, (timestamp, key, value, headers))| theirs::Record {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id: 5,
            producer_epoch: 1,
            timestamp_type: theirs::TimestampType::Creation,
            offset: index as i64,
            sequence: 70 + index as i32,
            timestamp: *timestamp,
            key: key.clone().map(Bytes::from),
            value: value.clone().map(Bytes::from),
            headers: headers
                .iter()
                .map(|(key, value)| (StrBytes::from_string(key.clone()), value.clone().map(Bytes::from)))
                .collect(),
        }).collect();
        let mut bytes = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        RecordBatchEncoder::encode(&mut bytes, &theirs, &options).unwrap();
        let now_ms = 2_000_000_000_000;
        let batch = check_produced(bytes.freeze(), &ProduceRules::default(), now_ms).unwrap();
        prop_assert_eq!(batch.header().last_sequence(), Some(70 + records.len() as i32 - 1));
        let opened = Records::open(batch.bytes(), 0).unwrap();
        let found: Vec<_> = opened.iter().map(Result::unwrap).collect();
        prop_assert_eq!(found.len(), records.len());
        let newest = records.iter().map(|record| record.0).max();
        prop_assert_eq!(Some(batch.header().max_timestamp), newest);
        for (record, (timestamp, key, value, headers)) in found.iter().zip(&records) {
            prop_assert_eq!(record.timestamp, *timestamp);
            prop_assert_eq!(record.key, key.as_deref());
            prop_assert_eq!(record.value, value.as_deref());
            prop_assert_eq!(record.headers.collect::<Vec<_>>(), borrowed(headers));
        }
    }
}
