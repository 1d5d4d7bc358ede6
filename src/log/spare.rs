//! Files of deleted segments that the log's next segments will be written into: their blocks are written already, so no
//! zeroes need to be, and neither the file system nor the device has to free anything.
//!
//! Such a file is full of old batches, each below everything that the log will ever be given, because its segment was
//! deleted from the front. Three things keep them from being taken for new ones: the file begins with zeroes before it gets
//! its name, every write into it ends with zeroes (`write`), and recovery refuses a batch below the offset that must come
//! next. Where offsets may go back (truncation), no file is kept.
//!
//! As many are kept as were used lately, none where space is short, under the names that deletion gave them, which a start
//! clears away. Lives on one shard.

use std::{
    cell::{Cell, RefCell},
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{
    runtime::{
        file::{DirectFile, OpenMode},
        fs,
    },
    types::{Offset, limits::IO_ALIGNMENT},
};

use super::{
    names::{self, Kind},
    runway::align_down,
    segment::Folder,
    shared::LogShared,
};

/// Files kept for one log.
const KEPT_MAX: usize = 8;

/// The spare files of one log.
#[derive(Debug, Default)]
pub(super) struct Spares {
    /// Base offsets of the segments that they were, oldest first, and whether the last round of retention saw them.
    files: RefCell<Vec<(Offset, bool)>>,
    /// Segments begun since the last round of retention, and between it and the one before.
    begun: Cell<(usize, usize)>,
    closed: Cell<bool>,
}

impl Spares {
    /// Keeps the file of a deleted segment; false if it is not needed.
    pub(super) fn keep(&self, base: Offset) -> bool {
        let (begun, begun_before) = self.begun.get();
        let mut files = self.files.borrow_mut();
        let needed = !self.closed.get() && files.len() < begun.max(begun_before).min(KEPT_MAX);
        if needed {
            files.push((base, false));
        }
        needed
    }

    /// A round of retention: gives the files that were not needed since the one before, to be removed.
    pub(super) fn sweep(&self) -> Vec<Offset> {
        self.begun.set((0, self.begun.get().0));
        let mut files = self.files.borrow_mut();
        let unused = files.extract_if(.., |(_, seen)| *seen).map(|(base, _)| base).collect();
        files.iter_mut().for_each(|(_, seen)| *seen = true);
        unused
    }

    /// Gives all files, to be removed, and keeps no others before more segments are begun.
    pub(super) fn give_up(&self) -> Vec<Offset> {
        self.begun.take();
        self.files.take().into_iter().map(|(base, _)| base).collect()
    }

    /// Gives all files, to be removed, and keeps no more.
    pub(super) fn close(&self) -> Vec<Offset> {
        self.closed.set(true);
        self.give_up()
    }

    /// Gives the newest file the name of the next segment; `None` if there is none. With it, how far its blocks are written.
    pub(super) async fn reuse(&self, folder: &Folder, shared: &LogShared) -> io::Result<Option<(DirectFile, u64)>> {
        let (begun, begun_before) = self.begun.get();
        self.begun.set((begun + 1, begun_before));
        let Some((base, _)) = self.files.borrow_mut().pop() else { return Ok(None) };
        let stay = folder.stay().await;
        let next = folder.path().join(names::NEXT_SEGMENT);
        let (from, to) = (path(folder, base), next.clone());
        if !fs::blocking(move || rename_unless_shared(&from, &to)).await? {
            return Ok(None);
        }
        let file = DirectFile::open(&next, OpenMode::Write).await?;
        drop(stay);
        // Durable with the name, if not before: the flush that the name waits for comes later.
        file.write_at(0, shared.zeroes().of(IO_ALIGNMENT)).await?;
        let ready = align_down(file.size()?);
        Ok(Some((file, ready)))
    }
}

/// Removes the spare files of the segments that had these base offsets.
pub(super) async fn remove(folder: &Folder, bases: Vec<Offset>) -> io::Result<()> {
    for base in bases {
        let _stay = folder.stay().await;
        fs::remove_file(&path(folder, base)).await?;
    }
    Ok(())
}

fn path(folder: &Folder, base: Offset) -> PathBuf {
    names::deleted(&folder.path(), Kind::Log, base)
}

/// False if the file has another name as well, which may be a backup's, or is gone; then it is not there afterwards.
fn rename_unless_shared(from: &Path, to: &Path) -> io::Result<bool> {
    match std::fs::metadata(from) {
        Ok(found) if found.nlink() == 1 => std::fs::rename(from, to).map(|()| true),
        Ok(_) => std::fs::remove_file(from).map(|()| false),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_kept_as_were_needed() {
        let spares = Spares::default();
        let base = Offset::saturating;
        assert!(!spares.keep(base(1)), "no segment was begun");
        spares.begun.set((2, 0));
        assert!(spares.keep(base(1)) && spares.keep(base(2)) && !spares.keep(base(3)));
        assert!(spares.sweep().is_empty());
        assert!(!spares.keep(base(4)), "two are there");
        spares.files.borrow_mut().pop();
        assert!(spares.keep(base(4)));
        assert_eq!(spares.sweep(), [base(1)], "nobody wanted it");
        assert!(!spares.keep(base(5)), "no segment was begun for long");
        assert_eq!(spares.close(), [base(4)]);
        spares.begun.set((9, 9));
        assert!(!spares.keep(base(6)));
    }
}
