"""The types of the contract, made of wit/ by the conformance tests.

Natively, in tests and editors, they are the classes below. In a component the host's own classes of the same names and
fields take their place.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from enum import Enum, auto
from typing import List, Optional, Protocol, Tuple, Union


# reeve:types/errors


class Code(Enum):
    """Stable kinds of error, the same as those of the HTTP API. Match on these, never on the message."""

    #: The named object does not exist.
    NOT_FOUND = auto()
    #: An object with this name or UUID exists already.
    ALREADY_EXISTS = auto()
    #: The policy was not granted this, or a guard said no.
    DENIED = auto()
    #: The request or document is wrong in itself.
    INVALID = auto()
    #: The object is in a state in which this cannot be done.
    WRONG_STATE = auto()
    #: Another operation holds the object.
    BUSY = auto()
    #: This host, driver or version cannot do this.
    UNSUPPORTED = auto()
    #: A deadline passed before the answer came.
    DEADLINE = auto()
    #: A fault of the host itself.
    INTERNAL = auto()


@dataclass
class Error:
    """What went wrong, in a sentence that names the subject."""

    code: Code
    #: One sentence, UTF-8, at most 4096 bytes.
    message: str


# reeve:types/units

Bytes = int

Timestamp = int

Uuid = str


# reeve:types/policy


@dataclass
class Actor_Client:
    """A client of the API, by its user id."""

    value: int


@dataclass
class Actor_Policy:
    """Another policy, by name."""

    value: str


@dataclass
class Actor_Daemon:
    """The daemon itself: autostart, recovery, crash handling."""


#: Who caused the call.
Actor = Union[
    Actor_Client,
    Actor_Policy,
    Actor_Daemon,
]


@dataclass
class Context:
    """The circumstances of one call."""

    #: Identifies this call in the decision log and in traces; unique per daemon.
    call_id: str
    #: When the verb began. The same for every policy of a chain.
    time: Timestamp
    #: On whose behalf the verb runs.
    actor: Actor
    #: The policy's own configuration, as JSON text; `{}` when the operator gave none.
    config: str
    #: 1 for the first call for this event; higher when a notify hook is tried again.
    attempt: int


@dataclass
class DiskCache:
    """Argument of `set-disk-cache`."""

    #: Target of the disk, e.g. `vda`.
    target: str
    #: `none`, `writethrough`, `writeback`, `directsync` or `unsafe`.
    cache: str


@dataclass
class InterfaceSource:
    """Argument of `set-interface-source`."""

    #: MAC address of the interface, lower case with colons.
    mac: str
    #: Attribute of `<source>`, e.g. `bridge` or `network`.
    attribute: str
    #: Its new value.
    value: str


@dataclass
class Edit_SetMemory:
    """Maximum memory in bytes; current memory is lowered to it when above."""

    value: Bytes


@dataclass
class Edit_SetCurrentMemory:
    """Current memory in bytes, at most the maximum."""

    value: Bytes


@dataclass
class Edit_SetVcpus:
    """Maximum vCPUs, at least 1; `current` is lowered to it when above."""

    value: int


@dataclass
class Edit_SetCpuShares:
    """CPU weight (`<cputune><shares>`)."""

    value: int


@dataclass
class Edit_SetDiskCache:
    """Cache mode of a disk."""

    value: DiskCache


@dataclass
class Edit_SetInterfaceSource:
    """One attribute of an interface's `<source>`."""

    value: InterfaceSource


@dataclass
class Edit_SetTitle:
    """Title, one line; empty removes it."""

    value: str


@dataclass
class Edit_SetCmdline:
    """Kernel command line."""

    value: str


@dataclass
class Edit_SetMetadata:
    """One application's child of `<metadata>` as XML text; it replaces a child with the same namespace."""

    value: str


@dataclass
class Edit_AddDevice:
    """A new device, as XML text of its element."""

    value: str


@dataclass
class Edit_RemoveDevice:
    """Takes a device out, by its alias or by the target of a disk or interface."""

    value: str


@dataclass
class Edit_Replace:
    """The whole document as XML text; name and UUID must stay."""

    value: str


#: One change to a domain document. The host applies it to the effective configuration, validates the result as if an
#: operator had written it, and checks that every changed path lies within the policy's `domain:rewrite` grant.
Edit = Union[
    Edit_SetMemory,
    Edit_SetCurrentMemory,
    Edit_SetVcpus,
    Edit_SetCpuShares,
    Edit_SetDiskCache,
    Edit_SetInterfaceSource,
    Edit_SetTitle,
    Edit_SetCmdline,
    Edit_SetMetadata,
    Edit_AddDevice,
    Edit_RemoveDevice,
    Edit_Replace,
]


@dataclass
class Verdict_Allow:
    """No objection."""


@dataclass
class Verdict_Deny:
    """Stop; the reason, one sentence, reaches the one who asked (at most 1024 bytes are kept)."""

    value: str


@dataclass
class Verdict_Rewrite:
    """Go on, with these changes applied in order."""

    value: List[Edit]


#: What a guard says.
Verdict = Union[
    Verdict_Allow,
    Verdict_Deny,
    Verdict_Rewrite,
]


@dataclass
class Failure:
    """A policy's own failure: it could not decide. The binding's failure mode then decides."""

    #: One sentence for the operator.
    message: str


# reeve:domain/config


class State(Enum):
    """What a domain is doing; the words of `domain list`."""

    #: At least one vCPU runs or may run.
    RUNNING = auto()
    #: Running, but every vCPU waits.
    IDLE = auto()
    #: vCPUs are stopped by the host; memory is kept.
    PAUSED = auto()
    #: The guest was asked to shut down and has not finished.
    IN_SHUTDOWN = auto()
    #: Not running.
    SHUT_OFF = auto()
    #: Stopped because the guest or its worker failed.
    CRASHED = auto()
    #: The guest suspended itself.
    PM_SUSPENDED = auto()


@dataclass
class Disk:
    """One disk."""

    #: Target name, e.g. `vda`; unique in the domain.
    target: str
    #: `disk`, `cdrom`, `floppy` or `lun`.
    device: str
    #: Path of the image or block device; none for an empty drive or another kind of source.
    source: Optional[str]
    #: `raw`, `qcow2`…; none when the document does not say (raw).
    format: Optional[str]
    #: Cache mode; none when the document does not say.
    cache: Optional[str]
    #: Bus, e.g. `virtio`; none when the document does not say.
    bus: Optional[str]
    #: True when the guest may not write.
    readonly: bool
    #: True when several domains may write.
    shareable: bool


