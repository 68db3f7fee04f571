package reeve

// NetworkMode is how guests reach what is outside of their network.
type NetworkMode uint8

// The modes.
const (
	ModeIsolated NetworkMode = iota
	ModeNAT
	ModeRoute
	ModeOpen
	ModeBridge
	ModePrivate
	ModeVEPA
	ModePassthrough
	ModeHostdev
)

// Network is one virtual network.
type Network struct {
	UUID string
	// Name is unique.
	Name string
	Mode NetworkMode
	// Active is true while it runs.
	Active bool
	// Persistent is true when a definition is kept after it stops.
	Persistent bool
	// Autostart is true when the daemon starts it by itself.
	Autostart bool
	// Bridge is the name of its bridge; nil where it has none.
	Bridge *string
	// Addresses are those of the host in it, with the prefix, e.g. 192.168.122.1/24.
	Addresses []string
	// Connections is the number of interfaces of running domains that are plugged into it.
	Connections uint32
}

// Port is an interface of a running domain.
type Port struct {
	// Domain is the name of the domain.
	Domain string
	// MAC is the address, lower case with colons.
	MAC string
	// Link is the name of the tap or macvtap on the host.
	Link string
	// Network is the name of the network; nil for a bridge or device of the host.
	Network *string
	// Filter is the name of the packet filter; nil when it has none.
	Filter *string
	// Addresses are those of the guest that the host knows.
	Addresses []string
}

// Lease is an address that a network's DHCP server gave out.
type Lease struct {
	// MAC is the hardware address; nil where the client did not show it.
	MAC *string
	IP  string
	// Hostname is the name that the guest gave.
	Hostname *string
	// Expires is until when, milliseconds since the Unix epoch; nil is for ever.
	Expires *uint64
}

// PortCounters are what passed a port since it was plugged, seen from the guest.
type PortCounters struct {
	ReceivedBytes   uint64
	ReceivedPackets uint64
	ReceivedDropped uint64
	SentBytes       uint64
	SentPackets     uint64
	SentDropped     uint64
}

// NetworkChange is what happened to a network, to what is plugged into it, or to a packet filter.
type NetworkChange uint8

// The changes.
const (
	NetworkDefined NetworkChange = iota
	NetworkUndefined
	NetworkStarted
	NetworkStopped
	// NetworkUpdated says that a section of it was changed, or its autostart.
	NetworkUpdated
	// PortPlugged says that an interface was plugged in; the detail is its link.
	PortPlugged
	// PortUnplugged says that an interface was unplugged; the detail is its link.
	PortUnplugged
	// LeaseAcquired says that a guest got or renewed an address, the detail.
	LeaseAcquired
	// LeaseExpired says that the lease of the address in the detail ended.
	LeaseExpired
	// ServiceRestarted says that the network's DHCP and DNS server ended and was started again.
	ServiceRestarted
	// FilterChanged says that the packet filter of that name was defined, replaced or removed, or could not be put in force.
	FilterChanged
)

// NetworkEvent is one event of a network or packet filter.
type NetworkEvent struct {
	UUID string
	// Name is that of the network or filter.
	Name   string
	Change NetworkChange
	// Detail is more of it; may be empty.
	Detail string
}

// The functions that answer hooks of networks.
type (
	// NetworkStartGuard answers network-start; xml is the whole document.
	NetworkStartGuard func(ctx Context, network Network, xml string) (Verdict, error)
	// NetworkStopGuard answers network-stop.
	NetworkStopGuard func(ctx Context, network Network) (Verdict, error)
	// PortGuard answers port-plug.
	PortGuard func(ctx Context, domain *Domain, port Port) (Verdict, error)
	// NetworkNotify answers network-events; calls for one network or filter come in order.
	NetworkNotify func(ctx Context, event NetworkEvent) error
	// RulesProposal answers filter-generate; the first of the filters is the one that the interface names.
	RulesProposal func(ctx Context, on Subject, filters []Filter) (Rules, error)
)
