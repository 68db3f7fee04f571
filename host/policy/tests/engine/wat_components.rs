//! Components written by hand, for what no compiler would make.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A guard of `domain-define` whose core function is `body`; it gets the ten words of context and handle and answers with the
/// address of a result. Address 64 holds an `allow`.
pub fn guard(body: &str) -> Vec<u8> {
    guard_with("", body)
}

/// The same with further core items in front.
pub fn guard_with(items: &str, body: &str) -> Vec<u8> {
    component(
        &guard_core("", items, body),
        "import reeve:domain/config@0.1.0; export reeve:hooks/domain-define@0.1.0;",
    )
}

/// A guard that imports how much memory the host has, and allows.
pub fn guard_that_reads_memory() -> Vec<u8> {
    component(
        &guard_core(
            r#"(import "reeve:node/host@0.1.0" "get-memory" (func (param i32)))"#,
            "",
            "(i32.const 64)",
        ),
        "import reeve:domain/config@0.1.0; import reeve:node/host@0.1.0; export reeve:hooks/domain-define@0.1.0;",
    )
}

/// The core module of a guard, with further imports and items.
pub fn guard_core(imports: &str, items: &str, body: &str) -> String {
    format!(
        r#"(module
            (import "reeve:domain/config@0.1.0" "[resource-drop]domain-config" (func $drop (param i32)))
            {imports}
            {items}
            (memory (export "memory") 1)
            (global $next (mut i32) (i32.const 4096))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
              (global.get $next)
              (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get 3)) (i32.const 7)) (i32.const -8))))
            (func $guard (param $domain i32) (result i32)
              {body})
            (func (export "reeve:hooks/domain-define@0.1.0#guard")
              (param i32 i32 i64 i32 i32 i32 i32 i32 i32 i32) (result i32)
              (call $drop (local.get 9))
              (call $guard (local.get 9))))"#
    )
}

/// A component of a core module in text form and a world.
pub fn component(core: &str, world: &str) -> Vec<u8> {
    component_with(core, world, &[])
}

/// The same with further packages, each one text.
pub fn component_with(core: &str, world: &str, packages: &[&str]) -> Vec<u8> {
    let mut module = wat::parse_str(core).unwrap();
    let mut resolve = Resolve::default();
    for package in [
        "types",
        "domain",
        "node",
        "kv",
        "log",
        "clock",
        "events",
        "network",
        "filter",
        "storage",
        "migration",
        "tune",
        "hooks",
    ] {
        resolve.push_path(format!("{}/../../wit/{package}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    }
    for (n, package) in packages.iter().enumerate() {
        resolve.push_str(format!("{n}.wit"), package).unwrap();
    }
    let package =
        resolve.push_str("test.wit", &format!("package test:test; world test {{ {world} }}")).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

/// The component with a manifest in it.
pub fn with_manifest(mut component: Vec<u8>, json: &str) -> Vec<u8> {
    reeve_package::section::append(&mut component, "reeve.policy", json.as_bytes());
    component
}

/// The component as a policy called "handmade" without grants.
pub fn policy(component: Vec<u8>) -> Vec<u8> {
    with_manifest(component, r#"{"name":"handmade","version":"1.0.0","hooks":["domain-define"]}"#)
}