@dataclass
class NetworkInterface:
    """One network interface."""

    #: `ethernet`, `bridge`, `network`, `direct`…
    kind: str
    #: Attributes of `<source>`: name and value.
    source: List[Tuple[str, str]]
    #: MAC address, lower case with colons; none before one is allocated.
    mac: Optional[str]
    #: Name of the host's tap; none when the host chooses.
    target: Optional[str]
    #: `virtio`, …; none when the document does not say.
    model: Optional[str]


@dataclass
class Balloon:
    """Memory balloon."""

    #: `virtio` or `none`.
    model: str
    #: Period of statistics in seconds; none when off.
    stats_period: Optional[int]


class DomainConfig(Protocol):
    """The effective configuration of one domain: the definition, or the live one while it runs. A snapshot: it does not change
    while a hook looks at it.
    """

    def name(self) -> str:
        """Unique name."""
        ...

    def uuid(self) -> Uuid:
        """Identity."""
        ...

    def state(self) -> State:
        """State when the hook was called."""
        ...

    def title(self) -> Optional[str]:
        """Title; none when the document has none."""
        ...

    def domain_type(self) -> str:
        """Driver it asks for: `kvm`, `sim` or another word."""
        ...

    def memory(self) -> Bytes:
        """Memory at boot and at most, bytes."""
        ...

    def current_memory(self) -> Bytes:
        """Memory after the balloon took its share, bytes."""
        ...

    def vcpus(self) -> int:
        """vCPUs at most."""
        ...

    def current_vcpus(self) -> int:
        """vCPUs at boot."""
        ...

    def mergeable(self) -> bool:
        """True when the host may merge this guest's pages (no `<nosharepages/>`)."""
        ...

    def kernel(self) -> Optional[str]:
        """Path of the kernel; none when the document has none."""
        ...

    def cmdline(self) -> Optional[str]:
        """Kernel command line; none when the document has none."""
        ...

    def disks(self) -> List[Disk]:
        """Disks in document order."""
        ...

    def interfaces(self) -> List[NetworkInterface]:
        """Interfaces in document order."""
        ...

    def balloon(self) -> Optional[Balloon]:
        """Memory balloon; none when the document does not say."""
        ...

    def rng_count(self) -> int:
        """Number of random-number devices."""
        ...

    def metadata(self) -> Optional[str]:
        """`<metadata>` as XML text of the whole element; none when there is none."""
        ...

    def xml(self) -> str:
        """The whole document in canonical form. Far dearer than the getters."""
        ...


# reeve:domain/domains


@dataclass
class Summary:
    """One row of a list."""

    #: Identity.
    uuid: Uuid
    #: Unique name.
    name: str
    #: What it is doing.
    state: State
    #: True when a definition is kept after it stops.
    persistent: bool
    #: True when the daemon starts it by itself.
    autostart: bool


@dataclass
class Commitment:
    """What all active domains together may use; needs `domain:read` on every domain (`name=*`)."""

    #: Active domains.
    active: int
    #: Sum of their maximum memory, bytes.
    memory: Bytes
    #: Sum of their vCPUs.
    vcpus: int


# reeve:events/events


class DomainChange(Enum):
    """What happened to a domain."""

    #: A definition was added or replaced.
    DEFINED = auto()
    #: The definition was removed.
    UNDEFINED = auto()
    #: It runs.
    STARTED = auto()
    #: vCPUs were stopped.
    SUSPENDED = auto()
    #: vCPUs run again.
    RESUMED = auto()
    #: The guest was asked to shut down.
    SHUTDOWN_REQUESTED = auto()
    #: The machine was reset or the guest rebooted.
    REBOOTED = auto()
    #: It ended.
    STOPPED = auto()
    #: All resources of a stopped domain are given back.
    RELEASED = auto()
    #: The guest or its worker failed.
    CRASHED = auto()
    #: A restarted daemon found it alive.
    RECONNECTED = auto()
    #: A device was plugged.
    DEVICE_ATTACHED = auto()
    #: A device was unplugged.
    DEVICE_DETACHED = auto()
    #: Autostart, title or another setting changed.
    CHANGED = auto()


@dataclass
class DomainEvent:
    """One event of a domain's life."""

    #: Position on the event bus; it grows.
    seq: int
    #: Which domain.
    uuid: Uuid
    #: Its name.
    name: str
    #: What happened.
    change: DomainChange
    #: Its state afterwards.
    state: State
    #: Why it is in that state, e.g. `booted`, `guest crash`.
    reason: str


class DaemonChange(Enum):
    """What happened to the daemon."""

    #: It serves.
    STARTED = auto()
    #: It is about to end.
    STOPPING = auto()
    #: Configuration and policies were read again.
    RELOADED = auto()


# reeve:filter/ruleset


class Layer(Enum):
    """When packets are looked at."""

    #: Frame by frame, first.
    LINK = auto()
    #: After it, with the state of the packet's connection.
    CONNECTION = auto()


class Flow(Enum):
    """The way of a packet, seen from the guest."""

    #: To the guest.
    IN = auto()
    #: From the guest.
    OUT = auto()


