//! What net-update does to a network document: elements of sections, and how one is put in, replaced or taken out.

use std::net::IpAddr;

use super::{
    Bridge, Dhcp, DhcpHost, DhcpRange, DnsDomain, DnsHost, DnsSrv, DnsTxt, Forward, IpConfig, NetworkConfig,
    PortGroup, UpdateCommand, UpdateSection,
};

/// An element of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Section {
    /// `<bridge>`.
    Bridge(Bridge),
    /// `<domain>`.
    Domain(DnsDomain),
    /// `<ip>`, told by its address.
    Ip(IpConfig),
    /// `<host>` of `<dhcp>`, told by MAC, DUID, name and address.
    IpDhcpHost(DhcpHost),
    /// `<range>`, told by both ends.
    IpDhcpRange(DhcpRange),
    /// `<forward>`.
    Forward(Forward),
    /// `<interface dev='…'/>` of `<forward>`, told by its device.
    ForwardInterface(String),
    /// `<pf dev='…'/>` of `<forward>`.
    ForwardPf(String),
    /// `<portgroup>`, told by its name.
    Portgroup(PortGroup),
    /// `<host>` of `<dns>`, told by its address and names.
    DnsHost(DnsHost),
    /// `<txt>`, told by its name.
    DnsTxt(DnsTxt),
    /// `<srv>`, told by service, protocol and domain.
    DnsSrv(DnsSrv),
}

/// Why a section was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// The command does not fit the section.
    #[error("section '{section}' of network '{network}' can't be changed by '{command}'; it takes {takes}")]
    Command {
        /// Name of the network.
        network: String,
        /// The section.
        section: UpdateSection,
        /// The command.
        command: UpdateCommand,
        /// Commands that fit.
        takes: &'static str,
    },
    /// An element with this key is there already.
    #[error("network '{network}' has {what} already")]
    Present {
        /// Name of the network.
        network: String,
        /// The element.
        what: String,
    },
    /// There is no element with this key.
    #[error("network '{network}' has no {what}")]
    Absent {
        /// Name of the network.
        network: String,
        /// The element.
        what: String,
    },
    /// The element says too little to be found.
    #[error("{0}")]
    Vague(String),
}

/// How elements of a list are told apart.
struct Keys<'k, T> {
    /// The command that is meant.
    command: UpdateCommand,
    /// What the element is, in words.
    what: &'k str,
    /// An element that stands in the way of adding.
    clashes: &'k dyn Fn(&T) -> bool,
    /// The element that is meant by `modify`.
    modifies: &'k dyn Fn(&T) -> bool,
    /// The element that is meant by `delete`.
    deletes: &'k dyn Fn(&T) -> bool,
}

impl Section {
    /// Which section it is an element of.
    pub fn section(&self) -> UpdateSection {
        match self {
            Self::Bridge(_) => UpdateSection::Bridge,
            Self::Domain(_) => UpdateSection::Domain,
            Self::Ip(_) => UpdateSection::Ip,
            Self::IpDhcpHost(_) => UpdateSection::IpDhcpHost,
            Self::IpDhcpRange(_) => UpdateSection::IpDhcpRange,
            Self::Forward(_) => UpdateSection::Forward,
            Self::ForwardInterface(_) => UpdateSection::ForwardInterface,
            Self::ForwardPf(_) => UpdateSection::ForwardPf,
            Self::Portgroup(_) => UpdateSection::Portgroup,
            Self::DnsHost(_) => UpdateSection::DnsHost,
            Self::DnsTxt(_) => UpdateSection::DnsTxt,
            Self::DnsSrv(_) => UpdateSection::DnsSrv,
        }
    }
}

