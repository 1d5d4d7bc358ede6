//! Names of the files in the metadata folder (Snapshots.java, LogFileUtils.java).
//!
//! Pure.

use super::SnapshotId;
use crate::types::Offset;

/// Folder of the metadata log in its log directory.
pub(super) const FOLDER: &str = "__cluster_metadata-0";
/// File with the records that a new cluster starts with, at the top of the log directory.
pub(super) const BOOTSTRAP: &str = "bootstrap.checkpoint";
/// Ending of a snapshot.
const SNAPSHOT_SUFFIX: &str = ".checkpoint";
/// Ending of a snapshot while it is written.
pub(super) const PART_SUFFIX: &str = ".checkpoint.part";
/// Ending of a snapshot that Kafka is about to delete.
pub(super) const DELETED_SUFFIX: &str = ".checkpoint.deleted";
/// Endings of the files that Kafka keeps beside a segment; they go with it.
pub(super) const SIDE_SUFFIXES: [&str; 4] = [".index", ".timeindex", ".txnindex", ".snapshot"];

/// Name of the segment that starts at `base`.
pub(super) fn segment(base: Offset) -> String {
    side_file(base, ".log")
}

/// Name of a file beside the segment that starts at `base`.
pub(super) fn side_file(base: Offset, suffix: &str) -> String {
    format!("{:020}{suffix}", base.get())
}

/// The base offset of a segment by its file name; `None` for any other file.
pub(super) fn parse_segment(name: &str) -> Option<Offset> {
    digits(name.strip_suffix(".log")?, 20).and_then(Offset::new)
}

/// Name of a snapshot.
pub(super) fn snapshot(id: SnapshotId) -> String {
    format!("{:020}-{:010}{SNAPSHOT_SUFFIX}", id.end_offset.get(), id.epoch)
}

/// The snapshot that a file holds, by its name; `None` for any other file.
pub(super) fn parse_snapshot(name: &str) -> Option<SnapshotId> {
    let (offset, epoch) = name.strip_suffix(SNAPSHOT_SUFFIX)?.split_once('-')?;
    let end_offset = Offset::new(digits(offset, 20)?)?;
    Some(SnapshotId { end_offset, epoch: digits(epoch, 10)?.try_into().ok()? })
}

fn digits(text: &str, count: usize) -> Option<i64> {
    if text.len() != count || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas() {
        let id = SnapshotId { end_offset: Offset::saturating(4711), epoch: 3 };
        assert_eq!(snapshot(id), "00000000000000004711-0000000003.checkpoint");
        assert_eq!(parse_snapshot(&snapshot(id)), Some(id));
        assert_eq!(segment(Offset::saturating(12)), "00000000000000000012.log");
        assert_eq!(parse_segment(&segment(Offset::saturating(12))), Some(Offset::saturating(12)));
        for other in ["12.log", "+0000000000000000012.log", "99999999999999999999.log", "00000000000000000012.index"] {
            assert_eq!(parse_segment(other), None);
        }
        for other in ["bootstrap.checkpoint", "00000000000000004711-9999999999.checkpoint", "00000000000000004711-0000000003.checkpoint.part"] {
            assert_eq!(parse_snapshot(other), None);
        }
    }
}
