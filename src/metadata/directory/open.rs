//! Taking possession of the log directories: lock, identity, how they were left.
//!
//! Control thread, before anything else touches the directories. The locks live as long as [`LogDirs`].

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    clean_shutdown::{self, CleanShutdown},
    error::{DirectoryError, io_error},
    files::{read_text, write_atomic},
    lock::DirLock,
    meta_properties::{self, MetaProperties},
};
use crate::types::{BrokerEpoch, NodeId, Uuid};

/// Longest `meta.properties` that is read.
const META_PROPERTIES_BYTES_MAX: u64 = 64 * 1024;

/// Who this broker is; decides which directories are its own.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `node.id` from the configuration.
    pub node_id: NodeId,
    /// Cluster id to format new directories with, and to insist on; absent means: whatever the directories say, or a new one.
    pub cluster_id: Option<String>,
}

/// One log directory in our possession.
#[derive(Debug)]
pub struct LogDir {
    /// Where it is.
    pub path: PathBuf,
    /// Its `directory.id`: the name by which partitions refer to it.
    pub id: Uuid,
    /// True if its logs were closed in order, so that they need no recovery.
    pub clean: bool,
    /// Epoch of the broker that closed it in order.
    clean_epoch: Option<BrokerEpoch>,
    /// Holds the locks; dropping it gives the directory up.
    _lock: DirLock,
}

/// All log directories of this broker, locked for as long as this lives.
#[derive(Debug)]
pub struct LogDirs {
    /// The directories in the order of `log.dirs`.
    pub dirs: Vec<LogDir>,
    /// The directory of the metadata log (`metadata.log.dir`), if it is none of `dirs`.
    metadata_dir: Option<LogDir>,
    /// Where the metadata log is.
    metadata_path: PathBuf,
    /// Directories that could not be used because of an I/O error, and which; their partitions are offline.
    pub failed: Vec<(PathBuf, io::Error)>,
    /// The cluster they belong to.
    pub cluster_id: String,
    /// True if none of them had belonged to a cluster before.
    pub formatted: bool,
}

impl LogDirs {
    /// Creates what is missing, locks every directory, checks whose it is, and reads how it was left.
    ///
    /// When this returns, identities are on the device; nothing else was changed. A directory that fails with an I/O error
    /// is left out as long as another works, as Kafka does; that of the metadata log must work.
    ///
    /// # Errors
    /// A directory cannot be used; nothing of an existing identity was changed.
    pub fn open(log_dirs: &[PathBuf], metadata_dir: &Path, identity: &Identity) -> Result<Self, DirectoryError> {
        if log_dirs.is_empty() {
            return Err(DirectoryError::None);
        }
        let mut paths: Vec<&Path> = log_dirs.iter().map(PathBuf::as_path).collect();
        if !paths.contains(&metadata_dir) {
            paths.push(metadata_dir);
        }
        let mut found = Vec::with_capacity(paths.len());
        let mut failed = Vec::new();
        for path in paths {
            match possess(path) {
                Ok((lock, properties)) => found.push((path, lock, properties)),
                Err(DirectoryError::Io { path, source }) if path != metadata_dir => failed.push((path, source)),
                Err(error) => return Err(error),
            }
        }
        if failed.len() == log_dirs.len() {
            let (path, source) = failed.swap_remove(0);
            return Err(DirectoryError::Io { path, source });
        }
        let cluster_id = agreed_cluster_id(&found, identity)?;
        let formatted = found.iter().all(|(_, _, properties)| properties.is_none());
        let mut seen: BTreeMap<Uuid, &Path> = BTreeMap::new();
        let mut dirs = Vec::with_capacity(found.len());
        for (path, lock, properties) in found {
            let id = identify(path, properties, identity.node_id, &cluster_id)?;
            if let Some(first) = seen.insert(id, path) {
                return Err(DirectoryError::SameDirectoryId { first: first.to_owned(), second: path.to_owned(), id });
            }
            let (clean, clean_epoch) = match clean_shutdown::read(path).map_err(io_error(path))? {
                CleanShutdown::Unclean => (false, None),
                CleanShutdown::Clean(epoch) => (true, epoch),
            };
            dirs.push(LogDir { path: path.to_owned(), id, clean, clean_epoch, _lock: lock });
        }
        let separate = !log_dirs.iter().any(|dir| dir == metadata_dir);
        let own = if separate { dirs.pop() } else { None };
        Ok(Self { dirs, metadata_dir: own, metadata_path: metadata_dir.to_owned(), failed, cluster_id, formatted })
    }

    /// The broker epoch that left all directories in order; absent if any was not, or if they disagree (LogManager.scala).
    pub fn previous_broker_epoch(&self) -> Option<BrokerEpoch> {
        let first = self.dirs.first()?.clean_epoch?;
        let agreed = self.failed.is_empty() && self.dirs.iter().all(|dir| dir.clean_epoch == Some(first));
        agreed.then_some(first)
    }

    /// Where the metadata log is.
    pub fn metadata_path(&self) -> &Path {
        &self.metadata_path
    }