class Field(Enum):
    """A field of a packet. A match of a field that a packet has not does not hold, negated or not."""

    #: Source of the frame. MAC.
    ETHER_SOURCE = auto()
    #: Destination of the frame. MAC.
    ETHER_DESTINATION = auto()
    #: Protocol of the frame; of a tagged frame 0x8100. 16 bits.
    ETHER_TYPE = auto()
    #: VLAN id of a tagged frame. 12 bits.
    VLAN_ID = auto()
    #: Protocol inside of a tagged frame. 16 bits.
    VLAN_TYPE = auto()
    #: ARP hardware type. 16 bits.
    ARP_HARDWARE_TYPE = auto()
    #: ARP protocol type. 16 bits.
    ARP_PROTOCOL_TYPE = auto()
    #: ARP and RARP operation. 16 bits.
    ARP_OPERATION = auto()
    #: Hardware address of the sender in ARP. MAC.
    ARP_SOURCE_MAC = auto()
    #: Hardware address of the target in ARP. MAC.
    ARP_TARGET_MAC = auto()
    #: Address of the sender in ARP. IPv4.
    ARP_SOURCE_IP = auto()
    #: Address of the target in ARP. IPv4.
    ARP_TARGET_IP = auto()
    #: 1 where sender and target address of ARP are one, else 0.
    ARP_GRATUITOUS = auto()
    #: IPv4 source.
    IP_SOURCE = auto()
    #: IPv4 destination.
    IP_DESTINATION = auto()
    #: IPv4 protocol. 8 bits.
    IP_PROTOCOL = auto()
    #: IPv4 DSCP. 6 bits.
    IP_DSCP = auto()
    #: IPv6 source.
    IP6_SOURCE = auto()
    #: IPv6 destination.
    IP6_DESTINATION = auto()
    #: Protocol after the last extension header of IPv6. 8 bits.
    IP6_PROTOCOL = auto()
    #: IPv6 DSCP. 6 bits.
    IP6_DSCP = auto()
    #: Source port of TCP, UDP, UDPLITE or SCTP. 16 bits; its rule must also match the protocol.
    SOURCE_PORT = auto()
    #: Destination port, as above.
    DESTINATION_PORT = auto()
    #: TCP flags. 8 bits, masked: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32.
    TCP_FLAGS = auto()
    #: ICMP type. 8 bits.
    ICMP_TYPE = auto()
    #: ICMP code. 8 bits.
    ICMP_CODE = auto()
    #: ICMPv6 type. 8 bits.
    ICMP6_TYPE = auto()
    #: ICMPv6 code. 8 bits.
    ICMP6_CODE = auto()
    #: BPDU type. 8 bits.
    STP_TYPE = auto()
    #: BPDU flags. 8 bits.
    STP_FLAGS = auto()
    #: Priority of the root bridge. 16 bits.
    STP_ROOT_PRIORITY = auto()
    #: Address of the root bridge. MAC.
    STP_ROOT_ADDRESS = auto()
    #: Cost of the path to the root. 32 bits.
    STP_ROOT_COST = auto()
    #: Priority of the sending bridge. 16 bits.
    STP_SENDER_PRIORITY = auto()
    #: Address of the sending bridge. MAC.
    STP_SENDER_ADDRESS = auto()
    #: Port id. 16 bits.
    STP_PORT = auto()
    #: Age of the message. 16 bits.
    STP_MESSAGE_AGE = auto()
    #: Maximum age. 16 bits.
    STP_MAX_AGE = auto()
    #: Hello time. 16 bits.
    STP_HELLO_TIME = auto()
    #: Forward delay. 16 bits.
    STP_FORWARD_DELAY = auto()
    #: State of the connection; layer `connection` only.
    STATE = auto()
    #: Connections that match the rest of the rule, this one included; holds when there are more. Layer `connection` only, last of
    #: its rule, not negated.
    CONNECTIONS_ABOVE = auto()
    #: Membership in a set that the host's administrator made.
    HOST_SET = auto()


class ConnectionState(Enum):
    """The state of a packet's connection."""

    #: Its first packet.
    NEW = auto()
    #: Packets went both ways.
    ESTABLISHED = auto()
    #: New, but expected by another connection.
    RELATED = auto()
    #: No connection can be told.
    INVALID = auto()


@dataclass
class Masked:
    """The bits of a number under a mask: `field & mask == value`."""

    #: Value of the bits under the mask.
    value: int
    #: Mask.
    mask: int


@dataclass
class MaskedMac:
    """The bits of a hardware address under a mask."""

    #: Value of the bits under the mask, lower case with colons.
    value: str
    #: Mask, likewise.
    mask: str


@dataclass
class HostSet:
    """A set of the host."""

    #: Its name.
    name: str
    #: Which addresses or ports of the packet are looked up, in the order of the set's fields; `true` is the source. One to six.
    sources: List[bool]


@dataclass
class Operand_Number:
    """One number."""

    value: int


@dataclass
class Operand_Range:
    """From and to, both included."""

    value: Tuple[int, int]


@dataclass
class Operand_Masked:
    """Bits of a number."""

    value: Masked


@dataclass
class Operand_Mac:
    """One hardware address, lower case with colons."""

    value: str


@dataclass
class Operand_MaskedMac:
    """Bits of a hardware address."""

    value: MaskedMac


@dataclass
class Operand_Address:
    """One IPv4 or IPv6 address."""

    value: str


@dataclass
class Operand_Network:
    """All addresses of a network: an address and the length of its prefix."""

    value: Tuple[str, int]


@dataclass
class Operand_Addresses:
    """From and to, both included."""

    value: Tuple[str, str]


@dataclass
class Operand_Set:
    """Any element of a set of this ruleset, by name."""

    value: str


@dataclass
class Operand_States:
    """Any of these states of a connection."""

    value: List[ConnectionState]


@dataclass
class Operand_HostSet:
    """A set of the host."""

    value: HostSet


#: What a field is compared with.
Operand = Union[
    Operand_Number,
    Operand_Range,
    Operand_Masked,
    Operand_Mac,
    Operand_MaskedMac,
    Operand_Address,
    Operand_Network,
    Operand_Addresses,
    Operand_Set,
    Operand_States,
    Operand_HostSet,
]


@dataclass
class Match:
    """One condition."""

    #: Field of the packet.
    field: Field
    #: The condition holds where the field does not match.
    negated: bool
    #: What it is compared with.
    operand: Operand


@dataclass
class Lookup:
    """A look-up in a map of this ruleset."""

    #: Field that is looked up.
    field: Field
    #: Name of the map.
    verdict_map: str


@dataclass
class RulesetVerdict_Accept:
    """The layer lets the packet pass."""


@dataclass
class RulesetVerdict_Drop:
    """It is thrown away."""


@dataclass
class RulesetVerdict_Reject:
    """It is thrown away and the sender told where the kernel can do that; else as `drop`."""


@dataclass
class RulesetVerdict_Return:
    """Back to the calling chain; from an entry chain the layer lets the packet pass."""


@dataclass
class RulesetVerdict_Continue:
    """On to the next rule."""


@dataclass
class RulesetVerdict_Jump:
    """On to a chain of the same layer, and back after its end."""

    value: str


@dataclass
class RulesetVerdict_Lookup:
    """What a map says; the next rule where it says nothing."""

    value: Lookup


#: What follows when a rule matches.
RulesetVerdict = Union[
    RulesetVerdict_Accept,
    RulesetVerdict_Drop,
    RulesetVerdict_Reject,
    RulesetVerdict_Return,
    RulesetVerdict_Continue,
    RulesetVerdict_Jump,
    RulesetVerdict_Lookup,
]


