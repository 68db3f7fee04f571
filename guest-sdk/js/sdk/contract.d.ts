// The types of the contract, made of wit/ by the conformance tests. Numbers of 64 bits are JavaScript numbers: exact up to
// 2^53, and beyond that for multiples of a large enough power of two, such as sizes in KiB.

// reeve:types/errors

/** Stable kinds of error, the same as those of the HTTP API. Match on these, never on the message. */
export type Code =
  /** The named object does not exist. */
  | "not-found"
  /** An object with this name or UUID exists already. */
  | "already-exists"
  /** The policy was not granted this, or a guard said no. */
  | "denied"
  /** The request or document is wrong in itself. */
  | "invalid"
  /** The object is in a state in which this cannot be done. */
  | "wrong-state"
  /** Another operation holds the object. */
  | "busy"
  /** This host, driver or version cannot do this. */
  | "unsupported"
  /** A deadline passed before the answer came. */
  | "deadline"
  /** A fault of the host itself. */
  | "internal";

/** What went wrong, in a sentence that names the subject. */
export interface Error {
  code: Code;
  /** One sentence, UTF-8, at most 4096 bytes. */
  message: string;
}

// reeve:types/units

/** A size in bytes. */
export type Bytes = number;

/** Time since the Unix epoch, in milliseconds, UTC. */
export type Timestamp = number;

/** A UUID in its lower-case text form with dashes, e.g. `6a2f9d0c-…`. */
export type Uuid = string;

// reeve:types/policy

/** Who caused the call. */
export type Actor =
  /** A client of the API, by its user id. */
  | { tag: "client"; val: number }
  /** Another policy, by name. */
  | { tag: "policy"; val: string }
  /** The daemon itself: autostart, recovery, crash handling. */
  | { tag: "daemon" };

/** The circumstances of one call. */
export interface Context {
  /** Identifies this call in the decision log and in traces; unique per daemon. */
  callId: string;
  /** When the verb began. The same for every policy of a chain. */
  time: Timestamp;
  /** On whose behalf the verb runs. */
  actor: Actor;
  /** The policy's own configuration, as JSON text; `{}` when the operator gave none. */
  config: string;
  /** 1 for the first call for this event; higher when a notify hook is tried again. */
  attempt: number;
}

/** Argument of `set-disk-cache`. */
export interface DiskCache {
  /** Target of the disk, e.g. `vda`. */
  target: string;
  /** `none`, `writethrough`, `writeback`, `directsync` or `unsafe`. */
  cache: string;
}

/** Argument of `set-interface-source`. */
export interface InterfaceSource {
  /** MAC address of the interface, lower case with colons. */
  mac: string;
  /** Attribute of `<source>`, e.g. `bridge` or `network`. */
  attribute: string;
  /** Its new value. */
  value: string;
}

/**
 * One change to a domain document. The host applies it to the effective configuration, validates the result as if an
 * operator had written it, and checks that every changed path lies within the policy's `domain:rewrite` grant.
 */
export type Edit =
  /** Maximum memory in bytes; current memory is lowered to it when above. */
  | { tag: "set-memory"; val: Bytes }
  /** Current memory in bytes, at most the maximum. */
  | { tag: "set-current-memory"; val: Bytes }
  /** Maximum vCPUs, at least 1; `current` is lowered to it when above. */
  | { tag: "set-vcpus"; val: number }
  /** CPU weight (`<cputune><shares>`). */
  | { tag: "set-cpu-shares"; val: number }
  /** Cache mode of a disk. */
  | { tag: "set-disk-cache"; val: DiskCache }
  /** One attribute of an interface's `<source>`. */
  | { tag: "set-interface-source"; val: InterfaceSource }
  /** Title, one line; empty removes it. */
  | { tag: "set-title"; val: string }
  /** Kernel command line. */
  | { tag: "set-cmdline"; val: string }
  /** One application's child of `<metadata>` as XML text; it replaces a child with the same namespace. */
  | { tag: "set-metadata"; val: string }
  /** A new device, as XML text of its element. */
  | { tag: "add-device"; val: string }
  /** Takes a device out, by its alias or by the target of a disk or interface. */
  | { tag: "remove-device"; val: string }
  /** The whole document as XML text; name and UUID must stay. */
  | { tag: "replace"; val: string };

/** What a guard says. */
export type Verdict =
  /** No objection. */
  | { tag: "allow" }
  /** Stop; the reason, one sentence, reaches the one who asked (at most 1024 bytes are kept). */
  | { tag: "deny"; val: string }
  /** Go on, with these changes applied in order. */
  | { tag: "rewrite"; val: Edit[] };

/** A policy's own failure: it could not decide. The binding's failure mode then decides. */
export interface Failure {
  /** One sentence for the operator. */
  message: string;
}

// reeve:clock/clock

// reeve:clock/timer

// reeve:domain/config

/** What a domain is doing; the words of `domain list`. */
export type State =
  /** At least one vCPU runs or may run. */
  | "running"
  /** Running, but every vCPU waits. */
  | "idle"
  /** vCPUs are stopped by the host; memory is kept. */
  | "paused"
  /** The guest was asked to shut down and has not finished. */
  | "in-shutdown"
  /** Not running. */
  | "shut-off"
  /** Stopped because the guest or its worker failed. */
  | "crashed"
  /** The guest suspended itself. */
  | "pm-suspended";

/** One disk. */
export interface Disk {
  /** Target name, e.g. `vda`; unique in the domain. */
  target: string;
  /** `disk`, `cdrom`, `floppy` or `lun`. */
  device: string;
  /** Path of the image or block device; none for an empty drive or another kind of source. */
  source: string | null;
  /** `raw`, `qcow2`…; none when the document does not say (raw). */
  format: string | null;
  /** Cache mode; none when the document does not say. */
  cache: string | null;
  /** Bus, e.g. `virtio`; none when the document does not say. */
  bus: string | null;
  /** True when the guest may not write. */
  readonly: boolean;
  /** True when several domains may write. */
  shareable: boolean;
}

