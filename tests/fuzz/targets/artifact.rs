//! What a registry sends, and what operators write about registries: no panic; a manifest that is taken has one component within
//! its limit, a reference is read as it is written, and no payload is signed by a key that did not sign it.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use reeve_oci::challenge::Challenge;
use reeve_oci::manifest::Manifest;
use reeve_oci::{
    COMPONENT_LIMIT, Digest, PublicKey, Record, Reference, SIGNATURES_LIMIT, Signature, config, credentials,
    payload,
};

/// The example of RFC 8410, section 10.1.
const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
                   MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
                   -----END PUBLIC KEY-----\n";

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::parse(bytes) {
        if let Ok(component) = manifest.component() {
            assert!(component.size <= COMPONENT_LIMIT && manifest.layers.len() == 1);
        }
        assert!(manifest.signatures().count() <= SIGNATURES_LIMIT);
        assert_eq!(Manifest::parse(&manifest.to_bytes()).expect("what is written is read"), manifest);
    }
    if let Ok(digest) = payload::read(bytes) {
        assert_eq!(payload::read(&payload::write("x", digest)).expect("what is written is read"), digest);
    }
    config::custom_section(bytes, "reeve.policy");
    let _ = serde_json::from_slice::<Record>(bytes);
    let _ = credentials::parse(bytes, Path::new("config.json"), "registry.example.org");
    let _ = PublicKey::from_pem("fuzz", bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string(), text);
        assert!(!reference.repository().contains("..") && !reference.registry().contains(['@', '/']));
    }
    Challenge::parse(text);
    let key = PublicKey::from_pem("key", KEY.as_bytes()).expect("a key");
    if let Some(signature) = Signature::from_text(bytes.to_vec(), text) {
        assert!(!signature.is_by(&key) && !(signature.is_about(Digest::of(b"")) && signature.is_by(&key)));
    }
});
