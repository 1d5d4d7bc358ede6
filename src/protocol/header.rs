//! What stands before the body: the headers of requests and responses.
//!
//! A flexible request has header version 2, another one version 1; the client id keeps its 2-byte length in both. A flexible
//! response has header version 1, another one version 0, and ApiVersions always version 0, so that a client can read the
//! answer to a version that the broker does not know.

use bytes::BytesMut;

use super::{
    Message,
    api::{ApiInfo, ApiKey},
    wire::{Context, Reader, Wire, WireError, Writer},
};
use crate::types::Text;

/// Outside of bodies lengths are never compact.
const PLAIN: Context = Context { version: 0, flexible: false };

/// The header of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// Which API; may be one that does not exist.
    pub request_api_key: i16,
    /// Version of the request; may be one that does not exist.
    pub request_api_version: i16,
    /// Repeated in the response.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<Text>,
}

impl RequestHeader {
    /// Reads a header; the reader then stands on the body. The header of an unknown API is read as version 1.
    ///
    /// # Errors
    /// The bytes are no header.
    pub fn decode(reader: &mut Reader) -> Result<Self, WireError> {
        let header = Self {
            request_api_key: i16::read(reader, PLAIN)?,
            request_api_version: i16::read(reader, PLAIN)?,
            correlation_id: i32::read(reader, PLAIN)?,
            client_id: Option::<Text>::read(reader, PLAIN)?,
        };
        if header.is_flexible() {
            reader.tagged_fields(|_, _| Ok(false))?;
        }
        Ok(header)
    }

    /// Appends the header.
    ///
    /// # Errors
    /// [`WireError::TooLong`] for a client id above 32767 bytes.
    pub fn encode(&self, writer: &mut Writer) -> Result<(), WireError> {
        self.request_api_key.write(writer, PLAIN)?;
        self.request_api_version.write(writer, PLAIN)?;
        self.correlation_id.write(writer, PLAIN)?;
        self.client_id.write(writer, PLAIN)?;
        if self.is_flexible() {
            writer.unsigned_varint(0);
        }
        Ok(())
    }

    fn is_flexible(&self) -> bool {
        ApiKey::from_code(self.request_api_key).is_some_and(|key| self.request_api_version >= key.flexible_from())
    }
}

/// The header of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHeader {
    /// That of the request.
    pub correlation_id: i32,
}

impl ResponseHeader {
    /// Appends the header that `api` has in `version`.
    pub fn encode(self, writer: &mut Writer, api: &ApiInfo, version: i16) {
        writer.raw(&self.correlation_id.to_be_bytes());
        if has_tags(api, version) {
            writer.unsigned_varint(0);
        }
    }

    /// Reads the header that `api` has in `version`; the reader then stands on the body.
    ///
    /// # Errors
    /// The bytes are no header.
    pub fn decode(reader: &mut Reader, api: &ApiInfo, version: i16) -> Result<Self, WireError> {
        let header = Self { correlation_id: i32::read(reader, PLAIN)? };
        if has_tags(api, version) {
            reader.tagged_fields(|_, _| Ok(false))?;
        }
        Ok(header)
    }
}

fn has_tags(api: &ApiInfo, version: i16) -> bool {
    api.key != ApiKey::ApiVersions && api.is_flexible(version)
}

