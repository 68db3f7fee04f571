package reeve

// Rules are those of one interface. A packet is looked at twice: by the link layer frame by frame, then by the connection layer with the
// state of its connection. It passes when both let it. Layer and flow without an entry chain let everything pass.
type Rules struct {
	Chains []Chain
	// Sets that matches name.
	Sets []Set
	// Maps that rules name.
	Maps []VerdictMap
}

// Layer is when packets are looked at.
type Layer uint8

// The layers.
const (
	LinkLayer Layer = iota
	ConnectionLayer
)

// Flow is which packets begin in a chain, seen from the guest.
type Flow uint8

// The flows.
const (
	// NoFlow is that of a chain that is reached by jumps alone.
	NoFlow Flow = iota
	// InFlow is to the guest.
	InFlow
	// OutFlow is from the guest.
	OutFlow
)

// Chain is a list of rules. A packet that leaves the end returns to the caller; from an entry chain it passes.
type Chain struct {
	// Name is unique in the rules: 1 to 64 letters, digits, - and _.
	Name  string
	Layer Layer
	// Entry is that of one chain a layer and flow at most.
	Entry Flow
	Rules []Rule
}

// Rule is conditions, all of which must hold, and what follows.
type Rule struct {
	// Matches are the conditions; none matches every packet.
	Matches []Match
	Then    PacketVerdict
	// Comment is for people; at most 128 characters are kept. None when it is empty.
	Comment string
}

// Match is one condition.
type Match struct {
	Field Field
	// Negated is true when it holds where the field does not match.
	Negated bool
	Operand Operand
}

// PacketVerdict is what follows when a rule matches: PacketAccept, PacketDrop, PacketReject, PacketReturn, PacketContinue, Jump or Lookup.
type PacketVerdict interface{ packetVerdict() }

type (
	// PacketAccept lets the packet pass this layer.
	PacketAccept struct{}
	// PacketDrop throws it away.
	PacketDrop struct{}
	// PacketReject throws it away and tells the sender where the kernel can do that.
	PacketReject struct{}
	// PacketReturn is back to the calling chain; from an entry chain the layer lets the packet pass.
	PacketReturn struct{}
	// PacketContinue is on to the next rule.
	PacketContinue struct{}
	// Jump is on to a chain of the same layer, and back after its end.
	Jump string
	// Lookup is what a map says; the next rule where it says nothing.
	Lookup struct {
		Field Field
		Map   string
	}
)

func (PacketAccept) packetVerdict()   {}
func (PacketDrop) packetVerdict()     {}
func (PacketReject) packetVerdict()   {}
func (PacketReturn) packetVerdict()   {}
func (PacketContinue) packetVerdict() {}
func (Jump) packetVerdict()           {}
func (Lookup) packetVerdict()         {}

// Set is elements of one type: numbers, hardware addresses, or addresses and networks of one family.
type Set struct {
	// Name is unique in the rules, as chains have them.
	Name     string
	Elements []Operand
}

// MapEntry is an element, and what becomes of a packet that has it; not a Lookup.
type MapEntry struct {
	Element Operand
	Then    PacketVerdict
}

// VerdictMap is verdicts by element.
type VerdictMap struct {
	// Name is unique in the rules, as chains have them.
	Name    string
	Entries []MapEntry
}

// Operand is what a field is compared with: one of the types below.
type Operand interface{ operand() }

type (
	// Number is one number.
	Number uint64
	// Range is from and to, both included.
	Range struct{ From, To uint64 }
	// Masked is bits of a number: field & mask == value.
	Masked struct{ Value, Mask uint64 }
	// MAC is one hardware address, lower case with colons.
	MAC string
	// MaskedMAC is bits of a hardware address.
	MaskedMAC struct{ Value, Mask string }
	// Address is one IPv4 or IPv6 address.
	Address string
	// AddressBlock is all addresses of a network: an address and the length of its prefix.
	AddressBlock struct {
		Address string
		Prefix  uint8
	}
	// AddressRange is from and to, both included.
	AddressRange struct{ From, To string }
	// InSet is any element of a set of these rules, by name.
	InSet string
	// States are any of these states of a connection.
	States []ConnectionState
	// HostSet is a set that the host's administrator made. Sources says for each of its fields whether the source is looked up; one to six.
	HostSet struct {
		Name    string
		Sources []bool
	}
)

func (Number) operand()       {}
func (Range) operand()        {}
func (Masked) operand()       {}
func (MAC) operand()          {}
func (MaskedMAC) operand()    {}
func (Address) operand()      {}
func (AddressBlock) operand() {}
func (AddressRange) operand() {}
func (InSet) operand()        {}
func (States) operand()       {}
func (HostSet) operand()      {}

// ConnectionState is the state of a packet's connection.
type ConnectionState uint8

// The states.
const (
	ConnectionNew ConnectionState = iota
	ConnectionEstablished
	ConnectionRelated
	ConnectionInvalid
)

// Field is a field of a packet; the contract's reference says what each is compared with.
type Field uint8

// The fields.
const (
	EtherSource Field = iota
	EtherDestination
	EtherType
	VLANID
	VLANType
	ARPHardwareType
	ARPProtocolType
	ARPOperation
	ARPSourceMAC
	ARPTargetMAC
	ARPSourceIP
	ARPTargetIP
	ARPGratuitous
	IPSource
	IPDestination
	IPProtocol
	IPDSCP
	IP6Source
	IP6Destination
	IP6Protocol
	IP6DSCP
	SourcePort
	DestinationPort
	TCPFlags
	ICMPType
	ICMPCode
	ICMP6Type
	ICMP6Code
	STPType
	STPFlags
	STPRootPriority
	STPRootAddress
	STPRootCost
	STPSenderPriority
	STPSenderAddress
	STPPort
	STPMessageAge
	STPMaxAge
	STPHelloTime
	STPForwardDelay
	StateOfConnection
	ConnectionsAbove
	MemberOfHostSet
)
