//! `reeve domain setvcpus`, `vcpucount`, `vcpuinfo`, `vcpupin` and `emulatorpin` (guide 14.13.2 - 14.13.6).

use std::ops::RangeInclusive;

use clap::Args;
use reeve_client::ClientError;
use reeve_model::agent::{GuestVcpu, SetGuestVcpus};
use reeve_model::domain::VcpuPin;
use reeve_model::tuning::{TuneOptions, Tuning, VcpuInfo};
use reeve_model::{CpuSet, Error, ErrorCode};
use serde::Serialize;

use super::Target;
use super::info::seconds;
use super::tuning::TuneScope;
use crate::context::Context;
use crate::output::{Show, pairs};

/// Options of `reeve domain setvcpus`.
#[derive(Debug, Args)]
#[command(after_help = "\
Up to the maximum, vCPUs come to a running machine at once; one that shall go is gone when the guest lets go of it, for which it has 5
seconds. With --guest the machine keeps its vCPUs and the agent in the guest switches them on or off.

Examples:
  reeve domain setvcpus web 4 --maximum --config
  reeve domain setvcpus web 2 --live --config
  reeve domain setvcpus web 1 --guest")]
pub struct Setvcpus {
    #[command(flatten)]
    target: Target,
    /// How many, at most the maximum
    count: u32,
    /// Set the maximum from the next start on; with --config
    #[arg(long, requires = "config", conflicts_with = "live")]
    maximum: bool,
    /// Have the guest agent switch vCPUs on or off
    #[arg(long, conflicts_with_all = ["config", "maximum"])]
    guest: bool,
    #[command(flatten)]
    scope: TuneScope,
}

impl Setvcpus {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let domain = &self.target.domain;
        if self.guest {
            return switch(context, domain, self.count).await;
        }
        let change = match self.maximum {
            true => Tuning { max_vcpus: Some(self.count), ..Tuning::default() },
            false => Tuning { vcpus: Some(self.count), ..Tuning::default() },
        };
        let tuning = self.scope.tuning(context, domain, change).await?;
        let Tuning { max_vcpus, vcpus, .. } = tuning;
        let count = |count: Option<u32>| count.unwrap_or_default();
        context.show(&Counted { maximum: count(max_vcpus), current: count(vcpus) })
    }
}

/// Has the agent in a guest switch vCPUs on or off until the guest uses `count`.
async fn switch(context: &mut Context, domain: &str, count: u32) -> anyhow::Result<()> {
    let vcpus = context.client.guest_vcpus(domain).await?;
    let set = switched(&vcpus, count).map_err(|possible| {
        let message = format!("the guest of domain '{domain}' can't use {count} vCPUs");
        let hint = format!("it can use {} to {}; plug more with --live", possible.start(), possible.end());
        ClientError::Refused(Error::new(ErrorCode::Invalid, message).with_hint(hint))
    })?;
    let vcpus = match set.numbers.is_empty() {
        true => vcpus,
        false => context.client.set_guest_vcpus(domain, &set).await?,
    };
    context.show(&Counted { maximum: vcpus.len() as u32, current: online(&vcpus) })
}

/// Which vCPUs to switch so that the guest uses `count`: the first ones on, the last ones off. How many it can use where that is not
/// possible.
fn switched(vcpus: &[GuestVcpu], count: u32) -> Result<SetGuestVcpus, RangeInclusive<u32>> {
    let now = online(vcpus);
    let more = count > now;
    let candidates =
        vcpus.iter().filter(|vcpu| if more { !vcpu.online } else { vcpu.online && vcpu.can_offline });
    let mut numbers: Vec<u32> = candidates.map(|vcpu| vcpu.number).collect();
    let wanted = count.abs_diff(now) as usize;
    if wanted > numbers.len() || count == 0 {
        let fixed = vcpus.iter().filter(|vcpu| vcpu.online && !vcpu.can_offline).count() as u32;
        return Err(fixed.max(1)..=vcpus.len() as u32);
    }
    if !more {
        numbers.reverse();
    }
    numbers.truncate(wanted);
    Ok(SetGuestVcpus { numbers, online: more })
}

fn online(vcpus: &[GuestVcpu]) -> u32 {
    vcpus.iter().filter(|vcpu| vcpu.online).count() as u32
}

#[derive(Serialize)]
struct Counted {
    maximum: u32,
    current: u32,
}

impl Show for Counted {
    const ELEMENT: &'static str = "vcpus";

    fn human(&self) -> String {
        pairs([("maximum", self.maximum.to_string()), ("current", self.current.to_string())])
    }
}

/// Options of `reeve domain vcpucount`.
#[derive(Debug, Args)]
pub struct Vcpucount {
    #[command(flatten)]
    target: Target,
    /// Only the maximum, as a number
    #[arg(long, conflicts_with = "active")]
    maximum: bool,
    /// Only what is there, as a number
    #[arg(long)]
    active: bool,
    /// What the guest uses, as its agent tells it
    #[arg(long)]
    guest: bool,
    #[command(flatten)]
    scope: TuneScope,
}

