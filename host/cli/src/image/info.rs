//! `reeve image info`.

use std::path::PathBuf;

use clap::Args;
use reeve_image::{Access, Compat, CompressionType, Format, Qcow2Info, Snapshot};
use serde::Serialize;

use super::cache::Caches;
use super::open::{self, Backing};
use super::size::short;
use crate::context::Context;
use crate::output::Show;

/// Options of `reeve image info`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --format the image is taken for what it looks like. A guest can make its raw disk look like anything, so a backing file is
followed only when the format is told.

Examples:
  reeve image info disk.qcow2
  reeve image info --format qcow2 --backing-chain -o json disk.qcow2")]
pub struct Info {
    /// Image
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Format: raw or qcow2
    #[arg(short, long)]
    format: Option<Format>,
    /// Show every image of the chain
    #[arg(long)]
    backing_chain: bool,
    /// Look at an image that a machine is writing to
    #[arg(short = 'U', long)]
    force_share: bool,
    #[command(flatten)]
    backing: Backing,
}

impl Info {
    pub(crate) fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let file = match self.force_share {
            true => open::unlocked(&self.file)?,
            false => open::file(&self.file, Access::Read)?,
        };
        if self.backing_chain {
            let caches = Caches::default();
            let image = open::with_chain(
                context,
                file,
                &self.file,
                self.format,
                Access::Read,
                &self.backing,
                caches,
            )?;
            return context.show(&Chain(image.chain_info()?.into_iter().map(Row::from).collect()));
        }
        let format = open::format(context, &file, self.format)?;
        context.show(&Row::from(reeve_image::info(file, format)?))
    }
}

/// One image, with the names that qemu-img gives its fields.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    filename: String,
    format: Format,
    virtual_size: u64,
    actual_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backing_filename: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backing_filename_format: Option<String>,
    dirty_flag: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    snapshots: Vec<SnapshotRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format_specific: Option<Specific>,
}

#[derive(Serialize)]
struct Specific {
    r#type: Format,
    data: Data,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Data {
    compat: Compat,
    compression_type: CompressionType,
    lazy_refcounts: bool,
    refcount_bits: u32,
    corrupt: bool,
    extended_l2: bool,
}

/// A snapshot, with the names that qemu-img gives its fields.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct SnapshotRow {
    id: String,
    name: String,
    vm_state_size: u64,
    date_sec: i64,
    date_nsec: u32,
    vm_clock_sec: u64,
    vm_clock_nsec: u64,
}

impl From<Snapshot> for SnapshotRow {
    fn from(snapshot: Snapshot) -> Self {
        Self {
            id: snapshot.id,
            name: snapshot.name,
            vm_state_size: snapshot.vm_state,
            date_sec: snapshot.taken.unix_timestamp(),
            date_nsec: snapshot.taken.nanosecond(),
            vm_clock_sec: snapshot.vm_clock / 1_000_000_000,
            vm_clock_nsec: snapshot.vm_clock % 1_000_000_000,
        }
    }
}

impl SnapshotRow {
    fn line(&self) -> String {
        let date = time::OffsetDateTime::from_unix_timestamp(self.date_sec).map(crate::output::moment);
        let (seconds, milliseconds) = (self.vm_clock_sec, self.vm_clock_nsec / 1_000_000);
        let clock =
            format!("{:02}:{:02}:{:02}.{milliseconds:03}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        let (id, name, state) = (&self.id, &self.name, short(self.vm_state_size));
        format!("{id:<10}{name:<17}{state:>8}{:>20}{clock:>13}", date.unwrap_or_default())
    }
}

/// The table of snapshots as qemu-img draws it; nothing without any.
pub(super) fn snapshot_table(snapshots: &[SnapshotRow]) -> String {
    if snapshots.is_empty() {
        return String::new();
    }
    let mut lines = vec!["Snapshot list:".to_owned()];
    lines.push(format!("{:<10}{:<17}{:>8}{:>20}{:>13}", "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK"));
    lines.extend(snapshots.iter().map(SnapshotRow::line));
    lines.join("\n")
}

impl From<reeve_image::Info> for Row {
    fn from(info: reeve_image::Info) -> Self {
        let Qcow2Parts { cluster_size, dirty_flag, snapshots, format_specific } = parts(info.qcow2);
        let (backing_filename, backing_filename_format) =
            info.backing.map_or((None, None), |backing| (Some(backing.name), backing.format));
        Self {
            filename: info.name,
            format: info.format,
            virtual_size: info.virtual_size,
            actual_size: info.disk_size,
            cluster_size,
            backing_filename,
            backing_filename_format,
            dirty_flag,
            snapshots,
            format_specific,
        }
    }
}

#[derive(Default)]
struct Qcow2Parts {
    cluster_size: Option<u64>,
    dirty_flag: bool,
    snapshots: Vec<SnapshotRow>,
    format_specific: Option<Specific>,
}

fn parts(info: Option<Qcow2Info>) -> Qcow2Parts {
    let Some(info) = info else { return Qcow2Parts::default() };
    let data = Data {
        compat: info.compat,
        compression_type: info.compression,
        lazy_refcounts: info.lazy_refcounts,
        refcount_bits: info.refcount_bits,
        corrupt: info.corrupt,
        extended_l2: info.extended_l2,
    };
    Qcow2Parts {
        cluster_size: Some(info.cluster_size),
        dirty_flag: info.dirty,
        snapshots: info.snapshots.into_iter().map(SnapshotRow::from).collect(),
        format_specific: Some(Specific { r#type: Format::Qcow2, data }),
    }
}

impl Row {
    fn lines(&self) -> String {
        let mut lines = vec![
            format!("image: {}", self.filename),
            format!("file format: {}", self.format),
            format!("virtual size: {} ({} bytes)", short(self.virtual_size), self.virtual_size),
            format!("disk size: {}", short(self.actual_size)),
        ];
        lines.extend(self.cluster_size.map(|size| format!("cluster_size: {size}")));
        lines.extend(self.dirty_flag.then(|| "cleanly shut down: no".to_owned()));
        lines.extend(self.backing_filename.as_ref().map(|name| format!("backing file: {name}")));
        lines
            .extend(self.backing_filename_format.as_ref().map(|name| format!("backing file format: {name}")));
        if !self.snapshots.is_empty() {
            lines.push(snapshot_table(&self.snapshots));
        }
        if let Some(Specific { data, .. }) = &self.format_specific {
            let compression = match data.compression_type {
                CompressionType::Zlib => "zlib",
                CompressionType::Zstd => "zstd",
            };
            lines.push("Format specific information:".to_owned());
            lines.push(format!("    compat: {}", data.compat.name()));
            lines.push(format!("    compression type: {compression}"));
            lines.push(format!("    lazy refcounts: {}", data.lazy_refcounts));
            lines.push(format!("    refcount bits: {}", data.refcount_bits));
            lines.push(format!("    corrupt: {}", data.corrupt));
            lines.push(format!("    extended l2: {}", data.extended_l2));
        }
        lines.join("\n")
    }
}

impl Show for Row {
    const ELEMENT: &'static str = "image";

    fn human(&self) -> String {
        self.lines()
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Chain(Vec<Row>);

impl Show for Chain {
    const ELEMENT: &'static str = "images";

    fn human(&self) -> String {
        self.0.iter().map(Row::lines).collect::<Vec<_>>().join("\n\n")
    }
}
