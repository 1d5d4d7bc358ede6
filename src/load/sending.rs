//! What one connection has yet to send: small parts copied together, large ones by reference, gathered in one call.

use std::{
    collections::VecDeque,
    io::{self, IoSlice, Write},
};

use bytes::{Buf, Bytes};

/// Parts of at least this many bytes are not copied.
const BY_REFERENCE_BYTES: usize = 8 * 1024;
/// Parts in one call; Linux takes up to 1024.
const PARTS_MAX: usize = 128;

#[derive(Debug)]
enum Part {
    /// The next bytes of `SendQueue::flat`.
    Flat(usize),
    Body(Bytes),
}

/// Bytes on their way to one socket, in order.
#[derive(Debug, Default)]
pub(super) struct SendQueue {
    flat: Vec<u8>,
    flat_sent: usize,
    parts: VecDeque<Part>,
    bytes: usize,
}

impl SendQueue {
    /// Appends a copy of `bytes`.
    #[inline]
    pub(super) fn copy(&mut self, bytes: &[u8]) {
        self.flat.extend_from_slice(bytes);
        self.flat_grew(bytes.len());
    }

    /// Appends what `write` appends to the vector it is given.
    pub(super) fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.flat.len();
        write(&mut self.flat);
        let grown = self.flat.len().saturating_sub(before);
        self.flat_grew(grown);
    }

    /// Appends `body`, by reference if it is large.
    #[inline]
    pub(super) fn body(&mut self, body: &Bytes) {
        if body.len() < BY_REFERENCE_BYTES {
            self.copy(body);
        } else {
            self.bytes += body.len();
            self.parts.push_back(Part::Body(body.clone()));
        }
    }

    /// Bytes not yet taken by the kernel.
    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    /// True if all is sent.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Sends as much as the socket takes without blocking; true if all is sent.
    pub(super) fn flush(&mut self, mut socket: impl Write) -> io::Result<bool> {
        while !self.is_empty() {
            let sent = {
                let mut slices = [IoSlice::new(&[]); PARTS_MAX];
                let count = self.gather(&mut slices);
                socket.write_vectored(&slices[..count])
            };
            match sent {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => self.advance(sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn flat_grew(&mut self, by: usize) {
        self.bytes += by;
        match self.parts.back_mut() {
            Some(Part::Flat(count)) => *count += by,
            Some(Part::Body(_)) | None => self.parts.push_back(Part::Flat(by)),
        }
    }

    fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>; PARTS_MAX]) -> usize {
        let mut flat = &self.flat[self.flat_sent..];
        let mut count = 0;
        for (slice, part) in slices.iter_mut().zip(&self.parts) {
            *slice = match part {
                Part::Flat(length) => {
                    let (front, rest) = flat.split_at(*length);
                    flat = rest;
                    IoSlice::new(front)
                }
                Part::Body(body) => IoSlice::new(body),
            };
            count += 1;
        }
        count
    }

    fn advance(&mut self, mut sent: usize) {
        self.bytes -= sent;
        while sent > 0 {
            let Some(part) = self.parts.front_mut() else { break };
            let (taken, left) = match part {
                Part::Flat(length) => {
                    let taken = sent.min(*length);
                    *length -= taken;
                    self.flat_sent += taken;
                    (taken, *length)
                }
                Part::Body(body) => {
                    let taken = sent.min(body.len());
                    body.advance(taken);
                    (taken, body.len())
                }
            };
            sent -= taken;
            if left == 0 {
                self.parts.pop_front();
            }
        }
        if self.flat_sent == self.flat.len() {
            self.flat.clear();
            self.flat_sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes 1000 bytes a call, and every third call none.
    #[derive(Default)]
    struct Reluctant(Vec<u8>, usize);
    impl Write for Reluctant {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
            self.1 += 1;
            if self.1.is_multiple_of(3) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let all: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).take(1000).collect();
            self.0.extend_from_slice(&all);
            Ok(all.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_byte_leaves_once_and_in_order_however_little_the_socket_takes() {
        let mut queue = SendQueue::default();
        let mut socket = Reluctant::default();
        let mut expected = Vec::new();
        for round in 0..20_u8 {
            let small = vec![round; 100];
            let large = Bytes::from(vec![round ^ 0x80; 9000]);
            queue.copy(&small);
            queue.body(&large);
            queue.write(|out| out.extend_from_slice(&[1, 2, 3]));
            expected.extend_from_slice(&small);
            expected.extend_from_slice(&large);
            expected.extend_from_slice(&[1, 2, 3]);
            queue.flush(&mut socket).unwrap();
        }
        while !queue.flush(&mut socket).unwrap() {}
        assert_eq!(queue.len(), 0);
        assert!(socket.0 == expected);
    }
}
