//! Kafka's small text files: offsets per partition of a log directory, start offsets of leader epochs, and the topic
//! id of a partition's folder (CheckpointFile.java, PartitionMetadataFile.java).
//!
//! Pure: text in, values out. Reading and writing the files is the caller's.

use std::{collections::BTreeMap, fmt::Write};

use crate::types::{LeaderEpoch, Offset, Text, TopicPartition, Uuid};

use super::epochs::EpochStart;

/// Why a checkpoint file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct CheckpointError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Writes `recovery-point-offset-checkpoint`, `log-start-offset-checkpoint` or `replication-offset-checkpoint`.
pub fn encode_offsets(offsets: &BTreeMap<TopicPartition, Offset>) -> String {
    let mut text = String::with_capacity(16 + offsets.len() * 32);
    // Invariant: writing to a String cannot fail.
    let _ = writeln!(text, "0\n{}", offsets.len());
    for (name, offset) in offsets {
        let _ = writeln!(text, "{} {} {offset}", name.topic, name.partition);
    }
    text
}

/// Reads what [`encode_offsets`] or Kafka wrote. An empty file has no offsets, as in Kafka.
///
/// # Errors
/// The first line that breaks the format.
pub fn parse_offsets(text: &str) -> Result<BTreeMap<TopicPartition, Offset>, CheckpointError> {
    let mut offsets = BTreeMap::new();
    for (line, entry) in entries(text)? {
        let wrong = |problem| CheckpointError { line, problem };
        let mut words = entry.split_ascii_whitespace();
        let (Some(topic), Some(partition), Some(offset), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(wrong("expected a topic, a partition and an offset"));
        };
        let partition = partition.parse().map_err(|_| wrong("the partition is no number"))?;
        let offset = offset.parse().ok().and_then(Offset::new).ok_or(wrong("the offset is no number"))?;
        offsets.insert(TopicPartition { topic: Text::from(topic), partition }, offset);
    }
    Ok(offsets)
}

/// Writes `leader-epoch-checkpoint`.
pub(super) fn encode_epochs(epochs: &[EpochStart]) -> String {
    let mut text = String::with_capacity(16 + epochs.len() * 24);
    let _ = writeln!(text, "0\n{}", epochs.len());
    for entry in epochs {
        let _ = writeln!(text, "{} {}", entry.epoch, entry.start);
    }
    text
}

/// Reads `leader-epoch-checkpoint`.
pub(super) fn parse_epochs(text: &str) -> Result<Vec<EpochStart>, CheckpointError> {
    let mut epochs = Vec::new();
    for (line, entry) in entries(text)? {
        let wrong = |problem| CheckpointError { line, problem };
        let (epoch, start) = entry.split_once(' ').ok_or(wrong("expected an epoch and an offset"))?;
        let epoch: i32 =
            epoch.parse().ok().filter(|epoch| *epoch >= 0).ok_or(wrong("the epoch is no number"))?;
        let start = start.trim().parse().ok().and_then(Offset::new).ok_or(wrong("the offset is no number"))?;
        epochs.push(EpochStart { epoch: LeaderEpoch(epoch), start });
    }
    Ok(epochs)
}

/// The lines after version and count, with their numbers.
fn entries(text: &str) -> Result<Vec<(usize, &str)>, CheckpointError> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let Some((line, version)) = lines.next() else {
        return Ok(Vec::new());
    };
    if version != "0" {
        return Err(CheckpointError { line, problem: "the version is not 0" });
    }
    let Some((line, count)) = lines.next() else {
        return Err(CheckpointError { line: 2, problem: "the number of entries is missing" });
    };
    let count: usize = count.parse().map_err(|_| CheckpointError { line, problem: "the number of entries is no number" })?;
    let entries: Vec<_> = lines.filter(|(_, line)| !line.is_empty()).collect();
    if entries.len() != count {
        return Err(CheckpointError { line, problem: "the number of entries is not that of the lines" });
    }
    Ok(entries)
}

/// Writes `partition.metadata`.
pub(super) fn encode_partition_metadata(topic_id: Uuid) -> String {
    format!("version: 0\ntopic_id: {topic_id}")
}

/// Reads `partition.metadata`; `None` if it is malformed or names no topic.
pub(super) fn parse_partition_metadata(text: &str) -> Option<Uuid> {
    let mut version = None;
    let mut topic_id = None;
    for line in text.lines() {
        match line.split_once(':')? {
            ("version", value) => version = Some(value.trim()),
            ("topic_id", value) => topic_id = Uuid::parse(value.trim()),
            _ => return None,
        }
    }
    topic_id.filter(|id| version == Some("0") && !id.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_read_back() {
        let offsets = BTreeMap::from([
            (TopicPartition { topic: Text::from("a"), partition: 0 }, Offset::saturating(7)),
            (TopicPartition { topic: Text::from("b.c"), partition: 12 }, Offset::ZERO),
        ]);
        let text = encode_offsets(&offsets);
        assert_eq!(text, "0\n2\na 0 7\nb.c 12 0\n");
        assert_eq!(parse_offsets(&text), Ok(offsets));
        assert_eq!(parse_offsets(""), Ok(BTreeMap::new()));
    }

    #[test]
    fn malformed_checkpoints_name_the_line() {
        for (text, line) in [("1\n0\n", 1), ("0\n", 2), ("0\nx\n", 2), ("0\n2\na 0 1\n", 2), ("0\n1\na 0\n", 3), ("0\n1\na 0 -1\n", 3)] {
            assert_eq!(parse_offsets(text).unwrap_err().line, line, "{text:?}");
        }
    }

    #[test]
    fn epochs_and_topic_ids_read_back() {
        let epochs = vec![EpochStart { epoch: LeaderEpoch(0), start: Offset::ZERO }, EpochStart { epoch: LeaderEpoch(3), start: Offset::saturating(10) }];
        assert_eq!(parse_epochs(&encode_epochs(&epochs)), Ok(epochs));
        let id = Uuid::random().unwrap();
        assert_eq!(parse_partition_metadata(&encode_partition_metadata(id)), Some(id));
        assert_eq!(parse_partition_metadata("version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ"), None);
    }
}
