//! The batches that producers send, made before the clock runs but for their headers, which say when they are sent.
//!
//! Values begin with a stamp, so that a consumer can tell which record it is and when it was meant to be sent:
//!
//! ```text
//! run u32 | lane u32 | sequence u64 | intended ns u64 | check u32 | filler (incompressible)
//! ```
//! The check is the CRC-32C of the filler, mixed with the four fields: a broker that changes a record and seals the batch
//! anew is caught, too.

use bytes::{Bytes, BytesMut};

use crate::record::{BatchBuilder, Codec, CompressionError, HEADER_BYTES, Records};

/// Bytes of the stamp at the front of every value.
pub const STAMP_BYTES: usize = 28;
/// Bytes that a record of one batch takes beside key and value, at most.
const RECORD_OVERHEAD_BYTES: usize = 24;

const CRC_AT: usize = 17;
const CHECKED_FROM: usize = 21;
const BASE_TIMESTAMP_AT: usize = 27;
const PRODUCER_ID_AT: usize = 43;

/// What the batches of a run look like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Bytes of a whole batch before compression, header included.
    pub batch_bytes: usize,
    /// Bytes of a record's value; the last record of a batch takes what is left.
    pub record_bytes: usize,
    /// Bytes of a record's key; 0 for none.
    pub key_bytes: usize,
    /// Compression of the batches.
    pub codec: Codec,
    /// Part of the filler that is incompressible, in percent.
    pub random_percent: u8,
}

/// The fields of a stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which run wrote the record.
    pub run: u32,
    /// Which producer connection.
    pub lane: u32,
    /// Counts the records of one lane in one partition, from 0.
    pub sequence: u64,
    /// When the record was meant to be sent, in nanoseconds of the writing host's monotonic clock.
    pub intended_ns: u64,
}

impl Stamp {
    /// Reads the stamp at the front of `value`; `None` if there is none, or the value does not fit it.
    pub fn read(value: &[u8]) -> Option<Self> {
        let (stamp, filler) = value.split_first_chunk::<STAMP_BYTES>()?;
        let long = |at: usize| u64::from_be_bytes(std::array::from_fn(|i| stamp[at + i]));
        let (lanes, sequence, intended_ns) = (long(0), long(8), long(16));
        let found = Self { run: (lanes >> 32) as u32, lane: lanes as u32, sequence, intended_ns };
        let check = u32::from_be_bytes(std::array::from_fn(|i| stamp[24 + i]));
        (check == crc32c::crc32c(filler) ^ found.mix()).then_some(found)
    }

    fn write(&self, out: &mut [u8], filler_crc: u32) {
        out[..4].copy_from_slice(&self.run.to_be_bytes());
        out[4..8].copy_from_slice(&self.lane.to_be_bytes());
        out[8..16].copy_from_slice(&self.sequence.to_be_bytes());
        out[16..24].copy_from_slice(&self.intended_ns.to_be_bytes());
        out[24..STAMP_BYTES].copy_from_slice(&(filler_crc ^ self.mix()).to_be_bytes());
    }

    /// Any change of one field changes this.
    fn mix(&self) -> u32 {
        let lanes = u64::from(self.run) << 32 | u64::from(self.lane);
        let mixed = [self.sequence, self.intended_ns].iter().fold(lanes, |mixed, field| {
            (mixed ^ field).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
        });
        (mixed >> 32) as u32 ^ mixed as u32
    }
}

/// What makes the batch of an idempotent producer its own.
#[derive(Clone, Copy, Debug)]
pub struct Sequenced {
    /// The producer's id.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// Number of the batch's first record in its partition.
    pub base_sequence: i32,
}

/// A batch, and where its stamps are.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Bytes,
    /// The bytes behind the header: what is sent again and again.
    records_bytes: Bytes,
    /// For the checksum of another header before the same records.
    trailing: Trailing,
    /// Where each value starts, and the CRC of its filler; empty if the batch is compressed.
    values: Vec<(usize, u32)>,
    records: u64,
}

