//! Files under direct I/O: aligned reads and writes, flushed only when asked.
//!
//! Positions, lengths and memory are multiples of the I/O alignment. An operation in flight keeps its buffer and its file
//! alive, so dropping its future loses only the result.

use std::{io, path::Path, rc::Rc};

use glommio::io::{DmaFile, OpenOptions};

use super::{
    buffer::{AlignedBuf, SharedBuf, Slice},
    descriptor,
};
use crate::types::limits::IO_ALIGNMENT;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// To read what is there.
    Read,
    /// To read and write a file that is there.
    Write,
    /// To read and write a file that must not be there yet. The caller flushes the folder.
    CreateNew,
}

/// An open file. Clones share the descriptor; the last one closes it.
#[derive(Clone, Debug)]
pub struct DirectFile {
    file: Rc<DmaFile>,
}

impl DirectFile {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// What the operating system says, with the path.
    pub async fn open(path: &Path, mode: OpenMode) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::Write => {
                options.write(true);
            }
            OpenMode::CreateNew => {
                options.write(true).create_new(true);
            }
        }
        let file = options.dma_open(path).await.map_err(io_error)?;
        Ok(Self { file: Rc::new(file) })
    }

    /// Writes the whole buffer at `position`. When it returns, the device has taken the bytes; they are durable after a
    /// flush that began later. Never two writes at a time for one block.
    ///
    /// # Errors
    /// What the device says. The blocks then hold anything.
    pub async fn write_at(&self, position: u64, buffer: SharedBuf) -> io::Result<()> {
        assert!(position.is_multiple_of(IO_ALIGNMENT as u64), "direct writes are aligned");
        let mut written = self.file.write_rc_at(Rc::clone(&buffer.0), position).await.map_err(io_error)?;
        // A short write is legal and rare: what is left is written from a copy, which starts on a block again.
        while written < buffer.len() {
            let whole = written / IO_ALIGNMENT * IO_ALIGNMENT;
            let rest = &buffer[whole..];
            let rest = AlignedBuf::filled(rest.len(), |bytes| {
                bytes[..rest.len()].copy_from_slice(rest);
                rest.len()
            });
            let more = self.file.write_rc_at(rest.freeze().0, position + whole as u64).await.map_err(io_error)?;
            if more < IO_ALIGNMENT {
                return Err(io::Error::new(io::ErrorKind::WriteZero, "the device takes no more"));
            }
            written = whole + more;
        }
        Ok(())
    }

    /// Reads `bytes` at `position`; fewer where the file ends.
    ///
    /// # Errors
    /// What the device says.
    pub async fn read_at(&self, position: u64, bytes: usize) -> io::Result<Slice> {
        assert!(position.is_multiple_of(IO_ALIGNMENT as u64) && bytes.is_multiple_of(IO_ALIGNMENT), "direct reads are aligned");
        let read = self.file.read_at_aligned(position, bytes).await.map_err(io_error)?;
        Ok(Slice::from_read(read))
    }

    /// Makes every completed write durable: of this file, and, where no file's size or extents changed, of every file on
    /// the same device.
    ///
    /// # Errors
    /// What the device says. Then nothing is known about any earlier write: it must not be retried.
    pub async fn sync_data(&self) -> io::Result<()> {
        self.file.fdatasync().await.map_err(io_error)
    }

    /// Cuts the file to `bytes`, or extends it with a hole.
    ///
    /// # Errors
    /// What the operating system says.
    pub async fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes).await.map_err(io_error)
    }

    /// The file's size in bytes, by its descriptor: a rename does not matter.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn size(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstat(descriptor::of(&*self.file))?;
        Ok(u64::try_from(stat.st_size).unwrap_or(0))
    }

    /// Closes the file, or only this handle if others are left.
    ///
    /// # Errors
    /// What the operating system says.
    pub async fn close(self) -> io::Result<()> {
        self.file.close_rc().await.map(drop).map_err(io_error)
    }
}

pub(super) fn io_error(error: glommio::GlommioError<()>) -> io::Error {
    let text = error.to_string();
    let source: io::Error = error.into();
    match source.raw_os_error() {
        // The kind and the number decide what is done about it, the text is for people.
        Some(_) => io::Error::new(source.kind(), text),
        None => io::Error::other(text),
    }
}