/** One network interface. */
export interface NetworkInterface {
  /** `ethernet`, `bridge`, `network`, `direct`… */
  kind: string;
  /** Attributes of `<source>`: name and value. */
  source: [string, string][];
  /** MAC address, lower case with colons; none before one is allocated. */
  mac: string | null;
  /** Name of the host's tap; none when the host chooses. */
  target: string | null;
  /** `virtio`, …; none when the document does not say. */
  model: string | null;
}

/** Memory balloon. */
export interface Balloon {
  /** `virtio` or `none`. */
  model: string;
  /** Period of statistics in seconds; none when off. */
  statsPeriod: number | null;
}

/**
 * The effective configuration of one domain: the definition, or the live one while it runs. A snapshot: it does not change
 * while a hook looks at it.
 */
export interface DomainConfig {
  /** Unique name. */
  name(): string;
  /** Identity. */
  uuid(): Uuid;
  /** State when the hook was called. */
  state(): State;
  /** Title; none when the document has none. */
  title(): string | null;
  /** Driver it asks for: `kvm`, `sim` or another word. */
  domainType(): string;
  /** Memory at boot and at most, bytes. */
  memory(): Bytes;
  /** Memory after the balloon took its share, bytes. */
  currentMemory(): Bytes;
  /** vCPUs at most. */
  vcpus(): number;
  /** vCPUs at boot. */
  currentVcpus(): number;
  /** True when the host may merge this guest's pages (no `<nosharepages/>`). */
  mergeable(): boolean;
  /** Path of the kernel; none when the document has none. */
  kernel(): string | null;
  /** Kernel command line; none when the document has none. */
  cmdline(): string | null;
  /** Disks in document order. */
  disks(): Disk[];
  /** Interfaces in document order. */
  interfaces(): NetworkInterface[];
  /** Memory balloon; none when the document does not say. */
  balloon(): Balloon | null;
  /** Number of random-number devices. */
  rngCount(): number;
  /** `<metadata>` as XML text of the whole element; none when there is none. */
  metadata(): string | null;
  /** The whole document in canonical form. Far dearer than the getters. */
  xml(): string;
}

// reeve:domain/domains

/** One row of a list. */
export interface Summary {
  /** Identity. */
  uuid: Uuid;
  /** Unique name. */
  name: string;
  /** What it is doing. */
  state: State;
  /** True when a definition is kept after it stops. */
  persistent: boolean;
  /** True when the daemon starts it by itself. */
  autostart: boolean;
}

/** What all active domains together may use; needs `domain:read` on every domain (`name=*`). */
export interface Commitment {
  /** Active domains. */
  active: number;
  /** Sum of their maximum memory, bytes. */
  memory: Bytes;
  /** Sum of their vCPUs. */
  vcpus: number;
}

// reeve:events/events

/** What happened to a domain. */
export type DomainChange =
  /** A definition was added or replaced. */
  | "defined"
  /** The definition was removed. */
  | "undefined"
  /** It runs. */
  | "started"
  /** vCPUs were stopped. */
  | "suspended"
  /** vCPUs run again. */
  | "resumed"
  /** The guest was asked to shut down. */
  | "shutdown-requested"
  /** The machine was reset or the guest rebooted. */
  | "rebooted"
  /** It ended. */
  | "stopped"
  /** All resources of a stopped domain are given back. */
  | "released"
  /** The guest or its worker failed. */
  | "crashed"
  /** A restarted daemon found it alive. */
  | "reconnected"
  /** A device was plugged. */
  | "device-attached"
  /** A device was unplugged. */
  | "device-detached"
  /** Autostart, title or another setting changed. */
  | "changed";

/** One event of a domain's life. */
export interface DomainEvent {
  /** Position on the event bus; it grows. */
  seq: number;
  /** Which domain. */
  uuid: Uuid;
  /** Its name. */
  name: string;
  /** What happened. */
  change: DomainChange;
  /** Its state afterwards. */
  state: State;
  /** Why it is in that state, e.g. `booted`, `guest crash`. */
  reason: string;
}

/** What happened to the daemon. */
export type DaemonChange =
  /** It serves. */
  | "started"
  /** It is about to end. */
  | "stopping"
  /** Configuration and policies were read again. */
  | "reloaded";

// reeve:filter/ruleset

/** When packets are looked at. */
export type Layer =
  /** Frame by frame, first. */
  | "link"
  /** After it, with the state of the packet's connection. */
  | "connection";

/** The way of a packet, seen from the guest. */
export type Flow =
  /** To the guest. */
  | "in"
  /** From the guest. */
  | "out";

