//! `reeve domain snapshot-create`, `-create-as`, `-current`, `-edit`, `-dumpxml`, `-revert`, `-delete` (guide 14.15.2).

use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use reeve_model::snapshot::{
    CreateSnapshot, DeleteSnapshot, RevertSnapshot, Snapshot, SnapshotDisk, SnapshotMemory, SnapshotPlace,
    SnapshotRow, SnapshotState,
};

use super::{Done, Target};
use crate::context::{Context, read_document};
use crate::editor;
use crate::output::Format;

/// A snapshot on the command line: by name, or the current one.
#[derive(Debug, Args)]
pub(super) struct Which {
    #[command(flatten)]
    pub(super) target: Target,
    /// Name of the snapshot
    #[arg(required_unless_present = "current", conflicts_with = "current")]
    snapshot: Option<String>,
    /// The one that the domain goes on from
    #[arg(long)]
    current: bool,
}

impl Which {
    /// Its name.
    pub(super) async fn name(&self, context: &Context) -> anyhow::Result<String> {
        match &self.snapshot {
            Some(name) => Ok(name.clone()),
            None => current(context, &self.target.domain).await,
        }
    }
}

async fn current(context: &Context, domain: &str) -> anyhow::Result<String> {
    let rows = context.client.snapshots(domain).await?;
    let found = rows.into_iter().find(|row| row.current);
    Ok(found.with_context(|| format!("domain '{domain}' has no current snapshot"))?.name)
}

/// What both ways to make a snapshot take.
#[derive(Debug, Args)]
struct How {
    /// Forget the snapshot at once; what it has stays
    #[arg(long)]
    no_metadata: bool,
    /// End the domain when the snapshot is made
    #[arg(long)]
    halt: bool,
    /// Only the disks of a running domain: new images are put on theirs
    #[arg(long)]
    disk_only: bool,
    /// Files of new images are there already, and are overwritten
    #[arg(long)]
    reuse_external: bool,
    /// The guest's agent freezes its file systems for the moment; with --disk-only
    #[arg(long)]
    quiesce: bool,
    /// All disks or none, which is always so
    #[arg(long)]
    atomic: bool,
    /// Let the guest run while its memory is written; not possible here
    #[arg(long)]
    live: bool,
}

impl How {
    fn options(&self) -> CreateSnapshot {
        CreateSnapshot {
            no_metadata: self.no_metadata,
            halt: self.halt,
            disk_only: self.disk_only,
            reuse_external: self.reuse_external,
            quiesce: self.quiesce,
            atomic: self.atomic,
            live: self.live,
            ..CreateSnapshot::default()
        }
    }
}

/// Options of `reeve domain snapshot-create`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without a document the snapshot has the time as its name. A domain that runs stands still while its memory is written.

Examples:
  reeve domain snapshot-create web
  reeve domain snapshot-create web before-upgrade.xml --disk-only
  reeve domain snapshot-create web kept.xml --redefine --current")]
pub struct SnapshotCreate {
    #[command(flatten)]
    target: Target,
    /// The document, - for standard input
    #[arg(required_if_eq("redefine", "true"))]
    xml: Option<PathBuf>,
    /// Make nothing: take the document, as snapshot-dumpxml printed it, for a snapshot that is there
    #[arg(long, conflicts_with_all = ["no_metadata", "halt", "disk_only", "reuse_external", "quiesce"])]
    redefine: bool,
    /// With --redefine: it is the one that the domain goes on from
    #[arg(long, requires = "redefine")]
    current: bool,
    #[command(flatten)]
    how: How,
}

impl SnapshotCreate {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let xml = match &self.xml {
            Some(file) => read_document(file)?,
            None => "<domainsnapshot/>".to_owned(),
        };
        let how = CreateSnapshot { redefine: self.redefine, current: self.current, ..self.how.options() };
        let row = context.client.create_snapshot(&self.target.domain, &xml, how).await?;
        made(context, &row, if self.redefine { "redefined" } else { "made" })
    }
}

/// Options of `reeve domain snapshot-create-as`.
#[derive(Debug, Args)]
#[command(after_help = "\
A disk is DISK[,snapshot=no|internal|external][,driver=qcow2][,file=PATH]; a comma in a name is written twice. Memory goes to
[file=]PATH[,snapshot=external].

