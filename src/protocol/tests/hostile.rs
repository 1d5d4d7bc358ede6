//! Bytes that nobody honest sends: no decoder panics, none reserves what the input cannot hold, and what does decode can be
//! encoded and comes back the same.

use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, prelude::*};

use crate::protocol::{
    api::{Codec, SERVED},
    sample::{Choices, Tags, sample},
    wire::{Context, Reader, WireError, Writer},
};

/// Every decoder in every version.
fn codecs() -> impl Iterator<Item = (Codec, Context)> {
    SERVED.iter().flat_map(|api| {
        api.versions.clone().flat_map(move |version| {
            let context = Context { version, flexible: api.is_flexible(version) };
            [(api.request, context), (api.response, context)]
        })
    })
}

/// Decodes `bytes`; if they are a message, encodes it, and checks that this is a fixed point.
fn transcode(codec: Codec, version: i16, bytes: &Bytes) -> Result<Bytes, WireError> {
    let mut reader = Reader::new(bytes.clone());
    let mut writer = Writer::new(BytesMut::new());
    (codec.transcode)(&mut reader, &mut writer, version)?;
    let encoded = writer.finish().0.freeze();
    let mut again = Writer::new(BytesMut::new());
    let mut reader = Reader::new(encoded.clone());
    (codec.transcode)(&mut reader, &mut again, version).expect("what was encoded decodes");
    assert_eq!(reader.expect_end(), Ok(()));
    assert_eq!(again.finish().0, encoded, "{} v{version}", codec.schema.name);
    Ok(encoded)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        for (codec, context) in codecs() {
            // The result does not matter: most are refused, some are messages.
            let _result = transcode(codec, context.version, &bytes);
        }
    }

    #[test]
    fn a_message_with_a_few_bytes_changed(
        choices in vec(any::<u8>(), 0..120),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for (codec, context) in codecs() {
            let mut bytes = sample(codec.schema, context, &mut Choices::new(&choices), Tags::With).unwrap();
            for (index, byte) in changes.iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>() {
                let at = index.index(bytes.len());
                bytes[at] = *byte;
            }
            let _result = transcode(codec, context.version, &bytes.freeze());
        }
    }

    #[test]
    fn a_message_cut_short_is_refused(choices in vec(any::<u8>(), 0..60), cut: prop::sample::Index) {
        for (codec, context) in codecs() {
            let whole = sample(codec.schema, context, &mut Choices::new(&choices), Tags::With).unwrap().freeze();
            prop_assert!(transcode(codec, context.version, &whole).is_ok());
            if !whole.is_empty() {
                let len = cut.index(whole.len());
                let result = transcode(codec, context.version, &whole.slice(..len));
                prop_assert_eq!(result, Err(WireError::Truncated), "{} v{} at {}", codec.schema.name, context.version, len);
            }
        }
    }
}

/// A count of elements that only a frame of gigabytes could hold, where every API has its first array.
#[test]
fn a_lying_count_reserves_nothing() {
    let metadata_v0 = Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff]);
    let produce_v9 = Bytes::from_static(&[0, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    for (key, version, bytes) in [(3, 0, metadata_v0), (0, 9, produce_v9)] {
        let api = crate::protocol::api::served(key).unwrap();
        assert_eq!(transcode(api.request, version, &bytes), Err(WireError::Truncated));
    }
}

/// Elements that are tiny on the wire and large in memory: the frame's size alone does not bound them.
#[test]
fn a_frame_of_empty_names_does_not_become_gigabytes() {
    let mut frame = BytesMut::from(&i32::to_be_bytes(4 << 20)[..]);
    frame.resize(4 + 2 * (4 << 20), 0);
    let metadata = crate::protocol::api::served(3).unwrap();
    assert_eq!(transcode(metadata.request, 0, &frame.freeze()), Err(WireError::ArraysTooLarge));
}

#[test]
fn versions_outside_the_table_are_refused() {
    for api in SERVED {
        for version in [-1, api.versions.start() - 1, api.versions.end() + 1, i16::MAX] {
            let result = transcode(api.request, version, &Bytes::from_static(&[0; 64]));
            assert_eq!(result, Err(WireError::UnsupportedVersion(version)), "{}", api.key);
        }
    }
}
