//! The tables that all ports share.

use reeve_model::filter::{Flow, Layer};

/// Table of the bridge family.
pub const BRIDGE_TABLE: &str = "reeve";
/// Table of the inet family.
pub const INET_TABLE: &str = "reeve-filter";

/// The upper half of the packet mark is this crate's while a packet is in a bridge; the host's own stack never sees it.
pub(crate) mod marks {
    use reeve_model::filter::{ConnectionState, Flow};

    /// Where the state of a connection stands.
    pub const STATE: u32 = 0x0f00_0000;
    /// With a port's number in the lower half: a packet on the way from a bridge to the table that counts.
    pub const PORT: u32 = 0xc000_0000;
    /// Which rules of packets from the guest count more connections than they allow.
    pub const ABOVE_OUT: u32 = 0x001f_0000;
    /// Of packets to the guest.
    pub const ABOVE_IN: u32 = 0x30e0_0000;

    /// The bit of a state.
    pub fn state(state: ConnectionState) -> u32 {
        match state {
            ConnectionState::New => 0x0100_0000,
            ConnectionState::Established => 0x0200_0000,
            ConnectionState::Related => 0x0400_0000,
            ConnectionState::Invalid => 0x0800_0000,
        }
    }

    /// All bits of a way.
    pub fn above(flow: Flow) -> u32 {
        match flow {
            Flow::In => ABOVE_IN,
            Flow::Out => ABOVE_OUT,
        }
    }

    /// The bit of the `nth` rule that counts; none when there is none left.
    pub fn nth(flow: Flow, nth: usize) -> Option<u32> {
        (0..32).map(|bit| 1 << bit).filter(|bit| above(flow) & bit != 0).nth(nth)
    }
}

/// The map that leads packets of a layer and way to the chains of their port.
pub(crate) fn dispatch(layer: Layer, flow: Flow) -> &'static str {
    match (layer, flow) {
        (Layer::Link, Flow::In) => "link-in",
        (Layer::Link, Flow::Out) => "link-out",
        (Layer::Connection, Flow::In) => "connection-in",
        (Layer::Connection, Flow::Out) => "connection-out",
    }
}

/// Names in table `bridge reeve` that are no administrator's.
pub fn is_reserved(name: &str) -> bool {
    let of_port = name.strip_prefix('p').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let of_all = ["link-in", "link-out", "connection-in", "connection-out", "count-in", "count-out"];
    of_port || of_all.contains(&name) || name == SAME_BYTES
}

/// A set of all pairs of equal bytes: nft can't compare two fields of a packet.
pub(crate) const SAME_BYTES: &str = "same-bytes";

/// Both tables without any port. It is applied once; a second time would double the rules.
///
/// Frames to 01:80:c2:00:00:0X skip prerouting and postrouting when the bridge itself takes part in their protocol, so what a guest
/// sends there is looked at on its way into the host, and what the bridge sends on its way out.
///
/// The host's own stack decides by the packet mark too, so marks are written late and taken away early: the states of packets from
/// guests in prerouting, of packets to guests in postrouting, and `into-host` clears them.
pub const BASE: &str = r#"table bridge reeve {
map link-out { type ifname : verdict; }
map link-in { type ifname : verdict; }
map connection-out { type ifname : verdict; }
map connection-in { type ifname : verdict; }
map count-out { type ifname : mark; }
map count-in { type ifname : mark; }
set same-bytes { typeof @nh,112,8 . @nh,192,8; }
chain from-guest-port {
 type filter hook prerouting priority -300; policy accept;
 meta mark set iifname map @count-out
}
chain from-guest-link {
 type filter hook prerouting priority 100; policy accept;
 iifname vmap @link-out
}
chain from-guest-connection {
 type filter hook prerouting priority 200; policy accept;
 ether type { ip, ip6 } iifname vmap @connection-out
}
chain from-guest-reserved {
 type filter hook input priority 100; policy accept;
 ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 iifname vmap @link-out
}
chain into-host {
 type filter hook input priority 300; policy accept;
 meta mark & 0xffff0000 != 0x0 meta mark set meta mark & 0x0000ffff
}
chain to-guest-port {
 type filter hook forward priority -300; policy accept;
 meta mark set oifname map @count-in
}
chain to-guest-link {
 type filter hook postrouting priority 100; policy accept;
 oifname vmap @link-in
}
chain to-guest-connection {
 type filter hook postrouting priority 200; policy accept;
 ether type { ip, ip6 } oifname vmap @connection-in
}
chain to-guest-reserved {
 type filter hook output priority 100; policy accept;
 ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 oifname vmap @link-in
}
}
table inet reeve-filter {
map count-out { type mark : verdict; }
map count-in { type mark : verdict; }
map count-in-ipv4 { type ifname . ipv4_addr : verdict; }
map count-in-ipv6 { type ifname . ipv6_addr : verdict; }
chain state {
 meta mark set meta mark & 0xf0ffffff
 ct state established meta mark set meta mark | 0x02000000 return
 ct state new meta mark set meta mark | 0x01000000 return
 ct state related meta mark set meta mark | 0x04000000 return
 ct state invalid meta mark set meta mark | 0x08000000
}
chain from-bridge {
 type filter hook prerouting priority -150; policy accept;
 meta iifkind "bridge" jump state
 meta iifkind "bridge" meta mark & 0xf0ffffff vmap @count-out
 meta mark & 0xc0000000 == 0xc0000000 meta mark set meta mark & 0x3fff0000
}
chain through-bridge {
 type filter hook forward priority -150; policy accept;
 meta oifkind "bridge" meta mark & 0xffff0000 == 0xc0000000 jump count-bridged
}
chain count-bridged {
 jump state
 meta mark & 0xf0ffffff vmap @count-in
 meta mark set meta mark & 0x3fff0000
}
chain to-bridge {
 type filter hook postrouting priority -150; policy accept;
 meta oifkind "bridge" jump state
 meta oifkind "bridge" oifname . ip daddr vmap @count-in-ipv4
 meta oifkind "bridge" oifname . ip6 daddr vmap @count-in-ipv6
}
}
"#;
