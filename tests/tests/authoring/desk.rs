//! An author's desk: an empty folder, the `reeve` command, and the tools that `cargo xtask setup` installed.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context as _;
use reeve_tests::{Run, binary};
use tempfile::TempDir;

/// An empty folder outside the checkout.
pub struct Desk {
    folder: TempDir,
    tools: OsString,
    target: PathBuf,
}

impl Desk {
    pub fn new() -> anyhow::Result<Self> {
        let binary = binary()?;
        let target = binary.ancestors().nth(2).context("the binary is in target/PROFILE/")?.to_owned();
        let tools = std::env::var_os("REEVE_TOOLS").unwrap_or_else(|| target.join("tools").into());
        Ok(Self { folder: TempDir::with_prefix("reeve-desk-")?, tools, target })
    }

    /// A path on the desk, as text.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Runs `reeve policy …`. No daemon is there.
    pub fn policy(&self, arguments: &[&str]) -> anyhow::Result<Run> {
        let arguments = [&["policy"], arguments].concat();
        // Crates that every Rust project uses are compiled once for all tests.
        let cargo_target = self.target.join("wasm/authoring");
        let environment =
            [("REEVE_TOOLS", self.tools.as_os_str()), ("CARGO_TARGET_DIR", cargo_target.as_os_str())];
        Run::reeve(self.folder.path(), &arguments, "", &environment)
    }

    /// `reeve policy new`: the folder of the project.
    pub fn create(&self, lang: &str, name: &str, hooks: &[&str]) -> anyhow::Result<String> {
        let folder = self.path(name);
        let mut arguments = vec!["new", "--lang", lang, name, "--dir", &folder];
        for hook in hooks {
            arguments.extend(["--hook", *hook]);
        }
        let said = self.policy(&arguments)?.ok();
        assert!(said.starts_with(&format!("Policy '{name}' in {lang} is in {folder}\n")), "{said}");
        Ok(folder)
    }

    /// `reeve policy build`: the component, or none, with a SKIP line for `test`, where the language's tools are missing.
    pub fn build(&self, test: &str, folder: &str, name: &str) -> anyhow::Result<Option<String>> {
        let run = self.policy(&["build", folder])?;
        let lacking = ["which is neither in $REEVE_TOOLS", "there is no standard library for wasm32"];
        if run.code != 0 && lacking.iter().any(|text| run.stderr.contains(text)) {
            let reason =
                run.stderr.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            println!("SKIP C {test}: {reason}; 'cargo xtask setup' installs it");
            return Ok(None);
        }
        let said = run.ok();
        let file = format!("{folder}/build/{name}.wasm");
        assert!(said.starts_with(&format!("Policy '{name}' 0.1.0 is in {file}\n")), "{said}");
        Ok(Some(file))
    }

    /// `reeve policy inspect` for programs.
    pub fn inspect(&self, file: &str, more: &[&str]) -> anyhow::Result<serde_json::Value> {
        let said = self.policy(&[&["inspect", file, "--output", "json"], more].concat())?.ok();
        Ok(serde_json::from_str(&said)?)
    }
}
