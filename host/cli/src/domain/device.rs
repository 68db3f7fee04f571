//! `reeve domain attach-device`, `detach-device` (guide 14.5.4) and `update-device` (guide 10.5).

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use reeve_model::api::DeviceOptions;
use reeve_model::domain::Device;

use super::{Done, Target};
use crate::context::{Context, read_document};

/// Options of `reeve domain attach-device`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  reeve domain attach-device web disk.xml
  where disk.xml holds one device element, such as
    <disk type='file' device='disk'><source file='/srv/data.img'/><target dev='vdb' bus='virtio'/></disk>")]
pub struct AttachDevice {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    document: Document,
    #[command(flatten)]
    scope: Scope,
}

impl AttachDevice {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let device = self.document.read()?;
        let domain = &self.target.domain;
        let changed = context.client.attach_device(domain, &device, self.scope.options()).await?;
        context.show(&Done::changed(context, changed, "has the device now"))
    }
}

/// The device is found by what identifies it: alias, target, MAC address.
#[derive(Debug, Args)]
pub struct DetachDevice {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    document: Document,
    #[command(flatten)]
    scope: Scope,
}

impl DetachDevice {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let device = self.document.read()?;
        let row = context.client.detach_device(&self.target.domain, &device, self.scope.options()).await?;
        context.show(&Done::new(row, "no longer has the device"))
    }
}

/// Options of `reeve domain update-device`.
#[derive(Debug, Args)]
#[command(after_help = "\
The device is found by its MAC address or target. What the document does not say of an interface's model, MTU, address and alias
stays; everything else becomes what the document says. While the guest runs an interface can move to another network or bridge, get
another packet filter, other limits and another link state, and a drive for CDs another medium; other disks change in the definition only.

Example:
  reeve domain update-device web interface.xml --persistent
  where interface.xml holds
    <interface type='network'><mac address='52:54:00:00:00:07'/><source network='lab'/><model type='virtio'/></interface>")]
pub struct UpdateDevice {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    document: Document,
    #[command(flatten)]
    scope: Scope,
}

impl UpdateDevice {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let device = self.document.read()?;
        let domain = &self.target.domain;
        let changed = context.client.update_device(domain, &device, self.scope.options()).await?;
        context.show(&Done::changed(context, changed, "has the changed device now"))
    }
}

/// Plugs a device that was said by options, or only prints its document.
pub(super) async fn attach(
    context: &mut Context,
    target: &Target,
    device: &Device,
    (print_xml, scope): (bool, &Scope),
    done: &'static str,
) -> anyhow::Result<()> {
    let document = reeve_xml::device::format(device);
    if print_xml {
        return context.print(document.trim_end());
    }
    let changed = context.client.attach_device(&target.domain, &document, scope.options()).await?;
    context.show(&Done::changed(context, changed, done))
}

/// Unplugs a device that was said by options, or only prints the document that it is known by.
pub(super) async fn detach(
    context: &mut Context,
    target: &Target,
    device: &Device,
    (print_xml, scope): (bool, &Scope),
    done: &'static str,
) -> anyhow::Result<()> {
    let document = reeve_xml::device::format(device);
    if print_xml {
        return context.print(document.trim_end());
    }
    let row = context.client.detach_device(&target.domain, &document, scope.options()).await?;
    context.show(&Done::new(row, done))
}

/// Where a device is described.
#[derive(Debug, Args)]
pub(super) struct Document {
    /// A document with one device element, - for standard input
    #[arg(required_unless_present = "named")]
    file: Option<PathBuf>,
    /// The same, as virsh names the option
    #[arg(long = "file", value_name = "FILE", id = "named", conflicts_with = "file")]
    named: Option<PathBuf>,
}

impl Document {
    fn read(&self) -> anyhow::Result<String> {
        let file = self.named.as_ref().or(self.file.as_ref());
        read_document(file.context("no document is named")?)
    }
}

/// What is changed.
#[derive(Debug, Args)]
pub(super) struct Scope {
    /// Change the running machine [default while the domain is active]
    #[arg(long)]
    live: bool,
    /// Change the definition [default while the domain is off]
    #[arg(long)]
    config: bool,
    /// Change the definition, and the running machine of an active domain
    #[arg(long)]
    persistent: bool,
    /// Change the running machine, or the definition while the domain is off
    #[arg(long, conflicts_with_all = ["live", "config", "persistent"])]
    current: bool,
}

impl Scope {
    /// True when the definition alone is meant.
    pub(super) fn is_config(&self) -> bool {
        self.config && !self.live
    }

    pub(super) fn options(&self) -> DeviceOptions {
        DeviceOptions { live: self.live, config: self.config, persistent: self.persistent }
    }
}
