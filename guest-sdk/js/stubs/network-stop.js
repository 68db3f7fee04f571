/** Somebody asks to stop a virtual network. Rewrites are refused. */
export const networkStop = reeve.guard((ctx, network) => reeve.allow());
