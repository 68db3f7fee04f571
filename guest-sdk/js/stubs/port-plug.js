/** An interface of a domain is about to be plugged. Rewrites are refused. */
export const portPlug = reeve.guard((ctx, domain, port) => reeve.allow());