/** A field of a packet. A match of a field that a packet has not does not hold, negated or not. */
export type Field =
  /** Source of the frame. MAC. */
  | "ether-source"
  /** Destination of the frame. MAC. */
  | "ether-destination"
  /** Protocol of the frame; of a tagged frame 0x8100. 16 bits. */
  | "ether-type"
  /** VLAN id of a tagged frame. 12 bits. */
  | "vlan-id"
  /** Protocol inside of a tagged frame. 16 bits. */
  | "vlan-type"
  /** ARP hardware type. 16 bits. */
  | "arp-hardware-type"
  /** ARP protocol type. 16 bits. */
  | "arp-protocol-type"
  /** ARP and RARP operation. 16 bits. */
  | "arp-operation"
  /** Hardware address of the sender in ARP. MAC. */
  | "arp-source-mac"
  /** Hardware address of the target in ARP. MAC. */
  | "arp-target-mac"
  /** Address of the sender in ARP. IPv4. */
  | "arp-source-ip"
  /** Address of the target in ARP. IPv4. */
  | "arp-target-ip"
  /** 1 where sender and target address of ARP are one, else 0. */
  | "arp-gratuitous"
  /** IPv4 source. */
  | "ip-source"
  /** IPv4 destination. */
  | "ip-destination"
  /** IPv4 protocol. 8 bits. */
  | "ip-protocol"
  /** IPv4 DSCP. 6 bits. */
  | "ip-dscp"
  /** IPv6 source. */
  | "ip6-source"
  /** IPv6 destination. */
  | "ip6-destination"
  /** Protocol after the last extension header of IPv6. 8 bits. */
  | "ip6-protocol"
  /** IPv6 DSCP. 6 bits. */
  | "ip6-dscp"
  /** Source port of TCP, UDP, UDPLITE or SCTP. 16 bits; its rule must also match the protocol. */
  | "source-port"
  /** Destination port, as above. */
  | "destination-port"
  /** TCP flags. 8 bits, masked: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32. */
  | "tcp-flags"
  /** ICMP type. 8 bits. */
  | "icmp-type"
  /** ICMP code. 8 bits. */
  | "icmp-code"
  /** ICMPv6 type. 8 bits. */
  | "icmp6-type"
  /** ICMPv6 code. 8 bits. */
  | "icmp6-code"
  /** BPDU type. 8 bits. */
  | "stp-type"
  /** BPDU flags. 8 bits. */
  | "stp-flags"
  /** Priority of the root bridge. 16 bits. */
  | "stp-root-priority"
  /** Address of the root bridge. MAC. */
  | "stp-root-address"
  /** Cost of the path to the root. 32 bits. */
  | "stp-root-cost"
  /** Priority of the sending bridge. 16 bits. */
  | "stp-sender-priority"
  /** Address of the sending bridge. MAC. */
  | "stp-sender-address"
  /** Port id. 16 bits. */
  | "stp-port"
  /** Age of the message. 16 bits. */
  | "stp-message-age"
  /** Maximum age. 16 bits. */
  | "stp-max-age"
  /** Hello time. 16 bits. */
  | "stp-hello-time"
  /** Forward delay. 16 bits. */
  | "stp-forward-delay"
  /** State of the connection; layer `connection` only. */
  | "state"
  /**
   * Connections that match the rest of the rule, this one included; holds when there are more. Layer `connection` only, last of
   * its rule, not negated.
   */
  | "connections-above"
  /** Membership in a set that the host's administrator made. */
  | "host-set";

/** The state of a packet's connection. */
export type ConnectionState =
  /** Its first packet. */
  | "new"
  /** Packets went both ways. */
  | "established"
  /** New, but expected by another connection. */
  | "related"
  /** No connection can be told. */
  | "invalid";

/** The bits of a number under a mask: `field & mask == value`. */
export interface Masked {
  /** Value of the bits under the mask. */
  value: number;
  /** Mask. */
  mask: number;
}

/** The bits of a hardware address under a mask. */
export interface MaskedMac {
  /** Value of the bits under the mask, lower case with colons. */
  value: string;
  /** Mask, likewise. */
  mask: string;
}

/** A set of the host. */
export interface HostSet {
  /** Its name. */
  name: string;
  /** Which addresses or ports of the packet are looked up, in the order of the set's fields; `true` is the source. One to six. */
  sources: boolean[];
}

/** What a field is compared with. */
export type Operand =
  /** One number. */
  | { tag: "number"; val: number }
  /** From and to, both included. */
  | { tag: "range"; val: [number, number] }
  /** Bits of a number. */
  | { tag: "masked"; val: Masked }
  /** One hardware address, lower case with colons. */
  | { tag: "mac"; val: string }
  /** Bits of a hardware address. */
  | { tag: "masked-mac"; val: MaskedMac }
  /** One IPv4 or IPv6 address. */
  | { tag: "address"; val: string }
  /** All addresses of a network: an address and the length of its prefix. */
  | { tag: "network"; val: [string, number] }
  /** From and to, both included. */
  | { tag: "addresses"; val: [string, string] }
  /** Any element of a set of this ruleset, by name. */
  | { tag: "set"; val: string }
  /** Any of these states of a connection. */
  | { tag: "states"; val: ConnectionState[] }
  /** A set of the host. */
  | { tag: "host-set"; val: HostSet };

/** One condition. */
export interface Match {
  /** Field of the packet. */
  field: Field;
  /** The condition holds where the field does not match. */
  negated: boolean;
  /** What it is compared with. */
  operand: Operand;
}

/** A look-up in a map of this ruleset. */
export interface Lookup {
  /** Field that is looked up. */
  field: Field;
  /** Name of the map. */
  verdictMap: string;
}

/** What follows when a rule matches. */
export type RulesetVerdict =
  /** The layer lets the packet pass. */
  | { tag: "accept" }
  /** It is thrown away. */
  | { tag: "drop" }
  /** It is thrown away and the sender told where the kernel can do that; else as `drop`. */
  | { tag: "reject" }
  /** Back to the calling chain; from an entry chain the layer lets the packet pass. */
  | { tag: "return" }
  /** On to the next rule. */
  | { tag: "continue" }
  /** On to a chain of the same layer, and back after its end. */
  | { tag: "jump"; val: string }
  /** What a map says; the next rule where it says nothing. */
  | { tag: "lookup"; val: Lookup };

/** Conditions, all of which must hold, and what follows. */
export interface RulesetRule {
  /** Conditions; none matches every packet. */
  matches: Match[];
  /** What follows. */
  verdict: RulesetVerdict;
  /** For people; at most 128 characters are kept. */
  comment: string | null;
}

/** A list of rules. */
export interface Chain {
  /** Unique in the ruleset: 1 to 64 letters, digits, `-` and `_`. */
  name: string;
  /** When its packets are looked at. */
  layer: Layer;
  /** Which packets begin here; none is reached by jumps alone. One chain a layer and flow at most. */
  entry: Flow | null;
  /** Rules in order. A packet that leaves the end returns to the caller; from an entry chain it passes. */
  rules: RulesetRule[];
}