@dataclass
class RulesetRule:
    """Conditions, all of which must hold, and what follows."""

    #: Conditions; none matches every packet.
    matches: List[Match]
    #: What follows.
    verdict: RulesetVerdict
    #: For people; at most 128 characters are kept.
    comment: Optional[str]


@dataclass
class Chain:
    """A list of rules."""

    #: Unique in the ruleset: 1 to 64 letters, digits, `-` and `_`.
    name: str
    #: When its packets are looked at.
    layer: Layer
    #: Which packets begin here; none is reached by jumps alone. One chain a layer and flow at most.
    entry: Optional[Flow]
    #: Rules in order. A packet that leaves the end returns to the caller; from an entry chain it passes.
    rules: List[RulesetRule]


@dataclass
class Set:
    """Elements of one type."""

    #: Unique in the ruleset, named as chains are.
    name: str
    #: Numbers, hardware addresses, or addresses and networks of one family.
    elements: List[Operand]


@dataclass
class VerdictMap:
    """Verdicts by element."""

    #: Unique in the ruleset, named as chains are.
    name: str
    #: Elements of one type, and the verdict of each; not a look-up.
    entries: List[Tuple[Operand, RulesetVerdict]]


@dataclass
class Rules:
    """All rules of one interface."""

    #: Chains.
    chains: List[Chain]
    #: Sets that matches name.
    sets: List[Set]
    #: Maps that rules name.
    maps: List[VerdictMap]


# reeve:filter/tree


class Action(Enum):
    """What becomes of a packet that a rule matches."""

    #: Silently thrown away.
    DROP = auto()
    #: Thrown away, and the sender is told.
    REJECT = auto()
    #: Passes.
    ACCEPT = auto()
    #: Back to the calling filter.
    RETURN = auto()
    #: On to the next rule.
    CONTINUE = auto()


class Direction(Enum):
    """Which way a packet goes, seen from the guest."""

    #: To the guest.
    IN = auto()
    #: From the guest.
    OUT = auto()
    #: Both.
    INOUT = auto()


@dataclass
class Access_Element:
    """The one at this position, from 0: `$NAME[2]`."""

    value: int


@dataclass
class Access_Iterator:
    """All of them, a rule each: `$NAME[@1]`; `$NAME` is iterator 0. Variables with the same iterator go in step, others are
    combined, the first slowest.
    """

    value: int


#: Which values of a variable are meant.
Access = Union[
    Access_Element,
    Access_Iterator,
]


@dataclass
class Variable:
    """A reference to a variable of the filter that the rule stands in."""

    #: Name, without `$`.
    name: str
    #: Which of its values.
    access: Access


@dataclass
class Value_Literal:
    """As it is written."""

    value: str


@dataclass
class Value_Variable:
    """Of a variable."""

    value: Variable


#: The value of an attribute.
Value = Union[
    Value_Literal,
    Value_Variable,
]


@dataclass
class Condition:
    """One attribute of a protocol node."""

    #: Its name, as the document writes it, e.g. `srcipaddr`.
    attribute: str
    #: Its value.
    value: Value


@dataclass
class ProtocolMatch:
    """A protocol node."""

    #: `mac`, `vlan`, `stp`, `arp`, `rarp`, `ip`, `ipv6`, `tcp`, `udp-ipv6`…
    protocol: str
    #: Every attribute must differ (`match='no'`).
    negated: bool
    #: Attributes in document order, `comment` among them.
    conditions: List[Condition]


@dataclass
class TreeRule:
    """A rule."""

    #: What becomes of a packet.
    action: Action
    #: Which way.
    direction: Direction
    #: -1000 to 1000, lower first; equal ones keep the order they have.
    priority: int
    #: False turns the state match off.
    statematch: bool
    #: Protocol nodes, all of one protocol, all of which must match; none matches every packet.
    matches: List[ProtocolMatch]


@dataclass
class Entry_Reference:
    """Another filter, by its position in the tree; always a later one."""

    value: int


@dataclass
class Entry_Rule:
    """A rule."""

    value: TreeRule


#: What stands in a filter.
Entry = Union[
    Entry_Reference,
    Entry_Rule,
]


@dataclass
class Parameter:
    """All values of one variable."""

    #: Name, without `$`.
    name: str
    #: Values in order.
    values: List[str]


@dataclass
class Filter:
    """One filter."""

    #: Its name.
    name: str
    #: `root`, the chain of a protocol (`stp`, `mac`, `vlan`, `ipv4`, `ipv6`, `arp`, `rarp`), or one with a suffix, e.g. `arp-xyz`.
    chain: str
    #: Priority of the chain, lower first.
    priority: int
    #: Its variables.
    variables: List[Parameter]
    #: References and rules in document order.
    entries: List[Entry]


@dataclass
class Subject:
    """The interface that rules are for."""

    #: Name of the domain.
    domain: str
    #: Name of the tap on the host. Rules are about this interface alone; they need not match it.
    link: str
    #: MAC address, lower case with colons.
    mac: str
    #: Addresses of the guest that are known, from the document or learned.
    addresses: List[str]


# reeve:migration/disks


class Way(Enum):
    """How the content of a disk gets to the destination."""

    #: It does not: the destination opens the same storage, which both hosts must see.
    SHARED = auto()
    #: All that the disk shows goes along with the guest (`--copy-storage-all`).
    COPIED = auto()
    #: What the active image has itself goes along (`--copy-storage-inc`); its backing file is at the destination.
    COPIED_ABOVE_BACKING = auto()


class CacheMode(Enum):
    """How the host caches what the guest writes. A document that says nothing, or `default`, means `writeback`."""

    #: It does not.
    NONE = auto()
    #: It does, and writes through to the storage.
    WRITETHROUGH = auto()
    #: It does until the guest flushes.
    WRITEBACK = auto()
    #: It does not, and each write is on the storage before it is done.
    DIRECTSYNC = auto()
    #: It does, and flushes are not done.
    UNSAFE = auto()


