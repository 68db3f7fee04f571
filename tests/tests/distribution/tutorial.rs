//! guest-sdk/TUTORIAL.md, followed to the letter in every language it names: its commands are run as they stand on the page.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use reeve_tests::{Daemon, Options, binary};
use tempfile::TempDir;

use crate::Outcome;
use crate::registry::Registry;

const PAGE: &str = include_str!("../../../guest-sdk/TUTORIAL.md");

/// The heading at which the reader goes over to the host.
const ON_THE_HOST: &str = "## 5.";

#[test]
fn the_tutorial_in_rust() -> Outcome {
    follow("the_tutorial_in_rust", "rust")
}

#[test]
fn the_tutorial_in_javascript() -> Outcome {
    follow("the_tutorial_in_javascript", "js")
}

#[test]
fn the_tutorial_in_python() -> Outcome {
    follow("the_tutorial_in_python", "python")
}

fn follow(test: &str, language: &'static str) -> Outcome {
    let Some(registry) = Registry::open(test)? else { return Ok(()) };
    let (at_the_desk, on_the_host) =
        PAGE.split_once(ON_THE_HOST).context("the page has a part for the host")?;
    let reader =
        Reader { directory: TempDir::with_prefix("reeve-tutorial-")?, registry: registry.host(), language };

    let said = reader.types(&blocks(at_the_desk, "sh"), reader.directory.path())?;
    if said.lacks_tools() {
        println!("SKIP C {test}: the tools of {language} are missing; 'cargo xtask setup' installs them");
        return Ok(());
    }
    let said = said.succeeded()?;
    assert!(said.contains("small-domains"), "the policy was looked at: {said}");

    // The host trusts the key of the page, in its own words.
    let project = reader.directory.path().join("small-domains");
    let trust = blocks(on_the_host, "toml").replace("registry.example.org", &registry.host());
    let key = std::fs::read(project.join("release.pub"))?;
    let host = Daemon::start_with(Options {
        config: trust,
        files: vec![("etc/reeve/release.pub".into(), key)],
        ..Options::default()
    })?;
    let commands = format!("cd small-domains\n{}", blocks(on_the_host, "sh"));
    let said = reader.types(&commands, host.root())?.succeeded()?;
    assert!(said.contains("Domain 'tiny' defined"), "a monitor refuses nothing: {said}");
    assert!(said.contains("64 MiB"), "the log has the policy's reason: {said}");

    let listed = host.reeve(&["policy", "show", "small-domains", "-o", "json"])?.ok();
    let shown: serde_json::Value = serde_json::from_str(&listed)?;
    assert_eq!(shown["mode"], "enforce");
    let refused = host.reeve(&["domain", "define", &project.join("tiny.xml").to_string_lossy()])?.fails(4);
    assert!(refused.contains("policy 'small-domains'") && refused.contains("64 MiB"), "{refused}");
    Ok(())
}

/// Everything between fences of this kind.
fn blocks(page: &str, kind: &str) -> String {
    let fence = format!("```{kind}\n");
    let inside = page.split(&fence).skip(1).filter_map(|rest| rest.split("```").next());
    inside.collect::<Vec<_>>().join("\n")
}

/// Somebody at a terminal with an empty directory.
struct Reader {
    directory: TempDir,
    registry: String,
    language: &'static str,
}

/// What a terminal showed.
struct Terminal {
    good: bool,
    text: String,
}

impl Reader {
    fn types(&self, commands: &str, root: &Path) -> anyhow::Result<Terminal> {
        let reeve = binary()?;
        let target = reeve.ancestors().nth(2).context("the binary is in target/PROFILE/")?;
        let programs = reeve.parent().context("the binary is in a directory")?.display();
        let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
        #[expect(clippy::disallowed_methods, reason = "the reader of the tutorial has a shell")]
        let mut shell = Command::new("/bin/sh");
        if std::env::var_os("REEVE_TOOLS").is_none() {
            shell.env("REEVE_TOOLS", target.join("tools"));
        }
        let output = shell
            .args(["-eux", "-c", &format!("exec 2>&1\n{commands}")])
            .current_dir(self.directory.path())
            .env("PATH", path)
            .env("REEVE_ROOT", root)
            .env("REGISTRY", &self.registry)
            .env("LANGUAGE", self.language)
            .env("DOCKER_CONFIG", self.directory.path())
            .stdin(Stdio::null())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(Terminal { good: output.status.success(), text })
    }
}

impl Terminal {
    fn lacks_tools(&self) -> bool {
        !self.good && self.text.contains("which is neither in $REEVE_TOOLS")
    }

    fn succeeded(self) -> anyhow::Result<String> {
        anyhow::ensure!(self.good, "a command of the page failed:\n{}", self.text);
        Ok(self.text)
    }
}
