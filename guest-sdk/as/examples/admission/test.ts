// The example `admission`, without a host: what the policy it re-implements is tested with.

import { Code, Decision, HostError } from "./sdk/reeve";
import { DomainData, TestHost, context, domain, expectAllow, expectDeny, expectFailure, newHost } from "./sdk/testing";
import { domainPrepare } from "./policy";

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

function ask(config: string, memory: u64, vcpus: u32): Decision {
  const data = new DomainData();
  data.memory = memory;
  data.vcpus = vcpus;
  return domainPrepare(context(config), domain(data));
}

function fourCpus(): TestHost {
  const host = newHost();
  host.info.cpus = 4;
  host.memory.total = 16 * GIB;
  return host;
}

export function vcpusAreCountedAloneAndTogether(): void {
  const host = fourCpus();
  expectDeny(ask("{}", GIB, 5), "it has 5 vCPUs and the host only 4 CPUs");
  expectAllow(ask('{"guest-within-cpus": false}', GIB, 5));
  host.committed.vcpus = 38;
  expectAllow(ask("{}", GIB, 2));
  expectDeny(ask("{}", GIB, 3), "the active domains would have 41 vCPUs and this host allows 40");
}

/** 16 GiB less a reserve of 2 GiB, times 1.5, is 21 GiB. */
export function memoryIsCountedTogether(): void {
  const host = fourCpus();
  host.committed.memory = 20 * GIB;
  expectAllow(ask("{}", GIB, 1));
  expectDeny(ask("{}", GIB + MIB, 1), "the active domains would have 21505 MiB of memory and this host allows 21504 MiB");
  host.memory.swapTotal = 8 * GIB;
  expectAllow(ask("{}", 8 * GIB, 1));
  expectDeny(
    ask('{"count-swap": false}', 8 * GIB, 1),
    "the active domains would have 28672 MiB of memory and this host allows 21504 MiB",
  );
}

export function aHostThatDoesNotAnswerIsAFailure(): void {
  fourCpus().failure = new HostError(Code.Denied, "no");
  expectFailure(ask("{}", GIB, 1), "the host answered: no");
}
