// Admission: a start is refused when it would overcommit the host beyond its limits (guide ch. 6).
// The same policy as scripts/admission, which has the settings in its README.

import { committed } from "reeve:domain/domains@0.1.0";
import { getInfo, getMemory } from "reeve:node/host@0.1.0";
import { allow, boolean, deny, guard, integer, number, optional, u32, u64 } from "./sdk/reeve.js";

const MIB = 1n << 20n;
const GIB = 1n << 30n;
const U32_MAX = 2 ** 32 - 1;
const U64_MAX = (1n << 64n) - 1n;

/** What the operator may set. */
const LIMITS = {
  // Committed guest memory may be so many times the memory the host can give.
  memoryOvercommit: number(1.5),
  // Memory kept for the host, MiB; null is an eighth of the memory, 4 GiB at most (guide 6.1).
  hostReserveMib: optional(integer()),
  // Whether swap counts as memory the host can give.
  countSwap: boolean(true),
  // vCPUs of all active domains per CPU of the host (guide 6.2: 10 at most).
  vcpusPerCpu: number(10),
  // Whether one domain may not have more vCPUs than the host has CPUs (guide 6.2).
  guestWithinCpus: boolean(true),
};

export const domainPrepare = guard((ctx, domain) => {
  const limits = ctx.parseConfig(LIMITS);
  const info = getInfo();
  const memory = getMemory();
  const others = committed(domain.uuid());
  const reason =
    tooWide(limits, info, domain) ??
    tooManyVcpus(limits, info, others, domain) ??
    tooMuchMemory(limits, memory, others, domain);
  return reason === null ? allow() : deny(reason);
});

/** Why one domain alone has too many vCPUs; null when it has not. */
function tooWide(limits, { cpus }, domain) {
  const vcpus = domain.vcpus();
  return limits.guestWithinCpus && vcpus > cpus ? `it has ${vcpus} vCPUs and the host only ${cpus} CPUs` : null;
}

/** Why all domains together would have too many vCPUs. */
function tooManyVcpus(limits, { cpus }, others, domain) {
  const wanted = Math.min(u32(others.vcpus) + domain.vcpus(), U32_MAX);
  const allowed = Math.min(Math.max(Math.trunc(cpus * limits.vcpusPerCpu), 0), U32_MAX);
  return wanted > allowed ? `the active domains would have ${wanted} vCPUs and this host allows ${allowed}` : null;
}

/** Why all domains together would have too much memory. Bytes are counted in big integers: sums go beyond 2^53. */
function tooMuchMemory(limits, memory, others, domain) {
  const total = u64(memory.total);
  const reserve = limits.hostReserveMib === null ? least(total / 8n, 4n * GIB) : least(BigInt(limits.hostReserveMib) * MIB, U64_MAX);
  const swap = limits.countSwap ? u64(memory.swapTotal) : 0n;
  const sum = least(total + swap, U64_MAX);
  const canGive = sum > reserve ? sum - reserve : 0n;
  const allowed = whole(Number(canGive) * limits.memoryOvercommit);
  const wanted = least(u64(others.memory) + u64(domain.memory()), U64_MAX);
  return wanted > allowed
    ? `the active domains would have ${wanted / MIB} MiB of memory and this host allows ${allowed / MIB} MiB`
    : null;
}

const least = (one, other) => (one < other ? one : other);

/** A number as a whole one of 64 bits: cut, never below nothing. */
const whole = (number) => (number > 0 ? least(BigInt(Math.trunc(Math.min(number, 2 ** 64))), U64_MAX) : 0n);
