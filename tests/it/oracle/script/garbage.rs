//! Frames that are no requests: unknown keys and versions, bodies cut short, lengths that lie.

use corelog::protocol::{
    api::{ApiKey, SERVED},
    header::request_frame,
    messages::metadata::{MetadataRequest, MetadataRequestTopic},
};

use super::{Side, some, text};

pub(super) fn ask(side: &mut Side) {
    let header = |key: i16, version: i16| [&key.to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 1, 0, 1, b'c']].concat();
    for key in [95, 999, -1, i16::MIN, i16::MAX, ApiKey::LeaderAndIsr.code(), ApiKey::ControlledShutdown.code()] {
        side.hurl(&format!("a request of key {key}"), &[&header(key, 0)[..], &[0; 20]].concat());
    }
    for info in SERVED.iter().filter(|info| info.key != ApiKey::ApiVersions) {
        // What lies above Kafka 4.3's newest is compared by the ApiVersions answer.
        for version in [info.versions.start() - 1, -1, 90, i16::MAX] {
            side.hurl(&format!("{} of version {version}", info.key), &[&header(info.key.code(), version)[..], &[0; 40]].concat());
        }
        let version = *info.versions.start();
        side.hurl(&format!("{} without a body", info.key), &header(info.key.code(), version));
        side.hurl(&format!("{} of ones", info.key), &[&header(info.key.code(), version)[..], &[0xff; 30]].concat());
        side.hurl(&format!("{} with arrays of 2^31-1", info.key), &[&header(info.key.code(), version)[..], &[0x7f, 0xff, 0xff, 0xff].repeat(9)].concat());
    }
    let topics = Some(vec![MetadataRequestTopic { name: some("known"), ..MetadataRequestTopic::default() }]);
    let request = MetadataRequest { topics, ..MetadataRequest::default() };
    for version in [1, 9, 12] {
        let frame = request_frame(5, Some(text("it")), &request, version).unwrap();
        for cut in [frame.len() - 1, frame.len() - 4, 12] {
            side.hurl(&format!("metadata v{version} cut to {cut} bytes"), &frame[4..cut]);
        }
    }
    side.hurl("an empty frame", &[]);
    side.hurl("a frame of three bytes", &[0, 3, 0]);
    side.hurl_raw("a negative frame length", &[0xff, 0xff, 0xff, 0xff, 0, 3, 0, 1]);
    side.hurl_raw("a frame length above the limit", &[0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 1]);
    side.hurl_raw("an HTTP request", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    side.hurl_raw("the hello of TLS", &[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
}
