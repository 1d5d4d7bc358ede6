//! The lock that says which process uses a log directory, in the file `.lock`.
//!
//! Control thread. Never waits: a directory that is taken is an error.

use std::{
    fs::{File, OpenOptions},
    path::Path,
};

use rustix::{
    fs::{FlockOperation, fcntl_lock, flock},
    io::Errno,
};

use super::error::{DirectoryError, io_error};

/// Name of the file whose lock says that a process uses the directory.
const LOCK_FILE_NAME: &str = ".lock";

/// A locked directory; dropping this gives it up.
#[derive(Debug)]
pub(super) struct DirLock(File);

impl DirLock {
    /// Locks a directory in both ways there are: Kafka's (Java locks by `fcntl`, which never conflicts within a process) and
    /// `flock` (which does, but which Kafka does not see).
    ///
    /// # Errors
    /// [`DirectoryError::Locked`] if somebody holds it, in this process or another; the file cannot be opened or locked.
    pub(super) fn take(dir: &Path) -> Result<Self, DirectoryError> {
        let path = dir.join(LOCK_FILE_NAME);
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(io_error(dir))?;
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive)
            .and_then(|()| fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive));
        match locked {
            Ok(()) => Ok(Self(file)),
            Err(Errno::WOULDBLOCK | Errno::ACCESS) => Err(DirectoryError::Locked(dir.to_owned())),
            Err(error) => Err(io_error(dir)(error.into())),
        }
    }
}

impl Drop for DirLock {
    /// Gives up `flock` by name: closing would not while a child of this process that has not reached its `exec` yet holds a
    /// copy of the descriptor.
    fn drop(&mut self) {
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_descriptor_in_a_child_keeps_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DirLock::take(dir.path()).unwrap();
        let copy = lock.0.try_clone().unwrap();
        assert!(matches!(DirLock::take(dir.path()), Err(DirectoryError::Locked(_))));
        drop(lock);
        let again = DirLock::take(dir.path()).unwrap();
        drop(copy);
        assert!(matches!(DirLock::take(dir.path()), Err(DirectoryError::Locked(_))), "the copy ended, not the lock");
        drop(again);
    }
}
