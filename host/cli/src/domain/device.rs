//! `reeve domain attach-device` and `detach-device` (guide 14.5.4).

use std::path::PathBuf;

use clap::Args;
use reeve_model::api::DeviceOptions;

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
    /// A document with one device element, - for standard input
    file: PathBuf,
    #[command(flatten)]
    scope: Scope,
}

impl AttachDevice {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let device = read_document(&self.file)?;
        let row = context.client.attach_device(&self.target.domain, &device, self.scope.options()).await?;
        context.show(&Done::new(row, "has the device now"))
    }
}

/// The device is found by what identifies it: alias, target, MAC address.
#[derive(Debug, Args)]
pub struct DetachDevice {
    #[command(flatten)]
    target: Target,
    /// A document with one device element, - for standard input
    file: PathBuf,
    #[command(flatten)]
    scope: Scope,
}

impl DetachDevice {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let device = read_document(&self.file)?;
        let row = context.client.detach_device(&self.target.domain, &device, self.scope.options()).await?;
        context.show(&Done::new(row, "no longer has the device"))
    }
}

/// What is changed.
#[derive(Debug, Args)]
struct Scope {
    /// Change the running machine [default while the domain is active]
    #[arg(long)]
    live: bool,
    /// Change the definition [default while the domain is off]
    #[arg(long)]
    config: bool,
}

impl Scope {
    fn options(&self) -> DeviceOptions {
        DeviceOptions { live: self.live, config: self.config }
    }
}