/** Elements of one type. */
export interface Set {
  /** Unique in the ruleset, named as chains are. */
  name: string;
  /** Numbers, hardware addresses, or addresses and networks of one family. */
  elements: Operand[];
}

/** Verdicts by element. */
export interface VerdictMap {
  /** Unique in the ruleset, named as chains are. */
  name: string;
  /** Elements of one type, and the verdict of each; not a look-up. */
  entries: [Operand, RulesetVerdict][];
}

/** All rules of one interface. */
export interface Rules {
  /** Chains. */
  chains: Chain[];
  /** Sets that matches name. */
  sets: Set[];
  /** Maps that rules name. */
  maps: VerdictMap[];
}

// reeve:filter/tree

/** What becomes of a packet that a rule matches. */
export type Action =
  /** Silently thrown away. */
  | "drop"
  /** Thrown away, and the sender is told. */
  | "reject"
  /** Passes. */
  | "accept"
  /** Back to the calling filter. */
  | "return"
  /** On to the next rule. */
  | "continue";

/** Which way a packet goes, seen from the guest. */
export type Direction =
  /** To the guest. */
  | "in"
  /** From the guest. */
  | "out"
  /** Both. */
  | "inout";

/** Which values of a variable are meant. */
export type Access =
  /** The one at this position, from 0: `$NAME[2]`. */
  | { tag: "element"; val: number }
  /**
   * All of them, a rule each: `$NAME[@1]`; `$NAME` is iterator 0. Variables with the same iterator go in step, others are
   * combined, the first slowest.
   */
  | { tag: "iterator"; val: number };

/** A reference to a variable of the filter that the rule stands in. */
export interface Variable {
  /** Name, without `$`. */
  name: string;
  /** Which of its values. */
  access: Access;
}

/** The value of an attribute. */
export type Value =
  /** As it is written. */
  | { tag: "literal"; val: string }
  /** Of a variable. */
  | { tag: "variable"; val: Variable };

/** One attribute of a protocol node. */
export interface Condition {
  /** Its name, as the document writes it, e.g. `srcipaddr`. */
  attribute: string;
  /** Its value. */
  value: Value;
}

/** A protocol node. */
export interface ProtocolMatch {
  /** `mac`, `vlan`, `stp`, `arp`, `rarp`, `ip`, `ipv6`, `tcp`, `udp-ipv6`… */
  protocol: string;
  /** Every attribute must differ (`match='no'`). */
  negated: boolean;
  /** Attributes in document order, `comment` among them. */
  conditions: Condition[];
}

/** A rule. */
export interface TreeRule {
  /** What becomes of a packet. */
  action: Action;
  /** Which way. */
  direction: Direction;
  /** -1000 to 1000, lower first; equal ones keep the order they have. */
  priority: number;
  /** False turns the state match off. */
  statematch: boolean;
  /** Protocol nodes, all of one protocol, all of which must match; none matches every packet. */
  matches: ProtocolMatch[];
}

/** What stands in a filter. */
export type Entry =
  /** Another filter, by its position in the tree; always a later one. */
  | { tag: "reference"; val: number }
  /** A rule. */
  | { tag: "rule"; val: TreeRule };

/** All values of one variable. */
export interface Parameter {
  /** Name, without `$`. */
  name: string;
  /** Values in order. */
  values: string[];
}

/** One filter. */
export interface Filter {
  /** Its name. */
  name: string;
  /** `root`, the chain of a protocol (`stp`, `mac`, `vlan`, `ipv4`, `ipv6`, `arp`, `rarp`), or one with a suffix, e.g. `arp-xyz`. */
  chain: string;
  /** Priority of the chain, lower first. */
  priority: number;
  /** Its variables. */
  variables: Parameter[];
  /** References and rules in document order. */
  entries: Entry[];
}

/** The interface that rules are for. */
export interface Subject {
  /** Name of the domain. */
  domain: string;
  /** Name of the tap on the host. Rules are about this interface alone; they need not match it. */
  link: string;
  /** MAC address, lower case with colons. */
  mac: string;
  /** Addresses of the guest that are known, from the document or learned. */
  addresses: string[];
}

// reeve:migration/disks

/** How the content of a disk gets to the destination. */
export type Way =
  /** It does not: the destination opens the same storage, which both hosts must see. */
  | "shared"
  /** All that the disk shows goes along with the guest (`--copy-storage-all`). */
  | "copied"
  /** What the active image has itself goes along (`--copy-storage-inc`); its backing file is at the destination. */
  | "copied-above-backing";

/** How the host caches what the guest writes. A document that says nothing, or `default`, means `writeback`. */
export type CacheMode =
  /** It does not. */
  | "none"
  /** It does, and writes through to the storage. */
  | "writethrough"
  /** It does until the guest flushes. */
  | "writeback"
  /** It does not, and each write is on the storage before it is done. */
  | "directsync"
  /** It does, and flushes are not done. */
  | "unsafe";

/** One disk. */
export interface MigratedDisk {
  /** Its target, e.g. `vda`; unique in the domain. */
  target: string;
  /** What it is to the guest: `disk`, `cdrom`, `floppy` or `lun`. */
  device: string;
  /** Type of its source: `file`, `block`, `volume` or another word of the document. */
  source: string;
  /**
   * File or device node that has it; none of a drive without a medium, of a volume that this host has not looked up, and of what has
   * no path.
   */
  path: string | null;
  /** Pool of a volume. */
  pool: string | null;
  /** Name of a volume in its pool. */
  volume: string | null;
  /** Format of its image; none where the document does not say, which means `raw`. */
  format: string | null;
  /** What the guest sees; none where the source does not tell. */
  capacity: Bytes | null;
  /** What its active image takes of the source's storage; none where the source does not tell. */
  allocation: Bytes | null;
  /**
   * Kind of the file system that has its file on the source, as `mount` names it, e.g. `ext4` or `nfs`; none of what is no file, and
   * where it is not known.
   */
  fileSystem: string | null;
  /** The guest can't write it. */
  readonly: boolean;
  /** Several domains may have it. */
  shareable: boolean;
  /** How the host caches it. */
  cache: CacheMode;
  /**
   * Another host that opens the same storage sees all that was written: this one caches nothing of it (`none`, `directsync`), or the
   * guest can't write it, or there is no medium.
   */
  coherent: boolean;
  /** How its content gets to the destination. */
  way: Way;
  /** The backing file that the destination must have, as the image names it; of `copied-above-backing` only. */
  backing: string | null;
}

