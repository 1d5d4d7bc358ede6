//! All metadata record types in one, the frame around a record, and batches of them.
//!
//! Pure. A data record's value is: uvarint frame version 1, uvarint type, uvarint version, message
//! (MetadataRecordSerde.java). Types and versions that are not known are errors, never skipped: the image would be wrong.

use bytes::{Bytes, BytesMut};

use super::{ControlRecord, FrameError};
use crate::{
    metadata::image::BatchPosition,
    protocol::{
        Message,
        wire::{Reader, WireError, Writer},
    },
    record::{BatchHeader, Records},
};

/// Version of the frame.
const FRAME_VERSION: u32 = 1;
/// Bytes that a compressed batch may take uncompressed. Kafka does not compress here.
const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Per record type: variant, structure, number, and the version to write a value in.
macro_rules! record_types {
    ($( $variant:ident($structure:ident) = $number:literal, written as $written:expr; )*) => {
        /// A record of the metadata log.
        #[derive(Clone, Debug, PartialEq)]
        pub enum MetadataRecord {
            $( #[doc = concat!("Type ", stringify!($number), ".")] $variant(super::$structure), )*
        }

        impl MetadataRecord {
            /// Kafka's number of the record's type.
            pub fn record_type(&self) -> u32 {
                match self { $( MetadataRecord::$variant(_) => $number, )* }
            }

            /// The version that metadata.version 30 writes this record in.
            pub fn version(&self) -> i16 {
                match self { $( MetadataRecord::$variant(record) => ($written)(record), )* }
            }

            fn write_body(&self, writer: &mut Writer, version: i16) -> Result<(), WireError> {
                match self { $( MetadataRecord::$variant(record) => record.encode(writer, version), )* }
            }

            fn read_body(record_type: u32, version: i16, reader: &mut Reader) -> Result<Self, FrameError> {
                match record_type {
                    $( $number => Ok(MetadataRecord::$variant(Message::decode(reader, version)?)), )*
                    _ => Err(FrameError::RecordType(record_type)),
                }
            }
        }
    };
}

record_types! {
    RegisterBroker(RegisterBrokerRecord) = 0, written as |_| 4;
    UnregisterBroker(UnregisterBrokerRecord) = 1, written as |_| 0;
    Topic(TopicRecord) = 2, written as |_| 0;
    Partition(PartitionRecord) = 3, written as |_| 2;
    Config(ConfigRecord) = 4, written as |_| 0;
    PartitionChange(PartitionChangeRecord) = 5, written as |_| 2;
    FenceBroker(FenceBrokerRecord) = 7, written as |_| 0;
    UnfenceBroker(UnfenceBrokerRecord) = 8, written as |_| 0;
    RemoveTopic(RemoveTopicRecord) = 9, written as |_| 0;
    DelegationToken(DelegationTokenRecord) = 10, written as |_| 0;
    UserScramCredential(UserScramCredentialRecord) = 11, written as |_| 0;
    FeatureLevel(FeatureLevelRecord) = 12, written as |_| 0;
    ClientQuota(ClientQuotaRecord) = 14, written as |_| 0;
    ProducerIds(ProducerIdsRecord) = 15, written as |_| 0;
    BrokerRegistrationChange(BrokerRegistrationChangeRecord) = 17, written as broker_change_version;
    AccessControlEntry(AccessControlEntryRecord) = 18, written as |_| 0;
    RemoveAccessControlEntry(RemoveAccessControlEntryRecord) = 19, written as |_| 0;
    NoOp(NoOpRecord) = 20, written as |_| 0;
    ZkMigrationState(ZkMigrationStateRecord) = 21, written as |_| 0;
    RemoveUserScramCredential(RemoveUserScramCredentialRecord) = 22, written as |_| 0;
    BeginTransaction(BeginTransactionRecord) = 23, written as |_| 0;
    EndTransaction(EndTransactionRecord) = 24, written as |_| 0;
    AbortTransaction(AbortTransactionRecord) = 25, written as |_| 0;
    RemoveDelegationToken(RemoveDelegationTokenRecord) = 26, written as |_| 0;
    RegisterController(RegisterControllerRecord) = 27, written as |_| 0;
    ClearElr(ClearElrRecord) = 28, written as |_| 0;
}

/// Kafka writes the lowest version that has the fields which change.
fn broker_change_version(record: &super::BrokerRegistrationChangeRecord) -> i16 {
    if record.cordoned_log_dirs.is_some() {
        3
    } else if !record.log_dirs.is_empty() {
        2
    } else {
        i16::from(record.in_controlled_shutdown != 0)
    }
}

impl MetadataRecord {
    /// The value of the record in a batch.
    ///
    /// # Errors
    /// A text or list is longer than the format can say. Nothing that came over the wire is.
    pub fn encode(&self) -> Result<Bytes, WireError> {
        self.encode_as(self.version())
    }

    /// The value in a given version.
    pub(super) fn encode_as(&self, version: i16) -> Result<Bytes, WireError> {
        let mut writer = Writer::new(BytesMut::with_capacity(96));
        writer.unsigned_varint(FRAME_VERSION);
        writer.unsigned_varint(self.record_type());
        writer.unsigned_varint(version.unsigned_abs().into());
        self.write_body(&mut writer, version)?;
        Ok(writer.finish().0.freeze())
    }

    /// Reads the value of a record.
    ///
    /// # Errors
    /// It is malformed, or of a type or version that is not known.
    pub fn decode(value: Bytes) -> Result<Self, FrameError> {
        let mut reader = Reader::new(value);
        let frame_version = reader.unsigned_varint()?;
        if frame_version != FRAME_VERSION {
            return Err(FrameError::FrameVersion(frame_version));
        }
        let record_type = reader.unsigned_varint()?;
        let version = reader.unsigned_varint()?;
        let unknown = || FrameError::RecordVersion { record_type, version };
        let record = match Self::read_body(record_type, i16::try_from(version).map_err(|_| unknown())?, &mut reader) {
            Err(FrameError::Wire(WireError::UnsupportedVersion(_))) => return Err(unknown()),
            other => other?,
        };
        reader.expect_end()?;
        Ok(record)
    }
}

/// A batch of the metadata log or of a snapshot, decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct LogBatch {
    /// Where it stands.
    pub position: BatchPosition,
    /// What it holds.
    pub content: Content,
}

/// The records of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Records about the cluster.
    Data(Vec<MetadataRecord>),
    /// Records about the quorum.
    Control(Vec<ControlRecord>),
}

impl LogBatch {
    /// Reads the sound batch `bytes`, whose header is `header`.
    ///
    /// # Errors
    /// A record in it cannot be read.
    pub fn decode(header: &BatchHeader, bytes: &Bytes) -> Result<Self, FrameError> {
        let position = BatchPosition {
            base_offset: header.base_offset,
            end_offset: header.next_offset(),
            epoch: header.leader_epoch.map_or(0, |epoch| epoch.get()),
            timestamp_ms: header.max_timestamp,
        };
        let records = Records::open(bytes, DECOMPRESSED_BYTES_MAX)?;
        let content = if header.is_control() {
            let mut control = Vec::new();
            for record in records.iter() {
                let record = record?;
                control.push(ControlRecord::decode(record.key, record.value)?);
            }
            Content::Control(control)
        } else {
            let mut data = Vec::new();
            for record in records.iter() {
                let record = record?;
                let value = record.value.ok_or(FrameError::NoValue)?;
                data.push(MetadataRecord::decode(Bytes::copy_from_slice(value))?);
            }
            Content::Data(data)
        };
        Ok(Self { position, content })
    }
}
