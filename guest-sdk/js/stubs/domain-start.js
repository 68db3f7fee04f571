/** The last word before the machine is made; the configuration is settled. Rewrites are refused. */
export const domainStart = reeve.guard((ctx, domain) => reeve.allow());
