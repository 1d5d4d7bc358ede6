//! Keeps `leader-epoch-checkpoint` as new as the epochs in memory: one write at a time, the newest content last.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
};

use crate::runtime::fs;

use super::{names, segment::Folder};

/// What is to be in the file.
#[derive(Debug, Default)]
pub(super) struct EpochFile {
    wanted: RefCell<Option<String>>,
    writing: Cell<bool>,
}

impl EpochFile {
    /// Asks for new content; true if the caller must see to it that [`EpochFile::write`] follows.
    pub(super) fn put(&self, content: String) -> bool {
        self.wanted.replace(Some(content));
        !self.writing.replace(true)
    }

    /// Writes until nothing newer is wanted.
    pub(super) async fn write(self: Rc<Self>, folder: Rc<Folder>) -> io::Result<()> {
        let result = self.write_all(&folder).await;
        self.writing.set(false);
        result
    }

    async fn write_all(&self, folder: &Folder) -> io::Result<()> {
        loop {
            let Some(content) = self.wanted.take() else {
                return Ok(());
            };
            let _stay = folder.stay().await;
            fs::write_atomic(&folder.path().join(names::LEADER_EPOCHS), content.into_bytes()).await?;
        }
    }
}
