// The policy `echo` (tests/policies/echo) in JavaScript.

import * as disks from "reeve:migration/disks@0.1.0";
import * as networks from "reeve:network/networks@0.1.0";
import * as pools from "reeve:storage/pools@0.1.0";
import * as volumes from "reeve:storage/volumes@0.1.0";
import {
  allow, deny, edit, Failure, generate, guard, notify, operand, packet, propose, rewrite, rewriteVolume, steer, step, u32,
} from "./sdk/reeve.js";

const MODES = ["isolated", "nat", "route", "open", "bridge", "private", "vepa", "passthrough", "hostdev"];
const CHANGES = [
  "defined", "undefined", "started", "stopped", "updated", "port-plugged", "port-unplugged", "lease-acquired", "lease-expired",
  "service-restarted", "filter-changed",
];
const DIRECTIONS = ["in", "out", "inout"];

export const networkStart = guard((ctx, network, xml) => {
  const { uuid, name, mode, bridge, addresses } = network;
  const connections = u32(network.connections);
  const flags = [network.active, network.persistent, network.autostart].map(Number).join("");
  return deny(`${uuid} ${name} ${MODES.indexOf(mode)} ${flags} ${bridge ?? "-"} ${addresses.join(",")} ${connections} ${xml}`);
});

export const networkStop = guard((ctx, { name, connections }) =>
  connections === 0 ? allow() : deny(`'${name}' has ${connections} guests`),
);

export const portPlug = guard((ctx, domain, port) => {
  const { mac, link, network, filter, addresses } = port;
  return deny(`${domain.name()} ${port.domain} ${mac} ${link} ${network ?? "-"} ${filter ?? "-"} ${addresses.join(",")}`);
});

export const networkEvents = notify((ctx, { uuid, name, change, detail }) => {
  if (name === "asked") {
    throw new Failure(asked(detail));
  }
  throw new Failure(`${uuid} ${name} ${CHANGES.indexOf(change)} ${detail}`);
});

/** What the host says of a network. */
function asked(name) {
  const all = networks.list().map((network) => network.name).join(",");
  const mode = MODES.indexOf(networks.get(name).mode);
  const links = networks.ports(name).map((port) => port.link).join(",");
  const lease = ({ mac, ip, hostname, expires }) => `${mac ?? "-"}/${ip}/${hostname ?? "-"}/${expires ?? "-"}`;
  const leases = networks.leases(name).map(lease).join(",");
  const of = networks.portCounters(name, "vnet0");
  const received = `${of.receivedBytes} ${of.receivedPackets} ${of.receivedDropped}`;
  const sent = `${of.sentBytes} ${of.sentPackets} ${of.sentDropped}`;
  return `${all} ${mode} ${links} ${leases} ${received} ${sent}`;
}

const STORAGE_CHANGES = [
  "defined", "undefined", "built", "updated", "started", "stopped", "deleted", "refreshed", "low-space", "volume-created",
  "volume-deleted", "volume-resized", "volume-wiped", "volume-written",
];

const volume = (it) =>
  `${it.pool},${it.name},${it.key},${it.path},${it.format},${it.capacity},${it.allocation},${it.backing ?? "-"},${it.created ?? "-"},` +
  `${Number(it.complete)}`;

export const volumeCreate = guard((ctx, pool, plan) => {
  const { name, capacity, allocation, format, backing, source } = plan;
  switch (name) {
    case "fine":
      return allow();
    case "renamed":
      return rewriteVolume({ name: "x", allocation: 4096 });
    default: {
      const of = `${pool.name} ${pool.kind} ${pool.path ?? "-"} ${pool.space?.available ?? "-"} ${u32(pool.volumes)}`;
      const wanted = `${name} ${capacity ?? "-"} ${allocation ?? "-"} ${format ?? "-"} ${backing ?? "-"}`;
      return deny(`${of} ${wanted} ${source ? volume(source) : "-"}`);
    }
  }
});

