//! A full segment becomes a Kafka segment in its final form: trimmed to its size, its indexes and the producer snapshot of
//! the segment that follows beside it, all flushed. In the background; a restart before it is done scans the segment.

use std::{io, path::PathBuf, rc::Rc};

use crate::{runtime::fs, types::Offset};

use super::{
    names::{self, Kind},
    segment::{Folder, Segment, Stage},
    shared::LogShared,
    write::sync_path,
};

/// Seals `segment`. Nothing is written to it any more.
pub(super) async fn seal(segment: Rc<Segment>, shared: Rc<LogShared>) -> io::Result<()> {
    // Before the permit: a step that is announced needs one to end.
    segment.runway().stop().await;
    let _permit = shared.permits.take().await;
    if segment.stage.get() != Stage::Sealing {
        return Ok(());
    }
    match finish(&segment, &shared).await {
        // It was deleted meanwhile (DeleteRecords): its files may be anywhere or nowhere, and nobody needs them.
        Err(error) if segment.stage.get() == Stage::Deleted => {
            tracing::debug!(base = %segment.base, %error, "a segment was deleted while it was being sealed");
            Ok(())
        }
        result => result,
    }
}

async fn finish(segment: &Rc<Segment>, shared: &LogShared) -> io::Result<()> {
    write_indexes(segment, true).await?;
    let file = segment.open(shared).await?;
    let dirty = segment.dirty.get();
    file.truncate(segment.length.get()).await?;
    file.sync_data().await?;
    segment.clean.set(dirty.max(segment.clean.get()));
    if segment.stage.get() == Stage::Sealing {
        segment.stage.set(Stage::Sealed);
    }
    Ok(())
}

/// Writes the index files; the last time entry says what the segment's largest timestamp is.
pub(super) async fn write_indexes(segment: &Segment, durable: bool) -> io::Result<()> {
    push_last_time(segment);
    let Some((offsets, times)) = segment.indexes.borrow_mut().as_mut().map(|indexes| {
        indexes.offsets.shrink();
        indexes.times.shrink();
        (indexes.offsets.encode(), indexes.times.encode())
    }) else {
        return Ok(());
    };
    let _stay = segment.folder().stay().await;
    let files = vec![(segment.path(Kind::Index), offsets), (segment.path(Kind::TimeIndex), times)];
    write_files(files, durable).await
}

/// Notes the segment's largest timestamp as its last time entry.
pub(super) fn push_last_time(segment: &Segment) {
    if let (Some(largest), Some(indexes)) = (segment.largest.get(), segment.indexes.borrow_mut().as_mut()) {
        indexes.times.push(largest);
    }
}

/// Writes the producer state as of `offset`.
pub(super) async fn write_snapshot(folder: &Folder, offset: Offset, bytes: Vec<u8>, durable: bool) -> io::Result<()> {
    let _stay = folder.stay().await;
    write_files(vec![(names::path(&folder.path(), Kind::Snapshot, offset), bytes)], durable).await
}

async fn write_files(files: Vec<(PathBuf, Vec<u8>)>, durable: bool) -> io::Result<()> {
    fs::blocking(move || {
        for (path, bytes) in files {
            std::fs::write(&path, bytes)?;
            if durable {
                sync_path(&path)?;
            }
        }
        Ok(())
    })
    .await
}
