//! What the commands that tune a domain share, and `reeve domain schedinfo`, `memtune`, `blkiotune` and `numatune` (guide 14.7.2, 14.19 -
//! 14.21).

use clap::Args;
use reeve_model::domain::BlkioDevice;
use reeve_model::tuning::{BlockLimits, MemoryLimits, NumaPolicy, Schedule, TuneOptions, Tuning};
use reeve_model::{Bytes, CpuSet};
use serde::Serialize;

use super::Target;
use super::setmem::size;
use crate::context::Context;
use crate::output::{Show, pairs};

/// Which configuration of a domain is tuned or shown.
#[derive(Debug, Args)]
pub(crate) struct TuneScope {
    /// The running machine [default while the domain is active]
    #[arg(long)]
    live: bool,
    /// The definition [default while the domain is off]
    #[arg(long)]
    config: bool,
    /// The running machine, or the definition while the domain is off
    #[arg(long, conflicts_with_all = ["live", "config"])]
    current: bool,
}

impl TuneScope {
    pub(crate) fn options(&self) -> TuneOptions {
        TuneOptions { live: self.live, config: self.config }
    }

    /// True where the state of the domain is to decide, and that was said.
    pub(crate) fn is_current(&self) -> bool {
        self.current
    }

    /// What the domain is tuned to, after the change where there is one.
    pub(crate) async fn tuning(
        &self,
        context: &Context,
        domain: &str,
        change: Tuning,
    ) -> anyhow::Result<Tuning> {
        let options = self.options();
        Ok(match change == Tuning::default() {
            true => context.client.domain_tuning(domain, options).await?,
            false => context.client.tune_domain(domain, &change, options).await?,
        })
    }
}

/// Options of `reeve domain schedinfo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Parameters: cpu_shares, vcpu_period and vcpu_quota, emulator_period and emulator_quota. Periods and quotas are microseconds; a quota of -1
is no limit.

Examples:
  reeve domain schedinfo shell
  reeve domain schedinfo --set cpu_shares=2046 shell
  reeve domain schedinfo shell --set vcpu_quota=50000 --live --config")]
pub struct Schedinfo {
    #[command(flatten)]
    target: Target,
    /// Set a parameter; may be given again
    #[arg(long, value_name = "PARAMETER=VALUE", value_parser = parameter)]
    set: Vec<(Parameter, i64)>,
    #[command(flatten)]
    scope: TuneScope,
}

/// A scheduler parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parameter {
    Shares,
    Period,
    Quota,
    EmulatorPeriod,
    EmulatorQuota,
}

fn parameter(text: &str) -> Result<(Parameter, i64), String> {
    let names = [
        ("cpu_shares", Parameter::Shares),
        ("vcpu_period", Parameter::Period),
        ("vcpu_quota", Parameter::Quota),
        ("emulator_period", Parameter::EmulatorPeriod),
        ("emulator_quota", Parameter::EmulatorQuota),
    ];
    let (name, value) = text.split_once('=').ok_or("write PARAMETER=VALUE, e.g. cpu_shares=2048")?;
    let found = names
        .iter()
        .find(|(each, _)| *each == name)
        .ok_or_else(|| format!("'{name}' is not one of {}", names.map(|(name, _)| name).join(", ")))?;
    let value: i64 = value.parse().map_err(|_| format!("'{value}' is no whole number"))?;
    let signed = matches!(found.1, Parameter::Quota | Parameter::EmulatorQuota);
    match value < 0 && !signed {
        true => Err(format!("{name} can't be negative")),
        false => Ok((found.1, value)),
    }
}

