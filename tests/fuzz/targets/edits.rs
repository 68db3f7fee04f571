//! A policy's typed edits, applied to a domain: no panic; what is accepted keeps name and UUID, holds the rules of a domain
//! and survives being stored as a document.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use reeve_actions::edit::apply;
use reeve_model::domain::DomainConfig;
use reeve_model::edit::Edit;
use reeve_xml::{ParseOptions, domain};

static DOMAIN: LazyLock<DomainConfig> = LazyLock::new(|| {
    let text = include_str!("../../fixtures/domain-20-devices.xml");
    domain::parse(text, &ParseOptions::default()).expect("the fixture is a domain").document
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(edits) = serde_json::from_slice::<Vec<Edit>>(bytes) else { return };
    let Ok(edited) = apply(&DOMAIN, &edits) else { return };
    assert_eq!((&edited.name, edited.uuid), (&DOMAIN.name, DOMAIN.uuid));
    assert_eq!(edited.check(), Ok(()));
    let written = domain::format(&edited);
    let stored = domain::parse(&written, &ParseOptions::default())
        .unwrap_or_else(|error| panic!("the edited domain cannot be read back: {error}\n{written}"));
    assert_eq!(stored.document, edited, "{written}");
});