// reeve:migration/journey

/** One of the two hosts. */
export interface Peer {
  /** Its name. */
  name: string;
  /** Version of the daemon, e.g. `0.3.0`; empty where it does not say. */
  version: string;
}

/** What is asked for. */
export interface Journey {
  /** Names the migration on both hosts. */
  id: string;
  /** Where the guest runs. */
  source: Peer;
  /** Where it shall run. */
  destination: Peer;
  /** Both hosts are one machine: files of one are files of the other. */
  sameMachine: boolean;
  /** What carries it: `unix`, `tcp` or `tls`. */
  transport: string;
  /** The operator said that disks are not to be looked at (`--unsafe`). */
  unchecked: boolean;
  /** A definition is kept at the destination. */
  persistent: boolean;
}

// reeve:migration/strategy

/** What both hosts offer. Nothing else can be switched on. */
export interface Capabilities {
  /** Pages may be compressed. */
  compression: boolean;
  /** Most streams that pages may come over; 1 is one. */
  streams: number;
  /** The guest may go on at the destination before all of its memory is there. */
  postCopy: boolean;
}

/** What the operator allows. The host holds to it whatever a strategy says. */
export interface Limits {
  /** Microseconds that the guest may stand still, as far as that can be foreseen. */
  maxDowntimeUs: number;
  /** Bytes a second while the guest runs; none is as many as the connection takes. */
  bandwidth: Bytes | null;
  /** Most hundredths of its time that the guest may lose; 0 never holds it back. */
  maxThrottle: number;
  /** Rounds after which the guest stays where it is. */
  maxRounds: number;
}

/** How to begin. */
export interface MigrationPlan {
  /** Microseconds that the guest may stand still; at most the operator's limit. */
  maxDowntimeUs: number;
  /** Compress pages. */
  compress: boolean;
  /** Streams that pages go over, from 1. */
  streams: number;
}

/** What one round did, and what it left. */
export interface Round {
  /** Number of the round, from 1. */
  number: number;
  /** Microseconds since the migration began. */
  elapsedUs: number;
  /** Microseconds that the round took. */
  durationUs: number;
  /** Pages that were sent in it, zeros included. A page has 4096 bytes. */
  pages: number;
  /** Those of them that were zero. */
  zeroPages: number;
  /** Bytes that went over the connection in it. */
  sent: Bytes;
  /** Pages that the guest wrote meanwhile: what the next round sends. */
  dirtyPages: number;
  /** Bytes a second that the connection took. */
  bandwidth: Bytes;
  /** Microseconds that the guest would stand still if this were the last round. */
  expectedDowntimeUs: number;
  /** The limit for that, by the strategy or the operator, whichever is lower. */
  maxDowntimeUs: number;
  /** Hundredths of its time that the guest loses. */
  throttle: number;
  /** Pages are compressed. */
  compressed: boolean;
  /** Streams that pages go over. */
  streams: number;
}

/** All that a strategy decides on. */
export interface Progress {
  /** What both hosts offer. */
  capabilities: Capabilities;
  /** What the operator allows now; it may change while the guest moves. */
  limits: Limits;
  /** The last rounds, at most 16, the newest last. */
  rounds: Round[];
}

/** What comes next. */
export type Step =
  /** Another round. */
  | { tag: "continue" }
  /** Another round, with the guest kept from running for that many hundredths of its time; cut at the operator's limit. */
  | { tag: "throttle"; val: number }
  /** Another limit, in microseconds, for the time that the guest stands still, then another round; cut at the operator's limit. */
  | { tag: "set-max-downtime"; val: number }
  /** Compressed from now on, where both hosts can, then another round. */
  | { tag: "compress" }
  /** So many more streams, as far as both hosts can, then another round. */
  | { tag: "add-streams"; val: number }
  /** The guest goes on at the destination, which fetches what it misses; another round where that is not offered. */
  | { tag: "switch-to-post-copy" }
  /** The guest stands still and the rest is sent; another round where that would take longer than the operator allows. */
  | { tag: "stop-and-copy" }
  /** It ends, and the guest stays where it is; the reason, one sentence, reaches the one who asked (at most 1024 bytes are kept). */
  | { tag: "abort"; val: string };

// reeve:network/networks

/** How guests reach what is outside of their network. */
export type Mode =
  /** They don't: there is no `<forward>`. */
  | "isolated"
  /** Through the host, masqueraded. */
  | "nat"
  /** Through the host, addresses as they are. */
  | "route"
  /** Through the host, without rules of the host's packet filter. */
  | "open"
  /** As ports of a bridge of the host, or by macvtap in bridge mode. */
  | "bridge"
  /** By macvtap, private. */
  | "private"
  /** By macvtap, VEPA. */
  | "vepa"
  /** By macvtap, one guest an interface. */
  | "passthrough"
  /** By PCI functions. */
  | "hostdev";

/** One network. */
export interface Network {
  /** Identity. */
  uuid: Uuid;
  /** Unique name. */
  name: string;
  /** How it reaches what is outside. */
  mode: Mode;
  /** True while it runs. */
  active: boolean;
  /** True when a definition is kept after it stops. */
  persistent: boolean;
  /** True when the daemon starts it by itself. */
  autostart: boolean;
  /** Name of its bridge; none where it has none. */
  bridge: string | null;
  /** Addresses of the host in it, with the prefix, e.g. `192.168.122.1/24`. */
  addresses: string[];
  /** Interfaces of running domains that are plugged into it. */
  connections: number;
}

