//! The verbs of a domain's life that take nothing but the domain.

use clap::Args;
use reeve_model::agent::{PmSuspendOptions, PmTarget, ShutdownOptions};
use reeve_model::api::DestroyOptions;

use super::{Done, Target};
use crate::context::Context;

/// A command that names a domain, calls one verb, and says so.
macro_rules! verb {
    ($(#[$doc:meta])* $command:ident, $call:ident, $done:literal) => {
        $(#[$doc])*
        #[derive(Debug, Args)]
        pub struct $command {
            #[command(flatten)]
            target: Target,
        }

        impl $command {
            pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
                let row = context.client.$call(&self.target.domain).await?;
                context.show(&Done::new(row, $done))
            }
        }
    };
}

/// A command that asks the guest.
macro_rules! asked {
    ($(#[$doc:meta])* $command:ident, $call:ident, $done:literal) => {
        $(#[$doc])*
        #[derive(Debug, Args)]
        pub struct $command {
            #[command(flatten)]
            target: Target,
            /// How it may be asked: acpi (the power button), agent, or both separated by a comma [default: agent, else acpi]
            #[arg(long)]
            mode: Option<String>,
        }

        impl $command {
            pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
                let options = ShutdownOptions { mode: self.mode };
                let row = context.client.$call(&self.target.domain, &options).await?;
                context.show(&Done::new(row, $done))
            }
        }
    };
}

asked!(
    /// The guest may take its time, or refuse: follow it with `reeve domain state`.
    Shutdown,
    shutdown_domain_by,
    "is being shut down"
);
asked!(
    /// The guest may take its time, or refuse.
    Reboot,
    reboot_domain_by,
    "is being rebooted"
);
verb!(
    /// Nothing in the guest is asked; unwritten data may be lost.
    Reset,
    reset_domain,
    "reset"
);
verb!(
    /// Most guests panic by it, or write down what they were doing.
    InjectNmi,
    inject_nmi,
    "interrupted"
);
verb!(
    /// It goes on where it suspended itself; one that runs just does.
    Dompmwakeup,
    wake_domain,
    "is awake"
);
verb!(
    /// It keeps its memory and devices and uses no CPU time.
    Suspend,
    suspend_domain,
    "suspended"
);
verb!(
    /// It goes on where it was suspended.
    Resume,
    resume_domain,
    "resumed"
);

/// Options of `reeve domain destroy`.
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing in the guest is asked; unwritten data may be lost. The definition stays. A worker that does not end when it is told to is
killed, unless --graceful says that this is an error.")]
pub struct Destroy {
    #[command(flatten)]
    target: Target,
    /// Don't kill the worker
    #[arg(long)]
    graceful: bool,
}

impl Destroy {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options = DestroyOptions { graceful: self.graceful };
        let row = context.client.destroy_domain_with(&self.target.domain, options).await?;
        context.show(&Done::new(row, "destroyed"))
    }
}

/// Options of `reeve domain dompmsuspend`.
#[derive(Debug, Args)]
#[command(after_help = "\
The agent in the guest does it, and the guest may take its time: follow it with `reeve domain state`. From mem it is woken by
`reeve domain dompmwakeup`; disk ends it, and its next start goes on from what it wrote.

Examples:
  reeve domain dompmsuspend web --target mem
  reeve domain dompmsuspend web --target mem --duration 100     woken after that")]
pub struct Dompmsuspend {
    #[command(flatten)]
    target: Target,
    /// Where to: mem, disk, or hybrid, which is both
    #[arg(long = "target", value_name = "WHERE", value_parser = parse_target)]
    place: PmTarget,
    /// Seconds after which it is woken; 0 for never
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    duration: u32,
}

fn parse_target(word: &str) -> Result<PmTarget, String> {
    let found = PmTarget::ALL.into_iter().find(|target| target.as_str() == word);
    found.ok_or_else(|| "it is mem, disk or hybrid".to_owned())
}

impl Dompmsuspend {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options = PmSuspendOptions { target: self.place, duration_s: self.duration };
        let row = context.client.suspend_guest(&self.target.domain, options).await?;
        context.show(&Done::new(row, "is asked to suspend itself"))
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::{Done, samples};
    use crate::output::Format;

    #[test]
    fn verbs_say_what_they_did() {
        let done = Done::new(samples::web(), "is being shut down");
        let all = [Format::Table, Format::Json, Format::Xml].map(|format| format.draw(&done).unwrap());
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