@dataclass
class MigratedDisk:
    """One disk."""

    #: Its target, e.g. `vda`; unique in the domain.
    target: str
    #: What it is to the guest: `disk`, `cdrom`, `floppy` or `lun`.
    device: str
    #: Type of its source: `file`, `block`, `volume` or another word of the document.
    source: str
    #: File or device node that has it; none of a drive without a medium, of a volume that this host has not looked up, and of what has
    #: no path.
    path: Optional[str]
    #: Pool of a volume.
    pool: Optional[str]
    #: Name of a volume in its pool.
    volume: Optional[str]
    #: Format of its image; none where the document does not say, which means `raw`.
    format: Optional[str]
    #: What the guest sees; none where the source does not tell.
    capacity: Optional[Bytes]
    #: What its active image takes of the source's storage; none where the source does not tell.
    allocation: Optional[Bytes]
    #: Kind of the file system that has its file on the source, as `mount` names it, e.g. `ext4` or `nfs`; none of what is no file, and
    #: where it is not known.
    file_system: Optional[str]
    #: The guest can't write it.
    readonly: bool
    #: Several domains may have it.
    shareable: bool
    #: How the host caches it.
    cache: CacheMode
    #: Another host that opens the same storage sees all that was written: this one caches nothing of it (`none`, `directsync`), or the
    #: guest can't write it, or there is no medium.
    coherent: bool
    #: How its content gets to the destination.
    way: Way
    #: The backing file that the destination must have, as the image names it; of `copied-above-backing` only.
    backing: Optional[str]


# reeve:migration/journey


@dataclass
class Peer:
    """One of the two hosts."""

    #: Its name.
    name: str
    #: Version of the daemon, e.g. `0.3.0`; empty where it does not say.
    version: str


@dataclass
class Journey:
    """What is asked for."""

    #: Names the migration on both hosts.
    id: str
    #: Where the guest runs.
    source: Peer
    #: Where it shall run.
    destination: Peer
    #: Both hosts are one machine: files of one are files of the other.
    same_machine: bool
    #: What carries it: `unix`, `tcp` or `tls`.
    transport: str
    #: The operator said that disks are not to be looked at (`--unsafe`).
    unchecked: bool
    #: A definition is kept at the destination.
    persistent: bool


# reeve:migration/strategy


@dataclass
class Capabilities:
    """What both hosts offer. Nothing else can be switched on."""

    #: Pages may be compressed.
    compression: bool
    #: Most streams that pages may come over; 1 is one.
    streams: int
    #: The guest may go on at the destination before all of its memory is there.
    post_copy: bool


@dataclass
class Limits:
    """What the operator allows. The host holds to it whatever a strategy says."""

    #: Microseconds that the guest may stand still, as far as that can be foreseen.
    max_downtime_us: int
    #: Bytes a second while the guest runs; none is as many as the connection takes.
    bandwidth: Optional[Bytes]
    #: Most hundredths of its time that the guest may lose; 0 never holds it back.
    max_throttle: int
    #: Rounds after which the guest stays where it is.
    max_rounds: int


@dataclass
class MigrationPlan:
    """How to begin."""

    #: Microseconds that the guest may stand still; at most the operator's limit.
    max_downtime_us: int
    #: Compress pages.
    compress: bool
    #: Streams that pages go over, from 1.
    streams: int


@dataclass
class Round:
    """What one round did, and what it left."""

    #: Number of the round, from 1.
    number: int
    #: Microseconds since the migration began.
    elapsed_us: int
    #: Microseconds that the round took.
    duration_us: int
    #: Pages that were sent in it, zeros included. A page has 4096 bytes.
    pages: int
    #: Those of them that were zero.
    zero_pages: int
    #: Bytes that went over the connection in it.
    sent: Bytes
    #: Pages that the guest wrote meanwhile: what the next round sends.
    dirty_pages: int
    #: Bytes a second that the connection took.
    bandwidth: Bytes
    #: Microseconds that the guest would stand still if this were the last round.
    expected_downtime_us: int
    #: The limit for that, by the strategy or the operator, whichever is lower.
    max_downtime_us: int
    #: Hundredths of its time that the guest loses.
    throttle: int
    #: Pages are compressed.
    compressed: bool
    #: Streams that pages go over.
    streams: int


@dataclass
class Progress:
    """All that a strategy decides on."""

    #: What both hosts offer.
    capabilities: Capabilities
    #: What the operator allows now; it may change while the guest moves.
    limits: Limits
    #: The last rounds, at most 16, the newest last.
    rounds: List[Round]


@dataclass
class Step_Continue:
    """Another round."""


@dataclass
class Step_Throttle:
    """Another round, with the guest kept from running for that many hundredths of its time; cut at the operator's limit."""

    value: int


@dataclass
class Step_SetMaxDowntime:
    """Another limit, in microseconds, for the time that the guest stands still, then another round; cut at the operator's limit."""

    value: int


@dataclass
class Step_Compress:
    """Compressed from now on, where both hosts can, then another round."""


@dataclass
class Step_AddStreams:
    """So many more streams, as far as both hosts can, then another round."""

    value: int


@dataclass
class Step_SwitchToPostCopy:
    """The guest goes on at the destination, which fetches what it misses; another round where that is not offered."""


@dataclass
class Step_StopAndCopy:
    """The guest stands still and the rest is sent; another round where that would take longer than the operator allows."""


@dataclass
class Step_Abort:
    """It ends, and the guest stays where it is; the reason, one sentence, reaches the one who asked (at most 1024 bytes are kept)."""

    value: str


#: What comes next.
Step = Union[
    Step_Continue,
    Step_Throttle,
    Step_SetMaxDowntime,
    Step_Compress,
    Step_AddStreams,
    Step_SwitchToPostCopy,
    Step_StopAndCopy,
    Step_Abort,
]


# reeve:network/networks


class Mode(Enum):
    """How guests reach what is outside of their network."""

    #: They don't: there is no `<forward>`.
    ISOLATED = auto()
    #: Through the host, masqueraded.
    NAT = auto()
    #: Through the host, addresses as they are.
    ROUTE = auto()
    #: Through the host, without rules of the host's packet filter.
    OPEN = auto()
    #: As ports of a bridge of the host, or by macvtap in bridge mode.
    BRIDGE = auto()
    #: By macvtap, private.
    PRIVATE = auto()
    #: By macvtap, VEPA.
    VEPA = auto()
    #: By macvtap, one guest an interface.
    PASSTHROUGH = auto()
    #: By PCI functions.
    HOSTDEV = auto()


