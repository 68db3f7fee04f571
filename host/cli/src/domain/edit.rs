//! `reeve domain edit` (guide 14.5.13): the definition in an editor, and never a lost edit.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use anyhow::Context as _;
use clap::Args;
use reeve_model::api::{EditOptions, XmlOptions};
use sha2::{Digest, Sha256};

use super::{Target, define};
use crate::context::Context;

/// Options of `reeve domain edit`.
#[derive(Debug, Args)]
#[command(after_help = "\
The editor is $VISUAL, $EDITOR, or vi. A document that is refused is opened again with the text as it was left; when you give up
it stays in the file that is named. So it does when somebody else changed the definition meanwhile. A running domain uses the new definition from its next start.")]
pub struct Edit {
    #[command(flatten)]
    target: Target,
}

impl Edit {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let before = context.client.domain_xml(&self.target.domain, XmlOptions { inactive: true }).await?;
        let file = tempfile::Builder::new().prefix("reeve-").suffix(".xml").tempfile();
        let mut file = file.context("cannot make a temporary file for the editor")?;
        file.write_all(before.as_bytes()).context("cannot write the temporary file for the editor")?;
        let file = file.into_temp_path();
        loop {
            let outcome = self.once(context, &file, &before).await;
            let Err(error) = outcome else { return Ok(()) };
            if !again(&error) {
                let kept = file.keep().context("cannot keep the edited text")?;
                return Err(
                    error.context(format!("nothing was changed; your text is in '{}'", kept.display()))
                );
            }
        }
    }

    /// One round: edit, read, define.
    async fn once(&self, context: &mut Context, file: &Path, before: &str) -> anyhow::Result<()> {
        open_editor(file)?;
        let after = std::fs::read_to_string(file).context("cannot read back the edited text")?;
        if after == before {
            return context.print(&format!("Domain '{}' is unchanged", self.target.domain));
        }
        let expected = Sha256::digest(before.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let options = EditOptions { strict: false, expected: Some(expected) };
        let defined = context.client.edit_domain(&self.target.domain, &after, &options).await?;
        define::warn(context, &defined);
        context.print(&format!("Domain '{}' edited", defined.domain.name))
    }
}

/// Runs the user's editor on `file` and waits for it.
fn open_editor(file: &Path) -> anyhow::Result<()> {
    let chosen =
        ["VISUAL", "EDITOR"].into_iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let editor = chosen.unwrap_or_else(|| "vi".to_owned());
    // Through a shell, as git does it: the variable may hold options.
    #[expect(
        clippy::disallowed_methods,
        reason = "the user's own editor with the user's own rights, no host program"
    )]
    let status = std::process::Command::new("/bin/sh")
        .args(["-c", &format!("{editor} \"$1\""), "sh"])
        .arg(file)
        .status()
        .with_context(|| format!("cannot run the editor '{editor}'"))?;
    anyhow::ensure!(status.success(), "the editor '{editor}' ended with {status}");
    Ok(())
}

/// Shows the error and asks whether to go on; without somebody to ask, no.
fn again(error: &anyhow::Error) -> bool {
    let (mut stderr, stdin) = (io::stderr(), io::stdin());
    if !stdin.is_terminal() {
        return false;
    }
    let (_, text) = crate::exit::explain(error);
    if write!(stderr, "{text}Edit again? [Y/n] ").and_then(|()| stderr.flush()).is_err() {
        return false;
    }
    let mut answer = String::new();
    let read = stdin.lock().read_line(&mut answer);
    read.is_ok_and(|bytes| bytes > 0) && !answer.trim().to_ascii_lowercase().starts_with('n')
}
