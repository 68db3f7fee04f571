//! `reeve domain domstats` and `cpu-stats` (guide 14.6.3).

use clap::Args;
use reeve_model::DomainState;
use reeve_model::api::DomainFilter;
use reeve_model::stats::{DomainInfo, DomainStats};
use reeve_model::tuning::{CpuStats, CpuTime, TuneOptions};
use serde::Serialize;

use super::Target;
use super::list::is_on_disk_alone;
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve domain domstats`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without a group all groups are shown, and without a domain all domains.

Examples:
  reeve domain domstats
  reeve domain domstats web --vcpu --block")]
pub struct Domstats {
    /// Names or UUIDs
    domains: Vec<String>,
    /// What it is doing
    #[arg(long)]
    state: bool,
    /// CPU time of the worker
    #[arg(long)]
    cpu_total: bool,
    /// Balloon and resident memory
    #[arg(long)]
    balloon: bool,
    /// vCPUs
    #[arg(long)]
    vcpu: bool,
    /// Network interfaces
    #[arg(long)]
    interface: bool,
    /// Disks
    #[arg(long)]
    block: bool,
    /// I/O threads
    #[arg(long)]
    iothread: bool,
    /// Only domains that are active
    #[arg(long, visible_alias = "list-running")]
    list_active: bool,
    /// Only domains that are off
    #[arg(long, conflicts_with = "list_active")]
    list_inactive: bool,
}

/// Groups of statistics.
const GROUPS: usize = 7;

#[derive(Serialize)]
struct Record {
    info: DomainInfo,
    stats: Option<DomainStats>,
    /// Numbers of its I/O threads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    iothreads: Vec<u32>,
}

#[derive(Serialize)]
struct Records {
    domains: Vec<Record>,
    #[serde(skip)]
    groups: [bool; GROUPS],
}

impl Domstats {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let Self { state, cpu_total, balloon, vcpu, interface, block, iothread, .. } = self;
        let asked = [state, cpu_total, balloon, vcpu, interface, block, iothread];
        let groups = if asked.contains(&true) { asked } else { [true; GROUPS] };
        let mut names = self.domains;
        if names.is_empty() {
            let rows = context.client.list_domains(&DomainFilter::default()).await?;
            let (unreadable, known): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_on_disk_alone);
            for row in unreadable.iter().filter(|_| !self.list_active) {
                context.note(&format!("domain '{}' is left out: its definition can't be read", row.name));
            }
            names = known.into_iter().map(|row| row.uuid.to_string()).collect();
        }
        let mut domains = Vec::new();
        for name in names {
            let info = context.client.domain_info(&name).await?;
            let active = info.summary.state.is_active();
            if (self.list_active && !active) || (self.list_inactive && active) {
                continue;
            }
            // It may have stopped since.
            let stats = if active { context.client.domain_stats(&name).await.ok() } else { None };
            let iothreads = match active && groups[GROUPS - 1] {
                true => iothreads(context, &name).await,
                false => Vec::new(),
            };
            domains.push(Record { info, stats, iothreads });
        }
        context.show(&Records { domains, groups })
    }
}

/// Numbers of the I/O threads of a running domain; none of one that has stopped meanwhile.
async fn iothreads(context: &Context, name: &str) -> Vec<u32> {
    let tuning = context.client.domain_tuning(name, TuneOptions { live: true, config: false }).await;
    let pins = tuning.map(|tuning| tuning.iothread_pins).unwrap_or_default();
    pins.iter().map(|pin| pin.iothread).collect()
}

impl Show for Records {
    const ELEMENT: &'static str = "domains";

    fn human(&self) -> String {
        let records = self.domains.iter().map(|record| lines(record, self.groups).join("\n"));
        records.collect::<Vec<_>>().join("\n\n")
    }
}

fn lines(record: &Record, groups: [bool; GROUPS]) -> Vec<String> {
    let [state, cpu, balloon, vcpu, interface, block, iothread] = groups;
    let Record { info, stats, iothreads } = record;
    let mut lines = vec![format!("Domain: '{}'", info.summary.name)];
    let mut say = |wanted: bool, key: &str, value: String| {
        if wanted {
            lines.push(format!("  {key}={value}"));
        }
    };
    say(state, "state.state", number(info.summary.state).to_string());
    say(state, "state.reason", info.summary.reason.to_string());
    say(balloon, "balloon.maximum", info.max_memory.as_kib().to_string());
    say(vcpu, "vcpu.current", info.vcpus.to_string());
    let Some(stats) = stats else { return lines };
    say(iothread, "iothread.count", iothreads.len().to_string());
    say(cpu, "cpu.time", stats.cpu_time_ns.to_string());
    say(balloon, "balloon.current", stats.balloon_current.as_kib().to_string());
    say(balloon, "balloon.rss", stats.resident.as_kib().to_string());
    for (index, time) in stats.vcpu_time_ns.iter().enumerate() {
        say(vcpu, &format!("vcpu.{index}.time"), time.to_string());
    }
    say(interface, "net.count", stats.interfaces.len().to_string());
    for (index, each) in stats.interfaces.iter().enumerate() {
        let numbers = [
            ("rx.bytes", each.rx_bytes),
            ("rx.pkts", each.rx_packets),
            ("rx.errs", each.rx_errors),
            ("rx.drop", each.rx_dropped),
            ("tx.bytes", each.tx_bytes),
            ("tx.pkts", each.tx_packets),
            ("tx.errs", each.tx_errors),
            ("tx.drop", each.tx_dropped),
        ];
        say(interface, &format!("net.{index}.name"), each.target.clone());
        numbers
            .iter()
            .for_each(|(key, value)| say(interface, &format!("net.{index}.{key}"), value.to_string()));
    }
    say(block, "block.count", stats.disks.len().to_string());
    for (index, each) in stats.disks.iter().enumerate() {
        let numbers = [
            ("rd.reqs", each.read_requests),
            ("rd.bytes", each.read_bytes),
            ("rd.times", each.read_time_ns),
            ("wr.reqs", each.write_requests),
            ("wr.bytes", each.write_bytes),
            ("wr.times", each.write_time_ns),
            ("fl.reqs", each.flush_requests),
            ("fl.times", each.flush_time_ns),
        ];
        say(block, &format!("block.{index}.name"), each.target.clone());
        numbers
            .iter()
            .for_each(|(key, value)| say(block, &format!("block.{index}.{key}"), value.to_string()));
    }
    lines
}

/// The number that libvirt gives a state.
fn number(state: DomainState) -> u32 {
    match state {
        DomainState::Running => 1,
        DomainState::Idle => 2,
        DomainState::Paused => 3,
        DomainState::InShutdown => 4,
        DomainState::ShutOff => 5,
        DomainState::Crashed => 6,
        DomainState::PmSuspended => 7,
    }
}

/// Options of `reeve domain cpu-stats`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  reeve domain cpu-stats web
  reeve domain cpu-stats web --total
  reeve domain cpu-stats web 2 1                     host CPU 2 alone
  reeve domain cpu-stats web --start 2 --count 1     the same")]
pub struct CpuStatsOf {
    #[command(flatten)]
    target: Target,
    /// Only all host CPUs together
    #[arg(long, conflicts_with_all = ["start", "count", "start_by_place", "count_by_place"])]
    total: bool,
    /// First host CPU; CPU 0 where nothing is said
    #[arg(long, value_name = "CPU")]
    start: Option<usize>,
    /// How many host CPUs; all that follow where nothing is said
    #[arg(long, value_name = "CPUS")]
    count: Option<usize>,
    /// The same as --start
    #[arg(value_name = "START", conflicts_with = "start")]
    start_by_place: Option<usize>,
    /// The same as --count
    #[arg(value_name = "COUNT", conflicts_with = "count")]
    count_by_place: Option<usize>,
}

impl CpuStatsOf {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let CpuStats { cpus, total } = context.client.domain_cpu_stats(&self.target.domain).await?;
        let (start, count) = (self.start.or(self.start_by_place), self.count.or(self.count_by_place));
        let chosen = start.is_some() || count.is_some();
        let (start, count) = (start.unwrap_or(0), count.unwrap_or(cpus.len()));
        let numbered = cpus.into_iter().enumerate().filter(|_| !self.total);
        let cpus = numbered.map(|(cpu, time)| OneCpu { cpu, time }).skip(start).take(count).collect();
        context.show(&Used { cpus, total: Some(total).filter(|_| !chosen) })
    }
}

#[derive(Serialize)]
struct OneCpu {
    cpu: usize,
    #[serde(flatten)]
    time: CpuTime,
}

#[derive(Serialize)]
struct Used {
    cpus: Vec<OneCpu>,
    total: Option<CpuTime>,
}

impl Show for Used {
    const ELEMENT: &'static str = "cpu-stats";

    fn human(&self) -> String {
        let line = |name: &str, ns: u64| {
            format!("\t{name:12} {:6}.{:09} seconds", ns / 1_000_000_000, ns % 1_000_000_000)
        };
        let mut lines = Vec::new();
        for OneCpu { cpu, time } in &self.cpus {
            lines.push(format!("CPU{cpu}:"));
            lines.push(line("cpu_time", time.cpu_time_ns));
        }
        if let Some(total) = self.total {
            lines.push("Total:".to_owned());
            lines.push(line("cpu_time", total.cpu_time_ns));
            lines.push(line("user_time", total.user_ns));
            lines.push(line("system_time", total.system_ns));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples;
    use reeve_model::Bytes;

    #[test]
    fn cpus_and_their_total_are_shown() {
        let time = CpuTime { cpu_time_ns: 1_500_000_000, user_ns: 1_000_000_000, system_ns: 500_000_000 };
        let used = Used { cpus: vec![OneCpu { cpu: 0, time }], total: Some(time) };
        let words: Vec<String> = used.human().split_whitespace().map(str::to_owned).collect();
        assert_eq!(
            words.join(" "),
            "CPU0: cpu_time 1.500000000 seconds Total: cpu_time 1.500000000 seconds \
             user_time 1.000000000 seconds system_time 0.500000000 seconds"
        );
    }

    #[test]
    fn groups_are_chosen() {
        let info = DomainInfo {
            os_type: "hvm".to_owned(),
            summary: samples::web(),
            title: None,
            max_memory: Bytes::mib(64),
            memory: Bytes::mib(64),
            vcpus: 1,
            cpu_time_ns: 7,
            worker_pid: None,
        };
        let stats = DomainStats { cpu_time_ns: 7, vcpu_time_ns: vec![5], ..DomainStats::default() };
        let record = Record { info, stats: Some(stats), iothreads: vec![2, 7] };
        let only = |group: usize| {
            let mut groups = [false; GROUPS];
            groups[group] = true;
            lines(&record, groups)[1..].join(" ")
        };
        assert_eq!(only(0), "  state.state=1   state.reason=booted");
        assert_eq!(only(3), "  vcpu.current=1   vcpu.0.time=5");
        assert_eq!(only(6), "  iothread.count=2");
    }
}
