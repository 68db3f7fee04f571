/** Somebody asks to stop a domain; `forced` for destroy and reset. Rewrites are refused. */
export const domainStop = reeve.guard((ctx, domain, forced) => reeve.allow());