impl Schedinfo {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut schedule = Schedule::default();
        for (parameter, value) in self.set {
            match parameter {
                Parameter::Shares => schedule.cpu_shares = Some(value.unsigned_abs()),
                Parameter::Period => schedule.vcpu_period = Some(value.unsigned_abs()),
                Parameter::Quota => schedule.vcpu_quota = Some(value),
                Parameter::EmulatorPeriod => schedule.emulator_period = Some(value.unsigned_abs()),
                Parameter::EmulatorQuota => schedule.emulator_quota = Some(value),
            }
        }
        let change = Tuning { schedule, ..Tuning::default() };
        let tuning = self.scope.tuning(context, &self.target.domain, change).await?;
        context.show(&Scheduler(tuning.schedule))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Scheduler(Schedule);

impl Show for Scheduler {
    const ELEMENT: &'static str = "schedule";

    fn human(&self) -> String {
        let Schedule { cpu_shares, vcpu_period, vcpu_quota, emulator_period, emulator_quota } = self.0;
        // Limits of the emulator are shown where there are some, as everything fits the four lines of old then.
        let limited = emulator_quota.is_some_and(|quota| quota > 0);
        let emulator = |value: Option<String>| value.filter(|_| limited);
        let text = |value: Option<u64>| value.map(|value| value.to_string());
        let lines = [
            ("Scheduler", Some("posix".to_owned())),
            ("cpu_shares", text(cpu_shares)),
            ("vcpu_period", text(vcpu_period)),
            ("vcpu_quota", vcpu_quota.map(|quota| quota.to_string())),
            ("emulator_period", emulator(text(emulator_period))),
            ("emulator_quota", emulator(emulator_quota.map(|quota| quota.to_string()))),
        ];
        values(lines)
    }
}

/// Options of `reeve domain memtune`.
#[derive(Debug, Args)]
#[command(after_help = "\
Limits are for the whole worker: guest memory and what the worker needs beside it. -1 takes a limit away.

Example:
  reeve domain memtune web --hard-limit 1G --soft-limit 768M --config")]
pub struct Memtune {
    #[command(flatten)]
    target: Target,
    /// Most memory: a number with a unit, in KiB without
    #[arg(long, value_name = "SIZE", value_parser = limit, allow_hyphen_values = true)]
    hard_limit: Option<Bytes>,
    /// What it is pushed back to while memory is short
    #[arg(long, value_name = "SIZE", value_parser = limit, allow_hyphen_values = true)]
    soft_limit: Option<Bytes>,
    /// Most memory and swap together
    #[arg(long, value_name = "SIZE", value_parser = limit, allow_hyphen_values = true)]
    swap_hard_limit: Option<Bytes>,
    /// Memory that is not taken from it
    #[arg(long, value_name = "SIZE", value_parser = limit, allow_hyphen_values = true)]
    min_guarantee: Option<Bytes>,
    #[command(flatten)]
    scope: TuneScope,
}

/// A size, or -1 for none.
fn limit(text: &str) -> Result<Bytes, String> {
    if text == "-1" { Ok(Bytes(0)) } else { size(text) }
}

impl Memtune {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let memory = MemoryLimits {
            hard_limit: self.hard_limit,
            soft_limit: self.soft_limit,
            swap_hard_limit: self.swap_hard_limit,
            min_guarantee: self.min_guarantee,
        };
        let change = Tuning { memory, ..Tuning::default() };
        let tuning = self.scope.tuning(context, &self.target.domain, change).await?;
        context.show(&Limits(tuning.memory))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Limits(MemoryLimits);

impl Show for Limits {
    const ELEMENT: &'static str = "memory";

