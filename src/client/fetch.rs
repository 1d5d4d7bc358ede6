//! Fetch requests without a session, and their answers read in place.
//!
//! A request is rebuilt for each fetch, because the set of partitions that an answer covers differs; building one for
//! 16 partitions takes well under a microsecond. Batches in the answer are slices of the frame.

use super::wire::{self, AnswerError, Cursor};

/// The API key of Fetch.
pub const API_KEY: i16 = 1;
/// The version spoken: the last one by topic name.
pub const VERSION: i16 = 12;

/// What one partition is asked for.
#[derive(Clone, Copy, Debug)]
pub struct FetchFrom {
    /// The partition.
    pub partition: i32,
    /// The offset to start at.
    pub offset: i64,
}

/// What is the same in all fetches of a consumer.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// Milliseconds the broker may wait for `min_bytes`.
    pub max_wait_ms: i32,
    /// Bytes below which the broker waits.
    pub min_bytes: i32,
    /// Bytes of the whole answer.
    pub max_bytes: i32,
    /// Bytes of one partition in the answer.
    pub partition_max_bytes: i32,
    /// Only records of committed transactions (`isolation.level=read_committed`).
    pub read_committed: bool,
}

/// Appends the frame of a Fetch request to `out`.
pub fn put_request(
    out: &mut Vec<u8>,
    correlation: i32,
    client_id: &str,
    topic: &str,
    limits: &FetchLimits,
    from: impl ExactSizeIterator<Item = FetchFrom>,
) {
    let mut frame = wire::start_frame(API_KEY, VERSION, client_id);
    wire::set_correlation(&mut frame, correlation);
    frame.extend_from_slice(&(-1_i32).to_be_bytes()); // not a replica
    for number in [limits.max_wait_ms, limits.min_bytes, limits.max_bytes] {
        frame.extend_from_slice(&number.to_be_bytes());
    }
    frame.push(u8::from(limits.read_committed));
    frame.extend_from_slice(&0_i32.to_be_bytes()); // no session,
    frame.extend_from_slice(&(-1_i32).to_be_bytes()); // and none to be made
    wire::put_compact_len(&mut frame, 1);
    wire::put_compact_bytes(&mut frame, topic.as_bytes());
    wire::put_compact_len(&mut frame, from.len());
    for from in from {
        frame.extend_from_slice(&from.partition.to_be_bytes());
        frame.extend_from_slice(&(-1_i32).to_be_bytes()); // any leader epoch
        frame.extend_from_slice(&from.offset.to_be_bytes());
        frame.extend_from_slice(&(-1_i32).to_be_bytes()); // no epoch of the last fetched record
        frame.extend_from_slice(&(-1_i64).to_be_bytes()); // no log start of ours
        frame.extend_from_slice(&limits.partition_max_bytes.to_be_bytes());
        frame.push(0);
    }
    frame.push(0); // tagged fields of the topic
    wire::put_compact_len(&mut frame, 0); // nothing forgotten
    wire::put_compact_len(&mut frame, 0); // no rack
    frame.push(0);
    wire::seal_frame(&mut frame, 0);
    out.extend_from_slice(&frame);
}

/// What the answer says before its partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchAnswer {
    /// Which request this answers.
    pub correlation: i32,
    /// 0, or why the whole request was refused.
    pub error_code: i16,
    /// Milliseconds the client is asked to stay silent for.
    pub throttle_ms: i32,
}

/// One partition of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchedPartition<'a> {
    /// The partition.
    pub partition: i32,
    /// 0, or why it cannot be read.
    pub error_code: i16,
    /// What consumers may see ends here.
    pub high_watermark: i64,
    /// First offset that can be read.
    pub log_start_offset: i64,
    /// Batches back to back; the last may be cut off.
    pub records: &'a [u8],
}

/// Reads an answer; `each` is called for every partition in it, in the answer's order.
///
/// # Errors
/// If it is cut off, lies about a length, or `each` fails.
pub fn read_answer<'a>(
    frame: &'a [u8],
    mut each: impl FnMut(FetchedPartition<'a>) -> Result<(), AnswerError>,
) -> Result<FetchAnswer, AnswerError> {
    let mut cursor = Cursor::new(frame);
    let correlation = cursor.i32()?;
    cursor.skip_tags()?;
    let throttle_ms = cursor.i32()?;
    let error_code = cursor.i16()?;
    cursor.i32()?; // the session, which is none
    for _ in 0..cursor.compact_count()? {
        cursor.compact_bytes()?; // the topic
        for _ in 0..cursor.compact_count()? {
            each(read_partition(&mut cursor)?)?;
        }
        cursor.skip_tags()?;
    }
    cursor.skip_tags()?;
    cursor.finish()?;
    Ok(FetchAnswer { correlation, error_code, throttle_ms })
}

fn read_partition<'a>(cursor: &mut Cursor<'a>) -> Result<FetchedPartition<'a>, AnswerError> {
    let partition = cursor.i32()?;
    let error_code = cursor.i16()?;
    let high_watermark = cursor.i64()?;
    cursor.i64()?; // the last stable offset
    let log_start_offset = cursor.i64()?;
    for _ in 0..cursor.compact_count()? {
        cursor.take(16)?; // an aborted transaction
        cursor.skip_tags()?;
    }
    cursor.i32()?; // a replica that would be nearer
    let records = cursor.compact_bytes()?.unwrap_or_default();
    cursor.skip_tags()?;
    Ok(FetchedPartition { partition, error_code, high_watermark, log_start_offset, records })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Vec<u8> {
        let mut out = vec![0, 0, 0, 9, 0];
        out.extend_from_slice(&[0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 2, 2, b't', 3]);
        for (partition, records) in [(4_i32, &b"abc"[..]), (5, b"")] {
            out.extend_from_slice(&partition.to_be_bytes());
            out.extend_from_slice(&[0, 0]);
            for offset in [10_i64, 10, 2] {
                out.extend_from_slice(&offset.to_be_bytes());
            }
            out.extend_from_slice(&[0, 0xff, 0xff, 0xff, 0xff]);
            wire::put_compact_bytes(&mut out, records);
            out.push(0);
        }
        out.extend_from_slice(&[0, 0]);
        out
    }

    #[test]
    fn partitions_are_read_in_place() {
        let frame = answer();
        let mut seen = Vec::new();
        let read = read_answer(&frame, |partition| {
            seen.push((partition.partition, partition.high_watermark, partition.records.to_vec()));
            Ok(())
        });
        assert_eq!(read, Ok(FetchAnswer { correlation: 9, error_code: 0, throttle_ms: 5 }));
        assert_eq!(seen, [(4, 10, b"abc".to_vec()), (5, 10, Vec::new())]);
    }

    #[test]
    fn a_cut_answer_is_an_error_wherever_it_is_cut() {
        let whole = answer();
        for end in 0..whole.len() {
            assert!(read_answer(&whole[..end], |_| Ok(())).is_err(), "cut at {end}");
        }
    }
}