export const volumeResize = guard((ctx, pool, of, capacity) => deny(`${pool.name} ${volume(of)} ${capacity}`));

export const storageEvents = notify((ctx, { uuid, name, change, detail }) => {
  if (name === "asked") {
    throw new Failure(stored(detail));
  }
  throw new Failure(`${uuid} ${name} ${STORAGE_CHANGES.indexOf(change)} ${detail}`);
});

export const cloneName = propose((ctx, { kind, source, pool, taken }) =>
  `${["domain", "volume"].indexOf(kind)} ${source} ${pool ?? "-"} ${taken.join(",")}`);

export const migrateOut = guard((ctx, domain, journey) => {
  switch (journey.id) {
    case "fine":
      return allow();
    case "titled":
      return rewrite([edit.setTitle(journey.destination.name)]);
    default:
      return deny(way(domain, journey));
  }
});

export const migrateIn = guard((ctx, domain, journey) => deny(way(domain, journey)));

export const migrationStrategy = steer({
  precheck: (ctx, domain, journey) => (journey.id === "fine" ? null : way(domain, journey)),
  plan: (ctx, offered, limits, { id }) => {
    if (id !== "fine") {
      throw new Failure(`${offer(offered)} ${allowed(limits)} ${id}${brought()}`);
    }
    return { maxDowntimeUs: limits.maxDowntimeUs / 2, compress: offered.compression, streams: offered.streams };
  },
  nextStep: (ctx, now) => {
    const last = now.rounds.at(-1);
    switch (last?.number) {
      case undefined:
      case 1:
        return step.continue();
      case 2:
        return step.throttle(last.throttle + 5);
      case 3:
        return step.setMaxDowntime(last.expectedDowntimeUs);
      case 4:
        return step.compress();
      case 5:
        return step.addStreams(last.streams);
      case 6:
        return step.switchToPostCopy();
      case 7:
        return step.stopAndCopy();
      default:
        return step.abort(`${offer(now.capabilities)} ${allowed(now.limits)} ${now.rounds.map(round).join(";")}${brought()}`);
    }
  },
});

function way(domain, { id, source, destination, sameMachine, transport, unchecked, persistent }) {
  const peer = ({ name, version }) => `${name}/${version}`;
  const flags = [sameMachine, unchecked, persistent].map(Number).join("");
  return `${domain.name()} ${id} ${peer(source)} ${peer(destination)} ${flags} ${transport}${brought()}`;
}

/** The disks of the guest, where it has some. */
function brought() {
  return disks.list().map((it) => ` ${disk(it)}`).join("");
}

const disk = (it) =>
  [
    it.target, it.device, it.source, it.path ?? "-", it.pool ?? "-", it.volume ?? "-", it.format ?? "-", it.capacity ?? "-",
    it.allocation ?? "-", it.fileSystem ?? "-", [it.readonly, it.shareable, it.coherent].map(Number).join(""),
    ["none", "writethrough", "writeback", "directsync", "unsafe"].indexOf(it.cache),
    ["shared", "copied", "copied-above-backing"].indexOf(it.way), it.backing ?? "-",
  ].join(",");

const offer = ({ compression, streams, postCopy }) => `${Number(compression)}${Number(postCopy)} ${streams}`;

const allowed = ({ maxDowntimeUs, bandwidth, maxThrottle, maxRounds }) =>
  `${maxDowntimeUs} ${bandwidth ?? "-"} ${maxThrottle} ${maxRounds}`;

const round = (it) =>
  [
    it.number, it.elapsedUs, it.durationUs, it.pages, it.zeroPages, it.sent, it.dirtyPages, it.bandwidth, it.expectedDowntimeUs,
    it.maxDowntimeUs, it.throttle, Number(it.compressed), it.streams,
  ].join(",");