Examples:
  reeve domain snapshot-create-as web clean 'before the upgrade'
  reeve domain snapshot-create-as web nightly --disk-only --quiesce --diskspec vda,file=/srv/web.nightly --diskspec vdb,snapshot=no
  reeve domain snapshot-create-as web whole --memspec file=/srv/web.mem,snapshot=external")]
pub struct SnapshotCreateAs {
    #[command(flatten)]
    target: Target,
    /// Name of the snapshot; the time where none is given
    name: Option<String>,
    /// What it is
    description: Option<String>,
    /// Print the document instead of making a snapshot
    #[arg(long, conflicts_with_all = ["no_metadata", "halt", "reuse_external", "quiesce"])]
    print_xml: bool,
    #[command(flatten)]
    how: How,
    /// Where the memory of the guest goes
    #[arg(long, value_name = "SPEC", conflicts_with = "disk_only")]
    memspec: Option<String>,
    /// What becomes of a disk; may be given for each
    #[arg(long = "diskspec", value_name = "SPEC")]
    diskspecs: Vec<String>,
    /// The same, after name and description
    #[arg(value_name = "DISKSPEC")]
    more: Vec<String>,
}

impl SnapshotCreateAs {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let disks = self.diskspecs.iter().chain(&self.more).map(|spec| disk(spec));
        let memory = self.memspec.as_deref().map(memory).transpose()?;
        let snapshot = Snapshot {
            name: self.name.unwrap_or_default(),
            description: self.description,
            state: SnapshotState::Shutoff,
            created: 0,
            parent: None,
            memory: memory.unwrap_or(SnapshotMemory::None),
            disks: disks.collect::<anyhow::Result<_>>()?,
            reverted: Vec::new(),
            domain: None,
            inactive: None,
        };
        let xml = reeve_xml::snapshot::format(&snapshot);
        if self.print_xml {
            return context.print(xml.trim_end());
        }
        let row = context.client.create_snapshot(&self.target.domain, &xml, self.how.options()).await?;
        made(context, &row, "made")
    }
}

/// The parts of a specification; two commas are one in a part.
fn parts(spec: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = spec.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ',' if rest.next_if_eq(&',').is_none() => parts.push(String::new()),
            c => parts.last_mut().expect("there is one from the start").push(c),
        }
    }
    parts
}

fn disk(spec: &str) -> anyhow::Result<SnapshotDisk> {
    let (mut word, mut format, mut file) = (None, None, None);
    let mut parts = parts(spec).into_iter();
    let name = parts.next().filter(|name| !name.is_empty());
    let name = name.with_context(|| format!("'{spec}' names no disk"))?;
    for part in parts {
        match part.split_once('=') {
            Some(("snapshot", value)) => word = Some(value.to_owned()),
            Some(("driver", value)) => format = Some(value.to_owned()),
            Some(("file", value)) => file = Some(value.to_owned()),
            Some(("stype", "file")) => {}
            _ => bail!("'{part}' of disk '{name}' is not snapshot=, driver= or file="),
        }
    }
    let place = match word.as_deref() {
        None if format.is_none() && file.is_none() => SnapshotPlace::Default,
        None | Some("external") => SnapshotPlace::External { file, format },
        Some(other) => {
            ensure!(
                format.is_none() && file.is_none(),
                "disk '{name}': only an external snapshot has a file"
            );
            match other {
                "no" => SnapshotPlace::No,
                "manual" => SnapshotPlace::Manual,
                "internal" => SnapshotPlace::Internal,
                _ => bail!("disk '{name}': snapshot={other} is not one of no, internal, external, manual"),
            }
        }
    };
    Ok(SnapshotDisk { name, place, deleting: false })
}

fn memory(spec: &str) -> anyhow::Result<SnapshotMemory> {
    let (mut file, mut word) = (None, None);
    for (number, part) in parts(spec).into_iter().enumerate() {
        match part.split_once('=') {
            Some(("file", value)) => file = Some(value.to_owned()),
            Some(("snapshot", value)) => word = Some(value.to_owned()),
            None if number == 0 => file = Some(part),
            _ => bail!("'{part}' is not file= or snapshot="),
        }
    }
    match (word.as_deref(), file) {
        (None | Some("external"), Some(file)) => Ok(SnapshotMemory::External { file }),
        (Some("external"), None) => bail!("external memory needs its path: --memspec file=/srv/web.mem"),
        (Some("no"), None) => Ok(SnapshotMemory::None),
        (Some("internal"), None) => Ok(SnapshotMemory::Internal),
        (_, _) => {
            bail!("'{spec}': only external memory has a file, and snapshot is no, internal or external")
        }
    }
}

