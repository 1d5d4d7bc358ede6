//! Files of deleted segments that the log's next segments will be written into: the blocks of a segment's file are written
//! already, so no zeroes need to be, and neither the file system nor the device has to free anything. Its indexes and its
//! producer snapshot are written into those of deleted ones as well: to make a file takes some file systems longer than to write it.
//!
//! A segment's file is full of old batches, each below everything that the log will ever be given, because its segment was
//! deleted from the front. Three things keep them from being taken for new ones: the file begins with zeroes before it gets
//! its name, every write into it ends with zeroes (`write`), and recovery refuses a batch below the offset that must come
//! next. Where offsets may go back (truncation), no file is kept.
//!
//! As many of a kind are kept as segments were begun lately, none where space is short, under the names that deletion gave them, which a start
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
    entries::Parts,
    names::{self, Kind},
    runway::align_down,
    segment::Folder,
    shared::LogShared,
};

/// Files of each kind kept for one log.
const KEPT_MAX: usize = 8;

/// A file of a deleted segment, by the base offset that this had.
pub(super) type Spare = (Kind, Offset);

/// The spare files of one log.
#[derive(Debug, Default)]
pub(super) struct Spares {
    /// Oldest first, and whether the last round of retention saw them.
    files: RefCell<Vec<(Spare, bool)>>,
    /// Segments begun since the last round of retention, and between it and the one before.
    begun: Cell<(usize, usize)>,
    closed: Cell<bool>,
}

impl Spares {
    /// Keeps a file of a deleted segment that nobody reads; false if it is not needed.
    pub(super) fn keep(&self, spare: Spare) -> bool {
        let (begun, begun_before) = self.begun.get();
        let mut files = self.files.borrow_mut();
        let kept = files.iter().filter(|((kind, _), _)| *kind == spare.0).count();
        // No log writes aborted transactions yet.
        let needed = !self.closed.get() && spare.0 != Kind::TxnIndex && kept < begun.max(begun_before).min(KEPT_MAX);
        if needed {
            files.push((spare, false));
        }
        needed
    }

    /// A round of retention: gives the files that were not needed since the one before, to be removed.
    pub(super) fn sweep(&self) -> Vec<Spare> {
        self.begun.set((0, self.begun.get().0));
        let mut files = self.files.borrow_mut();
        let unused = files.extract_if(.., |(_, seen)| *seen).map(|(spare, _)| spare).collect();
        files.iter_mut().for_each(|(_, seen)| *seen = true);
        unused
    }

    /// Gives all files, to be removed, and keeps no others before more segments are begun.
    pub(super) fn give_up(&self) -> Vec<Spare> {
        self.begun.take();
        self.files.take().into_iter().map(|(spare, _)| spare).collect()
    }

    /// Gives all files, to be removed, and keeps no more.
    pub(super) fn close(&self) -> Vec<Spare> {
        self.closed.set(true);
        self.give_up()
    }

    /// The newest file of a kind, which is the caller's from now on; it may be gone. The folder must stay meanwhile.
    pub(super) fn take(&self, kind: Kind, folder: &Folder) -> Option<PathBuf> {
        let mut files = self.files.borrow_mut();
        let newest = files.iter().rposition(|((other, _), _)| *other == kind)?;
        let ((_, base), _) = files.remove(newest);
        Some(names::deleted(&folder.path(), kind, base))
    }

    /// Gives the newest file the name of the next segment; `None` if there is none. With it, how far its blocks are written.
    pub(super) async fn reuse(&self, folder: &Folder, shared: &LogShared) -> io::Result<Option<(DirectFile, u64)>> {
        let (begun, begun_before) = self.begun.get();
        self.begun.set((begun + 1, begun_before));
        let stay = folder.stay().await;
        let Some(from) = self.take(Kind::Log, folder) else { return Ok(None) };
        let next = folder.path().join(names::NEXT_SEGMENT);
        let to = next.clone();
        if !fs::blocking(move || Ok(is_ours(&from)? && std::fs::rename(&from, &to).map(|()| true)?)).await? {
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

/// Removes spare files.
pub(super) async fn remove(folder: &Folder, spares: Vec<Spare>) -> io::Result<()> {
    let _stay = folder.stay().await;
    let path = folder.path();
    fs::remove_files(spares.into_iter().map(|(kind, base)| names::deleted(&path, kind, base)).collect()).await
}

/// Gives a spare file, which is at `from`, other content and then another name; durable is only its content. False if it
/// cannot be used, and then it is not there afterwards.
///
/// # Errors
/// What the operating system says.
pub(super) fn write_again(from: &Path, to: &Path, content: &Parts) -> io::Result<bool> {
    if !is_ours(from)? {
        return Ok(false);
    }
    let file = std::fs::OpenOptions::new().write(true).truncate(true).open(from)?;
    content.write_to(&file)?;
    file.sync_all()?;
    std::fs::rename(from, to)?;
    Ok(true)
}

/// False if the file is gone or has another name as well, which may be a backup's; then this one goes.
fn is_ours(path: &Path) -> io::Result<bool> {
    match std::fs::metadata(path) {
        Ok(found) if found.nlink() == 1 => Ok(true),
        Ok(_) => std::fs::remove_file(path).map(|()| false),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_of_a_kind_are_kept_as_were_needed() {
        let spares = Spares::default();
        let log = |base| (Kind::Log, Offset::saturating(base));
        let index = |base| (Kind::Index, Offset::saturating(base));
        assert!(!spares.keep(log(1)), "no segment was begun");
        spares.begun.set((2, 0));
        assert!(spares.keep(log(1)) && spares.keep(log(2)) && !spares.keep(log(3)));
        assert!(spares.keep(index(1)) && !spares.keep((Kind::TxnIndex, Offset::ZERO)));
        assert!(spares.sweep().is_empty());
        assert!(!spares.keep(log(4)), "two are there");
        let folder = Folder::new(PathBuf::from("t-0"));
        assert_eq!(spares.take(Kind::Log, &folder), Some(PathBuf::from("t-0/00000000000000000002.log.deleted")));
        assert_eq!(spares.take(Kind::Snapshot, &folder), None);
        assert!(spares.keep(log(4)));
        assert_eq!(spares.sweep(), [log(1), index(1)], "nobody wanted them");
        assert!(!spares.keep(log(5)), "no segment was begun for long");
        assert_eq!(spares.close(), [log(4)]);
        spares.begun.set((9, 9));
        assert!(!spares.keep(log(6)));
    }

    #[test]
    fn a_file_with_a_second_name_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new, backup] = ["old", "new", "backup"].map(|name| folder.path().join(name));
        let content = |text: &str| Parts::from(text.as_bytes().to_vec());
        assert!(!write_again(&old, &new, &content("x")).unwrap(), "it is gone");
        std::fs::write(&old, "long before").unwrap();
        std::fs::hard_link(&old, &backup).unwrap();
        assert!(!write_again(&old, &new, &content("x")).unwrap());
        assert!(!old.exists() && !new.exists() && std::fs::read(&backup).unwrap() == b"long before");
        assert!(write_again(&backup, &new, &content("now")).unwrap());
        assert!(!backup.exists() && std::fs::read(&new).unwrap() == b"now");
    }
}
