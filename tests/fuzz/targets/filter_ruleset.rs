//! A ruleset that a policy proposes: no panic, and what passes becomes text of few characters, with none of the policy's words but names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reeve_filter::compile::{Kernel, Owner, compile};
use reeve_filter::{Limits, check};
use reeve_model::filter::Ruleset;

fuzz_target!(|bytes: &[u8]| {
    let Ok(rules) = serde_json::from_slice::<Ruleset>(bytes) else { return };
    let Ok(valid) = check(rules, &Limits::default()) else { return };
    let owner = Owner { port: 1, generation: 1 };
    let Ok(compiled) = compile(&valid, owner, &Kernel::default()) else { return };
    for text in compiled.counting.values().chain([&compiled.bridge]) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "\n @&!=<>{}:;,._-\"|".contains(c);
        assert!(text.chars().all(plain), "{text}");
    }
    for name in compiled.chains.iter().chain(&compiled.sets).chain(&compiled.maps) {
        assert!(name.starts_with("p1-1-"), "{name}");
    }
});