impl Template {
    /// A batch of `shape`, its filler drawn from `seed`.
    ///
    /// # Errors
    /// If compression fails, for lack of memory.
    pub fn new(shape: &Shape, seed: u64, now_ms: i64) -> Result<Self, CompressionError> {
        let mut random = Random(seed);
        let mut builder = BatchBuilder::new().compressed(shape.codec, None);
        let mut room = shape.batch_bytes.saturating_sub(HEADER_BYTES);
        loop {
            let wanted = shape.record_bytes + shape.key_bytes + RECORD_OVERHEAD_BYTES;
            let last = room < 2 * wanted;
            let value_bytes = if last { fit(room, shape.key_bytes, builder.count()) } else { shape.record_bytes };
            let key = random.bytes(shape.key_bytes, 100);
            let value = random.bytes(value_bytes.max(STAMP_BYTES), shape.random_percent);
            let key = (shape.key_bytes > 0).then_some(&key[..]);
            builder.push(now_ms, key, Some(&value), &[]);
            if last {
                break;
            }
            room = shape.batch_bytes.saturating_sub(builder.len());
        }
        let records = builder.count().unsigned_abs().into();
        let bytes = builder.build()?;
        let values = if shape.codec == Codec::None { values_of(&bytes) } else { Vec::new() };
        let records_bytes = bytes.slice(HEADER_BYTES..);
        let trailing = Trailing::new(&records_bytes);
        Ok(Self { bytes, records_bytes, trailing, values, records })
    }

    /// Bytes of the batch as sent.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Never: a batch has a header.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Records in the batch.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The header of a batch of the time `now_ms`, checksum included, to be sent before [`Template::records_bytes`]: no
    /// real producer sends a batch twice, and a broker has more to do (a time index to keep) where time goes on.
    pub fn header(&self, now_ms: i64, producer: Option<Sequenced>) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&self.bytes[..HEADER_BYTES]);
        set_time(&mut header, now_ms);
        if let Some(producer) = producer {
            set_producer(&mut header, producer);
        }
        let crc = self.trailing.after(crc32c::crc32c(&header[CHECKED_FROM..]));
        header[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
        header
    }

    /// What follows every header.
    pub fn records_bytes(&self) -> &Bytes {
        &self.records_bytes
    }

    /// A copy of the batch to be stamped.
    pub fn copy(&self) -> BytesMut {
        BytesMut::from(&self.bytes[..])
    }

    /// Writes stamps into all records of a copy, from `first` on, and sets the time; [`seal`] it afterwards.
    pub fn stamp(&self, batch: &mut [u8], first: Stamp, now_ms: i64) {
        set_time(batch, now_ms);
        let mut stamp = first;
        for (at, filler_crc) in &self.values {
            stamp.write(&mut batch[*at..], *filler_crc);
            stamp.sequence += 1;
        }
    }
}

/// All records of a batch are of one time, so the first and the largest timestamp of its header are all that it takes.
fn set_time(batch: &mut [u8], now_ms: i64) {
    for at in [BASE_TIMESTAMP_AT, BASE_TIMESTAMP_AT + 8] {
        batch[at..at + 8].copy_from_slice(&now_ms.to_be_bytes());
    }
}

/// Makes it the batch of an idempotent producer; [`seal`] it afterwards.
pub fn set_producer(batch: &mut [u8], producer: Sequenced) {
    let Sequenced { id, epoch, base_sequence } = producer;
    batch[PRODUCER_ID_AT..PRODUCER_ID_AT + 8].copy_from_slice(&id.to_be_bytes());
    batch[PRODUCER_ID_AT + 8..PRODUCER_ID_AT + 10].copy_from_slice(&epoch.to_be_bytes());
    batch[PRODUCER_ID_AT + 10..PRODUCER_ID_AT + 14].copy_from_slice(&base_sequence.to_be_bytes());
}

/// Bytes that stay, behind bytes that change: gives the CRC-32C of both from that of the first part alone. The checksum is
/// linear, so what the trailing bytes make of each of its bits is worked out once.
#[derive(Clone, Debug)]
struct Trailing {
    crc: u32,
    of_bit: [u32; 32],
}

impl Trailing {
    fn new(bytes: &[u8]) -> Self {
        let of_bit = std::array::from_fn(|bit| crc32c::crc32c_combine(1 << bit, 0, bytes.len()));
        Self { crc: crc32c::crc32c(bytes), of_bit }
    }

    fn after(&self, leading_crc: u32) -> u32 {
        let set = |bit: &usize| leading_crc >> bit & 1 == 1;
        (0..32).filter(set).fold(self.crc, |crc, bit| crc ^ self.of_bit[bit])
    }
}

/// Writes the checksum of a batch that was changed.
pub fn seal(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[CHECKED_FROM..]);
    batch[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
}

/// The largest value that makes a last record fill `room` bytes.
fn fit(room: usize, key_bytes: usize, index: i32) -> usize {
    let varint = |value: usize| 1 + [6, 13, 20, 27].iter().filter(|bits| value >> **bits != 0).count();
    let key = varint(key_bytes) + key_bytes;
    let fixed = 1 + 1 + varint(index.unsigned_abs() as usize) + key + 1;
    let total = |value: usize| {
        let body = fixed + varint(value) + value;
        varint(body) + body
    };
    let mut value = room.saturating_sub(fixed);
    while value > 0 && total(value) > room {
        value -= 1;
    }
    value
}

