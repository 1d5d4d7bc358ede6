//! Walking over the batches of a segment file, in the order of the file, with large reads one ahead.
//!
//! Trusts nothing: neither the file's size nor a length in a header. Runs on the shard and lets other tasks run.

use std::io;

use crate::{
    record::{Batch, Batches, BatchesError},
    runtime::{buffer::Slice, file::DirectFile, task},
    types::limits,
};

use super::runway::{align_down, align_up};

/// Bytes of one read.
const CHUNK_BYTES: u64 = 4 << 20;

/// Why a walk ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// At the end of the file.
    End,
    /// Only zeroes follow: space that was made ahead of the log end.
    Unwritten,
    /// What follows is no batch, or not the one that must come next.
    Bad(String),
    /// The visitor wanted no more.
    Enough,
}

/// What a visitor says to a batch.
pub(super) enum Visit {
    Continue,
    Enough,
    Refuse(String),
}

/// Where and why a walk ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    /// The end of the last batch that was accepted.
    pub(super) position: u64,
    pub(super) stop: Stop,
}

/// Shows every batch from `position` on to `visit`, with its position in the file. With `verify`, checksums are checked
/// first.
pub(super) async fn walk(
    file: &DirectFile,
    mut position: u64,
    file_bytes: u64,
    verify: bool,
    mut visit: impl FnMut(&Batch<'_>, u64) -> Visit,
) -> io::Result<Ended> {
    let ended = |position, stop| Ok(Ended { position, stop });
    let mut chunk = read(file, position, CHUNK_BYTES, file_bytes).await?;
    while !chunk.is_empty() {
        let headers = walk_headers(&chunk);
        // The next chunk is on its way while this one is checked.
        let next_position = position + headers.end as u64;
        let next = headers.next_bytes().filter(|bytes| next_position + bytes <= file_bytes || headers.end == chunk.len());
        let read_ahead = next.map(|bytes| {
            let file = file.clone();
            task::spawn("scan a segment", async move { read(&file, next_position, bytes.max(CHUNK_BYTES), file_bytes).await })
        });
        for batch in Batches::new(&chunk[..headers.end]) {
            let Ok(batch) = batch else { break };
            let at = position + batch.position as u64;
            if verify && let Err(error) = batch.verify() {
                return ended(at, Stop::Bad(error.to_string()));
            }
            match visit(&batch, at) {
                Visit::Continue => {}
                Visit::Enough => return ended(at, Stop::Enough),
                Visit::Refuse(why) => return ended(at, Stop::Bad(why)),
            }
            if verify {
                task::yield_if_needed().await;
            }
        }
        position = next_position;
        match (read_ahead, headers.error) {
            (Some(read_ahead), _) => chunk = read_ahead.await.map_err(io::Error::other)??,
            (None, Some(BatchesError::Unwritten { .. })) => return ended(position, Stop::Unwritten),
            (None, Some(error)) => return ended(position, Stop::Bad(error.to_string())),
            (None, None) => break,
        }
    }
    ended(position, Stop::End)
}

/// What the headers in a chunk say.
struct ChunkHeaders {
    /// End of the last batch that is complete.
    end: usize,
    error: Option<BatchesError>,
}

impl ChunkHeaders {
    /// Bytes that must be read from `end` on to learn more; `None` if there is nothing more to learn.
    fn next_bytes(&self) -> Option<u64> {
        match &self.error {
            None => Some(0),
            Some(BatchesError::Torn { need, .. }) if *need <= limits::FRAME_BYTES_MAX => Some(*need as u64),
            Some(_) => None,
        }
    }
}

fn walk_headers(chunk: &[u8]) -> ChunkHeaders {
    let mut batches = Batches::new(chunk);
    let error = batches.by_ref().find_map(Result::err);
    ChunkHeaders { end: batches.position(), error }
}

/// Reads at least `bytes` from `position` on, unless the file ends.
async fn read(file: &DirectFile, position: u64, bytes: u64, file_bytes: u64) -> io::Result<Slice> {
    let start = align_down(position);
    let end = (position + bytes).min(file_bytes);
    if end <= position {
        return Ok(Slice::from(bytes::Bytes::new()));
    }
    let block = file.read_at(start, (align_up(end) - start) as usize).await?;
    let have = block.len().min((file_bytes - start) as usize);
    let skip = ((position - start) as usize).min(have);
    Ok(block.slice(skip..have))
}
