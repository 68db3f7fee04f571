//! A document in the user's editor, and never a lost edit.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use anyhow::Context as _;
use sha2::{Digest, Sha256};

use crate::context::Context;

/// Lets the user edit `before`. `keep` gets the new text and the digest of the old one; when it refuses, the text is opened again as it was
/// left, and when the user gives up it stays in the file that is named. False when nothing was changed.
pub(crate) async fn edit(
    context: &mut Context,
    before: &str,
    mut keep: impl AsyncFnMut(&mut Context, &str, String) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let file = tempfile::Builder::new().prefix("reeve-").suffix(".xml").tempfile();
    let mut file = file.context("cannot make a temporary file for the editor")?;
    file.write_all(before.as_bytes()).context("cannot write the temporary file for the editor")?;
    let file = file.into_temp_path();
    let digest = digest(before);
    loop {
        let outcome = match read_back(&file) {
            Ok(after) if after == before => return Ok(false),
            Ok(after) => keep(context, &after, digest.clone()).await,
            Err(error) => Err(error),
        };
        let Err(error) = outcome else { return Ok(true) };
        if !again(&error) {
            let kept = file.keep().context("cannot keep the edited text")?;
            return Err(error.context(format!("nothing was changed; your text is in '{}'", kept.display())));
        }
    }
}

/// What identifies a text: sha256, hex.
pub(crate) fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_back(file: &Path) -> anyhow::Result<String> {
    open_editor(file)?;
    std::fs::read_to_string(file).context("cannot read back the edited text")
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
