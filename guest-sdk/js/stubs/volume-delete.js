/** A volume is about to be deleted. Rewrites are refused. */
export const volumeDelete = reeve.guard((ctx, pool, volume) => reeve.allow());
