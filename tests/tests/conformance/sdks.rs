//! The SDKs' own tests, run by the interpreters of their languages: the layer, the examples and the template, without Wasm.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::{Outcome, in_ci};

/// Runs a program in guest-sdk/LANG; its output is shown when it fails. False when it is not installed.
fn run(lang: &str, program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<bool> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk").join(lang);
    #[expect(clippy::disallowed_methods, reason = "a test waits for its program in the foreground")]
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).envs(environment.iter().copied());
    match command.output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            anyhow::ensure!(output.status.success(), "{program} {arguments:?}:\n{said}");
            Ok(true)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !in_ci() => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{program} can't be run")),
    }
}

#[test]
fn the_javascript_sdk_passes_its_tests_in_node() -> Outcome {
    let tests = ["sdk", "naming", "admission", "migration-precopy", "template", "stubs"]
        .map(|name| format!("test/{name}.test.js"));
    let arguments: Vec<_> = ["--test"].into_iter().chain(tests.iter().map(String::as_str)).collect();
    if !run("js", "node", &arguments, &[])? {
        println!("SKIP C sdks::the_javascript_sdk_passes_its_tests_in_node: node is not installed");
    }
    Ok(())
}

#[test]
fn the_python_sdk_passes_its_tests() -> Outcome {
    let environment = [("PYTHONPATH", "sdk"), ("PYTHONDONTWRITEBYTECODE", "1")];
    if !run("python", "python3", &["-m", "unittest", "discover", "-s", "tests"], &environment)? {
        println!("SKIP C sdks::the_python_sdk_passes_its_tests: python3 is not installed");
    }
    Ok(())
}
