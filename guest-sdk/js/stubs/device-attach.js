/** A device (XML text) is about to be plugged. Rewrites are refused. */
export const deviceAttach = reeve.guard((ctx, domain, device) => reeve.allow());
