//! One device element, as `attach-device` and a policy's `add-device` bring it: no panic, and it reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reeve_xml::{decode, device};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = decode(bytes) else { return };
    let Ok(parsed) = device::parse(text) else { return };
    let written = device::format(&parsed);
    let again = device::parse(&written)
        .unwrap_or_else(|error| panic!("what was written is not read: {error}\n{written}"));
    assert_eq!(again, parsed, "{written}");
    assert_eq!(device::format(&again), written);
});
