//! The manifest of a policy: no panic; what is accepted has a usable name and bounded texts, and its wishes can be read as
//! grants or are refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reeve_policy::grants::Grants;
use reeve_policy::manifest::Manifest;

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    assert!(!manifest.name.contains(['/', '.', '\0']) && (1..=64).contains(&manifest.name.len()));
    assert!(manifest.wants.len() <= 64 && manifest.description.len() <= 1024);
    if let Ok(grants) = Grants::new(&manifest.wants, &[]) {
        for verb in reeve_model::Verb::ALL {
            assert!(!grants.permits(verb, "web"), "what is only asked for is not allowed");
        }
    }
});
