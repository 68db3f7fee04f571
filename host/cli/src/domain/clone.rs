//! `reeve domain clone` (guide 3.2).

use clap::Args;
use reeve_model::domain_disk::{CloneDomain, ClonedDisk, ClonedDomain, DiskFate};
use reeve_model::storage::StorageOperation;
use serde::Serialize;

use super::Target;
use crate::context::Context;
use crate::output::Show;
use crate::progress::{Watched, watched};

/// Options of `reeve domain clone`.
#[derive(Debug, Args)]
#[command(after_help = "\
The domain is shut off or suspended. Its clone has a name, a UUID and MAC addresses of its own. Disks that are read-only, shareable, or
drives for CDs and floppies are shared, the others are copied: volumes to volumes of the same pool, files to files. Nothing is copied
over what is there already.

Examples:
  reeve domain clone demo --auto-clone
  reeve domain clone demo --name newdemo --file /srv/images/newdemo.img --file /srv/images/newdata.img")]
pub struct Clone {
    #[command(flatten)]
    target: Target,
    /// Name of the clone
    #[arg(short, long)]
    name: Option<String>,
    /// Make names for the clone and for copies that no --file names
    #[arg(long)]
    auto_clone: bool,
    /// Where the copy of the next disk goes: a path, or the name of a volume of the same pool [repeatable]
    #[arg(short, long = "file", value_name = "PATH")]
    files: Vec<String>,
    /// Take what is at each --file as it is, and copy nothing
    #[arg(long, requires = "files")]
    preserve_data: bool,
    /// Share the disk with this target instead of copying it [repeatable]
    #[arg(long, value_name = "TARGET")]
    skip_copy: Vec<String>,
    /// Copy the disk with this target though it would be shared [repeatable]
    #[arg(long, value_name = "TARGET")]
    force_copy: Vec<String>,
    /// MAC address of the clone's next interface; the others are given new ones [repeatable]
    #[arg(short, long = "mac", value_name = "MAC")]
    macs: Vec<String>,
}

impl Clone {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let request = CloneDomain {
            name: self.name,
            auto: self.auto_clone,
            files: self.files,
            preserve_data: self.preserve_data,
            skip_copy: self.skip_copy,
            force_copy: self.force_copy,
            macs: self.macs,
        };
        // One disk after the other, in their pools or none.
        let watch =
            Watched { pool: None, volume: None, operation: StorageOperation::CreateFrom, total: None };
        let work = context.client.clone_domain(&self.target.domain, &request);
        let cloned = watched(context, watch, work).await?;
        for warning in &cloned.warnings {
            context.note(&format!("warning: {warning}"));
        }
        context.show(&Cloned { cloned, original: self.target.domain })
    }
}

#[derive(Serialize)]
struct Cloned {
    #[serde(flatten)]
    cloned: ClonedDomain,
    #[serde(skip)]
    original: String,
}

impl Show for Cloned {
    const ELEMENT: &'static str = "clone";

    fn human(&self) -> String {
        let line = |disk: &ClonedDisk| {
            let source = disk.source.as_deref().unwrap_or("an empty drive");
            match disk.fate {
                DiskFate::Copied => format!("\n  {} is a copy: {source}", disk.target),
                DiskFate::Shared => format!("\n  {} is the same: {source}", disk.target),
                DiskFate::Kept => format!("\n  {} was there: {source}", disk.target),
            }
        };
        let disks: String = self.cloned.disks.iter().map(line).collect();
        format!("Domain '{}' cloned from '{}'{disks}", self.cloned.domain.name, self.original)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples;
    use crate::output::Format;

    #[test]
    fn every_disk_is_accounted_for() {
        let disk = |target: &str, source: Option<&str>, fate| ClonedDisk {
            target: target.to_owned(),
            source: source.map(str::to_owned),
            fate,
        };
        let disks = vec![
            disk("vda", Some("/srv/newdemo.img"), DiskFate::Copied),
            disk("vdb", Some("/srv/newdata.img"), DiskFate::Kept),
            disk("hdc", None, DiskFate::Shared),
        ];
        let cloned = ClonedDomain { domain: samples::database(), disks, warnings: Vec::new() };
        let cloned = Cloned { cloned, original: "demo".to_owned() };
        insta::assert_snapshot!(Format::Table.draw(&cloned).unwrap());
    }
}