@dataclass
class Network:
    """One network."""

    #: Identity.
    uuid: Uuid
    #: Unique name.
    name: str
    #: How it reaches what is outside.
    mode: Mode
    #: True while it runs.
    active: bool
    #: True when a definition is kept after it stops.
    persistent: bool
    #: True when the daemon starts it by itself.
    autostart: bool
    #: Name of its bridge; none where it has none.
    bridge: Optional[str]
    #: Addresses of the host in it, with the prefix, e.g. `192.168.122.1/24`.
    addresses: List[str]
    #: Interfaces of running domains that are plugged into it.
    connections: int


@dataclass
class Port:
    """An interface of a running domain."""

    #: Name of the domain.
    domain: str
    #: MAC address, lower case with colons.
    mac: str
    #: Name of the tap or macvtap on the host.
    link: str
    #: Name of the network; none for a bridge or device of the host.
    network: Optional[str]
    #: Name of the packet filter; none when it has none.
    filter: Optional[str]
    #: Addresses of the guest that the host knows.
    addresses: List[str]


@dataclass
class Lease:
    """An address that a network's DHCP server gave out."""

    #: Hardware address; none where the client did not show it.
    mac: Optional[str]
    #: The address.
    ip: str
    #: Name that the guest gave.
    hostname: Optional[str]
    #: Until when; none is for ever.
    expires: Optional[Timestamp]


@dataclass
class Counters:
    """What passed a port since it was plugged, seen from the guest."""

    #: Bytes to the guest.
    received_bytes: int
    #: Packets to the guest.
    received_packets: int
    #: Packets to the guest that were dropped.
    received_dropped: int
    #: Bytes from the guest.
    sent_bytes: int
    #: Packets from the guest.
    sent_packets: int
    #: Packets from the guest that were dropped.
    sent_dropped: int


# reeve:storage/pools


@dataclass
class Space:
    """What a pool holds."""

    #: What it can hold.
    capacity: Bytes
    #: What is taken.
    allocation: Bytes
    #: What is free.
    available: Bytes


@dataclass
class Pool:
    """One pool."""

    #: Identity.
    uuid: Uuid
    #: Unique name.
    name: str
    #: What it is made of, the word of its document: `dir`, `fs`, `netfs`, `disk`, `logical`…
    kind: str
    #: True while it runs.
    active: bool
    #: True when a definition is kept after it stops.
    persistent: bool
    #: True when the daemon starts it by itself.
    autostart: bool
    #: Directory of its volumes; none where it has none.
    path: Optional[str]
    #: What it holds, at its last refresh or change; none while it does not run.
    space: Optional[Space]
    #: How many volumes it had then.
    volumes: int


# reeve:storage/volumes


@dataclass
class Volume:
    """One volume."""

    #: Name within its pool.
    name: str
    #: Name of its pool.
    pool: str
    #: Unique on the host.
    key: str
    #: Where it is on the host; empty while it is being made.
    path: str
    #: Format of the image: `raw`, `qcow2`…
    format: str
    #: What a guest sees. Of a volume that is being resized, the larger of what it has and what it gets.
    capacity: Bytes
    #: What it takes of its pool.
    allocation: Bytes
    #: The image below an overlay, as the overlay names it; none where it is no overlay.
    backing: Optional[str]
    #: When it was made, or where its file system does not keep that, when it was last changed; none of a device.
    created: Optional[Timestamp]
    #: False while it is being made: nobody can use it yet, but its name and capacity are spoken for.
    complete: bool


@dataclass
class NewVolume:
    """What `create` makes."""

    #: Name within its pool.
    name: str
    #: What a guest sees.
    capacity: Bytes
    #: What is taken from the pool at once; none preallocates a raw volume whole.
    allocation: Optional[Bytes]
    #: Format of the image, in pools of files: `raw` or `qcow2`; none is the pool's own.
    format: Optional[str]


# reeve:hooks/clone-name


class Cloned(Enum):
    """What is cloned."""

    #: A domain.
    DOMAIN = auto()
    #: A volume.
    VOLUME = auto()


@dataclass
class CloneRequest:
    """A clone without a name."""

    #: What is cloned.
    kind: Cloned
    #: Name of the original.
    source: str
    #: Pool of a volume; none of a domain.
    pool: Optional[str]
    #: Names that are taken: those of all domains, or of all volumes of the pool.
    taken: List[str]


# reeve:hooks/network-events


class Change(Enum):
    """What happened."""

    #: A network was defined or its definition replaced.
    DEFINED = auto()
    #: The definition of a network was removed.
    UNDEFINED = auto()
    #: A network runs.
    STARTED = auto()
    #: A network was stopped.
    STOPPED = auto()
    #: A section of a network was changed, or its autostart.
    UPDATED = auto()
    #: An interface of a domain was plugged in; `detail` is its link.
    PORT_PLUGGED = auto()
    #: An interface of a domain was unplugged; `detail` is its link.
    PORT_UNPLUGGED = auto()
    #: A guest got or renewed an address; `detail` is the address.
    LEASE_ACQUIRED = auto()
    #: A lease ended; `detail` is the address.
    LEASE_EXPIRED = auto()
    #: The network's DHCP and DNS server ended and was started again.
    SERVICE_RESTARTED = auto()
    #: A packet filter was defined, replaced or removed, or could not be put in force; `name` is the filter.
    FILTER_CHANGED = auto()


@dataclass
class NetworkEvent:
    """One event."""

    #: Identity of the network or filter.
    uuid: Uuid
    #: Its name.
    name: str
    #: What happened.
    change: Change
    #: More of it; may be empty.
    detail: str


# reeve:hooks/storage-events


class StorageChange(Enum):
    """What happened."""

    #: A pool was defined or its definition replaced.
    DEFINED = auto()
    #: The definition of a pool was removed.
    UNDEFINED = auto()
    #: The source of a pool was made.
    BUILT = auto()
    #: The daemon starts a pool by itself from now on, or not any more.
    UPDATED = auto()
    #: A pool runs.
    STARTED = auto()
    #: A pool was stopped.
    STOPPED = auto()
    #: The source of a pool was removed.
    DELETED = auto()
    #: The volumes of a pool were read again.
    REFRESHED = auto()
    #: Less of a pool is free than the host's configuration says (`low-space-percent`); `detail` is how many bytes. Told once, and
    #: again after there was more.
    LOW_SPACE = auto()
    #: A volume was made; `detail` is its name.
    VOLUME_CREATED = auto()
    #: A volume was deleted; `detail` is its name.
    VOLUME_DELETED = auto()
    #: A volume got another capacity; `detail` is its name.
    VOLUME_RESIZED = auto()
    #: What a volume held was made unreadable; `detail` is its name.
    VOLUME_WIPED = auto()
    #: What a volume holds was written; `detail` is its name.
    VOLUME_WRITTEN = auto()


