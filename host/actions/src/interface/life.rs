//! Interfaces are started and stopped.

use reeve_model::host_interface::{HostInterfaceKind, HostInterfaceSummary};
use reeve_model::{Actor, Error, ErrorCode, Verb};

use super::changing::Kept;
use crate::Actions;

impl Actions {
    /// Makes a defined interface what its document says.
    pub async fn start_interface(&self, actor: &Actor, key: &str) -> Result<HostInterfaceSummary, Error> {
        self.check_interface(actor, Verb::InterfaceWrite, key)?;
        let key = key.to_owned();
        self.change_interfaces(move |change| {
            let name = change.interfaces.row(&key)?.name;
            let config = change.defined(&name)?;
            if change.interfaces.host.is_up(&config)? {
                let message = format!("interface '{name}' is active already");
                return Err(Error::new(ErrorCode::WrongState, message));
            }
            change.whole(&name, |host| host.start(&config), &Kept::default())?;
            change.interfaces.row(&name)
        })
        .await
    }

    /// Takes a defined interface down: its addresses go, a bridge is deleted.
    pub async fn destroy_interface(&self, actor: &Actor, key: &str) -> Result<(), Error> {
        self.check_interface(actor, Verb::InterfaceWrite, key)?;
        let key = key.to_owned();
        self.change_interfaces(move |change| {
            let row = change.interfaces.row(&key)?;
            // What nothing could start again is not taken down.
            change.defined(&row.name)?;
            if !row.active {
                let message = format!("interface '{}' is not active", row.name);
                let hint = format!("start it with 'reeve iface start {}'", row.name);
                return Err(Error::new(ErrorCode::WrongState, message).with_hint(hint));
            }
            change.whole(&row.name, |host| host.destroy(&row.name), &Kept::default())
        })
        .await
    }

    /// Starts every interface whose document says `<start mode='onboot'/>` and that is not what it says; the errors by name. Failing ones do
    /// not stop the others. Nothing is started while a change is open: what is down then may be meant to be.
    pub async fn start_interfaces(&self) -> Vec<(String, Error)> {
        let mut wanted: Vec<(bool, String)> = {
            let state = self.networking.interfaces.state();
            let on_boot = state
                .defined
                .values()
                .filter(|config| state.open.is_none() && config.start_mode.as_deref() == Some("onboot"));
            on_boot.map(|config| (config.kind != HostInterfaceKind::Ethernet, config.name.clone())).collect()
        };
        // What bridges may be made of comes first.
        wanted.sort();
        let mut failed = Vec::new();
        for (_, name) in wanted {
            let key = name.clone();
            let started = self
                .change_interfaces(move |change| {
                    let config = change.defined(&key)?;
                    match change.interfaces.host.is_up(&config)? {
                        true => Ok(()),
                        false => change.whole(&key, |host| host.start(&config), &Kept::default()),
                    }
                })
                .await;
            if let Err(error) = started {
                tracing::warn!(interface = name, %error, "could not be started with the daemon");
                failed.push((name, error));
            }
        }
        failed
    }
}
