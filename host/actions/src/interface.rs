//! Verbs on the host's own interfaces (guide 14.15.1), a file a group.
//!
//! ```text
//!   verb ── snapshot "step" on disk ── kernel ── definitions on disk, step forgotten
//!   begin ── snapshot "change" on disk ── verbs … ── commit: forgotten
//!                                                 └─ rollback, or its time is over: kernel and definitions as they were
//! ```
//!
//! A verb that has begun ends even when nobody waits for it: the client may be cut off by what it asked for. A daemon that starts finds the
//! snapshots and goes back: from a step always, from a change when its time is over. A reboot is a rollback too: the kernel begins anew,
//! and the definitions of before are put back.

mod bridging;
mod change;
mod changing;
mod define;
mod life;
mod read;
mod recover;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reeve_model::host_interface::{HostInterfaceConfig, HostInterfaceKind, HostInterfaceSummary};
use reeve_model::{Actor, Error, ErrorCode, MacAddress, Verb};
use reeve_network::{Host, HostInterfaces};
use tokio::sync::Notify;

use crate::Actions;
use crate::network::has_own_bridge;
use changing::Changing;

/// The host's own interfaces, as the verbs hold them.
pub(crate) struct Interfaces {
    pub(crate) host: HostInterfaces,
    state: Mutex<State>,
    /// One change at a time, from its checks to its end.
    changing: Mutex<()>,
    /// Rung when a change is begun or ends.
    pub(crate) bell: Notify,
}

/// What was asked for.
#[derive(Default)]
pub(crate) struct State {
    /// By name.
    pub(crate) defined: BTreeMap<String, HostInterfaceConfig>,
    pub(crate) open: Option<Open>,
}

/// A change that was begun and neither committed nor rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Open {
    /// When it is rolled back by itself, milliseconds since the boot; none is never.
    pub(crate) deadline: Option<u64>,
}

impl Interfaces {
    pub(crate) fn new(host: Host) -> Self {
        Self {
            host: HostInterfaces::new(Arc::new(host)),
            state: Mutex::default(),
            changing: Mutex::default(),
            bell: Notify::new(),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows of all interfaces by name.
    fn rows(&self) -> Result<Vec<HostInterfaceSummary>, Error> {
        let defined: Vec<HostInterfaceConfig> = self.state().defined.values().cloned().collect();
        Ok(self.host.list(&defined)?)
    }

    /// The interface with this name, or with this MAC address if it is the only one that has it.
    fn row(&self, key: &str) -> Result<HostInterfaceSummary, Error> {
        let mac = key.parse::<MacAddress>().ok();
        let mut rows = self.rows()?;
        rows.retain(|row| row.name == key || (mac.is_some() && row.mac == mac));
        match rows.pop() {
            Some(row) if rows.is_empty() => Ok(row),
            Some(row) => {
                let names: Vec<&str> = rows.iter().chain([&row]).map(|row| row.name.as_str()).collect();
                let message = format!("several interfaces have the MAC address {key}: {}", names.join(", "));
                Err(Error::new(ErrorCode::Invalid, message).with_hint("say which one by its name"))
            }
            None => {
                let message = format!("interface '{key}' does not exist");
                let hint = "'reeve iface list --all' shows all interfaces of the host";
                Err(Error::new(ErrorCode::NotFound, message).with_hint(hint))
            }
        }
    }
}

impl Actions {
    /// Refuses what `actor` may not do to an interface, and what is none: bridges belong to their networks.
    fn check_interface(&self, actor: &Actor, verb: Verb, key: &str) -> Result<(), Error> {
        self.authorize(actor, verb, key)?;
        let records = self.networking.records();
        let mut own = records.networks.values().filter(|network| has_own_bridge(network.config()));
        match own.find(|network| network.config().bridge.name.as_deref() == Some(key)) {
            None => Ok(()),
            Some(network) => {
                let name = &network.config().name;
                let message = format!("'{key}' is the bridge of network '{name}', no interface by itself");
                let hint = format!("change it with 'reeve network edit {name}'");
                Err(Error::new(ErrorCode::WrongState, message).with_hint(hint))
            }
        }
    }

    /// Looks at the host, which may block for a moment.
    async fn on_interfaces<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Interfaces) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let networking = Arc::clone(&self.networking);
        crate::blocking(move || look(&networking.interfaces)).await
    }

    /// Changes the host, which may block for long; it ends even when the caller stops waiting.
    async fn change_interfaces<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Changing<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (networking, store) = (Arc::clone(&self.networking), self.store.clone());
        crate::blocking(move || {
            let interfaces = &networking.interfaces;
            let _one = interfaces.changing.lock().unwrap_or_else(PoisonError::into_inner);
            change(&Changing { interfaces, store: &store })
        })
        .await
    }
}

/// What an interface is made of, by its document.
fn members(config: &HostInterfaceConfig) -> &[HostInterfaceConfig] {
    match &config.kind {
        HostInterfaceKind::Bridge { ports, .. } => ports,
        HostInterfaceKind::Bond { members, .. } => members,
        HostInterfaceKind::Ethernet | HostInterfaceKind::Vlan { .. } => &[],
    }
}

/// The refusal of what takes a definition.
fn undefined(name: &str) -> Error {
    let hint = format!("'reeve iface xml {name} | reeve iface define -' defines it as it is");
    Error::new(ErrorCode::WrongState, format!("interface '{name}' is not defined")).with_hint(hint)
}
