//! Folders and small files, on the shard's pool of blocking threads: never on the shard itself.

use std::{
    cell::Cell,
    ffi::OsString,
    fs, io,
    io::{Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use super::priority;

/// Runs `work` on a thread where it may block.
///
/// # Errors
/// Those of `work`, or that it panicked (glommio would otherwise wait for it for ever).
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let guarded = move || {
        // Making or removing a file can take the kernel 0.4 ms, and a thousand of them come at once with a topic.
        priority::step_back();
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(io::Error::other("blocking work panicked: a defect of corelog")))
    };
    let _under_way = UnderWay::begin();
    glommio::executor().spawn_blocking(guarded).await
}

thread_local! {
    static UNDER_WAY: Cell<usize> = const { Cell::new(0) };
}

/// Counts the blocking work of this shard that somebody waits for.
struct UnderWay;

impl UnderWay {
    fn begin() -> Self {
        UNDER_WAY.set(UNDER_WAY.get() + 1);
        Self
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.set(UNDER_WAY.get() - 1);
    }
}

/// Blocking work of this shard under way: an executor that ended now would make its pool's threads panic.
pub(super) fn under_way() -> usize {
    UNDER_WAY.get()
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    let path = path.display().to_string();
    move |error| io::Error::new(error.kind(), format!("{path}: {error}"))
}

/// Reads a small file; one over `max_bytes` is an error.
///
/// # Errors
/// What the operating system says, with the path.
pub async fn read(path: &Path, max_bytes: usize) -> io::Result<Vec<u8>> {
    let path = path.to_owned();
    blocking(move || {
        let file = fs::File::open(&path).map_err(at(&path))?;
        let mut bytes = Vec::new();
        file.take(max_bytes as u64 + 1).read_to_end(&mut bytes).map_err(at(&path))?;
        if bytes.len() > max_bytes {
            return Err(io::Error::other(format!("{}: over {max_bytes} bytes", path.display())));
        }
        Ok(bytes)
    })
    .await
}

/// Replaces a file as a whole: after a crash there is the old or the new one. Durable when it returns.
///
/// # Errors
/// What the operating system says, with the path.
pub async fn write_atomic(path: &Path, bytes: Vec<u8>) -> io::Result<()> {
    let path = path.to_owned();
    blocking(move || {
        let mut beside = path.clone().into_os_string();
        beside.push(".tmp");
        let beside = PathBuf::from(beside);
        let mut file = fs::File::create(&beside).map_err(at(&beside))?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(at(&beside))?;
        fs::rename(&beside, &path).map_err(at(&path))?;
        sync_parent(&path)
    })
    .await
}

fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(parent).and_then(|folder| folder.sync_all()).map_err(at(parent))
}

/// Makes a folder and those above it that are missing. Durable when it returns.
///
/// # Errors
/// What the operating system says, with the path.
pub async fn create_dir(path: &Path) -> io::Result<()> {
    let path = path.to_owned();
    blocking(move || {
        let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()).collect();
        fs::create_dir_all(&path).map_err(at(&path))?;
        missing.into_iter().try_for_each(sync_parent)
    })
    .await
}

/// Renames a file or folder within its folder and makes that durable.
///
/// # Errors
/// What the operating system says, with the path.
pub async fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (from.to_owned(), to.to_owned());
    blocking(move || fs::rename(&from, &to).map_err(at(&from)).and_then(|()| sync_parent(&to))).await
}

/// Removes a file; one that is not there is no error.
///
/// # Errors
/// What the operating system says, with the path.
pub async fn remove_file(path: &Path) -> io::Result<()> {
    remove_files(vec![path.to_owned()]).await
}

/// Removes files; those that are not there are no error.
///
/// # Errors
/// What the operating system says of the first that it cannot remove, with the path.
pub async fn remove_files(paths: Vec<PathBuf>) -> io::Result<()> {
    blocking(move || paths.iter().try_for_each(|path| absent_is_fine(fs::remove_file(path)).map_err(at(path)))).await
}

/// Removes a folder and all in it; one that is not there is no error.
///
/// # Errors
/// What the operating system says, with the path.
pub async fn remove_dir_all(path: &Path) -> io::Result<()> {
    let path = path.to_owned();
    blocking(move || absent_is_fine(fs::remove_dir_all(&path)).map_err(at(&path))).await
}

/// What it is to a removal or a renaming that there was nothing: no error.
///
/// # Errors
/// All others.
pub fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// True where flushing one file makes what was written in place to every file of the same file system durable: there a
/// flush of a file without dirty metadata is a flush of the device (ext4, XFS). Copy-on-write and stacked file systems
/// promise no such thing.
pub fn flush_is_the_devices(path: &Path) -> bool {
    const EXT4: rustix::fs::FsWord = 0xef53;
    const XFS: rustix::fs::FsWord = 0x5846_5342;
    rustix::fs::statfs(path).is_ok_and(|stat| matches!(stat.f_type, EXT4 | XFS))
}

/// Names and sizes in bytes of what is in a folder, in the order of names.
///
/// # Errors
/// What the operating system says, with the path.
pub async fn list(path: &Path) -> io::Result<Vec<(OsString, u64)>> {
    let path = path.to_owned();
    blocking(move || {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&path).map_err(at(&path))? {
            let entry = entry.map_err(at(&path))?;
            entries.push((entry.file_name(), entry.metadata().map_err(at(&path))?.len()));
        }
        entries.sort();
        Ok(entries)
    })
    .await
}

/// Makes what was created, renamed and removed in a folder durable.
///
/// # Errors
/// What the operating system says, with the path.
pub async fn sync_dir(path: &Path) -> io::Result<()> {
    let path = path.to_owned();
    blocking(move || fs::File::open(&path).and_then(|folder| folder.sync_all()).map_err(at(&path))).await
}

/// Bytes that are free and in all, on the file system of `path`.
///
/// # Errors
/// What the operating system says, with the path.
pub async fn space(path: &Path) -> io::Result<Space> {
    let path = path.to_owned();
    blocking(move || {
        let stat = rustix::fs::statvfs(&path).map_err(io::Error::from).map_err(at(&path))?;
        Ok(Space { free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize), total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize) })
    })
    .await
}

/// How much a file system holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that can still be written.
    pub free_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

/// Bytes that are free on the file system of `path`.
///
/// # Errors
/// What the operating system says, with the path.
pub async fn free_bytes(path: &Path) -> io::Result<u64> {
    space(path).await.map(|space| space.free_bytes)
}