/** An interface of a running domain. */
export interface Port {
  /** Name of the domain. */
  domain: string;
  /** MAC address, lower case with colons. */
  mac: string;
  /** Name of the tap or macvtap on the host. */
  link: string;
  /** Name of the network; none for a bridge or device of the host. */
  network: string | null;
  /** Name of the packet filter; none when it has none. */
  filter: string | null;
  /** Addresses of the guest that the host knows. */
  addresses: string[];
}

/** An address that a network's DHCP server gave out. */
export interface Lease {
  /** Hardware address; none where the client did not show it. */
  mac: string | null;
  /** The address. */
  ip: string;
  /** Name that the guest gave. */
  hostname: string | null;
  /** Until when; none is for ever. */
  expires: Timestamp | null;
}

/** What passed a port since it was plugged, seen from the guest. */
export interface Counters {
  /** Bytes to the guest. */
  receivedBytes: number;
  /** Packets to the guest. */
  receivedPackets: number;
  /** Packets to the guest that were dropped. */
  receivedDropped: number;
  /** Bytes from the guest. */
  sentBytes: number;
  /** Packets from the guest. */
  sentPackets: number;
  /** Packets from the guest that were dropped. */
  sentDropped: number;
}

// reeve:storage/pools

/** What a pool holds. */
export interface Space {
  /** What it can hold. */
  capacity: Bytes;
  /** What is taken. */
  allocation: Bytes;
  /** What is free. */
  available: Bytes;
}

/** One pool. */
export interface Pool {
  /** Identity. */
  uuid: Uuid;
  /** Unique name. */
  name: string;
  /** What it is made of, the word of its document: `dir`, `fs`, `netfs`, `disk`, `logical`… */
  kind: string;
  /** True while it runs. */
  active: boolean;
  /** True when a definition is kept after it stops. */
  persistent: boolean;
  /** True when the daemon starts it by itself. */
  autostart: boolean;
  /** Directory of its volumes; none where it has none. */
  path: string | null;
  /** What it holds, at its last refresh or change; none while it does not run. */
  space: Space | null;
  /** How many volumes it had then. */
  volumes: number;
}

// reeve:storage/volumes

/** One volume. */
export interface Volume {
  /** Name within its pool. */
  name: string;
  /** Name of its pool. */
  pool: string;
  /** Unique on the host. */
  key: string;
  /** Where it is on the host; empty while it is being made. */
  path: string;
  /** Format of the image: `raw`, `qcow2`… */
  format: string;
  /** What a guest sees. Of a volume that is being resized, the larger of what it has and what it gets. */
  capacity: Bytes;
  /** What it takes of its pool. */
  allocation: Bytes;
  /** The image below an overlay, as the overlay names it; none where it is no overlay. */
  backing: string | null;
  /** When it was made, or where its file system does not keep that, when it was last changed; none of a device. */
  created: Timestamp | null;
  /** False while it is being made: nobody can use it yet, but its name and capacity are spoken for. */
  complete: boolean;
}

/** What `create` makes. */
export interface NewVolume {
  /** Name within its pool. */
  name: string;
  /** What a guest sees. */
  capacity: Bytes;
  /** What is taken from the pool at once; none preallocates a raw volume whole. */
  allocation: Bytes | null;
  /** Format of the image, in pools of files: `raw` or `qcow2`; none is the pool's own. */
  format: string | null;
}

// reeve:hooks/clone-name

/** What is cloned. */
export type Cloned =
  /** A domain. */
  | "domain"
  /** A volume. */
  | "volume";

/** A clone without a name. */
export interface CloneRequest {
  /** What is cloned. */
  kind: Cloned;
  /** Name of the original. */
  source: string;
  /** Pool of a volume; none of a domain. */
  pool: string | null;
  /** Names that are taken: those of all domains, or of all volumes of the pool. */
  taken: string[];
}

// reeve:hooks/daemon-events

// reeve:hooks/device-attach

// reeve:hooks/device-detach

// reeve:hooks/domain-define

// reeve:hooks/domain-events

// reeve:hooks/domain-prepare

// reeve:hooks/domain-start

// reeve:hooks/domain-stop

// reeve:hooks/filter-generate

// reeve:hooks/mac-allocate

// reeve:hooks/migrate-in

// reeve:hooks/migrate-out

// reeve:hooks/migration-strategy

// reeve:hooks/network-events

/** What happened. */
export type Change =
  /** A network was defined or its definition replaced. */
  | "defined"
  /** The definition of a network was removed. */
  | "undefined"
  /** A network runs. */
  | "started"
  /** A network was stopped. */
  | "stopped"
  /** A section of a network was changed, or its autostart. */
  | "updated"
  /** An interface of a domain was plugged in; `detail` is its link. */
  | "port-plugged"
  /** An interface of a domain was unplugged; `detail` is its link. */
  | "port-unplugged"
  /** A guest got or renewed an address; `detail` is the address. */
  | "lease-acquired"
  /** A lease ended; `detail` is the address. */
  | "lease-expired"
  /** The network's DHCP and DNS server ended and was started again. */
  | "service-restarted"
  /** A packet filter was defined, replaced or removed, or could not be put in force; `name` is the filter. */
  | "filter-changed";

/** One event. */
export interface NetworkEvent {
  /** Identity of the network or filter. */
  uuid: Uuid;
  /** Its name. */
  name: string;
  /** What happened. */
  change: Change;
  /** More of it; may be empty. */
  detail: string;
}

// reeve:hooks/network-start

// reeve:hooks/network-stop

// reeve:hooks/pool-start

// reeve:hooks/port-plug

// reeve:hooks/storage-events

