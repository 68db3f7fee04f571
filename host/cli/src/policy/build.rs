//! `reeve policy build`.

use std::path::PathBuf;

use clap::Args;
use reeve_package::build::{BuildError, build, write_component};
use reeve_package::{Project, Tools};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::context::Context;
use crate::output::Show;

/// Options of `reeve policy build`.
#[derive(Debug, Args)]
#[command(after_help = "\
Compilers are looked for in $REEVE_TOOLS/LANGUAGE and in PATH; a missing one is named with how to get it. The component is checked
and carries the manifest of policy.toml. Needs no daemon.

Examples:
  reeve policy build
  reeve policy build policies/limits --out limits.wasm")]
pub struct Build {
    /// Folder of the project, the one with policy.toml
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where to write the component [default: build/NAME.wasm in the project]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A component that was written.
#[derive(Serialize)]
pub(super) struct Written {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) file: PathBuf,
    pub(super) bytes: usize,
    pub(super) digest: String,
}

impl Written {
    /// What is told of `component`, written to `file`.
    pub(super) fn new(name: &str, version: &str, file: PathBuf, component: &[u8]) -> Self {
        let digest = digest(component);
        Self { name: name.to_owned(), version: version.to_owned(), file, bytes: component.len(), digest }
    }
}

impl Show for Written {
    const ELEMENT: &'static str = "component";

    fn human(&self) -> String {
        let Self { name, version, file, bytes, digest } = self;
        format!("Policy '{name}' {version} is in {}\n{bytes} bytes, sha256:{digest}", file.display())
    }
}

impl Build {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let project = Project::open(&self.dir).map_err(explain)?;
        let component = build(&project, &Tools::from_env()).map_err(explain)?;
        let manifest = &project.toml().manifest;
        let file = match self.out {
            Some(file) => file,
            None => {
                project.build_folder()?;
                self.dir.join("build").join(format!("{}.wasm", manifest.name))
            }
        };
        write_component(&file, &component)?;
        context.show(&Written::new(&manifest.name, &manifest.version, file, &component))
    }
}

/// sha256 as lower-case hex.
pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Mistakes in what the author wrote have an exit code of their own.
fn explain(error: BuildError) -> anyhow::Error {
    match error {
        BuildError::PolicyToml(_)
        | BuildError::NoLanguage(_)
        | BuildError::NoFile { .. }
        | BuildError::World(_)
        | BuildError::Hooks { .. } => super::annotate::invalid(&error),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Invalid;
    use crate::output::Format;

    #[test]
    fn the_file_and_its_digest_are_told() {
        let written = Written::new("limits", "0.1.0", "limits/build/limits.wasm".into(), b"x");
        assert_eq!(
            Format::Table.draw(&written).unwrap(),
            "Policy 'limits' 0.1.0 is in limits/build/limits.wasm\n1 bytes, \
             sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
        );
    }

    #[test]
    fn mistakes_of_the_author_are_told_from_failures_of_tools() {
        assert!(explain(BuildError::NoLanguage("policy.toml".into())).is::<Invalid>());
        let program = "go";
        let missing = BuildError::Tool { lang: reeve_package::Lang::Go, program, how: "get it" };
        assert!(!explain(missing).is::<Invalid>());
    }
}
