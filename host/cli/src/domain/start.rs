//! `reeve domain start` (guide 14.8.1), and what it shares with `create`.

use clap::Args;
use reeve_client::{ClientError, Leash};
use reeve_model::api::StartOptions;
use reeve_model::{Error, ErrorCode};

use super::{Done, Target, console};
use crate::context::Context;

/// What becomes of a domain that was started.
#[derive(Debug, Args)]
pub(crate) struct Afterwards {
    /// Connect to the console once it runs
    #[arg(long)]
    console: bool,
    /// End it when this command ends, which waits for it
    #[arg(long)]
    pub autodestroy: bool,
    /// Refused: a virtual machine has no use for open files of whoever starts it
    #[arg(long, value_name = "N,…")]
    pass_fds: Option<String>,
}

impl Afterwards {
    /// Refuses what can't be.
    pub fn check(&self) -> anyhow::Result<()> {
        let Some(_) = self.pass_fds else { return Ok(()) };
        let message = "open files are passed to containers; a virtual machine has no use for them".to_owned();
        let hint = "give it what they stand for as a disk, a console or a <filesystem>";
        Err(ClientError::Refused(Error::new(ErrorCode::Unsupported, message).with_hint(hint)).into())
    }

    /// Shows its console where that is wanted, and holds it for as long as it shall live.
    pub async fn follow(
        self,
        context: &mut Context,
        domain: String,
        leash: Option<Leash>,
    ) -> anyhow::Result<()> {
        if self.console {
            let shown = console::Console::of(domain).run(context).await;
            drop(leash);
            return shown;
        }
        if let Some(leash) = leash {
            context.note(&format!("Domain '{domain}' ends with this command"));
            leash.ended().await;
        }
        Ok(())
    }
}

/// Options of `reeve domain start`.
#[derive(Debug, Args)]
#[command(after_help = "\
Guard policies are asked first: they may deny the start, or rewrite the configuration it runs with. A domain with a managed save goes
on from there, and the save is gone.

Examples:
  reeve domain start web
  reeve domain start web --console                 and watch it boot
  reeve domain start web --console --autodestroy   and end it with the console")]
pub struct Start {
    #[command(flatten)]
    target: Target,
    /// Leave its vCPUs stopped until it is resumed
    #[arg(long)]
    paused: bool,
    /// Forget its managed save and boot
    #[arg(long)]
    force_boot: bool,
    /// Read its managed save past the page cache of the host
    #[arg(long, conflicts_with = "force_boot")]
    bypass_cache: bool,
    #[command(flatten)]
    afterwards: Afterwards,
}

impl Start {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let Self { target: Target { domain }, paused, force_boot, bypass_cache, afterwards } = self;
        afterwards.check()?;
        let options = StartOptions { paused, force_boot, bypass_cache, autodestroy: false };
        let (row, leash) = match afterwards.autodestroy {
            true => {
                let (row, leash) = context.client.start_leashed_domain(&domain, options).await?;
                (row, Some(leash))
            }
            false => (context.client.start_domain_with(&domain, options).await?, None),
        };
        context.show(&Done::new(row, "started"))?;
        afterwards.follow(context, domain, leash).await
    }
}
