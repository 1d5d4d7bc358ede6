//! Files under direct I/O: aligned reads and writes, flushed only when asked.
//!
//! Positions, lengths and memory are multiples of the I/O alignment. An operation in flight keeps its buffer and its file
//! alive, so dropping its future loses only the result.

use std::{io, panic::AssertUnwindSafe, path::Path, rc::Rc};

use bytes::Bytes;
use futures_lite::FutureExt;
use glommio::io::{DmaFile, OpenOptions};

use super::{
    buffer::{AlignedBuf, SharedBuf, Slice},
    sys,
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
        // glommio panics if the file is renamed or its folder removed while it opens it.
        match AssertUnwindSafe(options.dma_open(path)).catch_unwind().await {
            Ok(file) => Ok(Self { file: Rc::new(file.map_err(io_error)?) }),
            Err(_) => Err(io::Error::new(io::ErrorKind::NotFound, format!("{}: it was moved while being opened", path.display()))),
        }
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
            let rest = AlignedBuf::build(rest.len(), |filler| filler.put(rest));
            let more = self.file.write_rc_at(rest.freeze().0, position + whole as u64).await.map_err(io_error)?;
            if more < IO_ALIGNMENT {
                return Err(io::Error::new(io::ErrorKind::WriteZero, "the device takes no more"));
            }
            written = whole + more;
        }
        Ok(())
    }

    /// [`DirectFile::write_at`] without the ring: nothing else runs on the shard until the device has taken the bytes.
    ///
    /// # Errors
    /// As there.
    pub fn write_at_in_place(&self, position: u64, buffer: &SharedBuf) -> io::Result<()> {
        assert!(position.is_multiple_of(IO_ALIGNMENT as u64), "direct writes are aligned");
        let mut whole = 0;
        while whole < buffer.len() {
            match rustix::io::pwrite(sys::descriptor(&*self.file), &buffer[whole..], position + whole as u64) {
                // As above: a short write goes on from its last block.
                Ok(more) if more >= IO_ALIGNMENT => whole += more / IO_ALIGNMENT * IO_ALIGNMENT,
                Ok(_) => return Err(io::Error::new(io::ErrorKind::WriteZero, "the device takes no more")),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads `bytes` at `position`; fewer where the file ends.
    ///
    /// # Errors
    /// What the device says.
    pub async fn read_at(&self, position: u64, bytes: usize) -> io::Result<Slice> {
        assert!(position.is_multiple_of(IO_ALIGNMENT as u64) && bytes.is_multiple_of(IO_ALIGNMENT), "direct reads are aligned");
        if bytes == 0 {
            return Ok(Slice::from(Bytes::new()));
        }
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

    /// [`DirectFile::sync_data`] without the ring: nothing else runs on the shard until the device has answered.
    ///
    /// # Errors
    /// As there.
    pub fn sync_data_in_place(&self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(sys::descriptor(&*self.file))?)
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
        let stat = rustix::fs::fstat(sys::descriptor(&*self.file))?;
        Ok(u64::try_from(stat.st_size).unwrap_or(0))
    }

    /// True if this is the only handle, and no operation is in flight.
    pub fn is_sole(&self) -> bool {
        Rc::strong_count(&self.file) == 1
    }

    /// Closes the file, or only this handle if others are left.
    ///
    /// # Errors
    /// What the operating system says.
    pub async fn close(self) -> io::Result<()> {
        self.file.close_rc().await.map(drop).map_err(io_error)
    }
}

/// The kind decides what is done about it (no space, not found); the text, with the path, is for people.
pub(super) fn io_error(error: glommio::GlommioError<()>) -> io::Error {
    let text = match &error {
        glommio::GlommioError::EnhancedIoError { source, op, path: Some(path), .. } => format!("{}: {op}: {source}", path.display()),
        glommio::GlommioError::EnhancedIoError { source, op, path: None, .. } => format!("{op}: {source}"),
        // Comes with its number.
        glommio::GlommioError::IoError(_) => return error.into(),
        other => other.to_string(),
    };
    let source: io::Error = error.into();
    io::Error::new(source.kind(), text)
}
