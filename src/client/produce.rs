//! Produce requests whose records are encoded beforehand, and their answers read without an allocation.
//!
//! One request carries one batch for one partition. The frame around the batch is a template: only the correlation id
//! and the partition are written for each request.

use crate::types::Offset;

use super::wire::{self, AnswerError, Cursor};

/// The API key of Produce.
pub const API_KEY: i16 = 0;
/// Versions that the template can speak: flexible, and by topic name (v13 is by topic id).
pub const VERSIONS: std::ops::RangeInclusive<i16> = 9..=12;

/// When the broker answers a Produce request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Never.
    None,
    /// When the leader has it.
    Leader,
    /// When all in-sync replicas have it.
    All,
}

impl Acks {
    /// The number on the wire.
    pub fn get(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// What stands after the records: no tagged fields of the partition, the topic and the request.
pub const TAIL: [u8; 3] = [0; 3];

/// What a [`ProduceTemplate`] is made for.
#[derive(Clone, Copy, Debug)]
pub struct ProduceShape<'a> {
    /// Version of the request, within [`VERSIONS`].
    pub version: i16,
    /// `client.id`.
    pub client_id: &'a str,
    /// The topic.
    pub topic: &'a str,
    /// When to answer.
    pub acks: Acks,
    /// Milliseconds the broker may wait for replicas.
    pub timeout_ms: i32,
    /// Bytes of every batch.
    pub batch_bytes: usize,
}

/// The bytes before the batch.
#[derive(Clone, Debug)]
pub struct ProduceTemplate {
    head: Vec<u8>,
    partition_at: usize,
}

impl ProduceTemplate {
    /// Builds the frame's beginning.
    pub fn new(shape: ProduceShape<'_>) -> Self {
        let mut head = wire::start_frame(API_KEY, shape.version, shape.client_id);
        head.push(0); // no transactional id
        head.extend_from_slice(&shape.acks.get().to_be_bytes());
        head.extend_from_slice(&shape.timeout_ms.to_be_bytes());
        wire::put_compact_len(&mut head, 1);
        wire::put_compact_bytes(&mut head, shape.topic.as_bytes());
        wire::put_compact_len(&mut head, 1);
        let partition_at = head.len();
        head.extend_from_slice(&[0; 4]);
        wire::put_compact_len(&mut head, shape.batch_bytes);
        wire::seal_frame(&mut head, shape.batch_bytes + TAIL.len());
        Self { head, partition_at }
    }

    /// The bytes to send before the batch; [`TAIL`] goes behind it.
    #[inline]
    pub fn head(&mut self, correlation: i32, partition: i32) -> &[u8] {
        wire::set_correlation(&mut self.head, correlation);
        self.head[self.partition_at..self.partition_at + 4].copy_from_slice(&partition.to_be_bytes());
        &self.head
    }
}

/// What the broker says of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProduceAnswer<'a> {
    /// Which request this answers.
    pub correlation: i32,
    /// The partition.
    pub partition: i32,
    /// 0, or why the batch was refused.
    pub error_code: i16,
    /// Offset of the first record; absent if refused.
    pub base_offset: Option<Offset>,
    /// Milliseconds the client is asked to stay silent for.
    pub throttle_ms: i32,
    /// The error in the broker's words, if it has any.
    pub words: Option<&'a [u8]>,
}

/// Reads an answer of any of [`VERSIONS`] to a request made by a [`ProduceTemplate`].
///
/// # Errors
/// If it is cut off, lies about a length, or is about anything but one partition.
pub fn read_answer(frame: &[u8]) -> Result<ProduceAnswer<'_>, AnswerError> {
    let mut cursor = Cursor::new(frame);
    let correlation = cursor.i32()?;
    cursor.skip_tags()?;
    if cursor.compact_count()? != 1 {
        return Err(AnswerError::Subject);
    }
    cursor.compact_bytes()?; // the topic
    if cursor.compact_count()? != 1 {
        return Err(AnswerError::Subject);
    }
    let partition = cursor.i32()?;
    let error_code = cursor.i16()?;
    let base_offset = Offset::new(cursor.i64()?).filter(|_| error_code == 0);
    cursor.take(16)?; // log append time, log start offset
    for _ in 0..cursor.compact_count()? {
        cursor.i32()?;
        cursor.compact_bytes()?;
        cursor.skip_tags()?;
    }
    let words = cursor.compact_bytes()?.filter(|words| !words.is_empty());
    cursor.skip_tags()?;
    cursor.skip_tags()?;
    let throttle_ms = cursor.i32()?;
    cursor.skip_tags()?;
    cursor.finish()?;
    Ok(ProduceAnswer { correlation, partition, error_code, base_offset, throttle_ms, words })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(error_code: i16) -> Vec<u8> {
        let mut out = vec![0, 0, 0, 9, 0, 2, 2, b't', 2];
        out.extend_from_slice(&3_i32.to_be_bytes());
        out.extend_from_slice(&error_code.to_be_bytes());
        out.extend_from_slice(&77_i64.to_be_bytes());
        out.extend_from_slice(&[0xff; 16]);
        out.extend_from_slice(&[2, 0, 0, 0, 5, 0, 0]); // one record error without words
        out.extend_from_slice(&[3, b'n', b'o']);
        out.extend_from_slice(&[1, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2, 0]); // current leader as a tagged field
        out.extend_from_slice(&[0, 0, 0, 0, 40, 0]);
        out
    }

    #[test]
    fn an_answer_is_read_to_its_end() {
        let frame = answer(0);
        let read = read_answer(&frame).unwrap();
        assert_eq!(
            read,
            ProduceAnswer { correlation: 9, partition: 3, error_code: 0, base_offset: Offset::new(77), throttle_ms: 40, words: Some(&b"no"[..]) }
        );
        assert_eq!(read_answer(&answer(87)).unwrap().base_offset, None);
    }

    #[test]
    fn a_cut_answer_is_an_error_wherever_it_is_cut() {
        let whole = answer(0);
        for end in 0..whole.len() {
            assert!(read_answer(&whole[..end]).is_err(), "cut at {end}");
        }
        let mut longer = whole;
        longer.push(0);
        assert_eq!(read_answer(&longer), Err(AnswerError::Trailing(1)));
    }

    #[test]
    fn the_size_counts_head_batch_and_tail() {
        let shape = ProduceShape {
            version: 12,
            client_id: "bench",
            topic: "orders",
            acks: Acks::All,
            timeout_ms: 1000,
            batch_bytes: 1000,
        };
        let mut template = ProduceTemplate::new(shape);
        let head = template.head(5, 7).to_vec();
        assert_eq!(i32::from_be_bytes(*head.first_chunk().unwrap()), (head.len() - 4 + 1000 + 3) as i32);
        assert_eq!(head[8..12], [0, 0, 0, 5]);
    }
}
