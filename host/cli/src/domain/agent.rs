//! `reeve domain qemu-agent-command`, `domtime`, `domhostname`, `guestvcpus` and `set-user-password`: what the agent in a guest is asked
//! (guide 10.2).

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use reeve_model::CpuSet;
use reeve_model::agent::{
    AgentAnswer, AgentCommand, GuestHostname, GuestTime, GuestVcpu, SetGuestTime, SetGuestVcpus,
    SetUserPassword,
};
use serde::Serialize;

use super::Target;
use crate::context::{Context, read_bytes};
use crate::output::{Show, pairs};
use crate::secret;

/// What `--block` waits for.
const LONGEST_S: u32 = 600;

/// Options of `reeve domain qemu-agent-command`.
#[derive(Debug, Args)]
#[command(after_help = "\
The command is a JSON object as the agent takes it; what it returns is printed as JSON.

Examples:
  reeve domain qemu-agent-command web '{\"execute\":\"guest-ping\"}'
  reeve domain qemu-agent-command web '{\"execute\":\"guest-get-osinfo\"}' --pretty")]
pub struct QemuAgentCommand {
    #[command(flatten)]
    target: Target,
    /// A JSON object, e.g. {"execute":"guest-info"}
    command: String,
    /// Seconds to wait for the answer
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST_S)))]
    timeout: Option<u32>,
    /// Wait as long as can be
    #[arg(long, conflicts_with = "timeout")]
    block: bool,
    /// With line ends and indents
    #[arg(long)]
    pretty: bool,
}

/// Options of `reeve domain domtime`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("set").args(["now", "sync", "time"]))]
pub struct Domtime {
    #[command(flatten)]
    target: Target,
    /// Print the time for people
    #[arg(long, conflicts_with = "set")]
    pretty: bool,
    /// Set the guest's clock to the time of this host
    #[arg(long)]
    now: bool,
    /// Set the guest's clock from its hardware clock
    #[arg(long)]
    sync: bool,
    /// Set the guest's clock to seconds since 1970, UTC
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
}

