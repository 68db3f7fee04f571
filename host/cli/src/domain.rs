//! `reeve domain …`: a file per command, except for the verbs without options, which share [`life`].

mod agent;
mod attach_interface;
mod autostart;
mod blkdeviotune;
mod block_job;
mod clone;
mod console;
mod create;
mod define;
mod desc;
mod device;
mod disk;
mod domcontrol;
mod domiftune;
mod domjobinfo;
mod dommemstat;
mod domstats;
mod dump;
mod edit;
mod filesystem;
mod identity;
mod info;
mod interface;
mod iothread;
mod life;
mod list;
mod media;
mod migrate;
mod save;
mod save_image;
mod screenshot;
mod setmem;
mod snapshot;
mod snapshot_list;
mod start;
mod state;
mod stats;
mod ttyconsole;
mod tuning;
mod undefine;
mod vcpu;
mod xml;

use clap::{Args, Subcommand};
use reeve_model::api::ChangedDomain;
use reeve_model::stats::DomainSummary;
use serde::Serialize;

use crate::context::Context;
use crate::events::Events;
use crate::output::Show;

/// What can be done with domains.
#[derive(Debug, Subcommand)]
pub enum DomainCommand {
    /// Add a definition from a domain XML document, or replace one
    Define(define::Define),
    /// Start a transient domain from a domain XML document
    Create(create::Create),
    /// Make another domain of one, with copies of its disks
    Clone(clone::Clone),
    /// Remove a definition
    Undefine(undefine::Undefine),
    /// Start a defined domain
    Start(start::Start),
    /// Ask the guest to shut down
    Shutdown(life::Shutdown),
    /// Ask the guest to reboot
    Reboot(life::Reboot),
    /// Move a running domain to another host
    Migrate(migrate::MigrateDomain),
    /// Set how long a domain may stand still while it is migrated
    MigrateSetmaxdowntime(migrate::MigrateSetmaxdowntime),
    /// Set how fast a domain is migrated at most
    MigrateSetspeed(migrate::MigrateSetspeed),
    /// Let a domain that is being migrated go on at its destination now
    MigratePostcopy(migrate::MigratePostcopy),
    /// Show how fast a domain is migrated at most
    MigrateGetspeed(migrate::MigrateGetspeed),
    /// Show how far the migration, save or dump of a domain is
    Domjobinfo(domjobinfo::Domjobinfo),
    /// End the migration, save or dump of a domain, which stays
    Domjobabort(migrate::Domjobabort),
    /// Reset the machine at once, as the button does
    Reset(life::Reset),
    /// Have a guest suspend itself to memory or disk, by its agent
    Dompmsuspend(life::Dompmsuspend),
    /// Wake a guest that suspended itself
    Dompmwakeup(life::Dompmwakeup),
    /// Send every vCPU a non-maskable interrupt
    InjectNmi(life::InjectNmi),
    /// Stop the machine at once, as pulling the plug does
    Destroy(life::Destroy),
    /// Make a snapshot of a domain, as a document says
    SnapshotCreate(snapshot::SnapshotCreate),
    /// Make a snapshot of a domain
    SnapshotCreateAs(snapshot::SnapshotCreateAs),
    /// Show the snapshot that a domain goes on from, or make another one that
    SnapshotCurrent(snapshot::SnapshotCurrent),
    /// Change what is kept of a snapshot in an editor
    SnapshotEdit(snapshot::SnapshotEdit),
    /// Print the document of a snapshot
    SnapshotDumpxml(snapshot::SnapshotDumpxml),
    /// Take a domain back to a snapshot; all it went through since is lost
    SnapshotRevert(snapshot::SnapshotRevert),
    /// Delete a snapshot of a domain
    SnapshotDelete(snapshot::SnapshotDelete),
    /// Show what is known of a snapshot
    SnapshotInfo(snapshot_list::SnapshotInfo),
    /// List the snapshots of a domain
    SnapshotList(snapshot_list::SnapshotList),
    /// Show the snapshot that another one comes from
    SnapshotParent(snapshot_list::SnapshotParent),
    /// Save a domain to a file and stop it
    Save(save::Save),
    /// Write the memory of a domain to a file, for debuggers
    Dump(dump::Dump),
    /// Start a domain where a file left it
    Restore(save::Restore),
    /// Save a domain and stop it, so that its next start goes on from there
    Managedsave(save::ManagedSave),
    /// Forget what a domain was saved as, so that its next start boots
    ManagedsaveRemove(save::ManagedSaveRemove),
    /// Print the document in a save image
    SaveImageDumpxml(save_image::SaveImageDumpxml),
    /// Replace the document in a save image
    SaveImageDefine(save_image::SaveImageDefine),
    /// Change the document in a save image in an editor
    SaveImageEdit(save_image::SaveImageEdit),
    /// Stop the vCPUs and keep the memory
    Suspend(life::Suspend),
    /// Let the vCPUs of a suspended domain run again
    Resume(life::Resume),
    /// List domains
    #[command(visible_alias = "ls")]
    List(list::List),
    /// Show what is known of a domain
    #[command(visible_alias = "dominfo")]
    Info(info::Info),
    /// Show what a domain is doing
    #[command(visible_alias = "domstate")]
    State(state::State),
    /// Show whether the worker of a domain can be talked to
    Domcontrol(domcontrol::Domcontrol),
    /// Print the number of a running domain
    Domid(identity::Domid),
    /// Print the name of a domain
    Domname(identity::Domname),
    /// Print the UUID of a domain
    Domuuid(identity::Domuuid),
    /// Give a domain that is off another name
    Domrename(identity::Domrename),
    /// Show or change the description or title of a domain
    Desc(desc::Desc),
    /// Print the domain XML document
    #[command(visible_alias = "dumpxml")]
    Xml(xml::Xml),
    /// Change a definition in an editor
    Edit(edit::Edit),
    /// Have the daemon start a domain by itself, or not
    Autostart(autostart::Autostart),
    /// Connect to the console of a domain
    Console(console::Console),
    /// Print where on the host the console of a domain is
    Ttyconsole(ttyconsole::Ttyconsole),
    /// Say that a domain has no screen to take a picture of
    Screenshot(screenshot::Screenshot),
    /// Follow what happens to a domain
    Events(DomainEvents),
    /// Have the agent in the guest carry out a command
    #[command(visible_alias = "agent-command")]
    QemuAgentCommand(agent::QemuAgentCommand),
    /// Show or set the clock of a guest, by its agent
    Domtime(agent::Domtime),
    /// Show what a guest calls itself, by its agent
    Domhostname(agent::Domhostname),
    /// Show which vCPUs a guest uses, or change it, by its agent
    Guestvcpus(agent::Guestvcpus),
    /// Give a user of a guest another password, by its agent
    SetUserPassword(agent::SetGuestPassword),
    /// List the file systems of a guest, by its agent
    Domfsinfo(filesystem::Domfsinfo),
    /// Freeze the file systems of a guest, by its agent
    Domfsfreeze(filesystem::Domfsfreeze),
    /// Thaw the file systems of a guest, by its agent
    Domfsthaw(filesystem::Domfsthaw),
    /// Have the file systems of a guest give back what they do not need, by its agent
    Domfstrim(filesystem::Domfstrim),
    /// Show counters of an active domain
    Stats(stats::Stats),
    /// Show counters of domains, a line a value
    Domstats(domstats::Domstats),
    /// Show the CPU time of a domain by host CPU
    CpuStats(domstats::CpuStatsOf),
    /// Show what a guest says about its memory, or set how often it is asked
    Dommemstat(dommemstat::Dommemstat),
    /// Set the memory of a domain, through its balloon while it is active
    Setmem(setmem::Setmem),
    /// Set the maximum memory of a domain
    Setmaxmem(setmem::Setmaxmem),
    /// Show memory that is plugged into a guest, or set how much of it that is
    UpdateMemoryDevice(setmem::UpdateMemoryDevice),
    /// Set how many vCPUs a domain has
    Setvcpus(vcpu::Setvcpus),
    /// Show how many vCPUs a domain has
    Vcpucount(vcpu::Vcpucount),
    /// Show what the vCPUs of an active domain are doing
    Vcpuinfo(vcpu::Vcpuinfo),
    /// Show or set the host CPUs of vCPUs
    Vcpupin(vcpu::Vcpupin),
    /// Show or set the host CPUs of everything that is no vCPU and no I/O thread
    Emulatorpin(vcpu::Emulatorpin),
    /// Show the I/O threads of a domain and their host CPUs
    Iothreadinfo(iothread::Iothreadinfo),
    /// Set the host CPUs of an I/O thread
    Iothreadpin(iothread::Iothreadpin),
    /// Add an I/O thread
    Iothreadadd(iothread::Iothreadadd),
    /// Remove an I/O thread that serves no disk
    Iothreaddel(iothread::Iothreaddel),
    /// Show or set scheduler parameters
    Schedinfo(tuning::Schedinfo),
    /// Show or set limits of memory
    Memtune(tuning::Memtune),
    /// Show or set weight and limits of block I/O
    Blkiotune(tuning::Blkiotune),
    /// Show or set the NUMA nodes of memory
    Numatune(tuning::Numatune),
    /// Plug a device into a domain
    AttachDevice(device::AttachDevice),
    /// Unplug a device from a domain
    DetachDevice(device::DetachDevice),
    /// Change a device of a domain in place
    UpdateDevice(device::UpdateDevice),
    /// Plug a disk into a domain
    AttachDisk(media::AttachDisk),
    /// Unplug a disk from a domain
    DetachDisk(media::DetachDisk),
    /// Plug an interface into a domain
    AttachInterface(attach_interface::AttachInterface),
    /// Unplug an interface from a domain
    DetachInterface(attach_interface::DetachInterface),
    /// Change the medium in a drive for CDs or floppies
    ChangeMedia(media::ChangeMediaOf),
    /// List the disks of a domain
    Domblklist(disk::Domblklist),
    /// Show sizes of the disks of a domain
    Domblkinfo(disk::Domblkinfo),
    /// Show counters of a disk
    Domblkstat(disk::Domblkstat),
    /// Show the disks whose errors a domain is paused for
    Domblkerror(disk::Domblkerror),
    /// Give a disk of a running domain another size
    Blockresize(disk::Blockresize),
    /// Bring images of a disk into one below them while the guest runs
    Blockcommit(block_job::Blockcommit),
    /// Bring backing files of a disk into its active image while the guest runs
    Blockpull(block_job::Blockpull),
    /// Copy a disk into another image while the guest runs
    Blockcopy(block_job::Blockcopy),
    /// Show or steer what is being done with the images of a disk
    Blockjob(block_job::Blockjob),
    /// Show or set the limits of a disk
    Blkdeviotune(blkdeviotune::Blkdeviotune),
    /// List the network interfaces of a domain
    Domiflist(interface::Domiflist),
    /// Show addresses of a running guest
    Domifaddr(interface::Domifaddr),
    /// Show counters of a network interface
    Domifstat(interface::Domifstat),
    /// Show whether the cable of a network interface is plugged in
    DomifGetlink(interface::DomifGetlink),
    /// Plug the cable of a network interface in, or pull it
    DomifSetlink(interface::DomifSetlink),
    /// Show or set the limits of a network interface
    Domiftune(domiftune::Domiftune),
}

