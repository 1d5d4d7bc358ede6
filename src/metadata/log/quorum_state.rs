//! `quorum-state`: the newest raft epoch that this node knows, so that an epoch is never used twice.
//!
//! Control thread. Kafka's JSON in both its versions: 0 with the static voters (kraft.version 0), 1 with a directory id.

use std::{io, path::Path};

use serde_json::{Value, json};

use crate::{
    metadata::directory::{read_text, write_whole},
    types::{NodeId, Uuid},
};

/// Name of the file in the metadata folder.
const FILE_NAME: &str = "quorum-state";
/// Longest file that is read.
const BYTES_MAX: u64 = 1024 * 1024;

/// What the file says that matters to a quorum of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct QuorumState {
    /// The newest raft epoch seen; absent without a file.
    pub(super) leader_epoch: Option<i32>,
    /// The voters it names (version 0 only).
    pub(super) voters: Vec<NodeId>,
}

/// Reads the file; a lost one is the default, which a quorum of one can live with.
pub(super) fn read(dir: &Path) -> io::Result<QuorumState> {
    let Some(text) = read_text(&dir.join(FILE_NAME), BYTES_MAX)? else { return Ok(QuorumState::default()) };
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{FILE_NAME}: {what}"));
    let state: Value = serde_json::from_str(&text).map_err(|error| bad(&error.to_string()))?;
    let version = state.get("data_version").and_then(Value::as_i64).ok_or_else(|| bad("no data_version"))?;
    if !(0..=1).contains(&version) {
        return Err(bad(&format!("data_version {version} is not known")));
    }
    let leader_epoch = state.get("leaderEpoch").and_then(Value::as_i64).and_then(|epoch| i32::try_from(epoch).ok());
    let voters = state.get("currentVoters").and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
    let voters = voters.iter().filter_map(|voter| voter.get("voterId")?.as_i64());
    Ok(QuorumState {
        leader_epoch: Some(leader_epoch.ok_or_else(|| bad("no leaderEpoch"))?).filter(|epoch| *epoch >= 0),
        voters: voters.filter_map(|id| i32::try_from(id).ok()).map(NodeId).collect(),
    })
}

/// Writes the file for a quorum whose only voter, and so leader, is `node`.
///
/// A power loss may bring the old file back, but not together with a record of the new epoch: the log then names it.
///
/// `dynamic` is true if the log names its voters (kraft.version 1).
pub(super) fn write(dir: &Path, node: NodeId, leader_epoch: i32, dynamic: bool) -> io::Result<()> {
    let node = node.get();
    let state = if dynamic {
        json!({"leaderId": node, "leaderEpoch": leader_epoch, "votedId": -1,
            "votedDirectoryId": Uuid::ZERO.to_string(), "data_version": 1})
    } else {
        json!({"clusterId": "", "leaderId": node, "leaderEpoch": leader_epoch, "votedId": -1, "appliedOffset": 0,
            "currentVoters": [{"voterId": node}], "data_version": 0})
    };
    write_whole(&dir.join(FILE_NAME), state.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn kafkas_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), QuorumState::default());
        let path = dir.path().join(FILE_NAME);
        fs::write(&path, r#"{"clusterId":"","leaderId":1,"leaderEpoch":4,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1},{"voterId":2}],"data_version":0}"#).unwrap();
        assert_eq!(read(dir.path()).unwrap(), QuorumState { leader_epoch: Some(4), voters: vec![NodeId(1), NodeId(2)] });
        fs::write(&path, r#"{"leaderId":-1,"leaderEpoch":7,"votedId":1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}"#).unwrap();
        assert_eq!(read(dir.path()).unwrap(), QuorumState { leader_epoch: Some(7), voters: Vec::new() });
        for damaged in ["", "[]", r#"{"leaderEpoch":7,"data_version":2}"#, r#"{"leaderEpoch":99999999999,"data_version":0}"#] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(read(dir.path()).unwrap_err().kind(), io::ErrorKind::InvalidData, "{damaged}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), NodeId(3), 9, false).unwrap();
        assert_eq!(read(dir.path()).unwrap(), QuorumState { leader_epoch: Some(9), voters: vec![NodeId(3)] });
        write(dir.path(), NodeId(3), 10, true).unwrap();
        assert_eq!(read(dir.path()).unwrap().leader_epoch, Some(10));
    }
}
