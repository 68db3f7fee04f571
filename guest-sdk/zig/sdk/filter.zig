//! Packet filters: the tree that `filterGenerate` gets, and the rules that it gives.

pub const Filter = tree.Filter;
pub const Subject = tree.Subject;
pub const Rules = ruleset.Rules;

/// A packet filter with everything it refers to. The documents are checked: attributes belong to their protocol, and every value fits
/// its attribute.
pub const tree = struct {
    /// What becomes of a packet that a rule matches.
    pub const Action = enum(u8) { drop, reject, accept, @"return", @"continue" };

    /// Which way a packet goes, seen from the guest.
    pub const Direction = enum(u8) { in, out, inout };

    /// Which values of a variable are meant.
    pub const Access = union(enum) {
        /// The one at this position, from 0.
        element: u32,
        /// All of them, a rule each. Variables with the same iterator go in step, others are combined, the first slowest.
        iterator: u32,
    };

    /// A reference to a variable of the filter that the rule stands in.
    pub const Variable = struct { name: []const u8, access: Access };

    /// The value of an attribute.
    pub const Value = union(enum) {
        /// As it is written.
        literal: []const u8,
        variable: Variable,
    };

    /// One attribute of a protocol node, by the name that the document has for it, e.g. `srcipaddr`.
    pub const Condition = struct { attribute: []const u8, value: Value };

    /// A protocol node.
    pub const ProtocolMatch = struct {
        /// `mac`, `vlan`, `stp`, `arp`, `rarp`, `ip`, `ipv6`, `tcp`, `udp-ipv6`…
        protocol: []const u8,
        /// Every attribute must differ.
        negated: bool = false,
        /// Attributes in document order, `comment` among them.
        conditions: []const Condition = &.{},
    };

    /// A rule.
    pub const Rule = struct {
        action: Action,
        direction: Direction,
        /// -1000 to 1000, lower first; equal ones keep the order they have.
        priority: i32 = 500,
        /// False turns the state match off.
        statematch: bool = true,
        /// Protocol nodes, all of one protocol, all of which must match; none matches every packet.
        matches: []const ProtocolMatch = &.{},
    };

    /// What stands in a filter.
    pub const Entry = union(enum) {
        /// Another filter, by its position in the tree; always a later one.
        reference: u32,
        rule: Rule,
    };

    /// All values of one variable.
    pub const Parameter = struct { name: []const u8, values: []const []const u8 };

    /// One filter.
    pub const Filter = struct {
        name: []const u8 = "test",
        /// `root`, the chain of a protocol, or one with a suffix, e.g. `arp-xyz`.
        chain: []const u8 = "root",
        /// Priority of the chain, lower first.
        priority: i32 = 0,
        variables: []const Parameter = &.{},
        /// References and rules in document order.
        entries: []const Entry = &.{},
    };

    /// The interface that rules are for.
    pub const Subject = struct {
        /// Name of the domain.
        domain: []const u8 = "test",
        /// Name of the tap on the host. Rules are about this interface alone; they need not match it.
        link: []const u8 = "tap0",
        /// MAC address, lower case with colons.
        mac: []const u8 = "52:54:00:00:00:01",
        /// Addresses of the guest that are known, from the document or learned.
        addresses: []const []const u8 = &.{},
    };
};

