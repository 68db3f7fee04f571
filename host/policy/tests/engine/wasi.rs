//! WASI by grant: what is granted works within the limits, and nothing else is there.

use std::time::{Duration, Instant};

use reeve_actions::policy_port::{GuardVerdict, PolicyAdmin, PolicyPort};
use reeve_model::ErrorCode;
use reeve_model::policy::{Hook, Outcome};
use serde_json::json;

use crate::support::{Host, ROOT, document, refused, request};
use crate::wat_components::{component_with, guard_core, with_manifest};

const IO: &str = "package wasi:io@0.2.0;
    interface error { resource error; }
    interface poll { resource pollable { block: func(); } }
    interface streams {
        use error.{error};
        variant stream-error { last-operation-failed(error), closed }
        resource output-stream {
            blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
        }
    }";
const CLOCKS: &str = "package wasi:clocks@0.2.0;
    interface monotonic-clock {
        use wasi:io/poll@0.2.0.{pollable};
        now: func() -> u64;
        subscribe-duration: func(when: u64) -> pollable;
    }";
const RANDOM: &str = "package wasi:random@0.2.0; interface random { get-random-u64: func() -> u64; }";
const CLI: &str = "package wasi:cli@0.2.0;
    interface stdout { use wasi:io/streams@0.2.0.{output-stream}; get-stdout: func() -> output-stream; }
    interface environment { get-arguments: func() -> list<string>; }";
const FILESYSTEM: &str = "package wasi:filesystem@0.2.0;
    interface types {
        enum error-code {
            access, would-block, already, bad-descriptor, busy, deadlock, quota, exist, file-too-large,
            illegal-byte-sequence, in-progress, interrupted, invalid, io, is-directory, loop, too-many-links,
            message-size, name-too-long, no-device, no-entry, no-lock, insufficient-memory, insufficient-space,
            not-directory, not-empty, not-recoverable, unsupported, no-tty, no-such-device, overflow, not-permitted,
            pipe, read-only, invalid-seek, text-file-busy, cross-device,
        }
        flags path-flags { symlink-follow }
        flags open-flags { create, directory, exclusive, truncate }
        flags descriptor-flags {
            read, write, file-integrity-sync, data-integrity-sync, requested-write-sync, mutate-directory,
        }
        resource descriptor {
            open-at: func(path-flags: path-flags, path: string, open-flags: open-flags, %flags: descriptor-flags)
                -> result<descriptor, error-code>;
        }
    }
    interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }";

/// A guard of `domain-define` with these core imports and WASI interfaces; it asks for `wants`.
fn policy(imports: &str, items: &str, body: &str, interfaces: &[&str], wants: &[&str]) -> Vec<u8> {
    let world: String = interfaces.iter().map(|interface| format!("import {interface}@0.2.0;")).collect();
    let world = format!("import reeve:domain/config@0.1.0; {world} export reeve:hooks/domain-define@0.1.0;");
    let component =
        component_with(&guard_core(imports, items, body), &world, &[IO, CLOCKS, RANDOM, CLI, FILESYSTEM]);
    let wants: Vec<_> = wants.iter().map(|want| json!({ "grant": want, "reason": "test" })).collect();
    with_manifest(component, &json!({ "name": "wasi", "version": "1.0.0", "wants": wants }).to_string())
}

const CLOCK_IMPORTS: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
    (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $sleep (param i64) (result i32)))
    (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#;
const CLOCK_INTERFACES: [&str; 2] = ["wasi:io/poll", "wasi:clocks/monotonic-clock"];

fn sleeps(nanoseconds: u64) -> Vec<u8> {
    let body = format!(
        "(local.set $begin (call $now))
         (call $block (call $sleep (i64.const {nanoseconds})))
         (if (i64.lt_u (i64.sub (call $now) (local.get $begin)) (i64.const {nanoseconds})) (then unreachable))
         (i32.const 64)"
    );
    policy(CLOCK_IMPORTS, "", &format!("(local $begin i64) {body}"), &CLOCK_INTERFACES, &["wasi:clocks"])
}

/// Two random numbers that must differ.
fn draws(wants: &[&str]) -> Vec<u8> {
    let import = r#"(import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))"#;
    let body = "(if (i64.eq (call $random) (call $random)) (then unreachable)) (i32.const 64)";
    policy(import, "", body, &["wasi:random/random"], wants)
}

/// 1000 bytes to standard output so many times, after a look at the arguments, of which there are none.
fn writes(times: u32) -> Vec<u8> {
    let imports = r#"
        (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
        (import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param i32)))
        (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
          (func $write (param i32 i32 i32 i32)))"#;
    let body = format!(
        "(local $out i32) (local $n i32)
         (call $arguments (i32.const 128))
         (if (i32.load (i32.const 132)) (then unreachable))
         (local.set $out (call $stdout))
         (local.set $n (i32.const {times}))
         (loop $again
           (call $write (local.get $out) (i32.const 1024) (i32.const 1000) (i32.const 256))
           (if (i32.load8_u (i32.const 256)) (then unreachable))
           (local.set $n (i32.sub (local.get $n) (i32.const 1)))
           (br_if $again (local.get $n)))
         (i32.const 64)"
    );
    let interfaces = ["wasi:io/streams", "wasi:cli/stdout", "wasi:cli/environment"];
    policy(imports, "", &body, &interfaces, &["wasi:cli"])
}

