//! Documents of secrets: what is read, the canonical form, and what is refused.

use reeve_model::secret::SecretKind;
use reeve_xml::{Kind, ParseOptions, check, secret};

#[test]
fn every_usage_is_read_and_written_back() {
    for (word, element) in
        [("volume", "volume"), ("iscsi", "target"), ("ceph", "name"), ("tls", "name"), ("vtpm", "name")]
    {
        let text = format!(
            "<secret ephemeral='no' private='yes'><usage type='{word}'><{element}>the one</{element}></usage>
             <uuid>0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f</uuid><description>a &lt; b</description></secret>"
        );
        let parsed = secret::parse(&text, &ParseOptions { strict: true }).expect("a good document");
        let usage = parsed.document.usage.as_ref().expect("a usage");
        assert_eq!((usage.kind.as_str(), usage.id.as_str()), (word, "the one"));
        assert_eq!(SecretKind::from_word(word), Some(usage.kind));
        let canonical = secret::format(&parsed.document);
        assert!(canonical.contains("<description>a &lt; b</description>"), "{canonical}");
        let again = secret::parse(&canonical, &ParseOptions { strict: true }).expect("its own form");
        assert_eq!(again.document, parsed.document);
    }
}

#[test]
fn a_secret_gets_libvirts_form() {
    let checked = check("<secret><description>me</description></secret>", Some(Kind::Secret)).expect("good");
    assert_eq!(
        checked.canonical,
        "<secret ephemeral='no' private='no'>\n  <description>me</description>\n</secret>\n"
    );
    let none = "<secret><usage type='none'/></secret>";
    assert!(secret::parse(none, &ParseOptions::default()).expect("good").document.usage.is_none());
}

#[test]
fn what_is_wrong_is_named() {
    let long = "x".repeat(5000);
    for (text, reason) in [
        ("<secret ephemeral='maybe'/>".to_owned(), "ephemeral"),
        ("<secret><usage type='disk'/></secret>".to_owned(), "none, volume, iscsi, ceph, tls, vtpm"),
        ("<secret><usage type='iscsi'><name>a</name></usage></secret>".to_owned(), "<target>…</target>"),
        ("<secret><usage type='ceph'><name> </name></usage></secret>".to_owned(), "<name>…</name>"),
        (format!("<secret><description>{long}</description></secret>"), "4096"),
        ("<secret><uuid>1</uuid></secret>".to_owned(), "uuid"),
        ("<pool/>".to_owned(), "starts with <secret>"),
    ] {
        let error = secret::parse(&text, &ParseOptions::default()).expect_err(&text);
        assert!(error.to_string().to_lowercase().contains(reason), "{error}");
    }
}
