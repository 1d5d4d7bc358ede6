//! Bytes from a socket to whole frames, without copying a large frame that arrives in one piece.
//!
//! Buffers are initialised once and go back to a pool when the last slice of them is gone, wherever that happens. A buffer
//! grows as bytes arrive, never by what a client merely announces. Few bytes are copied out of their buffer, so that a
//! small request that stays for long (a fetch that waits) does not keep a large buffer.

use std::{cell::RefCell, ops::Range, rc::Rc};

use bytes::Bytes;

/// Bytes of a length prefix.
pub(super) const PREFIX_BYTES: usize = 4;
/// The buffer that a connection begins with.
const BUFFER_BYTES_MIN: usize = 16 << 10;
/// The buffer of a connection whose small frames fill what it has.
const BUFFER_BYTES_BUSY: usize = 128 << 10;
/// A frame over this size needs a permit before its body is read, and a buffer of its own.
const LARGE_BYTES: usize = 64 << 10;
/// Frames of so many bytes together are copied out of the buffer.
const COPIED_BYTES_MAX: usize = 16 << 10;
/// Larger buffers are rounded up to a multiple of this, so that frames of about one size share them.
const ROUNDED_BYTES: usize = 64 << 10;
/// Buffers over this size are not pooled.
const POOLED_BYTES_MAX: usize = 4 << 20;
/// Bytes that the pool keeps at most.
const POOL_BYTES_MAX: usize = 32 << 20;
/// Buffers on their way back to the pool.
const RETURNING_MAX: usize = 64;
/// Frames for which a quiet connection keeps room.
const RANGES_KEPT: usize = 16;
/// Receives that need much less than the buffer before it gets smaller.
const SHRINK_AFTER: u8 = 32;

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

/// Initialised memory that returns to its pool, from whichever shard lets go of it last.
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
            // If too many are on their way already, the memory is freed.
            drop(self.pool.try_send(std::mem::take(&mut self.bytes)));
        }
    }
}

/// The receive buffers of one shard.
#[derive(Clone, Debug)]
pub(super) struct BufferPool {
    kept: Rc<RefCell<Kept>>,
    give: flume::Sender<Vec<u8>>,
    take: flume::Receiver<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Kept {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl BufferPool {
    pub(super) fn new() -> Self {
        let (give, take) = flume::bounded(RETURNING_MAX);
        Self { kept: Rc::default(), give, take }
    }

    /// A buffer of at least `bytes` bytes, and not of many more.
    fn get(&self, bytes: usize) -> Vec<u8> {
        let bytes = if bytes <= BUFFER_BYTES_BUSY { bytes.next_power_of_two().max(BUFFER_BYTES_MIN) } else { bytes.next_multiple_of(ROUNDED_BYTES) };
        while let Ok(buffer) = self.take.try_recv() {
            self.put(buffer);
        }
        let mut kept = self.kept.borrow_mut();
        let fits = |buffer: &Vec<u8>| buffer.len() >= bytes && buffer.len() <= bytes + bytes / 4;
        match kept.buffers.iter().rposition(fits) {
            Some(index) => {
                kept.bytes -= kept.buffers[index].len();
                kept.buffers.swap_remove(index)
            }
            None => vec![0; bytes],
        }
    }

    fn put(&self, buffer: Vec<u8>) {
        let mut kept = self.kept.borrow_mut();
        if buffer.is_empty() || buffer.len() > POOLED_BYTES_MAX {
            return;
        }
        // The sizes that are asked for change: those that lie here longest go.
        while kept.bytes + buffer.len() > POOL_BYTES_MAX {
            let oldest = kept.buffers.remove(0);
            kept.bytes -= oldest.len();
        }
        kept.bytes += buffer.len();
        kept.buffers.push(buffer);
    }
}

/// The bytes of one connection that are received and not yet handed on.
#[derive(Debug)]
pub(super) struct Receiving {
    pool: BufferPool,
    buffer: Vec<u8>,
    filled: usize,
    /// Size of the buffer to begin with: what this client's bytes have needed so far.
    usual_bytes: usize,
    /// Receives in a row that needed much less.
    small_receives: u8,
    frame_bytes_max: usize,
    ranges: Vec<Range<usize>>,
}

impl Receiving {
    pub(super) fn new(pool: BufferPool, frame_bytes_max: usize) -> Self {
        let (buffer, ranges) = (Vec::new(), Vec::new());
        Self { pool, buffer, filled: 0, usual_bytes: BUFFER_BYTES_MIN, small_receives: 0, frame_bytes_max, ranges }
    }

    /// Bytes of memory held.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// True if a frame has begun and is not complete.
    pub(super) fn is_inside_frame(&self) -> bool {
        self.filled > 0
    }

    /// Bytes of the frame under way, if it is a large one whose size is known.
    pub(super) fn large_frame(&self) -> Option<usize> {
        self.frame_bytes().filter(|bytes| *bytes > LARGE_BYTES)
    }

    /// Where the next bytes go; never empty. Ends with a large frame, so that the next one begins in its own buffer.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.buffer.is_empty() {
            self.buffer = self.pool.get(self.usual_bytes);
        }
        let large = self.large_frame();
        if self.filled == self.buffer.len() {
            // The frame is larger than the buffer: double it, but not beyond its end.
            let wanted = large.unwrap_or(LARGE_BYTES + PREFIX_BYTES).min(self.buffer.len() * 2).max(self.buffer.len() + 1);
            let mut larger = self.pool.get(wanted);
            larger[..self.filled].copy_from_slice(&self.buffer[..self.filled]);
            self.pool.put(std::mem::replace(&mut self.buffer, larger));
        }
        let end = large.map_or(self.buffer.len(), |bytes| bytes.clamp(self.filled + 1, self.buffer.len()));
        &mut self.buffer[self.filled..end]
    }

