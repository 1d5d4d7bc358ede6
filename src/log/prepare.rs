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
    spare::{self, Spares},
};

/// Bytes of runway that a prepared segment has.
const READY_BYTES: u64 = 1 << 20;
/// Part of a segment, in percent, after which the next one is prepared.
const PREPARE_PERCENT: u64 = 70;

/// A file with a runway that waits for its name.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) file: DirectFile,
    /// End of the runway.
    pub(super) ready: u64,
    /// It was another segment's.
    pub(super) reused: bool,
}

/// The file that the next segment of a log will have, and those that later ones may have.
#[derive(Debug, Default)]
pub(super) struct NextSegment {
    prepared: RefCell<Option<Prepared>>,
    preparing: Cell<bool>,
    pub(super) spares: Spares,
}

impl NextSegment {
    /// True if it is time to prepare, with `position` bytes in a segment of `segment_bytes`. The caller then sees to it
    /// that [`NextSegment::prepare`] follows.
    pub(super) fn begin(&self, position: u64, segment_bytes: u64) -> bool {
        let due = !self.preparing.get() && self.prepared.borrow().is_none() && position / PREPARE_PERCENT >= segment_bytes / 100;
        if due {
            self.preparing.set(true);
        }
        due
    }

    /// The file, if it is ready.
    pub(super) fn take(&self) -> Option<Prepared> {
        self.prepared.take()
    }

    /// Makes the file that [`NextSegment::begin`] announced.
    pub(super) async fn prepare(&self, folder: Rc<Folder>, shared: &LogShared, segment_bytes: u64) -> io::Result<()> {
        let result = self.reuse_or_make(&folder, shared, segment_bytes).await;
        self.preparing.set(false);
        self.prepared.replace(Some(result?));
        Ok(())
    }

    async fn reuse_or_make(&self, folder: &Folder, shared: &LogShared, segment_bytes: u64) -> io::Result<Prepared> {
        if let Some((file, ready)) = self.spares.reuse(folder, shared).await? {
            return Ok(Prepared { file, ready, reused: true });
        }
        let ready = READY_BYTES.min(align_up(segment_bytes));
        Ok(Prepared { file: make(folder, shared, ready).await?, ready, reused: false })
    }

    /// Removes the file and the spare ones, if there are any: at a clean stop, and before offsets may go back.
    pub(super) async fn discard(&self, folder: &Folder) -> io::Result<()> {
        spare::remove(folder, self.spares.close()).await?;
        match self.prepared.take() {
            Some(prepared) => {
                prepared.file.close().await?;
                let _stay = folder.stay().await;
                fs::remove_file(&folder.path().join(names::NEXT_SEGMENT)).await
            }
            None => Ok(()),
        }
    }
}

async fn make(folder: &Folder, shared: &LogShared, ready: u64) -> io::Result<DirectFile> {
    let file = {
        let _stay = folder.stay().await;
        // One from before would have been renamed or removed; after a crash the start removes it.
        DirectFile::open(&folder.path().join(names::NEXT_SEGMENT), OpenMode::CreateNew).await?
    };
    file.write_at(0, shared.zeroes().of(ready as usize)).await?;
    file.sync_data().await?;
    Ok(file)
}