/// Options of `reeve domain snapshot-current`.
#[derive(Debug, Args)]
pub struct SnapshotCurrent {
    #[command(flatten)]
    target: Target,
    /// Make this the one that the domain goes on from, without going back to it
    #[arg(conflicts_with_all = ["name", "security_info"])]
    snapshotname: Option<String>,
    /// Its name instead of its document
    #[arg(long)]
    name: bool,
    /// With what is sensitive in it; nothing is left out otherwise either
    #[arg(long)]
    security_info: bool,
}

impl SnapshotCurrent {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let domain = &self.target.domain;
        if let Some(name) = &self.snapshotname {
            context.client.set_current_snapshot(domain, name).await?;
            return context.say(&format!("Snapshot '{name}' of domain '{domain}' is the current one"));
        }
        let name = current(context, domain).await?;
        if self.name {
            return context.print(&name);
        }
        let xml = context.client.snapshot_xml(domain, &name).await?;
        context.print(xml.trim_end())
    }
}

/// Options of `reeve domain snapshot-dumpxml`.
#[derive(Debug, Args)]
pub struct SnapshotDumpxml {
    #[command(flatten)]
    target: Target,
    /// Name of the snapshot
    snapshot: String,
    /// With what is sensitive in it; nothing is left out otherwise either
    #[arg(long)]
    security_info: bool,
}

impl SnapshotDumpxml {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let xml = context.client.snapshot_xml(&self.target.domain, &self.snapshot).await?;
        context.print(xml.trim_end())
    }
}

/// Options of `reeve domain snapshot-edit`.
#[derive(Debug, Args)]
#[command(after_help = "\
What is in images is found by the name that the snapshot had when it was made: one with another name can't be gone back to.")]
pub struct SnapshotEdit {
    #[command(flatten)]
    target: Target,
    /// Name of the snapshot; the current one where none is given
    #[arg(required_unless_present = "current")]
    snapshotname: Option<String>,
    /// The current one; with a name, that becomes it
    #[arg(long)]
    current: bool,
    /// Let the name be changed
    #[arg(long, conflicts_with = "clone")]
    rename: bool,
    /// Let the name be changed, and keep what is known under the old one
    #[arg(long)]
    clone: bool,
}

impl SnapshotEdit {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let domain = &self.target.domain;
        let name = match &self.snapshotname {
            Some(name) => name.clone(),
            None => current(context, domain).await?,
        };
        let before = context.client.snapshot_xml(domain, &name).await?;
        let current = self.current && self.snapshotname.is_some();
        let keep = async |context: &mut Context, after: &str, _: String| {
            let new = reeve_xml::snapshot::parse(after, &reeve_xml::ParseOptions::default())?.document.name;
            ensure!(
                new == name || self.rename || self.clone,
                "the name '{name}' must stay; give --rename or --clone to change it"
            );
            let how = CreateSnapshot { redefine: true, current, ..CreateSnapshot::default() };
            context.client.create_snapshot(domain, after, how).await?;
            if new != name && self.rename {
                let how = DeleteSnapshot { metadata: true, ..DeleteSnapshot::default() };
                context.client.delete_snapshot(domain, &name, how).await?;
            }
            Ok(())
        };
        match editor::edit(context, &before, keep).await? {
            true => context.say(&format!("Snapshot '{name}' of domain '{domain}' edited")),
            false if current => {
                context.client.set_current_snapshot(domain, &name).await?;
                context.say(&format!("Snapshot '{name}' is unchanged, and the current one"))
            }
            false => context.say(&format!("Snapshot '{name}' of domain '{domain}' is unchanged")),
        }
    }
}

/// Options of `reeve domain snapshot-revert`.
#[derive(Debug, Args)]
#[command(after_help = "\
The domain does afterwards what it did then: a snapshot with memory goes on where it was made, one without leaves the domain off.