    /// `bytes` bytes were received into [`Receiving::space`].
    pub(super) fn received(&mut self, bytes: usize) {
        self.filled += bytes;
        assert!(self.filled <= self.buffer.len(), "no more is received than there was space for");
        self.adapt();
    }

    /// Learns from what was received how large the buffer should be.
    fn adapt(&mut self) {
        if self.filled == self.buffer.len() && self.usual_bytes < BUFFER_BYTES_BUSY {
            self.usual_bytes *= 2;
        } else if self.filled < self.usual_bytes / 4 && self.usual_bytes > BUFFER_BYTES_MIN {
            self.small_receives += 1;
            if self.small_receives == SHRINK_AFTER {
                self.usual_bytes /= 2;
                self.small_receives = 0;
            }
        } else {
            self.small_receives = 0;
        }
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
        if self.ranges.capacity() > RANGES_KEPT {
            self.ranges = Vec::new();
        }
    }

    /// All frames that are complete, without their length prefixes.
    ///
    /// # Errors
    /// A length that cannot be, of the frame after those that are returned.
    pub(super) fn frames(&mut self, frames: &mut Vec<Bytes>) -> Result<(), FrameError> {
        let mut ranges = std::mem::take(&mut self.ranges);
        let mut position = 0;
        let end = loop {
            match self.next(position) {
                Ok(Some(range)) => {
                    position = range.end;
                    ranges.push(range);
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if !ranges.is_empty() {
            let shared = self.cut(position);
            frames.extend(ranges.drain(..).map(|range| shared.slice(range)));
        }
        self.ranges = ranges;
        end
    }

    /// Takes the first `end` bytes out, which are whole frames.
    fn cut(&mut self, end: usize) -> Bytes {
        let rest = end..self.filled;
        if end <= COPIED_BYTES_MAX {
            let shared = Bytes::copy_from_slice(&self.buffer[..end]);
            self.filled = rest.len();
            if self.usual_bytes > self.buffer.len() {
                let mut larger = self.pool.get(self.usual_bytes);
                larger[..rest.len()].copy_from_slice(&self.buffer[rest]);
                self.pool.put(std::mem::replace(&mut self.buffer, larger));
            } else {
                self.buffer.copy_within(rest, 0);
            }
            return shared;
        }
        if end > LARGE_BYTES {
            self.usual_bytes = end.clamp(BUFFER_BYTES_MIN, POOLED_BYTES_MAX);
        }
        // The buffer becomes shared memory, and what follows the last whole frame moves to a new one.
        let whole = std::mem::take(&mut self.buffer);
        self.filled = rest.len();
        if !rest.is_empty() {
            self.buffer = self.pool.get(self.usual_bytes.max(rest.len()));
            self.buffer[..rest.len()].copy_from_slice(&whole[rest]);
        }
        Bytes::from_owner(Pooled { bytes: whole, pool: self.pool.give.clone() })
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
    fn frames_before_one_that_cannot_be_are_not_lost() {
        let mut receiving = Receiving::new(BufferPool::new(), 1 << 20);
        receiving.push(&[0, 0, 0, 1, b'a', 0xff, 0xff, 0xff, 0xff]);
        let mut frames = Vec::new();
        assert_eq!(receiving.frames(&mut frames), Err(FrameError::Negative(-1)));
        assert_eq!(frames, [Bytes::from_static(b"a")]);
    }

    #[test]
    fn a_small_frame_that_stays_keeps_little_memory_and_a_large_one_is_not_copied() {
        let mut receiving = Receiving::new(BufferPool::new(), 4 << 20);
        let mut frames = Vec::new();
        receiving.push(&framed(&[vec![1; 100]]));
        let buffer = receiving.buffer.as_ptr();
        receiving.frames(&mut frames).unwrap();
        assert!(!frames[0].as_ptr_range().contains(&buffer) && frames[0].as_ptr() != buffer.wrapping_add(PREFIX_BYTES));
        // The first large frame teaches the size; the second lies in one buffer from its first byte on.
        for _ in 0..2 {
            let all = framed(&[vec![2; 900_000]]);
            receiving.push(&all[..1000]);
            let buffer = receiving.buffer.as_ptr();
            receiving.push(&all[1000..]);
            receiving.frames(&mut frames).unwrap();
            if frames.len() == 3 {
                assert_eq!(frames[2].as_ptr(), buffer.wrapping_add(PREFIX_BYTES));
            }
        }
        assert_eq!(frames.len(), 3);
        // Its memory comes back once it is let go of.
        let memory = frames[2].as_ptr();
        frames.clear();
        receiving.push(&framed(&[vec![3; 900_000]])[..1000]);
        assert_eq!(receiving.buffer.as_ptr().wrapping_add(PREFIX_BYTES), memory);
    }

    #[test]
    fn the_pool_is_bounded() {
        let pool = BufferPool::new();
        for _ in 0..100 {
            pool.put(vec![0; 1 << 20]);
        }
        assert_eq!(pool.kept.borrow().bytes, POOL_BYTES_MAX);
        assert_eq!(pool.get(1 << 20).len(), 1 << 20);
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
        assert!(receiving.held_bytes() <= BUFFER_BYTES_MIN, "{}", receiving.held_bytes());
    }
}
