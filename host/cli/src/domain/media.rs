//! `reeve domain change-media` (guide 14.4), `attach-disk` and `detach-disk` (guide 13.3).

use std::os::unix::fs::FileTypeExt;

use clap::{Args, ValueEnum};
use reeve_model::domain::{Device, Disk, DiskDriver, DiskSource};
use reeve_model::domain_disk::{ChangeMedia, MediaAction};

use super::device::{self, Scope};
use super::disk::Named;
use super::{Done, Target};
use crate::context::Context;
use crate::exit::Usage;

/// Options of `reeve domain change-media`.
#[derive(Debug, Args)]
#[command(after_help = "\
A guest of this host has a drive for CDs as a disk on the virtio bus that is only read. One that runs sees an empty drive as a disk without
a sector, and is told when a medium comes or goes. Such a drive has no lock: the guest can't keep a medium.

Examples:
  reeve domain change-media web vdc --eject
  reeve domain change-media web vdc /srv/iso/debian.iso --insert --live --config
  reeve domain change-media web vdc debian.iso --pool images")]
pub struct ChangeMediaOf {
    #[command(flatten)]
    drive: Named,
    /// Path of the medium, or name of a volume of --pool
    #[arg(id = "medium", value_name = "SOURCE")]
    source: Option<String>,
    /// The same
    #[arg(long = "source", value_name = "SOURCE", conflicts_with = "medium")]
    source_option: Option<String>,
    /// Pool of the volume
    #[arg(long)]
    pool: Option<String>,
    /// Take the medium out
    #[arg(long, conflicts_with_all = ["insert", "update"])]
    eject: bool,
    /// Put a medium into an empty drive
    #[arg(long, conflicts_with = "update")]
    insert: bool,
    /// Put a medium in the place of what is there [default]
    #[arg(long)]
    update: bool,
    /// Insert whatever is in the drive
    #[arg(long)]
    force: bool,
    /// The medium is a block device; looked at where it is not said
    #[arg(long, conflicts_with = "pool")]
    block: bool,
    #[command(flatten)]
    scope: Scope,
}

/// Options of `reeve domain attach-disk`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  reeve domain attach-disk web /srv/images/data.img vdb --cache none --persistent
  reeve domain attach-disk web data.img vdb --pool default
  reeve domain attach-disk web /srv/images/data.qcow2 vdb --format qcow2
  reeve domain attach-disk web /dev/sr0 vdc --config --type cdrom --mode readonly")]
pub struct AttachDisk {
    #[command(flatten)]
    target: Target,
    /// Path of an image or block device, or name of a volume of --pool
    source: String,
    /// Name of the disk for the guest, such as vdb
    #[arg(value_name = "TARGET", id = "disk_target")]
    disk: String,
    /// Pool of the volume
    #[arg(long)]
    pool: Option<String>,
    /// Bus that the guest sees it on; the target's name tells it otherwise
    #[arg(long)]
    targetbus: Option<String>,
    /// What it is for the guest
    #[arg(long = "type", value_name = "TYPE", default_value = "disk", value_parser = ["disk", "cdrom", "floppy", "lun"])]
    device: String,
    /// Who may write
    #[arg(long)]
    mode: Option<Mode>,
    /// What the source is; looked at where it is not said
    #[arg(long)]
    sourcetype: Option<SourceType>,
    /// Name of the driver, kept in the document
    #[arg(long)]
    driver: Option<String>,
    /// Format of the image: raw or qcow2
    #[arg(long, visible_alias = "format")]
    subdriver: Option<String>,
    /// Cache mode: none, writethrough, writeback, directsync, unsafe
    #[arg(long)]
    cache: Option<String>,
    /// I/O mode: threads, native, io_uring
    #[arg(long)]
    io: Option<String>,
    /// Number of the I/O thread that serves it; without one it has its own
    #[arg(long)]
    iothread: Option<u32>,
    /// Serial number that the guest sees
    #[arg(long)]
    serial: Option<String>,
    /// Only print the device document
    #[arg(long)]
    print_xml: bool,
    #[command(flatten)]
    scope: Scope,
}

