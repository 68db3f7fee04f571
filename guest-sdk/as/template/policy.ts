// A guard to start from: it refuses domains with too little memory.

import { Context, Decision, DomainConfig, Settings, Verdict, allow, deny, fail } from "./sdk/reeve";

/** A definition is added or replaced. */
export function domainDefine(ctx: Context, domain: DomainConfig): Decision {
  const settings = new Settings(ctx.config);
  // Least memory of a domain, MiB.
  const least = settings.integer("min-memory-mib", 128);
  const problem = settings.problem();
  if (problem !== null) return fail<Verdict>(problem);

  const mib = domain.memory() >> 20;
  return mib < least ? deny(`${mib} MiB of memory; at least ${least} MiB are needed`) : allow();
}
