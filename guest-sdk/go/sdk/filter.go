package reeve

// FilterAction is what becomes of a packet that a rule of a filter matches.
type FilterAction uint8

// The actions.
const (
	FilterDrop FilterAction = iota
	FilterReject
	FilterAccept
	// FilterReturn is back to the calling filter.
	FilterReturn
	// FilterContinue is on to the next rule.
	FilterContinue
)

// FilterDirection is which way a packet goes, seen from the guest.
type FilterDirection uint8

// The directions.
const (
	FilterIn FilterDirection = iota
	FilterOut
	FilterInOut
)

// FilterValue is the value of an attribute: Literal, VariableElement or VariableIterator.
type FilterValue interface{ filterValue() }

type (
	// Literal is a value as it is written.
	Literal string
	// VariableElement is one value of a variable of the filter that the rule stands in, by its place, from 0.
	VariableElement struct {
		Name  string
		Place uint32
	}
	// VariableIterator is all values of a variable, a rule each. Variables with the same iterator go in step, others are combined, the
	// first slowest.
	VariableIterator struct {
		Name     string
		Iterator uint32
	}
)

func (Literal) filterValue()          {}
func (VariableElement) filterValue()  {}
func (VariableIterator) filterValue() {}

// Condition is one attribute of a protocol node.
type Condition struct {
	// Attribute is its name, as the document writes it, e.g. srcipaddr.
	Attribute string
	Value     FilterValue
}

// ProtocolMatch is a protocol node.
type ProtocolMatch struct {
	// Protocol is mac, vlan, stp, arp, rarp, ip, ipv6, tcp, udp-ipv6…
	Protocol string
	// Negated is true when every attribute must differ.
	Negated bool
	// Conditions are the attributes in document order, comment among them.
	Conditions []Condition
}

// FilterEntry is what stands in a filter: FilterReference or FilterRule.
type FilterEntry interface{ filterEntry() }

type (
	// FilterReference is another filter, by its position in the tree; always a later one.
	FilterReference uint32
	// FilterRule is a rule.
	FilterRule struct {
		Action    FilterAction
		Direction FilterDirection
		// Priority is -1000 to 1000, lower first; equal ones keep the order they have.
		Priority int32
		// StateMatch is false where the state match is turned off.
		StateMatch bool
		// Matches are protocol nodes, all of one protocol, all of which must match; none matches every packet.
		Matches []ProtocolMatch
	}
)

func (FilterReference) filterEntry() {}
func (FilterRule) filterEntry()      {}

// Parameter is all values of one variable.
type Parameter struct {
	// Name is without $.
	Name   string
	Values []string
}

// Filter is one packet filter.
type Filter struct {
	Name string
	// Chain is root, that of a protocol (stp, mac, vlan, ipv4, ipv6, arp, rarp), or one with a suffix, e.g. arp-xyz.
	Chain string
	// Priority is that of the chain, lower first.
	Priority  int32
	Variables []Parameter
	// Entries are references and rules in document order.
	Entries []FilterEntry
}

// Subject is the interface that rules are for.
type Subject struct {
	// Domain is the name of the domain.
	Domain string
	// Link is the name of the tap on the host. Rules are about this interface alone; they need not match it.
	Link string
	// MAC is the address, lower case with colons.
	MAC string
	// Addresses are those of the guest that are known, from the document or learned.
	Addresses []string
}