impl DomainCommand {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        match self {
            Self::Define(command) => command.run(context).await,
            Self::Create(command) => command.run(context).await,
            Self::Clone(command) => command.run(context).await,
            Self::Undefine(command) => command.run(context).await,
            Self::Start(command) => command.run(context).await,
            Self::Shutdown(command) => command.run(context).await,
            Self::Reboot(command) => command.run(context).await,
            Self::Migrate(command) => command.run(context).await,
            Self::MigrateSetmaxdowntime(command) => command.run(context).await,
            Self::MigrateSetspeed(command) => command.run(context).await,
            Self::MigratePostcopy(command) => command.run(context).await,
            Self::MigrateGetspeed(command) => command.run(context).await,
            Self::Domjobinfo(command) => command.run(context).await,
            Self::Domjobabort(command) => command.run(context).await,
            Self::Reset(command) => command.run(context).await,
            Self::Dompmsuspend(command) => command.run(context).await,
            Self::Dompmwakeup(command) => command.run(context).await,
            Self::InjectNmi(command) => command.run(context).await,
            Self::Destroy(command) => command.run(context).await,
            Self::SnapshotCreate(command) => command.run(context).await,
            Self::SnapshotCreateAs(command) => command.run(context).await,
            Self::SnapshotCurrent(command) => command.run(context).await,
            Self::SnapshotEdit(command) => command.run(context).await,
            Self::SnapshotDumpxml(command) => command.run(context).await,
            Self::SnapshotRevert(command) => command.run(context).await,
            Self::SnapshotDelete(command) => command.run(context).await,
            Self::SnapshotInfo(command) => command.run(context).await,
            Self::SnapshotList(command) => command.run(context).await,
            Self::SnapshotParent(command) => command.run(context).await,
            Self::Save(command) => command.run(context).await,
            Self::Dump(command) => command.run(context).await,
            Self::Restore(command) => command.run(context).await,
            Self::Managedsave(command) => command.run(context).await,
            Self::ManagedsaveRemove(command) => command.run(context).await,
            Self::SaveImageDumpxml(command) => command.run(context).await,
            Self::SaveImageDefine(command) => command.run(context).await,
            Self::SaveImageEdit(command) => command.run(context).await,
            Self::Suspend(command) => command.run(context).await,
            Self::Resume(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Info(command) => command.run(context).await,
            Self::State(command) => command.run(context).await,
            Self::Domcontrol(command) => command.run(context).await,
            Self::Domid(command) => command.run(context).await,
            Self::Domname(command) => command.run(context).await,
            Self::Domuuid(command) => command.run(context).await,
            Self::Domrename(command) => command.run(context).await,
            Self::Desc(command) => command.run(context).await,
            Self::Xml(command) => command.run(context).await,
            Self::Edit(command) => command.run(context).await,
            Self::Autostart(command) => command.run(context).await,
            Self::Console(command) => command.run(context).await,
            Self::Ttyconsole(command) => command.run(context).await,
            Self::Screenshot(command) => command.run(context).await,
            Self::Events(command) => command.events.of_domain(command.domain).run(context).await,
            Self::QemuAgentCommand(command) => command.run(context).await,
            Self::Domtime(command) => command.run(context).await,
            Self::Domhostname(command) => command.run(context).await,
            Self::Guestvcpus(command) => command.run(context).await,
            Self::SetUserPassword(command) => command.run(context).await,
            Self::Domfsinfo(command) => command.run(context).await,
            Self::Domfsfreeze(command) => command.run(context).await,
            Self::Domfsthaw(command) => command.run(context).await,
            Self::Domfstrim(command) => command.run(context).await,
            Self::Stats(command) => command.run(context).await,
            Self::Domstats(command) => command.run(context).await,
            Self::CpuStats(command) => command.run(context).await,
            Self::Dommemstat(command) => command.run(context).await,
            Self::Setmem(command) => command.run(context).await,
            Self::Setmaxmem(command) => command.run(context).await,
            Self::UpdateMemoryDevice(command) => command.run(context).await,
            Self::Setvcpus(command) => command.run(context).await,
            Self::Vcpucount(command) => command.run(context).await,
            Self::Vcpuinfo(command) => command.run(context).await,
            Self::Vcpupin(command) => command.run(context).await,
            Self::Emulatorpin(command) => command.run(context).await,
            Self::Iothreadinfo(command) => command.run(context).await,
            Self::Iothreadpin(command) => command.run(context).await,
            Self::Iothreadadd(command) => command.run(context).await,
            Self::Iothreaddel(command) => command.run(context).await,
            Self::Schedinfo(command) => command.run(context).await,
            Self::Memtune(command) => command.run(context).await,
            Self::Blkiotune(command) => command.run(context).await,
            Self::Numatune(command) => command.run(context).await,
            Self::AttachDevice(command) => command.run(context).await,
            Self::DetachDevice(command) => command.run(context).await,
            Self::UpdateDevice(command) => command.run(context).await,
            Self::AttachDisk(command) => command.run(context).await,
            Self::DetachDisk(command) => command.run(context).await,
            Self::AttachInterface(command) => command.run(context).await,
            Self::DetachInterface(command) => command.run(context).await,
            Self::ChangeMedia(command) => command.run(context).await,
            Self::Domblklist(command) => command.run(context).await,
            Self::Domblkinfo(command) => command.run(context).await,
            Self::Domblkstat(command) => command.run(context).await,
            Self::Domblkerror(command) => command.run(context).await,
            Self::Blockresize(command) => command.run(context).await,
            Self::Blockcommit(command) => command.run(context).await,
            Self::Blockpull(command) => command.run(context).await,
            Self::Blockcopy(command) => command.run(context).await,
            Self::Blockjob(command) => command.run(context).await,
            Self::Blkdeviotune(command) => command.run(context).await,
            Self::Domiflist(command) => command.run(context).await,
            Self::Domifaddr(command) => command.run(context).await,
            Self::Domifstat(command) => command.run(context).await,
            Self::DomifGetlink(command) => command.run(context).await,
            Self::DomifSetlink(command) => command.run(context).await,
            Self::Domiftune(command) => command.run(context).await,
        }
    }
}

