//! The write in flight: one aligned buffer of the kept partial block and all batches that were staged, and where it goes.
//!
//! A plan owns everything that it needs, so the log can be used while it runs. At most one per log: two writes would
//! fight over the block that both share.

use std::{
    io,
    path::{Path, PathBuf},
    rc::Rc,
};

use futures_lite::future;

use crate::{
    record::{HEADER_BYTES, patch_base},
    runtime::{
        buffer::{AlignedBuf, SharedBuf},
        file::{DirectFile, OpenMode},
        fs,
    },
    types::limits::IO_ALIGNMENT,
};

use super::{
    names::{self, Kind},
    prepare::{NextSegment, Prepared},
    runway::align_down,
    segment::{Folder, Segment},
    shared::LogShared,
    tail::{StagedBatch, Written},
};

/// Most bytes of batches in one write, unless one batch alone is larger.
pub(super) const WRITE_BYTES_MAX: usize = 4 << 20;

/// The bytes of the last block that are written already, which the next write repeats.
#[derive(Debug, Default)]
pub(super) struct PartialBlock {
    bytes: Vec<u8>,
    known: bool,
}

impl PartialBlock {
    /// Of an empty segment.
    pub(super) fn begin(&mut self) {
        self.bytes.clear();
        self.known = true;
    }

    /// Keeps the partial block at the end of a write that began at `start` and ended at `end`.
    pub(super) fn keep(&mut self, buffer: &[u8], start: u64, end: u64) {
        let from = (align_down(end) - start) as usize;
        self.bytes.clear();
        self.bytes.extend_from_slice(&buffer[from..(end - start) as usize]);
        self.known = true;
    }

    /// Gives the memory back; the next write reads the block from the file.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// What else must be done before batches in a file can count as written.
#[derive(Debug, Default)]
pub(super) struct Ground {
    /// The segment's file does not exist yet: it is made from the prepared one, or from nothing.
    pub(super) create: Option<Rc<NextSegment>>,
    /// Files and folders that were made and not flushed yet; in this order.
    pub(super) sync: Vec<PathBuf>,
}

/// A write that is ready to be made.
#[derive(Debug)]
pub struct WritePlan {
    segment: Rc<Segment>,
    shared: Rc<LogShared>,
    buffer: AlignedBuf,
    /// Position of the buffer in the file.
    start: u64,
    /// Bytes at the front of the buffer that are in the file already but not in memory.
    missing: usize,
    batches: Vec<Written>,
    bytes: usize,
    ground: Ground,
    in_place: bool,
}

/// What became of a write: for [`super::Log::complete_write`].
#[derive(Debug)]
pub struct WriteOutcome {
    pub(super) segment: Rc<Segment>,
    pub(super) start: u64,
    pub(super) batches: Vec<Written>,
    pub(super) result: io::Result<(SharedBuf, DirectFile)>,
}

impl WritePlan {
    /// For `batches` of one segment, which are not empty and begin at its end.
    pub(super) fn new(shared: Rc<LogShared>, batches: Vec<StagedBatch>, partial: &PartialBlock, ground: Ground) -> Self {
        let segment = Rc::clone(&batches[0].segment);
        let written = segment.length.get();
        assert_eq!(batches[0].position, written, "a write begins where the last one ended");
        let start = align_down(written);
        let prefix = (written - start) as usize;
        let bytes: usize = batches.iter().map(|batch| batch.bytes.len()).sum();
        // Where old batches may follow, zeroes end the log. For a file that is yet to be made it is not known.
        let terminator = if segment.reused.get() || ground.create.is_some() { HEADER_BYTES } else { 0 };
        let buffer = AlignedBuf::build(prefix + bytes + terminator, |out| {
            if partial.known {
                out.put(&partial.bytes);
            } else {
                out.put(&[0; IO_ALIGNMENT][..prefix]);
            }
            for batch in &batches {
                let at = out.filled();
                out.put(&batch.bytes);
                patch_base(&mut out.written()[at..], batch.base, batch.epoch);
            }
        });
        let missing = if partial.known { 0 } else { prefix };
        // The memory that the batches came in is given back now that they are copied.
        let batches = batches.iter().map(Written::from).collect();
        Self { segment, shared, buffer, start, missing, batches, bytes, ground, in_place: false }
    }

