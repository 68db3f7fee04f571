/** A domain is about to start; a rewrite changes the effective configuration of this run only. */
export const domainPrepare = reeve.guard((ctx, domain) => reeve.allow());