    /// `directory.id` of the directory that the metadata log is in.
    pub fn metadata_id(&self) -> Uuid {
        let shared = || self.dirs.iter().find(|dir| dir.path == self.metadata_path);
        self.metadata_dir.as_ref().or_else(shared).map_or(Uuid::ZERO, |dir| dir.id)
    }

    /// The ids of the directories, in the order of `log.dirs`.
    pub fn ids(&self) -> Vec<Uuid> {
        self.dirs.iter().map(|dir| dir.id).collect()
    }

    /// Removes the clean markers, for good when this returns. To be called before anything in the directories is written;
    /// [`crate::metadata::directory::LogDir::clean`] still says how they were left.
    ///
    /// # Errors
    /// A marker could not be removed.
    pub fn remove_clean_markers(&self) -> Result<(), DirectoryError> {
        let all = self.dirs.iter().chain(&self.metadata_dir);
        all.into_iter().try_for_each(|dir| clean_shutdown::remove(&dir.path).map_err(io_error(&dir.path)))
    }

    /// Says in the given directories that all their logs are complete. To be called last, when every log in them is closed.
    ///
    /// # Errors
    /// A marker could not be written; that directory will be recovered at the next start.
    pub fn mark_clean(&self, epoch: BrokerEpoch, failed: &[Uuid]) -> Result<(), DirectoryError> {
        for dir in self.dirs.iter().filter(|dir| !failed.contains(&dir.id)) {
            clean_shutdown::write(&dir.path, epoch).map_err(io_error(&dir.path))?;
        }
        Ok(())
    }
}

/// Creates a directory if need be, locks it and reads whose it is.
fn possess(dir: &Path) -> Result<(DirLock, Option<MetaProperties>), DirectoryError> {
    fs::create_dir_all(dir).map_err(io_error(dir))?;
    let lock = DirLock::take(dir)?;
    Ok((lock, read_properties(dir)?))
}

/// Reads whose directory it is; `None` if it is nobody's yet, which only an empty one can be.
fn read_properties(dir: &Path) -> Result<Option<MetaProperties>, DirectoryError> {
    let text = read_text(&dir.join(meta_properties::FILE_NAME), META_PROPERTIES_BYTES_MAX).map_err(io_error(dir))?;
    let Some(text) = text else {
        return match first_data_folder(dir).map_err(io_error(dir))? {
            None => Ok(None),
            Some(entry) => Err(DirectoryError::ForeignData { path: dir.to_owned(), entry }),
        };
    };
    MetaProperties::parse(&text).map(Some).map_err(|reason| DirectoryError::BadMetaProperties { path: dir.to_owned(), reason })
}