/// Options of `reeve domain domhostname`.
#[derive(Debug, Args)]
pub struct Domhostname {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve domain guestvcpus`.
#[derive(Debug, Args)]
#[command(after_help = "\
The guest does without a vCPU until it is told to use it again, or starts again; the machine keeps it.

Examples:
  reeve domain guestvcpus web
  reeve domain guestvcpus web 1-3 --disable")]
pub struct Guestvcpus {
    #[command(flatten)]
    target: Target,
    /// Numbers in the guest, e.g. 1-3
    #[arg(requires = "change")]
    cpulist: Option<CpuSet>,
    #[command(flatten)]
    change: Change,
}

/// Whether vCPUs are used.
#[derive(Debug, Args)]
#[group(id = "change", multiple = false)]
struct Change {
    /// Have the guest use them
    #[arg(long, requires = "cpulist")]
    enable: bool,
    /// Have the guest do without them
    #[arg(long, requires = "cpulist")]
    disable: bool,
}

/// Options of `reeve domain set-user-password`.
#[derive(Debug, Args)]
#[command(after_help = "\
The password is asked for on a terminal, without showing it, or read from a file or a pipe, where a line end at its end does not count. It
is no argument, since others see the arguments of a command.

Example:
  printf %s 'correct horse' | reeve domain set-user-password web root")]
pub struct SetGuestPassword {
    #[command(flatten)]
    target: Target,
    /// Name of the user in the guest
    user: String,
    /// Take the password from a file, - for standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// It is what the guest's crypt(3) made of the password
    #[arg(long)]
    encrypted: bool,
}

impl QemuAgentCommand {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let command = serde_json::from_str(&self.command).context("the command is not JSON")?;
        let timeout_s = if self.block { Some(LONGEST_S) } else { self.timeout };
        let command = AgentCommand { command, timeout_s };
        let answer = context.client.agent_command(&self.target.domain, &command).await?;
        context.show(&Answer { answer, pretty: self.pretty })
    }
}

impl Domtime {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let domain = &self.target.domain;
        let nanoseconds = match self.time {
            Some(seconds) => Some(seconds.checked_mul(1_000_000_000).context("that time is too far away")?),
            None if self.now => Some(i64::try_from(time::OffsetDateTime::now_utc().unix_timestamp_nanos())?),
            None => None,
        };
        let is_set = self.now || self.sync || nanoseconds.is_some();
        let time = match is_set {
            true => context.client.set_guest_time(domain, SetGuestTime { nanoseconds }).await?,
            false => context.client.guest_time(domain).await?,
        };
        context.show(&Time { time, pretty: self.pretty })
    }
}

impl Domhostname {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        context.show(&Name(context.client.guest_hostname(&self.target.domain).await?))
    }
}

impl Guestvcpus {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let domain = &self.target.domain;
        let vcpus = match &self.cpulist {
            Some(numbers) => {
                let set = SetGuestVcpus { numbers: numbers.iter().collect(), online: self.change.enable };
                context.client.set_guest_vcpus(domain, &set).await?
            }
            None => context.client.guest_vcpus(domain).await?,
        };
        context.show(&Vcpus(vcpus))
    }
}

impl SetGuestPassword {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let bytes = match &self.file {
            Some(file) => read_bytes(file)?,
            None => secret::typed_or_piped("Password: ")?.to_vec(),
        };
        // What is wrong is not told: it is part of the password.
        let text = String::from_utf8(bytes).ok().context("the password is no text")?;
        let password = text.trim_end_matches(['\r', '\n']).to_owned();
        let set = SetUserPassword { password, encrypted: self.encrypted };
        context.client.set_guest_password(&self.target.domain, &self.user, &set).await?;
        context.say(&format!(
            "User '{}' of the guest of domain '{}' has the password now",
            self.user, self.target.domain
        ))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Answer {
    answer: AgentAnswer,
    #[serde(skip)]
    pretty: bool,
}

impl Show for Answer {
    const ELEMENT: &'static str = "answer";

    fn human(&self) -> String {
        let answer = serde_json::json!({ "return": self.answer.value });
        match self.pretty {
            true => format!("{answer:#}"),
            false => answer.to_string(),
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Time {
    time: GuestTime,
    #[serde(skip)]
    pretty: bool,
}

impl Show for Time {
    const ELEMENT: &'static str = "time";

    fn human(&self) -> String {
        let nanoseconds = self.time.nanoseconds;
        let moment = time::OffsetDateTime::from_unix_timestamp_nanos(nanoseconds.into()).ok();
        match moment.filter(|_| self.pretty) {
            Some(moment) => format!("Time: {}", crate::output::moment(moment)),
            None => format!("Time: {}", nanoseconds.div_euclid(1_000_000_000)),
        }
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Name(GuestHostname);

impl Show for Name {
    const ELEMENT: &'static str = "hostname";

    fn human(&self) -> String {
        self.0.hostname.clone()
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Vcpus(Vec<GuestVcpu>);

impl Show for Vcpus {
    const ELEMENT: &'static str = "vcpus";

    fn human(&self) -> String {
        let set = |which: &dyn Fn(&&GuestVcpu) -> bool| {
            let numbers = self.0.iter().filter(which).map(|vcpu| vcpu.number);
            CpuSet::new(numbers).map_or_else(|| "-".to_owned(), |set| set.to_string())
        };
        pairs([
            ("vcpus", set(&|_| true)),
            ("online", set(&|vcpu| vcpu.online)),
            ("offlinable", set(&|vcpu| vcpu.can_offline)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    #[test]
    fn answers_are_json() {
        let answer = |pretty| Answer {
            answer: AgentAnswer { value: serde_json::json!({ "version": "7.2" }) },
            pretty,
        };
        assert_eq!(Format::Table.draw(&answer(false)).unwrap(), "{\"return\":{\"version\":\"7.2\"}}");
        assert!(Format::Json.draw(&answer(false)).unwrap().contains("\"return\""));
        assert!(Format::Table.draw(&answer(true)).unwrap().contains("\n  \"return\""));
    }

    #[test]
    fn times_and_vcpus_are_short() {
        let time = |pretty| Time { time: GuestTime { nanoseconds: 1_400_000_000_900_000_000 }, pretty };
        assert_eq!(Format::Table.draw(&time(false)).unwrap(), "Time: 1400000000");
        assert!(Format::Table.draw(&time(true)).unwrap().contains("2014-05-13"));
        let vcpu = |number, online| GuestVcpu { number, online, can_offline: number > 0 };
        let vcpus = Vcpus(vec![vcpu(0, true), vcpu(1, false), vcpu(2, true)]);
        let shown = Format::Table.draw(&vcpus).unwrap();
        let words: Vec<&str> = shown.split_whitespace().collect();
        assert_eq!(words, ["vcpus:", "0-2", "online:", "0,2", "offlinable:", "1-2"]);
    }
}
