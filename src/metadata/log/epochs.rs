//! `leader-epoch-checkpoint`: where each raft epoch starts in the log (LeaderEpochCheckpointFile.java).
//!
//! Control thread. Kept for Kafka and for followers to come; corelog itself starts without it.

use std::{fmt::Write, io, path::Path};

use crate::{
    metadata::directory::{read_text, write_whole},
    types::Offset,
};

/// Name of the file in the metadata folder.
const FILE_NAME: &str = "leader-epoch-checkpoint";
/// Longest file that is read: about 30,000 epochs, each a start of the broker.
const BYTES_MAX: u64 = 1024 * 1024;

/// An epoch and its first offset.
pub(super) type EpochStart = (i32, Offset);

/// Reads the file; anything wrong with it makes it empty, since it can be told from the log.
pub(super) fn read(dir: &Path) -> io::Result<Vec<EpochStart>> {
    match read_text(&dir.join(FILE_NAME), BYTES_MAX) {
        Ok(text) => Ok(text.and_then(|text| parse(&text)).unwrap_or_default()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn parse(text: &str) -> Option<Vec<EpochStart>> {
    let mut lines = text.lines();
    let version = lines.next()?;
    let count: usize = lines.next()?.trim().parse().ok()?;
    let mut starts: Vec<EpochStart> = Vec::new();
    for line in lines {
        let (epoch, start) = line.split_once(' ')?;
        let (epoch, start) = (epoch.parse().ok()?, Offset::new(start.parse().ok()?)?);
        if starts.last().is_some_and(|last| *last >= (epoch, start) || last.1 > start) {
            return None;
        }
        starts.push((epoch, start));
    }
    (version.trim() == "0" && starts.len() == count).then_some(starts)
}

/// Adds an epoch that starts at `start`, forgetting what lies outside the log.
pub(super) fn started(mut starts: Vec<EpochStart>, log_start: Offset, epoch: i32, start: Offset) -> Vec<EpochStart> {
    starts.retain(|(other, begin)| *other < epoch && *begin <= start);
    // The epoch that the log starts in begins, as far as anyone can still see, at its start.
    while starts.get(1).is_some_and(|(_, begin)| *begin <= log_start) {
        starts.remove(0);
    }
    if let Some((_, begin)) = starts.first_mut() {
        *begin = (*begin).max(log_start);
    }
    starts.push((epoch, start));
    starts
}

/// Writes the file. A power loss may bring the old one back: Kafka completes it from the log, and so does corelog.
pub(super) fn write(dir: &Path, starts: &[EpochStart]) -> io::Result<()> {
    let mut text = format!("0\n{}\n", starts.len());
    for (epoch, start) in starts {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{epoch} {start}");
    }
    write_whole(&dir.join(FILE_NAME), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Offset {
        Offset::saturating(offset)
    }

    #[test]
    fn kafkas_file_is_read_and_continued() {
        let starts = parse("0\n2\n1 0\n3 22\n").unwrap();
        assert_eq!(starts, [(1, at(0)), (3, at(22))]);
        assert_eq!(started(starts.clone(), at(0), 4, at(30)), [(1, at(0)), (3, at(22)), (4, at(30))]);
        assert_eq!(started(starts.clone(), at(25), 4, at(30)), [(3, at(25)), (4, at(30))]);
        assert_eq!(started(starts, at(0), 3, at(22)), [(1, at(0)), (3, at(22))], "what was truncated is replaced");
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), []);
        write(dir.path(), &[(1, at(0)), (2, at(7))]).unwrap();
        assert_eq!(read(dir.path()).unwrap(), [(1, at(0)), (2, at(7))]);
    }

    #[test]
    fn a_damaged_file_counts_as_none() {
        for text in ["", "1\n0\n", "0\n2\n1 0\n", "0\n2\n2 5\n1 9\n", "0\n1\n1 -4\n", "0\nx\n"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
