//! Interfaces of domains are plugged and unplugged: from the document to a tap or macvtap on the host, with its filter in force before
//! the first frame.
//!
//! ```text
//!   plan ─▶ guard port-plug ─▶ rules of its filter ─▶ note ─▶ bind ─▶ make ─▶ the driver opens it
//!                                                       ▲        │ error: unbind, unplug, forget
//! ```

use std::slice;
use std::sync::Arc;

use reeve_model::domain::{DomainConfig, DomainType, Interface};
use reeve_model::network::NetworkChange;
use reeve_model::{Actor, DomainState, Error, ErrorCode, MacAddress};
use reeve_network::{NetworkError, PlannedPort, PortRequest};
use reeve_store::PortRow;
use reeve_sys::link::{LinkError, LinkName};
use uuid::Uuid;

use crate::Actions;
use crate::filter::Wanted;
use crate::networking::{Networking, Plugged, PortKey};
use crate::policy_port::{Denial, NetworkGuard, NetworkQuestion};

/// How many names of links may be taken by others while one interface is plugged.
const NAMES: usize = 64;

/// Why an interface is not plugged; nothing of it is left.
struct Unplugged {
    /// The name that the host gave its link, where somebody else took that.
    link: Option<String>,
    error: Error,
}

impl From<Error> for Unplugged {
    fn from(error: Error) -> Self {
        Self { link: None, error }
    }
}

/// The name that the host gave a port's link, where it could not be made for that.
fn taken_name(error: &NetworkError, port: &PlannedPort) -> Option<String> {
    match error {
        NetworkError::Link(LinkError::Exists { name }) if name.as_str() == port.link => {
            port.is_named_by_host().then(|| port.link.clone())
        }
        _ => None,
    }
}

impl Networking {
    /// Takes the rules of an interface away that is gone, and what was learned of it.
    fn release(&self, port: &PlannedPort) -> Result<(), Error> {
        let key = (port.domain, port.mac);
        let _changing = self.rules();
        let (watched, taken) = {
            let records = self.records();
            // The name may be another's already.
            let same =
                |(other, plugged): (&PortKey, &Plugged)| *other != key && plugged.port.link == port.link;
            let watched = records.ports.get(&key).is_some_and(|plugged| plugged.watch.is_some());
            (watched || port.filter.is_some(), records.ports.iter().any(same))
        };
        if let Ok(link) = LinkName::new(port.link.as_str())
            && !taken
        {
            self.bindings.unbind(slice::from_ref(&link))?;
            if watched {
                self.unfollow(&link);
            }
        }
        self.records().ports.remove(&key);
        Ok(())
    }
}

