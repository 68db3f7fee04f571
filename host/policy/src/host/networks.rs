//! `reeve:network/networks`: the virtual networks of this host, to read.

use std::sync::Arc;

use reeve_model::network::{Lease, NetworkSummary, Port, PortCounters};
use reeve_model::{Error, ErrorCode, Verb};
use serde_json::Value;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::reeve::network::networks;
use crate::call::{Answered, CallState, contract_error};

/// A network as a guard is asked about it.
#[derive(Debug, Clone)]
pub(crate) struct NetworkView {
    pub(crate) summary: NetworkSummary,
    /// Its document.
    pub(crate) xml: String,
}

/// The contract's form of a network.
pub(crate) fn contract_network(summary: &NetworkSummary) -> networks::Network {
    networks::Network {
        uuid: summary.uuid.to_string(),
        name: summary.name.clone(),
        mode: match summary.mode.as_str() {
            "nat" => networks::Mode::Nat,
            "route" => networks::Mode::Route,
            "open" => networks::Mode::Open,
            "bridge" => networks::Mode::Bridge,
            "private" => networks::Mode::Private,
            "vepa" => networks::Mode::Vepa,
            "passthrough" => networks::Mode::Passthrough,
            "hostdev" => networks::Mode::Hostdev,
            _ => networks::Mode::Isolated,
        },
        active: summary.active,
        persistent: summary.persistent,
        autostart: summary.autostart,
        bridge: summary.bridge.clone(),
        addresses: summary.addresses.clone(),
        connections: summary.connections,
    }
}

/// The contract's form of a port.
pub(crate) fn contract_port(port: &Port) -> networks::Port {
    networks::Port {
        domain: port.domain_name.clone(),
        mac: port.mac.to_string(),
        link: port.link.clone(),
        network: port.network.clone(),
        filter: port.filter.clone(),
        addresses: port.addresses.iter().map(ToString::to_string).collect(),
    }
}

fn contract_lease(lease: &Lease) -> networks::Lease {
    let milliseconds = |time: time::OffsetDateTime| u64::try_from(time.unix_timestamp_nanos() / 1_000_000);
    networks::Lease {
        mac: lease.mac.map(|mac| mac.to_string()),
        ip: lease.ip.to_string(),
        hostname: lease.hostname.clone(),
        expires: lease.expires.map(|time| milliseconds(time).unwrap_or(0)),
    }
}

fn contract_counters(counters: PortCounters) -> networks::Counters {
    networks::Counters {
        received_bytes: counters.received_bytes,
        received_packets: counters.received_packets,
        received_dropped: counters.received_dropped,
        sent_bytes: counters.sent_bytes,
        sent_packets: counters.sent_packets,
        sent_dropped: counters.sent_dropped,
    }
}

fn unknown(name: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("network '{name}' does not exist"))
}

impl CallState {
    /// A name outside of the grant is as one that does not exist.
    fn readable(&self, name: &str) -> Result<(), Error> {
        if self.permits(Verb::NetworkRead, name) { Ok(()) } else { Err(unknown(name)) }
    }
}

impl networks::Host for CallState {
    async fn list(&mut self) -> Answered<Vec<networks::Network>> {
        self.count()?;
        let (services, active) = (Arc::clone(&self.outside.services), Arc::clone(&self.active));
        self.witness_async("reeve:network/networks.list", Vec::new, async move {
            let mut all = services.networks().await;
            all.retain(|summary| active.grants.permits(Verb::NetworkRead, &summary.name));
            Ok(all.iter().map(contract_network).collect::<Vec<_>>())
        })
        .await
    }

    async fn get(&mut self, name: String) -> Answered<networks::Network> {
        self.count()?;
        let (services, readable) = (Arc::clone(&self.outside.services), self.readable(&name));
        let asked = name.clone();
        let arguments = || vec![Value::from(name)];
        self.witness_async("reeve:network/networks.get", arguments, async move {
            readable.map_err(|error| contract_error(&error))?;
            let found = services.networks().await.into_iter().find(|summary| summary.name == asked);
            found.map(|summary| contract_network(&summary)).ok_or_else(|| contract_error(&unknown(&asked)))
        })
        .await
    }

    async fn ports(&mut self, network: String) -> Answered<Vec<networks::Port>> {
        self.count()?;
        let (services, readable) = (Arc::clone(&self.outside.services), self.readable(&network));
        let asked = network.clone();
        let arguments = || vec![Value::from(network)];
        self.witness_async("reeve:network/networks.ports", arguments, async move {
            readable.map_err(|error| contract_error(&error))?;
            let ports = services.ports(&asked).await.map_err(|error| contract_error(&error))?;
            Ok(ports.iter().map(contract_port).collect::<Vec<_>>())
        })
        .await
    }

    async fn leases(&mut self, network: String) -> Answered<Vec<networks::Lease>> {
        self.count()?;
        let (services, readable) = (Arc::clone(&self.outside.services), self.readable(&network));
        let asked = network.clone();
        let arguments = || vec![Value::from(network)];
        self.witness_async("reeve:network/networks.leases", arguments, async move {
            readable.map_err(|error| contract_error(&error))?;
            let leases = services.leases(&asked).await.map_err(|error| contract_error(&error))?;
            Ok(leases.iter().map(contract_lease).collect::<Vec<_>>())
        })
        .await
    }

    async fn port_counters(&mut self, network: String, link: String) -> Answered<networks::Counters> {
        self.count()?;
        let (services, readable) = (Arc::clone(&self.outside.services), self.readable(&network));
        let (asked, port) = (network.clone(), link.clone());
        let arguments = || vec![Value::from(network), Value::from(link)];
        self.witness_async("reeve:network/networks.port-counters", arguments, async move {
            readable.map_err(|error| contract_error(&error))?;
            let counters = services.port_counters(&asked, &port).await;
            counters.map(contract_counters).map_err(|error| contract_error(&error))
        })
        .await
    }
}

/// Makes the interface importable.
pub(crate) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    networks::add_to_linker::<_, HasSelf<CallState>>(linker, |state| state)
}
