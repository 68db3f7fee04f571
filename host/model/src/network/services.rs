//! `<dns>` and `<domain>`: what the network's dnsmasq answers.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// `<domain name='…' localOnly='yes'/>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsDomain {
    /// DNS domain of the guests.
    pub name: String,
    /// Queries under it are never forwarded.
    #[serde(default)]
    pub local_only: bool,
}

/// `<dns>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    /// `enable='no'` serves no names.
    #[serde(default)]
    pub enable: Option<bool>,
    /// `forwardPlainNames='no'` keeps names without a dot.
    #[serde(default)]
    pub forward_plain_names: Option<bool>,
    /// `<forwarder>`: where queries go; empty takes the host's own resolvers.
    #[serde(default)]
    pub forwarders: Vec<DnsForwarder>,
    /// `<txt>`.
    #[serde(default)]
    pub txts: Vec<DnsTxt>,
    /// `<host>`.
    #[serde(default)]
    pub hosts: Vec<DnsHost>,
    /// `<srv>`.
    #[serde(default)]
    pub srvs: Vec<DnsSrv>,
}

/// `<forwarder addr='…' domain='…'/>`; at least one of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsForwarder {
    /// Server; none keeps the domain local.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// Only names under this domain.
    #[serde(default)]
    pub domain: Option<String>,
}

/// `<txt name='…' value='…'/>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsTxt {
    /// Name.
    pub name: String,
    /// Text.
    #[serde(default)]
    pub value: Option<String>,
}

/// `<host ip='…'><hostname>…</hostname></host>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsHost {
    /// Its address.
    pub ip: IpAddr,
    /// Its names.
    pub hostnames: Vec<String>,
}

/// `<srv>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsSrv {
    /// Service, without its underscore.
    pub service: String,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Domain it is for; none takes the network's.
    #[serde(default)]
    pub domain: Option<String>,
    /// Host that serves; none says that there is none.
    #[serde(default)]
    pub target: Option<String>,
    /// Port, 1 to 65535.
    #[serde(default)]
    pub port: Option<u16>,
    /// Priority.
    #[serde(default)]
    pub priority: Option<u16>,
    /// Weight.
    #[serde(default)]
    pub weight: Option<u16>,
}