/// A whole request as a client sends it: length, header, body.
///
/// # Errors
/// The version cannot express the request, or the frame exceeds 2 GiB.
pub fn request_frame<M: Message>(
    correlation_id: i32,
    client_id: Option<Text>,
    request: &M,
    version: i16,
) -> Result<BytesMut, WireError> {
    let header = RequestHeader { request_api_key: M::API_KEY, request_api_version: version, correlation_id, client_id };
    let mut writer = Writer::new(BytesMut::with_capacity(256));
    writer.raw(&[0; 4]);
    header.encode(&mut writer)?;
    request.encode(&mut writer, version)?;
    let bytes = writer.frame_bytes() - 4;
    let (mut frame, _) = writer.finish();
    let length = i32::try_from(bytes).map_err(|_| WireError::TooLong(bytes))?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};

    use super::{RequestHeader, ResponseHeader, request_frame};
    use crate::{
        protocol::{
            Message, api,
            messages::api_versions::ApiVersionsRequest,
            wire::{Reader, WireError, Writer},
        },
        types::Text,
    };

    fn header(key: i16, version: i16) -> RequestHeader {
        RequestHeader {
            request_api_key: key,
            request_api_version: version,
            correlation_id: 7,
            client_id: Some(Text::from_static("c")),
        }
    }

    fn encoded(key: i16, version: i16) -> Bytes {
        let mut writer = Writer::new(BytesMut::new());
        header(key, version).encode(&mut writer).unwrap();
        writer.finish().0.freeze()
    }

    #[test]
    fn only_flexible_requests_have_tags_in_their_header() {
        assert_eq!(&encoded(0, 8)[..], b"\0\0\0\x08\0\0\0\x07\0\x01c");
        assert_eq!(&encoded(0, 9)[..], b"\0\0\0\x09\0\0\0\x07\0\x01c\0");
        assert_eq!(&encoded(17, 9)[..], b"\0\x11\0\x09\0\0\0\x07\0\x01c");
        for (key, version) in [(0, 8), (0, 9), (18, 99), (-1, 0), (i16::MAX, i16::MAX)] {
            let mut reader = Reader::new(encoded(key, version));
            assert_eq!(RequestHeader::decode(&mut reader), Ok(header(key, version)));
            assert_eq!(reader.expect_end(), Ok(()));
        }
    }

    #[test]
    fn a_header_cut_short_is_an_error_at_every_length() {
        let whole = encoded(1, 17);
        for len in 0..whole.len() {
            assert_eq!(RequestHeader::decode(&mut Reader::new(whole.slice(..len))), Err(WireError::Truncated), "{len}");
        }
    }

    #[test]
    fn tags_in_a_header_are_skipped() {
        let mut frame = BytesMut::from(&encoded(1, 17)[..]);
        frame.truncate(frame.len() - 1);
        frame.extend_from_slice(&[1, 9, 2, 0xaa, 0xbb, 0x55]);
        let mut reader = Reader::new(frame.freeze());
        assert_eq!(RequestHeader::decode(&mut reader), Ok(header(1, 17)));
        assert_eq!(&reader.rest()[..], [0x55]);
    }

    #[test]
    fn the_header_of_an_api_versions_response_never_has_tags() {
        for (key, version, bytes) in [(18, 4, 4), (3, 8, 4), (3, 9, 5)] {
            let api = api::served(key).unwrap();
            let mut writer = Writer::new(BytesMut::new());
            ResponseHeader { correlation_id: 3 }.encode(&mut writer, api, version);
            let (frame, _) = writer.finish();
            assert_eq!(frame.len(), bytes);
            let mut reader = Reader::new(frame.freeze());
            assert_eq!(ResponseHeader::decode(&mut reader, api, version), Ok(ResponseHeader { correlation_id: 3 }));
            assert_eq!(reader.expect_end(), Ok(()));
        }
    }

    #[test]
    fn a_request_frame_starts_with_its_length() {
        let body = ApiVersionsRequest { client_software_name: Text::from_static("x"), ..ApiVersionsRequest::default() };
        let frame = request_frame(1, None, &body, 3).unwrap().freeze();
        assert_eq!(frame[..4], (frame.len() as i32 - 4).to_be_bytes());
        let mut reader = Reader::new(frame.slice(4..));
        let header = RequestHeader::decode(&mut reader).unwrap();
        assert_eq!((header.request_api_key, header.client_id), (18, None));
        assert_eq!(ApiVersionsRequest::decode(&mut reader, 3), Ok(body));
    }
}
