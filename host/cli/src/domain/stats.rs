//! `reeve domain stats`.

use clap::Args;
use reeve_model::stats::{DiskStats, DomainStats, InterfaceStats};

use super::Target;
use super::info::seconds;
use crate::context::Context;
use crate::output::{Show, pairs, table};

/// Counters begin at 0 when the domain starts.
#[derive(Debug, Args)]
pub struct Stats {
    #[command(flatten)]
    target: Target,
}

impl Stats {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let stats = context.client.domain_stats(&self.target.domain).await?;
        context.show(&stats)
    }
}

impl Show for DomainStats {
    const ELEMENT: &'static str = "stats";

    fn human(&self) -> String {
        let vcpus: Vec<String> = self.vcpu_time_ns.iter().map(|time| seconds(*time)).collect();
        let mut text = pairs([
            ("CPU time", seconds(self.cpu_time_ns)),
            ("vCPU times", vcpus.join(" ")),
            ("Resident", self.resident.to_string()),
            ("Balloon", self.balloon_current.to_string()),
            ("Exits", self.exits.to_string()),
        ]);
        if !self.disks.is_empty() {
            text.push_str("\n\n");
            text.push_str(&disks(&self.disks));
        }
        if !self.interfaces.is_empty() {
            text.push_str("\n\n");
            text.push_str(&interfaces(&self.interfaces));
        }
        text
    }
}

fn disks(disks: &[DiskStats]) -> String {
    let cells = |disk: &DiskStats| {
        let number = |value: u64| value.to_string();
        [
            disk.target.clone(),
            number(disk.read_requests),
            number(disk.read_bytes),
            number(disk.write_requests),
            number(disk.write_bytes),
            number(disk.flush_requests),
            number(disk.errors),
        ]
    };
    let header = ["Disk", "Reads", "Bytes read", "Writes", "Bytes written", "Flushes", "Errors"];
    table(header, disks.iter().map(cells))
}

fn interfaces(interfaces: &[InterfaceStats]) -> String {
    let cells = |interface: &InterfaceStats| {
        let number = |value: u64| value.to_string();
        [
            interface.target.clone(),
            number(interface.rx_packets),
            number(interface.rx_bytes),
            number(interface.tx_packets),
            number(interface.tx_bytes),
            number(interface.dropped),
        ]
    };
    let header = ["Interface", "Frames in", "Bytes in", "Frames out", "Bytes out", "Dropped"];
    table(header, interfaces.iter().map(cells))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;
    use reeve_model::Bytes;

    #[test]
    fn counters_are_grouped() {
        let disk =
            DiskStats { target: "vda".into(), read_requests: 12, read_bytes: 49_152, ..DiskStats::default() };
        let interface = InterfaceStats {
            target: "vnet0".into(),
            rx_packets: 3,
            rx_bytes: 180,
            ..InterfaceStats::default()
        };
        let stats = DomainStats {
            cpu_time_ns: 2_500_000_000,
            vcpu_time_ns: vec![2_000_000_000, 400_000_000],
            resident: Bytes::mib(61),
            balloon_current: Bytes::mib(256),
            memory: Default::default(),
            exits: 1234,
            disks: vec![disk],
            interfaces: vec![interface],
        };
        insta::assert_snapshot!(Format::Table.draw(&stats).unwrap());
    }
}