/** What the host says of a pool, and of the volumes that are made there. */
function stored(pool) {
  const all = pools.list().map((it) => it.name).join(",");
  const kind = pools.get(pool).kind;
  const there = volumes.list(pool).map(volume).join(";");
  const one = volume(volumes.get(pool, "a"));
  const made = volume(volumes.create(pool, { name: "b", capacity: 5, allocation: 7, format: null }));
  const copied = volumes.copy(pool, "b", "c").name;
  const resized = volumes.resize(pool, "c", 9, true).capacity;
  const data = volumes.read(pool, "c", 1, 3);
  volumes.write(pool, "c", 2, data);
  volumes.delete(pool, "b");
  return `${all} ${kind} ${there} ${one} ${made} ${copied} ${resized} ${data.length}`;
}

export const filterGenerate = generate((ctx, subject, filters) => ({
  chains: [
    { name: "tree", layer: "link", entry: null, rules: filters.flatMap(told) },
    { name: "out", layer: "link", entry: "out", rules: fromGuest(subject) },
    { name: "in", layer: "connection", entry: "in", rules: toGuest() },
  ],
  sets: [{ name: "known", elements: subject.addresses.map(operand.address) }],
  maps: [
    {
      name: "by-source",
      entries: [
        [operand.address("192.0.2.7"), packet.drop()],
        [operand.address("192.0.2.8"), packet.accept()],
      ],
    },
  ],
}));

const rule = (matches, verdict, comment = null) => ({ matches, verdict, comment });

const is = (field, operand) => ({ field, negated: false, operand });

/** Rules that say what stands in a filter. */
function told({ name, chain, priority, variables, entries }) {
  const values = variables.map((variable) => ` ${variable.name}=${variable.values.join("|")}`).join("");
  const entry = ({ tag, val }) => {
    if (tag === "reference") {
      return rule([], packet.return(), `-> ${val}`);
    }
    const matches = val.matches.map(protocol).join("");
    const comment = `${DIRECTIONS.indexOf(val.direction)} ${val.priority} ${Number(val.statematch)}${matches}`;
    return rule([], packet[val.action](), comment);
  };
  return [rule([], packet.continue(), `${name} ${chain} ${priority}${values}`), ...entries.map(entry)];
}

const protocol = ({ protocol, negated, conditions }) =>
  ` ${protocol}${negated ? "!" : ""}(${conditions.map(condition).join(",")})`;

function condition({ attribute, value: { tag, val } }) {
  if (tag === "literal") {
    return `${attribute}=${val}`;
  }
  return `${attribute}=$${val.name}[${val.access.tag === "iterator" ? "@" : ""}${val.access.val}]`;
}

function fromGuest(subject) {
  const group = "01:00:00:00:00:00";
  return [
    rule([{ field: "ether-source", negated: true, operand: operand.mac(subject.mac) }], packet.reject(), "not its own"),
    rule([is("ether-destination", operand.maskedMac(group, group))], packet.return()),
    rule([is("ip-source", operand.addresses("192.0.2.1", "192.0.2.9"))], packet.continue()),
    rule([], packet.jump("tree")),
  ];
}

function toGuest() {
  const isProtocol = (number) => is("ip-protocol", operand.number(number));
  return [
    rule([is("state", operand.states("established", "related"))], packet.accept()),
    rule([isProtocol(6), is("tcp-flags", operand.masked(2, 18))], packet.drop()),
    rule([isProtocol(17), is("destination-port", operand.range(1024, 65535))], packet.accept()),
    rule([is("ip-source", operand.set("known"))], packet.accept()),
    rule([is("ip-source", operand.network("198.51.100.0", 24))], packet.drop()),
    rule([is("ip6-source", operand.address("2001:db8::1"))], packet.drop()),
    rule([is("host-set", operand.hostSet("trusted", [true, false]))], packet.accept()),
    rule([], packet.lookup("ip-source", "by-source")),
  ];
}