impl Actions {
    /// Plugs every interface of a domain that is about to run, and puts into the configuration what the driver is to open. When one of
    /// them can't be, none is.
    pub(crate) async fn plug_all(&self, actor: &Actor, config: &mut DomainConfig) -> Result<(), Error> {
        // The simulator has no interfaces on the host.
        if config.domain_type == DomainType::Sim {
            return Ok(());
        }
        let whole = Arc::new(config.clone());
        // What an earlier run left.
        self.unplug_all(actor, config.uuid, None).await?;
        for interface in &mut config.devices.interfaces {
            match self.plug(actor, &whole, DomainState::ShutOff, interface).await {
                Ok(port) => *interface = port.interface,
                Err(error) => {
                    if let Err(undo) = self.unplug_all(actor, whole.uuid, None).await {
                        tracing::error!(domain = whole.name, %undo, "interfaces could not be unplugged again");
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Plugs one interface. Where somebody else on the machine, such as another daemon, takes the name that the host gives its link before
    /// the link is made, it gets the next one; a name of the document's stays what it is.
    pub(crate) async fn plug(
        &self,
        actor: &Actor,
        domain: &Arc<DomainConfig>,
        state: DomainState,
        interface: &Interface,
    ) -> Result<PlannedPort, Error> {
        let mut taken = Vec::new();
        loop {
            match self.plug_besides(actor, domain, state, interface, &taken).await {
                Err(Unplugged { link: Some(link), error }) if taken.len() < NAMES => {
                    tracing::warn!(domain = domain.name, link, %error, "the interface gets another name");
                    taken.push(link);
                }
                plugged => return plugged.map_err(|Unplugged { error, .. }| error),
            }
        }
    }

    async fn plug_besides(
        &self,
        actor: &Actor,
        domain: &Arc<DomainConfig>,
        state: DomainState,
        interface: &Interface,
        taken: &[String],
    ) -> Result<PlannedPort, Unplugged> {
        let (whole, wanted, taken) = (Arc::clone(domain), interface.clone(), taken.to_vec());
        let port = self
            .on_networks(move |networks| {
                let (domain, domain_name) = (whole.uuid, whole.name.as_str());
                networks.plan_besides(&PortRequest { domain, domain_name, interface: &wanted }, &taken)
            })
            .await?;
        for warning in &port.warnings {
            tracing::warn!(domain = domain.name, link = port.link, "{warning}");
        }
        let (plugged, wanted, filters) = match self.prepare_port(actor, domain, state, &port).await {
            Ok(prepared) => prepared,
            Err(error) => {
                // Nothing but the plan is there.
                self.on_networks(move |networks| networks.unplug(&port)).await?;
                return Err(error.into());
            }
        };
        let recorded = self.networking.records().put_port(plugged);
        let wanted = wanted.map(|wanted| Wanted { revision: recorded.revision, ..wanted });
        if let Err(unplugged) = self.bring_up_port(actor, &port, wanted, filters).await {
            self.unplug(&recorded).await?;
            return Err(unplugged);
        }
        self.tell_port(actor, &port, NetworkChange::PortPlugged);
        Ok(port)
    }

    /// What a planned port is to be, and the number of the filters that this is made from; noted, so that a daemon that comes next takes
    /// it off the host again.
    async fn prepare_port(
        &self,
        actor: &Actor,
        domain: &Arc<DomainConfig>,
        state: DomainState,
        port: &PlannedPort,
    ) -> Result<(Plugged, Option<Wanted>, u64), Error> {
        self.ask_port(actor, domain, state, port).await?;
        let plugged = Plugged::new(port.clone(), self.bus.last_seq());
        let (filters, changed) = {
            let records = self.networking.records();
            (records.filters.clone(), records.filters_changed)
        };
        let wanted = self.wanted(actor, &plugged, &filters, true).await?;
        let row = row(port)?;
        self.store(move |store| store.put_port(&row)).await?;
        Ok((plugged, wanted, changed))
    }

    /// Rules first, then the link, then who looks at its frames.
    async fn bring_up_port(
        &self,
        actor: &Actor,
        port: &PlannedPort,
        wanted: Option<Wanted>,
        filters: u64,
    ) -> Result<(), Unplugged> {
        let key = (port.domain, port.mac);
        let wanted: Vec<Wanted> = wanted.into_iter().collect();
        if !self.apply(&wanted, Some(filters)).await? {
            self.renew_rules(actor, &[key]).await?;
        }
        let planned = port.clone();
        let made = self.on_networks(move |networks| Ok(networks.make(&planned))).await?;
        made.map_err(|error| Unplugged { link: taken_name(&error, port), error: error.into() })?;
        if let Some(plugged) = self.networking.records().ports.get_mut(&key) {
            plugged.is_made = true;
        }
        Ok(self.watch_anew(key).await?)
    }

    /// Takes every interface of a domain off the host; with `before`, only those that were plugged before the event with that number.
    pub(crate) async fn unplug_all(
        &self,
        actor: &Actor,
        domain: Uuid,
        before: Option<u64>,
    ) -> Result<(), Error> {
        let ports: Vec<Plugged> = {
            let records = self.networking.records();
            let old = |plugged: &Plugged| before.is_none_or(|event| plugged.since < event);
            let own = records.ports.iter().filter(|((owner, _), plugged)| *owner == domain && old(plugged));
            own.map(|(_, plugged)| plugged.clone()).collect()
        };
        for plugged in ports {
            if self.unplug(&plugged).await? {
                self.tell_port(actor, &plugged.port, NetworkChange::PortUnplugged);
            }
        }
        Ok(())
    }

    /// Takes one interface of a domain off the host; nothing where it is not plugged.
    pub(crate) async fn unplug_interface(
        &self,
        actor: &Actor,
        domain: Uuid,
        mac: MacAddress,
    ) -> Result<(), Error> {
        let found = self.networking.records().ports.get(&(domain, mac)).cloned();
        let Some(plugged) = found else { return Ok(()) };
        if self.unplug(&plugged).await? {
            self.tell_port(actor, &plugged.port, NetworkChange::PortUnplugged);
        }
        Ok(())
    }

    /// Takes an interface off the host, and its rules after it. False where somebody else did, and it may be plugged again by now.
    async fn unplug(&self, plugged: &Plugged) -> Result<bool, Error> {
        let _unplugging = self.networking.unplugging.lock().await;
        let now = self.networking.records().ports.get(&plugged.key()).cloned();
        let Some(Plugged { port, .. }) = now.filter(|now| now.since == plugged.since) else {
            return Ok(false);
        };
        let gone = port.clone();
        self.on_networks(move |networks| networks.unplug(&gone)).await?;
        let (domain, mac) = (port.domain, port.mac);
        self.store(move |store| store.remove_port(domain, &mac.to_string())).await?;
        let networking = Arc::clone(&self.networking);
        crate::blocking(move || networking.release(&port)).await?;
        Ok(true)
    }

    pub(crate) async fn ask_port(
        &self,
        actor: &Actor,
        domain: &Arc<DomainConfig>,
        state: DomainState,
        port: &PlannedPort,
    ) -> Result<(), Error> {
        let question = NetworkQuestion::Plug { config: Arc::clone(domain), state, port: port.view() };
        let asked = self.policy.guard_network(NetworkGuard { actor: actor.clone(), question }).await;
        asked.map_err(|Denial { policy, reason }| {
            let (link, name) = (&port.link, &domain.name);
            let message = format!(
                "policy '{policy}' denies port-plug of interface '{link}' of domain '{name}': {reason}"
            );
            let hint = format!("'reeve policy decisions --subject {name}' shows what it was asked");
            Error::new(ErrorCode::Denied, message).with_hint(hint)
        })
    }

    pub(crate) fn tell_port(&self, actor: &Actor, port: &PlannedPort, change: NetworkChange) {
        let Some(network) = port.network else { return };
        let found =
            self.networking.records().networks.get(&network).map(|network| Arc::clone(network.config()));
        if let Some(config) = found {
            self.tell_network(actor, &config, change, &port.link);
        }
    }
}

/// A port as it is kept for the next daemon.
pub(crate) fn row(port: &PlannedPort) -> Result<PortRow, Error> {
    let text = serde_json::to_string(port).map_err(|fault| {
        Error::new(ErrorCode::Internal, format!("interface '{}' can't be noted: {fault}", port.link))
    })?;
    Ok(PortRow { domain: port.domain, mac: port.mac.to_string(), port: text })
}
