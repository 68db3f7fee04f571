//! Images of disks while the machine is there: other ones in their place, and snapshots within them.
//!
//! The machine stands still for the moment that takes: what the guest wrote before is in the old image or the snapshot, what it writes after
//! is not, and that holds for all disks together.

use std::os::fd::OwnedFd;

use time::OffsetDateTime;

use super::{Life, State, machine_failure};
use crate::config::{DeviceKind, VmConfig};
use crate::machine::{FdTable, Machine};
use crate::protocol::{DiskSwitch, ErrorCode, Failure, MovedDisk};
use crate::virtio::block::ArrivingDisk;

impl Life {
    /// Puts other images in the place of those that disks have.
    pub(in crate::worker) fn switch_disks(
        &mut self,
        disks: &[DiskSwitch],
        fds: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        let fds = FdTable::new(fds);
        self.standing(|life| {
            let successors = life.machine()?.open_successors(disks, &fds).map_err(machine_failure)?;
            life.locks.switch(disks, &fds).map_err(|reason| Failure::new(ErrorCode::Host, reason))?;
            life.machine()?.switch_disks(successors);
            life.note_images(disks);
            Ok(())
        })
    }

    /// Puts another medium into a drive. With the last descriptor of the one before, which is only read, goes its lock.
    pub(in crate::worker) fn change_medium(
        &mut self,
        medium: &DiskSwitch,
        fds: Vec<OwnedFd>,
    ) -> Result<(), Failure> {
        let fds = FdTable::new(fds);
        self.standing(|life| {
            let machine = life.machine()?;
            let successor = machine.open_medium(medium, &fds).map_err(machine_failure)?;
            machine.switch_disks(vec![successor]);
            life.note_images(std::slice::from_ref(medium));
            Ok(())
        })
    }

    /// Makes a snapshot within the image of each disk, or none.
    pub(in crate::worker) fn snapshot_disks(
        &mut self,
        aliases: &[String],
        name: &str,
        taken: i64,
    ) -> Result<(), Failure> {
        let taken = moment(taken)?;
        self.standing(|life| life.machine()?.snapshot_disks(aliases, name, taken).map_err(machine_failure))
    }

    /// Deletes the snapshot of a name and time within the image of each disk that has one.
    pub(in crate::worker) fn drop_disk_snapshots(
        &mut self,
        aliases: &[String],
        name: &str,
        taken: i64,
    ) -> Result<(), Failure> {
        let taken = moment(taken)?;
        // Transfers that are under way must not find what is freed.
        self.standing(|life| {
            life.machine()?.drop_disk_snapshots(aliases, name, taken).map_err(machine_failure)
        })
    }

    /// Does something while vCPUs and devices stand still.
    pub(super) fn standing<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.attend();
        self.machine()?.pause();
        // What the guest did to itself before it stood counts first, and may let it run again.
        self.attend();
        self.machine()?.quiesce();
        let done = act(self);
        if let State::Running(machine) = &self.state {
            Machine::resume(machine);
        }
        done
    }

    /// Writes what disks have now into the configuration.
    fn note_images(&mut self, switches: &[DiskSwitch]) {
        for device in self.config.iter_mut().flat_map(|config| &mut config.devices) {
            let switch = switches.iter().find(|switch| switch.alias == device.alias);
            if let (DeviceKind::Block(block), Some(switch)) = (&mut device.kind, switch) {
                block.format = switch.format;
                block.backing.clone_from(&switch.backing);
            }
        }
    }
}

/// Opens the disks that come with a guest.
pub(super) fn arriving(
    disks: &[MovedDisk],
    config: &VmConfig,
    fds: &FdTable,
) -> Result<Vec<ArrivingDisk>, Failure> {
    let open = |disk: &MovedDisk| {
        let found = config.devices.iter().find(|device| device.alias == disk.alias);
        let Some(DeviceKind::Block(block)) = found.map(|device| &device.kind) else {
            let reason = format!("the guest has no disk '{}' that could come with it", disk.alias);
            return Err(Failure::new(ErrorCode::Config, reason));
        };
        ArrivingDisk::open(&disk.alias, block, fds).map_err(|error| Failure::new(ErrorCode::Host, error.0))
    };
    disks.iter().map(open).collect()
}

fn moment(seconds: i64) -> Result<OffsetDateTime, Failure> {
    OffsetDateTime::from_unix_timestamp(seconds)
        .map_err(|_| Failure::new(ErrorCode::BadRequest, "the time of a snapshot makes no sense"))
}
