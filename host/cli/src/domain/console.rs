//! `reeve domain console`: the terminal becomes the guest's.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use reeve_model::api::ConsoleOptions;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::context::Context;
use crate::terminal::RawMode;

/// Options of `reeve domain console`.
#[derive(Debug, Args)]
#[command(after_help = "\
Leave with the escape character, ^] (control and the closing bracket) unless --escape names another.
Standard input and output may be pipes too: input is sent as it is, and output goes on until the domain stops, or until
--idle says that enough silence has passed.

Examples:
  reeve domain console web
  echo uptime | reeve domain console web --idle 2")]
pub struct Console {
    /// Name or UUID
    domain: String,
    /// Alias of the device, e.g. serial0 [default: the first console]
    #[arg(long, value_name = "ALIAS", visible_alias = "devname")]
    device: Option<String>,
    /// Take it from whoever has it open, instead of being refused
    #[arg(long)]
    force: bool,
    /// Only where nobody else can have it open at the same time, which holds for every console here
    #[arg(long)]
    safe: bool,
    /// Escape character, as ^X or a single character
    #[arg(long, value_name = "CHAR", default_value = "^]", value_parser = escape)]
    escape: u8,
    /// Leave after so many seconds without output once standard input has ended
    #[arg(long, value_name = "SECONDS")]
    idle: Option<u64>,
}

/// Control and `]`.
const DEFAULT_ESCAPE: u8 = 0x1d;

impl Console {
    /// The console of a domain with all defaults.
    pub(crate) fn of(domain: String) -> Self {
        Self { domain, device: None, force: false, safe: false, escape: DEFAULT_ESCAPE, idle: None }
    }

    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options = ConsoleOptions { device: self.device, exclusive: !self.force };
        let console = context.client.console(&self.domain, &options).await?;
        let interactive = std::io::stdin().is_terminal();
        if interactive {
            context.note(&format!(
                "Connected to domain '{}'\nEscape character is {}",
                self.domain,
                caret(self.escape)
            ));
        }
        let raw = RawMode::enter().context("cannot set the terminal to raw mode")?;
        let keys = Keys { input: tokio::io::stdin(), escape: interactive.then_some(self.escape) };
        let idle = self.idle.map(Duration::from_secs);
        let outcome = join(console, keys, tokio::io::stdout(), idle).await;
        drop(raw);
        if interactive {
            context.note("");
        }
        outcome.context("the console broke")
    }
}

/// Where the operator's bytes come from.
struct Keys<R> {
    input: R,
    /// Ends the session when it is typed; none for a pipe.
    escape: Option<u8>,
}

/// Carries bytes between console and operator until one side ends.
async fn join<C, R, W>(
    console: C,
    mut keys: Keys<R>,
    mut screen: W,
    idle: Option<Duration>,
) -> std::io::Result<()>
where
    C: AsyncRead + AsyncWrite,
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (mut from_guest, mut to_guest) = tokio::io::split(console);
    let (mut output, mut input) = ([0; 8192], [0; 1024]);
    let mut typing = true;
    loop {
        let patience = if typing { Duration::MAX } else { idle.unwrap_or(Duration::MAX) };
        tokio::select! {
            read = from_guest.read(&mut output) => match read? {
                0 => return Ok(()),
                length => {
                    screen.write_all(&output[..length]).await?;
                    screen.flush().await?;
                }
            },
            read = keys.input.read(&mut input), if typing => match read? {
                0 => typing = false,
                length => {
                    let typed = &input[..length];
                    let end = keys.escape.and_then(|escape| typed.iter().position(|byte| *byte == escape));
                    to_guest.write_all(&typed[..end.unwrap_or(length)]).await?;
                    if end.is_some() {
                        return Ok(());
                    }
                }
            },
            () = tokio::time::sleep(patience) => return Ok(()),
        }
    }
}

/// Reads `^]`, `^X` or one ASCII character.
fn escape(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [char] => Ok(*char),
        [b'^', char @ (b'@'..=b'_' | b'a'..=b'z')] => Ok(char.to_ascii_uppercase() & 0x1f),
        _ => Err("an escape character is written as ^X, or as a single ASCII character".to_owned()),
    }
}

/// The escape character as it is typed.
fn caret(escape: u8) -> String {
    match escape {
        0..0x20 => format!("^{}", char::from(escape | 0x40)),
        other => char::from(other).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_written_with_a_caret() {
        assert_eq!(escape("^]"), Ok(DEFAULT_ESCAPE));
        assert_eq!(escape("^a"), Ok(1));
        assert_eq!(escape("~"), Ok(b'~'));
        assert!(escape("^").is_ok() && escape("ab").is_err());
        assert_eq!(caret(DEFAULT_ESCAPE), "^]");
    }

    #[tokio::test]
    async fn the_escape_ends_the_session_and_is_not_sent() {
        let (near, mut guest) = tokio::io::duplex(64);
        let keys = Keys { input: &b"ls\n\x1dnot this"[..], escape: Some(DEFAULT_ESCAPE) };
        join(near, keys, Vec::new(), None).await.unwrap();
        let mut seen = String::new();
        guest.read_to_string(&mut seen).await.unwrap();
        assert_eq!(seen, "ls\n");
    }

    #[tokio::test]
    async fn a_pipe_is_sent_whole_and_the_answer_is_waited_for() {
        let (near, mut guest) = tokio::io::duplex(64);
        let guest = tokio::spawn(async move {
            let mut asked = [0; 6];
            guest.read_exact(&mut asked).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            guest.write_all(b"pong\n").await.unwrap();
            std::future::pending::<()>().await;
        });
        let mut screen = Vec::new();
        let keys = Keys { input: &b"ping\x1d\n"[..], escape: None };
        join(near, keys, &mut screen, Some(Duration::from_millis(500))).await.unwrap();
        assert_eq!(screen, b"pong\n");
        guest.abort();
    }
}
