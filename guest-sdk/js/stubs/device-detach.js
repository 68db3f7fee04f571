/** A device (XML text) is about to be unplugged. Rewrites are refused. */
export const deviceDetach = reeve.guard((ctx, domain, device) => reeve.allow());