impl UpdateSection {
    /// True for a section of which `command` can be done (guide 14.22).
    pub fn takes(self, command: UpdateCommand) -> bool {
        match self {
            Self::Bridge | Self::Domain | Self::Forward => command == UpdateCommand::Modify,
            Self::IpDhcpRange | Self::ForwardInterface | Self::DnsHost | Self::DnsTxt | Self::DnsSrv => {
                command != UpdateCommand::Modify
            }
            Self::Ip | Self::IpDhcpHost | Self::ForwardPf | Self::Portgroup => true,
        }
    }
}

impl NetworkConfig {
    /// The network with one section changed; whether the whole still holds is for [`NetworkConfig::check`] to say.
    /// `parent` is the `<ip>` that is meant, from 0; none takes the one that fits.
    pub fn updated(
        &self,
        command: UpdateCommand,
        section: Section,
        parent: Option<u32>,
    ) -> Result<Self, UpdateError> {
        let network = self.name.clone();
        if !section.section().takes(command) {
            let takes = match section.section().takes(UpdateCommand::Modify) {
                true => "'modify' only",
                false => "'add-first', 'add-last' and 'delete'",
            };
            return Err(UpdateError::Command { network, section: section.section(), command, takes });
        }
        let mut changed = self.clone();
        changed.change(command, section, parent)?;
        Ok(changed)
    }

    fn change(
        &mut self,
        command: UpdateCommand,
        section: Section,
        parent: Option<u32>,
    ) -> Result<(), UpdateError> {
        let network = self.name.clone();
        match section {
            Section::Bridge(bridge) => {
                self.bridge = bridge;
                Ok(())
            }
            Section::Domain(domain) => replace(&mut self.domain, domain, &network, "<domain>"),
            Section::Forward(forward) => replace(&mut self.forward, forward, &network, "<forward>"),
            Section::Ip(ip) => {
                let what = format!("<ip address='{}'>", ip.network.address);
                let address = ip.network.address;
                keyed(&mut self.ips, command, ip, &network, &what, &|old| old.network.address == address)
            }
            Section::IpDhcpHost(host) => self.change_host(command, host, parent),
            Section::IpDhcpRange(range) => self.change_range(command, range, parent),
            Section::ForwardInterface(dev) => {
                let what = format!("<interface dev='{dev}'/> in its <forward>");
                let list = &mut self.forwarding(&network)?.interfaces;
                keyed(list, command, dev.clone(), &network, &what, &|old| *old == dev)
            }
            Section::ForwardPf(dev) => self.change_pf(command, dev),
            Section::Portgroup(group) => {
                let what = format!("<portgroup name='{}'>", group.name);
                let name = group.name.clone();
                keyed(&mut self.portgroups, command, group, &network, &what, &|old| old.name == name)
            }
            Section::DnsHost(host) => {
                let what = format!("a DNS <host> of {} or its names", host.ip);
                let named = |old: &DnsHost| host.hostnames.iter().any(|name| old.hostnames.contains(name));
                let whole = |old: &DnsHost| host.hostnames.iter().all(|name| old.hostnames.contains(name));
                let keys = Keys {
                    command,
                    what: &what,
                    clashes: &|old: &DnsHost| old.ip == host.ip || named(old),
                    modifies: &|_| false,
                    deletes: &|old: &DnsHost| old.ip == host.ip && whole(old),
                };
                edit(&mut self.dns.hosts, host.clone(), &network, &keys)
            }
            Section::DnsTxt(txt) => {
                let what = format!("<txt name='{}'>", txt.name);
                let name = txt.name.clone();
                keyed(&mut self.dns.txts, command, txt, &network, &what, &|old| old.name == name)
            }
            Section::DnsSrv(srv) => {
                let what = format!("<srv service='{}' protocol='{}'>", srv.service, srv.protocol);
                let same = |old: &DnsSrv| {
                    (&old.service, &old.protocol, &old.domain) == (&srv.service, &srv.protocol, &srv.domain)
                };
                let target = |old: &DnsSrv| srv.target.is_none() || old.target == srv.target;
                let keys = Keys {
                    command,
                    what: &what,
                    clashes: &|old: &DnsSrv| same(old) && old.target == srv.target,
                    modifies: &|_| false,
                    deletes: &|old: &DnsSrv| same(old) && target(old),
                };
                edit(&mut self.dns.srvs, srv.clone(), &network, &keys)
            }
        }
    }

