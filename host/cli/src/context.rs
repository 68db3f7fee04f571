//! What every command works with: the client and the place results go to.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use reeve_client::Client;

use crate::args::Place;
use crate::output::{Format, Show};

/// The client, the format, and standard output.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) format: Format,
    out: io::Stdout,
}

impl Context {
    pub(crate) fn new(place: &Place, format: Format) -> Self {
        Self { client: Client::new(place.socket()), format, out: io::stdout() }
    }

    /// Writes a result in the format that was asked for.
    pub(crate) fn show(&mut self, result: &impl Show) -> anyhow::Result<()> {
        let text = self.format.draw(result)?;
        self.print(&text)
    }

    /// Writes `text` as it is, with a line end after it.
    pub(crate) fn print(&mut self, text: &str) -> anyhow::Result<()> {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        write!(self.out, "{text}{end}")
            .and_then(|()| self.out.flush())
            .context("cannot write to standard output")
    }

    /// Tells people what was done; for programs the exit status says it.
    pub(crate) fn say(&mut self, sentence: &str) -> anyhow::Result<()> {
        match self.format {
            Format::Table => self.print(sentence),
            Format::Json | Format::Xml => Ok(()),
        }
    }

    /// Writes something that is not the result, such as a warning, to standard error.
    pub(crate) fn note(&self, text: &str) {
        // Standard error is the last resort: when it is gone there is nowhere left to say so.
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Writes what a document's warnings are to standard error, a line each.
    pub(crate) fn warn(&self, warnings: &[String]) {
        for warning in warnings {
            self.note(&format!("warning: {warning}"));
        }
    }
}

/// The text of a document: of a file, or of standard input for `-`.
pub(crate) fn read_document(file: &Path) -> anyhow::Result<String> {
    let bytes = read_bytes(file)?;
    let text = reeve_xml::decode(&bytes)
        .map_err(|error| anyhow::Error::new(error).context(file.display().to_string()))?;
    Ok(text.to_owned())
}

/// The bytes of a file, or of standard input for `-`.
pub(crate) fn read_bytes(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::stdin().lock(), &mut bytes).context("cannot read standard input")?;
        return Ok(bytes);
    }
    std::fs::read(file).map_err(|source| ReadFile { file: file.to_owned(), source }.into())
}

/// A file of the user's that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read '{}'", file.display())]
pub(crate) struct ReadFile {
    pub(crate) file: PathBuf,
    pub(crate) source: io::Error,
}
