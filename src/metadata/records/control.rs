//! Control records of the metadata log: they are about the quorum, not about the cluster.
//!
//! Key: int16 version 0, int16 type. Value: a flexible message whose first field is its version (ControlRecordType.java).

use bytes::{BufMut, Bytes};

use super::{
    FrameError,
    table::{Field, Input, table},
};
use crate::types::{Text, Uuid};

table! {
    /// A leader begins its epoch. Type 2; version 1 names directories (KIP-853).
    LeaderChangeMessage {
        /// Version of this message.
        version: i16 = 0, since 0;
        /// The leader.
        leader_id: i32 = 0, since 0;
        /// All voters.
        voters: Vec<Voter> = Vec::new(), since 0;
        /// Those that voted for it.
        granting_voters: Vec<Voter> = Vec::new(), since 0;
    }

    /// A voter of an election.
    Voter {
        /// `node.id`.
        voter_id: i32 = 0, since 0;
        /// `directory.id` of its metadata.
        voter_directory_id: Uuid = Uuid::ZERO, since 1;
    }

    /// The first record of a snapshot. Type 3.
    SnapshotHeaderRecord {
        /// Version of this message.
        version: i16 = 0, since 0;
        /// Append time of the last record in the snapshot, in milliseconds since 1970.
        last_contained_log_timestamp: i64 = 0, since 0;
    }

    /// The last record of a snapshot. Type 4.
    SnapshotFooterRecord {
        /// Version of this message.
        version: i16 = 0, since 0;
    }

    /// The version of the quorum's own protocol. Type 5.
    KRaftVersionRecord {
        /// Version of this message.
        version: i16 = 0, since 0;
        /// 1 if the log names the voters.
        k_raft_version: i16 = 0, since 0;
    }

    /// The voters (KIP-853). Type 6.
    VotersRecord {
        /// Version of this message.
        version: i16 = 0, since 0;
        /// All voters.
        voters: Vec<QuorumVoter> = Vec::new(), since 0;
    }

    /// A voter, as the log names it.
    QuorumVoter {
        /// `node.id`.
        voter_id: i32 = 0, since 0;
        /// `directory.id` of its metadata.
        voter_directory_id: Uuid = Uuid::ZERO, since 0;
        /// Where it is reached.
        endpoints: Vec<VoterEndpoint> = Vec::new(), since 0;
        /// Versions of the quorum's protocol that it understands.
        k_raft_version_feature: KRaftVersionFeature = KRaftVersionFeature::default(), since 0;
    }

    /// An address of a voter.
    VoterEndpoint {
        /// Name of the listener.
        name: Text = Text::default(), since 0;
        /// Host name or address.
        host: Text = Text::default(), since 0;
        /// TCP port.
        port: u16 = 0, since 0;
    }

    /// Versions of the quorum's protocol.
    KRaftVersionFeature {
        /// Lowest.
        min_supported_version: i16 = 0, since 0;
        /// Highest.
        max_supported_version: i16 = 0, since 0;
    }
}

/// Highest version that is known of each type.
const LEADER_CHANGE_VERSION_MAX: i16 = 1;

/// A control record of the metadata log.
#[derive(Clone, Debug, PartialEq)]
pub enum ControlRecord {
    /// Type 2.
    LeaderChange(LeaderChangeMessage),
    /// Type 3.
    SnapshotHeader(SnapshotHeaderRecord),
    /// Type 4.
    SnapshotFooter(SnapshotFooterRecord),
    /// Type 5.
    KRaftVersion(KRaftVersionRecord),
    /// Type 6.
    KRaftVoters(VotersRecord),
}

impl ControlRecord {
    /// True if a snapshot must carry it on.
    pub fn is_quorum_state(&self) -> bool {
        matches!(self, ControlRecord::KRaftVersion(_) | ControlRecord::KRaftVoters(_))
    }

    /// Key and value of the record.
    pub fn encode(&self) -> ([u8; 4], Vec<u8>) {
        let mut value = Vec::new();
        let record_type: i16 = match self {
            ControlRecord::LeaderChange(record) => {
                record.write(&mut value, record.version);
                2
            }
            ControlRecord::SnapshotHeader(record) => {
                record.write(&mut value, 0);
                3
            }
            ControlRecord::SnapshotFooter(record) => {
                record.write(&mut value, 0);
                4
            }
            ControlRecord::KRaftVersion(record) => {
                record.write(&mut value, 0);
                5
            }
            ControlRecord::KRaftVoters(record) => {
                record.write(&mut value, 0);
                6
            }
        };
        let mut key = [0; 4];
        (&mut key[2..]).put_i16(record_type);
        (key, value)
    }

    /// Reads a record of a control batch.
    ///
    /// # Errors
    /// It is none that belongs into a metadata log.
    pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self, FrameError> {
        let (Some(&[_, _, high, low]), Some(value)) = (key, value) else { return Err(FrameError::Control) };
        let mut input = Input { bytes: Bytes::copy_from_slice(value) };
        let version = match value {
            [high, low, ..] => i16::from_be_bytes([*high, *low]),
            _ => return Err(FrameError::Short),
        };
        let record_type = i16::from_be_bytes([high, low]);
        let version_max = if record_type == 2 { LEADER_CHANGE_VERSION_MAX } else { 0 };
        if !(0..=version_max).contains(&version) {
            return Err(FrameError::RecordVersion { record_type: record_type as u32, version: version as u32 });
        }
        let record = match record_type {
            2 => ControlRecord::LeaderChange(Field::read(&mut input, version)?),
            3 => ControlRecord::SnapshotHeader(Field::read(&mut input, version)?),
            4 => ControlRecord::SnapshotFooter(Field::read(&mut input, version)?),
            5 => ControlRecord::KRaftVersion(Field::read(&mut input, version)?),
            6 => ControlRecord::KRaftVoters(Field::read(&mut input, version)?),
            other => return Err(FrameError::RecordType(other as u32)),
        };
        input.finish()?;
        Ok(record)
    }
}
