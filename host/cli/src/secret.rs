//! `reeve secret …`: passphrases and keys that the host uses.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use reeve_model::secret::{DefinedSecret, SecretSummary, SecretValue, TakeSecret};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::context::{Context, read_bytes, read_document};
use crate::output::{Show, or_dash, table, yes_no};
use crate::terminal::RawMode;

/// What can be done with secrets.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Add a secret from a document, or change the one with its UUID
    Define(Define),
    /// Remove a secret with its value
    Undefine(Undefine),
    /// List secrets
    #[command(visible_alias = "ls")]
    List(List),
    /// Print the secret XML document, in which no value is
    #[command(visible_alias = "dumpxml")]
    Xml(Xml),
    /// Give a secret its value
    SetValue(SetValue),
    /// Print the value of a secret that is not private
    GetValue(GetValue),
}

impl SecretCommand {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        match self {
            Self::Define(command) => command.run(context).await,
            Self::Undefine(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Xml(command) => command.run(context).await,
            Self::SetValue(command) => command.run(context).await,
            Self::GetValue(command) => command.run(context).await,
        }
    }
}

/// A secret on the command line.
#[derive(Debug, Args)]
struct Target {
    /// UUID, or what it is for
    secret: String,
}

/// Options of `reeve secret define`.
#[derive(Debug, Args)]
#[command(after_help = "\
A secret says what it is for; its value is given to it afterwards. An ephemeral one is never on disk. The value of a private one is used by
the host and told to nobody.

Example:
  reeve secret define passphrase.xml
  reeve secret set-value /srv/images/web.img --file passphrase")]
pub struct Define {
    /// A secret XML document, - for standard input
    file: PathBuf,
    /// Refuse the document instead of warning about what in it would be ignored
    #[arg(long)]
    strict: bool,
}

/// Options of `reeve secret undefine`.
#[derive(Debug, Args)]
pub struct Undefine {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve secret list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only secrets that are gone with the daemon
    #[arg(long, conflicts_with = "no_ephemeral")]
    ephemeral: bool,
    /// Only secrets that are kept
    #[arg(long)]
    no_ephemeral: bool,
    /// Only secrets whose value is told to nobody
    #[arg(long, conflicts_with = "no_private")]
    private: bool,
    /// Only secrets whose value can be read
    #[arg(long)]
    no_private: bool,
}

/// Options of `reeve secret xml`.
#[derive(Debug, Args)]
pub struct Xml {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve secret set-value`.
#[derive(Debug, Args)]
#[command(after_help = "\
The value is asked for on a terminal, without showing it, or read from a file or a pipe. There it counts byte for byte, a line end too. It
is no argument, since others see the arguments of a command.

Example:
  printf %s 'correct horse' | reeve secret set-value /srv/images/web.img")]
pub struct SetValue {
    #[command(flatten)]
    target: Target,
    /// Take the value from a file, - for standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The file or pipe holds the value in base64
    #[arg(long)]
    base64: bool,
}

/// Options of `reeve secret get-value`.
#[derive(Debug, Args)]
pub struct GetValue {
    #[command(flatten)]
    target: Target,
    /// Write the bytes as they are, instead of base64
    #[arg(long)]
    plain: bool,
}

impl Define {
    async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let document = read_document(&self.file)?;
        let defined = context.client.define_secret(&document, TakeSecret { strict: self.strict }).await?;
        context.warn(&defined.warnings);
        context.show(&Done(defined))
    }
}

impl Undefine {
    async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        context.client.undefine_secret(&self.target.secret).await?;
        context.say(&format!("Secret '{}' undefined", self.target.secret))
    }
}

impl List {
    async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut rows = context.client.list_secrets().await?;
        let fits = |yes: bool, no: bool, is: bool| (!yes || is) && (!no || !is);
        rows.retain(|row| {
            fits(self.ephemeral, self.no_ephemeral, row.ephemeral)
                && fits(self.private, self.no_private, row.private)
        });
        context.show(&Rows(rows))
    }
}

impl Xml {
    async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let document = context.client.secret_xml(&self.target.secret).await?;
        context.print(&document)
    }
}

impl SetValue {
    async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let value = match &self.file {
            None if io::stdin().is_terminal() => asked()?,
            file => {
                let bytes = Zeroizing::new(read_bytes(file.as_deref().unwrap_or(Path::new("-")))?);
                self.decoded(bytes)?
            }
        };
        context.client.set_secret_value(&self.target.secret, &value).await?;
        context.say(&format!("Secret '{}' has a value", self.target.secret))
    }

    fn decoded(&self, bytes: Zeroizing<Vec<u8>>) -> anyhow::Result<SecretValue> {
        if !self.base64 {
            return Ok(SecretValue::new(bytes.to_vec())?);
        }
        // What is wrong is not told: it is part of the value.
        let value = STANDARD.decode(bytes.trim_ascii()).ok().context("the value is not base64")?;
        Ok(SecretValue::new(value)?)
    }
}

impl GetValue {
    async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let value = context.client.secret_value(&self.target.secret).await?;
        if !self.plain {
            return context.print(&Zeroizing::new(STANDARD.encode(value.expose())));
        }
        let mut out = io::stdout();
        out.write_all(value.expose()).and_then(|()| out.flush()).context("cannot write to standard output")
    }
}

fn asked() -> anyhow::Result<SecretValue> {
    let line = unseen("Value: ")?;
    Ok(SecretValue::new(line.trim_end_matches(['\r', '\n']).as_bytes().to_vec())?)
}

/// What somebody types unseen, or a pipe holds.
pub(crate) fn typed_or_piped(prompt: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    match io::stdin().is_terminal() {
        true => Ok(Zeroizing::new(unseen(prompt)?.as_bytes().to_vec())),
        false => Ok(Zeroizing::new(read_bytes(Path::new("-"))?)),
    }
}

/// A line that somebody types unseen.
fn unseen(prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    let _silent = RawMode::silent().context("the terminal can't be silenced")?;
    // Standard error is where a prompt goes; without one it can be typed all the same.
    let _ = write!(io::stderr(), "{prompt}");
    let mut line = Zeroizing::new(String::new());
    io::stdin().lock().read_line(&mut line).context("cannot read the terminal")?;
    let _ = writeln!(io::stderr());
    Ok(line)
}

#[derive(Serialize)]
#[serde(transparent)]
struct Done(DefinedSecret);

impl Show for Done {
    const ELEMENT: &'static str = "defined";

    fn human(&self) -> String {
        format!("Secret {} defined", self.0.secret.uuid)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows(Vec<SecretSummary>);

impl Show for Rows {
    const ELEMENT: &'static str = "secrets";

    fn human(&self) -> String {
        let cells = |row: &SecretSummary| {
            [
                row.uuid.to_string(),
                row.usage.map_or_else(String::new, |usage| usage.to_string()),
                or_dash(row.usage_id.clone()),
                yes_no(row.ephemeral).to_owned(),
                yes_no(row.private).to_owned(),
                yes_no(row.has_value).to_owned(),
            ]
        };
        table(["UUID", "Usage", "For", "Ephemeral", "Private", "Value"], self.0.iter().map(cells))
    }
}
