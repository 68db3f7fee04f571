//! What is plugged into a network, and the addresses it gave out.

use clap::Args;
use reeve_model::network::{Lease, Port};
use serde::Serialize;

use super::Target;
use crate::context::Context;
use crate::output::{Show, moment, or_dash, table};

/// Options of `reeve network dhcp-leases`.
#[derive(Debug, Args)]
pub struct DhcpLeases {
    #[command(flatten)]
    target: Target,
    /// Only those of this MAC address
    #[arg(long)]
    mac: Option<String>,
}

/// Options of `reeve network ports`.
#[derive(Debug, Args)]
pub struct Ports {
    #[command(flatten)]
    target: Target,
}

impl DhcpLeases {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut leases = context.client.network_leases(&self.target.network).await?;
        if let Some(wanted) = &self.mac {
            leases.retain(|lease| lease.mac.is_some_and(|mac| mac.to_string().eq_ignore_ascii_case(wanted)));
        }
        context.show(&Leases(leases))
    }
}

impl Ports {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let ports = context.client.network_ports(&self.target.network).await?;
        context.show(&Plugged(ports))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Leases(Vec<Lease>);

impl Show for Leases {
    const ELEMENT: &'static str = "leases";

    fn human(&self) -> String {
        let cells = |lease: &Lease| {
            [
                lease.expires.map_or_else(|| "never".to_owned(), moment),
                or_dash(lease.mac),
                if lease.ip.is_ipv4() { "ipv4" } else { "ipv6" }.to_owned(),
                format!("{}/{}", lease.ip, lease.prefix),
                or_dash(lease.hostname.clone()),
                or_dash(lease.client_id.clone()),
            ]
        };
        let header =
            ["Expiry Time", "MAC address", "Protocol", "IP address", "Hostname", "Client ID or DUID"];
        table(header, self.0.iter().map(cells))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Plugged(Vec<Port>);

impl Show for Plugged {
    const ELEMENT: &'static str = "ports";

    fn human(&self) -> String {
        let cells = |port: &Port| {
            let addresses: Vec<String> = port.addresses.iter().map(ToString::to_string).collect();
            [
                port.domain_name.clone(),
                port.link.clone(),
                port.mac.to_string(),
                or_dash(port.filter.clone()),
                or_dash((!addresses.is_empty()).then(|| addresses.join(", "))),
            ]
        };
        table(["Domain", "Interface", "MAC", "Filter", "Addresses"], self.0.iter().map(cells))
    }
}
