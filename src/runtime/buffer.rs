//! Memory for direct I/O, and cheap slices of it.
//!
//! An [`AlignedBuf`] has one owner who fills it; frozen, it is a [`SharedBuf`] that nobody can change, so the write in
//! flight, the tail cache and the answers to readers share it without copies and without locks. None of it leaves its
//! executor.

use std::{
    ops::{Deref, Range},
    rc::Rc,
};

use bytes::Bytes;
use glommio::io::{DmaBuffer, ReadResult};

use super::{piece::Piece, sys::copy_past_caches};
use crate::types::limits::IO_ALIGNMENT;

/// So many bytes put at once go past the caches: fewer may be wanted again at once, by the tail cache that copies them.
const STREAMED_BYTES_MIN: usize = 14 << 10;

/// Memory aligned for direct I/O, with one owner. Every byte is initialised.
pub struct AlignedBuf {
    buffer: DmaBuffer,
}

impl std::fmt::Debug for AlignedBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlignedBuf").field("bytes", &self.buffer.len()).finish()
    }
}

impl AlignedBuf {
    /// A buffer of at least `bytes` bytes, rounded up to the I/O alignment, all zero.
    pub fn zeroed(bytes: usize) -> Self {
        Self::build(bytes, |_| ())
    }

    /// A buffer as [`AlignedBuf::zeroed`], whose first bytes `fill` writes one after the other: only what it leaves is
    /// zeroed.
    pub fn build(bytes: usize, fill: impl FnOnce(&mut Filler<'_>)) -> Self {
        let bytes = bytes.max(1).next_multiple_of(IO_ALIGNMENT);
        let mut buffer = glommio::allocate_dma_buffer_global(bytes);
        let mut filler = Filler { memory: buffer.as_bytes_mut(), filled: 0 };
        fill(&mut filler);
        let Filler { memory, filled } = filler;
        memory[filled..].fill(0);
        Self { buffer }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.buffer.as_bytes()
    }

    /// The bytes, to be changed.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        self.buffer.as_bytes_mut()
    }

    /// Gives up the right to change it.
    pub fn freeze(self) -> SharedBuf {
        SharedBuf(Rc::new(self.buffer))
    }
}

/// Writes the bytes of a new buffer in order. glommio's memory comes uninitialised: nothing here lets it be read before
/// it was written.
pub struct Filler<'a> {
    memory: &'a mut [u8],
    filled: usize,
}

impl std::fmt::Debug for Filler<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filler").field("filled", &self.filled).field("bytes", &self.memory.len()).finish()
    }
}

impl Filler<'_> {
    /// Appends `bytes`.
    ///
    /// # Panics
    /// The buffer was made too small.
    pub fn put(&mut self, bytes: &[u8]) {
        let end = self.filled + bytes.len();
        assert!(end <= self.memory.len(), "the buffer was made large enough");
        let place = &mut self.memory[self.filled..end];
        if bytes.len() >= STREAMED_BYTES_MIN {
            copy_past_caches(place, bytes);
        } else {
            place.copy_from_slice(bytes);
        }
        self.filled = end;
    }

    /// Bytes written so far.
    pub fn filled(&self) -> usize {
        self.filled
    }

    /// What was written so far, to be patched.
    pub fn written(&mut self) -> &mut [u8] {
        &mut self.memory[..self.filled]
    }
}

/// Memory aligned for direct I/O that no longer changes. Cloning shares it.
#[derive(Clone)]
pub struct SharedBuf(pub(super) Rc<DmaBuffer>);

impl std::fmt::Debug for SharedBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedBuf").field("bytes", &self.len()).finish()
    }
}

impl SharedBuf {
    /// Its length in bytes: a multiple of the I/O alignment.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Never true; here for completeness.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A part of it.
    ///
    /// # Panics
    /// The range is not inside.
    pub fn slice(&self, range: Range<usize>) -> Slice {
        Slice::new(Memory::Shared(self.clone()), range)
    }
}

impl Deref for SharedBuf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[derive(Clone)]
enum Memory {
    Shared(SharedBuf),
    Read(Rc<ReadResult>),
    Piece(Piece),
    Bytes(Bytes),
}

impl Memory {
    fn as_slice(&self) -> &[u8] {
        match self {
            Memory::Shared(buffer) => buffer,
            Memory::Read(read) => read,
            Memory::Piece(piece) => piece.filled(),
            Memory::Bytes(bytes) => bytes,
        }
    }
}

/// A range of bytes that keeps its memory alive, wherever that came from. Cloning and slicing never copy.
#[derive(Clone)]
pub struct Slice {
    memory: Memory,
    range: Range<usize>,
}

impl Slice {
    fn new(memory: Memory, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= memory.as_slice().len(), "the range lies inside the memory");
        Self { memory, range }
    }

    pub(super) fn from_read(read: ReadResult) -> Self {
        let range = 0..read.len();
        Self::new(Memory::Read(Rc::new(read)), range)
    }

    /// A part of it.
    ///
    /// # Panics
    /// The range is not inside.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.range.len(), "the range lies inside the slice");
        let start = self.range.start;
        Self { memory: self.memory.clone(), range: start + range.start..start + range.end }
    }

    /// Puts `bytes` behind it, if it ends where a piece with room for them is filled; false otherwise. Nobody else's slice
    /// changes.
    pub fn extend(&mut self, bytes: &[u8]) -> bool {
        let Memory::Piece(piece) = &self.memory else { return false };
        let extended = self.range.end == piece.filled().len() && piece.append(bytes);
        if extended {
            self.range.end += bytes.len();
        }
        extended
    }

    /// The same bytes as `Bytes`, which may leave the executor: copied, unless they are `Bytes` already.
    pub fn to_bytes(&self) -> Bytes {
        match &self.memory {
            Memory::Bytes(bytes) => bytes.slice(self.range.clone()),
            _ => Bytes::copy_from_slice(self),
        }
    }
}

impl Deref for Slice {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.memory.as_slice()[self.range.clone()]
    }
}

/// What is filled of it.
impl From<Piece> for Slice {
    fn from(piece: Piece) -> Self {
        let range = 0..piece.filled().len();
        Self { memory: Memory::Piece(piece), range }
    }
}

impl From<Bytes> for Slice {
    fn from(bytes: Bytes) -> Self {
        let range = 0..bytes.len();
        Self { memory: Memory::Bytes(bytes), range }
    }
}

impl std::fmt::Debug for Slice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slice").field("bytes", &self.range.len()).finish()
    }
}
