//! What consumers of the classic protocol say to each other inside the opaque bytes of their group (ConsumerProtocol.java).
//!
//! Pure. A version and a message; a version that is newer than what is known is read as the newest that is, because every
//! version only adds fields at the end.

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    Message, message,
    wire::{Reader, WireError, Writer},
};
use crate::types::Text;

message! {
    /// What a member subscribes to. Version 1 tells what it owns, 2 since when, 3 its rack.
    pub struct ConsumerProtocolSubscription: key -1, versions 0..=3 {
        /// The topics.
        topics: Vec<Text>,
        /// For assignors on the client's side.
        user_data: Option<Bytes>,
        /// What it owns.
        owned_partitions: Vec<EmbeddedTopicPartitions> { since 1, ignorable true },
        /// The generation in which it got that.
        generation_id: i32 { since 2, ignorable true, default -1 },
        /// Its rack.
        rack_id: Option<Text> { since 3, nullable 3, ignorable true },
    }

    /// What a member is to own.
    pub struct ConsumerProtocolAssignment: key -1, versions 0..=3 {
        /// The partitions.
        assigned_partitions: Vec<EmbeddedTopicPartitions>,
        /// Of assignors on the client's side.
        user_data: Option<Bytes>,
    }

    /// Partitions of a topic.
    pub struct EmbeddedTopicPartitions {
        /// Its name.
        topic: Text,
        /// The partitions.
        partitions: Vec<i32>,
    }
}

/// The version that stands before a message, as far as it is known.
///
/// # Errors
/// There is none, or it is below 0.
pub(crate) fn version(bytes: &Bytes) -> Result<i16, WireError> {
    let version = i16::from_be_bytes(Reader::new(bytes.clone()).array()?);
    if version < 0 { Err(WireError::UnsupportedVersion(version)) } else { Ok(version.min(*ConsumerProtocolSubscription::VERSIONS.end())) }
}

fn read<M: Message>(bytes: &Bytes) -> Result<M, WireError> {
    let version = version(bytes)?;
    M::decode(&mut Reader::new(bytes.slice(size_of::<i16>()..)), version)
}

/// A member's subscription.
///
/// # Errors
/// The bytes are none.
pub(crate) fn read_subscription(bytes: &Bytes) -> Result<ConsumerProtocolSubscription, WireError> {
    read(bytes)
}

/// A member's assignment.
///
/// # Errors
/// The bytes are none.
pub(crate) fn read_assignment(bytes: &Bytes) -> Result<ConsumerProtocolAssignment, WireError> {
    read(bytes)
}

fn write<M: Message>(message: &M, version: i16) -> Result<Bytes, WireError> {
    let mut buffer = BytesMut::new();
    buffer.put_i16(version);
    let mut writer = Writer::new(buffer);
    message.encode(&mut writer, version)?;
    Ok(writer.finish().0.freeze())
}

/// A subscription in the bytes of `version`.
///
/// # Errors
/// As [`write_assignment`].
pub(crate) fn write_subscription(subscription: &ConsumerProtocolSubscription, version: i16) -> Result<Bytes, WireError> {
    write(subscription, version)
}

/// An assignment in the bytes of `version`.
///
/// # Errors
/// A topic's name is too long, which no name of a topic that exists is.
pub(crate) fn write_assignment(assignment: &ConsumerProtocolAssignment, version: i16) -> Result<Bytes, WireError> {
    write(assignment, version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_read_and_newer_ones_as_the_newest() {
        let subscription = ConsumerProtocolSubscription {
            topics: vec![Text::from_static("t")],
            user_data: None,
            owned_partitions: vec![EmbeddedTopicPartitions { topic: Text::from_static("t"), partitions: vec![1] }],
            generation_id: 7,
            rack_id: Some(Text::from_static("r")),
        };
        for version in 0..=3 {
            let read = read_subscription(&write_subscription(&subscription, version).unwrap()).unwrap();
            assert_eq!(read.topics, subscription.topics);
            assert_eq!(read.owned_partitions.len(), usize::from(version >= 1));
            assert_eq!(read.generation_id, if version >= 2 { 7 } else { -1 });
            assert_eq!(read.rack_id.is_some(), version == 3);
        }
        let mut newer = BytesMut::from(&write_subscription(&subscription, 3).unwrap()[..]);
        newer[1] = 9;
        newer.extend_from_slice(b"a new field");
        assert_eq!(read_subscription(&newer.freeze()), Ok(subscription));
        assert_eq!(read_subscription(&Bytes::from_static(b"\xff\xff\0\0\0\0")), Err(WireError::UnsupportedVersion(-1)));
        assert_eq!(read_subscription(&Bytes::from_static(b"\0")), Err(WireError::Truncated));
    }

    #[test]
    fn an_assignment_is_written_as_java_writes_it() {
        let assignment = ConsumerProtocolAssignment {
            assigned_partitions: vec![EmbeddedTopicPartitions { topic: Text::from_static("t"), partitions: vec![0, 2] }],
            user_data: None,
        };
        let bytes = write_assignment(&assignment, 1).unwrap();
        assert_eq!(&bytes[..], b"\0\x01\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\0\0\0\0\x02\xff\xff\xff\xff");
        assert_eq!(read_assignment(&bytes), Ok(assignment));
    }
}
