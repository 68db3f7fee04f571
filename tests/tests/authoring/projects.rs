//! A new project in every language builds with one command and passes its own sessions.

use crate::Outcome;
use reeve_package::Lang;

use crate::desk::Desk;

/// The template's project, from nothing to a tested component without WASI.
fn new_build_test(test: &str, lang: &str) -> Outcome {
    let desk = Desk::new()?;
    let folder = desk.create(lang, "too-small", &[])?;
    let Some(file) = desk.build(test, &folder, "too-small")? else { return Ok(()) };
    let shown = desk.inspect(&file, &[])?;
    assert_eq!(shown["name"], "too-small");
    assert_eq!(shown["hooks"], serde_json::json!(["reeve:hooks/domain-define"]));
    assert_eq!(shown["missing"], serde_json::json!([]), "a host needs to grant nothing");
    let imports = shown["imports"].as_array().cloned().unwrap_or_default();
    for import in imports {
        let interface = import["interface"].as_str().unwrap_or_default();
        assert!(interface.starts_with("reeve:"), "{lang} imports {interface}");
    }
    let tested = desk.policy(&["test", &folder])?.ok();
    assert!(tested.contains("passed"), "{tested}");
    Ok(())
}

/// A project of other hooks, from the stubs.
fn stubs(test: &str, lang: &str, hooks: &[&str]) -> Outcome {
    let desk = Desk::new()?;
    let folder = desk.create(lang, "watch", hooks)?;
    let Some(file) = desk.build(test, &folder, "watch")? else { return Ok(()) };
    let shown = desk.inspect(&file, &[])?;
    let exported: Vec<_> =
        shown["hooks"].as_array().into_iter().flatten().filter_map(|hook| hook.as_str()).collect();
    assert_eq!(exported.len(), hooks.len(), "{exported:?}");
    for hook in hooks {
        assert!(
            exported.iter().any(|export| export.ends_with(&format!("/{hook}"))),
            "{hook} in {exported:?}"
        );
    }
    Ok(())
}

#[test]
fn a_project_in_rust() -> Outcome {
    new_build_test("a_project_in_rust", "rust")
}

#[test]
fn a_project_in_javascript() -> Outcome {
    new_build_test("a_project_in_javascript", "js")
}

#[test]
fn a_project_in_python() -> Outcome {
    new_build_test("a_project_in_python", "python")
}

#[test]
fn a_project_in_c() -> Outcome {
    new_build_test("a_project_in_c", "c")
}

#[test]
fn a_project_in_go() -> Outcome {
    new_build_test("a_project_in_go", "go")
}

#[test]
fn a_project_in_zig() -> Outcome {
    new_build_test("a_project_in_zig", "zig")
}

#[test]
fn a_project_in_assemblyscript() -> Outcome {
    new_build_test("a_project_in_assemblyscript", "as")
}

/// Every hook that the SDK knows, each in a project of its own: C's builds are the quickest.
#[test]
fn a_project_of_every_hook() -> Outcome {
    for hook in reeve_package::new::hooks_of(Lang::C) {
        stubs("a_project_of_every_hook", "c", &[hook.as_str()])?;
    }
    Ok(())
}

/// Every hook that the language's SDK knows: all of them in one project.
fn all_hooks(test: &str, lang: &str) -> Outcome {
    let known = Lang::parse(lang).map(reeve_package::new::hooks_of).unwrap_or_default();
    stubs(test, lang, &known.iter().map(|hook| hook.as_str()).collect::<Vec<_>>())
}

#[test]
fn a_project_of_all_hooks_in_rust() -> Outcome {
    all_hooks("a_project_of_all_hooks_in_rust", "rust")
}

#[test]
fn a_project_of_all_hooks_in_javascript() -> Outcome {
    all_hooks("a_project_of_all_hooks_in_javascript", "js")
}

#[test]
fn a_project_of_all_hooks_in_python() -> Outcome {
    all_hooks("a_project_of_all_hooks_in_python", "python")
}

#[test]
fn a_project_of_all_hooks_in_go() -> Outcome {
    all_hooks("a_project_of_all_hooks_in_go", "go")
}

#[test]
fn a_project_of_all_hooks_in_zig() -> Outcome {
    all_hooks("a_project_of_all_hooks_in_zig", "zig")
}

#[test]
fn a_project_of_all_hooks_in_assemblyscript() -> Outcome {
    all_hooks("a_project_of_all_hooks_in_assemblyscript", "as")
}
