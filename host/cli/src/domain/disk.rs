//! `reeve domain domblklist`, `domblkinfo`, `domblkstat` and `blockresize` (guide 14.5.5, 14.5.12, 14.5.13, 14.5.17).

use anyhow::Context as _;
use clap::Args;
use reeve_model::api::XmlOptions;
use reeve_model::domain_disk::{DiskFilter, DiskSize, DomainDisk, ResizeDisk};
use reeve_model::stats::DiskStats;
use reeve_model::{Bytes, Error, ErrorCode};
use serde::Serialize;

use super::Target;
use crate::context::Context;
use crate::output::{Show, or_dash, pairs, table};
use crate::vol::size::size;

/// Options of `reeve domain domblklist`.
#[derive(Debug, Args)]
pub struct Domblklist {
    #[command(flatten)]
    target: Target,
    /// Those of the definition that the next start uses, even while the domain is active
    #[arg(long)]
    inactive: bool,
    /// With their types and devices
    #[arg(long)]
    details: bool,
}

/// Options of `reeve domain domblkinfo`.
#[derive(Debug, Args)]
pub struct Domblkinfo {
    #[command(flatten)]
    target: Target,
    /// Only of this disk: its target or path
    disk: Option<String>,
    /// In units that are easy to read
    #[arg(long)]
    human: bool,
}

/// Options of `reeve domain domblkstat`.
#[derive(Debug, Args)]
pub struct Domblkstat {
    #[command(flatten)]
    disk: Named,
    /// With words for people
    #[arg(long)]
    human: bool,
}

