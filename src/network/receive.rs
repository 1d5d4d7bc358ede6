//! Bytes from a socket to whole frames, without copying a frame that arrives in one piece.
//!
//! Buffers are initialised once and go back to a pool when the last slice of them is gone, wherever that happens. A buffer
//! grows as bytes arrive, never by what a client merely announces.

use std::ops::Range;

use bytes::Bytes;

/// Bytes of a length prefix.
pub(super) const PREFIX_BYTES: usize = 4;
/// A buffer for connections that send small requests.
const SMALL_BYTES: usize = 64 << 10;
/// Buffers over this size are not pooled.
const POOLED_BYTES_MAX: usize = 4 << 20;
/// Buffers that the pool keeps at most.
const POOLED_BUFFERS_MAX: usize = 64;

/// Why a stream of bytes is no stream of frames.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    #[error("a frame of {bytes} bytes is over socket.request.max.bytes = {max}")]
    TooLarge { bytes: usize, max: usize },
    #[error("the frame length is negative ({0})")]
    Negative(i32),
    #[error("this looks like an HTTP request; the Kafka protocol is spoken on this port")]
    Http,
    #[error("this looks like a TLS handshake; this listener is PLAINTEXT")]
    Tls,
}

/// Initialised memory that returns to its pool.
struct Pooled {
    bytes: Vec<u8>,
    pool: flume::Sender<Vec<u8>>,
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if self.bytes.len() <= POOLED_BYTES_MAX {
            // A full pool means that there is enough: then the memory is freed.
            drop(self.pool.try_send(std::mem::take(&mut self.bytes)));
        }
    }
}

/// The receive buffers of one shard.
#[derive(Clone, Debug)]
pub(super) struct BufferPool {
    give: flume::Sender<Vec<u8>>,
    take: flume::Receiver<Vec<u8>>,
}

impl BufferPool {
    pub(super) fn new() -> Self {
        let (give, take) = flume::bounded(POOLED_BUFFERS_MAX);
        Self { give, take }
    }

    fn get(&self, bytes: usize) -> Vec<u8> {
        match self.take.try_recv() {
            Ok(buffer) if buffer.len() >= bytes && buffer.len() <= bytes.saturating_mul(4) => buffer,
            _ => vec![0; bytes],
        }
    }

    fn put(&self, buffer: Vec<u8>) {
        drop(Pooled { bytes: buffer, pool: self.give.clone() });
    }
}

/// The bytes of one connection that are received and not yet handed on.
#[derive(Debug)]
pub(super) struct Receiving {
    pool: BufferPool,
    buffer: Vec<u8>,
    filled: usize,
    /// Size of the buffer to begin with: what this client's frames have needed so far.
    usual_bytes: usize,
    frame_bytes_max: usize,
}

impl Receiving {
    pub(super) fn new(pool: BufferPool, frame_bytes_max: usize) -> Self {
        Self { pool, buffer: Vec::new(), filled: 0, usual_bytes: SMALL_BYTES, frame_bytes_max }
    }

    /// Bytes of memory held.
    pub(super) fn held_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// True if a frame has begun and is not complete.
    pub(super) fn is_inside_frame(&self) -> bool {
        self.filled > 0
    }

