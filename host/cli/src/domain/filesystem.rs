//! `reeve domain domfsinfo`, `domfsfreeze`, `domfsthaw` and `domfstrim`: file systems of a guest, by its agent (guide 10.2.5).

use clap::Args;
use reeve_model::Bytes;
use reeve_model::agent::{Filesystems, FreezeOptions, GuestFilesystem, TrimOptions, Trimmed};
use serde::Serialize;

use super::Target;
use crate::context::Context;
use crate::output::{Show, or_dash, table};
use crate::pool::two_places;
use crate::vol::size::size;

/// Options of `reeve domain domfsinfo`.
#[derive(Debug, Args)]
pub struct Domfsinfo {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve domain domfsfreeze`.
#[derive(Debug, Args)]
#[command(after_help = "\
The guest's hooks put its applications in order first. Nothing is written in the guest until domfsthaw.

Examples:
  reeve domain domfsfreeze web
  reeve domain domfsfreeze web --mountpoint /srv --mountpoint /var")]
pub struct Domfsfreeze {
    #[command(flatten)]
    target: Target,
    /// Only what is mounted there in the guest; may be given several times
    #[arg(long = "mountpoint", value_name = "PATH")]
    mountpoints: Vec<String>,
}

/// Options of `reeve domain domfsthaw`.
#[derive(Debug, Args)]
pub struct Domfsthaw {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve domain domfstrim`.
#[derive(Debug, Args)]
pub struct Domfstrim {
    #[command(flatten)]
    target: Target,
    /// Leave ranges of free blocks alone that are smaller; bytes where no unit is given
    #[arg(long, value_name = "SIZE", value_parser = size)]
    minimum: Option<Bytes>,
}

impl Domfsinfo {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        context.show(&Mounted(context.client.guest_filesystems(&self.target.domain).await?))
    }
}

impl Domfsfreeze {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options = FreezeOptions { mountpoints: self.mountpoints };
        let count = context.client.freeze_guest(&self.target.domain, &options).await?;
        context.show(&Counted { count, participle: "frozen" })
    }
}

impl Domfsthaw {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let count = context.client.thaw_guest(&self.target.domain).await?;
        context.show(&Counted { count, participle: "thawed" })
    }
}

impl Domfstrim {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let options = TrimOptions { minimum: self.minimum.map(|size| size.0) };
        context.show(&Trims(context.client.trim_guest(&self.target.domain, options).await?))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Mounted(Vec<GuestFilesystem>);

impl Show for Mounted {
    const ELEMENT: &'static str = "filesystems";

    fn human(&self) -> String {
        let shown = |bytes: Option<Bytes>| or_dash(bytes.map(two_places));
        let cells = |one: &GuestFilesystem| {
            let disks = (!one.disks.is_empty()).then(|| one.disks.join(","));
            [
                one.mountpoint.clone(),
                one.name.clone(),
                one.kind.clone(),
                shown(one.total),
                shown(one.used),
                or_dash(disks),
            ]
        };
        table(["Mountpoint", "Name", "Type", "Size", "Used", "Target"], self.0.iter().map(cells))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Counted {
    count: Filesystems,
    #[serde(skip)]
    participle: &'static str,
}

impl Show for Counted {
    const ELEMENT: &'static str = "filesystems";

    fn human(&self) -> String {
        let count = self.count.count;
        let noun = if count == 1 { "file system is" } else { "file systems are" };
        format!("{count} {noun} {}", self.participle)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Trims(Vec<Trimmed>);

impl Show for Trims {
    const ELEMENT: &'static str = "trimmed";

    fn human(&self) -> String {
        let cells = |one: &Trimmed| {
            [one.path.clone(), or_dash(one.trimmed.map(two_places)), or_dash(one.fault.clone())]
        };
        table(["Mountpoint", "Trimmed", "Fault"], self.0.iter().map(cells))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    /// A line of a table has these words.
    fn has(shown: &str, words: &str) {
        let found = shown.lines().any(|line| line.split_whitespace().eq(words.split(' ')));
        assert!(found, "'{words}' is not in: {shown}");
    }

    #[test]
    fn filesystems_are_listed_and_counted() {
        let root = GuestFilesystem {
            mountpoint: "/".to_owned(),
            name: "vda1".to_owned(),
            kind: "ext4".to_owned(),
            total: Some(Bytes(8 << 30)),
            used: Some(Bytes(1536 << 20)),
            disks: vec!["vda".to_owned()],
        };
        let boot = GuestFilesystem {
            mountpoint: "/boot".to_owned(),
            total: None,
            used: None,
            disks: Vec::new(),
            ..root.clone()
        };
        let shown = Format::Table.draw(&Mounted(vec![root, boot])).unwrap();
        has(&shown, "/ vda1 ext4 8.00 GiB 1.50 GiB vda");
        has(&shown, "/boot vda1 ext4 - - -");
        let counted = |count| Counted { count: Filesystems { count }, participle: "frozen" };
        assert_eq!(Format::Table.draw(&counted(1)).unwrap(), "1 file system is frozen");
        assert_eq!(Format::Table.draw(&counted(2)).unwrap(), "2 file systems are frozen");
    }

    #[test]
    fn what_was_trimmed_is_told() {
        let trims = Trims(vec![
            Trimmed { path: "/".to_owned(), trimmed: Some(Bytes(1 << 30)), fault: None },
            Trimmed { path: "/boot".to_owned(), trimmed: None, fault: Some("not supported".to_owned()) },
        ]);
        let shown = Format::Table.draw(&trims).unwrap();
        has(&shown, "/ 1.00 GiB -");
        has(&shown, "/boot - not supported");
    }
}
