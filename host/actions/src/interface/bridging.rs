//! Interfaces are put into bridges and taken out again.

use reeve_model::host_interface::{
    BridgeHostInterface, DefinedHostInterface, HostInterfaceConfig, LONGEST_DELAY_SECONDS,
};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_network::{BridgeOptions, NetworkError};

use super::changing::Kept;
use crate::Actions;

impl Actions {
    /// Puts an interface into a new bridge, which takes over its addresses, routes and definition.
    pub async fn bridge_interface(
        &self,
        actor: &Actor,
        key: &str,
        wanted: BridgeHostInterface,
    ) -> Result<DefinedHostInterface, Error> {
        self.check_interface(actor, Verb::InterfaceWrite, key)?;
        self.check_interface(actor, Verb::InterfaceWrite, &wanted.bridge)?;
        if wanted.delay > LONGEST_DELAY_SECONDS {
            let message = format!(
                "a forward delay of {} s for bridge '{}' is too long; it is 0 to {LONGEST_DELAY_SECONDS}",
                wanted.delay, wanted.bridge
            );
            return Err(Error::new(ErrorCode::Invalid, message));
        }
        let key = key.to_owned();
        self.change_interfaces(move |change| {
            let BridgeHostInterface { bridge, stp, delay, start } = wanted;
            let link = change.interfaces.row(&key)?.name;
            change.refuse_member(&link)?;
            change.refuse_member(&bridge)?;
            if change.definition(&bridge).is_some() {
                let message = format!("an interface named '{bridge}' is defined already");
                let hint = "give the bridge another name, or undefine that interface first";
                return Err(Error::new(ErrorCode::AlreadyExists, message).with_hint(hint));
            }
            // One that nobody defined comes with the host, and so must its bridge.
            let current = || -> Result<HostInterfaceConfig, Error> {
                let start_mode = Some("onboot".to_owned());
                Ok(HostInterfaceConfig { start_mode, ..change.interfaces.host.current(&link)? })
            };
            let config = change.definition(&link).map_or_else(current, Ok)?;
            let options = BridgeOptions { stp, delay_s: delay };
            let document = change.interfaces.host.bridged(config, &bridge, options)?;
            let kept = Kept { put: vec![document], remove: vec![link.clone()] };
            let warnings = match start {
                true => change.whole(&bridge, |host| host.bridge(&link, &bridge, options), &kept)?,
                false => {
                    change.keep(&kept)?;
                    Vec::new()
                }
            };
            Ok(DefinedHostInterface { interface: change.interfaces.row(&bridge)?, warnings })
        })
        .await
    }

    /// Takes a defined bridge with one port apart; the port gets its addresses, routes and definition.
    pub async fn unbridge_interface(
        &self,
        actor: &Actor,
        key: &str,
        start: bool,
    ) -> Result<DefinedHostInterface, Error> {
        self.check_interface(actor, Verb::InterfaceWrite, key)?;
        let key = key.to_owned();
        self.change_interfaces(move |change| {
            let bridge = change.interfaces.row(&key)?.name;
            let port = change.interfaces.host.released(change.defined(&bridge)?)?;
            let name = port.name.clone();
            let kept = Kept { put: vec![port], remove: vec![bridge.clone()] };
            match change.interfaces.host.current(&bridge) {
                Ok(_) => change.whole(&bridge, |host| host.unbridge(&bridge, start), &kept)?,
                // It is only defined.
                Err(NetworkError::Missing { .. }) => change.keep(&kept)?,
                Err(error) => return Err(error.into()),
            }
            Ok(DefinedHostInterface { interface: change.interfaces.row(&name)?, warnings: Vec::new() })
        })
        .await
    }
}
