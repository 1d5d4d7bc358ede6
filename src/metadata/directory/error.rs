//! Why log directories cannot be used, in words for the operator. No I/O.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::types::{NodeId, Uuid};

/// Why the log directories cannot be used. Printed to the operator.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum DirectoryError {
    #[error("log directory {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("log directory {} is in use: another broker (corelog or Kafka) holds its .lock; stop that one or set other log.dirs", .0.display())]
    Locked(PathBuf),
    #[error("{}/meta.properties {reason}", path.display())]
    BadMetaProperties { path: PathBuf, reason: String },
    #[error("log directory {} belongs to node.id={found}, but this broker is node.id={expected}; set node.id={found} or other log.dirs", path.display())]
    OtherNode { path: PathBuf, found: NodeId, expected: NodeId },
    #[error("log directory {} belongs to cluster.id={found}, but {expected_from} says cluster.id={expected}", path.display())]
    OtherCluster { path: PathBuf, found: String, expected: String, expected_from: String },
    #[error("log directories {} and {} have the same directory.id={id}: one is a copy of the other", first.display(), second.display())]
    SameDirectoryId { first: PathBuf, second: PathBuf, id: Uuid },
    #[error("log directory {} holds {entry} but no meta.properties: it is not known whose data this is; restore the file or empty the directory", path.display())]
    ForeignData { path: PathBuf, entry: String },
    #[error("log.dirs is empty: the broker needs at least one log directory")]
    None,
}

/// An error of the operating system, with its directory.
pub(super) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> DirectoryError {
    let path = path.to_owned();
    move |source| DirectoryError::Io { path, source }
}
