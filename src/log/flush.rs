//! What a flusher must do to make a log's completed writes durable: flush the files whose metadata changed by
//! themselves, and any one file of the device for all the others.

use std::{io, rc::Rc};

use crate::{runtime::file::DirectFile, types::Offset};

use super::segment::Segment;

/// A flush that a log asks for. Hand it back to [`super::Log::flushed`] when it is done.
#[derive(Debug)]
pub struct FlushRequest {
    /// Everything before this offset is durable after the flush.
    pub end: Offset,
    /// A file on the log's device: flushing it flushes the device, for all logs there that have no dirty files.
    pub device: DirectFile,
    pub(super) dirty: Vec<(Rc<Segment>, DirectFile, u64)>,
}

impl FlushRequest {
    /// True if files of this log must be flushed by themselves, because their size or extents changed.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Those files. After flushing them the device needs no further flush for this log.
    pub fn dirty_files(&self) -> impl Iterator<Item = &DirectFile> {
        self.dirty.iter().map(|(_, file, _)| file)
    }

    /// Flushes for this log alone: for tests, and for a log that nobody shares the device with.
    ///
    /// # Errors
    /// What the device says. The log directory is then to be retired.
    pub async fn execute(&self) -> io::Result<()> {
        if !self.is_dirty() {
            return self.device.sync_data().await;
        }
        for file in self.dirty_files() {
            file.sync_data().await?;
        }
        Ok(())
    }
}
