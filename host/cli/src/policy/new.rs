//! `reeve policy new`.

use std::path::PathBuf;

use clap::Args;
use reeve_model::policy::Hook;
use reeve_package::Lang;
use reeve_package::new::{self, NewError};
use serde::Serialize;

use super::decisions::named;
use crate::context::Context;
use crate::exit::{Invalid, Usage};
use crate::output::Show;

/// Options of `reeve policy new`.
#[derive(Debug, Args)]
#[command(after_help = "\
The project has the policy's source, the SDK of its language, the contract and, without --hook, recorded sessions that test it.
Everything comes from this program. Needs no daemon.

Examples:
  reeve policy new --lang rust too-small
  reeve policy new --lang js watch --hook domain-events --hook daemon-events
  reeve policy new --lang python limits --dir policies/limits")]
pub struct New {
    /// Language to write it in: rust, js, python, c, go, zig or as
    #[arg(long, value_parser = lang)]
    lang: Lang,
    /// Name of the policy: lower-case letters, digits and dashes
    name: String,
    /// A hook it answers; may be repeated [default: the one of the template, domain-define]
    #[arg(long = "hook", value_name = "HOOK", value_parser = named::<Hook>)]
    hooks: Vec<Hook>,
    /// Folder to write, missing or empty [default: the name]
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// What was written.
#[derive(Serialize)]
struct Created {
    name: String,
    lang: &'static str,
    folder: PathBuf,
    files: usize,
}

impl Show for Created {
    const ELEMENT: &'static str = "project";

    fn human(&self) -> String {
        let Self { name, lang, folder, .. } = self;
        let folder = folder.display();
        format!(
            "Policy '{name}' in {lang} is in {folder}\n  cd {folder}\n  reeve policy build\n  reeve policy test\n  \
             reeve policy load build/{name}.wasm --mode monitor"
        )
    }
}

impl New {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let folder = self.dir.unwrap_or_else(|| self.name.clone().into());
        let files = new::create(self.lang, &self.name, &self.hooks, &folder).map_err(explain)?;
        context.show(&Created { name: self.name, lang: self.lang.as_str(), folder, files: files.len() })
    }
}

fn explain(error: NewError) -> anyhow::Error {
    match error {
        NewError::Name(_) => Invalid(error.to_string()).into(),
        NewError::Exists(_) | NewError::Hook { .. } => {
            Usage { message: error.to_string(), hint: None }.into()
        }
        NewError::Write { .. } => error.into(),
    }
}

fn lang(word: &str) -> Result<Lang, String> {
    Lang::parse(word)
        .ok_or_else(|| format!("no such language; there are {}", Lang::ALL.map(Lang::as_str).join(", ")))
}