/** What happened. */
export type StorageChange =
  /** A pool was defined or its definition replaced. */
  | "defined"
  /** The definition of a pool was removed. */
  | "undefined"
  /** The source of a pool was made. */
  | "built"
  /** The daemon starts a pool by itself from now on, or not any more. */
  | "updated"
  /** A pool runs. */
  | "started"
  /** A pool was stopped. */
  | "stopped"
  /** The source of a pool was removed. */
  | "deleted"
  /** The volumes of a pool were read again. */
  | "refreshed"
  /**
   * Less of a pool is free than the host's configuration says (`low-space-percent`); `detail` is how many bytes. Told once, and
   * again after there was more.
   */
  | "low-space"
  /** A volume was made; `detail` is its name. */
  | "volume-created"
  /** A volume was deleted; `detail` is its name. */
  | "volume-deleted"
  /** A volume got another capacity; `detail` is its name. */
  | "volume-resized"
  /** What a volume held was made unreadable; `detail` is its name. */
  | "volume-wiped"
  /** What a volume holds was written; `detail` is its name. */
  | "volume-written";

/** One event. */
export interface StorageEvent {
  /** Identity of the pool. */
  uuid: Uuid;
  /** Its name. */
  name: string;
  /** What happened. */
  change: StorageChange;
  /** More of it; may be empty. */
  detail: string;
}

// reeve:hooks/task

/** A moment of a task's schedule. */
export interface Timing {
  /** When the run was due. */
  due: Timestamp;
  /** True when the daemon was down at that moment: this one run stands for all that were missed. */
  catchUp: boolean;
}

/** Why a task runs. */
export type Occasion =
  /** Somebody asked for it, with these arguments (at most 64, 64 KiB together). */
  | { tag: "manual"; val: string[] }
  /** Its schedule. */
  | { tag: "schedule"; val: Timing }
  /** An event of a domain that its filters let through. */
  | { tag: "domain"; val: DomainEvent }
  /** An event of the daemon that its filters let through; never `stopping`. */
  | { tag: "daemon"; val: DaemonChange };

// reeve:hooks/volume-create

/** What is about to be made. */
export interface VolumePlan {
  /** Name within its pool. */
  name: string;
  /** What a guest will see; none where the host can't tell before it is made. */
  capacity: Bytes | null;
  /** What is taken from the pool at once; none preallocates a raw volume whole. */
  allocation: Bytes | null;
  /** Format of the image; none is the pool's own. */
  format: string | null;
  /** The image below it, as the document names it; none where it is no overlay. */
  backing: string | null;
  /** The volume that it is a copy of; none where it begins with zeroes. */
  source: Volume | null;
  /** The whole document in canonical form. */
  xml: string;
}

/**
 * Changes to the document of a volume. What is none stays. Every one that changes something must lie within the policy's
 * `volume:rewrite` grant, whose paths are the names of these fields.
 */
export interface VolumeChanges {
  /** Another name. */
  name: string | null;
  /** Another capacity. */
  capacity: Bytes | null;
  /** Another allocation. */
  allocation: Bytes | null;
}

/** What this guard says. */
export type VolumeVerdict =
  /** No objection. */
  | { tag: "allow" }
  /** Stop; the reason, one sentence, reaches the one who asked (at most 1024 bytes are kept). */
  | { tag: "deny"; val: string }
  /** Go on, with these changes; the result is judged as if an operator had asked for it. */
  | { tag: "rewrite"; val: VolumeChanges };

// reeve:hooks/volume-delete

// reeve:hooks/volume-resize

// reeve:kv/store

// reeve:log/log

/** How important a line is. */
export type Level =
  /** Every detail. */
  | "debug"
  /** The normal course of things. */
  | "info"
  /** Something an operator should look at. */
  | "warn"
  /** Something failed. */
  | "error";

// reeve:node/host

/** The machine. */
export interface Info {
  /** Host name. */
  hostname: string;
  /** Online CPUs. */
  cpus: number;
  /** Memory, bytes. */
  memory: Bytes;
  /** NUMA cells. */
  numaCells: number;
}

/** Memory at one moment (/proc/meminfo), bytes. */
export interface Memory {
  /** All memory. */
  total: Bytes;
  /** Unused memory. */
  free: Bytes;
  /** What can be had without swapping. */
  available: Bytes;
  /** Page cache. */
  cached: Bytes;
  /** Buffers. */
  buffers: Bytes;
  /** Swap, all of it. */
  swapTotal: Bytes;
  /** Swap, unused. */
  swapFree: Bytes;
}

// reeve:node/ksm

/** Settings and counters. */
export interface KsmState {
  /** 0 stopped, 1 running, 2 stopped and all pages unmerged. */
  run: number;
  /** Pages to scan before ksmd sleeps. */
  pagesToScan: number;
  /** Milliseconds ksmd sleeps between scans. */
  sleepMillisecs: number;
  /** Merge across NUMA nodes; none where the kernel has no such switch. */
  mergeAcrossNodes: boolean | null;
  /** Shared pages in use. */
  pagesShared: number;
  /** Sites that share them. */
  pagesSharing: number;
  /** Pages that are unique but checked again and again. */
  pagesUnshared: number;
  /** Pages that change too fast. */
  pagesVolatile: number;
  /** Full scans so far. */
  fullScans: number;
}

// reeve:tune/ksm-tune

/** Why a tuner is asked. */
export type Wake =
  /** The interval passed. */
  | "interval"
  /** A domain started or stopped. */
  | "domains-changed";

/** What the tuner decides on; all of one moment. */
export interface Snapshot {
  /** Memory of the host. */
  memory: Memory;
  /** Present settings and counters. */
  ksm: KsmState;
  /** Sum of the maximum memory of all active domains that may be merged, bytes. */
  committed: Bytes;
  /** Active domains. */
  activeDomains: number;
  /** Why it is asked. */
  wake: Wake;
}

