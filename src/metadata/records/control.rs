//! Control records of the metadata log: they are about the quorum, not about the cluster.
//!
//! Key: int16 version 0, int16 type. Value: a flexible message whose first field is its version (ControlRecordType.java).

use bytes::{Bytes, BytesMut};

use super::FrameError;
use crate::{
    protocol::{
        Message, message,
        wire::{Reader, WireError, Writer},
    },
    types::{Text, Uuid},
};

message! {
    /// A leader begins its epoch. Type 2; version 1 names directories (KIP-853).
    pub struct LeaderChangeMessage: key 2, versions 0..=1, flexible 0 {
        /// Version of this message.
        version: i16,
        /// The leader.
        leader_id: i32,
        /// All voters.
        voters: Vec<Voter>,
        /// Those that voted for it.
        granting_voters: Vec<Voter>,
    }

    /// A voter of an election.
    pub struct Voter {
        /// `node.id`.
        voter_id: i32,
        /// `directory.id` of its metadata.
        voter_directory_id: Uuid { since 1 },
    }

    /// The first record of a snapshot. Type 3.
    pub struct SnapshotHeaderRecord: key 3, versions 0..=0, flexible 0 {
        /// Version of this message.
        version: i16,
        /// Append time of the last record in the snapshot, in milliseconds since 1970.
        last_contained_log_timestamp: i64,
    }

    /// The last record of a snapshot. Type 4.
    pub struct SnapshotFooterRecord: key 4, versions 0..=0, flexible 0 {
        /// Version of this message.
        version: i16,
    }

    /// The version of the quorum's own protocol. Type 5.
    pub struct KRaftVersionRecord: key 5, versions 0..=0, flexible 0 {
        /// Version of this message.
        version: i16,
        /// 1 if the log names the voters.
        k_raft_version: i16,
    }

    /// The voters (KIP-853). Type 6.
    pub struct VotersRecord: key 6, versions 0..=0, flexible 0 {
        /// Version of this message.
        version: i16,
        /// All voters.
        voters: Vec<QuorumVoter>,
    }

    /// A voter, as the log names it.
    pub struct QuorumVoter {
        /// `node.id`.
        voter_id: i32,
        /// `directory.id` of its metadata.
        voter_directory_id: Uuid,
        /// Where it is reached.
        endpoints: Vec<VoterEndpoint>,
        /// Versions of the quorum's protocol that it understands.
        k_raft_version_feature: KRaftVersionFeature,
    }

    /// An address of a voter.
    pub struct VoterEndpoint {
        /// Name of the listener.
        name: Text,
        /// Host name or address.
        host: Text,
        /// TCP port.
        port: u16,
    }

    /// Versions of the quorum's protocol.
    pub struct KRaftVersionFeature {
        /// Lowest.
        min_supported_version: i16,
        /// Highest.
        max_supported_version: i16,
    }
}

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
    ///
    /// # Errors
    /// A text or list is longer than the format can say.
    pub fn encode(&self) -> Result<([u8; 4], Bytes), WireError> {
        let mut writer = Writer::new(BytesMut::new());
        let record_type = match self {
            ControlRecord::LeaderChange(record) => put(&mut writer, record, record.version)?,
            ControlRecord::SnapshotHeader(record) => put(&mut writer, record, record.version)?,
            ControlRecord::SnapshotFooter(record) => put(&mut writer, record, record.version)?,
            ControlRecord::KRaftVersion(record) => put(&mut writer, record, record.version)?,
            ControlRecord::KRaftVoters(record) => put(&mut writer, record, record.version)?,
        };
        let [high, low] = record_type.to_be_bytes();
        Ok(([0, 0, high, low], writer.finish().0.freeze()))
    }

    /// Reads a record of a control batch.
    ///
    /// # Errors
    /// It is none that belongs into a metadata log.
    pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self, FrameError> {
        let (Some(&[_, _, high, low]), Some(value)) = (key, value) else { return Err(FrameError::Control) };
        let version = match value {
            [high, low, ..] => i16::from_be_bytes([*high, *low]),
            _ => return Err(FrameError::Control),
        };
        let record_type = u32::from(u16::from_be_bytes([high, low]));
        let mut reader = Reader::new(Bytes::copy_from_slice(value));
        let record = match record_type {
            2 => Message::decode(&mut reader, version).map(ControlRecord::LeaderChange),
            3 => Message::decode(&mut reader, version).map(ControlRecord::SnapshotHeader),
            4 => Message::decode(&mut reader, version).map(ControlRecord::SnapshotFooter),
            5 => Message::decode(&mut reader, version).map(ControlRecord::KRaftVersion),
            6 => Message::decode(&mut reader, version).map(ControlRecord::KRaftVoters),
            other => return Err(FrameError::RecordType(other)),
        };
        let record = match record {
            Err(WireError::UnsupportedVersion(_)) => {
                return Err(FrameError::RecordVersion { record_type, version: u32::from(version.cast_unsigned()) });
            }
            other => other?,
        };
        reader.expect_end()?;
        Ok(record)
    }
}

/// Writes the value of a control record; gives its type.
fn put<M: Message>(writer: &mut Writer, record: &M, version: i16) -> Result<i16, WireError> {
    record.encode(writer, version)?;
    Ok(M::API_KEY)
}