@dataclass
class StorageEvent:
    """One event."""

    #: Identity of the pool.
    uuid: Uuid
    #: Its name.
    name: str
    #: What happened.
    change: StorageChange
    #: More of it; may be empty.
    detail: str


# reeve:hooks/task


@dataclass
class Timing:
    """A moment of a task's schedule."""

    #: When the run was due.
    due: Timestamp
    #: True when the daemon was down at that moment: this one run stands for all that were missed.
    catch_up: bool


@dataclass
class Occasion_Manual:
    """Somebody asked for it, with these arguments (at most 64, 64 KiB together)."""

    value: List[str]


@dataclass
class Occasion_Schedule:
    """Its schedule."""

    value: Timing


@dataclass
class Occasion_Domain:
    """An event of a domain that its filters let through."""

    value: DomainEvent


@dataclass
class Occasion_Daemon:
    """An event of the daemon that its filters let through; never `stopping`."""

    value: DaemonChange


#: Why a task runs.
Occasion = Union[
    Occasion_Manual,
    Occasion_Schedule,
    Occasion_Domain,
    Occasion_Daemon,
]


# reeve:hooks/volume-create


@dataclass
class VolumePlan:
    """What is about to be made."""

    #: Name within its pool.
    name: str
    #: What a guest will see; none where the host can't tell before it is made.
    capacity: Optional[Bytes]
    #: What is taken from the pool at once; none preallocates a raw volume whole.
    allocation: Optional[Bytes]
    #: Format of the image; none is the pool's own.
    format: Optional[str]
    #: The image below it, as the document names it; none where it is no overlay.
    backing: Optional[str]
    #: The volume that it is a copy of; none where it begins with zeroes.
    source: Optional[Volume]
    #: The whole document in canonical form.
    xml: str


@dataclass
class VolumeChanges:
    """Changes to the document of a volume. What is none stays. Every one that changes something must lie within the policy's
    `volume:rewrite` grant, whose paths are the names of these fields.
    """

    #: Another name.
    name: Optional[str]
    #: Another capacity.
    capacity: Optional[Bytes]
    #: Another allocation.
    allocation: Optional[Bytes]


@dataclass
class VolumeVerdict_Allow:
    """No objection."""


@dataclass
class VolumeVerdict_Deny:
    """Stop; the reason, one sentence, reaches the one who asked (at most 1024 bytes are kept)."""

    value: str


@dataclass
class VolumeVerdict_Rewrite:
    """Go on, with these changes; the result is judged as if an operator had asked for it."""

    value: VolumeChanges


#: What this guard says.
VolumeVerdict = Union[
    VolumeVerdict_Allow,
    VolumeVerdict_Deny,
    VolumeVerdict_Rewrite,
]


# reeve:log/log


class Level(Enum):
    """How important a line is."""

    #: Every detail.
    DEBUG = auto()
    #: The normal course of things.
    INFO = auto()
    #: Something an operator should look at.
    WARN = auto()
    #: Something failed.
    ERROR = auto()


# reeve:node/host


@dataclass
class Info:
    """The machine."""

    #: Host name.
    hostname: str
    #: Online CPUs.
    cpus: int
    #: Memory, bytes.
    memory: Bytes
    #: NUMA cells.
    numa_cells: int


@dataclass
class Memory:
    """Memory at one moment (/proc/meminfo), bytes."""

    #: All memory.
    total: Bytes
    #: Unused memory.
    free: Bytes
    #: What can be had without swapping.
    available: Bytes
    #: Page cache.
    cached: Bytes
    #: Buffers.
    buffers: Bytes
    #: Swap, all of it.
    swap_total: Bytes
    #: Swap, unused.
    swap_free: Bytes


# reeve:node/ksm


@dataclass
class KsmState:
    """Settings and counters."""

    #: 0 stopped, 1 running, 2 stopped and all pages unmerged.
    run: int
    #: Pages to scan before ksmd sleeps.
    pages_to_scan: int
    #: Milliseconds ksmd sleeps between scans.
    sleep_millisecs: int
    #: Merge across NUMA nodes; none where the kernel has no such switch.
    merge_across_nodes: Optional[bool]
    #: Shared pages in use.
    pages_shared: int
    #: Sites that share them.
    pages_sharing: int
    #: Pages that are unique but checked again and again.
    pages_unshared: int
    #: Pages that change too fast.
    pages_volatile: int
    #: Full scans so far.
    full_scans: int


# reeve:tune/ksm-tune


class Wake(Enum):
    """Why a tuner is asked."""

    #: The interval passed.
    INTERVAL = auto()
    #: A domain started or stopped.
    DOMAINS_CHANGED = auto()


@dataclass
class Snapshot:
    """What the tuner decides on; all of one moment."""

    #: Memory of the host.
    memory: Memory
    #: Present settings and counters.
    ksm: KsmState
    #: Sum of the maximum memory of all active domains that may be merged, bytes.
    committed: Bytes
    #: Active domains.
    active_domains: int
    #: Why it is asked.
    wake: Wake


@dataclass
class Adjustment_Run:
    """0 stop, 1 run, 2 stop and unmerge all pages."""

    value: int


@dataclass
class Adjustment_PagesToScan:
    """Pages to scan before ksmd sleeps, 1 to 1000000."""

    value: int


@dataclass
class Adjustment_SleepMillisecs:
    """Milliseconds ksmd sleeps between scans, 1 to 10000."""

    value: int


#: One change. The host validates and clamps it, applies it, and puts back what it found when the tuner is taken out.
Adjustment = Union[
    Adjustment_Run,
    Adjustment_PagesToScan,
    Adjustment_SleepMillisecs,
]