    /// Bytes of the batches that it writes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// True if it takes more than a write to the device: files are made, renamed or flushed with it.
    pub fn changes_files(&self) -> bool {
        self.ground.create.is_some() || !self.ground.sync.is_empty()
    }

    /// The shard is to wait for the device itself, because it has nothing else to do. False if it will not: where other work
    /// belongs to the write.
    pub fn wait_in_place(&mut self) -> bool {
        self.in_place = !self.changes_files();
        self.in_place
    }

    /// Makes the write. Must be polled to its end, in a task of its own.
    pub async fn execute(mut self) -> WriteOutcome {
        let batches = std::mem::take(&mut self.batches);
        let (segment, start) = (Rc::clone(&self.segment), self.start);
        let result = self.write().await;
        WriteOutcome { segment, start, batches, result }
    }

    async fn write(mut self) -> io::Result<(SharedBuf, DirectFile)> {
        let changes_files = self.changes_files();
        if self.missing > 0 {
            self.read_missing().await?;
        }
        let buffer = self.buffer.freeze();
        let (segment, shared) = (&self.segment, &self.shared);
        let _stay = if changes_files { Some(segment.folder().stay().await) } else { None };
        let end = self.start + buffer.len() as u64;
        let (file, rename) = match self.ground.create {
            Some(next) => make_file(segment, shared, &next).await?,
            None => (segment.open(shared).await?, None),
        };
        if segment.runway().claim(end).await {
            segment.dirty.set(segment.dirty.get() + 1);
        }
        if self.in_place {
            file.write_at_in_place(self.start, &buffer)?;
            return Ok((buffer, file));
        }
        let write = file.write_at(self.start, buffer.clone());
        let sync = async {
            if changes_files { sync_ground(segment.folder(), rename, self.ground.sync).await } else { Ok(()) }
        };
        let (written, synced) = future::zip(write, sync).await;
        written.and(synced)?;
        Ok((buffer, file))
    }

    async fn read_missing(&mut self) -> io::Result<()> {
        let file = self.segment.open(&self.shared).await?;
        let block = file.read_at(self.start, IO_ALIGNMENT).await?;
        if block.len() < self.missing {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the segment is shorter than what was written to it"));
        }
        self.buffer.as_mut_slice()[..self.missing].copy_from_slice(&block[..self.missing]);
        Ok(())
    }
}

/// The file of a new segment: the prepared one, which is yet to be renamed, or a new one.
async fn make_file(
    segment: &Rc<Segment>,
    shared: &Rc<LogShared>,
    next: &NextSegment,
) -> io::Result<(DirectFile, Option<(PathBuf, PathBuf)>)> {
    let path = segment.path(Kind::Log);
    let (file, rename) = match next.take() {
        Some(Prepared { file, ready, reused }) => {
            segment.runway().reset(0, ready);
            segment.reused.set(reused);
            (file, Some((segment.folder().path().join(names::NEXT_SEGMENT), path)))
        }
        None => (DirectFile::open(&path, OpenMode::CreateNew).await?, None),
    };
    segment.adopt(file.clone(), shared);
    Ok((file, rename))
}

/// Makes names and small files durable that the batches depend on, that of a file that was just made as well.
async fn sync_ground(folder: &Folder, rename: Option<(PathBuf, PathBuf)>, sync: Vec<PathBuf>) -> io::Result<()> {
    let (names, path) = (folder.flush_begins(), folder.path());
    fs::blocking(move || {
        if let Some((from, to)) = rename {
            std::fs::rename(from, to)?;
        }
        for made in sync {
            sync_path(&made)?;
        }
        sync_path(&path)
    })
    .await?;
    folder.flush_ended(names);
    Ok(())
}

pub(super) fn sync_path(path: &Path) -> io::Result<()> {
    std::fs::File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}