/// A domain on the command line.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Name or UUID
    pub(crate) domain: String,
}

/// Options of `reeve domain events`.
#[derive(Debug, Args)]
pub struct DomainEvents {
    /// Name or UUID
    #[arg(value_name = "DOMAIN", id = "target")]
    domain: String,
    #[command(flatten)]
    events: Events,
}

/// The end of a verb: the domain's row for programs, a sentence for people.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct Done {
    row: DomainSummary,
    #[serde(skip)]
    participle: &'static str,
}

impl Done {
    pub(crate) fn new(row: DomainSummary, participle: &'static str) -> Self {
        Self { row, participle }
    }

    /// What is to be minded goes to standard error.
    pub(crate) fn changed(context: &Context, changed: ChangedDomain, participle: &'static str) -> Self {
        context.warn(&changed.warnings);
        Self::new(changed.domain, participle)
    }
}

impl Show for Done {
    const ELEMENT: &'static str = "domain";

    fn human(&self) -> String {
        format!("Domain '{}' {}", self.row.name, self.participle)
    }
}

#[cfg(test)]
pub(crate) mod samples {
    use reeve_model::stats::DomainSummary;
    use reeve_model::{DomainState, StateReason};
    use uuid::Uuid;

    /// A running domain.
    pub(crate) fn web() -> DomainSummary {
        DomainSummary {
            id: Some(3),
            uuid: Uuid::from_u128(0x4dea_22b3_1d52_d8f3_2516_782e_98ab_3fa0),
            name: "web".into(),
            state: DomainState::Running,
            reason: StateReason::Booted,
            persistent: true,
            autostart: true,
            driver: "kvm".into(),
            managed_save: false,
            unreadable: None,
        }
    }

    /// A domain that is not running.
    pub(crate) fn database() -> DomainSummary {
        DomainSummary {
            id: None,
            uuid: Uuid::from_u128(0x0f00_0000_0000_4000_8000_0000_0000_0001),
            name: "database-primary".into(),
            state: DomainState::ShutOff,
            reason: StateReason::Destroyed,
            persistent: true,
            autostart: false,
            driver: "kvm".into(),
            managed_save: false,
            unreadable: None,
        }
    }
}
