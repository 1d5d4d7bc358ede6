//! What a flusher must do to make a log's completed writes durable: flush the files whose metadata changed by
//! themselves, and the device, or the others one by one, for those whose data alone changed.

use std::{io, rc::Rc};

use crate::{runtime::file::DirectFile, types::Offset};

use super::segment::Segment;

/// A flush that a log asks for. Hand it back to [`super::Log::flushed`] when it is done.
#[derive(Debug, Default)]
pub struct FlushRequest {
    /// Everything before this offset is durable after the flush.
    pub end: Offset,
    /// Files whose data alone changed: a flush of their device covers them.
    pub clean: Vec<DirectFile>,
    pub(super) dirty: Vec<(Rc<Segment>, DirectFile, u64)>,
}

impl FlushRequest {
    /// Files whose size or extents changed: each must be flushed by itself.
    pub fn dirty_files(&self) -> impl Iterator<Item = &DirectFile> {
        self.dirty.iter().map(|(_, file, _)| file)
    }

    /// Flushes each file by itself: where no file's flush is the device's, and in tests.
    ///
    /// # Errors
    /// What the device says. The log directory is then to be retired.
    pub async fn execute(&self) -> io::Result<()> {
        for file in self.dirty_files().chain(&self.clean) {
            file.sync_data().await?;
        }
        Ok(())
    }
}
