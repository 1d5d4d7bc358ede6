//! Kafka's producer snapshot file (ProducerStateManager.java, ProducerSnapshot.json): the state of all producers at the
//! offset that the file is named by.
//!
//! ```text
//! version i16 = 1 · CRC-32C u32 of the rest · count i32 · count x 46 bytes {
//!   producer id i64 · epoch i16 · last sequence i32 · last offset i64 · offset delta i32 · timestamp i64 ·
//!   coordinator epoch i32 · first offset of the open transaction i64 }
//! ```
//! Pure. Only the last batch of each producer is in it, so after a restart only that one is recognised as a duplicate,
//! unless the batches before are replayed.

use crate::types::{Offset, ProducerEpoch, ProducerId};

use super::producers::{Producer, ProducerBatch, ProducerStates};

const VERSION: i16 = 1;
const HEADER_BYTES: usize = 10;
const ENTRY_BYTES: usize = 46;

/// Why a file is no usable snapshot. Then an older one is used and more is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SnapshotError {
    #[error("the file is cut off")]
    Short,
    #[error("version {0} is unknown")]
    Version(i16),
    #[error("the checksum is wrong")]
    Crc,
    #[error("the count does not fit the size")]
    Count,
    #[error("a producer id or offset is negative")]
    Negative,
}

/// The file of `states`.
pub(super) fn encode(states: &ProducerStates) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + states.len() * ENTRY_BYTES);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&(states.len() as i32).to_be_bytes());
    for (id, producer) in states.iter() {
        let last = producer.last();
        bytes.extend_from_slice(&id.get().to_be_bytes());
        bytes.extend_from_slice(&producer.epoch.get().to_be_bytes());
        bytes.extend_from_slice(&last.map_or(-1, |batch| batch.last_sequence).to_be_bytes());
        bytes.extend_from_slice(&last.map_or(-1, |batch| batch.last_offset.get()).to_be_bytes());
        bytes.extend_from_slice(&last.map_or(0, |batch| batch.offset_delta).to_be_bytes());
        bytes.extend_from_slice(&producer.last_timestamp.to_be_bytes());
        bytes.extend_from_slice(&producer.coordinator_epoch.unwrap_or(-1).to_be_bytes());
        bytes.extend_from_slice(&producer.transaction_first.map_or(-1, Offset::get).to_be_bytes());
    }
    let crc = crc32c::crc32c(&bytes[6..]);
    bytes[2..6].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// Reads a file. `now_ms` counts as the time when its producers were last active; of more than `most`, the last are kept.
pub(super) fn decode(bytes: &[u8], now_ms: i64, most: usize) -> Result<ProducerStates, SnapshotError> {
    let (header, entries) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(SnapshotError::Short)?;
    let version = i16::from_be_bytes([header[0], header[1]]);
    if version != VERSION {
        return Err(SnapshotError::Version(version));
    }
    if crc32c::crc32c(&bytes[6..]) != u32::from_be_bytes([header[2], header[3], header[4], header[5]]) {
        return Err(SnapshotError::Crc);
    }
    let count = i32::from_be_bytes([header[6], header[7], header[8], header[9]]);
    let (entries, rest) = entries.as_chunks::<ENTRY_BYTES>();
    if !rest.is_empty() || usize::try_from(count) != Ok(entries.len()) {
        return Err(SnapshotError::Count);
    }
    let mut states = ProducerStates::bounded(most);
    for entry in entries {
        let (id, producer) = read_entry(entry, now_ms).ok_or(SnapshotError::Negative)?;
        states.insert(id, producer);
    }
    Ok(states)
}

fn read_entry(entry: &[u8; ENTRY_BYTES], now_ms: i64) -> Option<(ProducerId, Producer)> {
    let id = long(entry, 0);
    let epoch = i16::from_be_bytes([entry[8], entry[9]]);
    if id < 0 {
        return None;
    }
    let mut producer = Producer::new(ProducerEpoch(epoch), now_ms);
    producer.last_timestamp = long(entry, 26);
    let coordinator_epoch = int(entry, 34);
    producer.coordinator_epoch = (coordinator_epoch >= 0).then_some(coordinator_epoch);
    producer.transaction_first = Offset::new(long(entry, 38));
    let (last_sequence, offset_delta) = (int(entry, 10), int(entry, 22));
    // A producer of whom only a marker is left has no batch.
    if last_sequence >= 0 {
        let last_offset = Offset::new(long(entry, 14))?;
        if offset_delta < 0 {
            return None;
        }
        producer.push(ProducerBatch { last_sequence, last_offset, offset_delta, timestamp: producer.last_timestamp });
    }
    Some((ProducerId(id), producer))
}

fn int(entry: &[u8; ENTRY_BYTES], at: usize) -> i32 {
    i32::from_be_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]])
}

fn long(entry: &[u8; ENTRY_BYTES], at: usize) -> i64 {
    i64::from(int(entry, at)) << 32 | i64::from(int(entry, at + 4) as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::BatchHeader;

    fn states(ids: &[i64]) -> ProducerStates {
        let mut states = ProducerStates::default();
        for (number, id) in ids.iter().enumerate() {
            let header = BatchHeader {
                base_offset: Offset::ZERO,
                length: 49,
                leader_epoch: None,
                crc: 0,
                attributes: if number % 2 == 0 { 0x10 } else { 0 },
                last_offset_delta: 2,
                base_timestamp: 5,
                max_timestamp: 9 + id,
                producer_id: Some(ProducerId(*id)),
                producer_epoch: Some(ProducerEpoch(3)),
                base_sequence: Some(4),
                records: 3,
            };
            states.apply(&header, Offset::saturating(number as i64 * 3), 77);
        }
        states
    }

    #[test]
    fn an_empty_snapshot_is_kafkas() {
        assert_eq!(encode(&ProducerStates::default()), [0x00, 0x01, 0x48, 0x67, 0x4b, 0xc7, 0, 0, 0, 0]);
    }

    #[test]
    fn damage_is_noticed() {
        let bytes = encode(&states(&[1, 2]));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(decode(&damaged, 0, 10).is_err(), "byte {at}");
            assert!(decode(&bytes[..at], 0, 10).is_err(), "cut at {at}");
        }
    }

    proptest! {
        #[test]
        fn producers_read_back(ids in proptest::collection::btree_set(0i64..1000, 0..20)) {
            let states = states(&ids.into_iter().collect::<Vec<_>>());
            prop_assert_eq!(decode(&encode(&states), 77, crate::types::limits::PRODUCERS_PER_PARTITION_MAX), Ok(states));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, 0, 10);
        }
    }
}
