//! A full segment becomes a Kafka segment in its final form: trimmed to its size, its indexes and the producer snapshot of
//! the segment that follows beside it, all flushed. In the background; a restart before it is done scans the segment.

use std::{io, rc::Rc};

use crate::{runtime::fs, types::Offset};

use super::{
    entries::Parts,
    names::{self, Kind},
    prepare::NextSegment,
    segment::{Folder, Segment, Stage},
    shared::LogShared,
    spare::{self, Spares},
    write::sync_path,
};

/// Seals `segment`. Nothing is written to it any more.
pub(super) async fn seal(segment: Rc<Segment>, shared: Rc<LogShared>, next: Rc<NextSegment>) -> io::Result<()> {
    // Before the permit: a step that is announced needs one to end.
    segment.runway().stop().await;
    let _permit = shared.permits.take().await;
    if segment.stage.get() != Stage::Sealing {
        return Ok(());
    }
    match finish(&segment, &shared, &next.spares).await {
        // It was deleted meanwhile (DeleteRecords): its files may be anywhere or nowhere, and nobody needs them.
        Err(error) if segment.stage.get() == Stage::Deleted => {
            tracing::debug!(base = %segment.base, %error, "a segment was deleted while it was being sealed");
            Ok(())
        }
        result => result,
    }
}

async fn finish(segment: &Rc<Segment>, shared: &LogShared, spares: &Spares) -> io::Result<()> {
    write_indexes(segment, spares).await?;
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
async fn write_indexes(segment: &Segment, spares: &Spares) -> io::Result<()> {
    push_last_time(segment);
    let Some((offsets, times)) = segment.indexes.borrow_mut().as_mut().map(|indexes| {
        indexes.shrink();
        (indexes.offsets.encode(), indexes.times.encode())
    }) else {
        return Ok(());
    };
    let files = vec![(Kind::Index, segment.base, offsets), (Kind::TimeIndex, segment.base, times)];
    write_files(segment.folder(), spares, files).await
}

/// Notes the segment's largest timestamp as its last time entry.
pub(super) fn push_last_time(segment: &Segment) {
    if let (Some(largest), Some(indexes)) = (segment.largest.get(), segment.indexes.borrow_mut().as_mut()) {
        indexes.times.push(largest);
    }
}

/// Writes the producer state as of `offset`.
pub(super) async fn write_snapshot(folder: &Folder, spares: &Spares, offset: Offset, bytes: Vec<u8>) -> io::Result<()> {
    write_files(folder, spares, vec![(Kind::Snapshot, offset, bytes.into())]).await
}

/// Makes small files of segments whose content is durable. A name may be lost in a crash: what the file says is found in the
/// batches as well.
async fn write_files(folder: &Folder, spares: &Spares, files: Vec<(Kind, Offset, Parts)>) -> io::Result<()> {
    let _stay = folder.stay().await;
    let path = folder.path();
    let places: Vec<_> = files
        .into_iter()
        .map(|(kind, offset, content)| (names::path(&path, kind, offset), spares.take(kind, folder), content))
        .collect();
    fs::blocking(move || {
        for (path, spare, content) in places {
            if let Some(spare) = spare
                && spare::write_again(&spare, &path, &content)?
            {
                continue;
            }
            content.write_as(&path)?;
            sync_path(&path)?;
        }
        Ok(())
    })
    .await
}
