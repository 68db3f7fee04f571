/** A storage pool is about to start; `xml` is its document. Rewrites are refused. */
export const poolStart = reeve.guard((ctx, pool, xml) => reeve.allow());
