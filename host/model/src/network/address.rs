//! `<ip>`, `<route>` and what they are made of.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::MacAddress;

/// A first and a last address, both included, of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AddressRange {
    /// First address.
    pub start: IpAddr,
    /// Last address.
    pub end: IpAddr,
}

/// A first and a last port, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PortRange {
    /// First port.
    pub start: u16,
    /// Last port.
    pub end: u16,
}

/// An address with the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IpNetwork {
    /// An address; its host bits count where it is an interface's own.
    pub address: IpAddr,
    /// Bits of the network, 0 to 32 or 128.
    pub prefix: u8,
}

/// `<ip>`: an address of the host in the network, and what is served there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpConfig {
    /// The host's address with the network's prefix; `netmask` is read as one.
    pub network: IpNetwork,
    /// True when the document writes `netmask` and not `prefix`.
    #[serde(default)]
    pub netmask_form: bool,
    /// `localPtr='yes'`: reverse queries of this network are not forwarded.
    #[serde(default)]
    pub local_ptr: bool,
    /// `<tftp root='…'/>`.
    #[serde(default)]
    pub tftp_root: Option<String>,
    /// `<dhcp>`; none serves no addresses.
    #[serde(default)]
    pub dhcp: Option<Dhcp>,
}

/// `<dhcp>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dhcp {
    /// `<range>` in document order.
    #[serde(default)]
    pub ranges: Vec<DhcpRange>,
    /// `<host>` in document order.
    #[serde(default)]
    pub hosts: Vec<DhcpHost>,
    /// `<bootp file='…' server='…'/>`.
    #[serde(default)]
    pub bootp: Option<Bootp>,
}

/// `<range start='…' end='…'>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpRange {
    /// The addresses.
    pub addresses: AddressRange,
    /// `<lease expiry unit>`: seconds a lease lasts, 0 for ever; none takes an hour.
    #[serde(default)]
    pub lease_s: Option<u64>,
}

/// `<host>`: an address that is always the same guest's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DhcpHost {
    /// `mac`: an IPv4 client.
    #[serde(default)]
    pub mac: Option<MacAddress>,
    /// `id`: DUID of an IPv6 client.
    #[serde(default)]
    pub id: Option<String>,
    /// `name`: host name it gets.
    #[serde(default)]
    pub name: Option<String>,
    /// `ip`.
    #[serde(default)]
    pub ip: Option<IpAddr>,
    /// `<lease>`: seconds its lease lasts, 0 for ever.
    #[serde(default)]
    pub lease_s: Option<u64>,
}

/// `<bootp>`: what a PXE client loads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootp {
    /// File to load.
    pub file: String,
    /// Server to load it from; none is the host itself.
    #[serde(default)]
    pub server: Option<String>,
}

/// `<route>`: a network behind one of the guests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where it leads.
    pub destination: IpNetwork,
    /// True when the document writes `netmask` and not `prefix`.
    #[serde(default)]
    pub netmask_form: bool,
    /// The guest that forwards.
    pub gateway: IpAddr,
    /// Metric; none takes 1.
    #[serde(default)]
    pub metric: Option<u32>,
}

