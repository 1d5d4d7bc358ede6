//! Bodies of every response in every version.
#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((api, context, body)) = common::choose(data) {
        let _most_are_refused = common::transcode(api.response, context.version, body);
    }
});
