//! Batches of a file, one after another, checked: structure, checksum, and where the good part ends.
//!
//! Synchronous, with bounded memory: a file may be a gigabyte of idle markers.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
};

use bytes::{Bytes, BytesMut};

use crate::{
    record::{BatchError, BatchHeader, HEADER_BYTES},
    types::Offset,
};

/// Largest batch that is read. Kafka writes at most 8 MiB here; twice that leaves room for its settings.
pub(super) const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes read at a time.
const CHUNK_BYTES: usize = 256 * 1024;
/// Place of the magic byte in a batch; a first look whether a batch can start somewhere.
const MAGIC_AT: usize = 16;

/// Why reading stopped before the end of the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What stands at `position` is no whole, sound batch.
    #[error("byte {position}: {reason}")]
    Bad { position: u64, reason: String },
}

/// Reads batches from a file.
#[derive(Debug)]
pub(super) struct BatchReader<'a> {
    file: &'a File,
    /// Read but not yet given out.
    buffer: BytesMut,
    /// Where in the file `buffer` starts: the end of the last good batch.
    position: u64,
    file_bytes: u64,
}

impl<'a> BatchReader<'a> {
    pub(super) fn new(file: &'a File) -> io::Result<Self> {
        let file_bytes = file.metadata()?.len();
        Ok(Self { file, buffer: BytesMut::new(), position: 0, file_bytes })
    }

    /// Where the last good batch ended.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Bytes in the file when reading began.
    pub(super) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// The next batch; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<(BatchHeader, Bytes)>, ReadError> {
        if self.fill(HEADER_BYTES)? == 0 {
            return Ok(None);
        }
        let header = BatchHeader::parse(&self.buffer).map_err(|error| self.bad(error))?;
        let bytes = header.total_len();
        if bytes > BATCH_BYTES_MAX {
            return Err(self.bad(format!("a batch of {bytes} bytes; at most {BATCH_BYTES_MAX} are expected")));
        }
        let have = self.fill(bytes)?;
        if have < bytes {
            return Err(self.bad(BatchError::Short { have, need: bytes }));
        }
        let batch = self.buffer.split_to(bytes).freeze();
        if let Err(error) = header.verify(&batch) {
            return Err(self.bad(error));
        }
        self.position += bytes as u64;
        Ok(Some((header, batch)))
    }

    /// Reads on until `bytes` are buffered or the file ends; gives how many are.
    fn fill(&mut self, bytes: usize) -> io::Result<usize> {
        while self.buffer.len() < bytes {
            let have = self.buffer.len();
            let wanted = (bytes - have).max(CHUNK_BYTES);
            self.buffer.resize(have + wanted, 0);
            let read = self.file.read_at(&mut self.buffer[have..], self.position + have as u64);
            self.buffer.truncate(have + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.buffer.len())
    }

    fn bad(&self, reason: impl ToString) -> ReadError {
        ReadError::Bad { position: self.position, reason: reason.to_string() }
    }
}

/// True if a sound batch with an offset from `next` on starts anywhere after `position`.
///
/// Each batch is flushed before the next is written, so what a crash leaves unfinished is the last thing in the file.
/// Something sound behind it means that flushed data was damaged.
pub(super) fn sound_batch_follows(file: &File, position: u64, next: Offset) -> io::Result<bool> {
    let file_bytes = file.metadata()?.len();
    let offsets = next.get()..=next.get().saturating_add(file_bytes.min(i64::MAX as u64) as i64);
    let mut window = Vec::new();
    let mut start = position + 1;
    while start + (HEADER_BYTES as u64) <= file_bytes {
        window.clear();
        let mut rest = PositionedFile { file, position: start };
        Read::by_ref(&mut rest).take((CHUNK_BYTES + HEADER_BYTES) as u64).read_to_end(&mut window)?;
        for at in 0..window.len().saturating_sub(HEADER_BYTES - 1).min(CHUNK_BYTES) {
            let candidate = &window[at..at + HEADER_BYTES];
            if candidate[MAGIC_AT] != 2 {
                continue;
            }
            let Ok(header) = BatchHeader::parse(candidate) else { continue };
            if offsets.contains(&header.base_offset.get()) && header.total_len() <= BATCH_BYTES_MAX {
                let mut batch = vec![0; header.total_len()];
                let read = file.read_exact_at(&mut batch, start + at as u64);
                if read.is_ok() && header.verify(&batch).is_ok() {
                    return Ok(true);
                }
            }
        }
        start += CHUNK_BYTES as u64;
    }
    Ok(false)
}

/// A reader at a position of its own.
struct PositionedFile<'a> {
    file: &'a File,
    position: u64,
}

impl Read for PositionedFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}