/// The rules of one interface. A packet is looked at twice: by layer `link` frame by frame, then by layer `connection` with the state
/// of its connection. It passes when both let it. Layer and flow without an entry chain let everything pass.
pub const ruleset = struct {
    /// When packets are looked at.
    pub const Layer = enum(u8) { link, connection };

    /// The way of a packet, seen from the guest.
    pub const Flow = enum(u8) { in, out };

    /// A field of a packet; the contract's reference says what each is compared with.
    pub const Field = enum(u8) {
        ether_source,
        ether_destination,
        ether_type,
        vlan_id,
        vlan_type,
        arp_hardware_type,
        arp_protocol_type,
        arp_operation,
        arp_source_mac,
        arp_target_mac,
        arp_source_ip,
        arp_target_ip,
        arp_gratuitous,
        ip_source,
        ip_destination,
        ip_protocol,
        ip_dscp,
        ip6_source,
        ip6_destination,
        ip6_protocol,
        ip6_dscp,
        source_port,
        destination_port,
        tcp_flags,
        icmp_type,
        icmp_code,
        icmp6_type,
        icmp6_code,
        stp_type,
        stp_flags,
        stp_root_priority,
        stp_root_address,
        stp_root_cost,
        stp_sender_priority,
        stp_sender_address,
        stp_port,
        stp_message_age,
        stp_max_age,
        stp_hello_time,
        stp_forward_delay,
        state,
        connections_above,
        host_set,
    };

    /// The state of a packet's connection.
    pub const ConnectionState = enum(u8) { new, established, related, invalid };

    /// From and to, both included.
    pub const Range = struct { from: u64, to: u64 };

    /// The bits of a number under a mask.
    pub const Masked = struct { value: u64, mask: u64 };

    /// The bits of a hardware address under a mask, lower case with colons.
    pub const MaskedMac = struct { value: []const u8, mask: []const u8 };

    /// All addresses of a network: an address and the length of its prefix.
    pub const Network = struct { address: []const u8, prefix: u8 };

    /// From and to, both included.
    pub const Addresses = struct { from: []const u8, to: []const u8 };

    /// A set that the host's administrator made.
    pub const HostSet = struct {
        name: []const u8,
        /// Which addresses or ports are looked up, in the order of the set's fields; `true` is the source.
        sources: []const bool,
    };

    /// What a field is compared with.
    pub const Operand = union(enum) {
        number: u64,
        range: Range,
        masked: Masked,
        /// One hardware address, lower case with colons.
        mac: []const u8,
        masked_mac: MaskedMac,
        /// One IPv4 or IPv6 address.
        address: []const u8,
        network: Network,
        addresses: Addresses,
        /// Any element of a set of this ruleset, by name.
        set: []const u8,
        /// Any of these states of a connection.
        states: []const ConnectionState,
        host_set: HostSet,
    };

    /// One condition.
    pub const Match = struct {
        field: Field,
        /// The condition holds where the field does not match.
        negated: bool = false,
        operand: Operand,
    };

    /// A look-up in a map of this ruleset.
    pub const Lookup = struct { field: Field, verdict_map: []const u8 };

    /// What follows when a rule matches.
    pub const Verdict = union(enum) {
        /// The layer lets the packet pass.
        accept,
        /// It is thrown away.
        drop,
        /// It is thrown away and the sender told where the kernel can do that.
        reject,
        /// Back to the calling chain; from an entry chain the layer lets the packet pass.
        @"return",
        /// On to the next rule.
        @"continue",
        /// On to a chain of the same layer, and back after its end.
        jump: []const u8,
        /// What a map says; the next rule where it says nothing.
        lookup: Lookup,
    };

    /// Conditions, all of which must hold, and what follows.
    pub const Rule = struct {
        /// None matches every packet.
        matches: []const Match = &.{},
        verdict: Verdict,
        /// For people; at most 128 characters are kept.
        comment: ?[]const u8 = null,
    };

    /// A list of rules.
    pub const Chain = struct {
        /// Unique in the ruleset: 1 to 64 letters, digits, `-` and `_`.
        name: []const u8,
        layer: Layer,
        /// Which packets begin here; null is reached by jumps alone. One chain a layer and flow at most.
        entry: ?Flow = null,
        /// Rules in order. A packet that leaves the end returns to the caller; from an entry chain it passes.
        rules: []const Rule = &.{},
    };

    /// Elements of one type.
    pub const Set = struct { name: []const u8, elements: []const Operand };

    /// An element, and what becomes of a packet that has it.
    pub const MapEntry = struct { element: Operand, verdict: Verdict };

    /// Verdicts by element.
    pub const VerdictMap = struct { name: []const u8, entries: []const MapEntry };

    /// All rules of one interface.
    pub const Rules = struct {
        chains: []const Chain = &.{},
        /// Sets that matches name.
        sets: []const Set = &.{},
        /// Maps that rules name.
        maps: []const VerdictMap = &.{},
    };
};
