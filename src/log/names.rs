//! Names of the files in a partition's folder: Kafka's, plus ours that Kafka ignores or cleans up.
//!
//! Pure: no I/O. The 20 digits are the base offset of a segment, or the offset that a producer snapshot is valid up to.

use std::path::{Path, PathBuf};

use crate::types::Offset;

/// Topic id of the folder, so that a topic made anew under an old name is told from the old one.
pub(super) const PARTITION_METADATA: &str = "partition.metadata";
/// Start offset of every leader epoch.
pub(super) const LEADER_EPOCHS: &str = "leader-epoch-checkpoint";
/// Ours: what was known at an offset that was durable, so that a restart reads only what came after (see `state`).
pub(super) const STATE: &str = "corelog.state";
/// Ours: why the partition is refused until an operator has decided (see `recovery`).
pub(super) const DAMAGED: &str = "corelog.damaged";
/// Ours: the next segment, made in advance. It ends in `.deleted` so that Kafka and we ourselves clear it away.
pub(super) const NEXT_SEGMENT: &str = "corelog-next.deleted";

/// What a file that is named by an offset holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Record batches, back to back.
    Log,
    /// Offsets to positions.
    Index,
    /// Timestamps to offsets.
    TimeIndex,
    /// Aborted transactions.
    TxnIndex,
    /// Producer state.
    Snapshot,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Log, Kind::Index, Kind::TimeIndex, Kind::TxnIndex, Kind::Snapshot];
    /// The files of one segment that are deleted together.
    pub(super) const OF_SEGMENT: [Kind; 5] = Kind::ALL;
    /// Those of them that are beside the batches.
    pub(super) const BESIDE_LOG: [Kind; 4] = [Kind::Index, Kind::TimeIndex, Kind::TxnIndex, Kind::Snapshot];

    const fn suffix(self) -> &'static str {
        match self {
            Kind::Log => "log",
            Kind::Index => "index",
            Kind::TimeIndex => "timeindex",
            Kind::TxnIndex => "txnindex",
            Kind::Snapshot => "snapshot",
        }
    }
}

/// What becomes of a file that a start finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Part of the log.
    File(Kind, Offset),
    /// The result of a compaction whose swap was interrupted: it takes the place of what it was made from.
    Swap(Kind, Offset),
    /// Left over from a deletion, a compaction or a preparation that did not finish: to be removed.
    Leftover,
    /// Not named by an offset.
    Other,
}

/// The file name of `kind` at `offset`.
pub(super) fn of(kind: Kind, offset: Offset) -> String {
    format!("{:020}.{}", offset.get(), kind.suffix())
}

/// The path of `kind` at `offset` in `folder`.
pub(super) fn path(folder: &Path, kind: Kind, offset: Offset) -> PathBuf {
    folder.join(of(kind, offset))
}

/// The path of `kind` at `offset` once its segment is deleted.
pub(super) fn deleted(folder: &Path, kind: Kind, offset: Offset) -> PathBuf {
    let mut path = path(folder, kind, offset);
    path.as_mut_os_string().push(".deleted");
    path
}

/// What the file `name` is (LogLoader.java, removeTempFilesAndCollectSwapFiles).
pub(super) fn classify(name: &str) -> Found {
    if name.ends_with(".deleted") || name.ends_with(".cleaned") || name.ends_with(".tmp") {
        return Found::Leftover;
    }
    match name.strip_suffix(".swap") {
        Some(inner) => offset_file(inner).map_or(Found::Other, |(kind, offset)| Found::Swap(kind, offset)),
        None => offset_file(name).map_or(Found::Other, |(kind, offset)| Found::File(kind, offset)),
    }
}

fn offset_file(name: &str) -> Option<(Kind, Offset)> {
    let (digits, suffix) = name.split_once('.')?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let kind = Kind::ALL.into_iter().find(|kind| kind.suffix() == suffix)?;
    Some((kind, Offset::new(digits.parse().ok()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_leftovers_are_told_apart() {
        let offset = Offset::saturating(1234);
        assert_eq!(of(Kind::Log, offset), "00000000000000001234.log");
        for kind in Kind::ALL {
            assert_eq!(classify(&of(kind, offset)), Found::File(kind, offset));
            assert_eq!(classify(&format!("{}.swap", of(kind, offset))), Found::Swap(kind, offset));
            assert_eq!(classify(&format!("{}.deleted", of(kind, offset))), Found::Leftover);
        }
        assert_eq!(classify(NEXT_SEGMENT), Found::Leftover);
        assert_eq!(classify(PARTITION_METADATA), Found::Other);
        assert_eq!(classify("99999999999999999999.log"), Found::Other, "above the largest offset");
        assert_eq!(classify("1.log"), Found::Other);
    }
}
