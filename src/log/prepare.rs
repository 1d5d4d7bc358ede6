//! The next segment, made in the background while the active one fills up, so that rolling is a rename.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
};

use crate::runtime::{
    file::{DirectFile, OpenMode},
    fs,
};

use super::{
    names,
    runway::align_up,
    segment::Folder,
    shared::LogShared,
};

/// Bytes of runway that a prepared segment has.
const READY_BYTES: u64 = 1 << 20;
/// Part of a segment, in percent, after which the next one is prepared.
const PREPARE_PERCENT: u64 = 70;

/// A file with a runway that waits for its name.
#[derive(Debug, Default)]
pub(super) struct NextSegment {
    ready: RefCell<Option<(DirectFile, u64)>>,
    preparing: Cell<bool>,
}

impl NextSegment {
    /// True if it is time to prepare, with `position` bytes in a segment of `segment_bytes`. The caller then sees to it
    /// that [`NextSegment::prepare`] follows.
    pub(super) fn begin(&self, position: u64, segment_bytes: u64) -> bool {
        let due = !self.preparing.get() && self.ready.borrow().is_none() && position / PREPARE_PERCENT >= segment_bytes / 100;
        if due {
            self.preparing.set(true);
        }
        due
    }

    /// The file and the end of its runway, if it is ready.
    pub(super) fn take(&self) -> Option<(DirectFile, u64)> {
        self.ready.take()
    }

    /// Makes the file that [`NextSegment::begin`] announced.
    pub(super) async fn prepare(&self, folder: Rc<Folder>, shared: &LogShared, segment_bytes: u64) -> io::Result<()> {
        let result = make(&folder, shared, READY_BYTES.min(align_up(segment_bytes))).await;
        self.preparing.set(false);
        self.ready.replace(Some(result?));
        Ok(())
    }

    /// Removes the file, if there is one: at a clean stop.
    pub(super) async fn discard(&self, folder: &Folder) -> io::Result<()> {
        match self.ready.take() {
            Some((file, _)) => {
                file.close().await?;
                fs::remove_file(&folder.path().join(names::NEXT_SEGMENT)).await
            }
            None => Ok(()),
        }
    }
}

async fn make(folder: &Folder, shared: &LogShared, ready: u64) -> io::Result<(DirectFile, u64)> {
    let path = folder.path().join(names::NEXT_SEGMENT);
    // One from before would have been renamed or removed; after a crash the start removes it.
    let file = DirectFile::open(&path, OpenMode::CreateNew).await?;
    file.write_at(0, shared.zeroes().of(ready as usize)).await?;
    file.sync_data().await?;
    Ok((file, ready))
}
