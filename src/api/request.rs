//! A request as it came off the wire, and the head that its answer needs.
//!
//! Knows framing and versions; knows nothing of what any API means.

use bytes::{Bytes, BytesMut};

use super::exchange::{ResponseFrame, ResponseSlot};
use crate::{
    protocol::{
        Message,
        api::{self, ApiInfo, ApiKey},
        header::{RequestHeader, ResponseHeader},
        wire::{Reader, WireError, Writer},
    },
    runtime::buffer::Slice,
    types::Text,
};

/// Why a frame is no request that this broker serves: the connection is closed, as Kafka closes it.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadRequest {
    /// The header does not decode.
    #[error("malformed request header: {0}")]
    Header(#[from] WireError),
    /// No such API, or one that is not served here.
    #[error("unknown or unsupported API key {0}")]
    Key(i16),
    /// An API that is served, in a version that is not.
    #[error("{key:?} version {version} is not supported: this broker serves {from} to {to}")]
    Version {
        /// The API.
        key: ApiKey,
        /// What the client asked for.
        version: i16,
        /// Lowest version served.
        from: i16,
        /// Highest version served.
        to: i16,
    },
}

/// One request: header decoded, body still bytes.
#[derive(Debug)]
pub(super) struct Request {
    info: &'static ApiInfo,
    header: RequestHeader,
    body: Bytes,
}

impl Request {
    /// Reads the header of a frame (without its length prefix). ApiVersions passes in any version: it has an answer for
    /// versions that are too new.
    pub(super) fn parse(frame: Bytes) -> Result<Self, BadRequest> {
        let mut reader = Reader::new(frame);
        let header = RequestHeader::decode(&mut reader)?;
        let key = header.request_api_key;
        let info = api::served(key).ok_or(BadRequest::Key(key))?;
        let version = header.request_api_version;
        if !info.versions.contains(&version) && info.key != ApiKey::ApiVersions {
            let (from, to) = (*info.versions.start(), *info.versions.end());
            return Err(BadRequest::Version { key: info.key, version, from, to });
        }
        Ok(Self { info, header, body: reader.rest() })
    }

    pub(super) fn key(&self) -> ApiKey {
        self.info.key
    }

    /// The client id; empty if the client has none.
    pub(super) fn client_id(&self) -> Text {
        self.header.client_id.clone().unwrap_or_default()
    }

    pub(super) fn version(&self) -> i16 {
        self.header.request_api_version
    }


    /// False for an ApiVersions request from the future, whose body must not be read.
    pub(super) fn version_is_served(&self) -> bool {
        self.info.versions.contains(&self.version())
    }

    /// Decodes the body.
    pub(super) fn decode<M: Message>(&self) -> Result<M, WireError> {
        M::decode(&mut Reader::new(self.body.clone()), self.version())
    }

    pub(super) fn response_head(&self) -> ResponseHead {
        ResponseHead { info: self.info, version: self.version(), correlation_id: self.header.correlation_id }
    }
}

/// What an answer repeats of its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseHead {
    info: &'static ApiInfo,
    version: i16,
    correlation_id: i32,
}

impl ResponseHead {
    /// The same head for an answer in another version (ApiVersions answers in version 0 what it cannot read).
    pub(super) fn in_version(self, version: i16) -> Self {
        Self { version, ..self }
    }

    /// Encodes `body` and fills the slot.
    pub(super) fn fill<M: Message>(&self, slot: ResponseSlot, body: &M) {
        self.fill_gathered(slot, body, Vec::new());
    }

    /// As [`ResponseHead::fill`]; `records[i]` are the slices that stand at the body's `i`-th cut.
    pub(super) fn fill_gathered<M: Message>(&self, slot: ResponseSlot, body: &M, records: Vec<Vec<Slice>>) {
        match self.frame(body, records) {
            Ok(frame) => slot.fill(frame),
            // Our own answer does not fit its version: a defect of ours, told to this client alone.
            Err(error) => slot.close(format!("cannot encode the answer to {:?} v{}: {error}", self.info.key, self.version)),
        }
    }

    fn frame<M: Message>(&self, body: &M, records: Vec<Vec<Slice>>) -> Result<ResponseFrame, WireError> {
        let mut writer = Writer::new(BytesMut::with_capacity(128));
        writer.raw(&[0; 4]);
        ResponseHeader { correlation_id: self.correlation_id }.encode(&mut writer, self.info, self.version);
        body.encode(&mut writer, self.version)?;
        let length = writer.frame_bytes() - 4;
        let (mut bytes, cuts) = writer.finish();
        assert_eq!(cuts.len(), records.len(), "every cut has its records");
        let length = i32::try_from(length).map_err(|_| WireError::TooLong(length))?;
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        let cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.at).collect();
        Ok(ResponseFrame::gathered(bytes.freeze(), &cuts, records))
    }
}