/// A folder in the directory that may hold data; `lost+found` is the file system's own.
fn first_data_folder(dir: &Path) -> io::Result<Option<String>> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && entry.file_name() != "lost+found" {
            return Ok(Some(entry.file_name().to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

/// The one cluster id that the configuration and all directories agree on; a new one if nobody names any.
fn agreed_cluster_id(
    found: &[(&Path, DirLock, Option<MetaProperties>)],
    identity: &Identity,
) -> Result<String, DirectoryError> {
    let mut agreed = identity.cluster_id.clone().map(|id| (id, "the configuration".to_owned()));
    for (path, _, properties) in found {
        let Some(properties) = properties else { continue };
        if properties.node_id != identity.node_id {
            let (found, expected) = (properties.node_id, identity.node_id);
            return Err(DirectoryError::OtherNode { path: path.to_path_buf(), found, expected });
        }
        match &agreed {
            None => agreed = Some((properties.cluster_id.clone(), format!("{}/meta.properties", path.display()))),
            Some((expected, _)) if *expected == properties.cluster_id => {}
            Some((expected, from)) => {
                return Err(DirectoryError::OtherCluster {
                    path: path.to_path_buf(),
                    found: properties.cluster_id.clone(),
                    expected: expected.clone(),
                    expected_from: from.clone(),
                });
            }
        }
    }
    match agreed {
        Some((id, _)) => Ok(id),
        None => Uuid::random().map(|id| id.to_string()).map_err(io_error(found[0].0)),
    }
}

/// The id of a directory; gives it one, and an identity, if it has none.
fn identify(dir: &Path, properties: Option<MetaProperties>, node_id: NodeId, cluster_id: &str) -> Result<Uuid, DirectoryError> {
    if let Some(id) = properties.and_then(|properties| properties.directory_id) {
        return Ok(id);
    }
    let id = Uuid::random().map_err(io_error(dir))?;
    let properties = MetaProperties { cluster_id: cluster_id.to_owned(), node_id, directory_id: Some(id) };
    write_atomic(&dir.join(meta_properties::FILE_NAME), properties.print().as_bytes()).map_err(io_error(dir))?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(node: i32, cluster: Option<&str>) -> Identity {
        Identity { node_id: NodeId(node), cluster_id: cluster.map(str::to_owned) }
    }

    #[test]
    fn directories_keep_their_identity() {
        let root = tempfile::tempdir().unwrap();
        let mut paths = vec![root.path().join("a"), root.path().join("b")];
        let (ids, cluster) = {
            let dirs = LogDirs::open(&paths, &paths[0], &identity(1, None)).unwrap();
            assert!(dirs.formatted && !dirs.dirs[0].clean && dirs.previous_broker_epoch().is_none());
            dirs.mark_clean(BrokerEpoch(5), &[]).unwrap();
            (dirs.ids(), dirs.cluster_id)
        };
        paths.push(root.path().join("c"));
        let dirs = LogDirs::open(&paths, &paths[0], &identity(1, None)).unwrap();
        assert_eq!(dirs.ids()[..2], ids);
        assert_eq!(dirs.cluster_id, cluster, "a new directory joins the cluster of the others");
        assert!(!dirs.formatted && dirs.dirs[1].clean && !dirs.dirs[2].clean);
        assert_eq!(dirs.previous_broker_epoch(), None, "one directory was not left in order");
        dirs.mark_clean(BrokerEpoch(9), &[]).unwrap();
        drop(dirs);
        for marker in [Some(BrokerEpoch(9)), Some(BrokerEpoch(9)), None] {
            let dirs = LogDirs::open(&paths, &paths[0], &identity(1, Some(&cluster))).unwrap();
            assert_eq!(dirs.previous_broker_epoch(), marker, "a start that got no further changes nothing");
            if paths[0].join("second").exists() {
                dirs.remove_clean_markers().unwrap();
            }
            fs::write(paths[0].join("second"), "").unwrap();
        }
    }

    #[test]
    fn a_directory_has_one_owner_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let paths = [root.path().to_owned()];
        let first = LogDirs::open(&paths, &paths[0], &identity(1, None)).unwrap();
        assert!(matches!(LogDirs::open(&paths, &paths[0], &identity(1, None)), Err(DirectoryError::Locked(_))));
        drop(first);
        LogDirs::open(&paths, &paths[0], &identity(1, None)).unwrap();
    }

    #[test]
    fn foreign_directories_are_refused_and_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().to_owned();
        drop(LogDirs::open(std::slice::from_ref(&path), &path, &identity(1, Some("one"))).unwrap());
        let before = fs::read(path.join("meta.properties")).unwrap();
        let refusal = |id: &Identity| LogDirs::open(std::slice::from_ref(&path), &path, id).unwrap_err().to_string();
        assert!(refusal(&identity(2, None)).contains("set node.id=1"));
        assert!(refusal(&identity(1, Some("two"))).contains("the configuration says cluster.id=two"));
        assert_eq!(fs::read(path.join("meta.properties")).unwrap(), before);
        fs::remove_file(path.join("meta.properties")).unwrap();
        fs::create_dir(path.join("orders-0")).unwrap();
        assert!(refusal(&identity(1, None)).contains("holds orders-0 but no meta.properties"));
    }

    #[test]
    fn a_directory_that_fails_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        let paths = [root.path().join("a"), root.path().join("file/b")];
        fs::write(root.path().join("file"), "").unwrap();
        let dirs = LogDirs::open(&paths, &paths[0], &identity(1, None)).unwrap();
        assert_eq!((dirs.dirs.len(), dirs.failed.len()), (1, 1));
        dirs.mark_clean(BrokerEpoch(3), &[]).unwrap();
        drop(dirs);
        let dirs = LogDirs::open(&paths, &paths[0], &identity(1, None)).unwrap();
        assert_eq!(dirs.previous_broker_epoch(), None, "nobody knows how the failed directory was left");
        drop(dirs);
        assert!(matches!(LogDirs::open(&paths[1..], &paths[1], &identity(1, None)), Err(DirectoryError::Io { .. })));
    }

    #[test]
    fn the_metadata_may_have_a_directory_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        let paths = [root.path().join("a"), root.path().join("b")];
        let metadata = root.path().join("metadata");
        let dirs = LogDirs::open(&paths, &metadata, &identity(1, None)).unwrap();
        assert_eq!((dirs.dirs.len(), dirs.metadata_path()), (2, metadata.as_path()));
        assert!(metadata.join("meta.properties").exists() && !dirs.ids().contains(&dirs.metadata_id()));
        let shared = LogDirs::open(&paths[..1], &paths[0], &identity(1, None));
        assert!(matches!(shared, Err(DirectoryError::Locked(_))));
        drop(dirs);
        let shared = LogDirs::open(&paths, &paths[1], &identity(1, None)).unwrap();
        assert_eq!(shared.metadata_id(), shared.ids()[1]);
    }

    #[test]
    fn a_copied_directory_is_recognised() {
        let root = tempfile::tempdir().unwrap();
        let paths = [root.path().join("a"), root.path().join("b")];
        drop(LogDirs::open(&paths[..1], &paths[0], &identity(1, None)).unwrap());
        fs::create_dir(&paths[1]).unwrap();
        fs::copy(paths[0].join("meta.properties"), paths[1].join("meta.properties")).unwrap();
        assert!(matches!(LogDirs::open(&paths, &paths[0], &identity(1, None)), Err(DirectoryError::SameDirectoryId { .. })));
    }
}