_MODULES = {
    "imports.errors": {
        "Code": "Code",
        "Error": "Error",
    },
    "imports.policy": {
        "Actor_Client": "Actor_Client",
        "Actor_Policy": "Actor_Policy",
        "Actor_Daemon": "Actor_Daemon",
        "Context": "Context",
        "DiskCache": "DiskCache",
        "InterfaceSource": "InterfaceSource",
        "Edit_SetMemory": "Edit_SetMemory",
        "Edit_SetCurrentMemory": "Edit_SetCurrentMemory",
        "Edit_SetVcpus": "Edit_SetVcpus",
        "Edit_SetCpuShares": "Edit_SetCpuShares",
        "Edit_SetDiskCache": "Edit_SetDiskCache",
        "Edit_SetInterfaceSource": "Edit_SetInterfaceSource",
        "Edit_SetTitle": "Edit_SetTitle",
        "Edit_SetCmdline": "Edit_SetCmdline",
        "Edit_SetMetadata": "Edit_SetMetadata",
        "Edit_AddDevice": "Edit_AddDevice",
        "Edit_RemoveDevice": "Edit_RemoveDevice",
        "Edit_Replace": "Edit_Replace",
        "Verdict_Allow": "Verdict_Allow",
        "Verdict_Deny": "Verdict_Deny",
        "Verdict_Rewrite": "Verdict_Rewrite",
        "Failure": "Failure",
    },
    "imports.config": {
        "State": "State",
        "Disk": "Disk",
        "NetworkInterface": "NetworkInterface",
        "Balloon": "Balloon",
    },
    "imports.domains": {
        "Summary": "Summary",
        "Commitment": "Commitment",
    },
    "imports.events": {
        "DomainChange": "DomainChange",
        "DomainEvent": "DomainEvent",
        "DaemonChange": "DaemonChange",
    },
    "imports.ruleset": {
        "Layer": "Layer",
        "Flow": "Flow",
        "Field": "Field",
        "ConnectionState": "ConnectionState",
        "Masked": "Masked",
        "MaskedMac": "MaskedMac",
        "HostSet": "HostSet",
        "Operand_Number": "Operand_Number",
        "Operand_Range": "Operand_Range",
        "Operand_Masked": "Operand_Masked",
        "Operand_Mac": "Operand_Mac",
        "Operand_MaskedMac": "Operand_MaskedMac",
        "Operand_Address": "Operand_Address",
        "Operand_Network": "Operand_Network",
        "Operand_Addresses": "Operand_Addresses",
        "Operand_Set": "Operand_Set",
        "Operand_States": "Operand_States",
        "Operand_HostSet": "Operand_HostSet",
        "Match": "Match",
        "Lookup": "Lookup",
        "Verdict_Accept": "RulesetVerdict_Accept",
        "Verdict_Drop": "RulesetVerdict_Drop",
        "Verdict_Reject": "RulesetVerdict_Reject",
        "Verdict_Return": "RulesetVerdict_Return",
        "Verdict_Continue": "RulesetVerdict_Continue",
        "Verdict_Jump": "RulesetVerdict_Jump",
        "Verdict_Lookup": "RulesetVerdict_Lookup",
        "Rule": "RulesetRule",
        "Chain": "Chain",
        "Set": "Set",
        "VerdictMap": "VerdictMap",
        "Rules": "Rules",
    },
    "imports.tree": {
        "Action": "Action",
        "Direction": "Direction",
        "Access_Element": "Access_Element",
        "Access_Iterator": "Access_Iterator",
        "Variable": "Variable",
        "Value_Literal": "Value_Literal",
        "Value_Variable": "Value_Variable",
        "Condition": "Condition",
        "ProtocolMatch": "ProtocolMatch",
        "Rule": "TreeRule",
        "Entry_Reference": "Entry_Reference",
        "Entry_Rule": "Entry_Rule",
        "Parameter": "Parameter",
        "Filter": "Filter",
        "Subject": "Subject",
    },
    "imports.disks": {
        "Way": "Way",
        "CacheMode": "CacheMode",
        "MigratedDisk": "MigratedDisk",
    },
    "imports.journey": {
        "Peer": "Peer",
        "Journey": "Journey",
    },
    "imports.strategy": {
        "Capabilities": "Capabilities",
        "Limits": "Limits",
        "MigrationPlan": "MigrationPlan",
        "Round": "Round",
        "Progress": "Progress",
        "Step_Continue": "Step_Continue",
        "Step_Throttle": "Step_Throttle",
        "Step_SetMaxDowntime": "Step_SetMaxDowntime",
        "Step_Compress": "Step_Compress",
        "Step_AddStreams": "Step_AddStreams",
        "Step_SwitchToPostCopy": "Step_SwitchToPostCopy",
        "Step_StopAndCopy": "Step_StopAndCopy",
        "Step_Abort": "Step_Abort",
    },
    "imports.networks": {
        "Mode": "Mode",
        "Network": "Network",
        "Port": "Port",
        "Lease": "Lease",
        "Counters": "Counters",
    },
    "imports.pools": {
        "Space": "Space",
        "Pool": "Pool",
    },
    "imports.volumes": {
        "Volume": "Volume",
        "NewVolume": "NewVolume",
    },
    "exports.clone_name": {
        "Cloned": "Cloned",
        "CloneRequest": "CloneRequest",
    },
    "exports.network_events": {
        "Change": "Change",
        "NetworkEvent": "NetworkEvent",
    },
    "exports.storage_events": {
        "StorageChange": "StorageChange",
        "StorageEvent": "StorageEvent",
    },
    "exports.task": {
        "Timing": "Timing",
        "Occasion_Manual": "Occasion_Manual",
        "Occasion_Schedule": "Occasion_Schedule",
        "Occasion_Domain": "Occasion_Domain",
        "Occasion_Daemon": "Occasion_Daemon",
    },
    "exports.volume_create": {
        "VolumePlan": "VolumePlan",
        "VolumeChanges": "VolumeChanges",
        "VolumeVerdict_Allow": "VolumeVerdict_Allow",
        "VolumeVerdict_Deny": "VolumeVerdict_Deny",
        "VolumeVerdict_Rewrite": "VolumeVerdict_Rewrite",
    },
    "imports.log": {
        "Level": "Level",
    },
    "imports.host": {
        "Info": "Info",
        "Memory": "Memory",
    },
    "imports.ksm": {
        "KsmState": "KsmState",
    },
    "exports.ksm_tune": {
        "Wake": "Wake",
        "Snapshot": "Snapshot",
        "Adjustment_Run": "Adjustment_Run",
        "Adjustment_PagesToScan": "Adjustment_PagesToScan",
        "Adjustment_SleepMillisecs": "Adjustment_SleepMillisecs",
    },
}


def _adopt() -> None:
    for module, names in _MODULES.items():
        try:
            found = importlib.import_module(f"wit_world.{module}")
        except ImportError:
            continue
        for name, here in names.items():
            globals()[here] = getattr(found, name, globals()[here])


_adopt()