Where a snapshot put new images on those of then, others are put on these now, named with a number; those that nobody needs any more are
removed, with all that was written since.

Examples:
  reeve domain snapshot-revert web clean
  reeve domain snapshot-revert web night --running --force    boot from the disks of then, though the domain runs")]
pub struct SnapshotRevert {
    #[command(flatten)]
    which: Which,
    /// It runs afterwards, whatever it did
    #[arg(long, conflicts_with = "paused")]
    running: bool,
    /// It is paused afterwards, whatever it did
    #[arg(long)]
    paused: bool,
    /// Though the configuration is another one, or a running domain is started anew
    #[arg(long)]
    force: bool,
}

impl SnapshotRevert {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let name = self.which.name(context).await?;
        let how = RevertSnapshot { running: self.running, paused: self.paused, force: self.force };
        let row = context.client.revert_snapshot(&self.which.target.domain, &name, how).await?;
        context.show(&Done::new(row, "reverted"))
    }
}

/// Options of `reeve domain snapshot-delete`.
#[derive(Debug, Args)]
#[command(after_help = "\
The domain stays what it is. Where a new image was put on the one of then, it is merged into that one, also while the guest runs, and its file
goes. An image that several are put on takes none of them: delete what comes from it first, or all at once. Files that 'save' wrote are not
looked at: a guest in one goes on with the images that it had, and is not restored where one of them has gone.

Examples:
  reeve domain snapshot-delete web night
  reeve domain snapshot-delete web night --children
  reeve domain snapshot-delete web night --metadata    the images stay as they are")]
pub struct SnapshotDelete {
    #[command(flatten)]
    which: Which,
    /// With all that come from it
    #[arg(long, conflicts_with = "children_only")]
    children: bool,
    /// All that come from it, but not itself
    #[arg(long)]
    children_only: bool,
    /// Only forget it; what is in images and files stays
    #[arg(long)]
    metadata: bool,
}

impl SnapshotDelete {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let name = self.which.name(context).await?;
        let how = DeleteSnapshot {
            children: self.children,
            children_only: self.children_only,
            metadata: self.metadata,
        };
        let gone = context.client.delete_snapshot(&self.which.target.domain, &name, how).await?;
        let names = gone.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        match names.is_empty() {
            true => context.say(&format!("Nothing comes from snapshot '{name}'")),
            false => context.say(&format!("Deleted of domain '{}': {names}", self.which.target.domain)),
        }
    }
}

fn made(context: &mut Context, row: &SnapshotRow, what: &str) -> anyhow::Result<()> {
    match context.format {
        Format::Table => {
            context.print(&format!("Snapshot '{}' of domain '{}' is {what}", row.name, row.domain))
        }
        Format::Json | Format::Xml => context.show(&super::snapshot_list::One(row.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifications_are_read_as_the_guide_writes_them() {
        let external = |file: &str, format: Option<&str>| SnapshotPlace::External {
            file: Some(file.to_owned()),
            format: format.map(str::to_owned),
        };
        for (spec, name, place) in [
            ("vda,snapshot=external,file=/path/to,,new", "vda", external("/path/to,new", None)),
            ("vda,driver=qcow2,file=/new", "vda", external("/new", Some("qcow2"))),
            ("/srv/a,,b.img", "/srv/a,b.img", SnapshotPlace::Default),
            ("vdb,snapshot=no", "vdb", SnapshotPlace::No),
            ("vdb,snapshot=internal", "vdb", SnapshotPlace::Internal),
        ] {
            assert_eq!(
                disk(spec).unwrap(),
                SnapshotDisk { name: name.to_owned(), place, deleting: false },
                "{spec}"
            );
        }
        for spec in ["", "vda,snapshot=maybe", "vda,snapshot=no,file=/x", "vda,size=3"] {
            disk(spec).unwrap_err();
        }
        let file = SnapshotMemory::External { file: "/m".to_owned() };
        for spec in ["/m", "file=/m", "file=/m,snapshot=external", "/m,snapshot=external"] {
            assert_eq!(memory(spec).unwrap(), file, "{spec}");
        }
        assert_eq!(memory("snapshot=no").unwrap(), SnapshotMemory::None);
        for spec in ["snapshot=external", "/m,snapshot=no", "file=/m,what=2"] {
            memory(spec).unwrap_err();
        }
    }
}
