// A guard to start from: it refuses domains with too little memory.

import { allow, deny, guard, integer } from "./sdk/reeve.js";

const MIB = 2 ** 20;

/** What the operator may set; every key has a default, and a typo is an error. In the configuration: "min-memory-mib". */
const SETTINGS = {
  // Least memory of a domain, MiB.
  minMemoryMib: integer(128),
};

export const domainDefine = guard((ctx, domain) => {
  const { minMemoryMib } = ctx.parseConfig(SETTINGS);
  const mib = Math.floor(domain.memory() / MIB);
  return mib < minMemoryMib ? deny(`${mib} MiB of memory; at least ${minMemoryMib} MiB are needed`) : allow();
});
