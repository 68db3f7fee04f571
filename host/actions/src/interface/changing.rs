//! One change of the host's interfaces: kernel, database and memory together.

use reeve_model::host_interface::HostInterfaceConfig;
use reeve_model::{Error, ErrorCode};
use reeve_network::{HostInterfaces, HostSnapshot, NetworkError};
use reeve_store::{InterfaceRow, SnapshotKind, SnapshotRow, Store};
use reeve_sys::procfs;
use serde::{Deserialize, Serialize};

use super::{Interfaces, members, undefined};
use crate::document;

/// The right to change the host's interfaces. Blocks.
pub(super) struct Changing<'a> {
    pub(super) interfaces: &'a Interfaces,
    pub(super) store: &'a Store,
}

/// What is in a snapshot's row.
#[derive(Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) host: HostSnapshot,
    /// Documents of what was defined, by name.
    pub(super) defined: Vec<(String, String)>,
}

/// What becomes of definitions.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) put: Vec<HostInterfaceConfig>,
    pub(super) remove: Vec<String>,
}

impl Changing<'_> {
    /// The definition of an interface.
    pub(super) fn definition(&self, name: &str) -> Option<HostInterfaceConfig> {
        self.interfaces.state().defined.get(name).cloned()
    }

    /// The definition of an interface that must have one of its own.
    pub(super) fn defined(&self, name: &str) -> Result<HostInterfaceConfig, Error> {
        self.refuse_member(name)?;
        self.definition(name).ok_or_else(|| undefined(name))
    }

    /// Refuses an interface that a definition names as a part of another one.
    pub(super) fn refuse_member(&self, name: &str) -> Result<(), Error> {
        let state = self.interfaces.state();
        let mut all = state.defined.values();
        let Some(whole) = all.find(|whole| members(whole).iter().any(|member| member.name == name)) else {
            return Ok(());
        };
        let whole = &whole.name;
        let message = format!("interface '{name}' is defined as a part of '{whole}'");
        let hint =
            format!("change '{whole}' with 'reeve iface edit {whole}', or 'reeve iface unbridge {whole}'");
        Err(Error::new(ErrorCode::AlreadyExists, message).with_hint(hint))
    }

    /// Changes an interface in the kernel and then the definitions. When either fails, or the daemon dies, the host is what it was.
    pub(super) fn whole<T>(
        &self,
        name: &str,
        kernel: impl FnOnce(&HostInterfaces) -> Result<T, NetworkError>,
        kept: &Kept,
    ) -> Result<T, Error> {
        let before = self.interfaces.host.snapshot()?.making(name);
        let saved = Saved { host: before, defined: Vec::new() };
        self.store.put_interface_snapshot(&row(SnapshotKind::Step, None, &saved)?)?;
        let done = match kernel(&self.interfaces.host) {
            Ok(done) => done,
            Err(error) => {
                self.store.remove_interface_snapshot(SnapshotKind::Step)?;
                return Err(error.into());
            }
        };
        match self.keep(kept) {
            Ok(()) => Ok(done),
            Err(error) => {
                // The step is still on disk: where this fails too, the next start of the daemon goes back.
                self.interfaces.host.rollback(&saved.host)?;
                self.store.remove_interface_snapshot(SnapshotKind::Step)?;
                Err(error)
            }
        }
    }

    /// Changes definitions alone.
    pub(super) fn keep(&self, kept: &Kept) -> Result<(), Error> {
        let put: Vec<InterfaceRow> = (kept.put.iter())
            .map(|config| InterfaceRow { name: config.name.clone(), xml: document::format_interface(config) })
            .collect();
        self.store.keep_interfaces(&put, &kept.remove)?;
        let mut state = self.interfaces.state();
        for name in &kept.remove {
            state.defined.remove(name);
        }
        for config in &kept.put {
            state.defined.insert(config.name.clone(), config.clone());
        }
        Ok(())
    }
}

/// A snapshot of this boot as it is kept.
pub(super) fn row(kind: SnapshotKind, deadline: Option<u64>, saved: &Saved) -> Result<SnapshotRow, Error> {
    let snapshot = serde_json::to_string(saved).map_err(|fault| {
        let message = format!("a snapshot of the host's interfaces can't be written: {fault}");
        Error::new(ErrorCode::Internal, message)
    })?;
    Ok(SnapshotRow { kind, boot: boot()?, deadline, snapshot })
}

/// What a row holds.
pub(super) fn saved(row: &SnapshotRow) -> Result<Saved, Error> {
    serde_json::from_str(&row.snapshot).map_err(|fault| {
        let message = format!("a snapshot of the host's interfaces can't be read: {fault}");
        let hint = "look at the interfaces with 'reeve iface list --all' and mend them by hand";
        Error::new(ErrorCode::Internal, message).with_hint(hint)
    })
}

/// The kernel's name for this boot.
pub(super) fn boot() -> Result<String, Error> {
    procfs::boot_id().map_err(unknown)
}

/// Milliseconds since the boot: a clock that nobody sets, and that a daemon which starts again finds where it was.
pub(super) fn now() -> Result<u64, Error> {
    let uptime = procfs::uptime().map_err(unknown)?;
    Ok(u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX))
}

fn unknown(fault: reeve_sys::files::FileError) -> Error {
    Error::new(ErrorCode::Internal, format!("the time since the boot is not known: {fault}"))
}
