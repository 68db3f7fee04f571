//! `reeve domain dommemstat` (guide 14.5.10).

use clap::{ArgGroup, Args};
use reeve_model::Bytes;
use reeve_model::api::DeviceOptions;
use reeve_model::stats::{DomainStats, MemoryStats};
use serde::Serialize;

use super::{Done, Target};
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve domain dommemstat`.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("scope").args(["live", "config", "current"]).multiple(true).requires("period"),
    after_help = "\
Sizes are KiB, as virsh prints them. The guest tells them through its balloon; it is asked each time, so the next call sees the answer.

Examples:
  reeve domain dommemstat web
  reeve domain dommemstat web --period 10 --live"
)]
pub struct Dommemstat {
    #[command(flatten)]
    target: Target,
    /// Have the guest tell every so many seconds; 0 for only when it is asked
    #[arg(long, value_name = "SECONDS")]
    period: Option<u32>,
    /// Of the running guest [default while the domain is active]
    #[arg(long)]
    live: bool,
    /// Of the definition [default while the domain is off]
    #[arg(long)]
    config: bool,
    /// Of the running guest, or of the definition while the domain is off
    #[arg(long, conflicts_with_all = ["live", "config"])]
    current: bool,
}

impl Dommemstat {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let domain = &self.target.domain;
        let Some(seconds) = self.period else {
            return context.show(&Told(context.client.domain_stats(domain).await?));
        };
        let options = DeviceOptions { live: self.live, config: self.config, persistent: false };
        let row = context.client.set_stats_period(domain, seconds, options).await?;
        context.show(&Done::new(row, "tells statistics of its memory as said"))
    }
}

struct Told(DomainStats);

#[derive(Serialize)]
struct Fields<'a> {
    actual: Bytes,
    rss: Bytes,
    #[serde(flatten)]
    memory: &'a MemoryStats,
}

impl Serialize for Told {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = Fields { actual: self.0.balloon_current, rss: self.0.resident, memory: &self.0.memory };
        fields.serialize(serializer)
    }
}

impl Show for Told {
    const ELEMENT: &'static str = "memory";

    fn human(&self) -> String {
        let memory = &self.0.memory;
        let kib = |bytes: Option<Bytes>| bytes.map(|bytes| bytes.0 / 1024);
        let all = [
            ("actual", kib(Some(self.0.balloon_current))),
            ("swap_in", kib(memory.swap_in)),
            ("swap_out", kib(memory.swap_out)),
            ("major_fault", memory.major_faults),
            ("minor_fault", memory.minor_faults),
            ("unused", kib(memory.unused)),
            ("available", kib(memory.available)),
            ("usable", kib(memory.usable)),
            ("disk_caches", kib(memory.disk_caches)),
            ("hugetlb_pgalloc", memory.hugetlb_allocations),
            ("hugetlb_pgfail", memory.hugetlb_failures),
            ("rss", kib(Some(self.0.resident))),
        ];
        let lines = all.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?)));
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    #[test]
    fn what_a_guest_does_not_say_is_not_shown() {
        let memory = MemoryStats {
            unused: Some(Bytes::mib(12)),
            available: Some(Bytes::mib(60)),
            major_faults: Some(7),
            ..MemoryStats::default()
        };
        let stats = DomainStats {
            balloon_current: Bytes::mib(64),
            resident: Bytes::mib(20),
            memory,
            ..DomainStats::default()
        };
        let shown = Format::Table.draw(&Told(stats)).unwrap();
        assert_eq!(shown, "actual 65536\nmajor_fault 7\nunused 12288\navailable 61440\nrss 20480");
    }
}