#[expect(clippy::expect_used, reason = "the batch was built a moment ago")]
fn values_of(bytes: &Bytes) -> Vec<(usize, u32)> {
    let start = bytes.as_ptr() as usize;
    let records = Records::open(bytes, bytes.len()).expect("the builder makes batches that can be read");
    let mut values = Vec::new();
    for record in records.iter() {
        let value = record.ok().and_then(|record| record.value).expect("every record has a value");
        values.push((value.as_ptr() as usize - start, crc32c::crc32c(&value[STAMP_BYTES..])));
    }
    values
}

/// SplitMix64: enough to be incompressible, and the same in every run.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn bytes(&mut self, count: usize, random_percent: u8) -> Vec<u8> {
        let random = count * usize::from(random_percent.min(100)) / 100;
        let mut out = Vec::with_capacity(count);
        while out.len() < random {
            out.extend_from_slice(&self.bits().to_le_bytes());
        }
        out.truncate(random);
        out.resize(count, b'.');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(batch_bytes: usize, record_bytes: usize, key_bytes: usize) -> Shape {
        Shape { batch_bytes, record_bytes, key_bytes, codec: Codec::None, random_percent: 100 }
    }

    #[test]
    fn a_batch_has_the_size_asked_for() {
        for batch_bytes in [200, 1000, 1024, 4096, 16_384, 65_536, 1 << 20] {
            for (record_bytes, key_bytes) in [(100, 0), (1024, 0), (100, 16), (60_000, 0)] {
                let template = Template::new(&shape(batch_bytes, record_bytes, key_bytes), 7, 1).unwrap();
                assert!(
                    template.len().abs_diff(batch_bytes) <= 1,
                    "{batch_bytes} of {record_bytes} with keys of {key_bytes}: {}",
                    template.len()
                );
            }
        }
    }

    #[test]
    fn stamps_are_read_back_and_the_batch_stays_sound() {
        let template = Template::new(&shape(16_384, 500, 8), 7, 1).unwrap();
        let first = Stamp { run: 9, lane: 3, sequence: 1000, intended_ns: u64::MAX - 5 };
        let mut batch = template.copy();
        template.stamp(&mut batch, first, 55);
        set_producer(&mut batch, Sequenced { id: 4, epoch: 2, base_sequence: 77 });
        seal(&mut batch);
        let records = Records::open(&batch, batch.len()).unwrap();
        records.header().verify(&batch).unwrap();
        assert_eq!(records.header().last_sequence(), Some(77 + template.records() as i32 - 1));
        for (sequence, record) in (1000..).zip(records.iter()) {
            let record = record.unwrap();
            assert_eq!(record.timestamp, 55);
            assert_eq!(Stamp::read(record.value.unwrap()), Some(Stamp { sequence, ..first }));
        }
    }

    #[test]
    fn every_batch_is_of_its_own_time_and_sound() {
        for codec in [Codec::None, Codec::Lz4] {
            let template = Template::new(&Shape { codec, ..shape(16_384, 500, 8) }, 7, 1).unwrap();
            for (now_ms, producer) in [(1, None), (1_700_000_000_000, Some(Sequenced { id: 4, epoch: 2, base_sequence: 77 })), (-1, None)] {
                let batch = [&template.header(now_ms, producer)[..], template.records_bytes()].concat();
                let records = Records::open(&batch, 1 << 20).unwrap();
                records.header().verify(&batch).unwrap();
                assert_eq!(records.header().last_sequence().is_some(), producer.is_some());
                assert!(records.iter().all(|record| record.unwrap().timestamp == now_ms));
            }
        }
    }

    #[test]
    fn any_changed_byte_of_a_value_is_noticed() {
        let template = Template::new(&shape(300, 200, 0), 7, 1).unwrap();
        let stamp = Stamp { run: 1, lane: 2, sequence: 3, intended_ns: 4 };
        let mut batch = template.copy();
        template.stamp(&mut batch, stamp, 55);
        let (at, _) = template.values[0];
        let value = batch[at..batch.len() - 1].to_vec();
        assert_eq!(Stamp::read(&value), Some(stamp));
        for changed in 0..value.len() {
            let mut value = value.clone();
            value[changed] ^= 1;
            assert_eq!(Stamp::read(&value), None, "byte {changed}");
        }
    }
}
