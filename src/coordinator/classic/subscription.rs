//! The topics that consumers subscribe to, as they say in the metadata of their protocol (ConsumerProtocol.java).
//!
//! The metadata is opaque to the coordinator; only for groups of type `consumer` the beginning is read, which all versions
//! share: a version and the names of the topics.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::{
    protocol::{message, Message, wire::Reader},
    types::Text,
};

/// Protocol type of consumers.
pub(super) const CONSUMER: &str = "consumer";

message! {
    /// The beginning of a consumer's subscription.
    pub struct Subscription: key -1, versions 0..=0 {
        /// Topics it subscribes to.
        topics: Vec<Text>,
    }
}

/// The topics in a consumer's metadata; `None` if it cannot be read.
pub(super) fn topics(metadata: &Bytes) -> Option<Vec<Text>> {
    let mut reader = Reader::new(metadata.clone());
    let version = i16::from_be_bytes(reader.array().ok()?);
    if version < 0 {
        return None;
    }
    Subscription::decode(&mut reader, 0).ok().map(|subscription| subscription.topics)
}

/// The topics of all; `None` if one cannot be read.
pub(super) fn all_topics(metadata: impl Iterator<Item = Bytes>) -> Option<BTreeSet<Text>> {
    let mut found = BTreeSet::new();
    for metadata in metadata {
        found.extend(topics(&metadata)?.iter().map(Text::detached));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topics_stand_at_the_beginning_in_every_version() {
        let metadata = Bytes::from_static(b"\0\x03\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff\0\0\0\0more");
        assert_eq!(topics(&metadata), Some(vec![Text::from_static("a"), Text::from_static("bc")]));
        assert_eq!(topics(&Bytes::from_static(b"\xff\xff\0\0\0\0")), None);
        assert_eq!(topics(&Bytes::from_static(b"opaque")), None);
        assert_eq!(all_topics([metadata, Bytes::new()].into_iter()), None);
    }
}