async fn outcome(host: &Host) -> Outcome {
    host.engine.guard(request(Hook::DomainDefine, "web")).await;
    host.decisions("wasi", Hook::DomainDefine).await.pop().unwrap().outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn every_interface_needs_its_grant_on_both_sides() {
    let host = Host::new().await;
    let error = host.load(draws(&[]), "wasi", json!({}), &["wasi:random"]).await.unwrap_err();
    assert!(
        error.message.contains("needs the grant 'wasi:random', but its manifest does not ask"),
        "{error}"
    );
    let loaded = host.load(draws(&["wasi:random"]), "wasi", json!({}), &["wasi:clocks"]).await;
    let words = "'wasi:random/random.get-random-u64', which needs the grant 'wasi:random'";
    refused(loaded, ErrorCode::Denied, words);
    host.load(draws(&["wasi:random"]), "wasi", json!({}), &["wasi:random"]).await.unwrap();
    assert_eq!(outcome(&host).await, Outcome::Allow, "two numbers differ");
    assert!(host.decisions("wasi", Hook::DomainDefine).await[0].host_calls >= 2);

    let sockets = "package wasi:sockets@0.2.0; interface network { resource network; }
        interface instance-network { use network.{network}; instance-network: func() -> network; }";
    let import = r#"(import "wasi:sockets/instance-network@0.2.0" "instance-network" (func (result i32)))"#;
    let world = "import reeve:domain/config@0.1.0; import wasi:sockets/instance-network@0.2.0;
        export reeve:hooks/domain-define@0.1.0;";
    let component = component_with(&guard_core(import, "", "(i32.const 64)"), world, &[sockets]);
    let component = with_manifest(component, r#"{"name":"wasi","version":"1"}"#);
    let error = host.load(component, "net", json!({}), &[]).await.unwrap_err();
    assert!(error.message.contains("wasi:sockets/") && error.message.contains("no network"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sleeping_ends_at_the_deadline() {
    let host = Host::new().await;
    host.load(sleeps(20_000_000), "wasi", json!({}), &["wasi:clocks"]).await.unwrap();
    assert_eq!(outcome(&host).await, Outcome::Allow, "20 ms pass");
    host.load(sleeps(3_600_000_000_000), "wasi", json!({}), &["wasi:clocks"]).await.unwrap();
    let begin = Instant::now();
    assert_eq!(outcome(&host).await, Outcome::Deadline, "an hour does not");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn output_counts_as_log_bytes_and_there_are_no_arguments() {
    let host = Host::new().await;
    host.load(writes(10), "wasi", json!({}), &["wasi:cli"]).await.unwrap();
    assert_eq!(outcome(&host).await, Outcome::Allow);
    host.load(writes(20), "wasi", json!({}), &["wasi:cli"]).await.unwrap();
    assert_eq!(outcome(&host).await, Outcome::Limit, "16 KiB of log a call");
}

/// A guard that opens `path` below its only directory and denies (by a trap) when that fails.
fn opens(path: &str, create: bool, wants: &str) -> Vec<u8> {
    let imports = r#"
        (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))
        (import "wasi:filesystem/types@0.2.0" "[method]descriptor.open-at"
          (func $open (param i32 i32 i32 i32 i32 i32 i32)))"#;
    let (open, flags) = if create { (1, 2) } else { (0, 1) };
    let body = format!(
        "(call $directories (i32.const 128))
         (if (i32.ne (i32.load (i32.const 132)) (i32.const 1)) (then (return (i32.const 64))))
         (call $open (i32.load (i32.load (i32.const 128))) (i32.const 1) (i32.const 2048) (i32.const {})
           (i32.const {open}) (i32.const {flags}) (i32.const 256))
         (if (i32.load8_u (i32.const 256)) (then unreachable))
         (i32.const 64)",
        path.len()
    );
    let data = format!("(data (i32.const 2048) \"{path}\")");
    policy(imports, &data, &body, &["wasi:filesystem/types", "wasi:filesystem/preopens"], &[wants])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_given_and_nothing_beside_it() {
    let host = Host::new().await;
    let root = host.directory.path().canonicalize().unwrap();
    let shared = root.join("shared");
    std::fs::create_dir(&shared).unwrap();
    std::fs::write(shared.join("a.txt"), "a").unwrap();
    std::fs::write(root.join("secret"), "s").unwrap();
    std::os::unix::fs::symlink(root.join("secret"), shared.join("link")).unwrap();
    std::os::unix::fs::symlink("../secret", shared.join("relative")).unwrap();
    std::os::unix::fs::symlink(&shared, root.join("alias")).unwrap();
    let read = format!("fs:read path={}", shared.display());
    let write = format!("fs:write path={}", shared.display());
    for (path, create, grant, expected) in [
        ("a.txt", false, &read, Outcome::Allow),
        ("new", true, &read, Outcome::Trap),
        ("../secret", false, &read, Outcome::Trap),
        ("link", false, &read, Outcome::Trap),
        ("relative", false, &read, Outcome::Trap),
        ("/etc/hostname", false, &read, Outcome::Trap),
        ("new", true, &write, Outcome::Allow),
        ("../beside", true, &write, Outcome::Trap),
    ] {
        host.load(opens(path, create, grant), "wasi", json!({}), &[grant]).await.unwrap();
        host.engine.guard(request(Hook::DomainDefine, "web")).await;
        let last = host.decisions("wasi", Hook::DomainDefine).await.pop().unwrap();
        assert_eq!(last.outcome, expected, "{path} with {grant}: {}", last.reason);
        host.engine.unload("wasi").await.unwrap();
    }
    assert!(shared.join("new").exists() && !root.join("beside").exists());

    let both = opens("new", true, &read);
    host.load(both, "narrow", json!({}), &[&write]).await.unwrap();
    assert!(
        matches!(host.engine.guard(request(Hook::DomainDefine, "web")).await, GuardVerdict::Deny { .. }),
        "asked to read only"
    );

    for (grant, words) in [
        (format!("fs:read path={}/none", root.display()), "cannot be given the directory"),
        (format!("fs:read path={}/secret", root.display()), "it is no directory"),
        (format!("fs:read path={}/alias", root.display()), "it is a link to"),
        ("fs:read path=../x".to_owned(), "is no absolute path"),
    ] {
        let component = opens("a.txt", false, "fs:read path=/");
        let error = host.load(component, "other", json!({}), &[&grant]).await.unwrap_err();
        assert!(error.message.contains(words), "{grant}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_granted_is_denied() {
    let host = Host::new().await;
    let load = async |component| host.load(component, "wasi", json!({}), &[]).await;
    refused(
        load(sleeps(1)).await,
        ErrorCode::Denied,
        "needs the grant 'wasi:clocks', and it has not been granted",
    );
    refused(
        load(draws(&["wasi:random"])).await,
        ErrorCode::Denied,
        "needs the grant 'wasi:random', and it has not",
    );
    refused(
        load(writes(1)).await,
        ErrorCode::Denied,
        "needs the grant 'wasi:cli', and it has not been granted",
    );
    let opens_something = opens("a.txt", false, "fs:read path=/srv");
    refused(
        load(opens_something).await,
        ErrorCode::Denied,
        "needs the grant 'fs:read', and it has not been granted",
    );
    assert!(host.engine.list().is_empty());

    let directory = host.directory.path().canonicalize().unwrap();
    let read = format!("fs:read path={}", directory.display());
    host.load(opens("new", true, &read), "wasi", json!({}), &[&read]).await.unwrap();
    let error = host.actions.define(&ROOT, &document("web", ""), false).await.unwrap_err();
    assert_eq!(
        error.code,
        ErrorCode::Denied,
        "it may not make a file without fs:write, so it traps: {error}"
    );
    assert!(!directory.join("new").exists());
}
