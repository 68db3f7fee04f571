//! Documents of networks, filters, host interfaces, pools and volumes: no panic, and what was read and written reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reeve_model::network::UpdateSection;
use reeve_xml::{ParseOptions, decode, filter, host_interface, network, pool, volume};

macro_rules! survives {
    ($kind:ident, $text:expr) => {
        if let Ok(parsed) = $kind::parse($text, &ParseOptions::default()) {
            let written = $kind::format(&parsed.document);
            let again = $kind::parse(&written, &ParseOptions::default())
                .unwrap_or_else(|error| panic!("what was written is not read: {error}\n{written}"));
            assert_eq!(again.document, parsed.document, "{written}");
            assert_eq!($kind::format(&again.document), written);
        }
    };
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = decode(bytes) else { return };
    survives!(network, text);
    survives!(filter, text);
    survives!(host_interface, text);
    survives!(pool, text);
    survives!(volume, text);
    let _ = pool::parse_source(text);
    for section in UpdateSection::ALL {
        let _ = network::section(text, *section);
    }
});
