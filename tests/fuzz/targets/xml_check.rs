//! A document of any kind, whatever it claims to be: no panic, and the canonical form is canonical.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reeve_xml::{Kind, check, decode};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = decode(bytes) else { return };
    let kinds = Kind::ALL.iter().copied().map(Some);
    for checked in std::iter::once(None).chain(kinds).flat_map(|kind| check(text, kind)) {
        let again = check(&checked.canonical, Some(checked.kind))
            .unwrap_or_else(|error| panic!("the canonical form is not read: {error}\n{}", checked.canonical));
        assert_eq!(again.canonical, checked.canonical, "{text}");
    }
});
