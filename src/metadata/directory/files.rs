//! Small files that are whole or absent, whatever happens while they are written.
//!
//! Synchronous, for the control thread.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// Makes names created, renamed or removed in `dir` survive a power loss.
///
/// # Errors
/// The directory cannot be opened or flushed.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Writes a small file so that it holds either its old content or all of `content`. When this returns, it is on the device.
///
/// # Errors
/// Any step failed; the old file is then untouched.
pub(crate) fn write_atomic(path: &Path, content: &[u8]) -> io::Result<()> {
    write_whole(path, content)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// As [`write_atomic`], but a power loss soon after may bring the old file back whole. One flush less.
///
/// # Errors
/// Any step failed; the old file is then untouched.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    let mut file = File::create(temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

/// Reads a file that may be absent, refusing one over `bytes_max` so that a wrong file cannot fill the memory.
///
/// # Errors
/// The file exists and cannot be read, is longer, or is not UTF-8.
pub(crate) fn read_text(path: &Path, bytes_max: u64) -> io::Result<Option<String>> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if metadata.len() > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{} bytes long, at most {bytes_max} expected", metadata.len())));
    }
    fs::read_to_string(path).map(Some)
}