    fn human(&self) -> String {
        let kib = |limit: Option<Bytes>| {
            Some(limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.as_kib().to_string()))
        };
        values([
            ("hard_limit", kib(self.0.hard_limit)),
            ("soft_limit", kib(self.0.soft_limit)),
            ("swap_hard_limit", kib(self.0.swap_hard_limit)),
            ("min_guarantee", self.0.min_guarantee.and_then(|limit| kib(Some(limit)))),
        ])
    }
}

/// Options of `reeve domain blkiotune`.
#[derive(Debug, Args)]
#[command(after_help = "\
A list names block devices of the host with a value each; 0 takes the value of a device away.

Example:
  reeve domain blkiotune web --weight 500 --device-weights /dev/sda,800 --device-write-bytes-sec /dev/sda,10485760")]
pub struct Blkiotune {
    #[command(flatten)]
    target: Target,
    /// Weight among domains, 100 to 1000
    #[arg(long)]
    weight: Option<u64>,
    /// Weights of devices, 100 to 1000
    #[arg(long, value_name = "DEVICE,VALUE[,…]", value_parser = devices)]
    device_weights: Option<Values>,
    /// Bytes read a second
    #[arg(long, value_name = "DEVICE,VALUE[,…]", value_parser = devices)]
    device_read_bytes_sec: Option<Values>,
    /// Bytes written a second
    #[arg(long, value_name = "DEVICE,VALUE[,…]", value_parser = devices)]
    device_write_bytes_sec: Option<Values>,
    /// Reads a second
    #[arg(long, value_name = "DEVICE,VALUE[,…]", value_parser = devices)]
    device_read_iops_sec: Option<Values>,
    /// Writes a second
    #[arg(long, value_name = "DEVICE,VALUE[,…]", value_parser = devices)]
    device_write_iops_sec: Option<Values>,
    #[command(flatten)]
    scope: TuneScope,
}

/// Devices with a value each.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Values(Vec<(String, u64)>);

fn devices(text: &str) -> Result<Values, String> {
    let parts: Vec<&str> = text.split(',').collect();
    let pairs = parts.chunks(2).map(|pair| match pair {
        [path, value] if path.starts_with('/') => match value.parse() {
            Ok(value) => Ok(((*path).to_owned(), value)),
            Err(_) => Err(format!("'{value}' is no whole number")),
        },
        [path, _] => Err(format!("'{path}' is no absolute path of a device")),
        _ => Err("write DEVICE,VALUE, e.g. /dev/sda,500".to_owned()),
    });
    pairs.collect::<Result<_, _>>().map(Values)
}

impl Blkiotune {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut devices: Vec<BlkioDevice> = Vec::new();
        let mut say = |values: Option<Values>, say: fn(&mut BlkioDevice, u64)| {
            for (path, value) in values.into_iter().flat_map(|values| values.0) {
                let position = devices.iter().position(|device| device.path == path);
                let position = position.unwrap_or_else(|| {
                    devices.push(BlkioDevice { path, ..BlkioDevice::default() });
                    devices.len() - 1
                });
                say(&mut devices[position], value);
            }
        };
        say(self.device_weights, |device, value| device.weight = Some(value));
        say(self.device_read_bytes_sec, |device, value| device.read_bytes_sec = Some(value));
        say(self.device_write_bytes_sec, |device, value| device.write_bytes_sec = Some(value));
        say(self.device_read_iops_sec, |device, value| device.read_iops_sec = Some(value));
        say(self.device_write_iops_sec, |device, value| device.write_iops_sec = Some(value));
        let change = Tuning { block: BlockLimits { weight: self.weight, devices }, ..Tuning::default() };
        let tuning = self.scope.tuning(context, &self.target.domain, change).await?;
        context.show(&Block(tuning.block))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Block(BlockLimits);

impl Show for Block {
    const ELEMENT: &'static str = "block";

