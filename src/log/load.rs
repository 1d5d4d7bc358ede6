//! The indexes of sealed segments: read when they are needed, rebuilt from the batches when the files are missing or wrong.

use std::{io, rc::Rc};

use crate::{runtime::fs, types::Offset};

use super::{
    index::OffsetIndex,
    names::Kind,
    scan,
    segment::{Indexes, Segment, Stage},
    shared::LogShared,
    tail::Written,
    time_index::TimeIndex,
};

/// Largest index file that is read: Kafka allocates as much as `segment.index.bytes` ahead.
const INDEX_BYTES_MAX: usize = 256 << 20;
/// Bytes of batches between two entries of a rebuilt index.
pub(super) const REBUILT_INTERVAL_BYTES: u64 = 4096;

impl Segment {
    /// Where a walk over batches must start to find the one that holds `offset`.
    pub(super) async fn position_of(self: &Rc<Self>, offset: Offset, shared: &LogShared) -> io::Result<u64> {
        self.with_indexes(shared, |indexes| indexes.offsets.position_of(offset)).await
    }

    /// Calls `ask` with the indexes, which are loaded if need be.
    pub(super) async fn with_indexes<T>(self: &Rc<Self>, shared: &LogShared, ask: impl FnOnce(&Indexes) -> T) -> io::Result<T> {
        if self.indexes.borrow().is_none() {
            let mut indexes = self.load_indexes(shared).await?;
            indexes.shrink();
            let mut place = self.indexes.borrow_mut();
            // Another reader may have been faster; in an active segment its indexes may have grown meanwhile.
            place.get_or_insert(indexes);
        }
        let (answer, bytes) = match self.indexes.borrow().as_ref() {
            Some(indexes) => (ask(indexes), indexes.memory()),
            None => return Err(io::Error::other("the index went away while it was used: a defect of corelog")),
        };
        if self.stage.get() == Stage::Sealed {
            shared.indexes.touch(self, bytes);
        }
        Ok(answer)
    }

    async fn load_indexes(self: &Rc<Self>, shared: &LogShared) -> io::Result<Indexes> {
        let stay = self.folder().stay().await;
        let offsets = fs::read(&self.path(Kind::Index), INDEX_BYTES_MAX).await;
        let times = fs::read(&self.path(Kind::TimeIndex), INDEX_BYTES_MAX).await;
        drop(stay);
        let decoded = offsets.ok().zip(times.ok()).and_then(|(offsets, times)| {
            Some(Indexes {
                offsets: OffsetIndex::decode(self.base, &offsets, self.length.get())?,
                times: TimeIndex::decode(self.base, &times)?,
            })
        });
        match decoded {
            Some(indexes) => Ok(indexes),
            None => {
                tracing::warn!(segment = %self.path(Kind::Log).display(), "the index is missing or damaged and is rebuilt from the batches");
                self.rebuild_indexes(shared).await
            }
        }
    }

    async fn rebuild_indexes(self: &Rc<Self>, shared: &LogShared) -> io::Result<Indexes> {
        let file = self.open(shared).await?;
        // A scratch segment collects what a scan of this one finds.
        let scratch = Segment::new(Rc::clone(self.folder()), self.base, Stage::Sealed);
        scratch.indexes.replace(Some(Indexes::new(self.base)));
        let mut since = 0;
        let ended = scan::walk(&file, 0, self.length.get(), false, |batch, position| {
            let bytes = batch.bytes.len() as u64;
            let indexed = since > REBUILT_INTERVAL_BYTES;
            since = if indexed { bytes } else { since + bytes };
            scratch.written(&Written {
                last: batch.header.last_offset(),
                max_timestamp: batch.header.max_timestamp,
                position,
                bytes,
                indexed,
            });
            scan::Visit::Continue
        })
        .await?;
        if ended.position < self.length.get() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} is damaged at position {}: {:?}", self.path(Kind::Log).display(), ended.position, ended.stop),
            ));
        }
        if self.largest.get().is_none() {
            self.largest.set(scratch.largest.get());
        }
        let mut indexes = scratch.indexes.take().unwrap_or_else(|| Indexes::new(self.base));
        if let Some(largest) = scratch.largest.get() {
            indexes.times.push(largest);
        }
        Ok(indexes)
    }
}