    /// Where the next bytes go; never empty.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.buffer.is_empty() {
            self.buffer = self.pool.get(self.usual_bytes);
        }
        if self.filled == self.buffer.len() {
            // The frame is larger than the buffer: double it, but not beyond its end.
            let wanted = self.frame_bytes().unwrap_or(0).min(self.buffer.len() * 2).max(self.buffer.len() + SMALL_BYTES);
            let mut larger = self.pool.get(wanted);
            larger[..self.filled].copy_from_slice(&self.buffer[..self.filled]);
            self.pool.put(std::mem::replace(&mut self.buffer, larger));
        }
        &mut self.buffer[self.filled..]
    }

    /// `bytes` bytes were received into [`Receiving::space`].
    pub(super) fn received(&mut self, bytes: usize) {
        self.filled += bytes;
        assert!(self.filled <= self.buffer.len(), "no more is received than there was space for");
    }

    /// Takes over bytes that were received elsewhere.
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.space();
            let part = space.len().min(bytes.len());
            space[..part].copy_from_slice(&bytes[..part]);
            self.received(part);
            bytes = &bytes[part..];
        }
    }

    /// Gives the memory back while nothing is in it.
    pub(super) fn rest(&mut self) {
        if self.filled == 0 && !self.buffer.is_empty() {
            self.pool.put(std::mem::take(&mut self.buffer));
        }
    }

    /// All frames that are complete, without their length prefixes.
    ///
    /// # Errors
    /// A length that cannot be; the frames before it are lost with the connection.
    pub(super) fn frames(&mut self, frames: &mut Vec<Bytes>) -> Result<(), FrameError> {
        let (mut position, mut largest) = (0, 0);
        let mut ranges = Vec::new();
        while let Some(range) = self.next(position)? {
            position = range.end;
            largest = largest.max(range.len() + PREFIX_BYTES);
            ranges.push(range);
        }
        if ranges.is_empty() {
            return Ok(());
        }
        // The buffer becomes shared memory, and what follows the last whole frame moves to a new one.
        self.usual_bytes = largest.next_multiple_of(4 << 10).clamp(SMALL_BYTES, POOLED_BYTES_MAX);
        let whole = std::mem::take(&mut self.buffer);
        let filled = std::mem::take(&mut self.filled);
        let rest = position..filled;
        if !rest.is_empty() {
            let mut next = self.pool.get(self.usual_bytes.max(rest.len()));
            next[..rest.len()].copy_from_slice(&whole[rest.clone()]);
            self.buffer = next;
            self.filled = rest.len();
        }
        let shared = Bytes::from_owner(Pooled { bytes: whole, pool: self.pool.give.clone() });
        frames.extend(ranges.into_iter().map(|range| shared.slice(range)));
        Ok(())
    }

    /// The range of the frame whose prefix is at `position`, if it is complete.
    fn next(&self, position: usize) -> Result<Option<Range<usize>>, FrameError> {
        let Some(bytes) = self.frame_bytes_at(position)? else { return Ok(None) };
        let start = position + PREFIX_BYTES;
        Ok((start + bytes <= self.filled).then_some(start..start + bytes))
    }

    /// Bytes that the frame at the start of the buffer takes, prefix included.
    fn frame_bytes(&self) -> Option<usize> {
        self.frame_bytes_at(0).ok().flatten().map(|bytes| bytes + PREFIX_BYTES)
    }

    fn frame_bytes_at(&self, position: usize) -> Result<Option<usize>, FrameError> {
        let Some(prefix) = self.buffer[..self.filled].get(position..).and_then(|rest| rest.first_chunk::<PREFIX_BYTES>()) else {
            return Ok(None);
        };
        let bytes = i32::from_be_bytes(*prefix);
        let Ok(bytes) = usize::try_from(bytes) else { return Err(FrameError::Negative(bytes)) };
        if bytes > self.frame_bytes_max {
            return Err(match prefix {
                b"GET " | b"POST" | b"PUT " | b"HEAD" | b"OPTI" | b"DELE" | b"PRI " => FrameError::Http,
                [0x16, 0x03, ..] => FrameError::Tls,
                _ => FrameError::TooLarge { bytes, max: self.frame_bytes_max },
            });
        }
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(bodies: &[Vec<u8>]) -> Vec<u8> {
        bodies.iter().flat_map(|body| (body.len() as i32).to_be_bytes().into_iter().chain(body.iter().copied())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn frames_come_out_as_they_went_in_however_they_are_cut(
            sizes in prop::collection::vec(0usize..200_000, 1..6),
            step in 1usize..150_000,
        ) {
            let bodies: Vec<Vec<u8>> = sizes.iter().enumerate().map(|(n, size)| vec![n as u8; *size]).collect();
            let mut receiving = Receiving::new(BufferPool::new(), 1 << 20);
            let mut out = Vec::new();
            for piece in framed(&bodies).chunks(step) {
                let mut rest = piece;
                while !rest.is_empty() {
                    let space = receiving.space();
                    let part = space.len().min(rest.len());
                    space[..part].copy_from_slice(&rest[..part]);
                    receiving.received(part);
                    rest = &rest[part..];
                    receiving.frames(&mut out).unwrap();
                }
            }
            prop_assert_eq!(out.iter().map(|frame| frame.to_vec()).collect::<Vec<_>>(), bodies);
            prop_assert!(!receiving.is_inside_frame());
        }
    }

    #[test]
    fn what_is_no_frame_is_named() {
        for (bytes, expected) in [
            (b"GET / HTTP/1.1".as_slice(), FrameError::Http),
            (&[0x16, 3, 1, 2, 0, 1], FrameError::Tls),
            (&[0xff, 0xff, 0xff, 0xff], FrameError::Negative(-1)),
            (&[0, 0x10, 0, 1], FrameError::TooLarge { bytes: (1 << 20) + 1, max: 1 << 20 }),
        ] {
            let mut receiving = Receiving::new(BufferPool::new(), 1 << 20);
            receiving.push(bytes);
            assert_eq!(receiving.frames(&mut Vec::new()), Err(expected));
        }
    }

    #[test]
    fn an_announced_frame_takes_no_memory_until_it_comes() {
        let mut receiving = Receiving::new(BufferPool::new(), 100 << 20);
        receiving.push(&(90i32 << 20).to_be_bytes());
        receiving.frames(&mut Vec::new()).unwrap();
        assert!(receiving.held_bytes() <= SMALL_BYTES, "{}", receiving.held_bytes());
    }
}
