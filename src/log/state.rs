//! Our own file in a partition's folder, `corelog.state`: what was known at an offset up to which the log was durable, so
//! that a restart reads only what was appended later, and after a clean stop nothing at all.
//!
//! Pure: bytes in, values out. The file is only ever a shortcut. It is not flushed; a torn or old one fails its checksum
//! or does not fit the folder, and the start scans more. Layout, all big endian: version u32, CRC-32C u32 of the rest, then
//! the fields in the order of [`State::encode`].

use crate::{record::Timestamped, types::Offset};

use super::entries::Parts;

const VERSION: u32 = 1;
const NONE: i64 = i64::MIN;

/// A sealed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SealedState {
    pub(super) base: Offset,
    pub(super) length: u64,
    pub(super) largest: Option<Timestamped>,
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Base offset of the active segment.
    pub(super) active: Offset,
    /// Bytes of batches in it below `end`.
    pub(super) position: u64,
    /// Everything before it was durable.
    pub(super) end: Offset,
    pub(super) largest: Option<Timestamped>,
    pub(super) first_timestamp: Option<i64>,
    /// All older segments.
    pub(super) sealed: Vec<SealedState>,
    /// `.index` of the active segment up to `end`.
    pub(super) offset_index: Parts,
    /// `.timeindex` of the active segment up to `end`.
    pub(super) time_index: Parts,
    /// Producer snapshot at `end`.
    pub(super) producers: Parts,
}

impl State {
    /// Where the indexes are long: for a thread that may take its time.
    pub(super) fn encode(&self) -> Parts {
        let mut head = Vec::with_capacity(96 + self.sealed.len() * 32);
        let mut put = |value: i64| head.extend_from_slice(&value.to_be_bytes());
        put(self.active.get());
        put(self.position as i64);
        put(self.end.get());
        put_largest(&mut put, self.largest);
        put(self.first_timestamp.unwrap_or(NONE));
        put(self.sealed.len() as i64);
        for segment in &self.sealed {
            put(segment.base.get());
            put(segment.length as i64);
            put_largest(&mut put, segment.largest);
        }
        let mut fields = Parts::from(head);
        for blob in [&self.offset_index, &self.time_index, &self.producers] {
            fields.extend(Parts::from((blob.len() as u64).to_be_bytes().to_vec()));
            fields.extend(blob.clone());
        }
        let mut parts = Parts::from([VERSION.to_be_bytes(), fields.crc32c().to_be_bytes()].concat());
        parts.extend(fields);
        parts
    }

    /// `None` if the bytes are not a whole, undamaged file of this version.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (header, mut rest) = bytes.split_first_chunk::<8>()?;
        let crc = crc32c::crc32c(rest).to_be_bytes();
        if header[..4] != VERSION.to_be_bytes() || header[4..] != crc {
            return None;
        }
        let input = &mut rest;
        let active = Offset::new(long(input)?)?;
        let position = u64::try_from(long(input)?).ok()?;
        let end = Offset::new(long(input)?)?;
        let largest = largest(input)?;
        let first_timestamp = Some(long(input)?).filter(|timestamp| *timestamp != NONE);
        let count = usize::try_from(long(input)?).ok().filter(|count| *count <= input.len() / 32)?;
        let mut sealed = Vec::with_capacity(count);
        for _ in 0..count {
            let base = Offset::new(long(input)?)?;
            let length = u64::try_from(long(input)?).ok()?;
            sealed.push(SealedState { base, length, largest: self::largest(input)? });
        }
        let (offset_index, time_index, producers) = (blob(input)?, blob(input)?, blob(input)?);
        input.is_empty().then_some(Self {
            active,
            position,
            end,
            largest,
            first_timestamp,
            sealed,
            offset_index,
            time_index,
            producers,
        })
    }
}

fn put_largest(put: &mut impl FnMut(i64), largest: Option<Timestamped>) {
    put(largest.map_or(NONE, |largest| largest.timestamp));
    put(largest.map_or(0, |largest| largest.offset.get()));
}

fn largest(input: &mut &[u8]) -> Option<Option<Timestamped>> {
    let (timestamp, offset) = (long(input)?, long(input)?);
    if timestamp == NONE {
        return Some(None);
    }
    Some(Some(Timestamped { timestamp, offset: Offset::new(offset)? }))
}

fn long(input: &mut &[u8]) -> Option<i64> {
    let (bytes, rest) = input.split_first_chunk::<8>()?;
    *input = rest;
    Some(i64::from_be_bytes(*bytes))
}

fn blob(input: &mut &[u8]) -> Option<Parts> {
    let length = usize::try_from(long(input)?).ok()?;
    let (bytes, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(bytes.to_vec().into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn state(sealed: usize, blob: Vec<u8>) -> State {
        let largest = |number: usize| {
            number.is_multiple_of(2).then_some(Timestamped { timestamp: number as i64, offset: Offset::saturating(number as i64) })
        };
        State {
            active: Offset::saturating(500),
            position: 4711,
            end: Offset::saturating(512),
            largest: largest(sealed),
            first_timestamp: None,
            sealed: (0..sealed).map(|number| SealedState { base: Offset::saturating(number as i64), length: 7, largest: largest(number) }).collect(),
            offset_index: blob.clone().into(),
            time_index: Parts::default(),
            producers: blob.into(),
        }
    }

    #[test]
    fn damage_is_noticed() {
        let bytes = state(2, vec![1, 2, 3]).encode().joined().into_owned();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert_eq!(State::decode(&damaged), None, "byte {at}");
            assert_eq!(State::decode(&bytes[..at]), None, "cut at {at}");
        }
    }

    proptest! {
        #[test]
        fn states_read_back(sealed in 0usize..5, blob in proptest::collection::vec(any::<u8>(), 0..50)) {
            let state = state(sealed, blob);
            prop_assert_eq!(State::decode(&state.encode().joined()), Some(state));
        }

        /// With a right checksum, so that the fields are read.
        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = VERSION.to_be_bytes().to_vec();
            bytes.extend_from_slice(&crc32c::crc32c(&body).to_be_bytes());
            bytes.extend_from_slice(&body);
            State::decode(&bytes);
        }
    }
}
