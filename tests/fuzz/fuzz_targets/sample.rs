//! Well-formed messages that the tables make out of the input: all of them decode, with unknown tags and defaults spelled out.
#![no_main]

mod common;

use corelog::protocol::sample::{Choices, Tags, sample};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((api, context, choices)) = common::choose(data) else { return };
    for codec in [api.request, api.response] {
        let body = sample(codec.schema, context, &mut Choices::new(choices), Tags::With).expect("the version exists");
        if let Err(error) = common::transcode(codec, context.version, &body) {
            panic!("{} v{}: {error}", codec.schema.name, context.version);
        }
    }
});
