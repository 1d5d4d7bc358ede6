//! All metadata record types in one, the frame around a record, and batches of them.
//!
//! Pure. A data record's value is: uvarint frame version 1, uvarint type, uvarint version, message
//! (MetadataRecordSerde.java). Types and versions that are not known are errors, never skipped: the image would be wrong.

use bytes::Bytes;

use super::{
    ControlRecord, FrameError,
    table::{Field, Input},
};
use crate::{
    metadata::image::BatchPosition,
    record::{BatchHeader, Records, varint},
};

/// Version of the frame.
const FRAME_VERSION: u32 = 1;
/// Bytes that a compressed batch may take uncompressed. Kafka does not compress here.
const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Per record type: variant, structure, number, highest version that is read, and the version to write a value in.
macro_rules! record_types {
    ($( $(#[$doc:meta])* $variant:ident($structure:ident) = $number:literal, up to $max:literal, written as $written:expr; )*) => {
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

            fn write_body(&self, out: &mut Vec<u8>, version: i16) {
                match self { $( MetadataRecord::$variant(record) => record.write(out, version), )* }
            }

            fn read_body(record_type: u32, version: u32, input: &mut Input) -> Result<Self, FrameError> {
                match record_type {
                    $(
                        $number if version <= $max => Ok(MetadataRecord::$variant(Field::read(input, version as i16)?)),
                        $number => Err(FrameError::RecordVersion { record_type, version }),
                    )*
                    _ => Err(FrameError::RecordType(record_type)),
                }
            }
        }
    };
}

record_types! {
    RegisterBroker(RegisterBrokerRecord) = 0, up to 4, written as |_| 4;
    UnregisterBroker(UnregisterBrokerRecord) = 1, up to 0, written as |_| 0;
    Topic(TopicRecord) = 2, up to 0, written as |_| 0;
    Partition(PartitionRecord) = 3, up to 2, written as |_| 2;
    Config(ConfigRecord) = 4, up to 0, written as |_| 0;
    PartitionChange(PartitionChangeRecord) = 5, up to 2, written as |_| 2;
    FenceBroker(FenceBrokerRecord) = 7, up to 0, written as |_| 0;
    UnfenceBroker(UnfenceBrokerRecord) = 8, up to 0, written as |_| 0;
    RemoveTopic(RemoveTopicRecord) = 9, up to 0, written as |_| 0;
    DelegationToken(DelegationTokenRecord) = 10, up to 0, written as |_| 0;
    UserScramCredential(UserScramCredentialRecord) = 11, up to 0, written as |_| 0;
    FeatureLevel(FeatureLevelRecord) = 12, up to 0, written as |_| 0;
    ClientQuota(ClientQuotaRecord) = 14, up to 0, written as |_| 0;
    ProducerIds(ProducerIdsRecord) = 15, up to 0, written as |_| 0;
    BrokerRegistrationChange(BrokerRegistrationChangeRecord) = 17, up to 3, written as broker_change_version;
    AccessControlEntry(AccessControlEntryRecord) = 18, up to 0, written as |_| 0;
    RemoveAccessControlEntry(RemoveAccessControlEntryRecord) = 19, up to 0, written as |_| 0;
    NoOp(NoOpRecord) = 20, up to 0, written as |_| 0;
    ZkMigrationState(ZkMigrationStateRecord) = 21, up to 0, written as |_| 0;
    RemoveUserScramCredential(RemoveUserScramCredentialRecord) = 22, up to 0, written as |_| 0;
    BeginTransaction(BeginTransactionRecord) = 23, up to 0, written as |_| 0;
    EndTransaction(EndTransactionRecord) = 24, up to 0, written as |_| 0;
    AbortTransaction(AbortTransactionRecord) = 25, up to 0, written as |_| 0;
    RemoveDelegationToken(RemoveDelegationTokenRecord) = 26, up to 0, written as |_| 0;
    RegisterController(RegisterControllerRecord) = 27, up to 0, written as |_| 0;
    ClearElr(ClearElrRecord) = 28, up to 0, written as |_| 0;
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
    pub fn encode(&self) -> Vec<u8> {
        self.encode_as(self.version())
    }

    /// The value in a given version, which must exist; fields that the version lacks are lost.
    pub(super) fn encode_as(&self, version: i16) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        varint::put_unsigned(&mut out, FRAME_VERSION);
        varint::put_unsigned(&mut out, self.record_type());
        varint::put_unsigned(&mut out, version.unsigned_abs().into());
        self.write_body(&mut out, version);
        out
    }

    /// Reads the value of a record.
    ///
    /// # Errors
    /// It is malformed, or of a type or version that is not known.
    pub fn decode(value: Bytes) -> Result<Self, FrameError> {
        let mut input = Input { bytes: value };
        let frame_version = input.unsigned()?;
        if frame_version != FRAME_VERSION {
            return Err(FrameError::FrameVersion(frame_version));
        }
        let record_type = input.unsigned()?;
        let version = input.unsigned()?;
        let record = Self::read_body(record_type, version, &mut input)?;
        input.finish()?;
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
        let records = Records::open(bytes, DECOMPRESSED_BYTES_MAX).map_err(|_| FrameError::Batch)?;
        let content = if header.is_control() {
            let mut control = Vec::new();
            for record in records.iter() {
                let record = record.map_err(|_| FrameError::Batch)?;
                control.push(ControlRecord::decode(record.key, record.value)?);
            }
            Content::Control(control)
        } else {
            let mut data = Vec::new();
            for record in records.iter() {
                let record = record.map_err(|_| FrameError::Batch)?;
                let value = record.value.ok_or(FrameError::Null)?;
                data.push(MetadataRecord::decode(Bytes::copy_from_slice(value))?);
            }
            Content::Data(data)
        };
        Ok(Self { position, content })
    }
}
