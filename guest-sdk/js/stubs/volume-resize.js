/** A volume is about to get another capacity, bytes. Rewrites are refused. */
export const volumeResize = reeve.guard((ctx, pool, volume, capacity) => reeve.allow());
