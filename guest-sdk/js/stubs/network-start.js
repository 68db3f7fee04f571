/** A virtual network is about to start; `xml` is its document. Rewrites are refused. */
export const networkStart = reeve.guard((ctx, network, xml) => reeve.allow());