    fn forwarding(&mut self, network: &str) -> Result<&mut Forward, UpdateError> {
        let absent = || UpdateError::Absent { network: network.to_owned(), what: "<forward>".to_owned() };
        self.forward.as_mut().ok_or_else(absent)
    }

    fn change_pf(&mut self, command: UpdateCommand, dev: String) -> Result<(), UpdateError> {
        let network = self.name.clone();
        let what = format!("<pf dev='{dev}'/> in its <forward>");
        let pf = &mut self.forwarding(&network)?.pf;
        let matches = pf.as_ref() == Some(&dev);
        match command {
            UpdateCommand::AddFirst | UpdateCommand::AddLast if pf.is_some() => {
                Err(UpdateError::Present { network, what: "a <pf> in its <forward>".to_owned() })
            }
            UpdateCommand::Modify if pf.is_none() => {
                Err(UpdateError::Absent { network, what: "<pf> in its <forward>".to_owned() })
            }
            UpdateCommand::Delete if !matches => Err(UpdateError::Absent { network, what }),
            UpdateCommand::Delete => {
                *pf = None;
                Ok(())
            }
            _ => {
                *pf = Some(dev);
                Ok(())
            }
        }
    }

    fn change_host(
        &mut self,
        command: UpdateCommand,
        host: DhcpHost,
        parent: Option<u32>,
    ) -> Result<(), UpdateError> {
        if host.mac.is_none() && host.id.is_none() && host.name.is_none() && host.ip.is_none() {
            return Err(UpdateError::Vague(
                "a DHCP <host> is told by its mac, id, name or ip; give at least one".into(),
            ));
        }
        fn same<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            one.is_some() && one == other
        }
        let who = |old: &DhcpHost| {
            same(old.mac.as_ref(), host.mac.as_ref())
                || same(old.id.as_ref(), host.id.as_ref())
                || same(old.name.as_ref(), host.name.as_ref())
        };
        let fits = |old: &DhcpHost| {
            (host.mac.is_none() || old.mac == host.mac)
                && (host.id.is_none() || old.id == host.id)
                && (host.name.is_none() || old.name == host.name)
                && (host.ip.is_none() || old.ip == host.ip)
        };
        let what = format!("a DHCP <host{}>", describe(&host));
        let keys = Keys {
            command,
            what: &what,
            clashes: &|old: &DhcpHost| who(old) || same(old.ip.as_ref(), host.ip.as_ref()),
            modifies: &who,
            deletes: &fits,
        };
        let found = |dhcp: &Dhcp| match command {
            UpdateCommand::Modify => dhcp.hosts.iter().any(&who),
            UpdateCommand::Delete => dhcp.hosts.iter().any(&fits),
            UpdateCommand::AddFirst | UpdateCommand::AddLast => false,
        };
        let network = self.name.clone();
        let ip = self.serving(parent, host.ip, &found)?;
        edit(&mut ip.dhcp.get_or_insert_default().hosts, host.clone(), &network, &keys)?;
        drop_empty(ip);
        Ok(())
    }

    fn change_range(
        &mut self,
        command: UpdateCommand,
        range: DhcpRange,
        parent: Option<u32>,
    ) -> Result<(), UpdateError> {
        let addresses = range.addresses;
        let what = format!("a DHCP <range> of {addresses}");
        let same = |old: &DhcpRange| old.addresses == addresses;
        let found = |dhcp: &Dhcp| command == UpdateCommand::Delete && dhcp.ranges.iter().any(same);
        let network = self.name.clone();
        let ip = self.serving(parent, Some(addresses.start), &found)?;
        let ranges = &mut ip.dhcp.get_or_insert_default().ranges;
        keyed(ranges, command, range, &network, &what, &same)?;
        drop_empty(ip);
        Ok(())
    }

    /// The `<ip>` that is meant: by its number; or the one that has the element; that serves the address; that has the
    /// address; that serves any; the first IPv4; the first.
    fn serving(
        &mut self,
        parent: Option<u32>,
        address: Option<IpAddr>,
        found: &dyn Fn(&Dhcp) -> bool,
    ) -> Result<&mut IpConfig, UpdateError> {
        let network = self.name.clone();
        let position = match parent {
            Some(index) => usize::try_from(index).ok().filter(|index| *index < self.ips.len()),
            None => {
                let contains = |ip: &IpConfig| address.is_some_and(|address| ip.network.contains(address));
                let serves = |ip: &IpConfig| ip.dhcp.is_some();
                let wishes: [&dyn Fn(&IpConfig) -> bool; 6] = [
                    &|ip| ip.dhcp.as_ref().is_some_and(found),
                    &|ip| serves(ip) && contains(ip),
                    &contains,
                    &serves,
                    &|ip| ip.network.address.is_ipv4(),
                    &|_| true,
                ];
                wishes.iter().find_map(|wish| self.ips.iter().position(wish))
            }
        };
        let absent = || UpdateError::Absent {
            network,
            what: parent.map_or_else(|| "<ip>".to_owned(), |index| format!("<ip> at index {index}")),
        };
        position.and_then(|position| self.ips.get_mut(position)).ok_or_else(absent)
    }
}

