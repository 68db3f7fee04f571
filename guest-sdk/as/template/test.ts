// Runs the policy without a host: node sdk/test.mjs

import { Decision } from "./sdk/reeve";
import { DomainData, context, domain, expectAllow, expectDeny, expectFailure } from "./sdk/testing";
import { domainDefine } from "./policy";

function ask(config: string, mib: u64): Decision {
  const data = new DomainData();
  data.memory = mib << 20;
  return domainDefine(context(config), domain(data));
}

export function smallDomainsAreRefused(): void {
  expectDeny(ask("{}", 64), "64 MiB of memory; at least 128 MiB are needed");
  expectAllow(ask("{}", 512));
  expectAllow(ask('{"min-memory-mib": 32}', 64));
}

export function aTypoIsAFailure(): void {
  expectFailure(
    ask('{"min-memory": 32}', 64),
    "the policy's configuration is not valid: 'min-memory' is no key of it; there are min-memory-mib",
  );
}