impl Vcpucount {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let domain = &self.target.domain;
        if self.guest {
            let vcpus = context.client.guest_vcpus(domain).await?;
            return context.show(&Number(if self.maximum { vcpus.len() as u32 } else { online(&vcpus) }));
        }
        let options = self.scope.options();
        if self.maximum || self.active || options != TuneOptions::default() || self.scope.is_current() {
            let tuning = context.client.domain_tuning(domain, options).await?;
            let count = if self.maximum { tuning.max_vcpus } else { tuning.vcpus };
            return context.show(&Number(count.unwrap_or_default()));
        }
        let row = context.client.domain_info(domain).await?.summary;
        let (active, persistent) = (row.state.is_active(), row.persistent);
        let mut rows = Vec::new();
        for (word, wanted, options) in [
            ("config", persistent, TuneOptions { live: false, config: true }),
            ("live", active, TuneOptions { live: true, config: false }),
        ] {
            if wanted {
                let tuning = context.client.domain_tuning(domain, options).await?;
                let count = |count: Option<u32>| count.unwrap_or_default();
                rows.push(Count { of: "maximum", when: word, count: count(tuning.max_vcpus) });
                rows.push(Count { of: "current", when: word, count: count(tuning.vcpus) });
            }
        }
        rows.sort_by_key(|row| row.of != "maximum");
        context.show(&Counts(rows))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Number(u32);

impl Show for Number {
    const ELEMENT: &'static str = "vcpus";

    fn human(&self) -> String {
        self.0.to_string()
    }
}

#[derive(Serialize)]
struct Count {
    of: &'static str,
    when: &'static str,
    count: u32,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Counts(Vec<Count>);

impl Show for Counts {
    const ELEMENT: &'static str = "vcpus";

    fn human(&self) -> String {
        let line = |row: &Count| format!("{:12} {:10} {:3}", row.of, row.when, row.count);
        self.0.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Options of `reeve domain vcpuinfo`.
#[derive(Debug, Args)]
pub struct Vcpuinfo {
    #[command(flatten)]
    target: Target,
}

impl Vcpuinfo {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let vcpus = context.client.domain_vcpus(&self.target.domain).await?;
        // One that does not run has its place too.
        let cpus = context.client.node_cpus().await?.present.iter().last().map_or(0, |last| last + 1);
        context.show(&Vcpus { cpus, vcpus })
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Vcpus {
    #[serde(skip)]
    cpus: u32,
    vcpus: Vec<VcpuInfo>,
}

impl Show for Vcpus {
    const ELEMENT: &'static str = "vcpus";

    fn human(&self) -> String {
        let vcpu = |vcpu: &VcpuInfo| {
            let letter = |cpu| if vcpu.affinity.contains(cpu) { 'y' } else { '-' };
            pairs([
                ("VCPU", vcpu.vcpu.to_string()),
                ("CPU", vcpu.cpu.to_string()),
                ("State", vcpu.state.as_str().to_owned()),
                ("CPU time", seconds(vcpu.time_ns)),
                ("CPU Affinity", (0..self.cpus).map(letter).collect()),
            ])
        };
        self.vcpus.iter().map(vcpu).collect::<Vec<_>>().join("\n\n")
    }
}

/// Options of `reeve domain vcpupin`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without a list of CPUs those of the vCPU, or of all vCPUs, are shown.

Examples:
  reeve domain vcpupin web
  reeve domain vcpupin web 0 2-3
  reeve domain vcpupin web --vcpu 1 --cpulist 0-3,^2 --live --config")]
pub struct Vcpupin {
    #[command(flatten)]
    target: Target,
    /// Number of the vCPU, from 0
    #[arg(value_name = "VCPU")]
    number: Option<u32>,
    /// Host CPUs, e.g. 0-3,^2
    #[arg(value_name = "CPULIST")]
    cpus: Option<CpuSet>,
    /// The same as the second argument
    #[arg(long, conflicts_with = "number")]
    vcpu: Option<u32>,
    /// The same as the third argument
    #[arg(long, conflicts_with = "cpus")]
    cpulist: Option<CpuSet>,
    #[command(flatten)]
    scope: TuneScope,
}

impl Vcpupin {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let wanted = self.vcpu.or(self.number);
        let change = match (wanted, self.cpulist.or(self.cpus)) {
            (_, None) => Tuning::default(),
            (Some(vcpu), Some(cpuset)) => {
                Tuning { vcpu_pins: vec![VcpuPin { vcpu, cpuset }], ..Tuning::default() }
            }
            (None, Some(_)) => {
                let message = "the number of the vCPU to pin is missing".to_owned();
                return Err(ClientError::Refused(
                    Error::new(ErrorCode::Invalid, message).with_hint("name it with --vcpu"),
                )
                .into());
            }
        };
        let tuning = self.scope.tuning(context, &self.target.domain, change).await?;
        let mut pins = tuning.vcpu_pins;
        pins.retain(|pin| wanted.is_none_or(|wanted| pin.vcpu == wanted));
        context.show(&Pins(pins))
    }
}

/// The rule below the heading of pins.
const RULE: &str = "----------------------------------";

#[derive(Serialize)]
#[serde(transparent)]
struct Pins(Vec<VcpuPin>);

impl Show for Pins {
    const ELEMENT: &'static str = "vcpus";

    fn human(&self) -> String {
        let line = |pin: &VcpuPin| format!("{:4}: {}", pin.vcpu, pin.cpuset);
        let lines = self.0.iter().map(line).collect::<Vec<_>>().join("\n");
        format!("VCPU: CPU Affinity\n{RULE}\n{lines}")
    }
}

/// Options of `reeve domain emulatorpin`.
#[derive(Debug, Args)]
#[command(after_help = "\
Everything in the worker that is no vCPU and no I/O thread: its event loop and the threads of its devices.

Examples:
  reeve domain emulatorpin web
  reeve domain emulatorpin web 0 --live --config")]
pub struct Emulatorpin {
    #[command(flatten)]
    target: Target,
    /// Host CPUs, e.g. 0-3,^2
    #[arg(value_name = "CPULIST")]
    cpus: Option<CpuSet>,
    /// The same as the second argument
    #[arg(long, conflicts_with = "cpus")]
    cpulist: Option<CpuSet>,
    #[command(flatten)]
    scope: TuneScope,
}

impl Emulatorpin {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let change = Tuning { emulator_pin: self.cpulist.or(self.cpus), ..Tuning::default() };
        let tuning = self.scope.tuning(context, &self.target.domain, change).await?;
        context.show(&Emulator { emulator: tuning.emulator_pin })
    }
}

#[derive(Serialize)]
struct Emulator {
    emulator: Option<CpuSet>,
}

impl Show for Emulator {
    const ELEMENT: &'static str = "pins";

