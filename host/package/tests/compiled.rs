//! Projects in C, Go, Zig and AssemblyScript, by the compilers of this machine: every hook's stub becomes a component that imports nothing but the contract,
//! and the SDKs' own tests pass natively.
//!
//! Compilers are looked for in $REEVE_TOOLS and PATH; a test without its compiler says so and is skipped.
#![allow(clippy::unwrap_used, reason = "a failing helper fails its test")]
#![allow(clippy::print_stdout, reason = "a skipped test says why")]

use std::path::{Path, PathBuf};
use std::process::Command;

use reeve_model::policy::Hook;
use reeve_package::build::BuildError;
use reeve_package::component::{self, Shape};
use reeve_package::{Lang, Project, Tools, contract, new};

/// What $REEVE_TOOLS names, or else where the project's own tasks install.
fn tools() -> Tools {
    if std::env::var_os("REEVE_TOOLS").is_some() {
        return Tools::from_env();
    }
    Tools::below(&top().join("target/tools"))
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The component of a new project; none, with a reason printed, when a compiler is missing.
fn built(test: &str, lang: Lang, hooks: &[Hook]) -> Option<Shape> {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("project");
    new::create(lang, "a-policy", hooks, &folder).unwrap();
    match reeve_package::build(&Project::open(&folder).unwrap(), &tools()) {
        Ok(bytes) => Some(component::shape(&bytes).unwrap()),
        Err(BuildError::Tool { program, .. }) => {
            println!("SKIP C {test}: {program} is not installed");
            None
        }
        Err(error) => panic!("{lang} {hooks:?}: {error}"),
    }
}

/// Builds a project for all hooks that the SDK knows, and one for each of `sets`; its component exports those hooks and imports nothing but the contract.
fn stubs_build(test: &str, lang: Lang, sets: &[&[Hook]]) {
    let all = new::hooks_of(lang);
    for hooks in std::iter::once(all.as_slice()).chain(sets.iter().copied()) {
        let Some(shape) = built(test, lang, hooks) else { return };
        let mut exports = shape.exports;
        exports.sort();
        let mut interfaces: Vec<_> = hooks.iter().copied().map(contract::hook_interface).collect();
        interfaces.sort();
        assert_eq!(exports, interfaces, "{lang}");
        for import in shape.imports {
            assert!(
                import.interface.starts_with("reeve:"),
                "{hooks:?} in {lang} imports {}",
                import.interface
            );
        }
    }
}

/// Runs a native test; its output is shown when it fails.
#[expect(clippy::disallowed_methods, reason = "a test waits for its compiler in the foreground")]
fn run(program: &Path, arguments: &[&str], folder: &Path) {
    let output = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{} {arguments:?}:\n{said}", program.display());
}

/// All hooks together, and alone those whose part of an SDK is compiled only when they are asked for.
const SETS: [&[Hook]; 6] = [
    &[Hook::DomainEvents],
    &[Hook::KsmTune],
    &[Hook::Task],
    &[Hook::NetworkEvents],
    &[Hook::FilterGenerate],
    &[Hook::PortPlug, Hook::NetworkStart],
];

#[test]
fn every_hook_builds_in_c() {
    stubs_build("every_hook_builds_in_c", Lang::C, &SETS);
}

#[test]
fn every_hook_builds_in_go() {
    stubs_build("every_hook_builds_in_go", Lang::Go, &SETS);
}

#[test]
fn every_hook_builds_in_zig() {
    stubs_build("every_hook_builds_in_zig", Lang::Zig, &SETS);
}

#[test]
fn every_hook_builds_in_assemblyscript() {
    stubs_build("every_hook_builds_in_assemblyscript", Lang::AssemblyScript, &SETS);
}

#[test]
fn a_policy_imports_what_it_calls_and_nothing_else() {
    for lang in [Lang::C, Lang::Go, Lang::Zig, Lang::AssemblyScript] {
        let Some(shape) =
            built("a_policy_imports_what_it_calls_and_nothing_else", lang, &[Hook::DomainDefine])
        else {
            continue;
        };
        // A program in AssemblyScript that cannot go on says why in the log.
        let imports =
            shape.imports.iter().filter(|it| lang != Lang::AssemblyScript || it.interface != "reeve:log/log");
        let called: Vec<_> = imports.flat_map(|import| &import.functions).collect();
        assert!(called.contains(&&"[method]domain-config.memory".to_owned()), "{lang}: {called:?}");
        assert!(
            called.iter().all(|function| function.starts_with("[method]domain-config.memory")),
            "{lang}: {called:?}"
        );
    }
}

#[test]
fn a_hook_without_its_function_is_an_error_that_names_it() {
    for (lang, file, text, said) in [
        (Lang::C, "policy.c", "#include \"reeve.h\"\n", "undefined symbol: domain_define"),
        (
            Lang::Zig,
            "policy.zig",
            "//! Nothing.\n",
            "policy.toml names the hook 'domain-define', but policy.zig has no pub fn domainDefine",
        ),
        (Lang::AssemblyScript, "policy.ts", "export const nothing = 0;\n", "domainDefine"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("project");
        new::create(lang, "a-policy", &[], &folder).unwrap();
        std::fs::write(folder.join(file), text).unwrap();
        match reeve_package::build(&Project::open(&folder).unwrap(), &tools()) {
            Err(BuildError::Tool { program, .. }) => {
                println!(
                    "SKIP C a_hook_without_its_function_is_an_error_that_names_it: {program} is not installed"
                );
            }
            built => {
                let error = built.unwrap_err().to_string();
                assert!(error.contains(said), "{error}");
            }
        }
    }
}

#[test]
fn the_c_sdk_passes_its_own_tests() {
    let Some(cc) = tools().find(Lang::C, "cc") else {
        println!("SKIP C the_c_sdk_passes_its_own_tests: cc is not installed");
        return;
    };
    let folder = top().join("guest-sdk/c");
    let out = tempfile::tempdir().unwrap();
    for (test, policy) in [
        ("test/config.c", ""),
        ("test/networks.c", ""),
        ("test/naming.c", "examples/naming/policy.c"),
        ("test/admission.c", "examples/admission/policy.c"),
        ("template/test.c", "template/policy.c"),
    ] {
        let program = out.path().join("test");
        let shown = program.display();
        let compile = format!(
            "'{}' -std=c17 -Wall -Wextra -Werror -Isdk/include {test} {policy} sdk/src/*.c sdk/native/*.c -lm -o {shown}",
            cc.display()
        );
        run(Path::new("/bin/sh"), &["-c", &compile], &folder);
        run(&program, &[], &folder);
    }
}

#[test]
fn the_go_sdk_passes_its_own_tests() {
    let Some(go) = tools().find(Lang::Go, "go") else {
        println!("SKIP C the_go_sdk_passes_its_own_tests: go is not installed");
        return;
    };
    for folder in ["sdk", "examples/naming", "examples/admission"] {
        let folder = top().join("guest-sdk/go").join(folder);
        run(&go, &["vet", "."], &folder);
        run(&go, &["test", "."], &folder);
    }
}

#[test]
fn the_zig_sdk_passes_its_own_tests() {
    let Some(zig) = tools().find(Lang::Zig, "zig") else {
        println!("SKIP C the_zig_sdk_passes_its_own_tests: zig is not installed");
        return;
    };
    let folder = top().join("guest-sdk/zig");
    let cache = tools().cache(Lang::Zig).join("cache").display().to_string();
    let caches = ["--cache-dir", &cache, "--global-cache-dir", &cache];
    run(&zig, &["fmt", "--check", "sdk", "template", "examples"], &folder);
    run(&zig, &[&["test"], &caches[..], &["sdk/reeve.zig"]].concat(), &folder);
    for policy in ["template", "examples/naming", "examples/admission"] {
        let root = format!("-Mroot={policy}/policy.zig");
        let modules = ["--dep", "reeve", &root, "-Mreeve=sdk/reeve.zig"];
        run(&zig, &[&["test"], &caches[..], &modules].concat(), &folder);
    }
}

#[test]
fn the_assemblyscript_sdk_passes_its_own_tests() {
    let (Some(node), Some(asc)) =
        (tools().find(Lang::AssemblyScript, "node"), tools().find(Lang::AssemblyScript, "asc"))
    else {
        println!("SKIP C the_assemblyscript_sdk_passes_its_own_tests: node or asc is not installed");
        return;
    };
    let sdk = top().join("guest-sdk/as");
    let root = tempfile::tempdir().unwrap();
    for (number, source) in
        ["template", "examples/naming", "examples/admission", "test"].into_iter().enumerate()
    {
        let folder = root.path().join(number.to_string());
        new::create(Lang::AssemblyScript, "a-policy", &[], &folder).unwrap();
        std::fs::copy(sdk.join(source).join("test.ts"), folder.join("test.ts")).unwrap();
        if source.starts_with("examples") {
            std::fs::copy(sdk.join(source).join("policy.ts"), folder.join("policy.ts")).unwrap();
        }
        run(&node, &["sdk/test.mjs", "--asc", &asc.display().to_string()], &folder);
    }
}