/// A `<dhcp>` of which nothing is left serves nothing.
fn drop_empty(ip: &mut IpConfig) {
    if ip.dhcp.as_ref().is_some_and(|dhcp| *dhcp == Dhcp::default()) {
        ip.dhcp = None;
    }
}

fn describe(host: &DhcpHost) -> String {
    let mac = host.mac.map(|mac| format!(" mac='{mac}'"));
    let id = host.id.as_ref().map(|id| format!(" id='{id}'"));
    let name = host.name.as_ref().map(|name| format!(" name='{name}'"));
    let ip = host.ip.map(|ip| format!(" ip='{ip}'"));
    [mac, id, name, ip].into_iter().flatten().collect()
}

fn replace<T>(slot: &mut Option<T>, new: T, network: &str, what: &str) -> Result<(), UpdateError> {
    match slot {
        Some(old) => {
            *old = new;
            Ok(())
        }
        None => Err(UpdateError::Absent { network: network.to_owned(), what: what.to_owned() }),
    }
}

/// Edits a list whose elements have one key.
fn keyed<T>(
    list: &mut Vec<T>,
    command: UpdateCommand,
    new: T,
    network: &str,
    what: &str,
    same: &dyn Fn(&T) -> bool,
) -> Result<(), UpdateError> {
    edit(list, new, network, &Keys { command, what, clashes: same, modifies: same, deletes: same })
}

fn edit<T>(list: &mut Vec<T>, new: T, network: &str, keys: &Keys<'_, T>) -> Result<(), UpdateError> {
    let what = || keys.what.to_owned();
    let place = |meant: &dyn Fn(&T) -> bool| {
        list.iter().position(meant).ok_or_else(|| UpdateError::Absent {
            network: network.to_owned(),
            what: what().trim_start_matches("a ").to_owned(),
        })
    };
    match keys.command {
        UpdateCommand::Modify => {
            let place = place(keys.modifies)?;
            list[place] = new;
        }
        UpdateCommand::Delete => {
            let place = place(keys.deletes)?;
            list.remove(place);
        }
        UpdateCommand::AddFirst | UpdateCommand::AddLast => {
            if list.iter().any(keys.clashes) {
                return Err(UpdateError::Present { network: network.to_owned(), what: what() });
            }
            let place = if keys.command == UpdateCommand::AddFirst { 0 } else { list.len() };
            list.insert(place, new);
        }
    }
    Ok(())
}
