//! The virtual networks of this host: their types, and functions to read them. The functions need the grant `network:read`; a network
//! outside the grant's subjects is not found.

const backend = @import("backend.zig");

/// How guests reach what is outside of their network.
pub const Mode = enum(u8) { isolated, nat, route, open, bridge, private, vepa, passthrough, hostdev };

/// One network.
pub const Network = struct {
    uuid: []const u8 = "00000000-0000-4000-8000-000000000001",
    /// Unique name.
    name: []const u8 = "test",
    mode: Mode = .nat,
    /// True while it runs.
    active: bool = false,
    /// True when a definition is kept after it stops.
    persistent: bool = true,
    /// True when the daemon starts it by itself.
    autostart: bool = false,
    /// Name of its bridge; null where it has none.
    bridge: ?[]const u8 = null,
    /// Addresses of the host in it, with the prefix, e.g. `192.168.122.1/24`.
    addresses: []const []const u8 = &.{},
    /// Interfaces of running domains that are plugged into it.
    connections: u32 = 0,
};

/// An interface of a running domain.
pub const Port = struct {
    /// Name of the domain.
    domain: []const u8 = "test",
    /// MAC address, lower case with colons.
    mac: []const u8 = "52:54:00:00:00:01",
    /// Name of the tap or macvtap on the host.
    link: []const u8 = "tap0",
    /// Name of the network; null for a bridge or device of the host.
    network: ?[]const u8 = null,
    /// Name of the packet filter; null when it has none.
    filter: ?[]const u8 = null,
    /// Addresses of the guest that the host knows.
    addresses: []const []const u8 = &.{},
};

/// An address that a network's DHCP server gave out.
pub const Lease = struct {
    /// Hardware address; null where the client did not show it.
    mac: ?[]const u8,
    ip: []const u8,
    /// Name that the guest gave.
    hostname: ?[]const u8,
    /// Until when, milliseconds since the Unix epoch; null is for ever.
    expires: ?u64,
};

/// What passed a port since it was plugged, seen from the guest.
pub const Counters = struct {
    received_bytes: u64 = 0,
    received_packets: u64 = 0,
    received_dropped: u64 = 0,
    sent_bytes: u64 = 0,
    sent_packets: u64 = 0,
    sent_dropped: u64 = 0,
};

/// What happened to a network, to what is plugged into it, or to a packet filter.
pub const Change = enum(u8) {
    defined,
    undefined,
    started,
    stopped,
    /// A section of a network was changed, or its autostart.
    updated,
    /// An interface of a domain was plugged in; `detail` is its link.
    port_plugged,
    /// An interface of a domain was unplugged; `detail` is its link.
    port_unplugged,
    /// A guest got or renewed an address; `detail` is the address.
    lease_acquired,
    /// A lease ended; `detail` is the address.
    lease_expired,
    /// The network's DHCP and DNS server ended and was started again.
    service_restarted,
    /// A packet filter was defined, replaced or removed, or could not be put in force; `name` is the filter.
    filter_changed,
};

/// One event.
pub const NetworkEvent = struct {
    /// Identity of the network or filter.
    uuid: []const u8,
    /// Its name.
    name: []const u8,
    change: Change,
    /// More of it; may be empty.
    detail: []const u8,
};

/// All networks by name.
pub const list = backend.networks.list;
/// One network by name.
pub const get = backend.networks.get;
/// Ports of one network.
pub const ports = backend.networks.ports;
/// Leases of one network that have not expired.
pub const leases = backend.networks.leases;
/// Counters of a port of one network, by its link.
pub const portCounters = backend.networks.portCounters;
