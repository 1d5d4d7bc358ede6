//! What the codec targets share: choosing an API and a version, and the law that they check.

use bytes::{Bytes, BytesMut};
use corelog::protocol::{
    api::{ApiInfo, Codec, SERVED},
    wire::{Context, Reader, WireError, Writer},
};

#[allow(dead_code, reason = "the target `frame` takes both from the frame")]
/// The API and version that the first two bytes choose, and the bytes after them.
pub fn choose(data: &[u8]) -> Option<(&'static ApiInfo, Context, &[u8])> {
    let ([api, version], rest) = data.split_first_chunk::<2>()?;
    let api = &SERVED[usize::from(*api) % SERVED.len()];
    let version = api.versions.start() + i16::from(*version) % (api.versions.end() - api.versions.start() + 1);
    Some((api, Context { version, flexible: api.is_flexible(version) }, rest))
}

/// What decodes can be encoded, and that decodes and encodes to itself.
pub fn transcode(codec: Codec, version: i16, body: &[u8]) -> Result<(), WireError> {
    let mut reader = Reader::new(Bytes::copy_from_slice(body));
    let mut writer = Writer::new(BytesMut::new());
    // A failure may also be one to encode, which is one as well: what decoded in a version exists in it.
    if let Err(error) = (codec.transcode)(&mut reader, &mut writer, version) {
        assert!(
            !matches!(error, WireError::FieldNotInVersion(_) | WireError::TooLong(_)),
            "{} v{version} decodes but does not encode: {error}",
            codec.schema.name
        );
        return Err(error);
    }
    let encoded = writer.finish().0.freeze();
    let mut reader = Reader::new(encoded.clone());
    let mut again = Writer::new(BytesMut::new());
    (codec.transcode)(&mut reader, &mut again, version).expect("what was encoded decodes");
    assert_eq!(reader.remaining(), 0);
    assert_eq!(again.finish().0, encoded, "{} v{version}", codec.schema.name);
    Ok(())
}