    fn human(&self) -> String {
        let list = |value: fn(&BlkioDevice) -> Option<u64>| {
            let words = self
                .0
                .devices
                .iter()
                .filter_map(|device| Some(format!("{},{}", device.path, value(device)?)));
            Some(words.collect::<Vec<_>>().join(","))
        };
        values([
            ("weight", self.0.weight.map(|weight| weight.to_string())),
            ("device_weight", list(|device| device.weight)),
            ("device_read_iops_sec", list(|device| device.read_iops_sec)),
            ("device_write_iops_sec", list(|device| device.write_iops_sec)),
            ("device_read_bytes_sec", list(|device| device.read_bytes_sec)),
            ("device_write_bytes_sec", list(|device| device.write_bytes_sec)),
        ])
    }
}

/// Options of `reeve domain numatune`.
#[derive(Debug, Args)]
#[command(after_help = "\
While the domain runs its mode can't be changed, and its nodes only in the mode strict.

Example:
  reeve domain numatune web --mode interleave --nodeset 0-3,^2 --config")]
pub struct Numatune {
    #[command(flatten)]
    target: Target,
    /// How the nodes are used
    #[arg(long, value_parser = ["strict", "preferred", "interleave"])]
    mode: Option<String>,
    /// NUMA nodes of the host, e.g. 0-3,^2
    #[arg(long)]
    nodeset: Option<CpuSet>,
    #[command(flatten)]
    scope: TuneScope,
}

impl Numatune {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let numa = NumaPolicy { mode: self.mode, nodeset: self.nodeset };
        let change = Tuning { numa, ..Tuning::default() };
        let tuning = self.scope.tuning(context, &self.target.domain, change).await?;
        context.show(&Numa(tuning.numa))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Numa(NumaPolicy);

impl Show for Numa {
    const ELEMENT: &'static str = "numa";

    fn human(&self) -> String {
        let nodes = self.0.nodeset.as_ref().map(CpuSet::to_string).unwrap_or_default();
        let mode = self.0.mode.clone().unwrap_or_else(|| "strict".to_owned());
        values([("numa_mode", Some(mode)), ("numa_nodeset", Some(nodes))])
    }
}

/// Names and values as virsh prints them; what is none is left out.
fn values<const N: usize>(lines: [(&str, Option<String>); N]) -> String {
    let known = lines.into_iter().filter_map(|(name, value)| Some((name, value?)));
    pairs(known).lines().map(colons).collect::<Vec<_>>().join("\n")
}

/// Puts the colon of a line where the values begin.
fn colons(line: &str) -> String {
    let Some((name, rest)) = line.split_once(':') else { return line.to_owned() };
    format!("{name:15}: {}", rest.trim_start()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheduler_without_limits_of_the_emulator_is_four_lines() {
        let schedule = Schedule {
            cpu_shares: Some(1024),
            vcpu_period: Some(100_000),
            vcpu_quota: Some(-1),
            emulator_period: Some(100_000),
            emulator_quota: Some(-1),
        };
        insta::assert_snapshot!(Scheduler(schedule).human(), @r"
        Scheduler      : posix
        cpu_shares     : 1024
        vcpu_period    : 100000
        vcpu_quota     : -1
        ");
        let limited = Schedule { emulator_quota: Some(5000), ..schedule };
        assert!(Scheduler(limited).human().ends_with("emulator_period: 100000\nemulator_quota : 5000"));
    }

    #[test]
    fn parameters_are_named() {
        assert_eq!(parameter("vcpu_quota=-1"), Ok((Parameter::Quota, -1)));
        assert!(parameter("cpu_shares=-1").unwrap_err().contains("negative"));
        assert!(parameter("weight=1").unwrap_err().contains("not one of cpu_shares, vcpu_period"));
        assert!(parameter("cpu_shares").is_err() && parameter("cpu_shares=many").is_err());
    }

    #[test]
    fn limits_are_shown_in_kib() {
        let memory = MemoryLimits { hard_limit: Some(Bytes::mib(1)), ..MemoryLimits::default() };
        insta::assert_snapshot!(Limits(memory).human(), @r"
        hard_limit     : 1024
        soft_limit     : unlimited
        swap_hard_limit: unlimited
        ");
        assert_eq!(limit("-1"), Ok(Bytes(0)));
    }

    #[test]
    fn devices_come_in_pairs() {
        let pair = |path: &str, value| (path.to_owned(), value);
        assert_eq!(devices("/dev/a,1,/dev/b,2"), Ok(Values(vec![pair("/dev/a", 1), pair("/dev/b", 2)])));
        for wrong in ["/dev/a", "/dev/a,many", "sda,1", ""] {
            assert!(devices(wrong).is_err(), "{wrong}");
        }
    }
}