/** One change. The host validates and clamps it, applies it, and puts back what it found when the tuner is taken out. */
export type Adjustment =
  /** 0 stop, 1 run, 2 stop and unmerge all pages. */
  | { tag: "run"; val: number }
  /** Pages to scan before ksmd sleeps, 1 to 1000000. */
  | { tag: "pages-to-scan"; val: number }
  /** Milliseconds ksmd sleeps between scans, 1 to 10000. */
  | { tag: "sleep-millisecs"; val: number };

/** What each hook is asked and answers, as the component exports it. */
export interface Hooks {
  /** Propose: the name of a clone that nobody named. */
  "clone-name": { propose(ctx: Context, clone: CloneRequest): string };
  /** Notify: the daemon starts, stops or reloads. A stop waits for it no longer than the binding's deadline. */
  "daemon-events": { notify(ctx: Context, change: DaemonChange): void };
  /** Guard: a device is about to be plugged. A rewrite of the domain is refused; deny and let the operator ask again. */
  "device-attach": { guard(ctx: Context, domain: DomainConfig, device: string): Verdict };
  /** Guard: a device is about to be unplugged. Rewrites are refused. */
  "device-detach": { guard(ctx: Context, domain: DomainConfig, device: string): Verdict };
  /** Guard: a definition is added or replaced. A rewrite changes what is stored. */
  "domain-define": { guard(ctx: Context, domain: DomainConfig): Verdict };
  /** Notify: the whole life of domains. Nothing waits for it; calls for one domain come in order. */
  "domain-events": { notify(ctx: Context, event: DomainEvent): void };
  /** Guard: a domain is about to start. A rewrite changes the effective configuration of this run; the definition stays as it is. */
  "domain-prepare": { guard(ctx: Context, domain: DomainConfig): Verdict };
  /**
   * Guard: the last word before a machine is made: all other guards have agreed, the configuration is settled, the domain is
   * reserved for this start. Rewrites are refused here: it is too late.
   */
  "domain-start": { guard(ctx: Context, domain: DomainConfig): Verdict };
  /** Guard: somebody asks to shut a domain down, reboot or destroy it. Not asked when the guest ends by itself. Rewrites are refused. */
  "domain-stop": { guard(ctx: Context, domain: DomainConfig, forced: boolean): Verdict };
  /**
   * Propose: the packet rules of one interface (guide 18.12). Asked when a domain with a `<filterref>` starts or is plugged, and again
   * when its filter, its variables or its known addresses change; only for the interfaces that the change touches.
   */
  "filter-generate": { propose(ctx: Context, interfaceNumber: Subject, filters: Filter[]): Rules };
  /** Propose: a MAC address for an interface that has none (guide 8.8). */
  "mac-allocate": { propose(ctx: Context, domain: DomainConfig, interfaceNumber: number, taken: string[], seed: number): string };
  /**
   * Guard: a domain is about to come from another host. A rewrite changes the document that it runs by here: sources of disks, bridges
   * and whatever else differs between the hosts.
   */
  "migrate-in": { guard(ctx: Context, domain: DomainConfig, journey: Journey): Verdict };
  /** Guard: a domain is about to move to another host. A rewrite changes the document that the destination gets; this host's stays. */
  "migrate-out": { guard(ctx: Context, domain: DomainConfig, journey: Journey): Verdict };
  /**
   * Propose: how a live migration goes, asked on the source for as long as the guest runs there. A policy that gives no answer in time,
   * or none that counts, is not asked again in this migration: the host goes on by itself, and the guest never waits for a policy.
   * A manifest may ask for one instance a migration (`instance = "per-subject"`).
   */
  "migration-strategy": { precheck(ctx: Context, domain: DomainConfig, journey: Journey): string | null; plan(ctx: Context, offered: Capabilities, limits: Limits, journey: Journey): MigrationPlan; nextStep(ctx: Context, now: Progress): Step };
  /**
   * Notify: networks, what is plugged into them, leases, packet filters. Nothing waits for it; calls for one network or filter come
   * in order.
   */
  "network-events": { notify(ctx: Context, event: NetworkEvent): void };
  /** Guard: a virtual network is about to start. Rewrites are refused. */
  "network-start": { guard(ctx: Context, network: Network, xml: string): Verdict };
  /** Guard: somebody asks to stop a virtual network. Rewrites are refused. */
  "network-stop": { guard(ctx: Context, network: Network): Verdict };
  /** Guard: a storage pool is about to start. Rewrites are refused. */
  "pool-start": { guard(ctx: Context, pool: Pool, xml: string): Verdict };
  /**
   * Guard: an interface of a domain is about to be plugged, at its start, by hot-plug, or because it moves to another network.
   * Rewrites are refused: the guards of the domain have had their say before.
   */
  "port-plug": { guard(ctx: Context, domain: DomainConfig, port: Port): Verdict };
  /** Notify: storage pools and their volumes. Nothing waits for it; calls for one pool come in order. */
  "storage-events": { notify(ctx: Context, event: StorageEvent): void };
  /**
   * Task: a program that is run by hand, on a schedule or on events; what a shell script around a command line was. It may call the
   * host for changes, within its grants and as an actor of its own. One run of a task at a time.
   */
  "task": { run(ctx: Context, why: Occasion): string };
  /** Guard: a volume is about to be made, of zeroes, as an overlay, or as the copy of another. */
  "volume-create": { guard(ctx: Context, pool: Pool, plan: VolumePlan): VolumeVerdict };
  /** Guard: a volume is about to be deleted. Rewrites are refused. */
  "volume-delete": { guard(ctx: Context, pool: Pool, volume: Volume): Verdict };
  /** Guard: a volume is about to get another capacity. Rewrites are refused. */
  "volume-resize": { guard(ctx: Context, pool: Pool, volume: Volume, capacity: Bytes): Verdict };
  /** Tune: kernel samepage merging (guide ch. 7). Asked on an interval (60 s by default) and when a domain started or stopped. */
  "ksm-tune": { tick(ctx: Context, now: Snapshot): Adjustment[] };
}