impl IpNetwork {
    /// The network of an address and a prefix that fits its family.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= Self::bits(address)).then_some(Self { address, prefix })
    }

    /// The network of an address and a netmask of ones, then zeroes; of the same family.
    pub fn with_netmask(address: IpAddr, netmask: IpAddr) -> Option<Self> {
        let prefix = match (address, netmask) {
            (IpAddr::V4(_), IpAddr::V4(mask)) => {
                let mask = mask.to_bits();
                (mask.leading_ones() + mask.trailing_zeros() == 32).then(|| mask.leading_ones())
            }
            (IpAddr::V6(_), IpAddr::V6(mask)) => {
                let mask = mask.to_bits();
                (mask.leading_ones() + mask.trailing_zeros() == 128).then(|| mask.leading_ones())
            }
            _ => None,
        }?;
        Self::new(address, u8::try_from(prefix).ok()?)
    }

    /// The netmask of the prefix.
    pub fn netmask(self) -> IpAddr {
        self.of_bits(u128::MAX)
    }

    /// The first address: all host bits zero.
    pub fn first(self) -> IpAddr {
        match self.address {
            IpAddr::V4(address) => self.of_bits(u128::from(address.to_bits()) << 96),
            IpAddr::V6(address) => self.of_bits(address.to_bits()),
        }
    }

    /// The last address: all host bits one; the broadcast address of an IPv4 network.
    pub fn last(self) -> IpAddr {
        let host = u128::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
        match (self.first(), self.address) {
            (IpAddr::V4(first), _) => {
                let bits = (u128::from(first.to_bits()) << 96) | host;
                IpAddr::V4(((bits >> 96) as u32).into())
            }
            (IpAddr::V6(first), _) => IpAddr::V6((first.to_bits() | host).into()),
        }
    }

    /// True for an address of this network.
    pub fn contains(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && Self { address, prefix: self.prefix }.first() == self.first()
    }

    /// True when any address is in both.
    pub fn overlaps(self, other: Self) -> bool {
        let wider = if self.prefix <= other.prefix { self } else { other };
        let narrower = if self.prefix <= other.prefix { other } else { self };
        wider.contains(narrower.address)
    }

    fn bits(address: IpAddr) -> u8 {
        if address.is_ipv4() { 32 } else { 128 }
    }

    /// `bits`, left-aligned, without its host part, in the family of this network.
    fn of_bits(self, bits: u128) -> IpAddr {
        let network = bits & !u128::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
        match self.address {
            IpAddr::V4(_) => IpAddr::V4(((network >> 96) as u32).into()),
            IpAddr::V6(_) => IpAddr::V6(network.into()),
        }
    }
}

impl std::fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl AddressRange {
    /// How many addresses; none when the last is before the first or the families differ.
    pub fn count(self) -> Option<u128> {
        match (self.start, self.end) {
            (IpAddr::V4(start), IpAddr::V4(end)) => {
                u128::from(end.to_bits()).checked_sub(u128::from(start.to_bits()))?.checked_add(1)
            }
            (IpAddr::V6(start), IpAddr::V6(end)) => {
                end.to_bits().checked_sub(start.to_bits())?.checked_add(1)
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for AddressRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.start, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::IpNetwork;

    fn network(address: &str, prefix: u8) -> IpNetwork {
        IpNetwork::new(address.parse().unwrap(), prefix).unwrap()
    }

    #[test]
    fn networks_know_their_ends() {
        let net = network("192.168.122.1", 24);
        assert_eq!(net.first().to_string(), "192.168.122.0");
        assert_eq!(net.last().to_string(), "192.168.122.255");
        assert_eq!(net.netmask().to_string(), "255.255.255.0");
        let net = network("2001:db8::1", 64);
        assert_eq!(net.first().to_string(), "2001:db8::");
        assert_eq!(net.last().to_string(), "2001:db8::ffff:ffff:ffff:ffff");
        assert_eq!(network("10.0.0.1", 0).last().to_string(), "255.255.255.255");
        assert_eq!(network("10.0.0.1", 32).first().to_string(), "10.0.0.1");
    }

    #[test]
    fn overlap_is_containment_of_one_in_the_other() {
        assert!(network("10.0.0.1", 8).overlaps(network("10.3.0.1", 16)));
        assert!(network("10.3.0.1", 16).overlaps(network("10.0.0.1", 8)));
        assert!(!network("10.3.0.1", 16).overlaps(network("10.4.0.1", 16)));
        assert!(!network("10.3.0.1", 16).overlaps(network("2001:db8::1", 16)));
    }

    #[test]
    fn a_netmask_must_be_a_prefix() {
        let with = |mask: &str| IpNetwork::with_netmask("10.0.0.1".parse().unwrap(), mask.parse().unwrap());
        assert_eq!(with("255.255.255.0").unwrap().prefix, 24);
        assert_eq!(with("0.0.0.0").unwrap().prefix, 0);
        assert_eq!(with("255.255.255.255").unwrap().prefix, 32);
        assert_eq!(with("255.0.255.0"), None);
        assert_eq!(with("ffff::"), None);
    }
}
