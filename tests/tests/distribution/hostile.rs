//! Modules that must not be loaded, each made here and each refused with its reason, from a registry as from a file.

use reeve_tests::{Daemon, policy};

use crate::component::{of, with_manifest};
use crate::registry::Registry;
use crate::{Author, Outcome};

const EMPTY: &str = "(component)";
const HOOK: &str = "reeve:hooks/domain-define@0.1.0";

fn manifest(wants: &str) -> String {
    format!(r#"{{"name": "stranger", "version": "1.0.0", "wants": [{wants}]}}"#)
}

fn want(grant: &str) -> String {
    format!(r#"{{"grant": "{grant}", "reason": "none of your business"}}"#)
}

/// A component that imports a function of an interface.
fn importing(name: &str, function: &str, wants: &str) -> anyhow::Result<Vec<u8>> {
    let text = format!(r#"(component (import "{name}" (instance (export "{function}" (func)))))"#);
    Ok(with_manifest(of(&text)?, &manifest(wants)))
}

/// The corpus: a name, the bytes, and part of the reason.
fn corpus() -> anyhow::Result<Vec<(&'static str, Vec<u8>, &'static str)>> {
    let naming = std::fs::read(policy("naming")?)?;
    let named = |json: &str| anyhow::Ok(with_manifest(of(EMPTY)?, json));
    let huge =
        format!(r#"{{"name": "stranger", "version": "1.0.0", "description": "{}"}}"#, "x".repeat(1 << 20));
    let many = core_module_in_component(300_000)?;
    let modules = format!("(component {})", "(core module)".repeat(200));
    let export = format!(r#"(component (instance $none) (export "{HOOK}" (instance $none)))"#);
    let unknown_hook =
        r#"(component (instance $none) (export "reeve:hooks/domain-defin@0.1.0" (instance $none)))"#;
    Ok(vec![
        ("empty", Vec::new(), "not a valid Wasm component"),
        ("text", b"#!/bin/sh\n".to_vec(), "not a valid Wasm component"),
        ("core-module", wat::parse_str("(module)")?, "core Wasm module"),
        ("truncated", naming[..naming.len() / 2].to_vec(), "not a valid Wasm component"),
        ("no-manifest", of(EMPTY)?, "has no manifest"),
        ("two-manifests", with_manifest(naming, &manifest("")), "more than one"),
        ("huge-manifest", named(&huge)?, "manifest"),
        ("no-json", named("{")?, "manifest"),
        ("escaping-name", named(r#"{"name": "../../etc", "version": "1"}"#)?, "is not a policy name"),
        ("unknown-field", named(r#"{"name": "x", "version": "1", "root": true}"#)?, "unknown field `root`"),
        ("unknown-grant", named(&manifest(&want("host:own")))?, "host:own"),
        ("no-hook", named(&manifest(""))?, "exports no hook"),
        ("unknown-hook", with_manifest(of(unknown_hook)?, &manifest("")), "did you mean"),
        ("empty-hook", with_manifest(of(&export)?, &manifest("")), "does not fit the contract"),
        ("not-asked", importing("reeve:node/ksm@0.1.0", "get", "")?, "does not ask for it"),
        (
            "not-granted",
            importing("reeve:node/ksm@0.1.0", "get", &want("node:read"))?,
            "has not been granted",
        ),
        ("unknown-import", importing("evil:host/root@1.0.0", "shell", "")?, "does not offer"),
        ("wasi-sockets", importing("wasi:sockets/tcp@0.2.0", "connect", "")?, "wasi:sockets/tcp@0.2.0"),
        ("wasi-files", importing("wasi:filesystem/types@0.2.0", "open", "")?, "wasi:filesystem/types.open"),
        ("newer-contract", importing("reeve:node/ksm@9.0.0", "get", "")?, "reeve:node/ksm@9.0.0"),
        ("many-functions", with_manifest(many, &manifest("")), "functions"),
        ("many-modules", with_manifest(of(&modules)?, &manifest("")), "core modules"),
    ])
}

/// A component around a core module with so many functions that do nothing.
fn core_module_in_component(functions: usize) -> anyhow::Result<Vec<u8>> {
    let section = |id: u8, items: &[u8]| {
        let content = [&leb128(functions)[..], &items.repeat(functions)].concat();
        [&[id][..], &leb128(content.len()), &content].concat()
    };
    let types = b"\x01\x04\x01\x60\0\0";
    let module = [&b"\0asm\x01\0\0\0"[..], types, &section(3, b"\0"), &section(10, b"\x02\0\x0b")].concat();
    Ok([&of(EMPTY)?[..], &[1], &leb128(module.len()), &module].concat())
}

fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[test]
fn nothing_of_the_corpus_is_loaded_and_each_refusal_says_why() -> Outcome {
    let author = Author::new()?;
    let daemon = Daemon::start()?;
    let mut unclear = Vec::new();
    for (name, bytes, part) in corpus()? {
        let file = author.write(&format!("{name}.wasm"), &bytes)?;
        let run = daemon.reeve(&["policy", "load", &file])?;
        if !matches!(run.code, 1 | 4 | 7) || !run.stderr.contains(part) {
            unclear.push(format!("{name}: '{part}' is not in {run:?}"));
        }
    }
    assert!(unclear.is_empty(), "{}", unclear.join("\n"));
    let left: serde_json::Value =
        serde_json::from_str(&daemon.reeve(&["policy", "list", "-o", "json"])?.ok())?;
    assert_eq!(left, serde_json::json!([]), "and the daemon still answers");
    Ok(())
}

#[test]
fn a_registry_makes_no_module_better() -> Outcome {
    let Some(registry) = Registry::open("a_registry_makes_no_module_better")? else { return Ok(()) };
    let author = Author::new()?;
    let daemon = Daemon::start()?;
    for name in ["not-granted", "wasi-sockets", "unknown-grant", "empty-hook"] {
        let (_, bytes, part) = corpus()?.into_iter().find(|case| case.0 == name).expect("of the corpus");
        let file = author.write("stranger.wasm", &bytes)?;
        let tag = registry.name(&format!("stranger:{name}"));
        author.push(file.as_ref(), &tag)?;
        let run = daemon.reeve(&["policy", "install", &tag, "--allow-unsigned"])?;
        assert!(matches!(run.code, 1 | 4 | 7) && run.stderr.contains(part), "{name}: {run:?}");
    }
    let left: serde_json::Value =
        serde_json::from_str(&daemon.reeve(&["policy", "list", "-o", "json"])?.ok())?;
    assert_eq!(left, serde_json::json!([]));
    Ok(())
}