/// Options of `reeve domain domblkerror`.
#[derive(Debug, Args)]
pub struct Domblkerror {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve domain blockresize`.
#[derive(Debug, Args)]
#[command(after_help = "\
The domain runs on; a guest with a driver for virtio disks sees the new size at once. The image behind the disk gets that size; a device
must have it already.

Examples:
  reeve domain blockresize web vda 20G
  reeve domain blockresize web /srv/images/web.img 20971520        # KiB, where no unit is given")]
pub struct Blockresize {
    #[command(flatten)]
    disk: Named,
    /// What the guest is to see; KiB where no unit is given, B for bytes
    #[arg(value_parser = kib_size)]
    size: Bytes,
    /// Allow it to become smaller, and lose what is beyond its new end
    #[arg(long)]
    shrink: bool,
}

/// A disk on the command line.
#[derive(Debug, Args)]
pub(crate) struct Named {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Target or path
    pub(crate) disk: String,
}

impl Named {
    /// The disk as it is: of the running machine, or of the definition.
    pub(crate) async fn find(&self, context: &Context, inactive: bool) -> anyhow::Result<DomainDisk> {
        let domain = &self.target.domain;
        let all = context.client.domain_disks(domain, XmlOptions { inactive }).await?;
        let found = all.into_iter().find(|disk| disk.is_named(&self.disk));
        found.ok_or_else(|| {
            let message = format!("domain '{domain}' has no disk '{}'", self.disk);
            let hint = format!("'reeve domain domblklist {domain}' shows what it has");
            let error = Error::new(ErrorCode::NotFound, message).with_hint(hint);
            reeve_client::ClientError::Refused(error).into()
        })
    }
}

/// Sizes of disks are KiB where nothing else is said (guide 14.5.17).
fn kib_size(text: &str) -> Result<Bytes, String> {
    let text = text.trim();
    match !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => size(&format!("{text}K")),
        false => size(text),
    }
}

impl Domblklist {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options = XmlOptions { inactive: self.inactive };
        let disks = context.client.domain_disks(&self.target.domain, options).await?;
        context.show(&Disks { disks, details: self.details })
    }
}

impl Domblkinfo {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let is_one = self.disk.is_some();
        let filter = DiskFilter { disk: self.disk };
        let sizes = context.client.domain_disk_sizes(&self.target.domain, &filter).await?;
        for fault in sizes.iter().filter_map(|size| size.fault.as_deref()) {
            context.note(&format!("warning: {fault}"));
        }
        context.show(&Sizes { sizes, is_one, human: self.human })
    }
}

impl Domblkstat {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let stats = context.client.domain_stats(&self.disk.target.domain).await?;
        let disk = self.disk.find(context, false).await?;
        let own = stats.disks.into_iter().find(|stats| stats.target == disk.target);
        let stats = own.with_context(|| format!("there are no counters of '{}'", self.disk.disk))?;
        context.show(&Counters { stats, human: self.human })
    }
}

impl Domblkerror {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let stats = context.client.domain_stats(&self.target.domain).await?;
        let error = |disk: DiskStats| Some(DiskError { target: disk.target, error: disk.error? });
        context.show(&DiskErrors(stats.disks.into_iter().filter_map(error).collect()))
    }
}

impl Blockresize {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let Named { target, disk } = self.disk;
        let resize = ResizeDisk { capacity: self.size, shrink: self.shrink };
        let size = context.client.resize_disk(&target.domain, &disk, resize).await?;
        context.show(&Resized(size))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Disks {
    disks: Vec<DomainDisk>,
    #[serde(skip)]
    details: bool,
}

impl Show for Disks {
    const ELEMENT: &'static str = "disks";

    fn human(&self) -> String {
        let source = |disk: &DomainDisk| or_dash(disk.source.clone());
        if self.details {
            let cells = |disk: &DomainDisk| {
                [disk.kind.clone(), disk.device.clone(), disk.target.clone(), source(disk)]
            };
            return table(["Type", "Device", "Target", "Source"], self.disks.iter().map(cells));
        }
        table(["Target", "Source"], self.disks.iter().map(|disk| [disk.target.clone(), source(disk)]))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Sizes {
    sizes: Vec<DiskSize>,
    #[serde(skip)]
    is_one: bool,
    #[serde(skip)]
    human: bool,
}

impl Show for Sizes {
    const ELEMENT: &'static str = "disks";

    fn human(&self) -> String {
        let shown = |size: Option<Bytes>| match size {
            Some(size) if self.human => crate::pool::two_places(size),
            Some(size) => size.0.to_string(),
            None => "-".to_owned(),
        };
        if let ([size], true) = (self.sizes.as_slice(), self.is_one) {
            return pairs([
                ("Capacity", shown(size.capacity)),
                ("Allocation", shown(size.allocation)),
                ("Physical", shown(size.physical)),
            ]);
        }
        let cells = |size: &DiskSize| {
            [size.target.clone(), shown(size.capacity), shown(size.allocation), shown(size.physical)]
        };
        table(["Target", "Capacity", "Allocation", "Physical"], self.sizes.iter().map(cells))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Counters {
    stats: DiskStats,
    #[serde(skip)]
    human: bool,
}

impl Show for Counters {
    const ELEMENT: &'static str = "disk";

    fn human(&self) -> String {
        let stats = &self.stats;
        let counters = [
            ("rd_req", "number of read operations:", stats.read_requests),
            ("rd_bytes", "number of bytes read:", stats.read_bytes),
            ("wr_req", "number of write operations:", stats.write_requests),
            ("wr_bytes", "number of bytes written:", stats.write_bytes),
            ("flush_operations", "number of flush operations:", stats.flush_requests),
            ("rd_total_times", "total duration of reads (ns):", stats.read_time_ns),
            ("wr_total_times", "total duration of writes (ns):", stats.write_time_ns),
            ("flush_total_times", "total duration of flushes (ns):", stats.flush_time_ns),
            ("errs", "number of errors:", stats.errors),
        ];
        let lines: Vec<String> = match self.human {
            true => counters.iter().map(|(_, words, value)| format!(" {words:<31} {value}")).collect(),
            false => {
                counters.iter().map(|(name, _, value)| format!("{} {name} {value}", stats.target)).collect()
            }
        };
        match self.human {
            true => format!("Device: {}\n{}", stats.target, lines.join("\n")),
            false => lines.join("\n"),
        }
    }
}

#[derive(Serialize)]
struct DiskError {
    target: String,
    error: String,
}

#[derive(Serialize)]
#[serde(transparent)]
struct DiskErrors(Vec<DiskError>);

impl Show for DiskErrors {
    const ELEMENT: &'static str = "disks";

    fn human(&self) -> String {
        if self.0.is_empty() {
            return "No errors found".to_owned();
        }
        let lines = self.0.iter().map(|disk| format!("{}: {}", disk.target, disk.error));
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Resized(DiskSize);

impl Show for Resized {
    const ELEMENT: &'static str = "disk";

    fn human(&self) -> String {
        let size =
            self.0.capacity.map_or_else(|| "another size".to_owned(), |size| format!("{} bytes", size.0));
        format!("Block device '{}' has {size} now", self.0.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    fn disk(target: &str, kind: &str, device: &str, source: Option<&str>) -> DomainDisk {
        DomainDisk {
            target: target.to_owned(),
            kind: kind.to_owned(),
            device: device.to_owned(),
            source: source.map(str::to_owned),
            pool: None,
            path: None,
            format: None,
            bus: None,
            readonly: false,
            shareable: false,
            alias: None,
        }
    }

    #[test]
    fn disks_are_listed() {
        let disks = || {
            vec![
                disk("vda", "file", "disk", Some("/VirtualMachines/rhel6.img")),
                disk("hdc", "block", "cdrom", None),
            ]
        };
        insta::assert_snapshot!(Format::Table.draw(&Disks { disks: disks(), details: false }).unwrap());
        insta::assert_snapshot!(Format::Table.draw(&Disks { disks: disks(), details: true }).unwrap());
    }

    #[test]
    fn counters_are_for_people_or_programs() {
        let stats = || DiskStats {
            target: "vda".to_owned(),
            read_requests: 174_670,
            read_bytes: 3_219_440_128,
            write_time_ns: 1_085_306_686_457,
            ..DiskStats::default()
        };
        insta::assert_snapshot!(Format::Table.draw(&Counters { stats: stats(), human: true }).unwrap());
        insta::assert_snapshot!(Format::Table.draw(&Counters { stats: stats(), human: false }).unwrap());
    }

    #[test]
    fn sizes_are_bytes_or_easy_to_read() {
        let size = |target: &str| DiskSize {
            target: target.to_owned(),
            capacity: Some(Bytes(8 << 30)),
            allocation: Some(Bytes(1536 << 20)),
            physical: None,
            fault: None,
        };
        let one = Sizes { sizes: vec![size("vda")], is_one: true, human: false };
        insta::assert_snapshot!(Format::Table.draw(&one).unwrap());
        let all = Sizes { sizes: vec![size("vda"), size("vdb")], is_one: false, human: true };
        insta::assert_snapshot!(Format::Table.draw(&all).unwrap());
    }

    #[test]
    fn a_size_is_kib_where_no_unit_is_given() {
        assert_eq!(kib_size("1024"), Ok(Bytes(1 << 20)));
        assert_eq!(kib_size("1024B"), Ok(Bytes(1024)));
        assert_eq!(kib_size("2G"), Ok(Bytes(2 << 30)));
        assert!(kib_size("").is_err() && kib_size("-1").is_err());
    }
}
