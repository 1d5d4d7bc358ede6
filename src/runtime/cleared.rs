//! Huge pages that are cleared before a shard needs them.
//!
//! The first touch of a huge page takes the kernel milliseconds on some machines, and a shard that waits for it answers nobody
//! meanwhile (`docs/performance.md`, Pauses). Here a thread of the shard's core touches them, and only while the core has nothing
//! else to do. So a page may come late: who needs memory never waits for it, and takes other memory.

use std::{cell::Cell, io, thread};

use super::sys::{Mapping, run_when_idle};

/// Where one executor gets its huge pages from.
pub(super) struct ClearedPages {
    asks: flume::Sender<()>,
    pages: flume::Receiver<io::Result<Mapping>>,
    /// One has been asked for and did not come yet.
    awaited: Cell<bool>,
}

impl ClearedPages {
    /// Starts the thread, which ends with the result. It may run where the calling thread may.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(super) fn start() -> io::Result<Self> {
        let (asks, asked) = flume::bounded(1);
        let (done, pages) = flume::bounded(1);
        let clear = move || {
            run_when_idle();
            while asked.recv().is_ok() && done.send(Mapping::cleared()).is_ok() {}
        };
        thread::Builder::new().name("corelog-pages".to_owned()).spawn(clear)?;
        Ok(Self { asks, pages, awaited: Cell::new(false) })
    }

    /// Asks for a page, unless one is on its way.
    pub(super) fn ask(&self) {
        if !self.awaited.get() {
            self.awaited.set(self.asks.try_send(()).is_ok());
        }
    }

    /// The page that was asked for, if it is there. If there was no memory for it, it can be asked for again.
    pub(super) fn take(&self) -> Option<Mapping> {
        let page = self.pages.try_recv().ok()?;
        self.awaited.set(false);
        page.ok()
    }
}
