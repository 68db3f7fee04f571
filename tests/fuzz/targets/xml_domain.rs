//! A domain document: no panic, and what was read and written reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reeve_xml::{ParseOptions, decode, domain};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = decode(bytes) else { return };
    let Ok(parsed) = domain::parse(text, &ParseOptions::default()) else { return };
    let written = domain::format(&parsed.document);
    let again = domain::parse(&written, &ParseOptions::default())
        .unwrap_or_else(|error| panic!("what was written is not read: {error}\n{written}"));
    assert_eq!(again.document, parsed.document, "{written}");
    assert_eq!(domain::format(&again.document), written);
});
