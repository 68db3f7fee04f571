// Admission: a start is refused when it would overcommit the host beyond its limits (guide ch. 6).

import { Context, Decision, DomainConfig, Memory, Settings, Some, Verdict, allow, because, deny, domains, fail, host } from "./sdk/reeve";

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/** What the operator may set. */
class Limits {
  /** Committed guest memory may be so many times the memory the host can give. */
  memoryOvercommit: f64;
  /** Memory kept for the host, MiB; null is an eighth of the memory, 4 GiB at most (guide 6.1). */
  hostReserveMib: Some<u64> | null;
  /** Whether swap counts as memory the host can give. */
  countSwap: bool;
  /** vCPUs of all active domains per CPU of the host (guide 6.2: 10 at most). */
  vcpusPerCpu: f64;
  /** Whether one domain may not have more vCPUs than the host has CPUs (guide 6.2). */
  guestWithinCpus: bool;

  constructor(settings: Settings) {
    this.memoryOvercommit = settings.number("memory-overcommit", 1.5);
    this.hostReserveMib = settings.optionalInteger("host-reserve-mib");
    this.countSwap = settings.boolean("count-swap", true);
    this.vcpusPerCpu = settings.number("vcpus-per-cpu", 10);
    this.guestWithinCpus = settings.boolean("guest-within-cpus", true);
  }

  /** Bytes that all guests together may have. */
  memory(host: Memory): u64 {
    const said = this.hostReserveMib;
    const reserve = said === null ? min(host.total / 8, 4 * GIB) : times(said.value, MIB);
    const sum = add(host.total, this.countSwap ? host.swapTotal : 0);
    const canGive = sum > reserve ? sum - reserve : 0;
    return whole(<f64>canGive * this.memoryOvercommit, u64.MAX_VALUE);
  }
}

/** A domain is about to start. */
export function domainPrepare(ctx: Context, domain: DomainConfig): Decision {
  const settings = new Settings(ctx.config);
  const limits = new Limits(settings);
  const problem = settings.problem();
  if (problem !== null) return fail<Verdict>(problem);
  const info = host.getInfo();
  if (!info.isOk) return fail<Verdict>(because(info.error));
  const memory = host.getMemory();
  if (!memory.isOk) return fail<Verdict>(because(memory.error));
  const others = domains.committed(domain.uuid());
  if (!others.isOk) return fail<Verdict>(because(others.error));

  const cpus = info.value.cpus;
  const vcpus = domain.vcpus();
  if (limits.guestWithinCpus && vcpus > cpus) return deny(`it has ${vcpus} vCPUs and the host only ${cpus} CPUs`);
  const allVcpus = min(<u64>others.value.vcpus + vcpus, u32.MAX_VALUE);
  const allowedVcpus = whole(<f64>cpus * limits.vcpusPerCpu, u32.MAX_VALUE);
  if (allVcpus > allowedVcpus) {
    return deny(`the active domains would have ${allVcpus} vCPUs and this host allows ${allowedVcpus}`);
  }
  const wanted = add(others.value.memory, domain.memory());
  const allowed = limits.memory(memory.value);
  if (wanted > allowed) {
    return deny(`the active domains would have ${wanted / MIB} MiB of memory and this host allows ${allowed / MIB} MiB`);
  }
  return allow();
}

// Sums and products that stop at the largest number.

function add(a: u64, b: u64): u64 {
  return a > u64.MAX_VALUE - b ? u64.MAX_VALUE : a + b;
}

function times(a: u64, b: u64): u64 {
  return b != 0 && a > u64.MAX_VALUE / b ? u64.MAX_VALUE : a * b;
}

/** A number as a whole one, stopped at 0 and at `most`. */
function whole(value: f64, most: u64): u64 {
  if (!(value > 0)) return 0;
  return value >= <f64>most ? most : <u64>value;
}
