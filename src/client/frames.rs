//! Cuts the frames out of what a socket gives: one buffer a connection, grown to the largest frame and then reused.

use std::io::{self, Read};

use crate::types::limits::MIB;

/// Largest answer that a client takes; a broker that announces more lies or was asked for too much.
pub const ANSWER_BYTES_MAX: usize = 256 * MIB;
/// Bytes that a fresh buffer asks the socket for.
const FIRST_BYTES: usize = 256 * 1024;

/// The bytes of one connection that are read and not yet taken as frames.
#[derive(Debug)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Default for FrameBuffer {
    fn default() -> Self {
        Self { bytes: vec![0; FIRST_BYTES], start: 0, end: 0 }
    }
}

/// What one read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// Bytes came and the socket may hold more.
    More,
    /// The socket is empty for now.
    Drained,
    /// The broker closed the connection.
    Closed,
}

impl FrameBuffer {
    /// Reads once from `socket`, which does not block.
    ///
    /// # Errors
    /// As the socket.
    pub fn fill(&mut self, mut socket: impl Read) -> io::Result<Filled> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
        let room = self.bytes.len() - self.end;
        match socket.read(&mut self.bytes[self.end..]) {
            Ok(0) => Ok(Filled::Closed),
            Ok(count) => {
                self.end += count;
                Ok(if count == room { Filled::More } else { Filled::Drained })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Filled::Drained),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Filled::More),
            Err(error) => Err(error),
        }
    }

    /// The next whole frame without its size, or `None` if more must be read; makes room for it in that case.
    ///
    /// # Errors
    /// `InvalidData` if the broker announces a negative size or more than [`ANSWER_BYTES_MAX`].
    pub fn next_frame(&mut self) -> io::Result<Option<&[u8]>> {
        let held = &self.bytes[self.start..self.end];
        let Some(size) = held.first_chunk::<4>() else {
            self.make_room(4);
            return Ok(None);
        };
        let size = usize::try_from(i32::from_be_bytes(*size)).unwrap_or(usize::MAX);
        if size > ANSWER_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the broker announces an answer of impossible size"));
        }
        if held.len() < 4 + size {
            self.make_room(4 + size);
            return Ok(None);
        }
        let from = self.start + 4;
        self.start = from + size;
        Ok(Some(&self.bytes[from..from + size]))
    }

    /// Moves the unfinished frame to the front if it cannot be finished where it stands, and grows the buffer if it is
    /// too small for it. Growth is by what was announced, at most doubled each time, so a lie costs no more than what
    /// was sent.
    fn make_room(&mut self, need: usize) {
        if self.start + need <= self.bytes.len() {
            return;
        }
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if need > self.bytes.len() && self.end * 2 >= self.bytes.len() {
            let target = need.min(self.bytes.len().saturating_mul(2).max(FIRST_BYTES));
            self.bytes.resize(target, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(size: usize, fill: u8) -> Vec<u8> {
        let mut out = (size as i32).to_be_bytes().to_vec();
        out.resize(4 + size, fill);
        out
    }

    /// Gives its bytes in pieces of `step`, then would block.
    struct Drip<'a>(&'a [u8], usize);
    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(self.1).min(out.len());
            if count == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn frames_come_out_whole_however_they_arrive() {
        let sizes = [0_usize, 1, 3, 300_000, 17, 2_000_000, 5];
        let stream: Vec<u8> = sizes.iter().enumerate().flat_map(|(i, size)| frame(*size, i as u8)).collect();
        for step in [1_usize << 24, 70_001, 4096, 333] {
            let mut socket = Drip(&stream, step);
            let mut buffer = FrameBuffer::default();
            let mut seen = Vec::new();
            loop {
                let left = socket.0.len();
                buffer.fill(&mut socket).unwrap();
                while let Some(found) = buffer.next_frame().unwrap() {
                    assert!(found.iter().all(|byte| *byte == seen.len() as u8));
                    seen.push(found.len());
                }
                if left == 0 {
                    break;
                }
            }
            assert_eq!(seen, sizes, "in steps of {step}");
        }
    }

    #[test]
    fn an_impossible_size_is_an_error_and_a_large_one_reserves_nothing_ahead() {
        let mut buffer = FrameBuffer::default();
        buffer.fill(&[0xff_u8, 0xff, 0xff, 0xff][..]).unwrap();
        assert_eq!(buffer.next_frame().unwrap_err().kind(), io::ErrorKind::InvalidData);
        let mut buffer = FrameBuffer::default();
        buffer.fill(&(200_i32 << 20).to_be_bytes()[..]).unwrap();
        assert_eq!(buffer.next_frame().unwrap(), None);
        assert_eq!(buffer.bytes.len(), FIRST_BYTES);
    }
}
