//! A frame as it comes from a socket: header, then the body of the API that it names.
#![no_main]

mod common;

use bytes::{Bytes, BytesMut};
use corelog::protocol::{
    api,
    header::RequestHeader,
    wire::{Reader, Writer},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut reader = Reader::new(Bytes::copy_from_slice(data));
    let Ok(header) = RequestHeader::decode(&mut reader) else { return };
    let mut writer = Writer::new(BytesMut::new());
    header.encode(&mut writer).expect("what was decoded encodes");
    let mut again = Reader::new(writer.finish().0.freeze());
    assert_eq!(RequestHeader::decode(&mut again), Ok(header.clone()));
    let Some(api) = api::served(header.request_api_key) else { return };
    if api.versions.contains(&header.request_api_version) {
        let _most_are_refused = common::transcode(api.request, header.request_api_version, &reader.rest());
    }
});