/// Options of `reeve domain detach-disk`.
#[derive(Debug, Args)]
pub struct DetachDisk {
    #[command(flatten)]
    disk: Named,
    /// Only print the device document
    #[arg(long)]
    print_xml: bool,
    #[command(flatten)]
    scope: Scope,
}

/// Who may write to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Nobody
    Readonly,
    /// Other domains too
    Shareable,
}

/// What the source of a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SourceType {
    /// An image file
    File,
    /// A block device
    Block,
}

impl ChangeMediaOf {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let action = match (self.eject, self.insert) {
            (true, _) => MediaAction::Eject,
            (_, true) => MediaAction::Insert,
            _ => MediaAction::Update,
        };
        let source = self.source.or(self.source_option);
        if action != MediaAction::Eject && source.is_none() {
            let message = "there is no medium to put in: name its source".to_owned();
            return Err(Usage { message, hint: Some("give --eject to take one out") }.into());
        }
        let change = ChangeMedia { action, source, pool: self.pool, force: self.force, block: self.block };
        let Named { target, disk } = self.drive;
        let options = self.scope.options();
        let changed = context.client.change_media(&target.domain, &disk, &change, options).await?;
        let done = match action {
            MediaAction::Eject => "has its medium ejected",
            MediaAction::Insert => "has the medium inserted",
            MediaAction::Update => "has its medium updated",
        };
        context.show(&Done::changed(context, changed, done))
    }
}

impl AttachDisk {
    fn disk(&self) -> Disk {
        let is_block = match self.sourcetype {
            Some(kind) => kind == SourceType::Block,
            None => {
                std::fs::metadata(&self.source).is_ok_and(|metadata| metadata.file_type().is_block_device())
            }
        };
        let source = self.source.clone();
        Disk {
            device: self.device.clone(),
            source: match &self.pool {
                Some(pool) => DiskSource::Volume { pool: pool.clone(), volume: source, found: None },
                None if is_block => DiskSource::Block { path: Some(source) },
                None => DiskSource::File { path: Some(source) },
            },
            driver: DiskDriver {
                name: self.driver.clone(),
                format: self.subdriver.clone(),
                cache: self.cache.clone(),
                io: self.io.clone(),
                iothread: self.iothread,
                ..DiskDriver::default()
            },
            bus: self.targetbus.clone(),
            readonly: self.mode == Some(Mode::Readonly),
            shareable: self.mode == Some(Mode::Shareable),
            serial: self.serial.clone(),
            ..named(&self.disk)
        }
    }

    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let (device, how) = (Device::Disk(self.disk()), (self.print_xml, &self.scope));
        device::attach(context, &self.target, &device, how, "has the disk now").await
    }
}

impl DetachDisk {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let found = self.disk.find(context, self.scope.is_config()).await?;
        let (device, how) = (Device::Disk(named(&found.target)), (self.print_xml, &self.scope));
        device::detach(context, &self.disk.target, &device, how, "no longer has the disk").await
    }
}

/// A disk of which only the target is said.
fn named(target: &str) -> Disk {
    Disk {
        device: "disk".to_owned(),
        source: DiskSource::File { path: None },
        driver: DiskDriver::default(),
        target: target.to_owned(),
        bus: None,
        readonly: false,
        shareable: false,
        serial: None,
        transient: false,
        wwn: None,
        startup_policy: None,
        tray: None,
        blocks: Default::default(),
        iotune: Default::default(),
        encryption: None,
        common: Default::default(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        command: AttachDisk,
    }

    fn document(words: &str) -> String {
        let line = Line::try_parse_from(words.split(' ')).unwrap();
        reeve_xml::device::format(&Device::Disk(line.command.disk()))
    }

    #[test]
    fn options_become_a_document() {
        insta::assert_snapshot!(document(
            "attach-disk web /srv/data.img vdb --cache none --driver qemu --subdriver raw"
        ));
        insta::assert_snapshot!(document(
            "attach-disk web /dev/sr0 vdc --type cdrom --mode readonly --sourcetype block"
        ));
        insta::assert_snapshot!(document(
            "attach-disk web data.img vdd --pool default --mode shareable --serial 7"
        ));
        let served = document("attach-disk web data.img vdd --pool default --iothread 2");
        assert!(served.contains("<driver iothread='2'/>"), "{served}");
    }
}