    fn human(&self) -> String {
        let cpus = self.emulator.as_ref().map(CpuSet::to_string).unwrap_or_default();
        format!("emulator: CPU Affinity\n{RULE}\n   *: {cpus}")
    }
}

#[cfg(test)]
mod tests {
    use reeve_model::tuning::VcpuState;

    use super::*;

    #[test]
    fn vcpus_and_pins_are_drawn_as_the_guide_prints_them() {
        let affinity: CpuSet = "0-3".parse().unwrap();
        let state = VcpuState::Running;
        let vcpu = |vcpu, time_ns| VcpuInfo { vcpu, cpu: 2, state, time_ns, affinity: affinity.clone() };
        let vcpus = Vcpus { cpus: 4, vcpus: vec![vcpu(0, 7_152_400_000_000), vcpu(1, 10_889_100_000_000)] };
        let words: Vec<String> = vcpus.human().split_whitespace().map(str::to_owned).collect();
        let printed = "VCPU: 0 CPU: 2 State: running CPU time: 7152.4s CPU Affinity: yyyy \
                       VCPU: 1 CPU: 2 State: running CPU time: 10889.1s CPU Affinity: yyyy";
        assert_eq!(words.join(" "), printed);
        let pins = (0..2).map(|vcpu| VcpuPin { vcpu, cpuset: affinity.clone() }).collect();
        insta::assert_snapshot!(Pins(pins).human(), @r"
        VCPU: CPU Affinity
        ----------------------------------
           0: 0-3
           1: 0-3
        ");
    }

    #[test]
    fn the_first_vcpus_are_switched_on_and_the_last_ones_off() {
        let vcpus = |online: &[bool]| -> Vec<GuestVcpu> {
            let vcpu = |(number, online): (u32, &bool)| GuestVcpu {
                number,
                online: *online,
                can_offline: number > 0,
            };
            (0..).zip(online).map(vcpu).collect()
        };
        let some = vcpus(&[true, false, true, false]);
        let set = |numbers: &[u32], online| Ok(SetGuestVcpus { numbers: numbers.to_vec(), online });
        assert_eq!(switched(&some, 3), set(&[1], true));
        assert_eq!(switched(&some, 4), set(&[1, 3], true));
        assert_eq!(switched(&some, 1), set(&[2], false));
        assert_eq!(switched(&some, 2), set(&[], false));
        assert_eq!(switched(&vcpus(&[true; 4]), 2), set(&[3, 2], false));
        assert_eq!((switched(&some, 5), switched(&some, 0)), (Err(1..=4), Err(1..=4)));
    }

    #[test]
    fn counts_are_four_lines() {
        let row = |of, when| Count { of, when, count: 2 };
        let rows = ["maximum", "current"].into_iter().flat_map(|of| [row(of, "config"), row(of, "live")]);
        insta::assert_snapshot!(Counts(rows.collect()).human(), @r"
        maximum      config       2
        maximum      live         2
        current      config       2
        current      live         2
        ");
    }
}
