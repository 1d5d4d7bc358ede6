//! Reading batches that the tail cache does not have: aligned reads of whole chunks, cut to whole batches.
//!
//! A plan owns the segment and its descriptor, so retention may delete the segment meanwhile.

use std::{io, rc::Rc};

use crate::{
    record::{Batches, BatchesError},
    runtime::{buffer::Slice, task},
    types::Offset,
};

use super::{
    runway::{align_down, align_up},
    segment::{Segment, Stage},
    view::{Ahead, LogView, Wanted},
};

/// Smallest read: below it, the device's time does not shrink any more.
const READ_BYTES_MIN: u64 = 128 << 10;
/// Largest read.
const READ_BYTES_MAX: u64 = 4 << 20;
/// What is read for a sequential reader that asks for less.
const AHEAD_BYTES: u64 = 1 << 20;

/// A read that is planned.
#[derive(Debug)]
pub struct ReadPlan(Source);

#[derive(Debug)]
enum Source {
    Ready(Vec<Slice>),
    File { view: Rc<LogView>, segment: Rc<Segment>, wanted: Wanted },
}

impl ReadPlan {
    pub(super) fn empty() -> Self {
        Self(Source::Ready(Vec::new()))
    }

    pub(super) fn ready(slices: Vec<Slice>) -> Self {
        Self(Source::Ready(slices))
    }

    pub(super) fn file(view: Rc<LogView>, segment: Rc<Segment>, wanted: Wanted) -> Self {
        Self(Source::File { view, segment, wanted })
    }

    /// True if nothing has to be read from the device: `execute` does not wait.
    pub fn is_ready(&self) -> bool {
        matches!(self.0, Source::Ready(_))
    }

    /// The batches, back to back over the slices. Empty if there is nothing, or if the segment was deleted meanwhile.
    ///
    /// # Errors
    /// The device failed, or the bytes are no batches.
    pub async fn execute(self) -> io::Result<Vec<Slice>> {
        match self.0 {
            Source::Ready(slices) => Ok(slices),
            Source::File { view, segment, wanted } => match read_batches(&view, &segment, &wanted).await {
                Err(error) if error.kind() == io::ErrorKind::NotFound && segment.stage.get() == Stage::Deleted => Ok(Vec::new()),
                result => result,
            },
        }
    }
}

async fn read_batches(view: &Rc<LogView>, segment: &Rc<Segment>, wanted: &Wanted) -> io::Result<Vec<Slice>> {
    let limit = segment.length.get();
    let mut position = segment.position_of(wanted.from, &view.shared).await?;
    let mut taken = Taken { slices: Vec::new(), bytes: 0 };
    let mut at_least = 0;
    while position < limit {
        let missing = wanted.max_bytes.saturating_sub(taken.bytes) as u64;
        let chunk = read_chunk(view, segment, position, missing.clamp(READ_BYTES_MIN, READ_BYTES_MAX).max(at_least), limit).await?;
        let step = walk(&chunk, wanted, taken.bytes).map_err(|error| damaged(segment, position, &error))?;
        if step.take.start < step.take.end {
            taken.bytes += step.take.len();
            taken.slices.push(chunk.slice(step.take.clone()));
        }
        position += step.next as u64;
        match step.then {
            Then::Done => break,
            Then::More => at_least = 0,
            Then::Torn { need } if taken.bytes > 0 && taken.bytes + need > wanted.max_bytes => break,
            Then::Torn { need } => {
                if position + need as u64 > limit {
                    let error = BatchesError::Torn { position: 0, have: (limit - position) as usize, need };
                    return Err(damaged(segment, position, &error));
                }
                at_least = need as u64;
            }
        }
        task::yield_if_needed().await;
    }
    Ok(taken.slices)
}

struct Taken {
    slices: Vec<Slice>,
    bytes: usize,
}

/// What a chunk gave.
struct Step {
    /// The part of the chunk that is wanted.
    take: std::ops::Range<usize>,
    /// Bytes of the chunk that are dealt with.
    next: usize,
    then: Then,
}

enum Then {
    Done,
    /// The chunk ended with a batch.
    More,
    /// The next batch is only partly in the chunk and takes `need` bytes.
    Torn {
        need: usize,
    },
}

/// Walks over the batches of `chunk`, with `had` bytes taken before.
fn walk(chunk: &[u8], wanted: &Wanted, had: usize) -> Result<Step, BatchesError> {
    let mut take = 0..0;
    let mut next = 0;
    for batch in Batches::new(chunk) {
        let batch = match batch {
            Ok(batch) => batch,
            Err(BatchesError::Torn { need, .. }) => return Ok(Step { take, next, then: Then::Torn { need } }),
            Err(error) => return Err(error),
        };
        let end = batch.position + batch.bytes.len();
        if batch.header.last_offset() < wanted.from {
            next = end;
            take = end..end;
            continue;
        }
        let bytes = had + end - take.start;
        let is_first = had == 0 && take.is_empty();
        if batch.header.last_offset() >= wanted.upper || (bytes > wanted.max_bytes && !(is_first && wanted.min_one_batch)) {
            return Ok(Step { take, next, then: Then::Done });
        }
        next = end;
        take.end = end;
    }
    let then = if had + take.len() >= wanted.max_bytes { Then::Done } else { Then::More };
    Ok(Step { take, next, then })
}

/// Reads `bytes` from `position` on, and perhaps more, but never past `limit`.
async fn read_chunk(view: &Rc<LogView>, segment: &Rc<Segment>, position: u64, bytes: u64, limit: u64) -> io::Result<Slice> {
    let wanted_end = (position + bytes).min(limit);
    if let Some(slice) = view.read_ahead(segment.base, position, wanted_end) {
        return Ok(slice);
    }
    let is_small = wanted_end - position < AHEAD_BYTES;
    let end = if is_small { (position + AHEAD_BYTES).min(limit) } else { wanted_end };
    let start = align_down(position);
    let file = segment.open(&view.shared).await?;
    let block = file.read_at(start, (align_up(end) - start) as usize).await?;
    let have = (start + block.len() as u64).min(end);
    if have <= position {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("segment {} ends before position {position}", segment.base)));
    }
    if is_small {
        view.keep_ahead(segment.base, start, block.slice(0..(have - start) as usize));
    }
    Ok(block.slice((position - start) as usize..(have - start) as usize))
}

fn damaged(segment: &Segment, position: u64, error: &BatchesError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("segment {} is damaged near position {position}: {error}", segment.base))
}

impl LogView {
    /// The bytes from `position` on, if all up to `end` were read in advance.
    fn read_ahead(&self, segment: Offset, position: u64, end: u64) -> Option<Slice> {
        let ahead = self.ahead.borrow();
        let ahead = ahead.as_ref().filter(|ahead| ahead.segment == segment && ahead.start <= position)?;
        let slice = ahead.entry.get()?;
        let have = ahead.start + slice.len() as u64;
        (have >= end).then(|| slice.slice((position - ahead.start) as usize..slice.len()))
    }

    fn keep_ahead(&self, segment: Offset, start: u64, slice: Slice) {
        let entry = self.shared.budget.add(slice);
        if let Some(old) = self.ahead.replace(Some(Ahead { segment, start, entry })) {
            self.shared.budget.remove(&old.entry);
        }
    }
}

impl Drop for LogView {
    fn drop(&mut self) {
        if let Some(ahead) = self.ahead.take() {
            self.shared.budget.remove(&ahead.entry);
        }
    }
}
