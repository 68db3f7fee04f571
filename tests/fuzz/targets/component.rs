//! The bytes of a policy before anything is compiled: no panic, no memory beyond their size.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reeve_policy::loader;

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = loader::manifest(bytes) {
        assert!(!error.to_string().is_empty());
    }
});
