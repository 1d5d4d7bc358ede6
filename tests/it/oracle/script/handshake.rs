//! ApiVersions: the first request of every connection.

use corelog::protocol::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};

use super::{Side, text, versions};

pub(super) fn ask(side: &mut Side) {
    let named = |name: &str, version: &str| ApiVersionsRequest {
        client_software_name: text(name),
        client_software_version: text(version),
        ..ApiVersionsRequest::default()
    };
    for version in versions::<ApiVersionsRequest>() {
        // Kafka 4.3 answers version 5 as one it does not know, in version 0; the answer in version 5 is not readable by it.
        if version <= 4 {
            side.ask::<_, ApiVersionsResponse>("api versions", &named("it", "1.0"), version);
        }
    }
    for (name, version) in [("", "1.0"), ("it", ""), ("-it", "1"), ("it", "1-"), ("a b", "1"), ("it", "1.0.0-SNAPSHOT"), ("ä", "1")] {
        side.ask::<_, ApiVersionsResponse>(&format!("api versions of {name:?} {version:?}"), &named(name, version), 3);
    }
    // A header of version 2 with a version that nobody knows: answered in version 0, whatever follows.
    let future = [&[0, 18, 0, 99, 0, 0, 0, 9, 0, 2, b'i', b't', 0][..], &[0xff; 7]].concat();
    side.hurl("api versions of a future version", &future);
    side.hurl("api versions of a future version without a body", &future[..13]);
    // Too new a version comes first and decides nothing: the connection goes on.
    side.ask::<_, ApiVersionsResponse>("api versions after a future one", &named("it", "1.0"), 0);
}
